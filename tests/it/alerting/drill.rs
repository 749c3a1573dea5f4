//! Drills with the real program: the proofs of a webhook and of a mail server, a receiver that refuses, and a schedule.

use std::{path::Path, process::Output, time::Duration};

use serde_json::Value;
use tokio::process::Command;

use super::watch::Watch;
use crate::receivers::{HookServer, MailServer, Pki};

/// A schedule's next minute, and a drill that waits for nothing.
const SCHEDULED_WITHIN: Duration = Duration::from_secs(100);

async fn drill(dir: &Path, config: &str, args: &[&str]) -> Output {
    std::fs::write(dir.join("dogwatch.yml"), format!("clusters: [{{name: prod}}]\n{config}")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_dogwatch"));
    command.args(["drill", "-c", "dogwatch.yml"]).args(args).current_dir(dir).output().await.unwrap()
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"))
}

#[tokio::test]
async fn every_receiver_proves_that_it_took_beginning_and_end() {
    let dir = tempfile::tempdir().unwrap();
    let sink = HookServer::start().await;
    let mut mail = MailServer::start(&Pki::new(dir.path()), "plain", None, 0).await;
    let config = format!(
        "receivers:\n  - name: ops\n    webhook_configs: [{{url: '{}'}}]\n    email_configs: [{{to: ops@example.org, from: \
         dogwatch@example.org, smarthost: 'localhost:{}', require_tls: false}}]\n",
        sink.url("/ops"),
        mail.port
    );
    let output = drill(dir.path(), &config, &["--output", "json"]).await;
    assert!(output.status.success(), "{output:?}");
    let report = report(&output);
    assert!(report["headline"].as_str().unwrap().starts_with("etcd has lost quorum"), "{report}");
    assert!(report["rule_after_seconds"].as_f64().unwrap() > 0.0, "{report}");
    let proofs: Vec<(&str, &str, &str)> = report["proofs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (p["receiver"].as_str().unwrap(), p["what"].as_str().unwrap(), p["answer"].as_str().unwrap()))
        .collect();
    assert_eq!(proofs.len(), 4, "{report}");
    for what in ["began", "ended"] {
        assert!(proofs.contains(&("ops/webhook[0]", what, "200 OK: thanks")), "{report}");
        let by_mail = proofs.iter().find(|p| p.0 == "ops/email[0]" && p.1 == what).unwrap();
        assert!(by_mail.2.starts_with("250 "), "the mail server's own words: {report}");
    }
    let hooks = sink.got();
    assert_eq!(hooks.len(), 2, "one message that it began, one that it ended");
    assert!(hooks.iter().all(|h| h.json()["commonLabels"]["drill"] == "true"));
    let subject = mail.next().await.header("Subject").unwrap();
    assert!(subject.to_lowercase().contains("drill"), "{subject}");
}

#[tokio::test]
async fn a_dry_run_shows_what_would_be_sent_and_sends_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let sink = HookServer::start().await;
    let config = format!(
        "external_url: https://watch.example.org\nroute: {{receiver: ops}}\nreceivers:\n  - name: ops\n    webhook_configs: \
         [{{url: '{}'}}]\n    slack_configs: [{{api_url: 'https://hooks.example.org/geheim', channel: '#ops', title: 'mine: {{{{ \
         .Status }}}}'}}]\n  - {{name: other, webhook_configs: [{{url: 'http://127.0.0.1:1/'}}]}}\n",
        sink.url("/ops")
    );
    let output = drill(dir.path(), &config, &["--dry-run", "--output", "json"]).await;
    assert!(output.status.success(), "{output:?}");
    let report = report(&output);
    let messages = report["messages"].as_array().unwrap();
    let told: Vec<(&str, &str)> =
        messages.iter().map(|m| (m["receiver"].as_str().unwrap(), m["what"].as_str().unwrap())).collect();
    for expected in ["ops/webhook[0]", "ops/slack[0]"].into_iter().flat_map(|r| [(r, "began"), (r, "ended")]) {
        assert!(told.contains(&expected), "{expected:?}: {report}");
    }
    let text = |receiver: &str| messages.iter().find(|m| m["receiver"] == receiver).unwrap()["text"].as_str().unwrap();
    assert!(text("ops/webhook[0]").contains("https://watch.example.org/"), "{report}");
    assert!(text("ops/slack[0]").contains("mine: firing"), "{report}");
    assert!(!report.to_string().contains("geheim"), "{report}");
    assert_eq!(report["not_told"], serde_json::json!(["other/webhook[0]"]));
    assert!(sink.got().is_empty(), "nothing is sent");
}

#[tokio::test]
async fn a_receiver_that_refuses_is_no_proof() {
    let dir = tempfile::tempdir().unwrap();
    let sink = HookServer::start().await;
    sink.answer(400, &[], "who are you");
    let config = format!("receivers: [{{name: ops, webhook_configs: [{{url: '{}'}}]}}]\n", sink.url("/ops"));
    let output = drill(dir.path(), &config, &[]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("ops did not take the message") && said.contains("400"), "{said}");
}

#[tokio::test]
async fn a_missing_proof_on_the_schedule_is_told_through_the_others() {
    let (refuses, takes) = (HookServer::start().await, HookServer::start().await);
    refuses.answer(400, &[], "who are you");
    let receiver = |name: &str, sink: &HookServer| {
        format!("  - {{name: {name}, webhook_configs: [{{url: '{}'}}]}}\n", sink.url(&format!("/{name}")))
    };
    let config = format!(
        "route: {{receiver: boss}}\nreceivers:\n{}{}drill: {{schedule: '* * * * *', receiver: ops}}\n",
        receiver("ops", &refuses),
        receiver("boss", &takes)
    );
    let _watch = Watch::start(&config).await;
    let names = || takes.got().iter().map(|h| h.json()["commonLabels"]["alertname"].to_string()).collect::<Vec<_>>();
    let told = || names().iter().any(|name| name == "\"DrillFailed\"");
    let in_time = tokio::time::timeout(SCHEDULED_WITHIN, async {
        while !told() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    in_time.await.expect("the missing proof is told");
    assert!(!refuses.got().is_empty(), "the drill was played");
    assert_eq!(names(), ["\"DrillFailed\""], "of the drill itself nobody else hears");
}

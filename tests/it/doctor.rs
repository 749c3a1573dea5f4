//! `dogwatch doctor` as people run it: against something that answers as an API server, a mail server that asks for a login, and
//! a webhook; with and without a watchdog that runs.

use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::{
    alerting::watch::{Watch, free_port},
    receivers::{HookServer, MailServer, Pki},
};

fn doctor(dir: &std::path::Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dogwatch"))
        .args(["doctor", "-c", "dogwatch.yml"])
        .args(more)
        .current_dir(dir)
        .env_remove("KUBECONFIG")
        .env("HOME", "/nonexistent")
        .env("NO_COLOR", "1")
        .output()
        .unwrap()
}

async fn run(dir: &std::path::Path, more: &[&str]) -> (Option<i32>, String) {
    let (dir, more) = (dir.to_owned(), more.iter().map(|m| (*m).to_owned()).collect::<Vec<_>>());
    let run = move || doctor(&dir, &more.iter().map(String::as_str).collect::<Vec<_>>());
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(errors, "");
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

fn remark<'a>(answer: &'a Value, area: &str, about: &str) -> &'a Value {
    let all = answer["remarks"].as_array().unwrap();
    let found = all.iter().find(|r| r["area"] == area && r["about"].as_str().unwrap().starts_with(about));
    found.unwrap_or_else(|| panic!("no {about} of {area} in {answer:#}"))
}

const KUBECONFIG: &str = "apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: 'SERVER'}}]
users: [{name: u, user: {username: u, password: p}}]
contexts: [{name: here, context: {cluster: c, user: u}}]
current-context: here
";

#[tokio::test(flavor = "multi_thread")]
async fn a_doctor_looks_at_everything_and_tells_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    let (api, hook) = (HookServer::start().await, HookServer::start().await);
    // The same to every question: its version, and yes to each right.
    let says =
        |allowed: bool| json!({"gitVersion": "v1.37.2", "minor": "37", "status": {"allowed": allowed}}).to_string();
    api.answer(200, &[], &says(true));
    // What a webhook's host says at / is none of ours.
    hook.answer(404, &[], "");
    let pki = Pki::new(dir.path());
    let mut mail = MailServer::start(&pki, "starttls", Some(("ada", "right")), 0).await;
    write("prod.kubeconfig", &KUBECONFIG.replace("SERVER", &api.url("")));
    write("password", "right");
    let config = format!(
        "listen: 127.0.0.1:{}
data_dir: data
external_url: https://watch.example.org
clusters: [{{name: prod, kubeconfig: prod.kubeconfig}}]
global: {{smtp_tls_config: {{ca_file: {}}}}}
receivers:
- name: ops
  webhook_configs: [{{url: '{}'}}]
  email_configs: [{{to: a@example.org, from: b@example.org, smarthost: 'localhost:{}', auth_username: ada, auth_password_file: password}}]
",
        free_port(),
        pki.cert.display(),
        hook.url("/secret-path?token=1"),
        mail.port
    );
    write("dogwatch.yml", &config);

    let (code, said) = run(dir.path(), &["--without-service", "-o", "json"]).await;
    let answer: Value = serde_json::from_str(&said).unwrap();
    assert!(
        remark(&answer, "receivers", "ops/email[0]")["found"].as_str().unwrap().contains("takes our login, with TLS")
    );
    assert_eq!(remark(&answer, "receivers", "ops/webhook[0]")["level"], "ok");
    assert!(remark(&answer, "cluster prod", "API server")["found"].as_str().unwrap().contains("Kubernetes v1.37.2"));
    assert_eq!(remark(&answer, "cluster prod", "clock")["level"], "ok");
    assert_eq!(remark(&answer, "cluster prod", "packets")["level"], "ok");
    assert_eq!(remark(&answer, "machine", "upgrade")["level"], "ok");
    assert!(remark(&answer, "machine", "DNS")["level"] != "bad", "no name is needed here");
    assert!(
        remark(&answer, "cluster prod", "rights")["found"]
            .as_str()
            .unwrap()
            .contains("rights that the configuration needs")
    );
    assert_ne!(code, Some(2), "{answer:#}");
    let asked = hook.got();
    assert!(asked.iter().all(|hook| hook.line == "HEAD /") && asked.len() == 1, "nobody is told anything");
    assert!(tokio::time::timeout(std::time::Duration::from_millis(300), mail.next()).await.is_err(), "no mail came");

    // Each thing that fails, told where it is; the exit status says it.
    api.answer(200, &[], &says(false));
    hook.stop().await;
    write("password", "wrong");
    std::fs::set_permissions(dir.path().join("prod.kubeconfig"), std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .unwrap();
    let (code, said) = run(dir.path(), &[]).await;
    assert_eq!(code, Some(2), "{said}");
    for words in [
        "right: nodes",
        "no kubelet is watched",
        "→ kubectl apply -f deploy/rbac.yaml",
        "535",
        "can't reach 127.0.0.1",
        "chmod 600",
        "→ start it (systemctl start dogwatch",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!said.contains("secret-path"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doctor_asks_the_watchdog_that_runs() {
    let watch = Watch::start("receivers: [{name: none}]\nroute: {receiver: none}\n").await;
    let dir = watch.data().parent().unwrap().to_owned();
    let (_, said) = run(&dir, &["--url", &watch.url, "-o", "json"]).await;
    let answer: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(remark(&answer, "service", "running")["level"], "ok", "{answer:#}");
    assert_eq!(remark(&answer, "service", "history")["level"], "ok", "{answer:#}");
    assert!(remark(&answer, "service", "memory")["found"].as_str().unwrap().starts_with("it takes "), "{answer:#}");
    let upgrade = remark(&answer, "machine", "upgrade");
    assert!(
        upgrade["level"] == "ok" && upgrade["found"].as_str().unwrap().contains("so is this program"),
        "{answer:#}"
    );
}

#[tokio::test]
async fn a_file_that_can_not_be_read_is_the_first_thing_to_mend() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("dogwatch.yml"), "lisen: x\n").unwrap();
    let (code, said) = run(dir.path(), &["--without-service"]).await;
    assert!(code == Some(2) && said.contains("did you mean `listen`?"), "{said}");
}

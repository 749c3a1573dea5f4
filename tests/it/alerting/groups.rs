//! Groups as Alertmanager has them: each route its own, each end once, each limit said.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::watch::Watch;
use crate::{eventually::eventually, receivers::HookServer};

/// `path alert state` of everything that arrived, in order.
fn told(sink: &HookServer) -> Vec<String> {
    let one = |hook: &crate::receivers::Hook| {
        let path = hook.line.split(' ').nth(1).unwrap().to_owned();
        let alerts = hook.json()["alerts"].as_array().unwrap().clone();
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        let line = move |a: Value| format!("{path} {} {}", text(&a["labels"]["alertname"]), text(&a["status"]));
        alerts.into_iter().map(line)
    };
    sink.got().iter().flat_map(one).collect()
}

fn count(sink: &HookServer, line: &str) -> usize {
    told(sink).iter().filter(|l| *l == line).count()
}

fn receivers(sink: &HookServer, names: &[&str]) -> String {
    names.iter().fold("receivers:\n- {name: none}\n".to_owned(), |mut text, name| {
        let url = sink.url(&format!("/{name}"));
        writeln!(text, "- {{name: {name}, webhook_configs: [{{url: '{url}'}}]}}").unwrap();
        text
    })
}

fn alert(name: &str, labels: &[(&str, &str)]) -> Value {
    let mut all: serde_json::Map<String, Value> = labels.iter().map(|(k, v)| ((*k).to_owned(), json!(v))).collect();
    all.insert("alertname".into(), name.into());
    json!({"labels": all})
}

fn over(mut alert: Value) -> Value {
    alert["endsAt"] = jiff::Timestamp::now().to_string().into();
    alert
}

#[tokio::test]
async fn siblings_that_match_alike_each_tell_theirs() {
    for matchers in ["matchers: ['severity=\"critical\"'], ", ""] {
        let sink = HookServer::start().await;
        let config = format!(
            "route:
  receiver: none
  group_wait: 100ms
  group_interval: 500ms
  routes:
  - {{{matchers}receiver: a, continue: true}}
  - {{{matchers}receiver: b, continue: true}}
  - {{{matchers}receiver: a, continue: true}}
  - {{{matchers}receiver: c, group_by: [zone]}}
{}",
            receivers(&sink, &["a", "b", "c"])
        );
        let mut watch = Watch::start(&config).await;
        let x = alert("X", &[("severity", "critical"), ("zone", "1")]);
        watch.post(json!([x])).await;
        let all = ["/a X firing", "/b X firing", "/c X firing"];
        eventually("all are told", async || all.iter().all(|line| count(&sink, line) > 0)).await;
        // What was not recorded yet may be told again after a crash.
        let recorded = async || metrics(&watch).await.contains("\ndogwatch_outbox_pending 0\n");
        eventually("all is recorded", recorded).await;
        watch.kill();
        watch.start_again().await;
        let y = alert("Y", &[("severity", "critical"), ("zone", "2")]);
        watch.post(json!([y])).await;
        eventually("another is told", async || {
            ["/a Y firing", "/b Y firing", "/c Y firing"].iter().all(|l| count(&sink, l) > 0)
        })
        .await;
        all.iter().for_each(|line| assert_eq!(count(&sink, line), 1, "{line}: {:?}", told(&sink)));
        watch.post(json!([over(x), over(y)])).await;
        let ends =
            ["/a X resolved", "/b X resolved", "/c X resolved", "/a Y resolved", "/b Y resolved", "/c Y resolved"];
        eventually("all ends are told", async || ends.iter().all(|line| count(&sink, line) == 1)).await;
    }
}

#[tokio::test]
async fn an_end_is_told_once() {
    let sink = HookServer::start().await;
    let times = "group_by: [job], group_wait: 100ms, group_interval: 500ms";
    let watch = Watch::start(&format!("route: {{receiver: ops, {times}}}\n{}", receivers(&sink, &["ops"]))).await;
    let (a, b) = (alert("A", &[("job", "x")]), alert("B", &[("job", "x")]));
    watch.post(json!([a, b])).await;
    eventually("both are told", async || count(&sink, "/ops A firing") == 1 && count(&sink, "/ops B firing") == 1)
        .await;
    watch.post(json!([over(a)])).await;
    eventually("one end is told", async || count(&sink, "/ops A resolved") == 1).await;
    watch.post(json!([over(b)])).await;
    eventually("the other is told", async || count(&sink, "/ops B resolved") == 1).await;
    assert_eq!(told(&sink).last().map(String::as_str), Some("/ops B resolved"));
    assert_eq!(count(&sink, "/ops A resolved"), 1, "{:?}", told(&sink));
}

async fn metrics(watch: &Watch) -> String {
    reqwest::get(format!("{}/metrics", watch.url)).await.unwrap().text().await.unwrap()
}

/// Opening thousands of groups takes an unoptimised program so long.
const STORM: Duration = Duration::from_secs(180);

/// Posts as a Prometheus does: what finds no answer in time is posted again.
async fn post(watch: &Watch, alerts: Value) -> u16 {
    let deadline = Instant::now() + STORM;
    loop {
        match watch.status("/api/v2/alerts", alerts.clone()).await {
            503 if Instant::now() < deadline => {}
            status => return status,
        }
    }
}

/// Far more alerts than there are groups: each is told, or told of; and what is critical, or found by the diagnosis, is
/// told at once.
#[tokio::test]
async fn a_storm_beyond_all_limits_is_told_of_and_holds_up_nothing_grave() {
    let sink = HookServer::start().await;
    let config = format!(
        "route: {{receiver: ops, group_by: [id], group_wait: 0s}}\nclusters: [{{name: prod, kubeconfig: kubeconfig}}]\n{}",
        receivers(&sink, &["ops"])
    );
    let watch = Watch::start(&config).await;
    for from in (0..22_500).step_by(500) {
        let batch: Vec<Value> = (from..from + 500).map(|i| alert("S", &[("id", &format!("id{i}"))])).collect();
        assert_eq!(post(&watch, json!(batch)).await, if from < 20_000 { 200 } else { 429 }, "batch {from}");
    }
    let deadline = Instant::now() + STORM;
    post(&watch, json!([alert("DatabaseLost", &[("id", "important"), ("severity", "critical")])])).await;
    while count(&sink, "/ops DatabaseLost firing") == 0 {
        assert!(Instant::now() < deadline, "the critical one is never told");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(told(&sink).len() < 2_000, "before the storm was: {}", told(&sink).len());
    while count(&sink, "/ops AlertsUntold firing") == 0 {
        assert!(Instant::now() < deadline, "the rest is never told of");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let body = metrics(&watch).await;
    assert!(body.contains("dogwatch_dropped_total{limit=\"alerts_untold\"}"), "{body}");
    assert!(body.contains("dogwatch_dropped_total{limit=\"posted_alerts\"} 2500"), "{body}");
}

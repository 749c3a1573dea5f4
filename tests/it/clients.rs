//! Real clients of Prometheus against dogwatch: promtool, a Prometheus that federates, vmalert, Python's client, and what
//! Grafana's data source asks from the browser.

use std::process::{Child, Command, Stdio};

use dogwatch::{clock::Clock, model::LiveState};
use jiff::Timestamp;

use crate::{
    api_v1::{Api, client},
    eventually::eventually,
    peers::{self, peer},
};

async fn api() -> Api {
    let api = Api::start(Clock::system(), LiveState::default()).await;
    api.fill(Timestamp::now());
    api
}

/// Of Prometheus.
fn program(name: &str) -> String {
    peers::program(name).display().to_string()
}

/// A program with its output; the test goes on meanwhile.
async fn output(program: &str, args: Vec<String>) -> String {
    let mut command = Command::new(program);
    command.args(&args);
    let done = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    let done = done.unwrap_or_else(|e| panic!("{program}: {e}; tests/run installs it"));
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{program} {args:?}: {said}{}", String::from_utf8_lossy(&done.stderr));
    said
}

fn args(args: &[&str]) -> Vec<String> {
    args.iter().map(|a| (*a).into()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn promtool_asks_in_all_its_ways() {
    let api = api().await;
    let now = Timestamp::now().as_second();
    let instant = output(&program("promtool"), args(&["query", "instant", &api.url, "sum(up)"])).await;
    assert!(instant.starts_with("{} => 2 @["), "{instant}");
    let (start, end) = (format!("--start={}", now - 60), format!("--end={now}"));
    let range =
        output(&program("promtool"), args(&["query", "range", &start, &end, "--step=30s", &api.url, "sum(up)"])).await;
    assert_eq!(range.lines().filter(|l| l.starts_with("2 @[")).count(), 3, "{range}");
    let series = output(&program("promtool"), args(&["query", "series", "--match=requests_total", &api.url])).await;
    assert!(series.contains(r#"__name__="requests_total", cluster="prod", instance="10.0.0.1:2379""#), "{series}");
    let labels = output(&program("promtool"), args(&["query", "labels", &api.url, "instance"])).await;
    assert_eq!(labels.lines().collect::<Vec<_>>(), ["10.0.0.1:2379", "10.0.0.2:2379"]);
}

/// A program that runs until the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(program: &str, args: &[String]) -> Running {
    let child = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    Running(child.unwrap_or_else(|e| panic!("{program}: {e}; tests/run installs it")))
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits for an answer.
async fn answered(what: &str, url: &str, done: impl Fn(&serde_json::Value) -> bool) {
    eventually(what, async || {
        let Ok(answer) = client().get(url).send().await else { return false };
        answer.text().await.is_ok_and(|text| serde_json::from_str(&text).is_ok_and(|json| done(&json)))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prometheus_federates() {
    let api = api().await;
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let config = dir.path().join("prometheus.yml");
    let scrape = serde_json::json!({"scrape_configs": [{
        "job_name": "dogwatch", "honor_labels": true, "metrics_path": "/federate", "scrape_interval": "1s",
        "params": {"match[]": ["{cluster=\"prod\"}"]},
        "static_configs": [{"targets": [api.url.trim_start_matches("http://")]}],
    }]});
    std::fs::write(&config, scrape.to_string()).unwrap();
    let _peer = start(
        &program("prometheus"),
        &[
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", dir.path().join("data").display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
        ],
    );
    let query = "count({cluster=\"prod\"})";
    let url =
        url::Url::parse_with_params(&format!("http://127.0.0.1:{port}/api/v1/query"), [("query", query)]).unwrap();
    answered("5 federated series", url.as_str(), |json| json["data"]["result"][0]["value"][1] == "5").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn vmalert_evaluates_rules_on_it() {
    let api = api().await;
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let rules = dir.path().join("rules.yml");
    std::fs::write(
        &rules,
        "groups: [{name: g, interval: 1s, rules: [{alert: Served, expr: 'sum(rate(requests_total[5m])) > 1', labels: {severity: info}}]}]",
    )
    .unwrap();
    let _peer = start(
        "vmalert",
        &[
            format!("-rule={}", rules.display()),
            format!("-datasource.url={}", api.url),
            // It wants one; nobody needs to listen there.
            "-notifier.url=http://127.0.0.1:1".into(),
            format!("-httpListenAddr=127.0.0.1:{port}"),
        ],
    );
    let fires = |json: &serde_json::Value| {
        let alert = &json["data"]["alerts"][0];
        alert["name"] == "Served" && alert["state"] == "firing"
    };
    answered("a firing alert", &format!("http://127.0.0.1:{port}/api/v1/alerts"), fires).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pythons_client_reads_it() {
    let api = api().await;
    let script = r#"
import sys
from datetime import datetime, timedelta
from prometheus_api_client import PrometheusConnect
p = PrometheusConnect(url=sys.argv[1])
assert p.check_prometheus_connection()
assert "up" in p.all_metrics()
assert p.get_label_values("instance") == ["10.0.0.1:2379", "10.0.0.2:2379"]
now = p.get_current_metric_value("up", label_config={"instance": "10.0.0.1:2379"})
assert now[0]["value"][1] == "1", now
end = datetime.now()
data = p.custom_query_range("sum(up)", end - timedelta(minutes=5), end, "60s")
assert len(data[0]["values"]) >= 5, data
print("read", len(data[0]["values"]))
"#;
    let said = output(&peer("venv/bin/python").display().to_string(), args(&["-c", script, &api.url])).await;
    assert!(said.starts_with("read "), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn grafanas_own_request_code_finds_everything() {
    let api = api().await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/grafana/ask.js");
    let said = output("node", args(&[script, &api.url])).await;
    println!("{said}");
    assert!(said.ends_with("all found\n"), "{said}");
}

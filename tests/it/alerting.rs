//! Alerting end to end, with the real program and real peers: amtool, Prometheus, Alertmanager, curl; and `kill -9`.

mod beside_alertmanager;
mod disk;
mod drill;
mod groups;
mod manners;
pub mod watch;

use std::{
    collections::BTreeSet,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use self::watch::{Watch, free_port};
use crate::{eventually::eventually, receivers::HookServer};

/// Alerts of which the watchdog is killed between birth and delivery.
const TRIALS: usize = 200;
/// Watchdogs that are killed at the same time.
const LANES: usize = 4;

fn base(sink: &HookServer, more: &str) -> String {
    format!(
        "route: {{receiver: ops, group_by: ['...'], group_wait: 100ms, group_interval: 1s, repeat_interval: 1h}}
receivers: [{{name: ops, webhook_configs: [{{url: '{}'}}]}}]
{more}",
        sink.url("/ops")
    )
}

/// The names of all alerts that arrived, with their states.
fn names(sink: &HookServer) -> BTreeSet<String> {
    let bodies: Vec<Value> = sink.got().iter().map(|h| h.json()).collect();
    let alerts = bodies.iter().flat_map(|b| b["alerts"].as_array().cloned().unwrap_or_default());
    alerts
        .map(|a| format!("{} {}", a["labels"]["alertname"].as_str().unwrap(), a["status"].as_str().unwrap()))
        .collect()
}

fn amtool(watch: &Watch, args: &[&str]) -> String {
    let url = format!("--alertmanager.url={}", watch.url);
    let out = Command::new(crate::peers::program("amtool"))
        .arg(url)
        .args(args)
        .output()
        .expect("Debian's prometheus-alertmanager has amtool");
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

#[tokio::test]
async fn amtool_works_as_with_an_alertmanager() {
    let sink = HookServer::start().await;
    let watch = Watch::start(&base(&sink, "")).await;
    amtool(&watch, &["alert", "add", "DiskFull", "instance=a", "severity=critical", "--annotation=summary=no room"]);
    eventually("it is told", async || names(&sink).contains("DiskFull firing")).await;
    let listed = amtool(&watch, &["alert", "query", "-o", "extended", "alertname=DiskFull"]);
    assert!(listed.contains("instance=\"a\"") && listed.contains("no room"), "{listed}");
    assert!(!amtool(&watch, &["alert", "query", "alertname=Other"]).contains("DiskFull"));
    let id = amtool(&watch, &["silence", "add", "alertname=DiskFull", "-a", "me", "-c", "known", "-d", "1h"]);
    assert!(amtool(&watch, &["silence", "query"]).contains("known"));
    eventually("it is silenced", async || !amtool(&watch, &["alert", "query"]).contains("DiskFull")).await;
    assert!(amtool(&watch, &["alert", "query", "--silenced"]).contains("DiskFull"));
    amtool(&watch, &["silence", "expire", id.trim()]);
    eventually("it is heard again", async || amtool(&watch, &["alert", "query"]).contains("DiskFull")).await;
    assert!(amtool(&watch, &["config", "routes", "show"]).contains("receiver: ops"));
    let end = jiff::Timestamp::now().to_string();
    amtool(&watch, &["alert", "add", "DiskFull", "instance=a", "severity=critical", "--end", &end]);
    eventually("its end is told", async || names(&sink).contains("DiskFull resolved")).await;
}

#[tokio::test]
async fn a_silence_of_the_command_line_outlives_a_restart() {
    let sink = HookServer::start().await;
    let mut watch = Watch::start(&base(&sink, "")).await;
    let said =
        watch.cli(&["silence", "add", "alertname=Known", "--for", "1h", "--comment", "planned", "--author", "me"]);
    assert!(said.contains("silence"), "{said}");
    watch.kill();
    watch.start_again().await;
    assert!(watch.cli(&["silence", "list"]).contains("planned"));
    amtool(&watch, &["alert", "add", "Known", "severity=critical"]);
    amtool(&watch, &["alert", "add", "New", "severity=critical"]);
    eventually("the other is told", async || names(&sink).contains("New firing")).await;
    assert!(!names(&sink).contains("Known firing"));
    let id = watch.cli(&["silence", "list", "--output", "json"]);
    let id = serde_json::from_str::<Value>(&id).unwrap()[0]["id"].as_str().unwrap().to_owned();
    watch.cli(&["silence", "expire", &id]);
    eventually("now it is told", async || names(&sink).contains("Known firing")).await;
}

#[tokio::test]
async fn nothing_is_lost_whenever_it_is_killed() {
    let lane = |lane: usize| async move {
        let sink = HookServer::start().await;
        let mut watch = Watch::start(&base(&sink, "")).await;
        let mut random = fastrand::Rng::with_seed(lane as u64);
        for trial in 0..TRIALS / LANES {
            watch.post(json!([{"labels": {"alertname": format!("T{trial}"), "severity": "critical"}}])).await;
            tokio::time::sleep(Duration::from_millis(random.u64(0..300))).await;
            watch.kill();
            watch.start_again().await;
        }
        for trial in 0..TRIALS / LANES {
            let wanted = format!("T{trial} firing");
            eventually(&format!("{wanted} of lane {lane}"), async || names(&sink).contains(&wanted)).await;
        }
    };
    futures_util::future::join_all((0..LANES).map(lane)).await;
}

#[tokio::test]
async fn a_heartbeat_that_was_answered_is_remembered() {
    let sink = HookServer::start().await;
    let more = "heartbeats: [{name: backup, every: 24h, grace: 1h, token_file: token}]";
    let mut watch = Watch::start(&base(&sink, more)).await;
    let curl = |path: &str, body: &str| {
        let url = format!("{}/ping/{}{path}", watch.url, watch::TOKEN);
        let out = Command::new("curl").args(["-fsS", "-m", "10", "--data-binary", body, &url]).output().unwrap();
        String::from_utf8(out.stdout).unwrap()
    };
    assert_eq!(curl("/start", ""), "OK\n");
    assert_eq!(curl("/7", "no space left on device"), "OK\n");
    assert_eq!(curl("/nonsense", ""), "");
    watch.kill();
    watch.start_again().await;
    let told = |sink: &HookServer| names(sink).contains("HeartbeatFailed firing");
    eventually("its failure is told", async || told(&sink)).await;
    let body = sink.got().last().unwrap().json().to_string();
    assert!(body.contains("no space left on device") && body.contains("exit status 7"), "{body}");
    let head = Command::new("curl").args(["-fsSI", &format!("{}/ping/{}", watch.url, watch::TOKEN)]).output().unwrap();
    assert!(head.status.success());
    eventually("its success ends it", async || names(&sink).contains("HeartbeatFailed resolved")).await;
    let missing =
        Command::new("curl").args(["-s", &format!("{}/ping/nobody-has-this-token", watch.url)]).output().unwrap();
    assert_eq!(String::from_utf8(missing.stdout).unwrap(), "No job has this token.\n");
}

/// A program that ends with the value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(program: &Path, args: &[String], dir: &Path) -> Running {
    let log = std::fs::File::create(dir.join("peer.log")).unwrap();
    let mut command = Command::new(program);
    command.args(args).current_dir(dir).stdout(log.try_clone().unwrap()).stderr(Stdio::from(log));
    Running(command.spawn().unwrap_or_else(|e| panic!("{} is needed: {e}", program.display())))
}

#[tokio::test]
async fn a_real_prometheus_inside_sends_its_alerts_and_its_silence_is_noticed() {
    let (sink, dir) = (HookServer::start().await, tempfile::tempdir().unwrap());
    let cluster = "tell_warnings_after: 0s\nclusters: [{name: prod, kubeconfig: kubeconfig, monitoring: {token_file: token, silent_after: 5s}}]";
    let watch = Watch::start(&base(&sink, cluster)).await;
    let refused = watch.status("/api/v2/alerts", json!([{"labels": {"alertname": "X"}}])).await;
    assert_eq!(refused, 401, "without the cluster's token nothing is taken");
    let rules = "groups: [{name: g, interval: 1s, rules: [{alert: Watchdog, expr: vector(1)}, {alert: ShopDown, expr: vector(1), labels: {severity: critical}}]}]";
    std::fs::write(dir.path().join("rules.yml"), rules).unwrap();
    let port = watch.url.rsplit(':').next().unwrap();
    let config = format!(
        "global: {{evaluation_interval: 1s}}
rule_files: [rules.yml]
alerting:
  alertmanagers: [{{authorization: {{credentials: {}}}, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]",
        watch::TOKEN
    );
    std::fs::write(dir.path().join("prometheus.yml"), config).unwrap();
    let args = [
        "--config.file=prometheus.yml".to_owned(),
        "--storage.tsdb.path=data".to_owned(),
        format!("--web.listen-address=127.0.0.1:{}", free_port()),
        "--rules.alert.resend-delay=1s".to_owned(),
    ];
    let prometheus = run(&crate::peers::program("prometheus"), &args, dir.path());
    eventually("its alert is told", async || names(&sink).contains("ShopDown firing")).await;
    let shop =
        sink.got().iter().map(|h| h.json()).find(|b| b["alerts"][0]["labels"]["alertname"] == "ShopDown").unwrap();
    assert_eq!(shop["alerts"][0]["labels"]["cluster"], "prod", "the token says which cluster");
    assert!(!names(&sink).contains("Watchdog firing"), "the sign of life is not told");
    let up = async || watch.query("dogwatch_in_cluster_monitoring_up").await;
    eventually("its life is seen", async || up().await == Some(1.0)).await;
    drop(prometheus);
    let silent = "InClusterMonitoringSilent firing";
    eventually("its silence is told", async || names(&sink).contains(silent)).await;
    eventually("its silence is a series", async || up().await == Some(0.0)).await;
}

#[tokio::test]
async fn a_real_alertmanager_takes_what_is_forwarded() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("am.yml"), "route: {receiver: x}\nreceivers: [{name: x}]\n").unwrap();
    let port = free_port();
    let args = [
        "--config.file=am.yml".to_owned(),
        "--storage.path=data".to_owned(),
        format!("--web.listen-address=127.0.0.1:{port}"),
        "--cluster.listen-address=".to_owned(),
    ];
    let _peer = run(&crate::peers::program("alertmanager"), &args, dir.path());
    let receiver = format!(
        "route: {{receiver: am, group_wait: 0s, group_interval: 1s}}
receivers: [{{name: am, alertmanager_configs: [{{urls: ['http://127.0.0.1:{port}', 'http://127.0.0.1:1']}}]}}]"
    );
    let watch = Watch::start(&receiver).await;
    watch
        .post(json!([{"labels": {"alertname": "Shared", "severity": "warning"}, "annotations": {"summary": "s"}}]))
        .await;
    let ask = || {
        let url = format!("--alertmanager.url=http://127.0.0.1:{port}");
        let out = Command::new(crate::peers::program("amtool")).args([&url, "alert", "query"]).output().unwrap();
        String::from_utf8(out.stdout).unwrap()
    };
    eventually("the other Alertmanager has it", async || ask().contains("Shared")).await;
    let end = jiff::Timestamp::now().to_string();
    watch.post(json!([{"labels": {"alertname": "Shared", "severity": "warning"}, "endsAt": end}])).await;
    eventually("and its end", async || !ask().contains("Shared")).await;
}

//! A configuration that several teams write: `conf.d` in `check`, at a start and at reloads; secrets as Kubernetes mounts
//! them.

use std::{
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::json;

use crate::{
    alerting::watch::{KUBECONFIG, TOKEN, Watch},
    eventually::eventually,
    receivers::HookServer,
};

/// Runs the program in a folder.
fn dogwatch(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dogwatch"));
    command.args(arguments).current_dir(dir).env("COLUMNS", "100").env_remove("DOGWATCH_CONFIG");
    command.output().unwrap()
}

/// The folder of the configuration, with one for pieces.
fn folder(watch: &Watch) -> PathBuf {
    let dir = watch.data().parent().unwrap().to_owned();
    std::fs::create_dir(dir.join("conf.d")).unwrap();
    dir
}

#[tokio::test]
async fn pieces_are_seen_by_check_and_reloads_and_their_mistakes_name_them() {
    let watch = Watch::start("").await;
    let dir = folder(&watch);
    watch.write("conf.d/jobs.yml", "heartbeats: [{name: nightly, every: 24h, token_file: token}]\n");
    let (status, said) = watch.reload().await;
    assert!(status == 500 && said.contains("conf.d/jobs.yml:1:"), "a token beside the piece is missing: {said}");
    watch.write("conf.d/token", &TOKEN.replace("token", "other"));
    let (status, said) = watch.reload().await;
    assert!(status == 200 && said.contains("heartbeats: nightly added"), "{said}");
    let checked = dogwatch(&dir, &["check"]);
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(
        checked.status.success() && said.contains("with 1 file of conf.d") && said.contains("2 heartbeats"),
        "{said}"
    );
    watch.write("conf.d/jobs.yml", "\nheartbets: []\n");
    let (status, said) = watch.reload().await;
    assert!(status == 500 && said.contains("conf.d/jobs.yml:2:1: unknown key `heartbets`"), "{said}");
    let checked = dogwatch(&dir, &["check"]);
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(!checked.status.success() && said.contains("conf.d/jobs.yml:2:1"), "{said}");
}

#[tokio::test]
async fn a_mounted_secret_that_changes_is_read_anew() {
    let (before, after) = (HookServer::start().await, HookServer::start().await);
    let watch = Watch::start("").await;
    let dir = folder(&watch);
    // As the kubelet does it: names are links through `..data`, which is replaced in one step.
    let version = |name: &str, url: &str| {
        std::fs::create_dir(dir.join("conf.d").join(name)).unwrap();
        std::fs::write(dir.join("conf.d").join(name).join("url"), url).unwrap();
        symlink(name, dir.join("conf.d/..data_tmp")).unwrap();
        std::fs::rename(dir.join("conf.d/..data_tmp"), dir.join("conf.d/..data")).unwrap();
    };
    version("..2026_11_29_1", &before.url("/ops"));
    symlink("..data/url", dir.join("conf.d/url")).unwrap();
    watch.write(
        "conf.d/ops.yml",
        "route: {receiver: ops, group_by: [alertname], group_wait: 0s}\n\
         receivers: [{name: ops, webhook_configs: [{url_file: url}]}]\n",
    );
    let (status, said) = watch.reload().await;
    assert_eq!(status, 200, "{said}");
    let post = async |name: &str| watch.post(json!([{"labels": {"alertname": name, "severity": "critical"}}])).await;
    post("First").await;
    eventually("it is told", async || !before.got().is_empty()).await;
    version("..2026_11_29_2", &after.url("/ops"));
    post("Second").await;
    eventually("it is told there", async || !after.got().is_empty()).await;
}

/// A configuration with routes, for a running watchdog.
fn routed(sink: &HookServer) -> String {
    format!(
        "clusters: [{{name: prod, kubeconfig: kubeconfig}}]\nheartbeats: [{{name: nightly, every: 24h, token_file: token}}]\n\
         checks: [{{name: shop, interval: 1m, tcp: {{address: '127.0.0.1:1'}}, labels: {{team: shop}}}}]\n\
         receivers: [{{name: ops, webhook_configs: [{{url: '{}'}}]}}, {{name: shop, webhook_configs: [{{url: '{}'}}]}}]\n\
         route: {{receiver: ops, routes: [{{receiver: shop, matchers: [team=shop]}}, {{receiver: shop, matchers: [node=w1]}}]}}\n",
        sink.url("/ops"),
        sink.url("/shop?token=hunter2")
    )
}

#[tokio::test]
async fn check_explains_and_tells_what_a_reload_would_change() {
    let sink = HookServer::start().await;
    let watch = Watch::start(&routed(&sink)).await;
    let dir = folder(&watch);
    let run = |arguments: &[&str]| {
        let done = dogwatch(&dir, arguments);
        let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(done.status.success(), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
        said
    };
    let said = run(&["check", "--explain"]);
    assert!(said.lines().all(|line| line.chars().count() <= 100), "{said}");
    for words in
        ["kube-apiserver", "check shop (tcp)", "heartbeat nightly", "CheckFailing of check shop", "node=\"w1\""]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    let explained: serde_json::Value = serde_json::from_str(&run(&["check", "--explain", "-o", "json"])).unwrap();
    let told = explained["told"].as_array().unwrap();
    let of = |what: &str| told.iter().find(|row| row["of"] == what).unwrap()["receivers"].clone();
    assert_eq!(
        (of("check shop"), of("diagnosis"), of("heartbeat nightly")),
        (json!(["shop"]), json!(["ops"]), json!(["ops"]))
    );
    assert!(run(&["check", "--diff"]).contains("a reload would change nothing"));
    let config = routed(&sink).replace("interval: 1m", "interval: 2m").replace("token=hunter2", "token=hunter22");
    watch.configure(&format!("{config}rule_files: [builtin, r.yml]\n"));
    watch.write("r.yml", "groups: [{name: g, rules: [{alert: Slow, expr: vector(1), for: 1h}]}]\n");
    watch.write("conf.d/a.yml", "storage: {retention: 30d}\n");
    let said = run(&["check", "--diff"]);
    for words in
        ["checks shop.interval: 1m is now 2m", "storage.retention: ", "r.yml;g: added", "secrets that stand in"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
}

/// The configurations that deploy/ has, with what stands in them as a text.
#[tokio::test]
async fn the_schema_is_served_and_takes_the_configurations_of_deploy() {
    let watch = Watch::start("").await;
    let served = reqwest::get(format!("{}/api/dogwatch/v1/config-schema.json", watch.url)).await.unwrap();
    assert_eq!(served.status(), 200);
    let served: serde_json::Value = serde_json::from_str(&served.text().await.unwrap()).unwrap();
    let printed = dogwatch(Path::new("/"), &["schema"]);
    let printed: serde_json::Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(served, printed);
    let validator = jsonschema::draft7::new(&served).unwrap();
    let values: serde_json::Value =
        serde_saphyr::from_str(include_str!("../../deploy/helm/dogwatch/values.yaml")).unwrap();
    let wrong: Vec<String> = validator.iter_errors(&values["config"]).map(|e| e.to_string()).collect();
    assert_eq!(wrong, Vec::<String>::new());
    // The chart's configuration is one, once the Secret is there.
    let dir = folder(&watch);
    std::fs::create_dir(dir.join("secrets")).unwrap();
    for (name, text) in [("prod.kubeconfig", KUBECONFIG), ("web.yml", "basic_auth_users: {}\n")] {
        std::fs::write(dir.join("secrets").join(name), text).unwrap();
    }
    std::fs::write(dir.join("chart.yml"), values["config"].to_string()).unwrap();
    let checked = dogwatch(&dir, &["check", "-c", "chart.yml"]);
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(said.contains("nobody would have to log in"), "all that is missing is somebody who may log in: {said}");
    let hash = bcrypt::hash("hunter2", 4).unwrap();
    std::fs::write(dir.join("secrets/web.yml"), format!("basic_auth_users: {{ada: '{hash}'}}\n")).unwrap();
    let checked = dogwatch(&dir, &["check", "-c", "chart.yml"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

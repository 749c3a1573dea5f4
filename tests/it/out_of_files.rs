//! The real program without file descriptors, over a cluster that is well: it tells of itself and accuses nobody.

use std::process::Command;

use dogwatch::{clock::Clock, demo::FakeCluster};
use serde_json::Value;

use crate::{
    alerting::watch::Watch,
    eventually::eventually,
    receivers::{Hook, HookServer},
};

/// Sets how many files the program may open from now on; it may be given more again.
fn limit(watch: &Watch, files: u64) {
    let limit = format!("--nofile={files}:");
    let done = Command::new("prlimit").args(["--pid", &watch.pid().to_string(), &limit]).status().unwrap();
    assert!(done.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_files_nobody_is_accused() {
    let (dir, sink) = (tempfile::tempdir().unwrap(), HookServer::start().await);
    let cluster = FakeCluster::start(dir.path(), Clock::system()).await.unwrap();
    let config = format!(
        "clusters: [{}]\nroute: {{receiver: ops, group_wait: 0s, group_interval: 1s}}\nreceivers: [{{name: ops, \
         webhook_configs: [{{url: '{}'}}]}}]\n",
        serde_json::to_string(&cluster.config()).unwrap(),
        sink.url("/")
    );
    let watch = Watch::start_with_files(&config, 512).await;
    let client = reqwest::Client::new();
    let get = async |path: &str| -> Value {
        let answer = client.get(format!("{}{path}", watch.url)).send().await.unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    };
    let states = async || {
        let state = get("/api/dogwatch/v1/state").await;
        let targets = state["clusters"][0]["targets"].as_array().cloned().unwrap_or_default();
        targets.iter().map(|t| t["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all_are = async |wanted: &str| {
        let states = states().await;
        states.len() == cluster.targets() && states.iter().all(|state| state == wanted)
    };
    eventually("all is found and up", async || all_are("up").await).await;

    // A machine that is so busy that the cluster did not answer at first is not what this is about.
    let incidents = async || {
        let all = get("/api/dogwatch/v1/incidents").await["incidents"].take();
        let of_cluster = all.as_array().unwrap().iter().filter(|i| i["cluster"] == "demo").cloned();
        of_cluster.collect::<Vec<_>>()
    };
    let (before, told) = (incidents().await, sink.got().len());
    // What it has open stays open; nothing can be added.
    let open = watch.metric("process_open_fds").await.unwrap();
    limit(&watch, open as u64 / 2);
    eventually("it knows that it has no files left", async || watch.log().contains("no file descriptors left")).await;
    limit(&watch, 512);
    eventually("it sees again", async || all_are("up").await).await;
    let said = |h: &Hook| h.json()["alerts"][0]["labels"]["alertname"].as_str().unwrap().to_owned();
    let told: Vec<String> = sink.got().iter().skip(told).filter(|h| h.json()["status"] == "firing").map(said).collect();
    assert!(told.iter().all(|name| name.starts_with("Watchdog")), "nobody is accused: {told:?}");
    let after = incidents().await;
    assert_eq!(after.len(), before.len(), "{after:?}");
}

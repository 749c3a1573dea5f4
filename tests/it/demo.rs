//! The demo with the real watchdog: a whole outage, from the first refused connection to the message that it is over.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use dogwatch::{
    app::{Engine, Shared},
    clock::Clock,
    config::Config,
    demo::{Ending, FakeCluster, HookSink, SmtpSink, Stage, narrate},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::json;
use tokio::sync::mpsc;

use crate::eventually::eventually;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_told_and_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = FakeCluster::start(dir.path(), Clock::system()).await.unwrap();
    let (smtp, mails) = SmtpSink::start().await.unwrap();
    let (hook, hooks) = HookSink::start().await.unwrap();
    let global =
        json!({"smtp_smarthost": smtp.address(), "smtp_from": "dogwatch@demo.example", "smtp_require_tls": false});
    let receiver = json!({
        "name": "demo",
        "email_configs": [{"to": "you@demo.example"}],
        "webhook_configs": [{"url": hook.url()}],
    });
    let config = Config {
        data_dir: dir.path().to_owned(),
        listen: "127.0.0.1:0".parse().unwrap(),
        clusters: vec![cluster.config()],
        global: serde_json::from_value(global).unwrap(),
        route: Some(serde_json::from_value(json!({"receiver": "demo"})).unwrap()),
        receivers: vec![serde_json::from_value(receiver).unwrap()],
        ..Config::default()
    };
    let (reload, _reloads) = mpsc::channel(1);
    let shared = Shared::new(Clock::system(), reload).unwrap();
    let engine = Engine::start(&config, &shared).await.unwrap();
    let page = format!("http://{}", engine.listening);
    let stage = Stage { live: shared.live.clone(), cluster: &cluster, mails, hooks, page };
    let mut story = Vec::new();
    let ending = narrate(stage, &mut story).await.unwrap();
    engine.stop().await;
    let story = String::from_utf8(anstream::adapter::strip_bytes(&story).into_vec()).unwrap();
    println!("{story}");
    assert_eq!(ending, Ending::Told);
    let words = story.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    // Of two members that are killed at once, a busy machine may hear 1.5 s later of the second: then the first message is
    // about one, and the incident, which ends as both, about both.
    assert!(words.contains("Subject: [demo] etcd ") && words.contains(" │ │ PROBLEM"), "{words}");
    assert!(words.contains(" is resolved: etcd has lost quorum: 2 of 3 members down"), "{words}");
    assert!(words.contains("; one incident, "), "{words}");
}

/// A demo of its own, killed where a test fails.
struct Staying(Child);

impl Drop for Staying {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demo_that_stays_ends_by_ctrl_c() {
    stays_until(Signal::SIGINT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demo_that_stays_ends_by_sigterm() {
    stays_until(Signal::SIGTERM).await;
}

/// Its pages are up until it is asked to end; then nothing of it is left.
async fn stays_until(signal: Signal) {
    dogwatch::notify::init();
    let temp = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_dogwatch"));
    command.args(["demo", "--stay"]).env("TMPDIR", temp.path()).env("NO_COLOR", "1").stdout(Stdio::piped());
    let mut demo = Staying(command.spawn().unwrap());
    let stdout = demo.0.stdout.take().unwrap();
    // It tells of the outage for half a minute, and then where its pages are.
    let told = tokio::task::spawn_blocking(move || {
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        lines.find(|line| line.contains("The pages stay up to look around: "))
    });
    let told = tokio::time::timeout(Duration::from_secs(180), told).await.expect("it stays").unwrap();
    let line = told.expect("it says where its pages are");
    let page = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    let body = reqwest::get(page).await.unwrap().text().await.unwrap();
    assert!(body.contains("etcd has lost quorum"), "what was told is still to be seen: {body}");
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 1, "everything of it is in one directory");
    kill(Pid::from_raw(i32::try_from(demo.0.id()).unwrap()), signal).unwrap();
    let mut ended = None;
    eventually("it ends", async || {
        ended = demo.0.try_wait().unwrap();
        ended.is_some()
    })
    .await;
    assert!(ended.unwrap().success(), "{signal}: {ended:?}");
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0, "nothing of it stays behind");
}

//! The demo with the real watchdog: a whole outage, from the first refused connection to the message that it is over.

use dogwatch::{
    app::{Engine, Shared},
    clock::Clock,
    config::Config,
    demo::{Ending, FakeCluster, HookSink, SmtpSink, Stage, narrate},
};
use serde_json::json;
use tokio::sync::mpsc;

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
    assert!(words.contains("Subject: [demo] etcd has lost quorum: 2 of 3 members down │ │ PROBLEM"), "{words}");
    assert!(words.contains("; one incident, "), "{words}");
}

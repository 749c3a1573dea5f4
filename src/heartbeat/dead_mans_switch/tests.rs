use std::sync::Mutex;

use axum::{Router, body::Bytes, http::StatusCode};
use tokio::net::TcpListener;

use super::*;
use crate::model::{LiveCluster, StoreHealth, Vantage};

fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

fn ago(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

fn good() -> View {
    View {
        now: now(),
        started_at: Some(ago(1_000)),
        has_clusters: true,
        probed_at: Some(ago(5)),
        interval: Duration::from_secs(10),
        cut_off: false,
        storing: true,
        failing: None,
        waiting_since: None,
    }
}

#[test]
fn it_pings_only_while_it_really_watches() {
    let check = |view: View, expected: &str| assert_eq!(fit(&view).err().unwrap_or_default(), expected, "{view:?}");
    check(good(), "");
    check(View { probed_at: Some(ago(80)), ..good() }, "");
    check(View { probed_at: Some(ago(81)), ..good() }, "nothing is being probed");
    check(View { probed_at: None, started_at: Some(ago(30)), ..good() }, "");
    check(View { probed_at: None, ..good() }, "nothing is being probed");
    check(View { probed_at: None, started_at: None, ..good() }, "nothing is being probed");
    check(View { probed_at: None, has_clusters: false, ..good() }, "");
    check(View { cut_off: true, ..good() }, "the watchdog is cut off from the network");
    check(View { storing: false, ..good() }, "history is not being written");
    let failing = |seconds| Some(("ops/email[0]".to_owned(), ago(seconds)));
    check(View { failing: failing(300), ..good() }, "");
    check(View { failing: failing(301), ..good() }, "the receiver ops/email[0] takes no messages");
    check(View { waiting_since: Some(ago(300)), ..good() }, "");
    check(View { waiting_since: Some(ago(301)), ..good() }, "messages are not delivered");
}

#[test]
fn troubles_have_a_beginning() {
    let mut live = LiveState::default();
    live.clusters.insert("prod".into(), LiveCluster::default());
    let mut trouble = Trouble::default();
    let fresh = trouble.view(&live, ago(900));
    assert!(!fresh.cut_off && !fresh.storing && fresh.has_clusters && fresh.failing.is_none());
    live.store = StoreHealth { ok: true, since: Some(ago(900)), ..StoreHealth::default() };
    live.vantage = Vantage { ok: false, since: Some(ago(900)), message: String::new(), ..Default::default() };
    live.failing_receivers = vec![("a".into(), "why".into())];
    live.outbox_pending = 1;
    trouble.view(&live, ago(800));
    live.failing_receivers.push(("b".into(), "why".into()));
    let view = trouble.view(&live, ago(700));
    assert!(view.cut_off && view.storing);
    assert_eq!((view.failing, view.waiting_since), (Some(("a".into(), ago(800))), Some(ago(800))));
    live.failing_receivers.remove(0);
    live.outbox_pending = 0;
    let view = trouble.view(&live, ago(600));
    assert_eq!((view.failing, view.waiting_since), (Some(("b".into(), ago(700))), None));
}

/// A service that counts what it is sent, refusing the first few.
async fn service(refused: usize) -> (String, Arc<Mutex<Vec<String>>>) {
    let got = Arc::new(Mutex::new(Vec::new()));
    let seen = got.clone();
    let take = move |request: http::request::Parts, body: Bytes| async move {
        let mut seen = seen.lock().unwrap();
        seen.push(format!("{} {} {}", request.method, request.uri, String::from_utf8_lossy(&body)));
        if seen.len() <= refused { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/very-secret/", listener.local_addr().unwrap());
    let router = Router::new().fallback(move |request: axum::extract::Request| async move {
        let (parts, body) = request.into_parts();
        take(parts, axum::body::to_bytes(body, 1_000).await.unwrap()).await
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, got)
}

fn switch(url: &str) -> SwitchConfig {
    serde_json::from_value(serde_json::json!({"url": url})).unwrap()
}

#[tokio::test]
async fn a_ping_and_the_word_of_why_there_is_none() {
    crate::notify::init();
    let (url, got) = service(0).await;
    let config = switch(&url);
    let client = HttpClient::new(&config.http_config).unwrap();
    ping(&client, &config, None).await.unwrap();
    ping(&client, &config, Some("history is not being written")).await.unwrap();
    assert_eq!(*got.lock().unwrap(), ["GET /very-secret/ ", "POST /very-secret/fail history is not being written"]);
    let (url, got) = service(usize::MAX).await;
    let config = switch(&url);
    let why = once(&client, &config, None).await.unwrap_err();
    assert_eq!(why, "the answer was 503 Service Unavailable");
    assert_eq!(got.lock().unwrap().len(), 1);
    let why = once(&client, &switch("http://127.0.0.1:1/very-secret"), None).await.unwrap_err();
    assert!(!why.contains("secret") && why.contains("refused"), "{why}");
}

#[test]
fn what_can_not_work_is_said_without_the_url() {
    let check = |entry: serde_json::Value, expected: &str| {
        let config: SwitchConfig = serde_json::from_value(entry).unwrap();
        assert!(!format!("{config:?} {}", serde_json::to_string(&config).unwrap()).contains("very-secret"));
        let problems = crate::heartbeat::config::problems(&[], &[config]);
        let said: Vec<String> = problems.iter().map(|(at, why)| format!("{at}: {why}")).collect();
        assert_eq!(said.join("; "), expected);
    };
    use serde_json::json;
    check(json!({"url": "https://hc.example.org/very-secret"}), "");
    check(json!({"url_file": "/run/url"}), "");
    check(json!({}), "dead_mans_switch[0]: who is pinged? Give url or url_file");
    check(
        json!({"url": "https://very-secret", "url_file": "x"}),
        "dead_mans_switch[0].url: give url or url_file, not both",
    );
    check(
        json!({"url": "ftp://very-secret"}),
        "dead_mans_switch[0].url: the URL's scheme is ftp; it must be http or https",
    );
    check(json!({"url": "https://very-secret", "every": "1s"}), "dead_mans_switch[0].every: must be at least 10s");
    check(
        json!({"url": "https://very-secret", "http_config": {"tls_config": {"cert_file": "x"}}}),
        "dead_mans_switch[0].http_config.tls_config: a client certificate (cert, cert_file) and its key (key, key_file) go together",
    );
}

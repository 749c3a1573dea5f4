//! The HTTP surface over real sockets, and the pages of fabricated pictures.

mod answer;
mod availability;
mod browser;
mod history;
mod incidents;
mod notes;
mod openapi;
pub mod picture;
mod recorded;
mod watched;

use std::{path::Path, sync::Arc, time::Duration};

use answer::Got;
use dogwatch::{
    clock::Clock,
    http::{
        Connections, Web,
        in_force::InForce,
        page::{Frame, Home, IncidentPage, TargetPage},
        router, serve,
    },
    login::{Door, Sessions},
    model::{Job, Live, LiveState},
    query::{Engine, QueryConfig},
    store::{DeliveryOutcome, DeliveryRecord, StorageConfig, Store},
    telemetry::Metrics,
};
use picture::now;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

/// More than this on a phone's connection in a cellar is no page any more, in bytes.
const PAGE_MAX_BYTES: usize = 400_000;

struct Served {
    address: std::net::SocketAddr,
    live: Live,
    store: Store,
    reloads: mpsc::Receiver<dogwatch::http::ReloadAnswer>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    _dir: tempfile::TempDir,
}

async fn start(state: LiveState) -> Served {
    start_at(state, "https://watch.example.org/dog/").await
}

async fn start_at(state: LiveState, external_url: &str) -> Served {
    start_behind(state, external_url, Door::default()).await
}

async fn start_behind(state: LiveState, external_url: &str, door: Door) -> Served {
    let dir = tempfile::tempdir().unwrap();
    let metrics = Arc::new(Metrics::new());
    let clock = Clock::anchored(now());
    let (store, _) = Store::open(dir.path().to_owned(), StorageConfig::default(), metrics.clone(), clock.clone());
    let live = Live::default();
    *live.write() = state;
    let (reload, reloads) = mpsc::channel(1);
    let heartbeats = dogwatch::heartbeat::Heartbeats::new(
        Vec::new(),
        Default::default(),
        &[],
        dogwatch::heartbeat::Deps { store: store.clone(), live: live.clone(), clock: clock.clone() },
    );
    let web = Web {
        live: live.clone(),
        metrics: metrics.clone(),
        store: store.clone(),
        engine: Engine::new(store.clone(), QueryConfig::default(), metrics),
        external_labels: Arc::default(),
        config: InForce::new("clusters: []\n".into(), None, &[]),
        retention: "90d".into(),
        clock,
        reload,
        external_url: external_url.to_owned(),
        sessions: Sessions::default(),
        own_names: Arc::new([]),
        door,
        submissions: dogwatch::dispatch::Submissions::new().0,
        rules: dogwatch::rule::GroupStates::default(),
        heartbeats,
        language: None,
        zone: jiff::tz::TimeZone::UTC,
        slos: Arc::default(),
        routes: "".into(),
        receivers: Arc::new([]),
        peer: None,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let task = tokio::spawn(serve(listener, router(web), Connections::new(Arc::default()), stop.clone()));
    Served { address, live, store, reloads, stop, task, _dir: dir }
}

impl Served {
    async fn send(&self, request: &str) -> Got {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = Vec::new();
        timeout(Duration::from_secs(20), stream.read_to_end(&mut text)).await.unwrap().unwrap();
        Got::of(&String::from_utf8(text).unwrap())
    }

    async fn ask(&self, method: &str, path: &str, headers: &str) -> Got {
        self.send(&format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n")).await
    }

    async fn get(&self, path: &str) -> Got {
        self.ask("GET", path, "").await
    }
}

#[tokio::test]
async fn every_address_answers_with_its_type_and_the_guarding_headers() {
    let served = start(picture::outage()).await;
    for (path, status, kind) in [
        ("/", 200, "text/html; charset=utf-8"),
        ("/targets/prod/etcd/10.99.0.2:2379", 200, "text/html; charset=utf-8"),
        ("/targets/prod/etcd/10.99.0.9:2379", 404, "text/html; charset=utf-8"),
        ("/targets/prod/no-job/x", 404, "text/html; charset=utf-8"),
        ("/incidents/7", 200, "text/html; charset=utf-8"),
        ("/incidents/99", 404, "text/html; charset=utf-8"),
        ("/incidents/x", 404, "text/html; charset=utf-8"),
        ("/style.css", 200, "text/css; charset=utf-8"),
        ("/refresh.js", 200, "text/javascript; charset=utf-8"),
        ("/favicon.svg", 200, "image/svg+xml"),
        ("/metrics", 200, "text/plain; version=0.0.4; charset=utf-8"),
        ("/-/healthy", 200, "text/plain; charset=utf-8"),
        ("/-/ready", 200, "text/plain; charset=utf-8"),
        ("/api/dogwatch/v1/state", 200, "application/json"),
        ("/api/dogwatch/v1/incidents", 200, "application/json"),
        ("/api/dogwatch/v1/incidents/7", 200, "application/json"),
        ("/api/dogwatch/v1/incidents/99", 404, "application/json"),
        ("/api/nope", 404, "application/json"),
        ("/nope", 404, "text/html; charset=utf-8"),
        ("/Ping/a-tokens-text", 404, "text/html; charset=utf-8"),
        ("//ping/a-tokens-text/start", 404, "text/html; charset=utf-8"),
        ("/pnig/a-tokens-text-in-full", 404, "text/html; charset=utf-8"),
        ("/api/v1/pnig/a-tokens-text-in-full", 404, "application/json"),
    ] {
        let got = served.get(path).await;
        assert_eq!(got.status, status, "{path}: {}", got.head);
        assert!(got.head.contains(&format!("content-type: {kind}")), "{path}: {}", got.head);
        for header in ["content-security-policy: default-src 'none'", "x-content-type-options: nosniff"] {
            assert!(got.head.contains(header), "{path}: {}", got.head);
        }
        assert!(!got.body.is_empty(), "{path}");
        assert!(!got.body.contains("a-tokens-text"), "a mistyped address shows no token: {}", got.body);
    }
    let lost = served.get("/nope/%3Cb%3E").await.body;
    assert!(lost.contains("dog/metrics"), "{lost}");
    assert!(!lost.contains("<b>"));
}

#[tokio::test]
async fn open_metrics_is_served_to_whom_asks_for_it() {
    let served = start(picture::calm()).await;
    let got = served.ask("GET", "/metrics", "accept: application/openmetrics-text;version=1.0.0\r\n").await;
    assert!(got.head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert!(got.body.ends_with("# EOF\n"));
}

#[tokio::test]
async fn state_is_told_as_json() {
    let served = start(picture::outage()).await;
    let state: serde_json::Value = serde_json::from_str(&served.get("/api/dogwatch/v1/state").await.body).unwrap();
    let etcd = &state["clusters"][0]["targets"][4];
    assert_eq!(etcd["job"], "etcd");
    assert_eq!(etcd["state"], "down");
    assert_eq!(etcd["reason"], "refused");
    assert_eq!(etcd["message"], "connection refused by 10.99.0.2:2379");
    assert_eq!(etcd["since"], "2026-11-23T06:52:49Z");
    assert_eq!(etcd["latency_seconds"], 0.012);
    assert_eq!(state["incidents"][0]["headline"], "etcd has lost quorum: 2 of 3 members down");
    assert_eq!(state["vantage"]["ok"], true);
    assert_eq!(state["notifications"]["failing_receivers"][0]["receiver"], "ops/webhook[0]");

    let one: serde_json::Value = serde_json::from_str(&served.get("/api/dogwatch/v1/incidents/7").await.body).unwrap();
    assert_eq!(one["incident"]["id"], 7);
    assert_eq!(one["runbook_url"], "https://watch.example.org/dog/runbooks/EtcdQuorumLost");
    assert_eq!(one["deliveries"], serde_json::json!([]));
    assert_eq!(one["deliveries_error"], serde_json::Value::Null);
}

#[tokio::test]
async fn runbooks_are_served_and_linked() {
    let served = start(picture::outage()).await;
    for page in ["/", "/incidents/7"] {
        let body = served.get(page).await.body;
        assert!(body.contains("dog&#x2f;runbooks&#x2f;EtcdQuorumLost\">Read the runbook</a>"), "{page}: {body}");
    }
    let book = served.get("/runbooks/EtcdQuorumLost").await;
    assert_eq!(book.status, 200);
    assert!(book.body.contains("<h1>EtcdQuorumLost</h1>") && book.body.contains("<h2>What to do first</h2>"));
    assert!(book.body.contains("<a href=\"ControlPlaneHostDown\">"), "{}", book.body);
    assert!(served.get("/runbooks/").await.body.contains("<a href=\"EtcdQuorumLost\">"));
    let to_list = served.get("/runbooks").await;
    assert!(to_list.status == 308 && to_list.head.contains("location: /dog/runbooks/"), "{}", to_list.head);
    let lost = served.get("/runbooks/Nothing").await;
    assert!(lost.status == 404 && lost.body.contains("There is no runbook"), "{}", lost.body);
}

#[tokio::test]
async fn a_reload_is_asked_for_by_post_and_not_by_other_sites() {
    let mut served = start(picture::calm()).await;
    let got = served.get("/-/reload").await;
    assert_eq!(got.status, 405);
    assert!(got.head.contains("allow: post") && got.body.contains("by POST"), "{}{}", got.head, got.body);
    let foreign = served.ask("POST", "/-/reload", "origin: https://evil.example\r\n").await;
    assert_eq!(foreign.status, 403);
    let rebound = "POST /-/reload HTTP/1.1\r\nhost: evil.example\r\norigin: http://evil.example\r\nsec-fetch-site: same-origin\r\nconnection: close\r\n\r\n";
    let got = served.send(rebound).await;
    assert!(got.status == 421 && got.body.contains("external_url"), "{}{}", got.head, got.body);
    assert_eq!(served.send(&rebound.replace("POST /-/reload", "GET /")).await.status, 421);
    assert!(served.reloads.try_recv().is_err());
    let mut reloads = std::mem::replace(&mut served.reloads, mpsc::channel(1).1);
    let ends = async |reloads: &mut mpsc::Receiver<dogwatch::http::ReloadAnswer>, ended: Result<String, String>| {
        reloads.recv().await.unwrap().send(ended).unwrap();
    };
    let reload = || served.ask("POST", "/-/reload", "content-length: 0\r\n");
    let (got, ()) = tokio::join!(reload(), ends(&mut reloads, Ok("listen has changed".into())));
    assert!(got.status == 200 && got.body.contains("in force: listen has changed"), "{}", got.body);
    let (got, ()) = tokio::join!(reload(), ends(&mut reloads, Err("r.yml:1:2: no rule".into())));
    assert!(got.status == 500 && got.body.contains("old one stays in force:\nr.yml:1:2: no rule"), "{}", got.body);
    reloads.close();
    assert_eq!(served.ask("POST", "/-/reload", "content-length: 0\r\n").await.status, 503);
    assert_eq!(served.ask("DELETE", "/", "").await.status, 405);
    assert_eq!(served.ask("POST", "/api/dogwatch/v1/state", "content-length: 0\r\n").await.status, 405);
}

#[tokio::test]
async fn not_ready_before_the_start_is_done() {
    let served = start(LiveState::default()).await;
    assert_eq!(served.get("/-/healthy").await.status, 200);
    assert_eq!(served.get("/-/ready").await.status, 503);
    assert_eq!(served.get("/").await.status, 200);
    served.live.write().started_at = Some(now());
    assert_eq!(served.get("/-/ready").await.status, 200);
}

#[tokio::test]
async fn requests_past_the_limits_are_refused() {
    let served = start(LiveState::default()).await;
    let long = "x".repeat(40_000);
    let got = served.send(&format!("GET /{long} HTTP/1.1\r\nhost: localhost\r\n\r\n")).await;
    assert!(matches!(got.status, 414 | 431), "{}", got.head);
    let many: String = (0..200).map(|i| format!("x-{i}: 1\r\n")).collect();
    assert_eq!(served.ask("GET", "/", &many).await.status, 431);
    assert_eq!(served.send("nonsense\r\n\r\n").await.status, 400);
    assert_eq!(served.get("/-/healthy").await.status, 200);
}

#[tokio::test]
async fn serving_ends_in_time_though_a_connection_hangs() {
    let served = start(LiveState::default()).await;
    let mut idle = TcpStream::connect(served.address).await.unwrap();
    idle.write_all(b"GET /-/healthy HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut some = [0; 12];
    idle.read_exact(&mut some).await.unwrap();
    assert_eq!(&some, b"HTTP/1.1 200");
    let mut half = TcpStream::connect(served.address).await.unwrap();
    half.write_all(b"GET / HT").await.unwrap();
    let began = Instant::now();
    served.stop.cancel();
    timeout(Duration::from_secs(4), served.task).await.unwrap().unwrap();
    assert!(began.elapsed() < Duration::from_millis(2500), "{:?}", began.elapsed());
    assert!(TcpStream::connect(served.address).await.is_err(), "nothing listens any more");
}

/// Renders and leaves the page with its stylesheet where a developer can look at it in a browser.
fn page(name: &str, html: Result<String, minijinja::Error>) -> String {
    let html = html.unwrap();
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    std::fs::create_dir_all(&dir).unwrap();
    let local =
        html.replace("href=\"/style.css", "href=\"style.css").replace("href=\"&#x2f;style.css", "href=\"style.css");
    std::fs::write(dir.join(name).with_extension("html"), local).unwrap();
    std::fs::write(dir.join("style.css"), dogwatch::http::page::STYLE).unwrap();
    html
}

fn home(name: &str, state: &LiveState) -> String {
    page(name, Home::new(state, &Metrics::new(), &now().into()).render(&Frame::new("", &now().into())))
}

fn in_order(text: &str, parts: &[&str]) {
    let mut from = 0;
    for part in parts {
        from += text[from..].find(part).unwrap_or_else(|| panic!("{part:?} is missing or out of order in\n{text}"));
    }
}

#[test]
fn a_calm_page_says_so_first() {
    let html = home("calm", &picture::calm());
    in_order(
        &html,
        &[
            "<title>All 21 targets of 2 clusters are up · dogwatch</title>",
            "All 21 targets of 2 clusters are up.",
            "API servers",
            "etcd members",
            "Kubelets",
            "Lately resolved",
            "lasted 11 min",
            "The watchdog itself",
            "nothing waits, no receiver fails",
        ],
    );
    assert!(
        html.contains("<script src=\"/refresh.js?") && html.matches("<script").count() == 1 && !html.contains("<style")
    );
}

#[test]
fn an_outage_comes_before_everything_with_what_to_do() {
    let html = home("outage", &picture::outage());
    in_order(
        &html,
        &[
            "<title>etcd has lost quorum: 2 of 3 members down · dogwatch</title>",
            "id=\"incident-7\"",
            "critical",
            "prod",
            "etcd has lost quorum: 2 of 3 members down",
            "3 min 10 s",
            "Bring one of the two members back",
            "<code>journalctl -u etcd</code>",
            "I look after it",
            "presumably keep running",
            "the API can neither be read nor written",
            "all 3 API servers fail",
            "connection refused, for 3 min 10 s",
            "3 down",
            "Its API can&#x27;t be read",
            "1 receiver fails",
            "connection refused by hooks.example.org:443",
        ],
    );
    assert!(!html.contains("targets of 2 clusters are up"));
}

#[test]
fn doubts_without_an_incident_are_not_called_calm() {
    let mut state = picture::outage();
    state.incidents.clear();
    let html = home("doubt", &state);
    in_order(&html, &["No open incident, but 7 of 21 targets are not up: 6 down, 1 suspect."]);
    state.vantage.ok = false;
    state.vantage.message = "Its gateway 192.0.2.1 has not answered for 40 s.".to_owned();
    let html = home("cut-off", &state);
    in_order(&html, &["cut off, so it accuses no cluster. Its gateway 192.0.2.1"]);
    in_order(&home("empty", &LiveState::default()), &["No cluster is configured."]);
}

#[test]
fn thousands_of_kubelets_stay_readable() {
    let html = home("huge", &picture::huge(5000, 13));
    in_order(
        &html,
        &["4,990 up, 13 down", "worker-00011", "1 more not up", "worker-00012", "4,990 up", "and 4,890 more"],
    );
    assert!(html.len() < PAGE_MAX_BYTES, "{} bytes", html.len());
    assert!(!html.contains("<script>"), "what a server said is escaped");
    let dark = home("dark", &picture::huge(5000, 5000));
    in_order(&dark, &["5,000 down", "4,988 more not up", "and 4,788 more"]);
    assert!(dark.len() < PAGE_MAX_BYTES, "{} bytes", dark.len());
}

#[test]
fn a_target_tells_why_its_last_probes_failed() {
    let state = picture::outage();
    let prod = &state.clusters["prod"];
    let of = |job: Job, host: &str| {
        let t = prod.targets.values().find(|t| t.target.key.job == job && t.target.key.instance.starts_with(host));
        TargetPage::new(t.unwrap(), &now().into()).render(&Frame::new("", &now().into()))
    };
    in_order(
        &page("target", of(Job::KubeApiserver, "10.99.0.1")),
        &[
            "10.99.0.1:6443 is down",
            "livez: etcd fails",
            "degraded",
            "cp-1",
            "Checks that fail",
            "reason withheld",
            "v1.20.2",
            "Phase connect",
            "until 2027-11-23, 364 days",
            "3 checks pass",
            "The last failed probes",
            "06:55:55 UTC",
            "dialling 10.99.0.1:6443",
        ],
    );
    in_order(
        &page("target-up", of(Job::Kubelet, "10.99.0.11")),
        &["is up", "node-1", "None since the watchdog started"],
    );
}

#[test]
fn an_incident_has_its_timeline_and_its_deliveries() {
    let mut incident = picture::quorum_lost();
    let delivery = |sequence, outcome, answer: &str| DeliveryRecord {
        incident_id: 7,
        sequence,
        receiver: "ops/email[0]".to_owned(),
        at: now(),
        outcome,
        answer: answer.to_owned(),
        took: Duration::from_millis(84),
    };
    let retried = delivery(0, DeliveryOutcome::Retried, "451 greylisted, try again");
    let deliveries = vec![retried, delivery(0, DeliveryOutcome::Delivered, "250 2.0.0 Ok: queued as 4F2")];
    let open = IncidentPage::new(&incident, Ok(deliveries), &now().into()).render(Frame::new("", &now().into()));
    in_order(
        &page("incident", open),
        &[
            "http-equiv=\"refresh\"",
            "etcd has lost quorum",
            "What happened",
            "opened: etcd has lost quorum",
            "ApiServersDown",
            "caused by",
            "Who was told",
            "451 greylisted",
            "message 1 to <strong>ops&#x2f;email[0]</strong> in 84 ms",
            "250 2.0.0 Ok",
        ],
    );
    incident.resolved_at = Some(now());
    let ended = IncidentPage::new(&incident, Err("the disk is gone".to_owned()), &now().into());
    let ended = page("resolved", ended.render(Frame::new("", &now().into())));
    in_order(&ended, &["resolved", "lasted <strong>3 min 10 s", "deliveries can't be read: the disk is gone"]);
    let changes = ended.contains("http-equiv=\"refresh\"") || ended.contains("<script");
    assert!(!changes, "what is over does not change any more");
}

//! dogwatch's HTTP over a store with samples, for tests that ask it.

use std::{sync::Arc, time::Duration};

use dogwatch::{
    clock::Clock,
    http::{Connections, Web, in_force::InForce, router, serve},
    model::{Labels, Live, LiveState, Sample},
    query::{Engine, QueryConfig},
    store::{StorageConfig, Store},
    telemetry::Metrics,
};
use jiff::Timestamp;
use serde_json::Value;
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// dogwatch's HTTP over a store with samples, on a free port, until dropped.
pub struct Api {
    pub url: String,
    pub store: Store,
    task: JoinHandle<()>,
    stop: CancellationToken,
    _dir: tempfile::TempDir,
}

impl Drop for Api {
    fn drop(&mut self) {
        self.stop.cancel();
        self.task.abort();
    }
}

impl Api {
    pub async fn start(clock: Clock, state: LiveState) -> Self {
        dogwatch::dial::install_crypto();
        let dir = tempfile::tempdir().unwrap();
        let metrics = Arc::new(Metrics::new());
        let (store, _) = Store::open(dir.path().into(), StorageConfig::default(), metrics.clone(), clock.clone());
        let live = Live::default();
        *live.write() = state;
        let engine = Engine::new(store.clone(), QueryConfig::default(), metrics.clone());
        let (reload, _) = mpsc::channel(1);
        let heartbeats = dogwatch::heartbeat::Heartbeats::new(
            Vec::new(),
            Default::default(),
            &[],
            dogwatch::heartbeat::Deps { store: store.clone(), live: live.clone(), clock: clock.clone() },
        );
        let web = Web {
            live,
            metrics,
            store: store.clone(),
            engine,
            config: InForce::new("clusters:\n- name: prod\n".into(), None, &[]),
            external_labels: Arc::new([("vantage".to_owned(), "paris-1".to_owned())].into()),
            retention: "90d".into(),
            clock,
            reload,
            external_url: "https://watch.example.org".into(),
            sessions: dogwatch::login::Sessions::default(),
            own_names: Arc::new([]),
            door: Default::default(),
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
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let task = tokio::spawn(serve(listener, router(web), Connections::new(Arc::default()), stop.clone()));
        Self { url, store, task, stop, _dir: dir }
    }

    /// Ten minutes of two targets up to `now`: one fails in the middle minute; a counter and a histogram.
    pub fn fill(&self, now: Timestamp) {
        for i in 0..=40 {
            let at = now - Duration::from_secs(15 * (40 - i));
            let of = |name: &str, pairs: &[(&str, &str)], value: f64| {
                let labels = Labels::new(name, pairs.iter().copied().chain([("cluster", "prod"), ("job", "etcd")]));
                Sample { labels, at, value }
            };
            self.store.append(&[
                of("up", &[("instance", "10.0.0.1:2379")], 1.0),
                of("up", &[("instance", "10.0.0.2:2379")], f64::from(u8::from(!(20..24).contains(&i)))),
                of("requests_total", &[("instance", "10.0.0.1:2379")], 30.0 * i as f64),
                of("latency_seconds_bucket", &[("instance", "10.0.0.1:2379"), ("le", "0.1")], 2.0 * i as f64),
                of("latency_seconds_bucket", &[("instance", "10.0.0.1:2379"), ("le", "+Inf")], 4.0 * i as f64),
            ]);
        }
    }

    pub async fn request(&self, request: reqwest::RequestBuilder) -> (u16, reqwest::header::HeaderMap, String) {
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.headers().clone(), response.text().await.unwrap())
    }

    pub async fn get(&self, path: &str) -> (u16, String) {
        let (status, _, body) = self.request(client().get(format!("{}{path}", self.url))).await;
        (status, body)
    }

    pub async fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }
}

pub fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

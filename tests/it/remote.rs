//! remote_write against a server that fails in every way, against a real Prometheus, and against VictoriaMetrics.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, response::IntoResponse, routing::post};
use dogwatch::{
    clock::Clock,
    model::{Labels, Sample},
    remote::{Parts, RemoteWriteConfig},
    store::{StorageConfig, Store},
    telemetry::Metrics,
};
use jiff::Timestamp;
use prost::Message;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::eventually::eventually;

const SERIES: usize = 300;
/// Samples of each series, a quarter of a minute apart.
const SAMPLES: i64 = 40;

#[derive(Clone, PartialEq, Message)]
pub struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    pub timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
pub struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    pub labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    pub samples: Vec<Point>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Label {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub struct Point {
    #[prost(double, tag = "1")]
    pub value: f64,
    #[prost(int64, tag = "2")]
    pub timestamp: i64,
}

/// A store with samples from `begin_ms` on.
struct Source {
    dir: tempfile::TempDir,
    store: Store,
    metrics: Arc<Metrics>,
    begin_ms: i64,
}

impl Source {
    fn new() -> Self {
        dogwatch::dial::install_crypto();
        let dir = tempfile::tempdir().unwrap();
        let metrics = Arc::new(Metrics::new());
        let (store, _) = Store::open(dir.path().into(), StorageConfig::default(), metrics.clone(), Clock::system());
        let begin_ms = Timestamp::now().as_millisecond() - SAMPLES * 15_000 - 5_000;
        let source = Self { dir, store, metrics, begin_ms };
        for i in 0..SAMPLES {
            source.append(Timestamp::from_millisecond(begin_ms + i * 15_000).unwrap(), i as f64);
        }
        source
    }

    fn append(&self, at: Timestamp, value: f64) {
        let sample = |s: usize| Sample { labels: Labels::new("m", [("series", s.to_string())]), at, value };
        self.store.append(&(0..SERIES).map(sample).collect::<Vec<_>>());
    }

    /// As a probe does that ends now.
    fn append_now(&self) {
        self.append(Timestamp::now(), 0.0);
    }

    /// The time of the last sample of the first lot.
    fn last_ms(&self) -> i64 {
        self.begin_ms + (SAMPLES - 1) * 15_000
    }

    /// Everything before this time was taken, as a restart finds it.
    fn position_ms(&self) -> i64 {
        let note = self.store.value("remote_write/test").ok().flatten().unwrap_or_default();
        serde_json::from_str::<serde_json::Value>(&note).map_or(0, |n| n["from_ms"].as_i64().unwrap_or(0))
    }

    /// How far behind it is by its own account, in seconds.
    fn lag(&self) -> f64 {
        let labels = dogwatch::telemetry::RemoteLabels { remote: "test".into() };
        self.metrics.remote_lag.get_or_create(&labels).get()
    }

    /// Sends from the first sample on, until dropped.
    fn send(&self, url: &str, position: bool) -> Running {
        self.send_cut(url, position, (3, 500))
    }

    /// In so many shards with so many samples a request.
    fn send_cut(&self, url: &str, position: bool, (shards, samples): (usize, usize)) -> Running {
        let config: RemoteWriteConfig = serde_json::from_value(serde_json::json!({
            "url": url,
            "name": "test",
            "remote_timeout": "5s",
            "queue_config": {"shards": shards, "max_samples_per_send": samples, "max_backoff": "200ms"},
        }))
        .unwrap();
        if position {
            let text = format!(r#"{{"from_ms":{0},"to_ms":{0},"after":[0,0,0]}}"#, self.begin_ms);
            self.store.save_value("remote_write/test", &text);
        }
        let parts = Parts {
            store: self.store.clone(),
            metrics: self.metrics.clone(),
            clock: Clock::system(),
            external_labels: BTreeMap::from([("vantage".into(), "here".into())]),
            grace: Duration::from_millis(100),
        };
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let store = self.store.clone();
        let task = tokio::spawn(async move {
            // The position is in the file with the next batch.
            for _ in 0..500 {
                if !position || store.value("remote_write/test").is_ok_and(|n| n.is_some()) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            dogwatch::remote::run(config, parts, stopped).await;
        });
        Running { stop, task: Some(task) }
    }
}

struct Running {
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Running {
    async fn stop(mut self) {
        self.stop.cancel();
        self.task.take().unwrap().await.unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[derive(Default)]
struct Received {
    /// Answers still to be given before anything is taken.
    troubles: Vec<u16>,
    /// Of each series, the times in the order of their arrival.
    times: BTreeMap<String, Vec<i64>>,
    labels: BTreeSet<String>,
    /// As Prometheus: a whole request is refused for one sample that is not newer than the series' newest.
    strict: bool,
    /// Requests that are still taken before it is down.
    takes: Option<usize>,
}

type Shared = Arc<Mutex<Received>>;

async fn receive(State(received): State<Shared>, body: Bytes) -> axum::response::Response {
    let mut received = received.lock().unwrap();
    match received.troubles.pop() {
        Some(429) => return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "0")]).into_response(),
        Some(status) => return StatusCode::from_u16(status).unwrap().into_response(),
        None => {}
    }
    let plain = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
    let request = WriteRequest::decode(plain.as_slice()).unwrap();
    let name = |s: &TimeSeries| s.labels.iter().find(|l| l.name == "series").unwrap().value.clone();
    let old = |s: &TimeSeries| received.times.get(&name(s)).and_then(|t| t.last()) >= Some(&s.samples[0].timestamp);
    if received.strict && request.timeseries.iter().any(old) {
        return (StatusCode::BAD_REQUEST, "out of order sample").into_response();
    }
    match &mut received.takes {
        Some(0) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Some(more) => *more -= 1,
        None => {}
    }
    for series in request.timeseries {
        let name = name(&series);
        received.labels.extend(series.labels.iter().map(|l| l.name.clone()));
        received.times.entry(name).or_default().extend(series.samples.iter().map(|s| s.timestamp));
    }
    StatusCode::NO_CONTENT.into_response()
}

async fn receiver(troubles: Vec<u16>) -> (String, Shared) {
    let received = Arc::new(Mutex::new(Received { troubles, ..Received::default() }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/push", listener.local_addr().unwrap());
    let router = Router::new().route("/push", post(receive)).with_state(received.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, received)
}

#[tokio::test]
async fn a_receiver_in_trouble_gets_every_sample_in_order() {
    let source = Source::new();
    let (url, received) = receiver(vec![503, 429, 500, 502, 429, 500]).await;
    let running = source.send(&url, true);
    let all = || received.lock().unwrap().times.values().map(Vec::len).sum::<usize>();
    eventually("all samples", async || all() >= SERIES * SAMPLES as usize).await;
    {
        let received = received.lock().unwrap();
        assert_eq!(received.times.len(), SERIES);
        for (series, times) in &received.times {
            assert_eq!(times.len() as i64, SAMPLES, "series {series}");
            assert!(times.is_sorted_by(|a, b| a < b), "series {series}: {times:?}");
        }
        assert_eq!(received.labels, ["__name__", "series", "vantage"].map(String::from).into());
    }
    // A restart goes on where this ended, once the file knows that the last was taken.
    eventually("the position is in the file", async || source.position_ms() > source.last_ms()).await;
    running.stop().await;
    let before = all();
    source.append_now();
    let _running = source.send(&url, false);
    eventually("the newest samples", async || all() >= before + SERIES).await;
    assert_eq!(all(), before + SERIES, "nothing comes twice");
    drop(source.dir);
}

#[tokio::test]
async fn what_is_refused_is_counted_and_does_not_stop_the_rest() {
    let source = Source::new();
    let (url, received) = receiver(vec![400]).await;
    let _running = source.send(&url, true);
    let taken = || received.lock().unwrap().times.values().map(Vec::len).sum::<usize>();
    let refused = || {
        let labels = dogwatch::telemetry::RemoteLabels { remote: "test".into() };
        source.metrics.remote_refused.get_or_create(&labels).get() as usize
    };
    eventually("the end", async || taken() + refused() >= SERIES * SAMPLES as usize).await;
    assert_eq!((taken() + refused(), refused() > 0), (SERIES * SAMPLES as usize, true));
}

#[tokio::test]
async fn another_number_of_shards_in_the_middle_of_a_slice_loses_nothing() {
    let source = Source::new();
    let (url, received) = receiver(Vec::new()).await;
    {
        let mut received = received.lock().unwrap();
        (received.strict, received.takes) = (true, Some(9));
    }
    let taken = || received.lock().unwrap().times.values().map(Vec::len).sum::<usize>();
    let running = source.send(&url, true);
    eventually("it is down", async || received.lock().unwrap().takes == Some(0)).await;
    running.stop().await;
    let some = taken();
    assert!(some > 0 && some < SERIES * SAMPLES as usize, "{some}");
    received.lock().unwrap().takes = None;
    let _running = source.send_cut(&url, false, (2, 333));
    eventually("all samples", async || taken() >= SERIES * SAMPLES as usize).await;
}

#[tokio::test]
async fn the_lag_grows_while_nothing_is_taken() {
    let source = Source::new();
    let (url, received) = receiver(Vec::new()).await;
    received.lock().unwrap().takes = Some(0);
    let _running = source.send(&url, true);
    eventually("it is known where it stands", async || source.lag() > SAMPLES as f64 * 15.0).await;
    let begun = source.lag();
    eventually("it grows", async || source.lag() > begun + 1.0).await;
}

/// A real store, killed when dropped.
struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn prometheus(dir: &Path, port: u16) -> Peer {
    let config = dir.join("prometheus.yml");
    std::fs::write(&config, "scrape_configs: []\n").unwrap();
    let child = Command::new(crate::peers::program("prometheus"))
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", dir.join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .args(["--web.enable-remote-write-receiver", "--log.level=error"])
        .stderr(Stdio::null())
        .spawn()
        .expect("prometheus: tests/run installs it");
    Peer(child)
}

/// How many samples of `m` the peer has.
async fn counted(client: &reqwest::Client, base: &str) -> usize {
    over_time(client, base, "count").await
}

/// Whether the values are those that were sent: every series counts from 0 up.
async fn has_the_values(client: &reqwest::Client, base: &str) -> bool {
    let all = (0..SAMPLES as usize).sum::<usize>() * SERIES;
    over_time(client, base, "sum").await == all
        && over_time(client, base, "max").await == SERIES * (SAMPLES as usize - 1)
}

/// The sum of `<function>_over_time` of all series.
async fn over_time(client: &reqwest::Client, base: &str, function: &str) -> usize {
    let query = [("query", format!("sum({function}_over_time(m{{vantage=\"here\"}}[3h]))"))];
    let url = url::Url::parse_with_params(&format!("{base}/api/v1/query"), query).unwrap();
    let Ok(answer) = client.get(url).send().await else { return 0 };
    let Ok(json) = answer.text().await.map(|t| serde_json::from_str::<serde_json::Value>(&t)) else { return 0 };
    let value = json.ok().and_then(|j| j["data"]["result"][0]["value"][1].as_str()?.parse().ok());
    value.unwrap_or(0)
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

#[tokio::test]
async fn a_real_prometheus_that_is_down_for_a_while_misses_nothing() {
    let source = Source::new();
    let (dir, port, client) = (tempfile::tempdir().unwrap(), free_port(), client());
    let base = format!("http://127.0.0.1:{port}");
    let _running = source.send(&format!("{base}/api/v1/write"), true);
    let first = prometheus(dir.path(), port);
    let all = SERIES * SAMPLES as usize;
    eventually("the first half", async || counted(&client, &base).await > all / 10).await;
    drop(first);
    source.append_now();
    let _second = prometheus(dir.path(), port);
    let all = all + SERIES;
    eventually("everything", async || counted(&client, &base).await >= all).await;
    assert_eq!(counted(&client, &base).await, all);
    assert!(has_the_values(&client, &base).await);
}

#[tokio::test]
async fn victoria_metrics_takes_everything() {
    let source = Source::new();
    let (dir, port, client) = (tempfile::tempdir().unwrap(), free_port(), client());
    let child = Command::new("victoria-metrics")
        .arg(format!("-storageDataPath={}", dir.path().display()))
        .arg(format!("-httpListenAddr=127.0.0.1:{port}"))
        .args(["-search.latencyOffset=0s", "-loggerLevel=ERROR"])
        .stderr(Stdio::null())
        .spawn()
        .expect("victoria-metrics: tests/run installs it");
    let _peer = Peer(child);
    let base = format!("http://127.0.0.1:{port}");
    let _running = source.send(&format!("{base}/api/v1/write"), true);
    eventually("everything", async || counted(&client, &base).await >= SERIES * SAMPLES as usize).await;
    eventually("the values", async || has_the_values(&client, &base).await).await;
}

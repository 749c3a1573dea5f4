//! Queries over HTTP, beside a real Prometheus on the same samples in the same run.

use std::{
    path::Path,
    process::{Child, Command},
    sync::Arc,
    time::{Duration, Instant},
};

use dogwatch::{
    clock::Clock,
    http::{self, Web},
    model::{Labels, Live},
    pack::Points,
    query::{Engine, QueryConfig},
    store::{StorageConfig, Store, bulk::Bulk},
    telemetry::Metrics,
};
use tokio_util::sync::CancellationToken;

use crate::{peer, scratch};

const STEP_MS: i64 = 15_000;
/// A midnight, recent enough for every retention.
fn t0() -> i64 {
    (jiff::Timestamp::now().as_millisecond() / 86_400_000 - 31) * 86_400_000
}
/// Runs of each query; the middle one counts.
const RUNS: usize = 5;

/// Series of one shape: half gauges in microseconds, half counters.
struct Shape {
    prefix: &'static str,
    series: usize,
    days: i64,
    /// Of its range queries, seconds.
    step: i64,
    window: &'static str,
}

const SHAPES: [Shape; 2] = [
    Shape { prefix: "long", series: 100, days: 30, step: 3_600, window: "1h" },
    Shape { prefix: "wide", series: 5_000, days: 1, step: 300, window: "10m" },
];

impl Shape {
    fn end_ms(&self) -> i64 {
        t0() + 30 * 86_400_000
    }

    fn start_ms(&self) -> i64 {
        self.end_ms() - self.days * 86_400_000
    }

    fn each(&self, mut take: impl FnMut(Labels, Points)) {
        for i in 0..self.series {
            let (counter, n) = (i % 2 == 1, i / 2);
            let name = format!("{}_{}", self.prefix, if counter { "requests_total" } else { "duration_seconds" });
            let (group, instance) = (format!("g{}", n % 10), format!("10.0.{}.{}:6443", n / 250, n % 250));
            let labels = Labels::new(name, [("group", group), ("instance", instance), ("job", "bench".into())]);
            take(labels, self.points(i, counter));
        }
    }

    fn points(&self, i: usize, counter: bool) -> Points {
        // The metrics of one target are measured together, as every scraper and every probe does.
        let offset = fastrand::Rng::with_seed((i / 20) as u64).i64(0..STEP_MS);
        let mut random = fastrand::Rng::with_seed(i as u64);
        let at_ms: Vec<i64> =
            (0..self.days * 86_400_000 / STEP_MS).map(|n| self.start_ms() + offset + n * STEP_MS).collect();
        let mut total = 0.0;
        let mut value = |_: &i64| {
            if counter {
                total += random.u32(0..200) as f64;
                return total;
            }
            let normal = (0..6).map(|_| random.f64()).sum::<f64>() - 3.0;
            (0.004 * (normal * 0.35).exp() * 1e6).round() / 1e6
        };
        Points { values: at_ms.iter().map(&mut value).collect(), at_ms, ..Points::default() }
    }

    fn ranges(&self) -> Vec<String> {
        let (p, w) = (self.prefix, self.window);
        vec![
            format!("avg_over_time({p}_duration_seconds[{w}])"),
            format!("quantile_over_time(0.99, {p}_duration_seconds[{w}])"),
            format!("rate({p}_requests_total[{w}])"),
            format!("sum by (group) (rate({p}_requests_total[{w}]))"),
            format!("sum by (group) ({p}_duration_seconds)"),
        ]
    }
}

/// A dashboard's worth.
fn instants() -> Vec<String> {
    let mut all = Vec::new();
    for p in ["long", "wide"] {
        all.extend([
            format!("count({p}_duration_seconds)"),
            format!("topk(5, {p}_duration_seconds)"),
            format!("max by (group) ({p}_duration_seconds)"),
            format!("sum(rate({p}_requests_total[5m]))"),
            format!("quantile by (group) (0.95, {p}_duration_seconds)"),
            format!("avg_over_time({p}_duration_seconds{{instance=\"10.0.0.7:6443\"}}[1h])"),
            format!("count({p}_duration_seconds > 0.005) / count({p}_duration_seconds)"),
            format!("{p}_requests_total{{group=\"g3\"}} offset 1h"),
        ]);
    }
    all
}

pub fn run() {
    dogwatch::dial::install_crypto();
    println!("queries: 100 series x 30 d and 5,000 series x 1 d, both at 15 s; ms, middle of {RUNS}");
    let (ours, theirs) = (scratch(), scratch());
    let mut bulk = Bulk::open(ours.path().into(), StorageConfig::default()).unwrap();
    for shape in &SHAPES {
        shape.each(|labels, points| bulk.put(vec![(labels, points)]).unwrap());
    }
    bulk.finish().unwrap();
    let data = peer::blocks(theirs.path(), "240h", |out| {
        SHAPES.iter().for_each(|shape| shape.each(|labels, points| peer::write(out, &labels, &points)));
    });
    let dogwatch = Dogwatch::start(ours.path());
    let prometheus = peer::Prometheus::start(&data);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    println!("  {:58} {:>9} {:>10} {:>7}", "", "dogwatch", "Prometheus", "ratio");
    for shape in &SHAPES {
        for query in shape.ranges() {
            let path = format!(
                "/api/v1/query_range?query={}&start={}&end={}&step={}",
                escaped(&query),
                shape.start_ms() / 1_000 + 3_600,
                shape.end_ms() / 1_000,
                shape.step
            );
            runtime.block_on(compare(&query, &[path], &dogwatch.url, &prometheus.url));
        }
    }
    let at = SHAPES[0].end_ms() / 1_000 - 60;
    let paths: Vec<String> =
        instants().iter().map(|q| format!("/api/v1/query?query={}&time={at}", escaped(q))).collect();
    runtime.block_on(compare("16 instant queries of a dashboard", &paths, &dogwatch.url, &prometheus.url));
    let mb = |bytes: u64| bytes as f64 / 1e6;
    let (ours, theirs) = (mb(peer::peak_bytes(dogwatch.child.id())), mb(prometheus.peak_bytes()));
    println!("  {:58} {ours:>9.0} {theirs:>10.0} {:>7.2}\n", "peak memory, MB", theirs / ours);
}

fn escaped(query: &str) -> String {
    url::form_urlencoded::byte_serialize(query.as_bytes()).collect()
}

async fn compare(name: &str, paths: &[String], ours: &str, theirs: &str) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let (mut times, mut sizes) = ([Vec::new(), Vec::new()], [0usize; 2]);
    for _ in 0..RUNS {
        for (i, base) in [ours, theirs].into_iter().enumerate() {
            let begun = Instant::now();
            let mut series = 0;
            for path in paths {
                let answer = client.get(format!("{base}{path}")).send().await.unwrap();
                let text = answer.text().await.unwrap();
                assert!(text.starts_with("{\"status\":\"success\""), "{base}{path}: {}", &text[..text.len().min(300)]);
                series += text.matches("\"metric\":").count();
            }
            times[i].push(begun.elapsed());
            sizes[i] = series;
        }
    }
    assert_eq!(sizes[0], sizes[1], "{name}: both give the same series");
    let middle = |times: &mut Vec<Duration>| {
        times.sort();
        times[times.len() / 2].as_secs_f64() * 1e3
    };
    let [mut a, mut b] = times;
    let (a, b) = (middle(&mut a), middle(&mut b));
    println!("  {name:58} {a:>9.1} {b:>10.1} {:>7.2}", b / a);
}

/// This very program in a process of its own, so that its memory is that of answering alone.
struct Dogwatch {
    child: Child,
    url: String,
}

impl Dogwatch {
    fn start(dir: &Path) -> Self {
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["serve", &address.to_string()])
            .arg(dir)
            .spawn()
            .unwrap();
        let me = Self { child, url: format!("http://{address}") };
        while std::net::TcpStream::connect(address).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        me
    }
}

impl Drop for Dogwatch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `serve ADDRESS DIR`: answers queries, as `dogwatch run` does.
pub fn serve(address: &str, dir: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (metrics, clock) = (Arc::new(Metrics::new()), Clock::system());
        let (store, _) = Store::open(dir.into(), StorageConfig::default(), metrics.clone(), clock.clone());
        let engine = Engine::new(store.clone(), QueryConfig::default(), metrics.clone());
        let (reload, _reloads) = tokio::sync::mpsc::channel(1);
        let heartbeats = dogwatch::heartbeat::Heartbeats::new(
            Vec::new(),
            Default::default(),
            &[],
            dogwatch::heartbeat::Deps { store: store.clone(), live: Live::default(), clock: clock.clone() },
        );
        let web = Web {
            live: Live::default(),
            metrics,
            store,
            engine,
            config: dogwatch::http::in_force::InForce::new(String::new(), None, &[]),
            external_labels: Arc::default(),
            retention: "".into(),
            clock,
            reload,
            external_url: String::new(),
            sessions: dogwatch::login::Sessions::default(),
            own_names: Arc::new([]),
            door: Default::default(),
            submissions: dogwatch::dispatch::Submissions::new().0,
            rules: dogwatch::rule::GroupStates::default(),
            heartbeats,
            slos: Arc::default(),
            routes: "".into(),
            receivers: Arc::new([]),
            language: None,
            zone: jiff::tz::TimeZone::UTC,
            peer: None,
        };
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let connections = http::Connections::new(std::sync::Arc::default());
        http::serve(listener, http::router(web), connections, CancellationToken::new()).await;
    });
}

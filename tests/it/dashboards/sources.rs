//! Where the dashboards' queries are asked: dogwatch's own engine, and a real Prometheus (Debian's).

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use dogwatch::{
    clock::Clock,
    model::{Labels, Sample},
    promql::{self, Value as Answer, Window},
    query::{Engine, Options, QueryConfig},
    store::{StorageConfig, Store},
    telemetry::Metrics,
};
use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;

use super::story;

/// When a query is asked.
#[derive(Clone, Copy)]
pub enum Ask {
    /// At a minute of the story.
    Instant { minute: u64 },
    /// Over the whole story, a point a minute.
    Whole,
}

impl Ask {
    /// First and last evaluation, in seconds after the story's start.
    fn seconds(self) -> (u64, u64) {
        match self {
            Ask::Instant { minute } => (minute * 60, minute * 60),
            Ask::Whole => (0, story::MINUTES * 60),
        }
    }
}

/// A series of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its labels, without the name.
    pub labels: BTreeMap<String, String>,
    /// Its finite numbers.
    pub numbers: Vec<f64>,
}

/// Something that answers PromQL.
pub trait Source {
    /// The answer's series in its order, or the error.
    fn ask(&self, query: &str, ask: Ask) -> Result<Vec<Row>, String>;
}

/// The story ends now: no store throws it away for its age.
fn end() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).unwrap()
}

fn start_ms(end: Timestamp) -> i64 {
    end.as_millisecond() - i64::try_from(story::MINUTES).unwrap() * 60_000
}

/// dogwatch's store and engine, filled by its own writers.
pub struct Dogwatch {
    store: Store,
    engine: Engine,
    runtime: tokio::runtime::Runtime,
    start_ms: i64,
    _dir: TempDir,
}

impl Dogwatch {
    pub fn with_the_story() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (metrics, end) = (Arc::new(Metrics::new()), end());
        let (store, _) = Store::open(dir.path().into(), StorageConfig::default(), metrics.clone(), Clock::system());
        for samples in story::tell(end) {
            store.append(&samples);
        }
        let engine = Engine::new(store.clone(), QueryConfig::default(), metrics);
        Self { store, engine, runtime: tokio::runtime::Runtime::new().unwrap(), start_ms: start_ms(end), _dir: dir }
    }
}

impl Dogwatch {
    /// Of each selector of a query, whether a series of the story matches: a mistyped name hides behind an `or`.
    pub fn matched(&self, query: &str) -> Vec<bool> {
        let (start_ms, end_ms) = (self.start_ms, self.start_ms + i64::try_from(story::MINUTES).unwrap() * 60_000);
        let window = Window { start_ms, end_ms, step_ms: 60_000, lookback_ms: 300_000 };
        let selections = promql::parse(query).unwrap().selections(&window);
        selections.into_iter().map(|s| !self.store.series(&[s.matchers], 0, end_ms).is_empty()).collect()
    }
}

impl Source for Dogwatch {
    fn ask(&self, query: &str, ask: Ask) -> Result<Vec<Row>, String> {
        let (from, to) = ask.seconds();
        let at = |second| self.start_ms + i64::try_from(second).unwrap() * 1000;
        let answer = match ask {
            Ask::Instant { .. } => self.runtime.block_on(self.engine.instant(query, at(from), Options::default())),
            Ask::Whole => self.runtime.block_on(self.engine.range(query, at(from), at(to), 60_000, Options::default())),
        };
        Ok(match answer.map_err(|error| error.to_string())?.answer.value {
            Answer::Scalar(_, v) => vec![row(&Labels::new("", [("", ""); 0]), [v])],
            Answer::String(..) => Vec::new(),
            Answer::Vector(all) => all.iter().map(|(labels, _, v)| row(labels, [*v])).collect(),
            Answer::Matrix(all) => all.iter().map(|s| row(&s.labels, s.points.iter().map(|p| p.1))).collect(),
        })
    }
}

fn row(labels: &Labels, numbers: impl IntoIterator<Item = f64>) -> Row {
    Row {
        labels: labels.pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
        numbers: numbers.into_iter().filter(|n| n.is_finite()).collect(),
    }
}

/// A Prometheus whose history is what scrapes of dogwatch with `honor_labels: true` would have left.
pub struct Prometheus {
    process: Child,
    address: String,
    start_ms: i64,
    _dir: TempDir,
}

/// Blocks of two hours are made and read within a few seconds, on a busy machine too.
const START_MAX: Duration = Duration::from_secs(60);

impl Prometheus {
    pub fn with_the_story() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let [metrics, data, config] = ["metrics.txt", "data", "prometheus.yml"].map(|f| dir.path().join(f));
        let end = end();
        let samples: Vec<Sample> = story::tell(end).flatten().collect();
        fs::write(&metrics, open_metrics(&samples)).unwrap();
        fs::write(&config, "").unwrap();
        let made = Command::new(crate::peers::program("promtool"))
            .args(["tsdb", "create-blocks-from", "openmetrics"])
            .args([&metrics, &data])
            .output()
            .expect("promtool is needed: apt-get install prometheus");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let process = Command::new(crate::peers::program("prometheus"))
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus is needed: apt-get install prometheus");
        let this = Self { process, address, start_ms: start_ms(end), _dir: dir };
        let began = Instant::now();
        while this.get("/-/ready", &[]).is_none_or(|text| !text.contains("is Ready")) {
            assert!(began.elapsed() < START_MAX, "Prometheus did not become ready");
            std::thread::sleep(Duration::from_millis(100));
        }
        this
    }

    fn get(&self, path: &str, parameters: &[(&str, String)]) -> Option<String> {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--noproxy", "*", "--get", &format!("http://{}{path}", self.address)]);
        for (name, value) in parameters {
            curl.args(["--data-urlencode", &format!("{name}={value}")]);
        }
        let output = curl.output().expect("curl is needed: apt-get install curl");
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Source for Prometheus {
    fn ask(&self, query: &str, ask: Ask) -> Result<Vec<Row>, String> {
        let (from, to) = ask.seconds();
        let at = |second| (self.start_ms / 1000 + i64::try_from(second).unwrap()).to_string();
        let query = ("query", query.to_owned());
        let text = match ask {
            Ask::Instant { .. } => self.get("/api/v1/query", &[query, ("time", at(from))]),
            Ask::Whole => self
                .get("/api/v1/query_range", &[query, ("start", at(from)), ("end", at(to)), ("step", "60".to_owned())]),
        };
        let answer: Value = serde_json::from_str(&text.ok_or("no answer")?).map_err(|error| error.to_string())?;
        if answer["status"] != "success" {
            return Err(answer["error"].to_string());
        }
        let result = &answer["data"]["result"];
        let number = |point: &Value| point[1].as_str()?.parse().ok().filter(|v: &f64| v.is_finite());
        if answer["data"]["resultType"] == "scalar" {
            return Ok(vec![Row { labels: BTreeMap::new(), numbers: number(result).into_iter().collect() }]);
        }
        let row = |s: &Value| {
            let mut labels: BTreeMap<String, String> = serde_json::from_value(s["metric"].clone()).unwrap();
            labels.remove("__name__");
            let points = s["values"].as_array().cloned().unwrap_or_else(|| vec![s["value"].clone()]);
            Row { labels, numbers: points.iter().filter_map(number).collect() }
        };
        Ok(result.as_array().ok_or("no result")?.iter().map(row).collect())
    }
}

/// The samples in OpenMetrics, with what a scrape adds to series that bear no job and instance of their own.
fn open_metrics(samples: &[Sample]) -> String {
    let mut families: BTreeMap<&str, Vec<&Sample>> = BTreeMap::new();
    for sample in samples {
        families.entry(&sample.labels.name).or_default().push(sample);
    }
    let mut text = String::new();
    for (name, samples) in families {
        for s in samples {
            let mut labels = BTreeMap::from([("job", "dogwatch"), ("instance", "127.0.0.1:9559")]);
            labels.extend(s.labels.pairs.iter().map(|(k, v)| (&**k, &**v)));
            let labels: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v:?}")).collect();
            writeln!(text, "{name}{{{}}} {} {}", labels.join(","), s.value, s.at.as_second()).unwrap();
        }
    }
    text + "# EOF\n"
}

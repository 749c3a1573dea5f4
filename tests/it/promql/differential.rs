//! The evaluator against a real Prometheus 3: the same random series, generated queries, the same results.
//!
//! Series and queries come from a fixed seed, so that a failure can be repeated (`PROMQL_SEED` gives others). Prometheus gets the samples through its
//! remote-write receiver and is asked over HTTP; ours is the evaluator alone, with half of the series packed.
//! The program is the newest one, which tests/run builds (`$PROMETHEUS` names another); where it could not be built,
//! Debian's, which is older and differs in what Prometheus changed since.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use dogwatch::{
    model::{Labels, is_stale},
    pack::{Packed, Points},
    promql::{self, Limits, Value, Window},
};
use fastrand::Rng;
use prost::Message;

use super::{generator::Generator, samples::series, world};

/// A fixed time: where samples and steps lie to each other is part of what a seed gives.
const BEGIN_MS: i64 = 1_767_225_600_000;
const QUERIES: usize = 600;
/// Relative.
const EPSILON: f64 = 1e-12;

struct Prometheus(Child);

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn program() -> PathBuf {
    let debians = || crate::peers::peer("prometheus-3/usr/bin/prometheus");
    let given = std::env::var_os("PROMETHEUS").map(PathBuf::from);
    given.or_else(|| crate::peers::newest("prometheus")).unwrap_or_else(debians)
}

async fn peer(dir: &std::path::Path, client: &reqwest::Client) -> (Prometheus, String) {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = dir.join("prometheus.yml");
    std::fs::write(&config, "scrape_configs: []\n").unwrap();
    let child = Command::new(program())
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", dir.join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .args(["--web.enable-remote-write-receiver", "--log.level=error", "--storage.tsdb.retention.time=100y"])
        .arg("--enable-feature=promql-experimental-functions,promql-binop-fill-modifiers")
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|e| panic!("{}: {e}; tests/run gets Prometheus 3", program().display()));
    let (child, url) = (Prometheus(child), format!("http://127.0.0.1:{port}"));
    for _ in 0..600 {
        if client.get(format!("{url}/-/ready")).send().await.is_ok_and(|r| r.status().is_success()) {
            return (child, url);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("Prometheus does not get ready");
}

async fn write(client: &reqwest::Client, url: &str, series: &[(Labels, Points)]) {
    let timeseries = series.iter().map(|(labels, points)| {
        let mut all: Vec<(String, String)> = labels.pairs.iter().map(|(l, v)| (l.to_string(), v.to_string())).collect();
        all.push(("__name__".into(), labels.name.to_string()));
        all.sort();
        crate::remote::TimeSeries {
            labels: all.into_iter().map(|(name, value)| crate::remote::Label { name, value }).collect(),
            samples: points
                .at_ms
                .iter()
                .zip(&points.values)
                .map(|(t, v)| crate::remote::Point { value: *v, timestamp: *t })
                .collect(),
        }
    });
    let request = crate::remote::WriteRequest { timeseries: timeseries.collect() };
    let body = snap::raw::Encoder::new().compress_vec(&request.encode_to_vec()).unwrap();
    let sent = client
        .post(format!("{url}/api/v1/write"))
        .header("content-encoding", "snappy")
        .body(body)
        .send()
        .await
        .unwrap();
    assert!(sent.status().is_success(), "{}", sent.text().await.unwrap());
}

/// What a query gave, in a form that both sides can be brought to.
#[derive(Debug, Default)]
struct Outcome {
    /// `vector`, `matrix`, `scalar` or `string`.
    kind: &'static str,
    series: BTreeMap<String, Vec<(i64, f64)>>,
    /// The series in the order of the answer.
    order: Vec<String>,
    /// A string's text.
    text: String,
    /// Warnings and infos, sorted.
    notes: Vec<String>,
    /// `totalQueryableSamples`.
    samples: u64,
}

type Result = std::result::Result<Outcome, String>;

async fn theirs(client: &reqwest::Client, url: &str, query: &str, at: (i64, i64, i64)) -> Result {
    let mut form = vec![("query", query.to_string()), ("stats", "all".into())];
    let path = if at.2 == 0 {
        form.push(("time", seconds(at.0)));
        "query"
    } else {
        form.extend([("start", seconds(at.0)), ("end", seconds(at.1)), ("step", seconds(at.2))]);
        "query_range"
    };
    let url = url::Url::parse_with_params(&format!("{url}/api/v1/{path}"), form).unwrap();
    let text = client.get(url).send().await.unwrap().text().await.unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    if json["status"] == "error" {
        return Err(json["error"].as_str().unwrap_or_default().to_string());
    }
    let (data, result) = (&json["data"], &json["data"]["result"]);
    let mut outcome = Outcome {
        samples: data["stats"]["samples"]["totalQueryableSamples"].as_u64().unwrap_or_default(),
        notes: [&json["warnings"], &json["infos"]]
            .into_iter()
            .filter_map(|notes| notes.as_array())
            .flatten()
            .map(|note| uncounted(note.as_str().unwrap()))
            .collect(),
        ..Outcome::default()
    };
    outcome.notes.sort();
    outcome.kind = ["vector", "matrix", "scalar", "string"].into_iter().find(|k| data["resultType"] == **k).unwrap();
    match outcome.kind {
        "scalar" => outcome.add("{}".into(), vec![point(result)]),
        "string" => outcome.text = result[1].as_str().unwrap().to_string(),
        _ => {
            for series in result.as_array().unwrap() {
                let metric: BTreeMap<String, String> = serde_json::from_value(series["metric"].clone()).unwrap();
                let name = metric.get("__name__").cloned().unwrap_or_default();
                let labels = Labels::new(name, metric.into_iter().filter(|(l, _)| l != "__name__"));
                let points = match series["values"].as_array() {
                    Some(values) => values.iter().map(point).collect(),
                    None => vec![point(&series["value"])],
                };
                outcome.add(labels.to_string(), points);
            }
        }
    }
    Ok(outcome)
}

/// A note without how many histograms it is about: Prometheus adds what it has counted so far to itself at every step,
/// until the sum is negative.
fn uncounted(note: &str) -> String {
    let is_count = |word: &str| word.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit());
    let words = note.split(' ').map(|word| if is_count(word) { "n" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

/// `[seconds, "value"]`.
fn point(json: &serde_json::Value) -> (i64, f64) {
    let value = json[1].as_str().unwrap().replace("Inf", "inf").parse().unwrap();
    ((json[0].as_f64().unwrap() * 1e3).round() as i64, value)
}

impl Outcome {
    fn add(&mut self, labels: String, points: Vec<(i64, f64)>) {
        self.order.push(labels.clone());
        self.series.insert(labels, points);
    }
}

fn seconds(ms: i64) -> String {
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}

fn ours(series: &[(Labels, Points)], query: &str, at: (i64, i64, i64)) -> Result {
    let query = promql::parse(query).map_err(|e| e.to_string())?;
    let window = Window { start_ms: at.0, end_ms: at.1, step_ms: at.2, lookback_ms: 300_000 };
    let select = |s: promql::Selection| -> Vec<Packed> {
        let fits = series.iter().enumerate().filter(|(_, (l, _))| s.matchers.iter().all(|m| m.matches_labels(l)));
        fits.map(|(i, (labels, points))| {
            let points = points.at_ms.iter().copied().zip(points.values.iter().copied()).collect();
            world::packed(labels, &points, i % 2 == 0)
        })
        .collect()
    };
    let data: Vec<Vec<Packed>> = query.selections(&window).into_iter().map(select).collect();
    let limits = Limits { max_samples: 50_000_000, threads: 2 };
    let budget = promql::Budget::new(promql::Pool::new(1 << 30));
    let answer = promql::evaluate(&query, &window, &data, &limits, &budget, &|| false).map_err(|e| e.to_string())?;
    let mut notes: Vec<String> = [answer.warnings, answer.infos].concat().iter().map(|n| uncounted(n)).collect();
    notes.sort();
    let mut outcome = Outcome { notes, samples: answer.stats.total_samples, ..Outcome::default() };
    match answer.value {
        Value::Scalar(at, v) => {
            outcome.kind = "scalar";
            outcome.add("{}".into(), vec![(at, v)]);
        }
        Value::String(_, text) => (outcome.kind, outcome.text) = ("string", text),
        Value::Vector(vector) => {
            outcome.kind = "vector";
            vector.into_iter().for_each(|(l, at, v)| outcome.add(l.to_string(), vec![(at, v)]));
        }
        Value::Matrix(matrix) => {
            outcome.kind = "matrix";
            matrix.into_iter().for_each(|s| outcome.add(s.labels.to_string(), s.points));
        }
    }
    Ok(outcome)
}

fn same(a: f64, b: f64) -> bool {
    assert!(!is_stale(a));
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= EPSILON * a.abs().max(b.abs())
}

/// The class of an error; which of two conflicts of matching is met first is not the language's.
fn class(error: &str) -> &str {
    let classes = [
        ("found duplicate series", "matching"),
        ("multiple matches for labels", "matching"),
        ("same labelset", "same labelset"),
        ("parse error", "parse error"),
    ];
    classes.into_iter().find(|(words, _)| error.contains(words)).map_or(error, |(_, class)| class)
}

/// Of many notes, which ten are told is not the same twice.
fn same_notes(a: &[String], b: &[String]) -> bool {
    let omitted = |notes: &[String]| notes.iter().filter(|n| n.ends_with("omitted")).cloned().collect::<Vec<_>>();
    a == b || (!omitted(a).is_empty() && omitted(a) == omitted(b))
}

/// How two outcomes differ. Their order counts where the query says it.
fn differs(ours: &Result, theirs: &Result, ordered: bool) -> Option<String> {
    let (a, b) = match (ours, theirs) {
        (Err(a), Err(b)) if class(a) == class(b) => return None,
        (Ok(a), Ok(b)) => (a, b),
        (a, b) => {
            let shown = |r: &Result| format!("{r:?}").chars().take(400).collect::<String>();
            return Some(format!("{}\n      theirs {}", shown(a), shown(b)));
        }
    };
    if a.kind != b.kind || a.text != b.text {
        return Some(format!("{} {:?}, theirs {} {:?}", a.kind, a.text, b.kind, b.text));
    }
    if !a.series.keys().eq(b.series.keys()) || (ordered && a.order != b.order) {
        return Some(format!("series {:?}, theirs {:?}", a.order, b.order));
    }
    let points = a.series.iter().zip(b.series.values()).find_map(|((labels, a), b)| {
        let equal = a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && same(a.1, b.1));
        let first = a.iter().zip(b).find(|(a, b)| a.0 != b.0 || !same(a.1, b.1));
        (!equal).then(|| format!("{labels}: {} points, theirs {}; first {first:?}", a.len(), b.len()))
    });
    points
        .or_else(|| (!same_notes(&a.notes, &b.notes)).then(|| format!("says {:?}, theirs {:?}", a.notes, b.notes)))
        .or_else(|| (a.samples != b.samples).then(|| format!("{} samples, theirs {}", a.samples, b.samples)))
}

/// How the two write and show a query.
async fn spelled_differently(client: &reqwest::Client, url: &str, query: &str) -> Option<String> {
    let ask = async |path: &str| {
        let url = url::Url::parse_with_params(&format!("{url}/api/v1/{path}"), [("query", query)]).unwrap();
        let text = client.get(url).send().await.unwrap().text().await.unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["data"].take()
    };
    let parsed = promql::parse(query).ok()?;
    let (written, shown) = (ask("format_query").await, ask("parse_query").await);
    if written != parsed.pretty() {
        return Some(format!("is written {}, theirs {written}", parsed.pretty()));
    }
    (shown != parsed.tree()).then(|| format!("is shown as {}, theirs {shown}", parsed.tree()))
}

#[tokio::test]
async fn promql_agrees_with_prometheus() {
    dogwatch::dial::install_crypto();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let begin_ms = BEGIN_MS;
    let mut random = Rng::with_seed(std::env::var("PROMQL_SEED").map_or(20_261_123, |seed| seed.parse().unwrap()));
    let mut series = series(begin_ms, &mut random);
    // Prometheus gives its newest series in the order in which they came; ours come sorted.
    series.sort_by(|(a, _), (b, _)| a.cmp(b));
    let (_peer, url) = peer(dir.path(), &client).await;
    write(&client, &url, &series).await;
    let mut generator = Generator::new(random, begin_ms);
    let (mut failures, mut errors, mut empty) = (Vec::new(), 0, 0);
    for _ in 0..QUERIES {
        let (query, at) = generator.query();
        let (ours, theirs) = (ours(&series, &query, at), theirs(&client, &url, &query, at).await);
        errors += usize::from(theirs.is_err());
        empty += usize::from(theirs.as_ref().is_ok_and(|o| o.order.is_empty()));
        if let Some(how) = spelled_differently(&client, &url, &query).await {
            failures.push(format!("{query}\n      {how}"));
        }
        if let Some(how) = differs(&ours, &theirs, at.2 == 0 && query.starts_with("sort")) {
            failures.push(format!("{query}\n      at {at:?}: {how}"));
        }
    }
    println!("{QUERIES} queries: {errors} errors, {empty} empty, {} differ", failures.len());
    assert!(failures.is_empty(), "{} of {QUERIES} differ:\n{}", failures.len(), failures.join("\n"));
    assert!(
        errors < QUERIES / 3 && empty < QUERIES / 3,
        "the generator gives too little: {errors} errors, {empty} empty"
    );
}

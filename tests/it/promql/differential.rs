//! The evaluator against a real Prometheus 3: the same random series, generated queries, the same results.
//!
//! Series and queries come from a fixed seed, so that a failure can be repeated (`PROMQL_SEED` gives others). Prometheus gets the samples through its
//! remote-write receiver and is asked over HTTP; ours is the evaluator alone, with half of the series packed.
//! The program is Debian's (`$PROMETHEUS`, default where tests/run unpacks it): older ones close ranges at both ends.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use dogwatch::{
    model::{Labels, is_stale, stale},
    pack::{Packed, Points},
    promql::{self, Limits, Value, Window},
};
use fastrand::Rng;
use prost::Message;

use super::world;

const QUERIES: usize = 600;
/// Relative.
const EPSILON: f64 = 1e-12;
const STEP_MS: i64 = 15_000;
const SAMPLES: i64 = 240;

/// Random series over an hour: counters with resets, gauges, gaps, ends, NaN and infinities, churn, histograms.
fn series(begin_ms: i64, random: &mut Rng) -> Vec<(Labels, Points)> {
    let mut all = Vec::new();
    for i in 0..12 {
        let (group, instance) = (format!("g{}", i % 3), format!("i{}", i % 6));
        let pairs =
            [("group", group.as_str()), ("instance", instance.as_str()), ("n", if i < 6 { "low" } else { "high" })];
        all.push((Labels::new("req_total", pairs), points(begin_ms, random, Shape::Counter)));
        all.push((Labels::new("temp", pairs), points(begin_ms, random, Shape::Gauge)));
        all.push((Labels::new("odd", pairs), points(begin_ms, random, Shape::Odd)));
    }
    for instance in ["i0", "i1"] {
        let mut cumulated = points(begin_ms, random, Shape::Counter);
        for le in ["0.1", "0.5", "1", "2.5", "+Inf"] {
            let pairs = [("instance", instance), ("le", le)];
            all.push((Labels::new("lat_bucket", pairs), cumulated.clone()));
            cumulated.values.iter_mut().enumerate().for_each(|(i, v)| *v += (i * (1 + le.len())) as f64);
        }
    }
    for group in ["g0", "g1", "g2"] {
        all.push((Labels::new("limit", [("group", group)]), points(begin_ms, random, Shape::Gauge)));
    }
    all
}

#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Counter,
    Gauge,
    Odd,
}

fn points(begin_ms: i64, random: &mut Rng, shape: Shape) -> Points {
    let (mut points, mut value, mut ended) = (Points::default(), random.u32(0..1_000) as f64, false);
    let offset = random.i64(1..STEP_MS);
    let (from, to) = if shape == Shape::Odd { (random.i64(0..80), random.i64(150..SAMPLES)) } else { (0, SAMPLES) };
    for i in from..to {
        // Never at a whole second: no window's edge is ever exactly at a sample by chance alone.
        let at = begin_ms + i * STEP_MS + offset / 1_000 * 1_000 + 137 + random.i64(0..3);
        if shape != Shape::Counter && random.u8(0..40) == 0 {
            if !ended && shape == Shape::Odd {
                points.push(at, stale());
            }
            ended = true;
            continue;
        }
        ended = false;
        value = match shape {
            Shape::Counter if random.u16(0..150) == 0 => random.u32(0..5) as f64,
            Shape::Counter => value + random.u32(0..60) as f64 / 4.0,
            Shape::Gauge => (random.f64() - 0.4) * 100.0,
            Shape::Odd => match random.u8(0..30) {
                0 => f64::NAN,
                1 => f64::INFINITY,
                _ => random.i32(-3..4) as f64,
            },
        };
        points.push(at, value);
    }
    points
}

/// Queries by the grammar; types are right, sense is not asked for.
struct Generator {
    random: Rng,
}

impl Generator {
    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.random.usize(..from.len())]
    }

    fn selector(&mut self) -> String {
        let name = self.pick(&["req_total", "temp", "odd", "limit", "lat_bucket"]);
        let matchers = self.pick(&[
            "",
            "",
            "{group=\"g1\"}",
            "{instance=~\"i[0-3]\"}",
            "{group!=\"g0\",n=\"low\"}",
            "{instance!~\"i1|i2\"}",
        ]);
        format!("{name}{matchers}")
    }

    fn shift(&mut self) -> &'static str {
        const SHIFTS: [&str; 9] = ["", "", "", "", "", " offset 3m", " offset -1m", " @ end()", " @ start() offset 2m"];
        SHIFTS[self.random.usize(..SHIFTS.len())]
    }

    fn range(&mut self, depth: usize) -> String {
        let range = self.pick(&["1m", "90s", "5m", "17m"]);
        if depth > 0 && self.random.u8(0..4) == 0 {
            let step = self.pick(&["", "30s", "1m", "2m13s"]);
            let (mut inner, shift) = (self.vector(depth - 1), self.shift());
            if !shift.is_empty() {
                // Prometheus 3.5 forgets the subquery's offset for an inner `@` where both grids begin together.
                inner = inner.replace(" @ end()", "").replace(" @ start()", "");
            }
            return format!("({inner})[{range}:{step}]{shift}");
        }
        format!("{}[{range}]{}", self.selector(), self.shift())
    }

    fn scalar(&mut self) -> &'static str {
        const SCALARS: [&str; 8] = ["2", "0.5", "-1.5", "1e3", "time()", "pi()", "NaN", "scalar(limit{group=\"g1\"})"];
        SCALARS[self.random.usize(..SCALARS.len())]
    }

    fn vector(&mut self, depth: usize) -> String {
        if depth == 0 {
            return format!("{}{}", self.selector(), self.shift());
        }
        match self.random.u8(0..10) {
            0 | 1 => {
                let f = self.pick(&[
                    "rate",
                    "increase",
                    "irate",
                    "delta",
                    "idelta",
                    "deriv",
                    "changes",
                    "resets",
                    "avg_over_time",
                    "min_over_time",
                    "max_over_time",
                    "sum_over_time",
                    "count_over_time",
                    "last_over_time",
                    "present_over_time",
                    "stddev_over_time",
                    "stdvar_over_time",
                ]);
                format!("{f}({})", self.range(depth))
            }
            2 => match self.random.u8(0..4) {
                0 => format!("quantile_over_time({}, {})", self.pick(&["0", "0.3", "0.99", "1"]), self.range(depth)),
                1 => format!("predict_linear({}, {})", self.range(depth), self.pick(&["60", "-300", "3600"])),
                2 => format!("absent_over_time({})", self.range(0)),
                _ => format!(
                    "histogram_quantile({}, rate(lat_bucket[{}]))",
                    self.pick(&["0.5", "0.9", "0"]),
                    self.pick(&["2m", "9m"])
                ),
            },
            3 => {
                let f = self.pick(&[
                    "abs",
                    "ceil",
                    "floor",
                    "sgn",
                    "sqrt",
                    "round",
                    "timestamp",
                    "-",
                    "minute",
                    "day_of_week",
                    "absent",
                ]);
                // Dates of what is no time differ with the machine in Go.
                let of = if matches!(f, "minute" | "day_of_week") { "timestamp" } else { "" };
                format!("{f}({of}({}))", self.vector(depth - 1))
            }
            4 => match self.random.u8(0..4) {
                0 => format!("clamp({}, -2, {})", self.vector(depth - 1), self.pick(&["1", "50", "-5"])),
                1 => format!("label_replace({}, \"to\", \"$1\", \"instance\", \"i(.*)\")", self.vector(depth - 1)),
                2 => format!("label_join({}, \"to\", \"-\", \"group\", \"instance\")", self.vector(depth - 1)),
                _ => format!("round({}, {})", self.vector(depth - 1), self.pick(&["0.25", "10"])),
            },
            5 | 6 => {
                let by = self.pick(&[
                    "",
                    " by (group)",
                    " by (instance, n)",
                    " without (instance)",
                    " without (n, le)",
                    " by (nowhere)",
                ]);
                let inner = self.vector(depth - 1);
                match self.random.u8(0..4) {
                    0 => format!("quantile{by} ({}, {inner})", self.pick(&["0.5", "0.9"])),
                    1 => format!("count_values{by} (\"v\", floor({inner}))"),
                    _ => format!(
                        "{}{by} ({inner})",
                        self.pick(&["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"])
                    ),
                }
            }
            7 => {
                let (op, b) = (self.pick(&["+", "-", "*", "/", "%", "^", "atan2"]), self.scalar());
                if self.random.bool() {
                    format!("({}) {op} {b}", self.vector(depth - 1))
                } else {
                    format!("{b} {op} ({})", self.vector(depth - 1))
                }
            }
            8 => {
                let (op, bool) = (self.pick(&["==", "!=", ">", "<", ">=", "<="]), self.pick(&["", " bool"]));
                format!("({}) {op}{bool} {}", self.vector(depth - 1), self.scalar())
            }
            _ => {
                let matching = self.pick(&[
                    "",
                    "on (instance) ",
                    "ignoring (n) ",
                    "on (group) group_left () ",
                    "on (group, instance) ",
                    "on (group) group_right (n) ",
                ]);
                let set = self.pick(&["and", "or", "unless"]);
                let op = self.pick(&["+", "-", "*", "/", "==", "> bool", "<"]);
                let (l, r) = (self.vector(depth - 1), self.vector(depth - 1));
                match self.random.u8(0..3) {
                    0 => format!("({l}) {set} {}({r})", self.pick(&["", "on (group) ", "ignoring (n, le) "])),
                    _ => format!("({l}) {op} {matching}({r})"),
                }
            }
        }
    }
}

struct Prometheus(Child);

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn program() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache"));
    let unpacked = cache.join("dogwatch-tests/prometheus-3/usr/bin/prometheus");
    std::env::var_os("PROMETHEUS").map_or(unpacked, PathBuf::from)
}

async fn peer(dir: &std::path::Path, client: &reqwest::Client) -> (Prometheus, String) {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = dir.join("prometheus.yml");
    std::fs::write(&config, "scrape_configs: []\n").unwrap();
    let child = Command::new(program())
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", dir.join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .args(["--web.enable-remote-write-receiver", "--log.level=error"])
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

type Result = std::result::Result<BTreeMap<String, Vec<(i64, f64)>>, String>;

async fn theirs(client: &reqwest::Client, url: &str, query: &str, at: (i64, i64, i64)) -> Result {
    let (path, form) = if at.2 == 0 {
        ("query", vec![("query", query.to_string()), ("time", seconds(at.0))])
    } else {
        (
            "query_range",
            vec![("query", query.into()), ("start", seconds(at.0)), ("end", seconds(at.1)), ("step", seconds(at.2))],
        )
    };
    let url = url::Url::parse_with_params(&format!("{url}/api/v1/{path}"), form).unwrap();
    let text = client.get(url).send().await.unwrap().text().await.unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    if json["status"] == "error" {
        return Err(json["error"].as_str().unwrap_or_default().to_string());
    }
    let data = &json["data"];
    let point = |p: &serde_json::Value| {
        let at = (p[0].as_f64().unwrap() * 1e3).round() as i64;
        let text = p[1].as_str().unwrap();
        (
            at,
            if text.ends_with("Inf") {
                text.replace("Inf", "inf").parse().unwrap()
            } else {
                text.parse::<f64>().unwrap()
            },
        )
    };
    if data["resultType"] == "scalar" {
        return Ok(BTreeMap::from([("{}".into(), vec![point(&data["result"])])]));
    }
    let one = |s: &serde_json::Value| {
        let metric: BTreeMap<String, String> = serde_json::from_value(s["metric"].clone()).unwrap();
        let name = metric.get("__name__").cloned().unwrap_or_default();
        let labels = Labels::new(name, metric.into_iter().filter(|(l, _)| l != "__name__"));
        let points = match s["values"].as_array() {
            Some(values) => values.iter().map(point).collect(),
            None => vec![point(&s["value"])],
        };
        (labels.to_string(), points)
    };
    Ok(data["result"].as_array().unwrap().iter().map(one).collect())
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
    let answer = promql::evaluate(&query, &window, &data, &limits, &|| false).map_err(|e| e.to_string())?;
    Ok(match answer.value {
        Value::Scalar(at, v) => BTreeMap::from([("{}".into(), vec![(at, v)])]),
        Value::String(..) => BTreeMap::new(),
        Value::Vector(vector) => vector.into_iter().map(|(l, at, v)| (l.to_string(), vec![(at, v)])).collect(),
        Value::Matrix(matrix) => matrix.into_iter().map(|s| (s.labels.to_string(), s.points)).collect(),
    })
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

fn differs(ours: &Result, theirs: &Result) -> Option<String> {
    match (ours, theirs) {
        (Err(a), Err(b)) if class(a) == class(b) => None,
        (Ok(a), Ok(b)) => {
            if a.len() != b.len() || !a.keys().eq(b.keys()) {
                return Some(format!("series {:?}, theirs {:?}", a.keys(), b.keys()));
            }
            a.iter().zip(b.values()).find_map(|((labels, a), b)| {
                let equal = a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && same(a.1, b.1));
                let first = a.iter().zip(b).find(|(a, b)| a.0 != b.0 || !same(a.1, b.1));
                (!equal).then(|| format!("{labels}: {} points, theirs {}; first {first:?}", a.len(), b.len()))
            })
        }
        (a, b) => Some(format!("{a:?}\n      theirs {b:?}").chars().take(600).collect()),
    }
}

#[tokio::test]
async fn promql_agrees_with_prometheus() {
    dogwatch::dial::install_crypto();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let begin_ms = (jiff::Timestamp::now().as_second() - 3_900) / 60 * 60_000;
    let mut random = Rng::with_seed(std::env::var("PROMQL_SEED").map_or(20_261_123, |seed| seed.parse().unwrap()));
    let series = series(begin_ms, &mut random);
    let (_peer, url) = peer(dir.path(), &client).await;
    write(&client, &url, &series).await;
    let mut generator = Generator { random };
    let (mut failures, mut errors, mut empty) = (Vec::new(), 0, 0);
    for _ in 0..QUERIES {
        let depth = generator.random.usize(1..4);
        let query = generator.vector(depth);
        let end = begin_ms + generator.random.i64(20..58) * 60_000;
        let at = match generator.random.u8(0..2) {
            0 => (end, end, 0),
            _ => (end - 15 * 60_000, end, generator.random.i64(10..100) * 1_000),
        };
        let (ours, theirs) = (ours(&series, &query, at), theirs(&client, &url, &query, at).await);
        errors += usize::from(theirs.is_err());
        empty += usize::from(theirs.as_ref().is_ok_and(BTreeMap::is_empty));
        if let Some(how) = differs(&ours, &theirs) {
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

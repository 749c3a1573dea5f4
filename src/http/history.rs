//! What is known of one target's past: how long its probes took and when they failed, its verdicts, its last results.
//! Read from the store for its page; nothing here is more than a page can show.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use crate::{
    model::{METRIC_NAME, TargetKey, VerdictChange, text},
    promql::{Series, Value},
    query::{Engine, Options},
    store::Store,
};

/// How far back the chart looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChartRange {
    /// 1 h.
    Hour,
    /// 6 h: long enough to see when it began, short enough to see single probes fail.
    #[default]
    SixHours,
    /// 24 h.
    Day,
    /// 7 d.
    Week,
    /// 30 d.
    Month,
}

impl ChartRange {
    /// Every one, the shortest first.
    pub const ALL: [Self; 5] = [Self::Hour, Self::SixHours, Self::Day, Self::Week, Self::Month];

    /// Reads `range=` of the page's address.
    pub fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|range| range.name() == text)
    }

    /// Returns it as the page's address says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::SixHours => "6h",
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
        }
    }

    /// Returns it in words.
    pub fn label(self) -> &'static str {
        match self {
            Self::Hour => "1 h",
            Self::SixHours => "6 h",
            Self::Day => "24 h",
            Self::Week => "7 days",
            Self::Month => "30 days",
        }
    }

    /// Returns how long it is.
    pub fn length(self) -> Duration {
        const HOUR: u64 = 3_600;
        Duration::from_secs(match self {
            Self::Hour => HOUR,
            Self::SixHours => 6 * HOUR,
            Self::Day => 24 * HOUR,
            Self::Week => 7 * 24 * HOUR,
            Self::Month => 30 * 24 * HOUR,
        })
    }

    /// Returns into how many parts the chart divides it: a phone shows no more, and each is a round number of minutes.
    pub fn parts(self) -> usize {
        match self {
            Self::Hour => 60,
            Self::SixHours | Self::Day | Self::Month => 180,
            Self::Week => 168,
        }
    }

    /// Returns how long one part is.
    pub fn part(self) -> Duration {
        self.length() / u32::try_from(self.parts()).unwrap_or(1)
    }
}

/// Results that are listed.
const RESULTS_MAX: usize = 10;

/// The last results are looked for this far back, whatever the interval.
const RESULTS_WITHIN: Duration = Duration::from_secs(3600);

/// Changes of verdict that are read; most spells are shorter than a minute where a target flaps.
const CHANGES_MAX: usize = 100;

/// A page waits no longer for its history.
const PATIENCE: Duration = Duration::from_secs(4);

/// Over what the share of probes that succeeded is taken: `(range, in words)`.
const SHARES: [(&str, &str); 3] = [("24h", "24 h"), ("7d", "7 days"), ("30d", "30 days")];

/// The past of one target.
#[derive(Clone, Debug, Default)]
pub struct TargetHistory {
    /// How far back the chart looks.
    pub range: ChartRange,
    /// When the chart ends.
    pub until: Timestamp,
    /// The longest probe of each part, in seconds: `(part, seconds)`, ascending; parts without a probe are not there.
    pub latency: Vec<(usize, f64)>,
    /// Parts in which a probe failed, ascending.
    pub failed: Vec<usize>,
    /// The share of probes that succeeded, from 0 to 1, and over what.
    pub shares: Vec<(&'static str, f64)>,
    /// The last results, newest first.
    pub results: Vec<ProbeResult>,
    /// Changes of the verdict, newest first.
    pub changes: Vec<VerdictChange>,
    /// Why not all of it can be told, where that is so.
    pub error: Option<String>,
}

/// What one probe gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProbeResult {
    /// When it started.
    pub at: Timestamp,
    /// It succeeded.
    pub succeeded: bool,
    /// How long it took.
    pub took: Duration,
    /// Why it failed; empty where it did not.
    pub reason: String,
    /// Its phases, in their order.
    pub phases: Vec<(&'static str, Duration)>,
}

/// The phases of a probe in their order, as `probe_http_duration_seconds` names them.
const PHASES: [&str; 5] = ["resolve", "connect", "tls", "processing", "transfer"];

/// Reads the past of a target.
pub async fn read(
    engine: &Engine,
    store: &Store,
    key: &TargetKey,
    interval: Duration,
    chart: ChartRange,
    now: Timestamp,
) -> TargetHistory {
    let part_ms = millis(chart.part());
    // The last part is the one that is being measured: its end is to come.
    let end_ms = (now.as_millisecond().div_euclid(part_ms) + 1) * part_ms;
    let start_ms = end_ms - millis(chart.length()) + part_ms;
    let of = selector(key);
    let over = |function: &str, name: &str| format!("{function}({function}_over_time({name}{{{of}}}[{part_ms}ms]))");
    let options = Options { timeout: Some(PATIENCE), ..Options::default() };
    let range = async |text: String| engine.range(&text, start_ms, end_ms, part_ms, options).await;
    let instant = async |text: String| engine.instant(&text, now.as_millisecond(), options).await;
    let (latency, success, shares, results, changes) = tokio::join!(
        range(over("max", "probe_duration_seconds")),
        range(over("min", "probe_success")),
        async {
            let mut shares = Vec::new();
            for (range, words) in SHARES {
                let sum = |f: &str| format!("sum({f}_over_time(probe_success{{{of}}}[{range}]))");
                shares.push((words, instant(format!("{} / {}", sum("sum"), sum("count"))).await));
            }
            shares
        },
        instant(last_results(&of, interval)),
        store.verdict_changes_of(key, CHANGES_MAX),
    );
    let until = Timestamp::from_millisecond(end_ms).unwrap_or(now);
    let mut history = TargetHistory { range: chart, until, ..Default::default() };
    let mut wrong = |why: String| history.error = Some(why);
    let mut points = |answer: Result<crate::query::Outcome, crate::query::QueryError>| match answer {
        Ok(outcome) => outcome.answer.value,
        Err(error) => {
            wrong(error.to_string());
            Value::Matrix(Vec::new())
        }
    };
    let part = |(at_ms, value): (i64, f64)| Some((usize::try_from((at_ms - start_ms) / part_ms).ok()?, value));
    let latency = first(points(latency)).into_iter().filter_map(part).collect();
    let success = first(points(success)).into_iter().filter_map(part);
    let failed = success.filter(|(_, worst)| *worst < 1.0).map(|(part, _)| part).collect();
    let shares = shares.into_iter().filter_map(|(words, answer)| match points(answer) {
        Value::Vector(one) => Some((words, one.first()?.2)),
        _ => None,
    });
    let shares: Vec<(&'static str, f64)> = shares.collect();
    let results = match points(results) {
        Value::Matrix(series) => by_probe(&series),
        _ => Vec::new(),
    };
    match changes {
        Ok(changes) => history.changes = changes,
        Err(error) => history.error = Some(error.to_string()),
    }
    TargetHistory { latency, failed, shares, results, ..history }
}

fn millis(d: Duration) -> i64 {
    i64::try_from(d.as_millis()).unwrap_or(i64::MAX)
}

/// The conditions of a target's series.
fn selector(key: &TargetKey) -> String {
    let quoted = [("cluster", &*key.cluster), ("job", key.job.as_str()), ("instance", &*key.instance)];
    quoted.map(|(name, value)| format!("{name}={}", text::quoted(value))).join(",")
}

fn last_results(of: &str, interval: Duration) -> String {
    let names = "probe_duration_seconds|probe_http_duration_seconds|probe_success|probe_failure_info";
    let back = (interval * u32::try_from(RESULTS_MAX * 2).unwrap_or(1)).max(RESULTS_WITHIN / 6).min(RESULTS_WITHIN);
    format!("{{{METRIC_NAME}=~\"{names}\",{of}}}[{}ms]", millis(back).max(1))
}

fn first(value: Value) -> Vec<(i64, f64)> {
    match value {
        Value::Matrix(series) => series.into_iter().next().map(|s| s.points).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// Samples of one probe have one time: puts them together, the newest first.
fn by_probe(series: &[Series]) -> Vec<ProbeResult> {
    let mut probes: BTreeMap<i64, ProbeResult> = BTreeMap::new();
    for one in series {
        for (at_ms, value) in &one.points {
            let Ok(at) = Timestamp::from_millisecond(*at_ms) else { continue };
            let probe = probes.entry(*at_ms).or_insert_with(|| ProbeResult { at, ..ProbeResult::default() });
            let took = Duration::try_from_secs_f64(*value).unwrap_or_default();
            match &*one.labels.name {
                "probe_duration_seconds" => probe.took = took,
                "probe_success" => probe.succeeded = *value >= 1.0,
                "probe_failure_info" => one.labels.value("reason").clone_into(&mut probe.reason),
                _ => {
                    let known = PHASES.into_iter().find(|phase| *phase == one.labels.value("phase"));
                    probe.phases.extend(known.map(|phase| (phase, took)));
                }
            }
        }
    }
    let mut newest: Vec<ProbeResult> = probes.into_values().rev().take(RESULTS_MAX).collect();
    let place = |name: &str| PHASES.iter().position(|phase| *phase == name);
    newest.iter_mut().for_each(|p| p.phases.sort_by_key(|(name, _)| place(name)));
    newest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Labels;

    #[test]
    fn samples_of_one_time_are_one_probe() {
        let series = |name: &str, pair: Option<(&str, &str)>, points: &[(i64, f64)]| Series {
            labels: Labels::new(name, pair),
            points: points.to_vec(),
        };
        let probes = by_probe(&[
            series("probe_http_duration_seconds", Some(("phase", "tls")), &[(1_000, 0.002)]),
            series("probe_http_duration_seconds", Some(("phase", "connect")), &[(1_000, 0.001), (2_000, 0.5)]),
            series("probe_duration_seconds", None, &[(1_000, 0.25), (2_000, 1.0)]),
            series("probe_success", None, &[(1_000, 1.0), (2_000, 0.0)]),
            series("probe_failure_info", Some(("reason", "timeout")), &[(2_000, 1.0)]),
        ]);
        let shown: Vec<_> =
            probes.iter().map(|p| (p.succeeded, p.took.as_millis(), &*p.reason, p.phases.len())).collect();
        assert_eq!(shown, [(false, 1000, "timeout", 1), (true, 250, "", 2)]);
        assert_eq!(probes[1].phases[0].0, "connect", "in the order in which they happen");
    }

    #[test]
    fn every_range_divides_into_whole_minutes() {
        for range in ChartRange::ALL {
            assert_eq!(range.part().as_secs() % 60, 0, "{range:?}");
            assert_eq!(range.part() * u32::try_from(range.parts()).unwrap(), range.length());
            assert_eq!(ChartRange::read(range.name()), Some(range));
        }
        assert_eq!(ChartRange::read("2h"), None);
    }

    #[test]
    fn a_name_is_quoted_in_a_query() {
        let key = TargetKey { cluster: "a\"b\\".into(), job: crate::model::Job::Etcd, instance: "[::1]:2379".into() };
        assert!(crate::promql::parse(&format!("up{{{}}}", selector(&key))).is_ok());
        assert!(crate::promql::parse(&last_results(&selector(&key), Duration::from_secs(10))).is_ok());
    }
}

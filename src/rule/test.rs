//! Unit tests of rules in promtool's format: the same files, the same verdicts (cmd/promtool/unittest.go).
//!
//! Each test has a memory of its own, filled from `input_series`; groups are evaluated from `start_timestamp` on (Unix time
//! 0), every `evaluation_interval`, and what fires then is held against what was expected.

mod expect;
mod series;

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::Deserialize;

use self::expect::{AlertTest, ExprTest};
use super::{
    Context,
    eval::evaluate,
    file::{self, Group},
    step::{Alerting, Phase},
};
use crate::{
    model::{Labels, Pairs, Sample, duration::prometheus as duration, null_as_default, stale},
    promql,
    query::{Engine, Memory, QueryConfig, Source},
    telemetry::Metrics,
};

/// A larger file is no test file.
const FILE_MAX: u64 = 16 << 20;

/// `evaluation_interval` where none is given (cmd/promtool/unittest.go), milliseconds.
const INTERVAL_MS: i64 = 60_000;

/// Evaluations of one test: a month, minute by minute, and more is a mistake.
const STEPS_MAX: i64 = 1_000_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default, deserialize_with = "null_as_default::deserialize")]
    rule_files: Vec<String>,
    #[serde(default)]
    evaluation_interval: Option<String>,
    #[serde(default, deserialize_with = "null_as_default::deserialize")]
    group_eval_order: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default::deserialize")]
    fuzzy_compare: bool,
    #[serde(default, deserialize_with = "null_as_default::deserialize")]
    tests: Vec<RawTest>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTest {
    #[serde(default, deserialize_with = "null_as_default::deserialize")]
    name: String,
    #[serde(default)]
    interval: Option<String>,
    #[serde(default, deserialize_with = "null_as_default::deserialize")]
    input_series: Vec<RawSeries>,
    #[serde(default, deserialize_with = "null_as_default::deserialize")]
    alert_rule_test: Vec<AlertTest>,
    #[serde(default, deserialize_with = "null_as_default::deserialize")]
    promql_expr_test: Vec<ExprTest>,
    #[serde(default, deserialize_with = "null_as_default::pairs")]
    external_labels: Pairs,
    #[serde(default, deserialize_with = "null_as_default::deserialize")]
    external_url: String,
    /// RFC 3339, or Unix seconds; Unix time 0 where it is not given.
    #[serde(default)]
    start_timestamp: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSeries {
    series: String,
    #[serde(default, deserialize_with = "null_as_default::deserialize")]
    values: String,
}

/// Says how a test file fared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Tests that passed.
    pub passed: usize,
    /// `(the test, why it failed)`.
    pub failed: Vec<(String, String)>,
    /// What may be a mistake and fails no test: a rule file that is not there.
    pub warnings: Vec<String>,
}

/// Runs the tests of a file. Blocks.
///
/// # Errors
/// When the file or a rule file that it names can't be read; in words, with the place.
pub fn run(path: &Path) -> Result<Report, Vec<String>> {
    let one = |message: String| vec![format!("{}: {message}", path.display())];
    let size = std::fs::metadata(path).map_err(|e| one(format!("can't be read: {e}")))?.len();
    if size > FILE_MAX {
        return Err(one(format!("is larger than {FILE_MAX} bytes: this is no test file")));
    }
    let text = std::fs::read_to_string(path).map_err(|e| one(format!("can't be read: {e}")))?;
    let raw: RawFile = serde_saphyr::from_str(&text).map_err(|e| {
        let place = e.location().map(|l| format!(":{}:{}", l.line(), l.column())).unwrap_or_default();
        let said = e.without_snippet().to_string();
        let line = said.lines().next().unwrap_or_default();
        let what = line[..line.find(" at line ").unwrap_or(line.len())].trim_start_matches("error: ");
        vec![format!("{}{place}: {what}", path.display())]
    })?;
    let mut report = Report::default();
    let groups = load_groups(path, &raw.rule_files, &mut report.warnings)?;
    let groups = order(groups, &raw.group_eval_order).map_err(one)?;
    let interval = positive(raw.evaluation_interval.as_deref(), INTERVAL_MS).map_err(one)?;
    for (i, test) in raw.tests.into_iter().enumerate() {
        let name = if test.name.is_empty() { format!("test {}", i + 1) } else { test.name.clone() };
        match one_test(test, &groups, interval, raw.fuzzy_compare) {
            Ok(()) => report.passed += 1,
            Err(errors) => report.failed.extend(errors.into_iter().map(|e| (name.clone(), e))),
        }
    }
    Ok(report)
}

/// The rule files of a test file, relative to it; `*` stands for any part of a file's name.
fn load_groups(path: &Path, patterns: &[String], warnings: &mut Vec<String>) -> Result<Vec<Group>, Vec<String>> {
    let base = path.parent().unwrap_or(Path::new("."));
    let mut groups = Vec::new();
    let mut errors = Vec::new();
    for pattern in patterns {
        let files = file::expand(base, pattern).unwrap_or_default();
        let files: Vec<_> = files.into_iter().filter(|file| file.exists()).collect();
        if files.is_empty() {
            warnings.push(format!("no file matches {pattern}"));
        }
        for file in files {
            match file::load(&file) {
                Ok(read) => groups.extend(read),
                Err(found) => errors.extend(found.iter().map(ToString::to_string)),
            }
        }
    }
    if errors.is_empty() { Ok(groups) } else { Err(errors) }
}

/// Groups that are named come first, in that order.
fn order(mut groups: Vec<Group>, names: &[String]) -> Result<Vec<Group>, String> {
    let twice = names.iter().enumerate().find(|(i, name)| names.iter().take(*i).any(|other| other == *name));
    if let Some((_, name)) = twice {
        return Err(format!("group name repeated in evaluation order: {name}"));
    }
    groups.sort_by_key(|g| names.iter().position(|n| *n == g.name).unwrap_or(names.len()));
    Ok(groups)
}

/// A duration in milliseconds; nothing is none.
fn time(text: &str) -> Result<i64, String> {
    let d = if text.is_empty() { Duration::ZERO } else { duration(text)? };
    i64::try_from(d.as_millis()).map_err(|_| format!("{text:?} is too long"))
}

/// An interval in milliseconds: `otherwise` where there is none, or 0.
fn positive(text: Option<&str>, otherwise: i64) -> Result<i64, String> {
    Ok(Some(time(text.unwrap_or_default())?).filter(|ms| *ms > 0).unwrap_or(otherwise))
}

/// When a test begins, Unix milliseconds.
fn start(text: Option<&str>) -> Result<i64, String> {
    let Some(text) = text.filter(|t| !t.is_empty()) else { return Ok(0) };
    let wrong = || format!("start_timestamp {text:?} is neither a time (2026-01-31T12:00:00Z) nor Unix seconds");
    if let Ok(seconds) = text.parse::<f64>() {
        #[allow(clippy::cast_possible_truncation)] // Out of range where it saturates.
        let at = seconds.is_finite().then(|| Timestamp::from_millisecond((seconds * 1e3) as i64).ok()).flatten();
        return at.map(Timestamp::as_millisecond).ok_or_else(wrong);
    }
    text.parse::<Timestamp>().map(Timestamp::as_millisecond).map_err(|_| wrong())
}

/// A test's world.
struct World {
    context: Context,
    memory: Memory,
    /// When the test begins, Unix milliseconds.
    start_ms: i64,
    groups: Vec<(Group, Vec<Alerting>, Vec<Vec<Labels>>)>,
}

fn one_test(test: RawTest, groups: &[Group], interval_ms: i64, fuzzy: bool) -> Result<(), Vec<String>> {
    let one = |e: String| vec![e];
    let start_ms = start(test.start_timestamp.as_deref()).map_err(one)?;
    let step_ms = positive(test.interval.as_deref(), interval_ms).map_err(one)?;
    let mut world = World::new(&test, groups, start_ms);
    let mut at_times: BTreeMap<i64, Vec<&AlertTest>> = BTreeMap::new();
    let mut last = 0;
    for t in &test.alert_rule_test {
        let at = time(&t.eval_time).map_err(one)?;
        if t.alertname.is_empty() {
            let at = &t.eval_time;
            return Err(one(format!(
                "an item under alert_rule_test misses required attribute alertname at eval_time {at}"
            )));
        }
        last = last.max(at);
        at_times.entry(at).or_default().push(t);
    }
    for t in &test.promql_expr_test {
        last = last.max(time(&t.eval_time).map_err(one)?);
    }
    if last / interval_ms > STEPS_MAX {
        return Err(one(format!("more than {STEPS_MAX} evaluations: use a longer evaluation_interval")));
    }
    world.load(&test.input_series, step_ms, last).map_err(one)?;
    let mut errors = Vec::new();
    let mut at = 0;
    while at <= last {
        let unfit = world.evaluate(at);
        if !unfit.is_empty() {
            errors.extend(unfit);
            return Err(errors);
        }
        for (eval_time, tests) in at_times.range(at..at + interval_ms) {
            for t in tests {
                errors.extend(t.check(*eval_time, &world.firing(t)).err());
            }
        }
        at += interval_ms;
    }
    for t in &test.promql_expr_test {
        errors.extend(world.expression(t, fuzzy).err());
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

impl World {
    fn new(test: &RawTest, groups: &[Group], start_ms: i64) -> Self {
        let memory = Memory::default();
        let engine = Engine::over(Source::Memory(memory.clone()), QueryConfig::default(), Arc::new(Metrics::new()));
        let context =
            Context { engine, external_labels: test.external_labels.clone(), external_url: test.external_url.clone() };
        let states = |g: &Group| (g.clone(), vec![Alerting::default(); g.rules.len()], vec![Vec::new(); g.rules.len()]);
        Self { context, memory, start_ms, groups: groups.iter().map(states).collect() }
    }

    /// Of a series that is there twice, the last counts, as in promtool; what comes after the last evaluation does not.
    fn load(&self, input: &[RawSeries], step_ms: i64, last_ms: i64) -> Result<(), String> {
        let most = usize::try_from(last_ms / step_ms).unwrap_or(usize::MAX).saturating_add(1);
        let mut all: BTreeMap<Labels, Vec<Option<f64>>> = BTreeMap::new();
        for raw in input {
            let labels = series::labels(&raw.series)?;
            let values = series::values(&raw.values, most).map_err(|e| format!("{}: {e}", raw.series))?;
            all.insert(labels, values);
        }
        for (labels, values) in all {
            for (i, value) in (0_i64..).zip(values) {
                let Some(value) = value else { continue };
                let at = Timestamp::from_millisecond(self.start_ms.saturating_add(i.saturating_mul(step_ms)));
                let at = at.map_err(|_| format!("{labels}: too many values"))?;
                self.memory.append(&[Sample { labels: labels.clone(), at, value }]);
            }
        }
        Ok(())
    }

    /// Evaluates all groups; `at_ms` is counted from the test's beginning. Gives what can't be evaluated.
    fn evaluate(&mut self, at_ms: i64) -> Vec<String> {
        let mut errors = Vec::new();
        let Ok(at) = Timestamp::from_millisecond(self.start_ms.saturating_add(at_ms)) else { return errors };
        for (group, states, written) in &mut self.groups {
            let offset = i64::try_from(group.offset.as_millis()).unwrap_or(0);
            for ((rule, state), before) in group.rules.iter().zip(states).zip(written) {
                match evaluate(rule, state, &self.context, at, offset, group.limit) {
                    Ok(samples) => {
                        let now: Vec<Labels> = samples.iter().map(|s| s.labels.clone()).collect();
                        let ended = before.iter().filter(|l| !now.contains(l));
                        let ended: Vec<Sample> =
                            ended.map(|l| Sample { labels: l.clone(), at, value: stale() }).collect();
                        self.memory.append(&samples);
                        self.memory.append(&ended);
                        *before = now;
                    }
                    Err(e) => errors.push(format!("group {}, rule {}, at {at_ms} ms: {e}", group.name, rule.name)),
                }
            }
        }
        errors
    }

    /// What fires of the rules that a test is about.
    fn firing(&self, test: &AlertTest) -> Vec<(Pairs, Pairs)> {
        let groups = self.groups.iter().filter(|(g, ..)| test.groupname.as_ref().is_none_or(|n| *n == g.name));
        let rules = groups.flat_map(|(g, states, _)| g.rules.iter().zip(states));
        let active = rules.filter(|(rule, _)| rule.name == test.alertname).flat_map(|(_, state)| state.active());
        let firing = active.filter(|a| a.phase == Phase::Firing);
        firing.map(|a| (a.labels.clone(), a.annotations.clone())).collect()
    }

    fn expression(&self, test: &ExprTest, fuzzy: bool) -> Result<(), String> {
        let at = self.start_ms.saturating_add(time(&test.eval_time)?);
        let query = promql::parse(&test.expr).map_err(|e| format!("expr {:?}: {e}", test.expr))?;
        let answer = self.context.engine.instant_blocking(&query, at, Default::default());
        let answer = answer.map_err(|e| format!("expr {:?}: {}", test.expr, e.message))?;
        test.check(&answer.value, fuzzy)
    }
}

/// Returns a file's tests as words for people.
pub fn in_words(path: &Path, report: &Report) -> String {
    let mut text: String = report.warnings.iter().map(|w| format!("warning: {}: {w}\n", path.display())).collect();
    text.push_str(&format!("{}: ", path.display()));
    if report.failed.is_empty() {
        let plural = if report.passed == 1 { "" } else { "s" };
        text.push_str(&format!("{} test{plural} passed", report.passed));
    } else {
        text.push_str("FAILED");
        for (name, why) in &report.failed {
            text.push_str(&format!("\n  {name}: {}", why.replace('\n', "\n    ")));
        }
    }
    text
}

#[cfg(test)]
mod tests;

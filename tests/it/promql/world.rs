//! The series of a script, and the judgement of its evaluations.

use std::collections::BTreeMap;

use dogwatch::{
    model::{Labels, Matcher, is_stale},
    pack::{Packed, Points, Span, Times, Values, pack_values},
    promql::{self, Answer, EvalError, Limits, Value as Got, Window},
};

use super::{
    script::{Eval, Expected},
    values::Value,
};

/// As in promqltest.
const EPSILON: f64 = 0.000_001;
const MINUTE: i64 = 60_000;

/// What is loaded.
#[derive(Default)]
pub struct World {
    series: BTreeMap<String, (Labels, BTreeMap<i64, f64>)>,
    /// Series that have native histograms.
    native: Vec<Labels>,
    /// Samples came with start times, which only a feature flag makes use of.
    pub start_times: bool,
}

/// A metric as scripts write it.
pub fn labels(metric: &str) -> Labels {
    let matchers = match metric {
        "{}" => return Labels::new("", [("", ""); 0]),
        // A selector needs a condition that is not empty; a metric does not.
        text => promql::parse_matchers(text).unwrap_or_else(|e| panic!("{text}: {e}")),
    };
    let name = matchers.iter().find(|m| &*m.name == "__name__").map_or("", |m| &m.value);
    let pairs = matchers.iter().filter(|m| &*m.name != "__name__").map(|m| (&*m.name, &*m.value));
    Labels::new(name, pairs)
}

impl World {
    pub fn load(&mut self, step_ms: i64, series: &[(String, Vec<Value>)], with_nhcb: bool) {
        for (metric, values) in series {
            let labels = labels(metric);
            if with_nhcb {
                let base = labels.name.strip_suffix("_bucket").unwrap_or(&labels.name);
                let pairs = labels.pairs.iter().filter(|(l, _)| &**l != "le").map(|(l, v)| (l.clone(), v.clone()));
                self.native.push(Labels::new(base, pairs));
            }
            let (_, points) = self.series.entry(labels.to_string()).or_insert((labels.clone(), BTreeMap::new()));
            for (i, value) in values.iter().enumerate() {
                match value {
                    Value::Number(number) => drop(points.insert(i as i64 * step_ms, *number)),
                    Value::Native => self.native.push(labels.clone()),
                    Value::Missing | Value::Text(_) => {}
                }
            }
        }
    }

    /// Why an evaluation is not for this evaluator.
    pub fn aside(&self, eval: &Eval) -> Option<&'static str> {
        let expects_native = match &eval.expected {
            Expected::Result(results) => results.iter().any(|(_, values)| values.contains(&Value::Native)),
            Expected::Fail(_) => false,
        };
        if expects_native {
            return Some("native histogram");
        }
        if self.start_times {
            return Some("feature flag");
        }
        match promql::parse(&eval.query) {
            Ok(query) => {
                let window = Window { start_ms: 0, end_ms: 0, step_ms: 0, lookback_ms: 1 };
                let selections = query.selections(&window);
                let fits =
                    |labels: &Labels| selections.iter().any(|s| s.matchers.iter().all(|m| m.matches_labels(labels)));
                self.native.iter().any(fits).then_some("native histogram")
            }
            Err(_) => None,
        }
    }

    /// Every other series is packed, in two spans and a rest.
    fn select(&self, matchers: &[Matcher]) -> Vec<Packed> {
        let fits = |labels: &Labels| matchers.iter().all(|m| m.matches_labels(labels));
        let found = self.series.values().enumerate().filter(|(_, (labels, _))| fits(labels));
        found.map(|(i, (labels, points))| packed(labels, points, i % 2 == 0)).collect()
    }

    fn ask(&self, query: &str, at: (i64, i64, i64)) -> Result<Answer, String> {
        let query = promql::parse(query).map_err(|e| e.to_string())?;
        let window = Window { start_ms: at.0, end_ms: at.1, step_ms: at.2, lookback_ms: 5 * MINUTE };
        let data: Vec<Vec<Packed>> = query.selections(&window).iter().map(|s| self.select(&s.matchers)).collect();
        let limits = Limits { max_samples: 50_000_000, threads: 2 };
        let budget = promql::Budget::new(promql::Pool::new(1 << 30));
        promql::evaluate(&query, &window, &data, &limits, &budget, &|| false).map_err(|e: EvalError| e.to_string())
    }

    pub fn check(&self, eval: &Eval) -> Result<(), String> {
        let answer = self.ask(&eval.query, eval.at);
        let results = match (&eval.expected, answer) {
            // An error of the parser has its place before it.
            (Expected::Fail(words), Err(error)) if !words.fit(&error) && !words.fit(after_place(&error)) => {
                return Err(format!("another error: {error}"));
            }
            (Expected::Fail(_), Err(_)) => return Ok(()),
            (Expected::Fail(_), Ok(answer)) => return Err(format!("no error but {:?}", answer.value)),
            (Expected::Result(_), Err(error)) => return Err(error),
            (Expected::Result(results), Ok(answer)) => {
                said(eval, &answer)?;
                compare(eval, results, &answer.value)?;
                results
            }
        };
        // As promqltest does: the same instant in the middle of a range, unless the query tells them apart.
        let knows = ["range()", "step()", "start()", "end()"].iter().any(|word| eval.query.contains(word));
        if !eval.range && !eval.ordered && !knows && promql::parse(&eval.query).is_ok_and(|q| can_range(q.value_type()))
        {
            let range = (eval.at.0 - MINUTE, eval.at.0 + MINUTE, MINUTE);
            let answer = self.ask(&eval.query, range).map_err(|e| format!("as a range query: {e}"))?;
            let middle = at(&answer.value, eval.at.0);
            compare(eval, results, &middle).map_err(|e| format!("as a range query: {e}"))?;
        }
        Ok(())
    }
}

fn can_range(kind: promql::ValueType) -> bool {
    matches!(kind, promql::ValueType::Vector | promql::ValueType::Scalar)
}

pub fn packed(labels: &Labels, points: &BTreeMap<i64, f64>, spans: bool) -> Packed {
    let all: Vec<(i64, f64)> = points.iter().map(|(at, v)| (*at, *v)).collect();
    let plain = |part: &[(i64, f64)]| Points {
        at_ms: part.iter().map(|p| p.0).collect(),
        values: part.iter().map(|p| p.1).collect(),
        ..Points::default()
    };
    if !spans || all.len() < 3 {
        return Packed::plain(labels.clone(), plain(&all));
    }
    let third = all.len() / 3;
    let span = |part: &[(i64, f64)]| {
        let points = plain(part);
        Span {
            from_ms: points.at_ms[0],
            to_ms: points.at_ms[points.len() - 1],
            resolution_ms: 0,
            times: Times::packed(Times::pack(&points.at_ms)),
            values: Values::packed(pack_values(&points.values)),
        }
    };
    Packed {
        labels: labels.clone(),
        spans: vec![span(&all[..third]), span(&all[third..2 * third])],
        recent: plain(&all[2 * third..]),
    }
}

/// The message of a parser's error without its `line:column: `.
fn after_place(error: &str) -> &str {
    error.trim_start_matches(|c: char| c.is_ascii_digit() || c == ':').trim_start()
}

/// What was said beside the result is what was expected.
fn said(eval: &Eval, answer: &Answer) -> Result<(), String> {
    for (expected, got) in [(&eval.warnings, &answer.warnings), (&eval.infos, &answer.infos)] {
        let Some(expected) = expected else { continue };
        let missing = expected.iter().find(|words| !got.iter().any(|m| words.fit(m)));
        let more = got.iter().find(|m| !expected.iter().any(|words| words.fit(m)));
        if missing.is_some() || more.is_some() {
            return Err(format!("says {got:?}, expected {expected:?}"));
        }
    }
    Ok(())
}

/// The vector at one time of a range result.
fn at(value: &Got, at_ms: i64) -> Got {
    let Got::Matrix(matrix) = value else { return value.clone() };
    let point =
        |s: &promql::Series| s.points.iter().find(|(at, _)| *at == at_ms).map(|(at, v)| (s.labels.clone(), *at, *v));
    Got::Vector(matrix.iter().filter_map(point).collect())
}

fn close(a: f64, b: f64) -> bool {
    if a.is_nan() || b.is_nan() {
        return a.is_nan() && b.is_nan() && is_stale(a) == is_stale(b);
    }
    let (sum, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == b {
        return true;
    }
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < EPSILON * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < EPSILON
}

fn compare(eval: &Eval, expected: &[(Option<String>, Vec<Value>)], got: &Got) -> Result<(), String> {
    if let [(None, values)] = expected {
        return match (&values[..], got) {
            ([Value::Text(text)], Got::String(_, got)) if text == got => Ok(()),
            ([Value::Number(number)], Got::Scalar(_, got)) if close(*number, *got) => Ok(()),
            // In the middle of a range, a scalar is a series without labels.
            ([Value::Number(number)], Got::Vector(vector)) if matches!(&vector[..], [(l, _, v)] if l.to_string() == "{}" && close(*number, *v)) => {
                Ok(())
            }
            _ => Err(format!("expected {values:?}, got {got:?}")),
        };
    }
    let got: Vec<(Labels, Vec<(i64, f64)>)> = match got {
        Got::Vector(vector) => vector.iter().map(|(l, _, v)| (l.clone(), vec![(eval.at.0, *v)])).collect(),
        Got::Matrix(matrix) => matrix.iter().map(|s| (s.labels.clone(), s.points.clone())).collect(),
        other => return Err(format!("got {other:?}")),
    };
    let mut missing: Vec<&(Labels, Vec<(i64, f64)>)> = got.iter().collect();
    for (i, (metric, values)) in expected.iter().enumerate() {
        let Some(metric) = metric else { return Err("a scalar among series".into()) };
        let labels = labels(metric);
        let Some(place) = missing.iter().position(|(l, _)| *l == labels) else {
            return Err(format!("{labels} is missing in {}", shown(&got)));
        };
        if eval.ordered && got.get(i).is_none_or(|(l, _)| *l != labels) {
            return Err(format!("{labels} should be number {} in {}", i + 1, shown(&got)));
        }
        let (_, points) = missing.remove(place);
        let (from, step) = eval.values_at;
        let numbers = values.iter().enumerate().filter_map(|(i, v)| match v {
            Value::Number(number) => Some((from + i as i64 * step, *number)),
            _ => None,
        });
        let numbers: Vec<(i64, f64)> = numbers.collect();
        let same =
            numbers.len() == points.len() && numbers.iter().zip(points).all(|(e, g)| e.0 == g.0 && close(e.1, g.1));
        if !same {
            return Err(format!("{labels}: expected {numbers:?}, got {points:?}"));
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(format!("too many: {missing:?}")) }
}

fn shown(got: &[(Labels, Vec<(i64, f64)>)]) -> String {
    got.iter()
        .map(|(l, points)| format!("{l} {:?}", points.iter().map(|p| p.1).collect::<Vec<_>>()))
        .collect::<Vec<_>>()
        .join("; ")
}

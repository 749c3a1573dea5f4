//! The alerts that an earlier run had, from the series in which it remembered them: `for` survives a restart.
//!
//! The time in which nobody evaluated does not count towards `for` (rules/manager.go, RestoreForState, without its grace
//! period: what fires here is told by dispatch only once the watchdog has looked at the cluster itself).

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::{
    file::Rule,
    step::{ALERTS, ALERTS_FOR_STATE, ALERTSTATE, Active, Phase},
};
use crate::{
    model::{ALERTNAME, Labels, Pairs},
    promql::{self, Value},
    query::{Engine, Options},
};

/// What was last written longer ago than this is no longer believed (`--rules.alert.for-outage-tolerance`).
const TOLERANCE: Duration = Duration::from_secs(3_600);

/// Returns the alerts of one rule as they stood when they were last written. Blocks.
///
/// # Errors
/// When the history can't be read.
pub fn alerts(rule: &Rule, engine: &Engine, now: Timestamp) -> Result<Vec<Active>, String> {
    let selector = selector(rule);
    let ask = |text: String| -> Result<Vec<(Labels, f64)>, String> {
        let query = promql::parse(&text).map_err(|e| e.to_string())?;
        let options = Options { lookback_delta: Some(TOLERANCE), ..Options::default() };
        let answer = engine.instant_blocking(&query, now.as_millisecond(), options).map_err(|e| e.message)?;
        Ok(match answer.value {
            Value::Vector(vector) => vector.into_iter().map(|(labels, _, value)| (labels, value)).collect(),
            _ => Vec::new(),
        })
    };
    let pairs = |labels: &Labels| -> Pairs {
        labels.pairs.iter().filter(|(k, _)| &**k != ALERTSTATE).map(|(k, v)| (k.to_string(), v.to_string())).collect()
    };
    let since = ask(format!("{ALERTS_FOR_STATE}{selector}"))?;
    if since.is_empty() {
        return Ok(Vec::new());
    }
    let written: BTreeMap<Pairs, f64> =
        ask(format!("timestamp({ALERTS_FOR_STATE}{selector})"))?.iter().map(|(l, v)| (pairs(l), *v)).collect();
    let firing: BTreeMap<Pairs, f64> = ask(format!("timestamp({ALERTS}{selector})"))?
        .iter()
        .filter(|(l, _)| l.get(ALERTSTATE) == Some(Phase::Firing.as_str()))
        .map(|(l, v)| (pairs(l), *v))
        .collect();
    let restored = since.iter().filter_map(|(labels, since)| {
        let labels = pairs(labels);
        let last = *written.get(&labels)?;
        // Both series are written together: a firing one that is older had ended before.
        let fires = firing.get(&labels).is_some_and(|at| *at >= last);
        active(labels, *since, last, fires, now)
    });
    Ok(restored.collect())
}

/// An alert that had been active since `since`, was last written at `last` (Unix seconds).
fn active(labels: Pairs, since: f64, last: f64, fires: bool, now: Timestamp) -> Option<Active> {
    #[allow(clippy::cast_possible_truncation)] // Milliseconds since 1970.
    let at = |seconds: f64| Timestamp::from_millisecond((seconds * 1e3) as i64).ok();
    let (since, last) = (at(since)?, at(last)?);
    let away = Duration::try_from(now.duration_since(last)).unwrap_or_default();
    let active_at = if fires { since } else { since.checked_add(away).ok()?.min(now) };
    Some(Active {
        labels,
        annotations: Pairs::new(),
        value: 0.0,
        phase: if fires { Phase::Firing } else { Phase::Pending },
        active_at,
        fired_at: fires.then_some(since),
        kept_since: None,
    })
}

/// The name and those labels that are the same in every alert of the rule.
fn selector(rule: &Rule) -> String {
    let fixed = rule.labels.iter().filter(|(_, label)| !label.text.contains("{{"));
    let mut text = format!("{{{ALERTNAME}={:?}", rule.name);
    for (name, label) in fixed {
        text.push_str(&format!(",{name}={:?}", label.text));
    }
    text.push('}');
    text
}

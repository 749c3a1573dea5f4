//! What is said in a drill, how drills stand, and the words and series for it. Pure; the time is an argument.

use std::time::Duration;

use jiff::Timestamp;

use super::{RestoreError, config::RestoreDrillConfig};
use crate::{
    model::{
        AlertName, Finding, FindingKey, Labels, RestoreDrill, RestoreOutcome, RestoreStep, Said, Sample, Severity,
        Topic, text,
    },
    words::{self, Voice},
};

/// What is said again within this is the same: `curl --retry` has not heard the answer.
const SAID_AGAIN: Duration = Duration::from_secs(60);

/// What is said in a drill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestoreSays {
    /// The restoring begins.
    Start,
    /// A step has ended.
    Step(String),
    /// Of when the restored data is.
    DataTime(Timestamp),
    /// It is there.
    Done(String),
    /// It can't be restored so.
    Fail(String),
}

/// Takes in what is said; gives the drill that it is about, after the one that it ends otherwise.
///
/// # Errors
/// When no drill is open, or it has too many steps.
pub fn take(
    runs: &mut Vec<RestoreDrill>,
    config: &RestoreDrillConfig,
    says: RestoreSays,
    now: Timestamp,
) -> Result<Vec<RestoreDrill>, RestoreError> {
    let lately = |at: Timestamp| now.duration_since(at).unsigned_abs() <= SAID_AGAIN;
    let fresh = || RestoreDrill::open(&config.name, "", config.objectives(), now);
    let open = runs.last_mut().filter(|run| run.ended_at.is_none());
    let Some(run) = open else {
        match says {
            RestoreSays::Start => runs.push(RestoreDrill { started_at: Some(now), ..fresh() }),
            // Its answer was not heard.
            RestoreSays::Done(_) | RestoreSays::Fail(_) if runs.last().and_then(|r| r.ended_at).is_some_and(lately) => {
            }
            _ => return Err(RestoreError::NotOpen),
        }
        return Ok(runs.last().cloned().into_iter().collect());
    };
    match says {
        RestoreSays::Start => match run.started_at {
            None => run.started_at = Some(now),
            Some(at) if lately(at) && run.steps.is_empty() => {}
            Some(_) => {
                (run.ended_at, run.outcome) = (Some(now), Some(RestoreOutcome::Abandoned));
                let before = run.clone();
                runs.push(RestoreDrill { started_at: Some(now), ..fresh() });
                return Ok([before].into_iter().chain(runs.last().cloned()).collect());
            }
        },
        RestoreSays::Step(name) => {
            let again = run.steps.last().is_some_and(|s| s.name == name && lately(s.at));
            if !again && run.steps.len() >= RestoreDrill::STEPS_MAX {
                return Err(RestoreError::TooManySteps);
            }
            if !again {
                run.steps.push(RestoreStep { name, at: now });
            }
        }
        RestoreSays::DataTime(at) => run.data_time = Some(at),
        RestoreSays::Done(said) => {
            (run.ended_at, run.outcome, run.said) = (Some(now), Some(RestoreOutcome::Done), said);
        }
        RestoreSays::Fail(said) => {
            (run.ended_at, run.outcome, run.said) = (Some(now), Some(RestoreOutcome::Failed), said);
        }
    }
    Ok(runs.last().cloned().into_iter().collect())
}

/// A judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// When the next one must be done.
    pub by: Timestamp,
    /// That has passed.
    pub overdue: bool,
}

/// The last drill that was done.
pub fn last_done(runs: &[RestoreDrill]) -> Option<&RestoreDrill> {
    runs.iter().rev().find(|run| run.outcome == Some(RestoreOutcome::Done))
}

/// Judges when one is due: so long after the last that was done, else after it was first asked for.
pub fn due(config: &RestoreDrillConfig, since: Timestamp, runs: &[RestoreDrill], now: Timestamp) -> Due {
    let base = last_done(runs).and_then(|run| run.ended_at).unwrap_or(since);
    let by = base.checked_add(config.every).unwrap_or(Timestamp::MAX);
    Due { by, overdue: now > by }
}

/// Returns what is wrong, where a drill is overdue.
pub fn finding(config: &RestoreDrillConfig, runs: &[RestoreDrill], due: &Due) -> Option<Finding> {
    if !due.overdue {
        return None;
    }
    let name = &config.name;
    let last = match last_done(runs).and_then(|run| run.ended_at) {
        Some(at) => Said::new("restore-last-done").with("at", at),
        None => Said::new("restore-never-done"),
    };
    let headline = Said::new("restore-overdue").with("drill", name).with("last", last.clone());
    let last = Voice::default().said(&last);
    let step = Said::new("step-restore-overdue").with("drill", name);
    let mut evidence = vec![format!("one is to be done every {}; {last}", text::duration(config.every))];
    match runs.last() {
        Some(run) if run.ended_at.is_none() => {
            evidence.push(format!("one was opened at {} and has not ended", text::moment(run.opened_at)))
        }
        Some(run) if run.outcome == Some(RestoreOutcome::Failed) => {
            let said = text::one_line(&run.said);
            evidence.push(format!(
                "the last try failed at {}: {said}",
                text::moment(run.ended_at.unwrap_or(run.opened_at))
            ));
        }
        _ => {}
    }
    Some(Finding {
        evidence,
        consequences: vec!["nobody knows whether what is backed up can be restored, nor how long it takes".into()],
        labels: [("restore_drill".to_owned(), name.clone())].into(),
        ..words::finding(
            FindingKey {
                cluster: config.cluster.as_deref().unwrap_or_default().into(),
                alert: AlertName::RestoreDrillOverdue,
                subject: name.clone(),
            },
            (Severity::Warning, Topic::Heartbeats),
            headline,
            step,
            due.by,
        )
    })
}

/// Returns the series of a drill.
pub fn series(config: &RestoreDrillConfig, runs: &[RestoreDrill], due: &Due, at: Timestamp) -> Vec<Sample> {
    let mut base = vec![("restore_drill", config.name.as_str())];
    base.extend(config.cluster.as_deref().map(|c| ("cluster", c)));
    let mut samples = Vec::with_capacity(12);
    let mut put = |name: &str, value: Option<f64>| {
        let labels = Labels::new(format!("dogwatch_restore_drill_{name}"), base.iter().copied());
        samples.extend(value.map(|value| Sample { labels, at, value }));
    };
    let yes = |is: bool| f64::from(u8::from(is));
    let unix = |at: Timestamp| at.as_millisecond() as f64 / 1000.0;
    let seconds = |d: Duration| d.as_secs_f64();
    let last = last_done(runs);
    put("overdue", Some(yes(due.overdue)));
    put("due_timestamp_seconds", Some(unix(due.by)));
    put("failed", super::failure::is_failed(runs).map(yes));
    put("open", Some(yes(runs.last().is_some_and(|run| run.ended_at.is_none()))));
    put("rto_seconds", config.rto.map(seconds));
    put("rpo_seconds", config.rpo.map(seconds));
    put("last_done_timestamp_seconds", last.and_then(|run| run.ended_at).map(unix));
    put("duration_seconds", last.and_then(RestoreDrill::took).map(seconds));
    put("data_age_seconds", last.and_then(RestoreDrill::data_age).map(seconds));
    put("rto_met", last.and_then(RestoreDrill::rto_met).map(yes));
    put("rpo_met", last.and_then(RestoreDrill::rpo_met).map(yes));
    samples
}

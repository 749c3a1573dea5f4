//! How a heartbeat stands. Pure; the time is an argument.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde::Serialize;

use super::{
    Kind,
    config::{HeartbeatConfig, MonitoringConfig},
    keep::State,
};
use crate::{
    model::{AlertName, Finding, FindingKey, Severity, Topic},
    notify::words,
};

/// Lines of evidence that a finding quotes.
const EVIDENCE_LINES: usize = 10;

/// How a heartbeat stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It has never reported, and need not have.
    New,
    /// In time.
    Ok,
    /// It has begun.
    Running,
    /// A success is missing.
    Late,
    /// It said so.
    Failed,
    /// It has begun and does not end.
    TooLong,
}

impl Standing {
    /// Every one.
    pub const ALL: [Standing; 6] =
        [Standing::New, Standing::Ok, Standing::Running, Standing::Late, Standing::Failed, Standing::TooLong];

    /// The label `state`.
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::New => "new",
            Standing::Ok => "ok",
            Standing::Running => "running",
            Standing::Late => "late",
            Standing::Failed => "failed",
            Standing::TooLong => "too_long",
        }
    }
}

/// Whether the watchdog can hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// It is cut off: silence says nothing.
    Blind,
    /// Since then it could.
    Since(Timestamp),
}

/// A judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// How it stands.
    pub standing: Standing,
    /// When the next success is late.
    pub due_by: Timestamp,
    /// When what is wrong began.
    pub since: Timestamp,
}

/// Judges one.
pub fn judge(config: &HeartbeatConfig, state: &State, now: Timestamp, sight: Sight) -> Judged {
    let base = state.last_success.unwrap_or(state.since);
    let due = due(config, base);
    let mut due_by = later(due, config.grace);
    if let Sight::Since(at) = sight {
        // What could not be heard may have been said: it gets its grace anew.
        due_by = due_by.max(later(at, config.grace));
    }
    let too_long_at = state.started_at.map(|at| config.max_duration.map_or(due_by.max(at), |max| later(at, max)));
    let late = now >= due_by && sight != Sight::Blind;
    let (standing, since) = match (state.failed_at, too_long_at, late) {
        (Some(at), _, _) => (Standing::Failed, at),
        (None, Some(at), _) if now >= at && sight != Sight::Blind => (Standing::TooLong, at),
        (None, Some(_), _) => (Standing::Running, now),
        (None, None, true) => (Standing::Late, due_by),
        (None, None, false) if state.last_success.is_none() => (Standing::New, now),
        (None, None, false) => (Standing::Ok, now),
    };
    Judged { standing, due_by, since }
}

/// When the success after the one at `base` is due.
fn due(config: &HeartbeatConfig, base: Timestamp) -> Timestamp {
    if let Some(every) = config.every {
        return later(base, every);
    }
    let next = config.cron().and_then(|(cron, zone)| cron.find_next_occurrence(&base.to_zoned(zone), false).ok());
    next.map_or(Timestamp::MAX, |at| at.timestamp())
}

/// Saturates, since a configured duration may be absurd.
fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// What is wrong with it, for people.
pub fn finding(config: &HeartbeatConfig, state: &State, judged: &Judged, now: Timestamp) -> Option<Finding> {
    let ago = |at: Timestamp| words::in_words(Duration::try_from(now.duration_since(at)).unwrap_or_default());
    let name = &config.name;
    // Words that don't change from second to second: a headline that counts would be news every second.
    let expected = match (&config.every, &config.schedule) {
        (Some(every), _) => format!("expected every {}", words::in_words(*every)),
        (None, Some(schedule)) => format!("expected at {schedule} {}", config.timezone.as_deref().unwrap_or("UTC")),
        (None, None) => String::new(),
    };
    let last = state
        .last_success
        .map_or_else(|| "it has never succeeded".into(), |at| format!("last success {}", words::moment(at)));
    let (alert, headline, step) = match judged.standing {
        Standing::Late => (
            AlertName::HeartbeatLate,
            format!("the job {name} is late: {last}, {expected}"),
            "look whether it ran at all, and whether it reaches the watchdog; then run it by hand",
        ),
        Standing::Failed => (
            AlertName::HeartbeatFailed,
            format!("the job {name} failed; {last}"),
            "read what it said (below, and on the page), then its own log",
        ),
        Standing::TooLong => (
            AlertName::HeartbeatTooLong,
            format!("the job {name} runs too long: it has begun and not ended"),
            "see whether it still makes progress before you end it",
        ),
        Standing::New | Standing::Ok | Standing::Running => return None,
    };
    let mut evidence = vec![format!("{last}, {expected}, with a grace of {}", words::in_words(config.grace))];
    if let Some(at) = state.started_at {
        evidence.push(format!(
            "it began at {} ({} ago when this was seen)",
            words::moment(at),
            ago(at.min(judged.since))
        ));
    }
    if let Some(ping) = state.pings.iter().rev().find(|p| p.kind != Kind::Start && !p.body.trim().is_empty()) {
        let lines: Vec<&str> = ping.body.lines().filter(|l| !l.trim().is_empty()).collect();
        let skip = lines.len().saturating_sub(EVIDENCE_LINES);
        evidence.extend(lines[skip..].iter().map(|l| words::clip(l, 300).to_owned()));
    }
    if let Some(status) = state.pings.back().and_then(|p| p.exit_status).filter(|s| *s != 0) {
        evidence.push(format!("exit status {status}"));
    }
    let mut labels: BTreeMap<String, String> = config.labels.clone();
    labels.insert("heartbeat".into(), name.clone());
    Some(Finding {
        key: FindingKey { cluster: config.cluster.as_deref().unwrap_or_default().into(), alert, subject: name.clone() },
        severity: config.severity,
        topic: Topic::Heartbeats,
        headline,
        since: judged.since,
        evidence,
        still_works: Vec::new(),
        consequences: vec!["what the job is for (a backup, a renewal, a drill) is missing".into()],
        first_step: step.into(),
        caused_by: None,
        labels,
        annotations: BTreeMap::new(),
    })
}

/// Since when the monitoring inside a cluster is silent.
pub fn silence(config: &MonitoringConfig, state: &State, now: Timestamp, sight: Sight) -> Option<Timestamp> {
    let Sight::Since(heard) = sight else { return None };
    let base = state.last_success.unwrap_or(state.since).max(heard);
    let silent = later(base, config.silent_after);
    (now >= silent).then_some(silent)
}

/// The silence of a cluster's monitoring, for people.
pub fn silent(cluster: &str, config: &MonitoringConfig, since: Timestamp, _now: Timestamp) -> Finding {
    let after = words::in_words(config.silent_after);
    Finding {
        key: FindingKey {
            cluster: cluster.into(),
            alert: AlertName::InClusterMonitoringSilent,
            subject: String::new(),
        },
        severity: Severity::Warning,
        topic: Topic::Heartbeats,
        headline: format!("the monitoring inside is silent: no {} for {after}", config.alert),
        since,
        evidence: vec![format!(
            "the alert {} always fires there and is sent here; it has not come for {after}",
            config.alert
        )],
        still_works: vec!["what dogwatch sees itself".into()],
        consequences: vec![
            "nobody is told of what only the monitoring inside sees: applications, volumes, jobs".into(),
        ],
        first_step: "look at Prometheus and Alertmanager in the cluster, and at the way from there to the watchdog"
            .into(),
        caused_by: None,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests;

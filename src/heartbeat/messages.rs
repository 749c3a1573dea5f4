//! What is wrong with a heartbeat, for people. Pure. Words here don't change from one second to the next: a headline that
//! counts seconds would be news every second.

use jiff::Timestamp;

use super::{
    Kind, Ping,
    config::{HeartbeatConfig, MonitoringConfig},
    judge::{Judged, Standing},
    state::State,
};
use crate::model::{AlertName, Finding, FindingKey, Severity, Topic, text};

/// Lines of what a job sent that are quoted: its end.
const QUOTED_LINES: usize = 10;
/// Bytes of each.
const QUOTED_LINE_BYTES: usize = 300;

/// Returns what is expected: `every 1 day`, `at "0 3 * * *" in Europe/Paris`.
pub fn expected(config: &HeartbeatConfig) -> String {
    if let Some(every) = config.every {
        return format!("every {}", text::duration(every));
    }
    let all: Vec<String> = config.schedule.iter().chain(&config.on_calendar).map(|s| format!("\"{s}\"")).collect();
    format!("at {} in {}", all.join(" or "), config.timezone.as_deref().unwrap_or("UTC"))
}

/// Returns what is wrong with a heartbeat, where anything is.
pub fn finding(config: &HeartbeatConfig, state: &State, judged: &Judged) -> Option<Finding> {
    let name = &config.name;
    let moment = text::moment;
    let expected = expected(config);
    let last = match state.last_success {
        None => "it has never reported a success".into(),
        Some(at) => format!("last success {}", moment(at)),
    };
    let failure = state.newest(|p| p.kind == Kind::Fail);
    let refused = failure.map_or("", |p| p.refused.as_str());
    let (alert, headline, first_step) = match judged.standing {
        Standing::Late => (
            AlertName::HeartbeatLate,
            format!("the job {name} is late: {last}, expected {expected}"),
            "look whether it was started at all (kubectl get cronjobs,jobs -A; systemctl list-timers) and whether it \
             reaches the watchdog; then run it by hand",
        ),
        Standing::Failed => (
            AlertName::HeartbeatFailed,
            match failure.and_then(|p| p.exit_status) {
                _ if !refused.is_empty() => format!("the job {name} reported in, but {refused}; {last}"),
                Some(status) => format!("the job {name} failed with exit status {status}; {last}"),
                None => format!("the job {name} says that it failed; {last}"),
            },
            if refused.is_empty() {
                "read what it sent (below, and on the page) and its own log; its next success ends this"
            } else {
                "look at what it made (is it complete, can it be restored?) and at its own log; its next success ends this"
            },
        ),
        Standing::TooLong => (
            AlertName::HeartbeatTooLong,
            match (config.max_duration, state.started_at) {
                (Some(max), Some(at)) => {
                    format!("the job {name} runs longer than {}: it began at {}", text::duration(max), moment(at))
                }
                (_, at) => {
                    let began = at.map(|at| format!(", began at {}", moment(at))).unwrap_or_default();
                    format!("the job {name} does not end: its success is overdue{began}")
                }
            },
            "look whether it still makes progress or waits for something (a lock, a mount, a peer) before you end it",
        ),
        Standing::New | Standing::Ok | Standing::Running | Standing::Paused => return None,
    };
    let mut evidence = vec![format!("expected {expected}, with a grace of {}; {last}", text::duration(config.grace))];
    if let Some(duration) = state.duration.and_then(|s| std::time::Duration::try_from_secs_f64(s).ok()) {
        evidence.push(format!("its last success took {}", text::duration(duration)));
    }
    if let (Some(at), false) = (state.started_at, judged.standing == Standing::TooLong) {
        evidence.push(format!("a run began at {} and has not ended", moment(at)));
    }
    if let Some(b) = judged.excused {
        let (from, to) = (moment(b.from), moment(b.to));
        evidence.push(format!("the watchdog did not listen from {from} to {to}: a report in that time was lost"));
    }
    // Of a failure what came with it; else what it said last.
    let said = if judged.standing == Standing::Failed { failure } else { state.newest(|p| !p.body.trim().is_empty()) };
    evidence.extend(said.map(quote).unwrap_or_default());
    let mut labels = config.labels.clone();
    labels.insert("heartbeat".into(), name.clone());
    Some(Finding {
        evidence,
        consequences: vec!["what the job is for (a backup, a renewal, a drill) is missing".into()],
        first_step: first_step.into(),
        labels,
        ..Finding::new(
            FindingKey { cluster: config.cluster.as_deref().unwrap_or_default().into(), alert, subject: name.clone() },
            config.severity,
            Topic::Heartbeats,
            headline,
            judged.since,
        )
    })
}

/// The end of what came with a ping.
fn quote(ping: &Ping) -> Vec<String> {
    let lines: Vec<&str> = ping.body.lines().map(str::trim_end).filter(|l| !l.is_empty()).collect();
    let first = lines.len().saturating_sub(QUOTED_LINES);
    let status = ping.exit_status.filter(|s| *s != 0).map(|s| format!(", exit status {s}")).unwrap_or_default();
    let mut quoted = vec![format!("at {}{status}, it said:", text::moment(ping.at))];
    if lines.is_empty() {
        quoted = vec![format!("at {}{status}, without a word", text::moment(ping.at))];
    }
    quoted.extend(lines.get(first..).unwrap_or_default().iter().map(|l| text::clip(l, QUOTED_LINE_BYTES).to_owned()));
    quoted
}

/// Returns the silence of a cluster's monitoring.
pub fn silent(cluster: &str, config: &MonitoringConfig, heard: Option<Timestamp>, since: Timestamp) -> Finding {
    let (alert, after) = (&config.alert, text::duration(config.silent_after));
    let heard = match heard {
        Some(at) => format!("it was last heard at {}", text::moment(at)),
        None => "it has never been heard here".into(),
    };
    Finding {
        evidence: vec![format!("the alert {alert} always fires inside the cluster and is sent here; {heard}")],
        still_works: vec!["what dogwatch sees from outside: API servers, etcd, nodes, certificates".into()],
        consequences: vec![
            "nobody is told of what only the monitoring inside sees: applications, volumes, jobs".into(),
        ],
        first_step: "look at Prometheus inside the cluster (is it running, does it send: \
                     prometheus_notifications_dropped_total, its log) and at the way from there to the watchdog"
            .into(),
        ..Finding::new(
            FindingKey { cluster: cluster.into(), alert: AlertName::InClusterMonitoringSilent, subject: String::new() },
            Severity::Warning,
            Topic::Heartbeats,
            format!("the monitoring inside is silent: no {alert} for {after}"),
            since,
        )
    }
}

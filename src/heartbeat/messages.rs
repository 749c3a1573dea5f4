//! What is wrong with a heartbeat, for people. Pure. Words here don't change from one second to the next: a headline that
//! counts seconds would be news every second.

use jiff::Timestamp;

use super::{
    Kind, Ping,
    config::{HeartbeatConfig, MonitoringConfig},
    judge::{Judged, Standing},
    state::State,
};
use crate::{
    model::{AlertName, Finding, FindingKey, Said, Severity, Topic, text},
    words::{self, Voice},
};

/// Lines of what a job sent that are quoted: its end.
const QUOTED_LINES: usize = 10;
/// Bytes of each.
const QUOTED_LINE_BYTES: usize = 300;

/// Returns what is expected: `every 1 day`, `at "0 3 * * *" in Europe/Paris`.
pub fn expected(config: &HeartbeatConfig) -> String {
    Voice::default().said(&said_expected(config))
}

fn said_expected(config: &HeartbeatConfig) -> Said {
    if let Some(every) = config.every {
        return Said::new("expected-every").with("time", every);
    }
    let all: Vec<String> = config.schedule.iter().chain(&config.on_calendar).map(|s| format!("\"{s}\"")).collect();
    let zone = config.timezone.as_deref().unwrap_or("UTC");
    Said::new("expected-at").with("times", all.join(" or ")).with("zone", zone)
}

/// Returns what is wrong with a heartbeat, where anything is.
pub fn finding(config: &HeartbeatConfig, state: &State, judged: &Judged) -> Option<Finding> {
    let name = &config.name;
    let moment = text::moment;
    let expected = expected(config);
    let said_last = match state.last_success {
        None => Said::new("no-success-ever"),
        Some(at) => Said::new("last-success-at").with("at", at),
    };
    let last = Voice::default().said(&said_last);
    let job = |id| Said::new(id).with("job", name);
    let failure = state.newest(|p| p.kind == Kind::Fail);
    let refused = failure.map_or("", |p| p.refused.as_str());
    let (alert, headline, first_step) = match judged.standing {
        Standing::Late => (
            AlertName::HeartbeatLate,
            job("job-late").with("last", said_last).with("expected", said_expected(config)),
            "step-job-late",
        ),
        Standing::Failed => (
            AlertName::HeartbeatFailed,
            match failure.and_then(|p| p.exit_status) {
                _ if !refused.is_empty() => job("job-refused").with("why", refused).with("last", said_last),
                Some(status) => job("job-failed").with("status", status.to_string()).with("last", said_last),
                None => job("job-says-failed").with("last", said_last),
            },
            if refused.is_empty() { "step-job-failed" } else { "step-job-refused" },
        ),
        Standing::TooLong => (
            AlertName::HeartbeatTooLong,
            match (config.max_duration, state.started_at) {
                (Some(max), Some(at)) => job("job-too-long").with("max", max).with("at", at),
                (_, Some(at)) => job("job-overdue-since").with("at", at),
                (_, None) => job("job-overdue"),
            },
            "step-job-too-long",
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
    let missing = Said::new("job-purpose-missing");
    let finding = Finding {
        evidence,
        consequences: vec![Voice::default().said(&missing)],
        labels,
        ..words::finding(
            FindingKey { cluster: config.cluster.as_deref().unwrap_or_default().into(), alert, subject: name.clone() },
            (config.severity, Topic::Heartbeats),
            headline.clone(),
            Said::new(first_step),
            judged.since,
        )
    };
    Some(finding.with_said([missing]))
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
    let alert = &config.alert;
    let headline = Said::new("monitoring-silent").with("alert", alert).with("time", config.silent_after);
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
        ..words::finding(
            FindingKey { cluster: cluster.into(), alert: AlertName::InClusterMonitoringSilent, subject: String::new() },
            (Severity::Warning, Topic::Heartbeats),
            headline,
            Said::new("step-monitoring"),
            since,
        )
    }
}

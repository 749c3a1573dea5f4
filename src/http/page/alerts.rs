//! Every alert that fires, of the diagnosis, of rules and from outside: who is told of it, or why nobody is.

use jiff::Timestamp;
use serde::Serialize;

use super::{Frame, Moment, path, render};
use crate::{
    model::{ALERTNAME, Alert, LiveAlert, Severity},
    runbook,
};

/// Alerts listed: what is told comes first.
const ROWS_MAX: usize = 500;

/// The view of all alerts.
#[derive(Clone, Debug, Serialize)]
pub struct AlertsPage {
    rows: Vec<Row>,
    more: usize,
    told: usize,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    name: String,
    severity: Severity,
    summary: String,
    labels: Vec<String>,
    since: Moment,
    quiet: bool,
    /// Who is told, or why nobody is.
    words: String,
    href: Option<String>,
    /// The form that silences it.
    silence_href: Option<String>,
    /// A path of ours, or somebody's link.
    runbook: Option<String>,
}

impl AlertsPage {
    /// The view of this moment.
    pub fn new(alerts: &[LiveAlert], now: Timestamp) -> Self {
        let mut rows: Vec<Row> = alerts.iter().filter(|a| !a.alert.is_over(now)).map(|a| row(a, now)).collect();
        rows.sort_by(|a, b| (a.quiet, b.severity, &a.name).cmp(&(b.quiet, a.severity, &b.name)));
        let (told, more) = (rows.iter().filter(|r| !r.quiet).count(), rows.len().saturating_sub(ROWS_MAX));
        rows.truncate(ROWS_MAX);
        Self { rows, more, told }
    }

    /// The page.
    ///
    /// # Errors
    /// When a template is wrong, which the tests rule out.
    pub fn render(&self, frame: &Frame) -> Result<String, minijinja::Error> {
        render("alerts.html", frame, self)
    }
}

/// One alert.
pub(super) fn row(a: &LiveAlert, now: Timestamp) -> Row {
    let why = |annotation: &str| a.alert.annotations.get(annotation).filter(|text| !text.is_empty()).cloned();
    let mut receivers: Vec<&str> = a.groups.iter().map(|g| &*g.receiver).collect();
    receivers.sort_unstable();
    receivers.dedup();
    let (quiet, words) = match (&a.explained_by, &a.inhibited_by) {
        (Some(cause), _) => (true, format!("not told by itself: {cause}")),
        _ if !a.silenced_by.is_empty() => (true, format!("silenced by {}", a.silenced_by.join(", "))),
        (_, Some(by)) => (true, format!("inhibited by {by}")),
        _ if !a.muted_by.is_empty() => (true, format!("muted by {}", a.muted_by.join(", "))),
        _ if receivers.is_empty() => (true, "no route takes it".to_owned()),
        _ => (false, format!("told to {}", receivers.join(", "))),
    };
    Row {
        name: a.alert.name().to_owned(),
        severity: a.alert.severity(),
        summary: why("summary").or_else(|| why("description")).or_else(|| why("message")).unwrap_or_default(),
        labels: labels(&a.alert),
        since: Moment::new(a.alert.starts_at, now),
        quiet,
        words,
        silence_href: a.silenced_by.is_empty().then(|| format!("/silences/new?alert={}", a.fingerprint)),
        runbook: runbook::link(a.alert.name(), &a.alert.annotations, ""),
        href: a.incident.map(|id| path(&["incidents", &id.to_string()])),
    }
}

/// What tells alerts of one name apart, as they are written.
pub(super) fn labels(alert: &Alert) -> Vec<String> {
    let labels = alert.labels.iter().filter(|(name, _)| !matches!(&***name, ALERTNAME | "severity"));
    labels.map(|(name, value)| format!("{name}={value:?}")).collect()
}

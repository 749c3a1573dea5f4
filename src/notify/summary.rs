//! What people read: the subject and the parts of the text. Pure.

use std::time::Duration;

use serde::Serialize;

use crate::{
    model::{
        DRILL_NOTICE, Finding, Incident, IncidentAlert, IncidentChange, Notification, NotificationKind, Severity,
        Topic, text,
    },
    runbook,
};

/// The last line in the timeline of an incident whose cluster left the configuration.
pub const NO_LONGER_WATCHED: &str = "no longer watched";

/// In front of the subject of a drill.
pub const DRILL: &str = "[DRILL] ";

/// The longest subject; mail programs show far less.
const SUBJECT_MAX: usize = 200;

/// The most other problems that one text lists; the rest is counted.
const OTHERS_MAX: usize = 20;

/// The most changes before an incident that one text lists: the likeliest.
const CHANGES_MAX: usize = 5;

/// The most lines of one section; the rest is counted.
const LINES_MAX: usize = 30;

/// Returns `[prod] etcd has lost quorum: 2 of 3 members down`, with what has become of it in front where it is not new.
pub fn subject(n: &Notification) -> String {
    let headline = &n.incident.headline;
    let lasted = || text::duration(lasted(n));
    let sentence = match n.told {
        NotificationKind::Opened => format!("{headline}{}", and_more(&n.incident)),
        NotificationKind::Worse => format!("Worse: {headline}{}", and_more(&n.incident)),
        NotificationKind::Update => format!("Update: {headline}{}", and_more(&n.incident)),
        NotificationKind::Reminder => format!("Still after {}: {headline}{}", lasted(), and_more(&n.incident)),
        NotificationKind::Resolved if unwatched(&n.incident) => format!("No longer watched: {headline}"),
        NotificationKind::Resolved => format!("Resolved after {}: {headline}", lasted()),
    };
    let mark = if is_drill(&n.incident) { DRILL } else { "" };
    let line = text::one_line(&format!("{mark}[{}] {sentence}", place(&n.incident))).into_owned();
    text::clip(&line, SUBJECT_MAX).to_owned()
}

/// Returns whether nothing is broken.
pub fn is_drill(incident: &Incident) -> bool {
    incident.topic == Topic::Drill
}

/// Returns the cluster, or the watchdog itself.
pub fn place(incident: &Incident) -> &str {
    match (incident.cluster.is_empty(), &incident.group) {
        (false, _) => &incident.cluster,
        (true, Some(_)) => "alerts",
        (true, None) => "dogwatch",
    }
}

fn and_more(incident: &Incident) -> String {
    match firing_roots(incident).count() {
        0 | 1 => String::new(),
        2 => " (and 1 more problem)".into(),
        n => format!(" (and {} more problems)", n - 1),
    }
}

/// Returns alerts that fire and are nobody's consequence.
pub fn firing_roots(incident: &Incident) -> impl Iterator<Item = &IncidentAlert> {
    incident.firing().filter(|a| a.finding.caused_by.is_none())
}

fn unwatched(incident: &Incident) -> bool {
    incident.timeline.last().is_some_and(|(_, what)| what == NO_LONGER_WATCHED)
}

/// How long the incident had lasted when the message was written.
fn lasted(n: &Notification) -> Duration {
    let end = n.incident.resolved_at.unwrap_or(n.at);
    Duration::try_from(end.duration_since(n.incident.started_at)).unwrap_or_default()
}

/// Everything that the email templates show.
#[derive(Debug, Serialize)]
pub struct Page {
    /// That it is a drill; empty where it is none.
    pub notice: &'static str,
    /// `PROBLEM`, `WORSE`, `STILL`, `UPDATE`, `RESOLVED`.
    pub status: &'static str,
    /// Colour of the status bar.
    pub colour: &'static str,
    /// The cluster.
    pub place: String,
    /// The sentence.
    pub headline: String,
    /// Since when, how long.
    pub when: String,
    /// What still works.
    pub still_works: Vec<String>,
    /// What was seen.
    pub evidence: Vec<String>,
    /// What is broken because of it.
    pub consequences: Vec<String>,
    /// What changed before it, the likeliest cause first.
    pub changes: Vec<String>,
    /// What to do first; empty once it is over.
    pub first_step: String,
    /// Where it is written what to do; empty once it is over, or where nobody wrote it.
    pub runbook: String,
    /// Other problems of the incident: `(headline, since or until)`.
    pub others: Vec<(String, String)>,
    /// The incident's place on the page; empty without `external_url`.
    pub link: String,
    /// `incident 12, message 3, vantage=paris-1`.
    pub footer: String,
}

/// Prepares the text.
pub fn page(n: &Notification) -> Page {
    let incident = &n.incident;
    let resolved = n.told == NotificationKind::Resolved;
    let root = incident.alerts.first().map(|a| &a.finding);
    let lines = |pick: fn(&crate::model::Finding) -> &Vec<String>| root.map(|f| capped(pick(f))).unwrap_or_default();
    let (status, colour) = status(n);
    Page {
        notice: if is_drill(incident) { DRILL_NOTICE } else { "" },
        status,
        colour,
        place: place(incident).to_owned(),
        headline: text::one_line(&incident.headline).into_owned(),
        when: when(n),
        still_works: if resolved { Vec::new() } else { lines(|f| &f.still_works) },
        evidence: lines(|f| &f.evidence),
        consequences: lines(|f| &f.consequences),
        changes: changes(incident),
        first_step: root.filter(|_| !resolved).map(|f| text::readable(&f.first_step).into_owned()).unwrap_or_default(),
        runbook: root.filter(|_| !resolved).and_then(|f| runbook(f, n)).unwrap_or_default(),
        others: others(n),
        link: link(n),
        footer: footer(n),
    }
}

/// Returns where an alert's runbook is; ours needs `external_url`.
pub fn runbook(finding: &Finding, n: &Notification) -> Option<String> {
    runbook::link(&finding.name(), &finding.annotations, &n.external_url).filter(|url| url.starts_with("http"))
}

/// Returns where people look at the incident; empty without `external_url`.
pub fn link(n: &Notification) -> String {
    if n.external_url.is_empty() {
        return String::new();
    }
    format!("{}/incidents/{}", n.external_url, n.incident.id)
}

fn status(n: &Notification) -> (&'static str, &'static str) {
    let colour = match n.incident.severity {
        Severity::Critical => "#c62828",
        Severity::Warning => "#e07b00",
        Severity::Info => "#1565c0",
    };
    match n.told {
        NotificationKind::Opened => ("PROBLEM", colour),
        NotificationKind::Worse => ("WORSE", colour),
        NotificationKind::Update => ("UPDATE", colour),
        NotificationKind::Reminder => ("STILL", colour),
        NotificationKind::Resolved if unwatched(&n.incident) => ("NO LONGER WATCHED", "#546e7a"),
        NotificationKind::Resolved => ("RESOLVED", "#2e7d32"),
    }
}

fn when(n: &Notification) -> String {
    let began = text::moment(n.incident.started_at);
    let lasted = text::duration(lasted(n));
    match n.incident.resolved_at {
        Some(end) => format!("From {began} to {}: {lasted}.", text::moment(end)),
        None => format!("Since {began}, for {lasted} when this was written."),
    }
}

/// What changed before it; the page has the rest.
fn changes(incident: &Incident) -> Vec<String> {
    let line = |change: &IncidentChange| text::one_line(&change.line(incident.started_at)).into_owned();
    let mut lines: Vec<String> = incident.changes.iter().take(CHANGES_MAX).map(line).collect();
    let more = incident.changes.len().saturating_sub(CHANGES_MAX);
    lines.extend((more > 0).then(|| format!("and {more} more")));
    lines
}

fn capped(lines: &[String]) -> Vec<String> {
    let mut out: Vec<String> = lines.iter().take(LINES_MAX).map(|l| text::one_line(l).into_owned()).collect();
    if let Some(rest) = lines.len().checked_sub(LINES_MAX).filter(|n| *n > 0) {
        out.push(format!("and {rest} more"));
    }
    out
}

/// The incident's other alerts. Those that the root explains are left to its own `consequences`, and what became part of
/// another to that one. What came and went in an outage belongs to its story and stays; in a group each end is told once.
fn others(n: &Notification) -> Vec<(String, String)> {
    let told = |a: &IncidentAlert| n.incident.group.is_some() && n.was_told_of_end(a);
    let alone = |a: &&IncidentAlert| a.finding.caused_by.is_none() && a.part_of.is_none() && !told(a);
    let rest = || n.incident.alerts.iter().skip(1).filter(alone);
    let mut out: Vec<(String, String)> = rest()
        .take(OTHERS_MAX)
        .map(|a| {
            let since = text::moment(a.finding.since);
            let when =
                a.ended_at.map_or_else(|| format!("since {since}"), |end| format!("over since {}", text::moment(end)));
            (text::one_line(&a.finding.headline).into_owned(), when)
        })
        .collect();
    if let Some(more) = rest().count().checked_sub(OTHERS_MAX).filter(|n| *n > 0) {
        out.push((format!("{more} more problems"), "see the page".into()));
    }
    out
}

fn footer(n: &Notification) -> String {
    let mut parts = vec![format!("incident {}", n.incident.id), format!("message {}", n.sequence + 1)];
    parts.extend(n.external_labels.iter().map(|(k, v)| format!("{k}={v}")));
    text::one_line(&parts.join(", ")).into_owned()
}

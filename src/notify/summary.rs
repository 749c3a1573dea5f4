//! What people read: the subject and the parts of the text. Pure.

use std::time::Duration;

use serde::Serialize;

use crate::{
    model::{Finding, Incident, IncidentAlert, Notification, NotificationKind, Severity, Topic, text},
    runbook,
    words::Voice,
};

/// The last line in the timeline of an incident whose cluster left the configuration.
pub const NO_LONGER_WATCHED: &str = "no longer watched";

/// The longest subject; mail programs show far less.
const SUBJECT_MAX: usize = 200;

/// The most other problems that one text lists; the rest is counted.
const OTHERS_MAX: usize = 20;

/// The most changes before an incident that one text lists: the likeliest.
const CHANGES_MAX: usize = 5;

/// The most lines of one section; the rest is counted.
const LINES_MAX: usize = 30;

/// Returns `[prod] etcd has lost quorum: 2 of 3 members down`, with what has become of it in front where it is not new.
pub fn subject(n: &Notification, voice: &Voice) -> String {
    let headline = || n.incident.headline.as_str();
    let what = || and_more(&n.incident, voice);
    let lasted = || voice.duration(lasted(n));
    let say = |id: &str, what: &str| voice.say(id, &[("what", what.into()), ("time", lasted().into())]);
    let sentence = match n.told {
        NotificationKind::Opened => what(),
        NotificationKind::Worse => say("subject-worse", &what()),
        NotificationKind::Update => say("subject-update", &what()),
        NotificationKind::Reminder => say("subject-still", &what()),
        NotificationKind::Resolved if unwatched(&n.incident) => say("subject-unwatched", headline()),
        NotificationKind::Resolved => say("subject-resolved", headline()),
    };
    let mark = if is_drill(&n.incident) { drill_mark(voice) } else { String::new() };
    let line = text::one_line(&format!("{mark}[{}] {sentence}", place(&n.incident))).into_owned();
    text::clip(&line, SUBJECT_MAX).to_owned()
}

/// Returns what stands in front of the subject of a drill.
pub fn drill_mark(voice: &Voice) -> String {
    format!("{} ", voice.word("drill-mark"))
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

/// Returns the clusters of one that tells of several, its own first.
pub fn clusters(incident: &Incident) -> Vec<String> {
    let all = incident.clusters().into_iter().map(|cluster| text::readable(cluster).into_owned());
    if incident.members().is_empty() { Vec::new() } else { all.collect() }
}

/// The headline, and how many other problems there are.
fn and_more(incident: &Incident, voice: &Voice) -> String {
    match firing_roots(incident).count() {
        0 | 1 => incident.headline.clone(),
        n => voice.say("and-more-problems", &[("what", incident.headline.as_str().into()), ("n", (n - 1).into())]),
    }
}

/// Returns alerts that fire and are nobody's consequence; what is the same in other clusters is in the headline already.
pub fn firing_roots(incident: &Incident) -> impl Iterator<Item = &IncidentAlert> {
    incident.firing().filter(|a| a.finding.caused_by.is_none() && !is_elsewhere(a, incident))
}

/// It is of another cluster, whose trouble is told with this one's.
fn is_elsewhere(alert: &IncidentAlert, incident: &Incident) -> bool {
    incident.fleet.is_some() && alert.finding.key.cluster != incident.cluster
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
    pub notice: String,
    /// `PROBLEM`, `WORSE`, `STILL`, `UPDATE`, `RESOLVED`.
    pub status: String,
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
pub fn page(n: &Notification, voice: &Voice) -> Page {
    let incident = &n.incident;
    let resolved = n.told == NotificationKind::Resolved;
    let root = incident.alerts.first().map(|a| &a.finding);
    let lines =
        |pick: fn(&crate::model::Finding) -> &Vec<String>| root.map(|f| capped(pick(f), voice)).unwrap_or_default();
    let (status, colour) = status(n);
    Page {
        notice: if is_drill(incident) { voice.word("drill-notice") } else { String::new() },
        status: voice.word(status),
        colour,
        place: place(incident).to_owned(),
        headline: text::one_line(&incident.headline).into_owned(),
        when: when(n, voice),
        still_works: if resolved { Vec::new() } else { lines(|f| &f.still_works) },
        evidence: lines(|f| &f.evidence),
        consequences: lines(|f| &f.consequences),
        changes: changes(incident, voice),
        first_step: root.filter(|_| !resolved).map(|f| text::readable(&f.first_step).into_owned()).unwrap_or_default(),
        runbook: root.filter(|_| !resolved).and_then(|f| runbook(f, n)).unwrap_or_default(),
        others: others(n, voice),
        link: link(n),
        footer: footer(n, voice),
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

/// The message that says what has become of it, and a colour.
fn status(n: &Notification) -> (&'static str, &'static str) {
    let colour = match n.incident.severity {
        Severity::Critical => "#c62828",
        Severity::Warning => "#e07b00",
        Severity::Info => "#1565c0",
    };
    match n.told {
        NotificationKind::Opened => ("status-problem", colour),
        NotificationKind::Worse => ("status-worse", colour),
        NotificationKind::Update => ("status-update", colour),
        NotificationKind::Reminder => ("status-still", colour),
        NotificationKind::Resolved if unwatched(&n.incident) => ("status-unwatched", "#546e7a"),
        NotificationKind::Resolved => ("status-resolved", "#2e7d32"),
    }
}

fn when(n: &Notification, voice: &Voice) -> String {
    let began = ("began", voice.moment(n.incident.started_at).into());
    let lasted = ("lasted", voice.duration(lasted(n)).into());
    match n.incident.resolved_at {
        Some(end) => voice.say("when-over", &[began, lasted, ("end", voice.moment(end).into())]),
        None => voice.say("when-open", &[began, lasted]),
    }
}

/// What changed before it; the page has the rest.
fn changes(incident: &Incident, voice: &Voice) -> Vec<String> {
    let all: Vec<String> = incident.changes.iter().map(|c| voice.change(c, incident.started_at)).collect();
    cut(&all, CHANGES_MAX, voice)
}

fn capped(lines: &[String], voice: &Voice) -> Vec<String> {
    cut(lines, LINES_MAX, voice)
}

/// So many lines; the rest is counted.
fn cut(lines: &[String], max: usize, voice: &Voice) -> Vec<String> {
    let mut out: Vec<String> = lines.iter().take(max).map(|l| text::one_line(l).into_owned()).collect();
    if let Some(rest) = lines.len().checked_sub(max).filter(|n| *n > 0) {
        out.push(voice.say("and-n-more", &[("n", rest.into())]));
    }
    out
}

/// The incident's other alerts. Those that the root explains are left to its own `consequences`, and what became part of
/// another to that one. What came and went in an outage belongs to its story and stays; in a group each end is told once.
fn others(n: &Notification, voice: &Voice) -> Vec<(String, String)> {
    let told = |a: &IncidentAlert| n.incident.group.is_some() && n.was_told_of_end(a);
    let alone = |a: &&IncidentAlert| a.finding.caused_by.is_none() && a.part_of.is_none() && !told(a);
    let rest = || n.incident.alerts.iter().skip(1).filter(alone);
    let mut out: Vec<(String, String)> = rest()
        .take(OTHERS_MAX)
        .map(|a| {
            let (id, at) = a.ended_at.map_or(("since", a.finding.since), |end| ("over-since", end));
            let when = voice.say(id, &[("at", voice.moment(at).into())]);
            let place =
                if is_elsewhere(a, &n.incident) { format!("[{}] ", a.finding.key.cluster) } else { String::new() };
            (text::one_line(&format!("{place}{}", a.finding.headline)).into_owned(), when)
        })
        .collect();
    if let Some(more) = rest().count().checked_sub(OTHERS_MAX).filter(|n| *n > 0) {
        out.push((voice.say("n-more-problems", &[("n", more.into())]), voice.word("see-the-page")));
    }
    out
}

fn footer(n: &Notification, voice: &Voice) -> String {
    let (id, message) = (n.incident.id.to_string(), (n.sequence + 1).to_string());
    let mut parts = vec![voice.say("footer", &[("incident", id.into()), ("message", message.into())])];
    parts.extend(n.external_labels.iter().map(|(k, v)| format!("{k}={v}")));
    text::one_line(&parts.join(", ")).into_owned()
}

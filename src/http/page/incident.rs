//! An incident: as a card on the first page, and with its timeline and deliveries on its own.

use jiff::Timestamp;
use serde::Serialize;

use super::{Frame, Lines, Moment, Now, path, render};
use crate::{
    model::{FindingKey, Incident, IncidentAlert, IncidentNote, LiveAlert, Severity, Silence},
    runbook,
    store::{DeliveryOutcome, DeliveryRecord},
};

/// The most lines of one kind on the first page; the incident's own page has all.
pub const CARD_LINES_MAX: usize = 6;

/// The most lines of one kind on the incident's own page.
const LINES_MAX: usize = 100;

/// The most silences named on one incident.
const SILENCES_MAX: usize = 3;

/// The most deliveries listed: the newest count.
const DELIVERIES_MAX: usize = 200;

/// What an incident says first.
#[derive(Clone, Debug, Serialize)]
pub struct Card {
    id: i64,
    href: String,
    cluster: String,
    severity: Severity,
    headline: String,
    since: Moment,
    evidence: Lines,
    still_works: Lines,
    consequences: Lines,
    changes: Lines,
    also: Lines,
    first_step: String,
    /// A path of ours, or somebody's link.
    runbook: Option<String>,
    /// Who looks after it, since when.
    acknowledged: Option<(String, Moment)>,
    /// What silences it, where everything in it that fires is silenced.
    silenced: Vec<Silencing>,
    /// Where the cluster is on the first page; the watchdog itself has no such place.
    cluster_href: Option<String>,
}

impl Card {
    /// For the first page.
    pub fn new(incident: &Incident, now: &Now) -> Self {
        Self::with_limit(incident, now, CARD_LINES_MAX)
    }

    /// The same, with what the alerts say of silences.
    pub fn silenced_by(self, alerts: &[LiveAlert], silences: &[Silence], now: &Now) -> Self {
        // What follows from something else is never told by itself.
        let of_it = |a: &&LiveAlert| a.incident == Some(self.id) && a.explained_by.is_none();
        let mine: Vec<&LiveAlert> = alerts.iter().filter(of_it).collect();
        if mine.is_empty() || mine.iter().any(|a| a.silenced_by.is_empty()) {
            return self;
        }
        let holds = |s: &&Silence| mine.iter().any(|a| a.silenced_by.contains(&s.id));
        let view = |s: &Silence| Silencing {
            by: s.created_by.clone(),
            comment: s.comment.trim_end_matches('.').to_owned(),
            until: Moment::new(s.ends_at, now),
        };
        Self { silenced: silences.iter().filter(holds).take(SILENCES_MAX).map(view).collect(), ..self }
    }

    fn with_limit(incident: &Incident, now: &Now, limit: usize) -> Self {
        let incident = &*now.voice.incident(incident);
        let root = incident.firing().next().or_else(|| incident.alerts.first()).map(|a| &a.finding);
        let others = || incident.firing().map(|a| &a.finding).filter(|f| Some(*f) != root);
        let mut consequences: Vec<String> = root.map(|f| f.consequences.clone()).unwrap_or_default();
        for caused in others().filter(|f| f.caused_by.is_some()) {
            if !consequences.contains(&caused.headline) {
                consequences.push(caused.headline.clone());
            }
        }
        let seen = root.into_iter().flat_map(|f| &f.evidence).cloned();
        let lines = |of: Option<&Vec<String>>| Lines::cut(of.into_iter().flatten().cloned(), limit);
        Self {
            id: incident.id,
            href: path(&["incidents", &incident.id.to_string()]),
            cluster: if incident.cluster.is_empty() { "dogwatch".to_owned() } else { incident.cluster.to_string() },
            severity: incident.severity,
            headline: incident.headline.clone(),
            since: Moment::new(incident.started_at, now),
            evidence: Lines::cut(now.voice.fleet(incident).into_iter().chain(seen), limit),
            still_works: lines(root.map(|f| &f.still_works)),
            consequences: Lines::cut(consequences, limit),
            changes: Lines::cut(incident.changes.iter().map(|c| now.voice.change(c, incident.started_at)), limit),
            also: Lines::cut(others().filter(|f| f.caused_by.is_none()).map(|f| f.headline.clone()), limit),
            first_step: root.map(|f| f.first_step.clone()).unwrap_or_default(),
            runbook: root.and_then(|f| runbook::link(&f.name(), &f.annotations, "")),
            acknowledged: incident.acknowledged.as_ref().map(|a| (a.by.clone(), Moment::new(a.at, now))),
            silenced: Vec::new(),
            cluster_href: (!incident.cluster.is_empty()).then(|| format!("/#cluster-{}", incident.cluster)),
        }
    }
}

/// Who silenced an incident, why, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Silencing {
    by: String,
    comment: String,
    until: Moment,
}

/// The view of an incident's own page.
#[derive(Clone, Debug, Serialize)]
pub struct IncidentPage {
    card: Card,
    resolved: Option<Moment>,
    lasted: String,
    /// Nobody was told of it.
    untold: bool,
    alerts: Vec<AlertView>,
    timeline: Vec<Event>,
    /// Why notes can't be shown.
    notes_error: Option<String>,
    deliveries: Vec<DeliveryView>,
    older_deliveries: usize,
    deliveries_error: Option<String>,
}

/// A line of the timeline.
#[derive(Clone, Debug, Serialize)]
struct Event {
    at: Moment,
    what: String,
    /// Who noted it; `None`: it happened.
    by: Option<String>,
    #[serde(skip)]
    order: Timestamp,
}

#[derive(Clone, Debug, Serialize)]
struct AlertView {
    name: String,
    subject: String,
    severity: Severity,
    headline: String,
    since: Moment,
    ended: Option<Moment>,
    /// The greater trouble that took it in, in its words.
    part_of: Option<String>,
    /// Nobody was told.
    held: bool,
    caused_by: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
struct DeliveryView {
    at: Moment,
    sequence: u32,
    receiver: String,
    outcome: DeliveryOutcome,
    answer: String,
    took: String,
}

impl IncidentPage {
    /// The view of this moment; `deliveries` oldest first, or why they can't be read.
    pub fn new(incident: &Incident, deliveries: Result<Vec<DeliveryRecord>, String>, now: &Now) -> Self {
        let (deliveries, deliveries_error) = match deliveries {
            Ok(records) => (records, None),
            Err(why) => (Vec::new(), Some(why)),
        };
        let incident = &*now.voice.incident(incident);
        let older_deliveries = deliveries.len().saturating_sub(DELIVERIES_MAX);
        Self {
            card: Card::with_limit(incident, now, LINES_MAX),
            resolved: incident.resolved_at.map(|at| Moment::new(at, now)),
            lasted: now.voice.between(incident.started_at, incident.resolved_at.unwrap_or(now.at)),
            alerts: incident.alerts.iter().map(|a| alert(a, incident, now)).collect(),
            untold: incident.first_told_at.is_none() && incident.told_by().is_none(),
            timeline: incident.timeline.iter().map(|(at, what)| event(*at, what, None, now)).collect(),
            notes_error: None,
            deliveries: deliveries.into_iter().skip(older_deliveries).map(|d| delivery(d, now)).collect(),
            older_deliveries,
            deliveries_error,
        }
    }

    /// The same, with what people wrote where it belongs in time, or why that can't be read.
    pub fn with_notes(mut self, notes: Result<Vec<IncidentNote>, String>, now: &Now) -> Self {
        match notes {
            Ok(notes) => self.timeline.extend(notes.into_iter().map(|n| event(n.at, &n.text, Some(n.by), now))),
            Err(why) => self.notes_error = Some(why),
        }
        self.timeline.sort_by_key(|e| e.order);
        self
    }

    /// The same, with what the alerts say of silences.
    pub fn silenced_by(self, alerts: &[LiveAlert], silences: &[Silence], now: &Now) -> Self {
        Self { card: self.card.silenced_by(alerts, silences, now), ..self }
    }

    /// The page.
    ///
    /// # Errors
    /// When a template is wrong, which the tests rule out.
    pub fn render(&self, frame: Frame) -> Result<String, minijinja::Error> {
        let frame = if self.resolved.is_some() { frame.still() } else { frame };
        render("incident.html", &frame, self)
    }
}

fn event(at: Timestamp, what: &str, by: Option<String>, now: &Now) -> Event {
    Event { at: Moment::new(at, now), what: what.to_owned(), by, order: at }
}

/// The form by which somebody notes something about an incident.
#[derive(Clone, Debug, Serialize)]
pub struct NoteForm {
    id: i64,
    href: String,
    headline: String,
    by: String,
    text: String,
    text_max: usize,
    /// Why it was not taken; empty: it was not sent yet.
    error: String,
}

impl NoteForm {
    /// As it was filled in.
    pub fn new(incident: &Incident, by: &str, text: &str, error: String, now: &Now) -> Self {
        let Card { id, href, headline, .. } = Card::new(incident, now);
        let (by, text) = (by.to_owned(), text.to_owned());
        Self { id, href, headline, by, text, text_max: IncidentNote::TEXT_MAX, error }
    }

    /// The page.
    ///
    /// # Errors
    /// When a template is wrong, which the tests rule out.
    pub fn render(&self, frame: Frame) -> Result<String, minijinja::Error> {
        render("note.html", &frame.still(), self)
    }
}

/// The form by which somebody takes an incident upon themselves.
#[derive(Clone, Debug, Serialize)]
pub struct AcknowledgeForm {
    id: i64,
    href: String,
    headline: String,
    /// What is wrong with the name; empty: nothing was sent yet.
    error: &'static str,
}

impl AcknowledgeForm {
    /// For an incident.
    pub fn new(incident: &Incident, error: &'static str, now: &Now) -> Self {
        let Card { id, href, headline, .. } = Card::new(incident, now);
        Self { id, href, headline, error }
    }

    /// The page.
    ///
    /// # Errors
    /// When a template is wrong, which the tests rule out.
    pub fn render(&self, frame: Frame) -> Result<String, minijinja::Error> {
        render("acknowledge.html", &frame.still(), self)
    }
}

fn alert(alert: &IncidentAlert, incident: &Incident, now: &Now) -> AlertView {
    let finding = &alert.finding;
    let whole = |key: &FindingKey| {
        let whole = incident.alerts.iter().find(|a| a.finding.key == *key);
        whole.map_or_else(|| key.alert.to_string(), |a| a.finding.headline.clone())
    };
    AlertView {
        name: finding.name(),
        subject: finding.key.subject.clone(),
        severity: finding.severity,
        headline: finding.headline.clone(),
        since: Moment::new(finding.since, now),
        ended: alert.ended_at.map(|at| Moment::new(at, now)),
        part_of: alert.part_of.as_ref().map(whole),
        held: alert.held,
        caused_by: finding.caused_by.as_ref().map(|key| key.alert.to_string()),
    }
}

fn delivery(record: DeliveryRecord, now: &Now) -> DeliveryView {
    DeliveryView {
        at: Moment::new(record.at, now),
        sequence: record.sequence,
        receiver: record.receiver,
        outcome: record.outcome,
        answer: record.answer,
        took: now.voice.latency(record.took),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ChangeKind, IncidentChange};

    #[test]
    fn what_became_part_of_something_greater_has_not_ended() {
        let mut incident = crate::notify::example::opened().incident;
        let quorum = incident.alerts[0].finding.key.clone();
        incident.alerts[1].ended_at = Some(incident.started_at);
        incident.alerts[1].part_of = Some(quorum);
        incident.changes.push(IncidentChange {
            at: incident.started_at,
            since: None,
            kind: ChangeKind::NodeRebooted,
            what: "node w1 rebooted".into(),
        });
        let page = IncidentPage::new(&incident, Ok(Vec::new()), &incident.started_at.into());
        let shown = page.render(Frame::new("", &incident.started_at.into())).unwrap();
        let words = shown.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("now part of <em>etcd has lost quorum: 2 of 3 members down</em>"), "{words}");
        assert!(!words.contains("badge resolved"), "{words}");
        assert!(words.contains("Nobody has been told yet"), "{words}");
        assert!(
            words.contains("What changed before") && words.contains("node w1 rebooted (less than 1 s before"),
            "{words}"
        );
    }
}

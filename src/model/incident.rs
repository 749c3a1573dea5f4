//! Incidents: persisted groups of alerts with a diagnosis and a timeline, and the messages about them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AlertName, Finding, Fleet, FleetMember, FleetRole, IncidentAlert, IncidentChange, Severity, Topic};

/// Which of two watchdogs wrote an incident last, and when in its own count: the larger one is the newer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Edition {
    /// The term in which it was written: each takeover begins the next.
    pub term: u64,
    /// The writer's count.
    pub count: u64,
}

impl Edition {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// One outage, one incident, one thread of messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Unique in this database, counting up.
    pub id: i64,
    /// The cluster, or empty for the watchdog itself.
    pub cluster: Arc<str>,
    /// Kind.
    pub topic: Topic,
    /// When what it tells of began (the earliest `since` of its findings).
    pub started_at: Timestamp,
    /// When it ended; `None`: open.
    pub resolved_at: Option<Timestamp>,
    /// The headline of its root finding, without the cluster's name.
    pub headline: String,
    /// The worst severity that a root of it has had since it was told; what a root explains does not raise it.
    pub severity: Severity,
    /// Its alerts, root first; ended ones stay.
    pub alerts: Vec<IncidentAlert>,
    /// Messages written so far; the next one's sequence number.
    pub messages: u32,
    /// When the last message was written.
    pub told_at: Option<Timestamp>,
    /// What happened: `(when, what)`, capped at [`Incident::TIMELINE_MAX`].
    pub timeline: Vec<(Timestamp, String)>,
    /// The group that a route made, where it is one of [`Topic::Alerts`].
    #[serde(default)]
    pub group: Option<Group>,
    /// Who has said that they look after it.
    #[serde(default)]
    pub acknowledged: Option<Acknowledged>,
    /// Receivers that were told that it began: they are told how it goes on and that it has ended.
    #[serde(default)]
    pub told: BTreeSet<String>,
    /// When it was first told.
    #[serde(default)]
    pub first_told_at: Option<Timestamp>,
    /// The last message that was written to each receiver, by its number.
    #[serde(default)]
    pub heard: BTreeMap<String, u32>,
    /// Integrations whose message about the beginning was dropped unsent, for want of room.
    #[serde(default)]
    pub unheard: BTreeSet<String>,
    /// Why nobody is told of it for now (a silence, an inhibition, a muted time), in words; `None`: nothing keeps it quiet.
    #[serde(default)]
    pub quiet: Option<String>,
    /// What changed before it, the likeliest cause first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<IncidentChange>,
    /// What it has to do with the same trouble in other clusters; `None`: nothing that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<Box<Fleet>>,
    /// Where two watchdogs share it: who wrote it last.
    #[serde(default, skip_serializing_if = "Edition::is_none")]
    pub edition: Edition,
    /// Where two watchdogs share it: the database in which it began, which its messages go on to name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub origin: String,
}

/// A group of alerts that one route put together. Each route has its own groups, whatever its siblings match.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Group {
    /// The route's place in the tree: its number among its siblings, behind its parent's place; empty for the root.
    #[serde(default)]
    pub place: Arc<str>,
    /// The route, as Alertmanager writes it: `{}/{severity="critical"}`.
    pub route: Arc<str>,
    /// Its receiver.
    pub receiver: Arc<str>,
    /// The labels that its alerts share.
    pub labels: BTreeMap<String, String>,
}

impl Group {
    /// Returns whether a message about either says the same to the same receiver: routes that differ in their place
    /// alone. Alertmanager's notification log has one entry for both, so that one of them is told.
    pub fn is_twin(&self, other: &Self) -> bool {
        self.route == other.route && self.receiver == other.receiver && self.labels == other.labels
    }
}

/// Somebody looks after an incident: it is not escalated any further, and reminders rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
}

/// What a person wrote down about an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentNote {
    /// The incident's id.
    pub incident: i64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// Lines of text.
    pub text: String,
}

impl IncidentNote {
    /// Bytes of one note: a page of text. What is longer belongs into a document that the note links.
    pub const TEXT_MAX: usize = 4_000;

    /// Notes of one incident: more than people write in a week of trouble; a program gone wild fills no disk.
    pub const NOTES_MAX: usize = 200;
}

impl Incident {
    /// Returns an incident that is open, without alerts; what it tells of is put in by who opens it.
    pub fn new(
        id: i64,
        cluster: Arc<str>,
        topic: Topic,
        started_at: Timestamp,
        headline: String,
        severity: Severity,
    ) -> Self {
        Self {
            id,
            cluster,
            topic,
            started_at,
            resolved_at: None,
            headline,
            severity,
            alerts: Vec::new(),
            messages: 0,
            told_at: None,
            timeline: Vec::new(),
            group: None,
            acknowledged: None,
            told: BTreeSet::new(),
            first_told_at: None,
            heard: BTreeMap::new(),
            unheard: BTreeSet::new(),
            quiet: None,
            changes: Vec::new(),
            fleet: None,
            edition: Edition::default(),
            origin: String::new(),
        }
    }

    /// What has ended is held against alerts for so long: windows of a month (SLOs) have their outage for as long.
    pub const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 3600);

    /// The most timeline lines kept of one incident; a longer story keeps its beginning and its end.
    pub const TIMELINE_MAX: usize = 200;

    /// Returns the incidents of other clusters that are told with this one.
    pub fn members(&self) -> &[FleetMember] {
        self.fleet.as_deref().map(Fleet::members).unwrap_or_default()
    }

    /// Returns the id of the incident that tells of this one; `None`: it tells of itself.
    pub fn told_by(&self) -> Option<i64> {
        match self.fleet.as_deref()?.role {
            FleetRole::PartOf { incident, .. } => Some(incident),
            _ => None,
        }
    }

    /// Returns whether something of it fires, in its own cluster or in one that is told with it.
    pub fn is_firing(&self) -> bool {
        self.firing().next().is_some() || self.members().iter().any(|m| m.well_at.is_none())
    }

    /// Returns when its own cluster was well again, which may be before those that are told with it; `None`: it is not.
    pub fn own_end(&self) -> Option<Timestamp> {
        match self.members().is_empty() {
            true => self.resolved_at,
            false if self.firing().next().is_some() => None,
            false => self.alerts.iter().filter_map(|a| a.ended_at).max().or(self.resolved_at),
        }
    }

    /// Returns the clusters that it tells of, its own first.
    pub fn clusters(&self) -> Vec<&str> {
        let mut clusters = vec![&*self.cluster];
        for member in self.members() {
            if !clusters.contains(&&*member.cluster) {
                clusters.push(&member.cluster);
            }
        }
        clusters
    }

    /// Returns alerts that fire.
    pub fn firing(&self) -> impl Iterator<Item = &IncidentAlert> {
        self.alerts.iter().filter(|a| a.ended_at.is_none())
    }
}

/// Returns the findings of one name that fire in these incidents: what their source knew before a restart, and would
/// say again only when something happens.
pub fn findings_of(incidents: &[Incident], alert: AlertName) -> Vec<Finding> {
    let open = incidents.iter().filter(|i| i.resolved_at.is_none());
    let findings = open.flat_map(Incident::firing).map(|a| &a.finding);
    findings.filter(|f| f.key.alert == alert).cloned().collect()
}

/// Says why a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NotificationKind {
    /// It began.
    Opened,
    /// It got worse: told at once.
    Worse,
    /// New facts.
    Update,
    /// It still lasts: reminder.
    Reminder,
    /// It is over.
    Resolved,
}

/// A message about an incident, before a receiver renders it: complete in itself, so that it can be sent an hour later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// Why now.
    pub told: NotificationKind,
    /// Number of this message in its incident, from 0.
    pub sequence: u32,
    /// When it was written.
    pub at: Timestamp,
    /// The incident as it was then.
    pub incident: Incident,
    /// Where people find dogwatch, without a slash at the end.
    pub external_url: String,
    /// `external_labels` of the configuration.
    pub external_labels: BTreeMap<String, String>,
    /// Unique for this database, the same for ever: with the incident's id it makes `Message-ID`s and group keys.
    pub origin: String,
    /// What the receiver's route groups by, with the values here; `None`: written by an older version.
    #[serde(default)]
    pub group_labels: Option<BTreeMap<String, String>>,
    /// `labels` of the receiver's route: templates.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub route_labels: BTreeMap<String, String>,
    /// The last message that the receiver was written before, by its number; `None`: this is its first.
    #[serde(default)]
    pub heard: Option<u32>,
    /// What is sent instead of words about the incident, which is none then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Box<Document>>,
}

/// A document that is a message of its own: a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// Its title.
    pub subject: String,
    /// As plain text.
    pub text: String,
    /// As a whole HTML page.
    pub html: String,
}

impl Notification {
    /// Returns the alerts that it tells of: all but those whose end its receiver was told before.
    pub fn alerts(&self) -> impl Iterator<Item = &IncidentAlert> {
        self.incident.alerts.iter().filter(|a| !self.was_told_of_end(a))
    }

    /// Returns the same for a receiver that wants no ends (`send_resolved: false`): of a group only what fires, and nothing where
    /// no more than ends is new, as Alertmanager has it (notify/dedup_stage.go, notify/retry_stage.go). An outage is told
    /// as it stands, with what is over of it.
    pub fn without_ends(mut self) -> Option<Self> {
        if self.incident.group.is_none() {
            return Some(self);
        }
        self.incident.alerts.retain(|a| a.ended_at.is_none());
        let begins = self.incident.alerts.iter().any(|a| a.begin_told == Some(self.sequence));
        (self.told != NotificationKind::Update || begins).then_some(self)
    }

    /// Returns whether the receiver was told before that an alert is over.
    pub fn was_told_of_end(&self, alert: &IncidentAlert) -> bool {
        alert.ended_at.is_some() && alert.end_told.zip(self.heard).is_some_and(|(told, heard)| told <= heard)
    }
}

/// A message on its way to one receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxEntry {
    /// `incident id / sequence / receiver`: writing it twice changes nothing.
    pub id: String,
    /// Which integration: `name of the receiver/kind[index]`, e.g. `ops/email[0]`.
    pub receiver: String,
    /// What to tell.
    pub notification: Notification,
    /// Attempts so far.
    pub attempts: u32,
    /// Not before.
    pub next_at: Timestamp,
    /// When to give up.
    pub give_up_at: Timestamp,
}

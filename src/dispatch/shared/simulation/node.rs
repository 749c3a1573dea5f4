//! One watchdog of the simulation: the real incidents, outbox and share of dispatch, with a disk that survives a kill.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use tokio::time::Instant;

use crate::{
    dispatch::{
        group::Groups,
        incident::{NotificationPolicy, Open},
        incident_record::Pace,
        outbox::{self, Outbox},
        shared::{Parts, Shared},
    },
    model::{Diagnosis, Incident, Notification, NotificationKind, OutboxEntry},
    peer::{Confirm, Core, Item, News, Say, confirm::together, wire::View},
};

const TAKEOVER: Duration = Duration::from_secs(20);
const RECEIVER: &str = "ops/webhook[0]";

/// A message on its way to the receiver.
pub(super) struct Attempt {
    pub(super) entry: OutboxEntry,
    pub(super) arrives: u64,
    pub(super) ends: u64,
    pub(super) arrived: bool,
}

/// What survives a kill.
#[derive(Clone, Default)]
pub(super) struct Disk {
    pub(super) incidents: BTreeMap<i64, Incident>,
    pub(super) outbox: BTreeMap<String, OutboxEntry>,
}

/// One watchdog.
pub(super) struct Node {
    pub(super) shared: Shared,
    pub(super) open: Open,
    pub(super) groups: Groups,
    pub(super) outbox: Outbox,
    pub(super) disk: Disk,
    pub(super) attempts: Vec<Attempt>,
    pub(super) fails: bool,
    /// A question under way: when it began and, where it can be answered, when it arrives.
    pub(super) asking: Option<(u64, Option<(u64, Say)>)>,
    pub(super) ask_at: u64,
    /// Questions that arrived while it was frozen.
    pub(super) stuck: Vec<Say>,
}

impl Node {
    pub(super) fn begin(name: &str, disk: Disk, now: Instant, boot: u64) -> Self {
        let incidents: Vec<Incident> = disk.incidents.values().cloned().collect();
        let outbox = Outbox::restore(disk.outbox.values().cloned().collect());
        let core = Core::new(name, TAKEOVER, (boot, Shared::term_of(&incidents)), now);
        let last = incidents.iter().map(|i| i.id).max().unwrap_or(0);
        Self {
            shared: Shared::new(core, name, &incidents, &outbox),
            open: Open::restore(incidents.iter().cloned(), last),
            groups: Groups::default(),
            outbox,
            disk,
            attempts: Vec::new(),
            fails: false,
            asking: None,
            ask_at: 0,
            stuck: Vec::new(),
        }
    }

    pub(super) fn keep(&mut self, incidents: &[Incident], messages: &[OutboxEntry]) {
        self.disk.incidents.extend(incidents.iter().map(|i| (i.id, i.clone())));
        self.disk.outbox.extend(messages.iter().map(|e| (e.id.clone(), e.clone())));
    }

    pub(super) fn hear(&mut self, say: Say, now: Instant, at: Timestamp) -> (Say, Option<News>) {
        let mut parts = Parts { open: &mut self.open, groups: &mut self.groups, outbox: &mut self.outbox };
        let (merged, news) = self.shared.hear(say, now, at, &mut parts);
        self.keep(&merged.incidents, &merged.messages);
        merged.deliveries.iter().for_each(|d| drop(self.disk.outbox.remove(&d.entry.id)));
        self.role(news, at);
        let last = self.open.last_id();
        (self.shared.say(at, last), news)
    }

    pub(super) fn role(&mut self, news: Option<News>, at: Timestamp) {
        match news {
            Some(News::Lead) => {
                self.open.begin_anew();
                self.outbox.hurry_all(at);
            }
            Some(News::Follow) => {
                self.attempts.clear();
                self.outbox.break_off();
            }
            None => {}
        }
    }

    /// As `Dispatch::decide`.
    pub(super) fn decide(&mut self, mut diagnosis: Diagnosis, now: Instant, at: Timestamp) -> Vec<Incident> {
        let (blind, findings) = (diagnosis.blind, diagnosis.findings.clone());
        self.shared.core.ledger.put(Item::View { view: View { cluster: "prod".into(), blind, findings } });
        if !self.shared.core.leads() {
            return Vec::new();
        }
        if !self.shared.core.is_silent(now)
            && let Some(view) = self.shared.views.get("prod")
        {
            together(Confirm::Any, ("me", "other"), &mut diagnosis, view);
        }
        let (day, week) = (Duration::from_secs(86_400), Duration::from_secs(604_800));
        let pace = |_: &Incident| Pace { group_interval: day, repeat_interval: week };
        let quiet = |_: &Incident| None;
        let policy = NotificationPolicy { pace: &pace, quiet: &quiet, warnings_after: Duration::from_secs(60) };
        let (mut incidents, mut messages) = (Vec::new(), Vec::new());
        for change in self.open.step(&[std::sync::Arc::new(diagnosis)], at, &policy, None) {
            if let Some(told) = change.told {
                let incident = change.incident.clone();
                messages.push(outbox::entry(&notification(told, incident, at), RECEIVER, day));
            }
            incidents.push(change.incident);
        }
        if !incidents.is_empty() {
            let mut parts = Parts { open: &mut self.open, groups: &mut self.groups, outbox: &mut self.outbox };
            self.shared.commit(&mut incidents, &mut messages, &mut parts);
            self.keep(&incidents, &messages);
            messages.into_iter().for_each(|m| self.outbox.push(m));
        }
        incidents
    }
}

fn notification(told: NotificationKind, incident: Incident, at: Timestamp) -> Notification {
    Notification {
        told,
        sequence: incident.messages - 1,
        at,
        incident,
        external_url: String::new(),
        external_labels: BTreeMap::new(),
        origin: String::new(),
        group_labels: None,
        route_labels: BTreeMap::new(),
        heard: None,
        document: None,
    }
}

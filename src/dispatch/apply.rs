//! What was decided becomes of the store and of the outbox: incidents and their messages in one transaction, and only then
//! do the messages go.

use std::collections::BTreeMap;

use futures_util::future::{join, join_all};
use jiff::Timestamp;
use tokio::time::timeout;
use tracing::{info, warn};

use super::{Dispatch, RESOLVED_SHOWN, STORE_WAIT_MAX, incident::Change, outbox, shared::Parts};
use crate::{
    model::{Incident, NotificationKind, OutboxEntry},
    notify::summary,
    store::{Delivery, Durability, Store},
};

/// Holds what one look stores, all at once. Of one incident the later form counts.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) incidents: Vec<Incident>,
    pub(super) messages: Vec<OutboxEntry>,
}

impl Dispatch {
    /// Writes the messages of what changed.
    pub(super) fn prepare(&mut self, changes: Vec<Change>, now: Timestamp) -> Batch {
        let mut batch = Batch::default();
        for Change { mut incident, told } in changes {
            self.tell_changes(&mut incident, now);
            if let Some(told) = told {
                log(&incident, told);
                let receivers = self.receivers(&incident, told, now);
                if told != NotificationKind::Resolved {
                    incident.told.extend(receivers.iter().cloned());
                }
                batch.messages.extend(self.messages(&mut incident, told, &receivers, now));
                self.remember(&incident);
            }
            if incident.resolved_at.is_some() {
                self.resolved.push_front(incident.clone().into());
                self.resolved.truncate(RESOLVED_SHOWN);
            }
            batch.incidents.push(incident);
        }
        batch
    }

    /// The open incident remembers who was told what.
    pub(super) fn remember(&mut self, written: &Incident) {
        if let Some(open) = self.incident_mut(written.id) {
            open.told.clone_from(&written.told);
            open.heard.clone_from(&written.heard);
            open.unheard.clone_from(&written.unheard);
        }
    }

    /// Stores in one transaction, and only then lets the messages go.
    pub(super) async fn commit(&mut self, batch: Batch) -> Durability {
        let Batch { mut incidents, mut messages } = batch;
        if incidents.is_empty() && messages.is_empty() {
            return Durability::Durable;
        }
        self.changed = true;
        if self.leads() {
            self.write_shared(&mut incidents, &mut messages);
        }
        let commit = timeout(STORE_WAIT_MAX, self.deps.store.commit(incidents, messages.clone())).await;
        let kept = commit.unwrap_or_else(|_| {
            warn!("the store does not answer; messages are sent from memory");
            Durability::Buffered
        });
        for message in messages {
            self.outbox.push(message);
        }
        self.shed().await;
        kept
    }

    /// What the leader of two watchdogs writes is said to the other, before it is sent to anybody.
    fn write_shared(&mut self, incidents: &mut [Incident], messages: &mut [OutboxEntry]) {
        if let Some(shared) = &mut self.peers.shared {
            let (open, groups) = (&mut self.open, &mut self.groups);
            shared.commit(incidents, messages, &mut Parts { open, groups, outbox: &mut self.outbox });
            self.peers.news.notify_one();
        }
    }

    /// Drops what the outbox has no room for: counted, recorded, and told (`overflow`).
    async fn shed(&mut self) {
        let now = self.deps.clock.wall();
        let mut unheard = BTreeMap::new();
        let mut dropped = Vec::new();
        for outbox::Shed { entry, unheard: lost } in self.outbox.shed() {
            self.deps.metrics.drop_at("outbox");
            self.dropped_messages.note(&entry.receiver, now);
            if lost && let Some(incident) = self.incident_mut(entry.notification.incident.id) {
                incident.unheard.insert(entry.receiver.clone());
                unheard.insert(incident.id, incident.clone());
            }
            dropped.push(self.dropped(entry, &format!("more than {} messages wait", outbox::OUTBOX_MAX)));
        }
        if !unheard.is_empty() {
            let incidents = self.deps.store.commit(unheard.into_values().collect(), Vec::new());
            let both = join(incidents, record(&self.deps.store, dropped));
            let _ = timeout(STORE_WAIT_MAX, both).await;
        } else {
            self.record(dropped).await;
        }
    }

    /// Records messages that are never sent. What is not recorded in time stays queued in the store.
    pub(super) async fn record(&self, dropped: Vec<Delivery>) {
        if !dropped.is_empty() {
            let _ = timeout(STORE_WAIT_MAX, record(&self.deps.store, dropped)).await;
        }
    }
}

/// All are queued before the first is waited for: the writer takes what is queued into one transaction.
async fn record(store: &Store, dropped: Vec<Delivery>) {
    join_all(dropped.into_iter().map(|delivery| store.record_delivery(delivery))).await;
}

fn log(incident: &Incident, told: NotificationKind) {
    let (id, cluster, headline) = (incident.id, summary::place(incident), &incident.headline);
    let severity = incident.severity.to_string();
    match told {
        NotificationKind::Opened => info!(id, cluster, severity, "incident opened: {headline}"),
        NotificationKind::Worse => info!(id, cluster, severity, "incident got worse: {headline}"),
        NotificationKind::Update => info!(id, cluster, severity, "incident changed: {headline}"),
        NotificationKind::Reminder => info!(id, cluster, severity, "incident lasts: {headline}"),
        NotificationKind::Resolved => info!(id, cluster, severity, "incident resolved: {headline}"),
    }
}

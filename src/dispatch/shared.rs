//! What of the incidents and the outbox two watchdogs share, and how what one says becomes part of the other. Pure: the loop stores and
//! sends.
//!
//! An incident has an edition: the term and the count of whoever wrote it last, and the larger one is the newer. Who follows
//! takes all from the leader, and lets go of what the leader does not know. The leader takes from the other only what somebody
//! has heard of already: all else it sees by itself, or by what the other sees.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use jiff::Timestamp;
use tokio::time::Instant;

use super::{group::Groups, incident::Open, incident_record::note, outbox::Outbox};
use crate::{
    model::{Edition, Incident, OutboxEntry},
    peer::{
        Core, Item, News, Say,
        wire::{Able, Key, View},
    },
    store::{Delivery, DeliveryOutcome},
};

/// Incidents of which it is remembered that they were sent: more than can be open.
const SENT_MAX: usize = 10_000;

/// Why an incident ends here that the other does not know.
const NOT_OURS: &str = "Nobody was told of it: the other watchdog leads, and tells what it sees";

/// Says how far it is found out what the leader does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Letting {
    /// It is found out.
    Done,
    /// The leader has not heard yet all that was here, up to this revision.
    Offering(u64),
    /// It has; what it made of it stands in its ledger up to this revision.
    Catching(u64),
}

/// One watchdog's share.
#[derive(Debug)]
pub struct Shared {
    /// Its side of the pair.
    pub core: Core,
    /// What the other sees, by cluster.
    pub views: BTreeMap<String, View>,
    origin: String,
    count: u64,
    /// Incidents of which a message was sent, or was being sent.
    sent: BTreeSet<i64>,
    /// Incidents taken from the other while this one leads: the other's messages about them count.
    adopted: BTreeSet<i64>,
    letting: Letting,
    from_leader: HashSet<Key>,
}

/// Where the shared things live.
#[derive(Debug)]
pub struct Parts<'a> {
    /// Incidents of the diagnosis.
    pub open: &'a mut Open,
    /// Groups of alerts.
    pub groups: &'a mut Groups,
    /// Messages.
    pub outbox: &'a mut Outbox,
}

/// What is to be stored after the other was heard, and what is left to others.
#[derive(Debug, Default, PartialEq)]
pub struct Merged {
    /// Incidents that are another now.
    pub incidents: Vec<Incident>,
    /// Messages that wait.
    pub messages: Vec<OutboxEntry>,
    /// Messages that have gone.
    pub deliveries: Vec<Delivery>,
    /// Silences, acknowledgements, notes, alerts.
    pub others: Vec<Item>,
}

impl Parts<'_> {
    fn incident(&mut self, id: i64) -> Option<&mut Incident> {
        match self.open.incident_mut(id) {
            Some(incident) => Some(incident),
            None => self.groups.incident_mut(id),
        }
    }

    fn adopt(&mut self, incident: Incident) {
        if incident.group.is_some() { self.groups.adopt(incident) } else { self.open.adopt(incident) }
    }
}

impl Shared {
    /// Begins with what this database knows: incidents, waiting messages, and the name that it gives its messages.
    pub fn new(core: Core, origin: &str, incidents: &[Incident], outbox: &Outbox) -> Self {
        let count = incidents.iter().map(|i| i.edition.count).max().unwrap_or(0);
        let waiting = |id: i64| outbox.entries().filter(move |e| e.notification.incident.id == id);
        let sent = |i: &&Incident| i.first_told_at.is_some() && waiting(i.id).all(|e| e.attempts > 0);
        let mut shared = Self {
            core,
            views: BTreeMap::new(),
            origin: origin.to_owned(),
            count,
            sent: incidents.iter().filter(sent).map(|i| i.id).collect(),
            adopted: BTreeSet::new(),
            letting: Letting::Done,
            from_leader: HashSet::new(),
        };
        for incident in incidents {
            let mut incident = incident.clone();
            shared.own(&mut incident);
            shared.put(incident);
        }
        outbox.entries().for_each(|entry| shared.core.ledger.put(Item::Message { entry: Box::new(entry.clone()) }));
        shared
    }

    /// Returns the highest term in which one of these was written.
    pub fn term_of(incidents: &[Incident]) -> u64 {
        incidents.iter().map(|i| i.edition.term).max().unwrap_or(0)
    }

    /// Says where it was first written.
    fn own(&self, incident: &mut Incident) {
        if incident.origin.is_empty() {
            incident.origin.clone_from(&self.origin);
        }
    }

    fn put(&mut self, incident: Incident) {
        self.core.ledger.put(Item::Incident { incident: Box::new(incident), told: false });
    }

    fn stamp(&mut self, incident: &mut Incident) {
        self.count += 1;
        incident.edition = Edition { term: self.core.term(), count: self.count };
        self.own(incident);
    }

    /// The leader writes: incidents and their messages get their edition, and are said to the other.
    pub fn commit(&mut self, incidents: &mut [Incident], messages: &mut [OutboxEntry], parts: &mut Parts<'_>) {
        for incident in incidents {
            self.stamp(incident);
            if let Some(open) = parts.incident(incident.id) {
                open.edition = incident.edition;
                open.origin.clone_from(&incident.origin);
            }
            let about = messages.iter_mut().map(|e| &mut e.notification);
            for notification in about.filter(|n| n.incident.id == incident.id) {
                notification.incident.edition = incident.edition;
                notification.origin.clone_from(&incident.origin);
                notification.incident.origin.clone_from(&incident.origin);
            }
            self.put(incident.clone());
        }
        for entry in messages {
            self.core.ledger.put(Item::Message { entry: Box::new(entry.clone()) });
        }
    }

    /// A message is being sent.
    pub fn attempting(&mut self, entry: &OutboxEntry) {
        self.sent.insert(entry.notification.incident.id);
        while self.sent.len() > SENT_MAX {
            self.sent.pop_first();
        }
    }

    /// An attempt has ended.
    pub fn attempted(&mut self, delivery: &Delivery) {
        self.core.ledger.put(match delivery.outcome {
            DeliveryOutcome::Retried => Item::Message { entry: Box::new(delivery.entry.clone()) },
            DeliveryOutcome::Delivered | DeliveryOutcome::Dropped => Item::Done { delivery: Box::new(slim(delivery)) },
        });
    }

    /// Returns what is to be said to the other.
    pub fn say(&mut self, wall: Timestamp, last_incident: i64) -> Say {
        self.core.last_incident = last_incident;
        let mut say = self.core.say(wall);
        for item in &mut say.items {
            if let Item::Incident { incident, told } = item {
                *told = self.sent.contains(&incident.id);
            }
        }
        say
    }

    /// Takes in what the other said.
    pub fn hear(&mut self, say: Say, now: Instant, wall: Timestamp, parts: &mut Parts<'_>) -> (Merged, Option<News>) {
        let (last, odd, newest) = (say.last_incident, *self.core.name > *say.name, say.newest);
        // What an earlier run of the other saw is no sight any more.
        if self.core.other().is_some_and(|o| o.said.boot != say.boot) {
            self.views.clear();
        }
        let (mut items, news) = self.core.hear(say, now, wall);
        if news == Some(News::Follow) {
            self.follow();
        }
        parts.open.number_beside(last, odd);
        let mut merged = Merged::default();
        // A message after the incident that it is about, whichever changed last.
        items.sort_by_key(|item| !matches!(item, Item::Incident { .. }));
        for item in items {
            if !self.core.leads() {
                self.from_leader.insert(item.key());
            }
            match item {
                Item::Incident { incident, told } => self.merge_incident(*incident, told, parts, &mut merged),
                Item::Message { entry } => self.merge_message(*entry, parts, &mut merged),
                Item::Done { delivery } => self.merge_done(*delivery, parts, &mut merged),
                Item::View { view } => drop(self.views.insert(view.cluster.clone(), view)),
                other => merged.others.push(other),
            }
        }
        self.let_go(newest, wall, parts, &mut merged);
        (merged, news)
    }

    /// Time has passed.
    pub fn look(&mut self, able: Able, in_flight: usize, now: Instant) -> Option<News> {
        let news = self.core.look(able, in_flight, now);
        if self.core.is_silent(now) {
            self.views.clear();
        }
        if news == Some(News::Follow) {
            self.follow();
        }
        news
    }

    fn follow(&mut self) {
        self.letting = Letting::Offering(self.core.ledger.revision());
        self.from_leader.clear();
        self.adopted.clear();
    }

    fn edition(&self, id: i64) -> Option<Edition> {
        match self.core.ledger.get(&Key::Incident(id)) {
            Some(Item::Incident { incident, .. }) => Some(incident.edition),
            _ => None,
        }
    }

    fn merge_incident(&mut self, mut incident: Incident, told: bool, parts: &mut Parts<'_>, merged: &mut Merged) {
        if told {
            self.sent.insert(incident.id);
        }
        let known = self.edition(incident.id);
        if known.is_some_and(|known| known >= incident.edition) || (known.is_none() && self.core.leads() && !told) {
            return;
        }
        if self.core.leads() {
            self.adopted.insert(incident.id);
            self.stamp(&mut incident);
        }
        self.put(incident.clone());
        parts.adopt(incident.clone());
        merged.incidents.push(incident);
    }

    fn merge_message(&mut self, entry: OutboxEntry, parts: &mut Parts<'_>, merged: &mut Merged) {
        let newer = match self.core.ledger.get(&Key::Message(entry.id.clone())) {
            Some(Item::Done { delivery }) => edition_of(&entry) > edition_of(&delivery.entry),
            Some(Item::Message { entry: known }) => {
                (edition_of(&entry), entry.attempts) > (edition_of(known), known.attempts)
            }
            _ => true,
        };
        if !newer || (self.core.leads() && !self.adopted.contains(&entry.notification.incident.id)) {
            return;
        }
        self.core.ledger.put(Item::Message { entry: Box::new(entry.clone()) });
        parts.outbox.adopt(entry.clone());
        merged.messages.push(entry);
    }

    fn merge_done(&mut self, delivery: Delivery, parts: &mut Parts<'_>, merged: &mut Merged) {
        self.attempting(&delivery.entry);
        match self.core.ledger.get(&Key::Message(delivery.entry.id.clone())) {
            Some(Item::Done { .. }) => return,
            // Another message of that number, written while the link was cut.
            Some(Item::Message { entry }) if edition_of(entry) != edition_of(&delivery.entry) => return,
            _ => {}
        }
        self.core.ledger.put(Item::Done { delivery: Box::new(delivery.clone()) });
        parts.outbox.remove(&delivery.entry);
        merged.deliveries.push(delivery);
    }

    /// Lets go of what the leader does not know, once it has heard all that was here and said what it made of it.
    fn let_go(&mut self, newest: u64, wall: Timestamp, parts: &mut Parts<'_>, merged: &mut Merged) {
        let (got, heard) = self.core.other().map_or((0, 0), |o| (o.got, o.has));
        if let Letting::Offering(revision) = self.letting
            && heard >= revision
        {
            self.letting = Letting::Catching(newest);
        }
        if self.core.leads() || !matches!(self.letting, Letting::Catching(up_to) if got >= up_to) {
            return;
        }
        self.letting = Letting::Done;
        let open = parts.open.incidents().chain(parts.groups.incidents()).map(|i| i.id);
        let unknown = |id: &i64| !self.from_leader.contains(&Key::Incident(*id));
        for id in open.filter(unknown).collect::<Vec<_>>() {
            let removed = parts.open.remove(id).or_else(|| parts.groups.remove(id));
            self.core.ledger.remove(&Key::Incident(id));
            if let Some(mut incident) = removed {
                incident.resolved_at = Some(wall.max(incident.started_at));
                note(&mut incident, wall, NOT_OURS.into());
                merged.incidents.push(incident);
            }
        }
        let unknown = |e: &&OutboxEntry| !self.from_leader.contains(&Key::Message(e.id.clone()));
        for entry in parts.outbox.entries().filter(unknown).cloned().collect::<Vec<_>>() {
            parts.outbox.remove(&entry);
            self.core.ledger.remove(&Key::Message(entry.id.clone()));
            let answer = "the other watchdog leads and does not know of it".to_owned();
            let (at, took) = (wall, std::time::Duration::ZERO);
            merged.deliveries.push(Delivery { entry, at, outcome: DeliveryOutcome::Dropped, answer, took });
        }
        self.from_leader = HashSet::new();
    }
}

fn edition_of(entry: &OutboxEntry) -> Edition {
    entry.notification.incident.edition
}

/// What the other needs to know of a message that has gone: not the whole incident.
fn slim(delivery: &Delivery) -> Delivery {
    let mut delivery = delivery.clone();
    let notification = &mut delivery.entry.notification;
    notification.incident.alerts = Vec::new();
    notification.incident.timeline = Vec::new();
    notification.incident.changes = Vec::new();
    notification.incident.fleet = None;
    notification.document = None;
    delivery
}

#[cfg(test)]
mod simulation;

//! Messages on their way: the mirror in memory of the store's outbox. Pure: says what may be sent now and what becomes of
//! it afterwards; sending and storing are the loop's.
//!
//! A queue is one incident at one integration. Within a queue messages go in order, one at a time; queues don't wait for
//! each other, save that an integration has at most [`IN_FLIGHT_MAX`] attempts at once. What is more urgent goes first and
//! has [`IN_FLIGHT_MORE`] attempts of its own, so that a storm of alerts at a slow receiver holds up no outage.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

use crate::{
    model::{Incident, Notification, NotificationKind, OutboxEntry, Severity, text},
    notify::{
        Outcome, receiver_of,
        retry::{RETRY_AFTER_MAX, next_attempt},
    },
    store::{Delivery, DeliveryOutcome},
};

/// Attempts at once to one integration: enough that a slow incident does not hold up another, kind to the receiver.
pub const IN_FLIGHT_MAX: usize = 4;

/// Attempts besides for each step of urgency.
pub const IN_FLIGHT_MORE: usize = 2;

/// Messages kept. A receiver that is down for days in a bad week leaves a few hundred; beyond this the least needed go.
pub const OUTBOX_MAX: usize = 5_000;

/// One incident at one integration.
type QueueKey = (i64, Arc<str>);

/// What goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Urgency {
    /// What the diagnosis found, and what is wrong with the watchdog.
    Found,
    /// Critical alerts of rules and from outside.
    Critical,
    /// The rest.
    Other,
}

impl Urgency {
    fn of(entry: &OutboxEntry) -> Self {
        let incident = &entry.notification.incident;
        match (&incident.group, incident.severity) {
            (None, _) => Urgency::Found,
            (Some(_), Severity::Critical) => Urgency::Critical,
            (Some(_), _) => Urgency::Other,
        }
    }

    /// Attempts that may be in flight for it to begin one.
    fn slots(self) -> usize {
        match self {
            Urgency::Found => IN_FLIGHT_MAX + 2 * IN_FLIGHT_MORE,
            Urgency::Critical => IN_FLIGHT_MAX + IN_FLIGHT_MORE,
            Urgency::Other => IN_FLIGHT_MAX,
        }
    }
}

/// A message that goes for want of room.
#[derive(Clone, Debug, PartialEq)]
pub struct Shed {
    /// Which.
    pub entry: OutboxEntry,
    /// It told of a beginning, and nothing that waits tells of it: its integration is told no end.
    pub unheard: bool,
}

/// Holds what waits, in queues.
#[derive(Debug, Default)]
pub struct Outbox {
    queues: BTreeMap<QueueKey, VecDeque<OutboxEntry>>,
    busy: HashSet<QueueKey>,
    in_flight: HashMap<Arc<str>, usize>,
    len: usize,
}

impl Outbox {
    /// Continues with what an earlier run left.
    pub fn restore(entries: Vec<OutboxEntry>) -> Self {
        let mut outbox = Self::default();
        for entry in entries {
            outbox.push(entry);
        }
        for queue in outbox.queues.values_mut() {
            queue.make_contiguous().sort_by_key(|e| e.notification.sequence);
        }
        outbox
    }

    /// Returns how many messages wait or are being sent.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a message behind those of its queue.
    pub fn push(&mut self, entry: OutboxEntry) {
        self.queues.entry(queue_of(&entry)).or_default().push_back(entry);
        self.len += 1;
    }

    /// Takes what must go for the limit to be kept. What was never tried was heard by nobody: the next message of its queue
    /// says all that it said, and an end is not told where no beginning was.
    pub fn shed(&mut self) -> Vec<Shed> {
        let mut all = Vec::new();
        while let Some((entry, at)) = self.overflow() {
            let key = queue_of(&entry);
            let mut unheard = entry.attempts == 0 && entry.notification.heard.is_none();
            let next = self.queues.get_mut(&key).and_then(|queue| queue.get_mut(at));
            let mut end = None;
            if let Some(next) = next.filter(|_| entry.attempts == 0) {
                next.notification.heard = entry.notification.heard;
                if unheard && next.notification.told == NotificationKind::Resolved {
                    end = self.take(&key, at);
                }
                unheard = false;
            }
            all.push(Shed { entry, unheard });
            all.extend(end.map(|entry| Shed { entry, unheard: false }));
        }
        all
    }

    /// What goes next, and its place in its queue: the oldest update or reminder that is not being sent, else the oldest of the
    /// least urgent messages. What the diagnosis found goes last.
    fn overflow(&mut self) -> Option<(OutboxEntry, usize)> {
        if self.len <= OUTBOX_MAX {
            return None;
        }
        let busy = &self.busy;
        let waiting = self.queues.iter().flat_map(|(key, queue)| {
            let first = usize::from(busy.contains(key));
            queue.iter().enumerate().skip(first).map(move |(i, e)| (key, i, e))
        });
        let dispensable =
            |e: &OutboxEntry| matches!(e.notification.told, NotificationKind::Update | NotificationKind::Reminder);
        let least = |e: &OutboxEntry| {
            let urgency = Urgency::of(e);
            (urgency == Urgency::Found, !dispensable(e), Reverse(urgency), e.notification.at)
        };
        let (key, i, _) = waiting.min_by_key(|(_, _, e)| least(e))?;
        let key = key.clone();
        self.take(&key, i).map(|entry| (entry, i))
    }

    /// Returns whether a message about an incident waits for any integration of a receiver.
    pub fn waits(&self, incident: i64, receiver: &str) -> bool {
        self.queues.keys().any(|(id, integration)| *id == incident && receiver_of(integration) == receiver)
    }

    /// Returns whether any message waits for an integration.
    pub fn has(&self, integration: &str) -> bool {
        self.queues.keys().any(|(_, of)| **of == *integration)
    }

    /// Takes what may be sent now; each must come back through [`Outbox::settle`].
    pub fn due(&mut self, now: Timestamp) -> Vec<OutboxEntry> {
        let heads = self.queues.iter().filter_map(|(key, queue)| Some((key, queue.front()?)));
        let idle = heads.filter(|(key, head)| !self.busy.contains(*key) && is_due(head, now));
        let mut waiting: Vec<(Urgency, &QueueKey, &OutboxEntry)> =
            idle.map(|(key, head)| (Urgency::of(head), key, head)).collect();
        // Stable: of the same urgency the older incident goes first.
        waiting.sort_by_key(|(urgency, ..)| *urgency);
        let mut due = Vec::new();
        for (urgency, key, head) in waiting {
            let in_flight = self.in_flight.entry(key.1.clone()).or_default();
            if *in_flight < urgency.slots() {
                *in_flight += 1;
                self.busy.insert(key.clone());
                due.push(head.clone());
            }
        }
        due
    }

    /// Returns when something may be sent that waits for its time; `None`: nothing waits for time.
    pub fn next_at(&self) -> Option<Timestamp> {
        let heads = self.queues.iter().filter_map(|(key, queue)| Some((key, queue.front()?)));
        let may = |(key, head): &(&QueueKey, &OutboxEntry)| {
            let free = self.in_flight.get(&key.1).is_none_or(|n| *n < Urgency::of(head).slots());
            free && !self.busy.contains(*key)
        };
        heads.filter(may).map(|(_, head)| head.next_at).min()
    }

    /// Takes in how an attempt ended, as it was recorded.
    pub fn settle(&mut self, delivery: &Delivery) {
        let key = queue_of(&delivery.entry);
        self.release(&delivery.entry);
        let Some(at) = self.queues.get(&key).and_then(|q| q.iter().position(|e| e.id == delivery.entry.id)) else {
            return;
        };
        match delivery.outcome {
            DeliveryOutcome::Retried => {
                if let Some(slot) = self.queues.get_mut(&key).and_then(|q| q.get_mut(at)) {
                    *slot = delivery.entry.clone();
                }
            }
            DeliveryOutcome::Delivered | DeliveryOutcome::Dropped => {
                self.take(&key, at);
            }
        }
    }

    /// A receiver is back: what waits for it need not wait for its backoff to end.
    pub fn hurry(&mut self, receiver: &str, now: Timestamp) {
        let queues = self.queues.iter_mut().filter(|(key, _)| &*key.1 == receiver && !self.busy.contains(*key));
        for head in queues.filter_map(|(_, queue)| queue.front_mut()) {
            head.next_at = head.next_at.min(now);
        }
    }

    /// Returns all that waits or is being sent.
    pub fn entries(&self) -> impl Iterator<Item = &OutboxEntry> {
        self.queues.values().flatten()
    }

    /// Takes a message as another watchdog has it, in the place of what is here under its id.
    pub fn adopt(&mut self, entry: OutboxEntry) {
        self.remove(&entry);
        let queue = self.queues.entry(queue_of(&entry)).or_default();
        let at = queue.iter().position(|e| e.notification.sequence > entry.notification.sequence);
        queue.insert(at.unwrap_or(queue.len()), entry);
        self.len += 1;
    }

    /// Takes a message out that another watchdog delivered, or that is of no use any more.
    pub fn remove(&mut self, entry: &OutboxEntry) {
        let key = queue_of(entry);
        let at = self.queues.get(&key).and_then(|queue| queue.iter().position(|e| e.id == entry.id));
        at.and_then(|at| self.take(&key, at));
    }

    /// What was being sent is not any more: the attempts were broken off, since another watchdog sends now.
    pub fn break_off(&mut self) {
        self.busy.clear();
        self.in_flight.clear();
    }

    /// Nothing waits for a backoff to end: another watchdog failed, not we.
    pub fn hurry_all(&mut self, now: Timestamp) {
        for head in self.queues.values_mut().filter_map(|queue| queue.front_mut()) {
            head.next_at = head.next_at.min(now);
        }
    }

    fn release(&mut self, entry: &OutboxEntry) {
        let key = queue_of(entry);
        if self.busy.remove(&key)
            && let Some(n) = self.in_flight.get_mut(&key.1)
        {
            *n = n.saturating_sub(1);
        }
    }

    fn take(&mut self, key: &QueueKey, at: usize) -> Option<OutboxEntry> {
        let queue = self.queues.get_mut(key)?;
        let entry = queue.remove(at)?;
        if queue.is_empty() {
            self.queues.remove(key);
        }
        self.len -= 1;
        Some(entry)
    }
}

/// Returns the message about an incident to one integration.
pub fn entry(notification: &Notification, receiver: &str, give_up_after: Duration) -> OutboxEntry {
    let Incident { id, .. } = notification.incident;
    OutboxEntry {
        id: format!("{id}/{}/{receiver}", notification.sequence),
        receiver: receiver.to_owned(),
        notification: notification.clone(),
        attempts: 0,
        next_at: notification.at,
        give_up_at: later(notification.at, give_up_after),
    }
}

/// Returns what an attempt makes of its entry.
pub fn judge(
    mut entry: OutboxEntry,
    outcome: &Outcome,
    now: Timestamp,
    took: Duration,
    rng: &mut fastrand::Rng,
) -> Delivery {
    entry.attempts = entry.attempts.saturating_add(1);
    let mut answer = outcome.answer().to_owned();
    let outcome = match outcome {
        Outcome::Delivered(_) => DeliveryOutcome::Delivered,
        Outcome::Drop(_) => DeliveryOutcome::Dropped,
        Outcome::Retry { after, .. } => {
            entry.next_at = next_attempt(entry.attempts, *after, now, rng);
            if entry.next_at > entry.give_up_at {
                let waited = Duration::try_from(now.duration_since(entry.notification.at)).unwrap_or_default();
                answer = format!("given up after {} and {} attempts: {answer}", text::duration(waited), entry.attempts);
                DeliveryOutcome::Dropped
            } else {
                DeliveryOutcome::Retried
            }
        }
    };
    Delivery { entry, at: now, outcome, answer, took }
}

fn queue_of(entry: &OutboxEntry) -> QueueKey {
    (entry.notification.incident.id, entry.receiver.as_str().into())
}

/// Due, or waiting longer than any backoff lasts: then the wall clock was set back.
fn is_due(entry: &OutboxEntry, now: Timestamp) -> bool {
    entry.next_at <= now
        || entry.next_at.duration_since(now) > SignedDuration::from_secs(RETRY_AFTER_MAX.as_secs() as i64)
}

/// Saturates, since a configured duration may be absurd.
fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;

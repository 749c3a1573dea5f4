//! Messages: to whom, how many, and what becomes of each attempt.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use super::{
    Dispatch, STORE_WAIT_MAX, elapsed, fleet_words,
    outbox::{self, Outbox},
    routing::is_of_receivers,
};
use crate::{
    clock::Clock,
    model::{
        AlertName, Finding, FindingKey, Incident, Notification, NotificationKind, OutboxEntry, Said, Severity, Topic,
    },
    notify::{Integration, receiver_of},
    store::{Delivery, DeliveryOutcome, Store},
    telemetry::NotificationLabels,
    words,
};

/// One delivery attempt, from the first file read to the last byte of the answer.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// A receiver that has failed for so long is told of through the others. A message that is refused for good is at once.
const FAILING_AFTER: Duration = Duration::from_secs(60);

/// Integrations that do not take their messages, and how many messages each receiver got lately.
#[derive(Debug, Default)]
pub(super) struct Failing {
    by_integration: BTreeMap<String, Trouble>,
    sent: HashMap<String, VecDeque<Timestamp>>,
}

#[derive(Debug)]
struct Trouble {
    since: Timestamp,
    why: String,
    refused: bool,
}

impl Failing {
    /// Continues with the receivers that failed in an earlier run, by its findings: a restart proves nothing of them. Of
    /// whom no message waits, the last one was refused.
    pub(super) fn restore(findings: Vec<Finding>, outbox: &Outbox) -> Self {
        let trouble = |f: Finding| {
            let refused = !outbox.has(&f.key.subject);
            (f.key.subject, Trouble { since: f.since, why: f.evidence.into_iter().next().unwrap_or_default(), refused })
        };
        Self { by_integration: findings.into_iter().map(trouble).collect(), sent: HashMap::new() }
    }

    /// Forgets what is no longer configured.
    pub(super) fn retain(&mut self, integrations: &[Integration]) {
        self.by_integration.retain(|name, _| integrations.iter().any(|i| *i.name == *name));
    }

    /// Returns `(integration, why)`.
    pub(super) fn shown(&self) -> Vec<(String, String)> {
        self.by_integration.iter().map(|(name, t)| (name.clone(), t.why.clone())).collect()
    }

    /// Whether a receiver does not take messages from here. A refusal is one from anywhere; what failed before `forgiven` does not
    /// count, where that is given.
    pub(super) fn fails(&self, forgiven: Option<Duration>, now: Timestamp) -> bool {
        self.by_integration
            .values()
            .filter(|t| !t.refused)
            .any(|t| forgiven.is_none_or(|limit| elapsed(t.since, now) < limit))
    }

    /// Receivers of which an integration fails.
    fn receivers(&self) -> BTreeSet<&str> {
        self.by_integration.keys().map(|name| receiver_of(name)).collect()
    }

    /// As findings of the watchdog itself.
    pub(super) fn findings(&self, now: Timestamp) -> Vec<Finding> {
        let grave = self.by_integration.iter().filter(|(_, t)| t.refused || elapsed(t.since, now) >= FAILING_AFTER);
        grave.map(|(name, trouble)| finding(name, trouble)).collect()
    }

    /// Whether one more message fits into a receiver's limit; counts it.
    fn fits(&mut self, receiver: &str, limit: (u32, Duration), needed: bool, now: Timestamp) -> bool {
        let sent = self.sent.entry(receiver.to_owned()).or_default();
        while sent.front().is_some_and(|at| elapsed(*at, now) >= limit.1 || *at > now) {
            sent.pop_front();
        }
        let fits = needed || sent.len() < limit.0 as usize;
        if fits {
            sent.push_back(now);
        }
        fits
    }
}

fn finding(name: &str, trouble: &Trouble) -> Finding {
    let headline = Said::new("receiver-failing").with("receiver", name);
    let headline = headline.with("refused", if trouble.refused { "yes" } else { "no" });
    Finding {
        evidence: vec![trouble.why.clone()],
        still_works: vec!["probing and history; messages wait in the outbox and are tried again".into()],
        consequences: vec![format!("who counts on {} hears nothing, outages included", receiver_of(name))],
        labels: [("receiver", receiver_of(name)), ("integration", name)]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into(),
        ..words::finding(
            FindingKey { cluster: Arc::default(), alert: AlertName::ReceiverFailing, subject: name.to_owned() },
            (Severity::Critical, Topic::Watchdog),
            headline,
            Said::new("step-receiver"),
            trouble.since,
        )
    }
}

impl Dispatch {
    /// Returns who hears of an incident now: those that its routes name and those that were told before; of its end,
    /// those that were told of its beginning. Of a receiver that fails the others hear.
    pub(super) fn receivers(&self, incident: &Incident, told: NotificationKind, now: Timestamp) -> Vec<String> {
        if told == NotificationKind::Resolved && incident.first_told_at.is_some() {
            return incident.told.iter().cloned().collect();
        }
        let settings = &self.settings;
        let routed = settings.routing.receivers_of(incident, &self.context, now);
        let mut all: Vec<String> = routed.iter().map(ToString::to_string).collect();
        all.extend(incident.told.iter().filter(|r| !routed.iter().any(|x| **x == **r)).cloned());
        if is_of_receivers(incident) {
            let failing = self.failing.receivers();
            all.retain(|r| !failing.contains(r.as_str()));
            if all.is_empty() {
                let others = settings.integrations.iter().map(Integration::receiver).filter(|r| !failing.contains(r));
                all = others.map(str::to_owned).collect::<BTreeSet<_>>().into_iter().collect();
            }
        }
        all
    }

    /// Returns the messages to these receivers; the incident remembers who was written what.
    pub(super) fn messages(
        &mut self,
        incident: &mut Incident,
        told: NotificationKind,
        receivers: &[String],
        now: Timestamp,
    ) -> Vec<OutboxEntry> {
        let settings = self.settings.clone();
        let sequence = incident.messages.saturating_sub(1);
        let topic = if settings.drill { Topic::Drill } else { incident.topic };
        let needed = !matches!(told, NotificationKind::Update | NotificationKind::Reminder);
        let shown = Incident { topic, ..fleet_words::as_told(incident) };
        let mut messages = Vec::new();
        for receiver in receivers {
            if let Some(limit) = settings.rate_limits.get(receiver)
                && !self.failing.fits(receiver, (limit.messages, limit.per), needed, now)
            {
                self.deps.metrics.drop_at("receiver_rate_limit");
                continue;
            }
            let notification = Notification {
                told,
                sequence,
                at: incident.told_at.unwrap_or(now),
                incident: Incident {
                    heard: incident.heard.clone(),
                    unheard: incident.unheard.clone(),
                    ..shown.clone()
                },
                external_url: self.context.external_url.clone(),
                external_labels: settings.external_labels.clone(),
                origin: self.origin.clone(),
                group_labels: settings.routing.group_labels(incident, receiver, &self.context),
                route_labels: settings.routing.route_labels(incident, receiver, &self.context),
                heard: incident.heard.get(receiver).copied(),
                document: None,
            };
            for integration in settings.integrations.iter().filter(|i| i.receiver() == receiver && i.wants(told)) {
                let unheard = incident.unheard.contains(&*integration.name);
                // An end is told where the beginning was; any other message tells it.
                if unheard && told == NotificationKind::Resolved {
                    continue;
                }
                let wants_ends = integration.wants(NotificationKind::Resolved);
                let notification =
                    if wants_ends { Some(notification.clone()) } else { notification.clone().without_ends() };
                let Some(notification) = notification else { continue };
                incident.unheard.remove(&*integration.name);
                let mut entry = outbox::entry(&notification, &integration.name, settings.give_up_after);
                entry.notification.heard = notification.heard.filter(|_| !unheard);
                messages.push(entry);
            }
            incident.heard.insert(receiver.clone(), sequence);
        }
        messages
    }

    /// Returns a message that is never sent, to be recorded.
    pub(super) fn dropped(&mut self, entry: OutboxEntry, why: &str) -> Delivery {
        warn!(receiver = entry.receiver, message_id = entry.id, "a notification is dropped: {why}");
        self.count(&entry.receiver, DeliveryOutcome::Dropped);
        let (at, outcome) = (self.deps.clock.wall(), DeliveryOutcome::Dropped);
        let delivery = Delivery { entry, at, outcome, answer: why.to_owned(), took: Duration::ZERO };
        self.share_delivery(&delivery);
        delivery
    }

    /// What becomes of a message is known to both of two watchdogs.
    fn share_delivery(&mut self, delivery: &Delivery) {
        self.peers.sending.remove(&delivery.entry.id);
        if let Some(shared) = &mut self.peers.shared {
            shared.attempted(delivery);
            self.peers.news.notify_one();
        }
    }

    pub(super) async fn start_attempts(&mut self) {
        if !self.may_send() {
            return;
        }
        let mut homeless = Vec::new();
        for entry in self.outbox.due(self.deps.clock.wall()) {
            let Some(integration) = self.settings.integrations.iter().find(|i| *i.name == *entry.receiver) else {
                let delivery = self.dropped(entry, "its receiver is no longer configured");
                self.outbox.settle(&delivery);
                homeless.push(delivery);
                continue;
            };
            if let Some(shared) = &mut self.peers.shared {
                shared.attempting(&entry);
                self.peers.sending.insert(entry.id.clone(), self.deps.clock.mono());
            }
            let (store, clock) = (self.deps.store.clone(), self.deps.clock.clone());
            self.attempts.spawn(attempt(entry, integration.clone(), store, clock));
        }
        self.record(homeless).await;
    }

    pub(super) fn attempted(&mut self, delivery: &Delivery) {
        self.outbox.settle(delivery);
        self.share_delivery(delivery);
        self.count(&delivery.entry.receiver, delivery.outcome);
        self.deps.metrics.notification_seconds.observe(delivery.took.as_secs_f64());
        let (receiver, message, answer) = (&delivery.entry.receiver, &delivery.entry.id, &delivery.answer);
        let known = self.failing.by_integration.contains_key(receiver);
        match delivery.outcome {
            DeliveryOutcome::Delivered => {
                info!(receiver, message_id = message, answer, "notification delivered");
                if self.failing.by_integration.remove(receiver).is_some() {
                    info!(receiver, "the receiver works again");
                    self.outbox.hurry(receiver, self.deps.clock.wall());
                }
                return;
            }
            DeliveryOutcome::Retried if known => {
                tracing::debug!(receiver, message_id = message, answer, "the receiver still fails");
            }
            DeliveryOutcome::Retried => {
                warn!(receiver, message_id = message, answer, "the receiver fails; the notification is tried again");
            }
            DeliveryOutcome::Dropped => {
                tracing::error!(receiver, message_id = message, answer, "a notification could not be delivered");
            }
        }
        let refused = delivery.outcome == DeliveryOutcome::Dropped;
        let trouble = Trouble { since: delivery.at, why: String::new(), refused };
        let trouble = self.failing.by_integration.entry(receiver.clone()).or_insert(trouble);
        trouble.why.clone_from(answer);
        trouble.refused |= refused;
        self.decide_soon();
    }

    fn count(&self, receiver: &str, outcome: DeliveryOutcome) {
        let outcome = match outcome {
            DeliveryOutcome::Delivered => "delivered",
            DeliveryOutcome::Retried => "retried",
            DeliveryOutcome::Dropped => "dropped",
        };
        let labels = NotificationLabels { receiver: receiver.to_owned(), outcome };
        self.deps.metrics.notifications.get_or_create(&labels).inc();
    }

    /// Returns whether a receiver has not accepted what it was told of an incident.
    pub(super) fn waits_for(&self, receiver: &str, incident: i64) -> bool {
        let refused = |(name, t): (&String, &Trouble)| t.refused && receiver_of(name) == receiver;
        self.outbox.waits(incident, receiver) || self.failing.by_integration.iter().any(refused)
    }
}

/// Sends, judges and records; the record is queued before the next attempt of the same message can begin.
async fn attempt(entry: OutboxEntry, integration: Integration, store: Store, clock: Clock) -> Delivery {
    let began = Instant::now();
    let outcome = integration.send(&entry.notification, began + ATTEMPT_TIMEOUT).await;
    let now: Timestamp = clock.wall();
    let delivery = outbox::judge(entry, &outcome, now, began.elapsed(), &mut fastrand::Rng::new());
    // A store that hangs has it queued all the same.
    let _ = timeout(STORE_WAIT_MAX, store.record_delivery(delivery.clone())).await;
    delivery
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_limit_lets_what_is_needed_pass_and_forgets_what_is_old() {
        let mut failing = Failing::default();
        let at = |s: i64| Timestamp::from_second(1_700_000_000 + s).unwrap();
        let limit = (2, Duration::from_secs(60));
        assert!(failing.fits("ops", limit, false, at(0)));
        assert!(failing.fits("ops", limit, true, at(1)));
        assert!(!failing.fits("ops", limit, false, at(2)));
        assert!(failing.fits("ops", limit, true, at(3)), "a new incident is never dropped");
        assert!(failing.fits("db", limit, false, at(3)));
        assert!(failing.fits("ops", limit, false, at(64)));
    }
}

//! From diagnoses to messages: `incident` decides, `outbox` orders, this loop applies: one owner, no locks of its own.
//!
//! Order, never changed: decide → store the incident and its messages in one transaction → send → record the answer. So a
//! crash may repeat a message and never loses one. Nothing here waits long for the store (a message is sent from memory
//! where the disk hangs) and deciding never waits for a receiver: attempts run in tasks of their own.

pub mod config;
pub mod incident;
pub mod inhibit;
pub mod matchers;
pub mod outbox;
mod picture;
mod rank;
pub mod route;
mod shape;
pub mod silence;
pub mod times;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep_until, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    clock::Clock,
    model::{Diagnosis, Incident, Live, Notification, OutboxEntry, Told},
    notify::{
        Integration,
        config::{NotificationsConfig, RouteConfig},
        words,
    },
    store::{Delivery, DeliveryOutcome, Restored, Store},
    telemetry::{Metrics, NotificationLabels},
};
use incident::{Change, Open, Pace};
use outbox::Outbox;

/// One delivery attempt, from the first file read to the last byte of the answer.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// The store answers at once or says that it buffers; on a disk that hangs we go on after this, the write stays queued.
const STORE_WAIT_MAX: Duration = Duration::from_secs(2);

/// Attempts in flight may end within this when the watchdog stops; what does not stays in the outbox.
const STOP_GRACE: Duration = Duration::from_secs(3);

/// How often the clock is looked at while something is held.
const TICK_HOLDING: Duration = Duration::from_millis(250);

/// How often it is while incidents are open (updates, reminders).
const TICK_OPEN: Duration = Duration::from_secs(5);

/// The shortest pause before the outbox is looked at again.
const TICK_OUTBOX_MIN: Duration = Duration::from_millis(20);

/// Resolved incidents shown.
const RESOLVED_SHOWN: usize = 20;

/// When incidents are told, and how long delivery is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Updates and reminders.
    pub pace: Pace,
    /// A message that nobody took for so long is given up.
    pub give_up_after: Duration,
}

impl Policy {
    /// From the configuration; without a route its defaults count.
    pub fn new(route: Option<&RouteConfig>, notifications: &NotificationsConfig) -> Self {
        let defaults = RouteConfig::default();
        let route = route.unwrap_or(&defaults);
        let pace = Pace { group_interval: route.group_interval, repeat_interval: route.repeat_interval };
        Self { pace, give_up_after: notifications.give_up_after }
    }
}

/// What a reload may change.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where messages go.
    pub integrations: Vec<Integration>,
    /// When.
    pub policy: Policy,
    /// Where people find dogwatch; empty: nowhere.
    pub external_url: String,
    /// Added to every alert.
    pub external_labels: BTreeMap<String, String>,
    /// The clusters watched; incidents of any other are closed.
    pub clusters: BTreeSet<Arc<str>>,
}

/// What dispatch needs.
#[derive(Debug)]
pub struct Deps {
    /// Remembers.
    pub store: Store,
    /// Shown to people.
    pub live: Live,
    /// Counted.
    pub metrics: Arc<Metrics>,
    /// Time.
    pub clock: Clock,
    /// The configuration, new after each reload.
    pub settings: watch::Receiver<Arc<Settings>>,
}

/// The loop and all that it owns.
#[derive(Debug)]
pub struct Dispatch {
    deps: Deps,
    settings: Arc<Settings>,
    origin: String,
    open: Open,
    resolved: VecDeque<Incident>,
    latest: HashMap<Arc<str>, Diagnosis>,
    outbox: Outbox,
    attempts: JoinSet<Delivery>,
    failing: BTreeMap<String, String>,
}

/// Why the loop woke.
enum Action {
    Diagnosed(Diagnosis),
    Attempted(Box<Delivery>),
    Reloaded,
    Tick,
    Stop,
}

impl Dispatch {
    /// Continues where an earlier run on the same database ended.
    pub fn new(mut deps: Deps, restored: &Restored) -> Self {
        let settings = deps.settings.borrow_and_update().clone();
        let resolved = restored.incidents.iter().filter(|i| i.resolved_at.is_some()).take(RESOLVED_SHOWN).cloned();
        Self {
            open: Open::restore(restored.incidents.iter().cloned(), restored.last_incident_id),
            resolved: resolved.collect(),
            outbox: Outbox::restore(restored.outbox.clone()),
            origin: restored.origin.clone(),
            deps,
            settings,
            latest: HashMap::new(),
            attempts: JoinSet::new(),
            failing: BTreeMap::new(),
        }
    }

    /// Runs until `stop`, or until nobody can diagnose any more. Attempts in flight may end; what does not, and all that
    /// waits, is in the store's outbox for the next run.
    pub async fn run(mut self, mut diagnoses: mpsc::Receiver<Diagnosis>, stop: CancellationToken) {
        self.reload().await;
        loop {
            self.start_attempts().await;
            self.publish();
            match self.select(&mut diagnoses, &stop).await {
                Action::Diagnosed(diagnosis) => self.diagnosed(diagnosis).await,
                Action::Attempted(delivery) => self.attempted(&delivery),
                Action::Reloaded => self.reload().await,
                Action::Tick => self.tick().await,
                Action::Stop => break,
            }
        }
        let deadline = Instant::now() + STOP_GRACE;
        while let Ok(Some(Ok(delivery))) = timeout_at(deadline, self.attempts.join_next()).await {
            self.attempted(&delivery);
        }
        self.publish();
    }

    async fn select(&mut self, diagnoses: &mut mpsc::Receiver<Diagnosis>, stop: &CancellationToken) -> Action {
        let wake = self.wake_at();
        tokio::select! {
            biased;
            () = stop.cancelled() => Action::Stop,
            Some(done) = self.attempts.join_next() => match done {
                Ok(delivery) => Action::Attempted(Box::new(delivery)),
                Err(e) => {
                    // Only a panic in a receiver's code: its lane stays busy until a restart, the others go on.
                    warn!("a delivery attempt broke off: {e}");
                    Action::Tick
                }
            },
            Ok(()) = self.deps.settings.changed() => Action::Reloaded,
            diagnosis = diagnoses.recv() => diagnosis.map_or(Action::Stop, Action::Diagnosed),
            () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => Action::Tick,
        }
    }

    /// When to look again without being asked.
    fn wake_at(&self) -> Option<Instant> {
        let now = self.deps.clock.wall();
        let outbox = self
            .outbox
            .next_at()
            .map(|at| Duration::try_from(at.duration_since(now)).unwrap_or_default().clamp(TICK_OUTBOX_MIN, TICK_OPEN));
        let incidents = match (self.open.is_holding(), self.open.incidents().next()) {
            (true, _) => Some(TICK_HOLDING),
            (false, Some(_)) => Some(TICK_OPEN),
            (false, None) => None,
        };
        [outbox, incidents].into_iter().flatten().min().map(|pause| self.deps.clock.mono() + pause)
    }

    async fn diagnosed(&mut self, diagnosis: Diagnosis) {
        let changes = self.open.step(&diagnosis, self.deps.clock.wall(), &self.settings.policy.pace);
        self.latest.insert(diagnosis.cluster.clone(), diagnosis);
        self.apply(changes).await;
    }

    /// Looks at the last diagnoses again: holds end and reminders fall due without new ones.
    async fn tick(&mut self) {
        let now = self.deps.clock.wall();
        let pace = self.settings.policy.pace;
        let changes = self.latest.values().flat_map(|d| self.open.step(d, now, &pace)).collect();
        self.apply(changes).await;
    }

    async fn reload(&mut self) {
        self.settings = self.deps.settings.borrow_and_update().clone();
        self.latest.retain(|cluster, _| cluster.is_empty() || self.settings.clusters.contains(cluster));
        let known: HashSet<Arc<str>> = self.settings.integrations.iter().map(|i| i.name.clone()).collect();
        self.failing.retain(|receiver, _| known.contains(receiver.as_str()));
        let changes = self.open.retain_clusters(&self.settings.clusters, self.deps.clock.wall());
        self.apply(changes).await;
    }

    /// Stores what changed with its messages in one transaction, and only then lets them go.
    async fn apply(&mut self, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        let mut incidents = Vec::new();
        let mut messages = Vec::new();
        for Change { incident, told } in changes {
            if let Some(told) = told {
                log(&incident, told);
                messages.extend(self.messages(&incident, told));
            }
            if incident.resolved_at.is_some() {
                self.resolved.push_front(incident.clone());
                self.resolved.truncate(RESOLVED_SHOWN);
            }
            incidents.push(incident);
        }
        let commit = self.deps.store.commit(incidents, messages.clone());
        if timeout(STORE_WAIT_MAX, commit).await.is_err() {
            warn!("the store does not answer; messages are sent from memory");
        }
        for message in messages {
            self.outbox.push(message);
        }
        while let Some(entry) = self.outbox.overflow() {
            self.deps.metrics.drop_at("outbox");
            self.discard(entry, &format!("more than {} messages wait", outbox::OUTBOX_MAX)).await;
        }
    }

    fn messages(&self, incident: &Incident, told: Told) -> Vec<OutboxEntry> {
        let notification = Notification {
            told,
            sequence: incident.messages.saturating_sub(1),
            at: incident.told_at.unwrap_or_else(|| self.deps.clock.wall()),
            incident: incident.clone(),
            external_url: self.settings.external_url.trim_end_matches('/').to_owned(),
            external_labels: self.settings.external_labels.clone(),
            origin: self.origin.clone(),
        };
        let wanted = self.settings.integrations.iter().filter(|i| i.wants(told));
        wanted.map(|i| outbox::entry(&notification, &i.name, self.settings.policy.give_up_after)).collect()
    }

    /// Records that a message is never sent.
    async fn discard(&mut self, entry: OutboxEntry, why: &str) -> Delivery {
        warn!(receiver = entry.receiver, message = entry.id, "a notification is dropped: {why}");
        self.count(&entry.receiver, DeliveryOutcome::Dropped);
        let at = self.deps.clock.wall();
        let delivery =
            Delivery { entry, at, outcome: DeliveryOutcome::Dropped, answer: why.to_owned(), took: Duration::ZERO };
        // Not recorded in time: it stays queued in the store.
        let _ = timeout(STORE_WAIT_MAX, self.deps.store.record_delivery(delivery.clone())).await;
        delivery
    }

    async fn start_attempts(&mut self) {
        for entry in self.outbox.due(self.deps.clock.wall()) {
            let Some(integration) = self.settings.integrations.iter().find(|i| *i.name == *entry.receiver) else {
                let delivery = self.discard(entry, "its receiver is no longer configured").await;
                self.outbox.settle(&delivery);
                continue;
            };
            let (store, clock) = (self.deps.store.clone(), self.deps.clock.clone());
            self.attempts.spawn(attempt(entry, integration.clone(), store, clock));
        }
    }

    fn attempted(&mut self, delivery: &Delivery) {
        self.outbox.settle(delivery);
        self.count(&delivery.entry.receiver, delivery.outcome);
        self.deps.metrics.notification_seconds.observe(delivery.took.as_secs_f64());
        let (receiver, message, answer) = (&delivery.entry.receiver, &delivery.entry.id, &delivery.answer);
        match delivery.outcome {
            DeliveryOutcome::Delivered => {
                info!(receiver, message, answer, "notification delivered");
                if self.failing.remove(receiver).is_some() {
                    info!(receiver, "the receiver works again");
                    self.outbox.hurry(receiver, self.deps.clock.wall());
                }
            }
            DeliveryOutcome::Retried if self.failing.contains_key(receiver) => {
                tracing::debug!(receiver, message, answer, "the receiver still fails");
                self.failing.insert(receiver.clone(), answer.clone());
            }
            DeliveryOutcome::Retried => {
                warn!(receiver, message, answer, "the receiver fails; the notification is tried again");
                self.failing.insert(receiver.clone(), answer.clone());
            }
            DeliveryOutcome::Dropped => {
                tracing::error!(receiver, message, answer, "a notification could not be delivered");
                self.failing.insert(receiver.clone(), answer.clone());
            }
        }
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

    /// Shows how things stand.
    fn publish(&self) {
        let pending = self.outbox.len();
        self.deps.metrics.outbox_pending.set(i64::try_from(pending).unwrap_or(i64::MAX));
        let mut incidents: Vec<Incident> = self.open.incidents().cloned().collect();
        incidents.sort_by_key(|i| (std::cmp::Reverse(i.severity), std::cmp::Reverse(i.id)));
        incidents.extend(self.resolved.iter().cloned());
        let mut live = self.deps.live.write();
        live.incidents = incidents;
        live.outbox_pending = pending;
        live.failing_receivers = self.failing.iter().map(|(r, why)| (r.clone(), why.clone())).collect();
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

fn log(incident: &Incident, told: Told) {
    let (id, cluster, headline) = (incident.id, words::place(incident), &incident.headline);
    let severity = incident.severity.to_string();
    match told {
        Told::Opened => info!(id, cluster, severity, "incident opened: {headline}"),
        Told::Worse => info!(id, cluster, severity, "incident got worse: {headline}"),
        Told::Update => info!(id, cluster, severity, "incident changed: {headline}"),
        Told::Reminder => info!(id, cluster, severity, "incident lasts: {headline}"),
        Told::Resolved => info!(id, cluster, severity, "incident resolved: {headline}"),
    }
}

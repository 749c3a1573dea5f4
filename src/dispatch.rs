//! From diagnoses and alerts to messages: `incident` and `group` decide, `outbox` orders, this loop applies: one owner, no
//! locks of its own.
//!
//! Order, never changed: decide → store the incident and its messages in one transaction → send → record the answer. So a
//! crash may repeat a message and never loses one. Nothing here waits long for the store (a message is sent from memory
//! where the disk hangs) and deciding never waits for a receiver: attempts run in tasks of their own.

mod accept;
pub mod alerts;
mod apply;
pub mod config;
mod decide;
mod deliver;
mod diagnosis_view;
pub mod drill;
mod explain;
mod flap;
mod fleet;
mod fleet_words;
pub mod group;
pub mod incident;
mod incident_record;
pub mod inhibit;
mod likely_causes;
pub mod matchers;
pub mod outbox;
mod overflow;
mod peer_views;
pub mod peers;
mod precedence;
mod recent;
pub mod report;
pub mod route;
mod routing;
pub mod shared;
pub mod silence;
pub mod submissions;
mod suppression;
pub mod times;
mod what_changed;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep_until, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use self::{
    alerts::Table, deliver::Failing, group::Groups, incident::Open, outbox::Outbox, silence::Silences,
    submissions::Request,
};
pub use self::{peers::PeerSettings, routing::Routing, submissions::Submissions};
use crate::{
    clock::Clock,
    model::{AlertContext, AlertName, Diagnosis, Finding, Firing, Incident, Live, findings_of},
    notify::{self, Integration, config::RateLimit},
    store::{Delivery, Restored, Store},
    telemetry::Metrics,
};

/// The store answers at once or says that it buffers; on a disk that hangs we go on after this, the write stays queued.
const STORE_WAIT_MAX: Duration = Duration::from_secs(2);

/// Attempts in flight may end within this when the watchdog stops; what does not stays in the outbox.
const STOP_GRACE: Duration = Duration::from_secs(3);

/// How often the clock is looked at while something is held.
const TICK_HOLDING: Duration = Duration::from_millis(250);

/// How often it is otherwise: updates, reminders, ends of posted alerts, news of heartbeats.
const TICK: Duration = Duration::from_secs(1);

/// The shortest pause before the outbox is looked at again.
const TICK_OUTBOX_MIN: Duration = Duration::from_millis(20);

/// However much is said, alerts are held against the diagnosis no more often than this.
const DECIDE_REST: Duration = Duration::from_millis(100);

/// Looking takes at most one part in so many of a core: it rests as many times as long as it took. A diagnosis that says
/// something new does not wait for that.
const DECIDE_SHARE: u32 = 20;

/// However long a look took, an alert waits no longer than this for the next.
const DECIDE_REST_MAX: Duration = Duration::from_secs(2);

/// Resolved incidents shown.
const RESOLVED_SHOWN: usize = 20;

/// Holds what a reload may change.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where messages go.
    pub integrations: Vec<Integration>,
    /// How many, by receiver.
    pub rate_limits: BTreeMap<String, RateLimit>,
    /// To whom, and when.
    pub routing: Routing,
    /// Findings that are no more than a warning are told when they have lasted so long.
    pub tell_warnings_after: Duration,
    /// A message that nobody took for so long is given up.
    pub give_up_after: Duration,
    /// A posted alert without an end ends after this.
    pub resolve_timeout: Duration,
    /// Where people find dogwatch; empty: nowhere.
    pub external_url: String,
    /// Added to every alert.
    pub external_labels: BTreeMap<String, String>,
    /// The clusters watched; incidents of any other are closed.
    pub clusters: BTreeSet<Arc<str>>,
    /// The rule groups that are evaluated, by key: before each has been heard of, nothing of them ends.
    pub rule_groups: BTreeSet<Arc<str>>,
    /// Everything is a drill, and says so.
    pub drill: bool,
    /// There is another watchdog.
    pub peer: Option<PeerSettings>,
}

impl Settings {
    /// Returns whether a cluster is watched; without a name it is the watchdog itself.
    fn watches(&self, cluster: &Arc<str>) -> bool {
        cluster.is_empty() || self.clusters.contains(cluster)
    }
}

/// Holds what dispatch needs of the rest.
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

/// Holds what dispatch hears.
#[derive(Debug)]
pub struct Inputs {
    /// Diagnoses of clusters and of the watchdog itself.
    pub diagnoses: mpsc::Receiver<Diagnosis>,
    /// What rule groups say.
    pub firing: mpsc::Receiver<Firing>,
    /// What is handed in.
    pub requests: mpsc::Receiver<Request>,
    /// Findings from elsewhere (heartbeats, rules that fail); they join the diagnosis of their cluster.
    pub findings: Vec<watch::Receiver<Arc<Vec<Finding>>>>,
}

/// Runs the loop and owns all that it decides on.
#[derive(Debug)]
pub struct Dispatch {
    deps: Deps,
    settings: Arc<Settings>,
    /// What the settings add to every alert.
    context: Arc<AlertContext>,
    origin: String,
    open: Open,
    groups: Groups,
    table: Table,
    silences: Silences,
    resolved: VecDeque<Arc<Incident>>,
    latest: HashMap<Arc<str>, Arc<Diagnosis>>,
    findings: Vec<watch::Receiver<Arc<Vec<Finding>>>>,
    outbox: Outbox,
    attempts: JoinSet<Delivery>,
    failing: Failing,
    memory: decide::Memory,
    /// When this run began.
    began: Timestamp,
    acts: what_changed::Acts,
    dropped_messages: overflow::DroppedMessages,
    decide_at: Option<Instant>,
    /// Incidents have changed since they were last shown.
    changed: bool,
    peers: peers::Peers,
}

/// Why the loop woke.
#[derive(Debug)]
pub struct Action(Woken);

#[derive(Debug)]
enum Woken {
    Diagnosed(Diagnosis),
    Evaluated(Firing),
    Submitted(Request),
    Attempted(Box<Delivery>),
    Reloaded,
    Tick,
    Stop,
}

impl Dispatch {
    /// Continues where an earlier run on the same database ended.
    pub fn new(mut deps: Deps, restored: &Restored) -> Self {
        let settings = deps.settings.borrow_and_update().clone();
        let context = context(&settings);
        let now = deps.clock.wall();
        let outbox = Outbox::restore(restored.outbox.clone());
        let of_receivers = findings_of(&restored.incidents, AlertName::ReceiverFailing).into_iter();
        let failed = of_receivers.filter_map(|mut finding| {
            finding.key.subject = peer_views::without_vantage(&finding.key.subject, settings.peer.as_ref())?.to_owned();
            Some(finding)
        });
        let failed = failed.collect();
        let resolved = restored.incidents.iter().filter(|i| i.resolved_at.is_some()).take(RESOLVED_SHOWN).cloned();
        Self {
            open: Open::restore(restored.incidents.iter().cloned(), restored.last_incident_id),
            groups: Groups::restore(restored.incidents.iter().cloned()),
            table: Table::restore(restored.alerts.clone(), context.clone(), now),
            silences: Silences::restore(restored.silences.clone(), now),
            resolved: resolved.map(Arc::new).collect(),
            failing: Failing::restore(failed, &outbox),
            outbox,
            origin: restored.origin.clone(),
            deps,
            settings,
            context,
            latest: HashMap::new(),
            findings: Vec::new(),
            attempts: JoinSet::new(),
            memory: decide::Memory::restore(&restored.incidents, now),
            began: now,
            acts: what_changed::Acts::default(),
            dropped_messages: overflow::DroppedMessages::default(),
            decide_at: None,
            changed: true,
            peers: peers::Peers::default(),
        }
    }

    /// Runs until `stop`, or until nobody can diagnose any more. Attempts in flight may end; what does not, and all that
    /// waits, is in the store's outbox for the next run.
    pub async fn run(mut self, mut inputs: Inputs, stop: CancellationToken) {
        self.begin(&mut inputs).await;
        loop {
            let action = self.next(&mut inputs, &stop).await;
            if !self.apply(action).await {
                break;
            }
        }
        let deadline = Instant::now() + STOP_GRACE;
        while let Ok(Some(Ok(delivery))) = timeout_at(deadline, self.attempts.join_next()).await {
            self.attempted(&delivery);
        }
        self.publish();
    }

    /// Takes up its work: the configuration, and what an earlier run left. With [`Dispatch::next`] and [`Dispatch::apply`]
    /// it is the loop in steps, for those who own time.
    pub async fn begin(&mut self, inputs: &mut Inputs) {
        self.findings = std::mem::take(&mut inputs.findings);
        self.reload().await;
        self.start_attempts().await;
        self.publish();
    }

    /// Does what it woke for. Returns false where that is to end.
    pub async fn apply(&mut self, Action(woken): Action) -> bool {
        match woken {
            Woken::Diagnosed(diagnosis) => self.diagnosed(diagnosis),
            Woken::Evaluated(firing) => self.evaluated(firing),
            Woken::Submitted(request) => self.accept(request).await,
            Woken::Attempted(delivery) => self.attempted(&delivery),
            Woken::Reloaded => {
                self.acts.note(self.deps.clock.wall(), "dogwatch's configuration was reloaded".into());
                self.reload().await;
            }
            Woken::Tick => {}
            Woken::Stop => return false,
        }
        self.look_at_peer().await;
        if self.decide_at.is_some_and(|at| at <= self.deps.clock.mono()) {
            self.decide().await;
        }
        self.start_attempts().await;
        self.publish();
        true
    }

    /// Returns whether messages are on their way.
    pub fn is_sending(&self) -> bool {
        !self.attempts.is_empty()
    }

    /// Waits for what there is to do next.
    pub async fn next(&mut self, inputs: &mut Inputs, stop: &CancellationToken) -> Action {
        let wake = self.wake_at();
        let woken = tokio::select! {
            biased;
            () = stop.cancelled() => Woken::Stop,
            // First, and rare: neither a storm of alerts nor receivers that answer all the time hold up an outage.
            diagnosis = inputs.diagnoses.recv() => diagnosis.map_or(Woken::Stop, Woken::Diagnosed),
            Some(done) = self.attempts.join_next() => match done {
                Ok(delivery) => Woken::Attempted(Box::new(delivery)),
                Err(e) => {
                    // Only a panic in a receiver's code: its queue stays busy until a restart, the others go on.
                    warn!("a delivery attempt broke off: {e}");
                    Woken::Tick
                }
            },
            Ok(()) = self.deps.settings.changed() => Woken::Reloaded,
            // Evaluations before what is posted: they come no oftener than their intervals, posts as often as somebody likes.
            Some(firing) = inputs.firing.recv() => Woken::Evaluated(firing),
            Some(request) = inputs.requests.recv() => Woken::Submitted(request),
            () = sleep_until(wake) => {
                self.decide_soon();
                Woken::Tick
            }
        };
        Action(woken)
    }

    /// When to look again without being asked.
    fn wake_at(&self) -> Instant {
        let (now, mono) = (self.deps.clock.wall(), self.deps.clock.mono());
        let outbox = self
            .outbox
            .next_at()
            .filter(|_| self.may_send())
            .map(|at| Duration::try_from(at.duration_since(now)).unwrap_or_default().clamp(TICK_OUTBOX_MIN, TICK));
        let holding = self.open.is_holding() || self.groups.is_waiting() || self.memory.is_holding();
        let tick = if holding { TICK_HOLDING } else { TICK };
        let pause = outbox.map_or(tick, |o| o.min(tick));
        self.decide_at.map_or(mono + pause, |at| at.min(mono + pause))
    }

    fn diagnosed(&mut self, mut diagnosis: Diagnosis) {
        // Said before a reload took the cluster away.
        if !self.settings.watches(&diagnosis.cluster) {
            return;
        }
        self.date(&mut diagnosis);
        let known = self.latest.get(&diagnosis.cluster);
        let news = known.is_none_or(|k| k.findings != diagnosis.findings || k.blind != diagnosis.blind);
        self.latest.insert(diagnosis.cluster.clone(), Arc::new(diagnosis));
        if news { self.decide_within(DECIDE_REST) } else { self.decide_soon() }
    }

    /// What has no date of its own began when it was first seen, however often it is seen again.
    fn date(&self, diagnosis: &mut Diagnosis) {
        let before = self.latest.get(&diagnosis.cluster);
        for finding in diagnosis.findings.iter_mut().filter(|f| f.key.alert.cause().undated) {
            let known = before.and_then(|d| d.findings.iter().find(|f| f.key == finding.key)).map(|f| f.since);
            let began = known.into_iter().chain(self.open.began(&finding.key)).min();
            finding.since = began.map_or(finding.since, |at| at.min(finding.since));
        }
    }

    /// What was heard is decided on together with what comes right after it. Looks at many alerts rest the longer.
    fn decide_soon(&mut self) {
        self.decide_within((self.memory.took * DECIDE_SHARE).clamp(DECIDE_REST, DECIDE_REST_MAX));
    }

    fn decide_within(&mut self, rest: Duration) {
        let soon = self.memory.decided_at.map_or_else(|| self.deps.clock.mono(), |at| at + rest);
        self.decide_at = Some(self.decide_at.map_or(soon, |at| at.min(soon)));
    }

    async fn reload(&mut self) {
        self.settings = self.deps.settings.borrow_and_update().clone();
        self.context = context(&self.settings);
        self.table.recomplete(self.context.clone());
        self.latest.retain(|cluster, _| self.settings.watches(cluster));
        self.failing.retain(&self.settings.integrations);
        self.groups.rehome(self.settings.routing.tree.as_ref());
        self.table.retain_rules(&self.settings.rule_groups);
        let now = self.deps.clock.wall();
        self.configure_peer();
        // Who follows takes it from the leader, and does it itself when it leads.
        if self.leads() {
            let changes = self.open.retain_clusters(&self.settings.clusters, now);
            let batch = self.prepare(changes, now);
            self.commit(batch).await;
        }
        self.decide_soon();
    }

    fn incident_mut(&mut self, id: i64) -> Option<&mut Incident> {
        match self.open.incident_mut(id) {
            Some(incident) => Some(incident),
            None => self.groups.incident_mut(id),
        }
    }

    fn all_open(&self) -> impl Iterator<Item = &Incident> {
        self.open.incidents().chain(self.groups.incidents())
    }

    /// Shows how things stand: incidents are shared with those who look, and only when they have changed.
    fn publish(&mut self) {
        let pending = self.outbox.len();
        self.deps.metrics.outbox_pending.set(i64::try_from(pending).unwrap_or(i64::MAX));
        let incidents = std::mem::take(&mut self.changed).then(|| {
            let mut incidents: Vec<Arc<Incident>> = self.open.shared().chain(self.groups.shared()).cloned().collect();
            incidents.sort_by_key(|i| (std::cmp::Reverse(i.severity), std::cmp::Reverse(i.id)));
            incidents.extend(self.resolved.iter().cloned());
            incidents
        });
        let mut live = self.deps.live.write();
        if let Some(incidents) = incidents {
            live.incidents = incidents;
        }
        live.outbox_pending = pending;
        live.failing_receivers = self.failing.shown();
    }
}

fn context(settings: &Settings) -> Arc<AlertContext> {
    Arc::new(notify::alert_context(&settings.external_labels, &settings.external_url, settings.drill))
}

/// Time since, never negative.
fn elapsed(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

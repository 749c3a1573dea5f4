//! The one owner of what is known: observation → verdict → store batch, latest values, diagnosis.
//!
//! `action = select().await; apply(action)`, apply never waits: the store queues, the schedule's and the dispatcher's
//! channels are tried and level-triggered, so that what does not fit now is said again at the next tick.
//! Decides nothing itself: verdicts and diagnoses are `health`'s.

pub mod cluster;
mod elsewhere;
mod presence;
mod roster;
pub mod samples;
mod seen_changes;
#[cfg(test)]
mod tests;
mod visibility;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    sync::{Notify, mpsc, watch},
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

pub use self::cluster::{ClusterNews, ClusterUpdate};
use self::{
    cluster::{Cluster, Observed, Watched},
    presence::Presence,
};
use crate::{
    clock::Clock,
    health::{
        Thresholds,
        own_faults::{self, OwnView},
    },
    model::{
        Diagnosis, Job, Live, Observation, Reason, Sample, State, Target, TargetKey, Vantage, Verdict, VerdictChange,
        ended,
    },
    schedule::{Command, Report},
    store::Store,
    telemetry::Metrics,
    vantage::VantageReport,
};

/// The loop looks at every cluster at least this often.
const TICK: Duration = Duration::from_millis(200);
/// A cluster in which nothing changes is diagnosed anew this often: leases and certificates age by themselves.
const REDIAGNOSE: Duration = Duration::from_secs(2);
/// The series of a cluster as a whole are written this often; those of targets with every probe.
const CLUSTER_SAMPLES: Duration = Duration::from_secs(10);

/// Holds what ingest works with.
pub struct Parts {
    /// History.
    pub store: Store,
    /// The latest picture.
    pub live: Live,
    /// Own metrics.
    pub metrics: Arc<Metrics>,
    /// Time.
    pub clock: Clock,
    /// To the schedule.
    pub schedule: mpsc::Sender<Command>,
    /// To the dispatcher.
    pub diagnoses: mpsc::Sender<Diagnosis>,
    /// Counts changes of verdicts: rules look at once.
    pub news: watch::Sender<u64>,
    /// Makes the vantage watcher look at once.
    pub look: Arc<Notify>,
}

/// Owns what is known of all targets.
pub struct Ingest {
    parts: Parts,
    thresholds: Thresholds,
    clusters: BTreeMap<Arc<str>, Cluster>,
    /// Clusters that are not watched any more and that the schedule has not heard of yet.
    unscheduled: BTreeSet<Arc<str>>,
    /// Verdicts of an earlier run, until their targets are known again.
    restored: HashMap<TargetKey, Verdict>,
    vantage: Vantage,
    /// The last look; nothing is diagnosed before the first one.
    looked: Option<VantageReport>,
    /// Start of the newest probe that was answered by anything.
    last_answer: Option<Timestamp>,
    /// Start of the newest probe that ended in silence.
    last_silence: Option<Timestamp>,
    /// References are silent and nothing has answered since: nobody is accused before it is known whether it is us.
    in_doubt: bool,
    /// Failures of probes that started before this are not believed: the watchdog was cut off.
    visible_since: Option<Timestamp>,
    cluster_samples_at: Instant,
    presence: Presence,
    own_at: Option<Instant>,
}

impl Ingest {
    /// With the clusters that are configured and what an earlier run knew of their targets.
    pub fn new(parts: Parts, clusters: Vec<Cluster>, restored: Vec<(Target, Verdict)>) -> Self {
        let mut clusters: BTreeMap<Arc<str>, Cluster> = clusters.into_iter().map(|c| (c.name.clone(), c)).collect();
        let mut strangers = Vec::new();
        for (target, _) in &restored {
            match clusters.get_mut(&target.key.cluster) {
                Some(cluster) => drop(cluster.adopted.insert(target.key.clone())),
                None => strangers.push(target.key.clone()),
            }
        }
        if !strangers.is_empty() {
            parts.store.forget_targets(strangers);
        }
        let started = parts.clock.wall();
        {
            let mut live = parts.live.write();
            live.vantage = Vantage { ok: true, since: None, message: "not looked yet".into(), ..Default::default() };
            live.clusters = clusters.keys().map(|name| (name.clone(), Default::default())).collect();
            live.started_at.get_or_insert(started);
        }
        Self {
            thresholds: Thresholds::default(),
            clusters,
            unscheduled: BTreeSet::new(),
            restored: restored.into_iter().map(|(t, v)| (t.key, v)).collect(),
            vantage: Vantage { ok: true, since: None, message: String::new(), ..Default::default() },
            looked: None,
            last_answer: None,
            last_silence: None,
            in_doubt: false,
            visible_since: None,
            cluster_samples_at: parts.clock.mono(),
            presence: Presence::default(),
            own_at: None,
            parts,
        }
    }

    /// Runs until told to stop.
    pub async fn run(
        mut self,
        mut reports: mpsc::Receiver<Report>,
        mut updates: mpsc::Receiver<ClusterNews>,
        mut looks: mpsc::Receiver<VantageReport>,
        alive: Arc<std::sync::atomic::AtomicU64>,
        stop: CancellationToken,
    ) {
        let told: Vec<_> =
            self.clusters.values_mut().map(|c| (c.name.clone(), std::mem::take(&mut c.checks))).collect();
        for (name, checks) in told.into_iter().filter(|(_, checks)| !checks.is_empty()) {
            self.check(&name, checks);
        }
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(news) = updates.recv() => match news {
                    ClusterNews::Watch(cluster) => self.watch(*cluster),
                    ClusterNews::Told(update) => self.update(update),
                    ClusterNews::Checks(name, checks) => self.check(&name, checks),
                    ClusterNews::Canary(name, canaries) => self.canary(&name, canaries),
                    ClusterNews::Situation(name, situation) => self.situation(&name, situation),
                    ClusterNews::Unwatch(name) => self.unwatch(&name),
                },
                Some(look) = looks.recv() => self.looked(look),
                Some(report) = reports.recv() => self.report(report),
                _ = tick.tick() => {
                    alive.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    self.tick();
                }
            }
        }
        if let Some((from, to)) = self.presence.end(self.parts.clock.wall()) {
            self.parts.store.save_watch(from, to);
        }
    }

    fn report(&mut self, report: Report) {
        let now = self.parts.clock.wall();
        match report {
            Report::Observed(o) => self.observed(*o, now),
            Report::Late(key) => {
                let Some(cluster) = self.clusters.get_mut(&key.cluster).filter(|_| self.vantage.ok) else { return };
                let Some(watched) = cluster.watched.get_mut(&key) else { return };
                let Some(from) = watched.tracker.late(now) else { return };
                let change = watched.change(from, now);
                cluster.dirty = true;
                self.changed(change);
            }
            Report::Doubt(cluster) => {
                self.parts.look.notify_one();
                if let Some(cluster) = self.clusters.get(&cluster) {
                    cluster.doubt.notify_one();
                }
            }
        }
    }

    fn observed(&mut self, o: Observation, now: Timestamp) {
        if o.answered {
            self.last_answer = self.last_answer.max(Some(o.started));
        }
        if o.failure.as_ref().is_some_and(visibility::is_silent) {
            self.last_silence = self.last_silence.max(Some(o.started));
        }
        let Some(cluster) = self.clusters.get_mut(&o.target.key.cluster) else { return };
        if o.target.guessed && !cluster.adopted.contains(&o.target.key) {
            if !o.answered {
                return;
            }
            if let Some((target, verdict)) = cluster.adopt(&o.target, now) {
                tracing::info!(probe_target = %target.key, "found by its answer");
                self.parts.store.save_targets(vec![(target, verdict)]);
            }
        }
        let while_blind = self.visible_since.is_some_and(|at| o.started < at);
        if o.failure.is_some() && (!self.vantage.ok || while_blind) {
            return self.blind_sample(&o.target.key.clone(), now);
        }
        let mut o = o;
        cluster.remember(&mut o);
        let o = Arc::new(o);
        let (key, at) = (o.target.key.clone(), o.started);
        let Some(Observed { watched, before, change }) = cluster.observe(o, now, &self.thresholds) else { return };
        watched.samples = remember(&self.parts.store, &before, watched.samples.clone(), at);
        if let Some(live) = self.parts.live.write().clusters.get_mut(&key.cluster) {
            live.targets.insert(key, watched.live());
        }
        if let Some(change) = change {
            self.changed(change);
        }
    }

    /// Cut off, only the verdict is recorded: the probe says nothing of its target.
    fn blind_sample(&mut self, key: &TargetKey, now: Timestamp) {
        let Some(watched) = self.clusters.get_mut(&key.cluster).and_then(|c| c.watched.get_mut(key)) else { return };
        let before = watched.samples.clone();
        let told = samples::of_verdict(&watched.target, watched.tracker.verdict().state, now, &before);
        watched.samples = remember(&self.parts.store, &before, told, now);
        if let Some(live) = self.parts.live.write().clusters.get_mut(&key.cluster) {
            live.targets.insert(key.clone(), watched.live());
        }
    }

    fn changed(&self, change: VerdictChange) {
        tracing::info!(
            probe_target = %change.key,
            from = %change.from,
            to = %change.to.state,
            why = %change.to.message,
            "verdict"
        );
        if let Some(live) = self.parts.live.write().clusters.get_mut(&change.key.cluster)
            && let Some(target) = live.targets.get_mut(&change.key)
        {
            target.verdict = change.to.clone();
        }
        if change.key.job == Job::Etcd
            && let Some(cluster) = self.clusters.get(&change.key.cluster)
        {
            self.parts.store.append(&cluster.quorum_samples(self.parts.clock.wall()));
        }
        self.parts.store.save_verdict(change);
        self.parts.news.send_modify(|n| *n += 1);
    }

    fn tick(&mut self) {
        let (now, mono) = (self.parts.clock.wall(), self.parts.clock.mono());
        if let Some((from, to)) = self.presence.look(now) {
            self.parts.store.save_watch(from, to);
        }
        self.unschedule();
        self.check_again();
        let Some(looked) = self.looked.as_ref().map(|l| l.at) else { return };
        let write_cluster_samples = mono.saturating_duration_since(self.cluster_samples_at) >= CLUSTER_SAMPLES;
        let mut diagnoses = self.diagnoses(now, mono);
        for cluster in self.clusters.values_mut() {
            let diagnosis = diagnoses.remove(&cluster.name);
            let due = diagnosis.is_some();
            if let Some(mut diagnosis) = diagnosis {
                diagnosis.unsettled |= cluster.is_rising();
                diagnosis.unsettled |= newest_silence(cluster).is_some_and(|since| since > looked);
                (cluster.dirty, cluster.diagnosed_at) = (diagnosis.unsettled, Some(mono));
                cluster.told_checks = elsewhere::told(&diagnosis);
                if self.parts.diagnoses.try_send(diagnosis).is_err() {
                    self.parts.metrics.drop_at("diagnosis_queue");
                    cluster.dirty = true;
                }
            }
            if write_cluster_samples {
                let (samples, nodes) = cluster.all_samples(now);
                let nodes = remember(&self.parts.store, &cluster.nodes_written, nodes, now);
                cluster.nodes_written = nodes.clone();
                let samples = remember(&self.parts.store, &cluster.written, samples, now);
                cluster.written = samples.clone();
                if let Some(live) = self.parts.live.write().clusters.get_mut(&cluster.name) {
                    (live.samples, live.node_samples) = (samples, nodes);
                }
            } else if due {
                let samples = cluster.samples(now);
                if let Some(live) = self.parts.live.write().clusters.get_mut(&cluster.name) {
                    live.samples = samples;
                }
            }
        }
        if write_cluster_samples {
            self.cluster_samples_at = mono;
        }
        self.own(now, mono);
    }

    /// The watchdog's own diagnosis.
    fn own(&mut self, now: Timestamp, mono: Instant) {
        let store = self.parts.store.health();
        let news = self.parts.live.read().store != store;
        if !news && self.own_at.is_some_and(|at| mono.saturating_duration_since(at) < REDIAGNOSE) {
            return;
        }
        if news {
            self.parts.live.write().store = store.clone();
        }
        let problems: Vec<(&str, &str)> =
            self.clusters.values().filter_map(|c| c.problem.as_deref().map(|p| (&*c.name, p))).collect();
        let faults = self.own_faults();
        if self.in_doubt && self.vantage.ok && !faults.is_empty() {
            return; // Cut off, resolvers and proxies fail us too: that is one thing, and told once.
        }
        let diagnosis = own_faults::diagnose(&OwnView {
            now,
            vantage: &self.vantage,
            store: &store,
            problems: &problems,
            faults: &faults,
        });
        if self.parts.diagnoses.try_send(diagnosis).is_ok() {
            self.own_at = Some(mono);
        }
    }
}

/// Writes what a source tells now, and the end of what it told before. Returns what it tells, to be kept.
fn remember(store: &Store, before: &[Sample], now: Arc<[Sample]>, at: Timestamp) -> Arc<[Sample]> {
    store.append(&now);
    let ended = ended(before, &now, at);
    if !ended.is_empty() {
        store.append(&ended);
    }
    let same = before.len() == now.len() && before.iter().zip(&*now).all(|(a, b)| a.labels.is_same(&b.labels));
    if same { now } else { store.shared(now) }
}

/// When the newest unconfirmed silence began: it is not believed before the watchdog has looked at itself since.
fn newest_silence(cluster: &Cluster) -> Option<Timestamp> {
    let silent = |w: &&Watched| {
        let v = w.tracker.verdict();
        matches!(v.state, State::Suspect | State::Down) && v.reason.is_none_or(Reason::is_silence)
    };
    cluster.watched.values().filter(silent).map(|w| w.tracker.verdict().since).max()
}

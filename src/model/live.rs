//! The latest picture, shared read-only with `/metrics` and the pages. Written by `ingest` and `dispatch` alone.

use std::{
    collections::BTreeMap,
    sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use jiff::Timestamp;
use serde::Serialize;

use super::{
    Alert, CanaryStanding, ClusterSnapshot, Gap, Group, Incident, Observation, Sample, Silence, Target, TargetKey,
    TraceLine, Verdict,
};

/// A failed probe, kept so that "why did it fail?" has an answer after it has mended.
#[derive(Clone, Debug, PartialEq)]
pub struct FailedProbe {
    /// When it started.
    pub at: Timestamp,
    /// Why it failed.
    pub failure: super::Failure,
    /// Its steps.
    pub trace: Vec<TraceLine>,
}

/// A target as it stands.
#[derive(Clone, Debug)]
pub struct LiveTarget {
    /// What it is.
    pub target: Arc<Target>,
    /// The confirmed verdict.
    pub verdict: Verdict,
    /// The newest observation.
    pub last: Option<Arc<Observation>>,
    /// When it last succeeded.
    pub last_success: Option<Timestamp>,
    /// The last failed probes, newest first, at most [`LiveTarget::FAILURES_MAX`].
    pub failures: Vec<FailedProbe>,
    /// The newest value of every series of it.
    pub samples: Arc<[Sample]>,
}

impl LiveTarget {
    /// How many failed probes are kept of one target.
    pub const FAILURES_MAX: usize = 5;
}

/// A cluster as it stands.
#[derive(Clone, Debug, Default)]
pub struct LiveCluster {
    /// What discovery last knew.
    pub snapshot: Arc<ClusterSnapshot>,
    /// Its targets; guesses that never answered are not among them.
    pub targets: BTreeMap<TargetKey, LiveTarget>,
    /// What is not watched of it, where no target answers for it: see [`LiveCluster::unwatched`].
    pub gaps: Arc<[Gap]>,
    /// How its canary stands.
    pub canaries: Arc<[CanaryStanding]>,
    /// Series of the cluster as a whole: leases of leaders, our own certificates, etcd's quorum.
    pub samples: Arc<[Sample]>,
    /// Series of its nodes, as they were last written.
    pub node_samples: Arc<[Sample]>,
}

impl LiveCluster {
    /// Returns the components of which nothing is watched, or not all.
    pub fn unwatched(&self) -> impl Iterator<Item = &Gap> {
        self.gaps.iter().filter(|gap| gap.is_open(self.targets.keys().map(|key| key.job)))
    }
}

/// Addresses outside of every cluster that tell whether the watchdog's own network works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct References {
    /// How many can tell: those that are configured, and a gateway that has answered once. None: nobody is asked.
    pub asked: usize,
    /// How many of them answered at the last look.
    pub answering: usize,
}

/// The watchdog's own view of the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vantage {
    /// False while the watchdog itself is cut off.
    pub ok: bool,
    /// Since when; `None`: not yet judged.
    pub since: Option<Timestamp>,
    /// Why, in words.
    pub message: String,
    /// What it is judged by, beside the targets.
    pub references: References,
}

/// Says whether history is being written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreHealth {
    /// Writes reach the file.
    pub ok: bool,
    /// Since when it has been so.
    pub since: Option<Timestamp>,
    /// What is wrong and what to do, in words; empty where it is fine. Where it is [`StoreHealth::ok`], what happened at
    /// [`StoreHealth::since`].
    pub message: String,
    /// What happened then cost no history.
    pub history_kept: bool,
}

/// An alert as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveAlert {
    /// The alert, with the labels that are added to every one.
    pub alert: Arc<Alert>,
    /// Its fingerprint.
    pub fingerprint: Arc<str>,
    /// When it was last said.
    pub updated_at: Timestamp,
    /// The groups that its routes put it into.
    pub groups: Vec<Group>,
    /// Silences in force that it satisfies, by id.
    pub silenced_by: Vec<String>,
    /// The fingerprint of the alert that inhibits it.
    pub inhibited_by: Option<String>,
    /// The time intervals that keep all of its routes quiet.
    pub muted_by: Vec<String>,
    /// The headline of what the diagnosis explains it by: it is listed there, not told by itself.
    pub explained_by: Option<String>,
    /// Its incident.
    pub incident: Option<i64>,
}

/// Everything that the read-only surfaces show.
#[derive(Clone, Debug, Default)]
pub struct LiveState {
    /// By name.
    pub clusters: BTreeMap<Arc<str>, LiveCluster>,
    /// Own view.
    pub vantage: Vantage,
    /// Own store.
    pub store: StoreHealth,
    /// Open incidents, worst first, then the last resolved ones (at most 20), newest first.
    pub incidents: Vec<Arc<Incident>>,
    /// Why the newest configuration is not in force (the one before it is), in words.
    pub reload_error: Option<String>,
    /// When the watchdog started.
    pub started_at: Option<Timestamp>,
    /// Series of the heartbeats.
    pub heartbeats: Arc<[Sample]>,
    /// Series of objectives, and of how available clusters and components were.
    pub objectives: Arc<[Sample]>,
    /// What fires, by fingerprint.
    pub alerts: Arc<Vec<LiveAlert>>,
    /// Silences, ended ones among them.
    pub silences: Arc<Vec<Silence>>,
    /// Messages that wait for a receiver.
    pub outbox_pending: usize,
    /// Receivers that fail now: `(receiver, why)`.
    pub failing_receivers: Vec<(String, String)>,
}

/// The shared handle. Locks are held for a copy or a swap, never across an await.
#[derive(Clone, Debug, Default)]
pub struct Live(Arc<RwLock<LiveState>>);

impl Live {
    /// To look.
    pub fn read(&self) -> RwLockReadGuard<'_, LiveState> {
        self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// To change.
    pub fn write(&self) -> RwLockWriteGuard<'_, LiveState> {
        self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

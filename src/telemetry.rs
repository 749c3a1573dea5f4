//! The watchdog's own metrics, named once, and the catalogue of every metric name with its help text.
//!
//! Counters only ever count what the watchdog did; what it saw of its targets goes through `model::Live`.

pub mod log;
pub mod names;
pub mod process;

use std::sync::{Mutex, PoisonError, atomic::AtomicU64};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// Labels of `dogwatch_probes_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ProbeLabels {
    /// The job.
    pub job: &'static str,
    /// [`ProbeLabels::SUCCESS`] or the reason of failure.
    pub outcome: &'static str,
}

impl ProbeLabels {
    /// The outcome of a probe that did not fail.
    pub const SUCCESS: &'static str = "success";
}

/// Labels of `dogwatch_notifications_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct NotificationLabels {
    /// The integration, e.g. `ops/email[0]`.
    pub receiver: String,
    /// `delivered`, `retried`, `dropped`.
    pub outcome: &'static str,
}

/// Labels of `dogwatch_dropped_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct DropLabels {
    /// Which named limit dropped something.
    pub limit: &'static str,
}

/// Labels of `dogwatch_discovery_failures_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ClusterLabels {
    /// The cluster.
    pub cluster: String,
}

/// Labels of `dogwatch_remote_write_*`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct RemoteLabels {
    /// The remote's name.
    pub remote: String,
}

/// Labels of `dogwatch_dead_mans_switch_pings_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct PingLabels {
    /// `delivered`; `withheld`: the watchdog does not really watch; `fail`: that was told; `failed`: nobody was reached.
    pub outcome: &'static str,
}

/// Labels of `dogwatch_peer_exchanges_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct PeerLabels {
    /// `answered` or `failed`.
    pub outcome: &'static str,
}

/// Labels of what is told of one of two watchdogs.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct VantageLabels {
    /// Its name.
    pub vantage: String,
}

/// Labels of `dogwatch_canary_runs_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct CanaryLabels {
    /// The cluster.
    pub cluster: String,
    /// `lease` or `pod`.
    pub canary: &'static str,
    /// `success` or `failed`.
    pub outcome: &'static str,
}

/// Labels of `dogwatch_recorder_*`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct RecorderLabels {
    /// The cluster.
    pub cluster: String,
    /// The kind of its objects, `pods`.
    pub resource: &'static str,
}

/// Labels of `dogwatch_rule_*`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct RuleGroupLabels {
    /// `file;group`.
    pub rule_group: String,
}

/// Buckets in seconds for things that should take milliseconds and may take a minute.
const SECONDS: [f64; 12] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// Every metric of the watchdog itself. Fields are cheap handles; the registry owns the names.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    /// Probes finished.
    pub probes: Family<ProbeLabels, Counter>,
    /// Probes that run now.
    pub probes_in_flight: Gauge,
    /// Ticks that were skipped since the machine or the concurrency limit did not keep up.
    pub missed_ticks: Counter,
    /// How late probes start after their tick.
    pub schedule_lateness: Histogram,
    /// 1 while the watchdog is late by itself: no probe is called late then.
    pub schedule_slow: Gauge,
    /// Delivery attempts.
    pub notifications: Family<NotificationLabels, Counter>,
    /// Seconds of one delivery attempt.
    pub notification_seconds: Histogram,
    /// Messages that wait.
    pub outbox_pending: Gauge,
    /// 1 while writes reach the file.
    pub store_up: Gauge,
    /// Write transactions committed.
    pub store_commits: Counter,
    /// Write transactions that failed.
    pub store_failures: Counter,
    /// Seconds of one commit.
    pub store_commit_seconds: Histogram,
    /// Operations that wait for the writer.
    pub store_queue: Gauge,
    /// Samples written.
    pub store_samples: Counter,
    /// Size of the database with its WAL.
    pub store_bytes: Gauge,
    /// Bytes free where the history lies.
    pub disk_free: Gauge,
    /// Size of that file system, bytes.
    pub disk_size: Gauge,
    /// Samples that remotes took.
    pub remote_samples: Family<RemoteLabels, Counter>,
    /// Samples that remotes refused for good.
    pub remote_refused: Family<RemoteLabels, Counter>,
    /// Attempts that have to be made again.
    pub remote_retries: Family<RemoteLabels, Counter>,
    /// Times that history was rolled up before it was sent.
    pub remote_lost: Family<RemoteLabels, Counter>,
    /// Age of the oldest sample that is not sent yet, seconds.
    pub remote_lag: Family<RemoteLabels, Gauge<f64, AtomicU64>>,
    /// How long queries took, waiting included.
    pub query_seconds: Histogram,
    /// Queries without an answer.
    pub query_failures: Counter,
    /// Blocks of packed samples that could not be read.
    pub store_damaged: Counter,
    /// Pings of others' dead man's switches.
    pub switch_pings: Family<PingLabels, Counter>,
    /// Rules evaluated.
    pub rule_evaluations: Family<RuleGroupLabels, Counter>,
    /// Evaluations that failed.
    pub rule_failures: Family<RuleGroupLabels, Counter>,
    /// Ticks that a group missed.
    pub rule_missed: Family<RuleGroupLabels, Counter>,
    /// How long a group's last evaluation took, seconds.
    pub rule_group_seconds: Family<RuleGroupLabels, Gauge<f64, AtomicU64>>,
    /// Things dropped at a named limit.
    pub dropped: Family<DropLabels, Counter>,
    /// Connections of those who ask.
    pub http_connections: Gauge,
    /// Logins that were refused.
    pub logins_refused: Counter,
    /// Reads of a cluster's API that failed.
    pub discovery_failures: Family<ClusterLabels, Counter>,
    /// Bytes of the flight recorder's blocks in the file.
    pub recorder_bytes: Gauge,
    /// Objects that the flight recorder holds.
    pub recorder_objects: Family<RecorderLabels, Gauge>,
    /// Changes that it kept.
    pub recorder_changes: Family<RecorderLabels, Counter>,
    /// When a kind was last seen, Unix seconds.
    pub recorder_seen: Family<RecorderLabels, Gauge>,
    /// Runs of the canary.
    pub canary_runs: Family<CanaryLabels, Counter>,
    /// Questions to the other watchdog.
    pub peer_exchanges: Family<PeerLabels, Counter>,
    /// 1 while the other watchdog is heard.
    pub peer_up: Family<VantageLabels, Gauge>,
    /// 1 while this watchdog is the one that tells.
    pub peer_leading: Family<VantageLabels, Gauge>,
    /// How often this watchdog began to tell.
    pub peer_takeovers: Family<VantageLabels, Counter>,
    /// Gaps found in the machine's time (suspended, starved, stepped).
    pub clock_gaps: Counter,
    /// 1 while the newest configuration is in force.
    pub reload_ok: Gauge,
    /// When a configuration last came into force, Unix seconds.
    pub reloaded_at: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Registers everything under its name.
    pub fn new() -> Self {
        let m = Self {
            registry: Mutex::new(Registry::default()),
            probes: Family::default(),
            probes_in_flight: Gauge::default(),
            missed_ticks: Counter::default(),
            schedule_lateness: Histogram::new(SECONDS),
            schedule_slow: Gauge::default(),
            notifications: Family::default(),
            notification_seconds: Histogram::new(SECONDS),
            outbox_pending: Gauge::default(),
            store_up: Gauge::default(),
            store_commits: Counter::default(),
            store_failures: Counter::default(),
            store_commit_seconds: Histogram::new(SECONDS),
            store_queue: Gauge::default(),
            store_samples: Counter::default(),
            store_bytes: Gauge::default(),
            disk_free: Gauge::default(),
            disk_size: Gauge::default(),
            store_damaged: Counter::default(),
            remote_samples: Family::default(),
            remote_refused: Family::default(),
            remote_retries: Family::default(),
            remote_lost: Family::default(),
            remote_lag: Family::default(),
            query_seconds: Histogram::new(SECONDS),
            query_failures: Counter::default(),
            switch_pings: Family::default(),
            rule_evaluations: Family::default(),
            rule_failures: Family::default(),
            rule_missed: Family::default(),
            rule_group_seconds: Family::default(),
            dropped: Family::default(),
            http_connections: Gauge::default(),
            logins_refused: Counter::default(),
            discovery_failures: Family::default(),
            recorder_bytes: Gauge::default(),
            recorder_objects: Family::default(),
            recorder_changes: Family::default(),
            recorder_seen: Family::default(),
            canary_runs: Family::default(),
            peer_exchanges: Family::default(),
            peer_up: Family::default(),
            peer_leading: Family::default(),
            peer_takeovers: Family::default(),
            clock_gaps: Counter::default(),
            reload_ok: Gauge::default(),
            reloaded_at: Gauge::default(),
        };
        m.register();
        m
    }

    fn register(&self) {
        let mut guard = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let r = guard.sub_registry_with_prefix("dogwatch");
        r.register("probes", "Probes finished, by job and outcome", self.probes.clone());
        r.register("probes_in_flight", "Probes that run now", self.probes_in_flight.clone());
        r.register("schedule_missed_ticks", "Ticks skipped: the watchdog did not keep up", self.missed_ticks.clone());
        r.register(
            "schedule_lateness_seconds",
            "How late probes start after their tick",
            self.schedule_lateness.clone(),
        );
        r.register(
            "schedule_slow",
            "1 while the watchdog itself is late: no probe is called late, hardly any node probed out of turn",
            self.schedule_slow.clone(),
        );
        r.register("notifications", "Delivery attempts, by receiver and outcome", self.notifications.clone());
        r.register(
            "notification_duration_seconds",
            "Duration of one delivery attempt",
            self.notification_seconds.clone(),
        );
        r.register("outbox_pending", "Messages that wait for their receiver", self.outbox_pending.clone());
        r.register("store_up", "1 while history reaches the SQLite file", self.store_up.clone());
        r.register("store_commits", "Write transactions committed", self.store_commits.clone());
        r.register("store_failures", "Write transactions that failed", self.store_failures.clone());
        r.register(
            "store_commit_duration_seconds",
            "Duration of one write transaction",
            self.store_commit_seconds.clone(),
        );
        r.register("store_queue_length", "Operations that wait for the writer", self.store_queue.clone());
        r.register("store_samples_written", "Samples written", self.store_samples.clone());
        r.register(
            "store_damaged_blocks",
            "Blocks of packed samples that could not be read",
            self.store_damaged.clone(),
        );
        self.register_reload(r);
        self.register_recorder(r);
        self.register_remote(r);
        self.register_rules(r);
        self.register_peers(r);
        r.register("query_duration_seconds", "Duration of PromQL queries", self.query_seconds.clone());
        r.register("query_failures", "PromQL queries without an answer", self.query_failures.clone());
        r.register("store_size_bytes", "Size of the SQLite file and its WAL", self.store_bytes.clone());
        r.register("disk_free_bytes", "Bytes free on the file system of the history", self.disk_free.clone());
        r.register("disk_size_bytes", "Size of the file system of the history", self.disk_size.clone());
        r.register("dropped", "Things dropped at a named limit", self.dropped.clone());
        r.register("http_connections", "Connections of those who ask the watchdog", self.http_connections.clone());
        r.register(
            "logins_refused",
            "Logins that were refused: a wrong password, name or token",
            self.logins_refused.clone(),
        );
        r.register("discovery_failures", "Reads of a cluster's API that failed", self.discovery_failures.clone());
        r.register("canary_runs", "Runs of the canary, by cluster, form and outcome", self.canary_runs.clone());
        r.register(
            "clock_gaps",
            "Gaps found in the machine's time: suspended, starved or stepped",
            self.clock_gaps.clone(),
        );
    }

    fn register_reload(&self, r: &mut Registry) {
        let text = "1 while the newest configuration is in force; 0: it could not be used, the one before it is";
        r.register("config_last_reload_successful", text, self.reload_ok.clone());
        let text = "When a configuration last came into force, as Unix time";
        r.register("config_last_reload_success_timestamp_seconds", text, self.reloaded_at.clone());
    }

    fn register_recorder(&self, r: &mut Registry) {
        let text = "Size of what the flight recorder keeps in the SQLite file";
        r.register("recorder_size_bytes", text, self.recorder_bytes.clone());
        r.register("recorder_objects", "Objects that the flight recorder knows", self.recorder_objects.clone());
        let text = "Changes of objects that the flight recorder kept";
        r.register("recorder_changes", text, self.recorder_changes.clone());
        let text = "When the cluster's API last told of this kind of object, as Unix time";
        r.register("recorder_last_sync_timestamp_seconds", text, self.recorder_seen.clone());
    }

    fn register_peers(&self, r: &mut Registry) {
        r.register("peer_exchanges", "Questions to the other watchdog, by outcome", self.peer_exchanges.clone());
        r.register("peer_up", "1 while the other watchdog is heard", self.peer_up.clone());
        r.register("peer_leading", "1 while this watchdog is the one that tells", self.peer_leading.clone());
        r.register("peer_takeovers", "How often this watchdog began to tell", self.peer_takeovers.clone());
    }

    fn register_rules(&self, r: &mut Registry) {
        r.register(
            "dead_mans_switch_pings",
            "Pings of others' dead man's switches, by outcome",
            self.switch_pings.clone(),
        );
        r.register("rule_evaluations", "Rules evaluated, by group", self.rule_evaluations.clone());
        r.register("rule_evaluation_failures", "Rules that could not be evaluated", self.rule_failures.clone());
        r.register("rule_group_missed_iterations", "Ticks that a rule group missed", self.rule_missed.clone());
        let text = "Duration of the group's last evaluation";
        r.register("rule_group_last_duration_seconds", text, self.rule_group_seconds.clone());
    }

    fn register_remote(&self, r: &mut Registry) {
        r.register("remote_write_samples", "Samples that the remote took", self.remote_samples.clone());
        let text = "Samples that the remote refused for good; they are dropped";
        r.register("remote_write_refused_samples", text, self.remote_refused.clone());
        r.register("remote_write_retries", "Requests that have to be made again", self.remote_retries.clone());
        let text = "Times that history was rolled up before the remote had it";
        r.register("remote_write_losses", text, self.remote_lost.clone());
        r.register("remote_write_lag_seconds", "Age of the oldest sample not sent yet", self.remote_lag.clone());
    }

    /// Counts something dropped at a named limit.
    pub fn drop_at(&self, limit: &'static str) {
        self.dropped.get_or_create(&DropLabels { limit }).inc();
    }

    /// Returns the registry, to be encoded.
    pub fn with_registry<T>(&self, f: impl FnOnce(&Registry) -> T) -> T {
        f(&self.registry.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

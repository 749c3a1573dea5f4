//! History in one SQLite file: one concrete struct, one writer thread, the only SQL in the house.
//!
//! Nothing here makes a probe or a notification wait for the disk: samples are queued and dropped (counted) past a
//! limit; what must not be lost is queued in order, kept in memory while the file can't be written, and written when it
//! can again. Every durable operation is an upsert, so that writing one twice changes nothing.

use std::{path::PathBuf, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    clock::Clock,
    model::{
        ClusterSnapshot, Incident, OutboxEntry, Sample, StoreHealth, Target, TargetKey, Verdict, VerdictChange,
        duration,
    },
    telemetry::Metrics,
};

/// `storage:` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageConfig {
    /// Samples older than this are removed.
    #[serde(with = "duration")]
    pub retention: Duration,
    /// Past this size of the file, the oldest samples are removed. `5GB`, `500MB`, … (powers of 1000; `GiB` of 1024).
    #[serde(with = "size")]
    pub max_size: u64,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self { retention: Duration::from_secs(90 * 86_400), max_size: 5_000_000_000 }
    }
}

/// Sizes as people write them, for serde.
pub mod size;

/// What an earlier run left, read once at start.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    /// Targets with their last verdicts.
    pub targets: Vec<(Target, Verdict)>,
    /// The last known set of every cluster.
    pub snapshots: Vec<ClusterSnapshot>,
    /// Open incidents and the most recently resolved ones (at most 20), newest first.
    pub incidents: Vec<Incident>,
    /// The highest incident id ever given.
    pub last_incident_id: i64,
    /// Undelivered messages, oldest first.
    pub outbox: Vec<OutboxEntry>,
    /// Random at the database's birth, the same for ever: part of `Message-ID`s and group keys.
    pub origin: String,
}

/// How a delivery attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryOutcome {
    /// The receiver took it: the entry leaves the outbox.
    Delivered,
    /// It will be tried again: the entry's `attempts` and `next_at` are as given.
    Retried,
    /// Given up, or refused for good: the entry leaves the outbox.
    Dropped,
}

/// A delivery attempt, remembered with the receiver's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The entry as it stands after the attempt.
    pub entry: OutboxEntry,
    /// When.
    pub at: Timestamp,
    /// How it ended.
    pub outcome: DeliveryOutcome,
    /// The receiver's own words (SMTP reply, HTTP status and the beginning of the body), at most 500 bytes.
    pub answer: String,
    /// How long it took.
    pub took: Duration,
}

/// A delivery as shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryRecord {
    /// Which incident.
    pub incident_id: i64,
    /// Number of the message in the incident.
    pub sequence: u32,
    /// The integration, e.g. `ops/email[0]`.
    pub receiver: String,
    /// When.
    pub at: Timestamp,
    /// How it ended.
    pub outcome: DeliveryOutcome,
    /// The receiver's own words.
    pub answer: String,
    /// How long it took.
    pub took: Duration,
}

/// Whether a durable operation is in the file already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Committed and synced.
    Durable,
    /// Kept in memory until the file can be written again.
    Buffered,
}

/// The handle. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {}

impl Store {
    /// Opens or makes `<data_dir>/dogwatch.db` and starts the writer thread. Never fails: where the file can't be used,
    /// the store works from memory, says why in [`Store::health`], and starts writing when it can.
    pub fn open(data_dir: PathBuf, config: StorageConfig, metrics: Arc<Metrics>, clock: Clock) -> (Self, Restored) {
        unimplemented!()
    }

    /// Queues samples for the next batch; never waits. Past the queue's limit they are dropped and counted.
    pub fn append(&self, samples: Vec<Sample>) {
        unimplemented!()
    }

    /// Remembers targets (new ones, and changed specs) with their verdicts; order is kept with later operations.
    pub fn save_targets(&self, targets: Vec<(Target, Verdict)>) {
        unimplemented!()
    }

    /// Forgets targets that a working API server says are gone.
    pub fn forget_targets(&self, keys: Vec<TargetKey>) {
        unimplemented!()
    }

    /// Remembers a change of verdict; order is kept with later operations, so that an incident committed afterwards is
    /// never in the file without it.
    pub fn save_verdict(&self, change: VerdictChange) {
        unimplemented!()
    }

    /// Remembers what discovery knows of a cluster.
    pub fn save_snapshot(&self, snapshot: Arc<ClusterSnapshot>) {
        unimplemented!()
    }

    /// Writes incidents and their messages in one transaction with a sync, after everything queued before.
    /// Returns when that is done, or at once `Buffered` where the file can't be written.
    pub async fn commit(&self, incidents: Vec<Incident>, outbox: Vec<OutboxEntry>) -> Durability {
        unimplemented!()
    }

    /// Records a delivery attempt and updates or removes its outbox entry, in one transaction; waits like `commit`.
    pub async fn record_delivery(&self, delivery: Delivery) -> Durability {
        unimplemented!()
    }

    /// Whether history is being written.
    pub fn health(&self) -> StoreHealth {
        unimplemented!()
    }

    /// The deliveries of one incident, oldest first.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn deliveries(&self, incident_id: i64) -> Result<Vec<DeliveryRecord>, StoreError> {
        unimplemented!()
    }

    /// Verdict changes of a target (or of all of a cluster), newest first.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn verdict_changes(&self, cluster: &str, limit: usize) -> Result<Vec<VerdictChange>, StoreError> {
        unimplemented!()
    }

    /// Writes what is queued, checkpoints, and ends the writer; waits at most `limit`.
    pub async fn close(&self, limit: Duration) {
        unimplemented!()
    }
}

/// Why the file could not be used.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// What was wrong, with the path, and what to do.
    pub message: String,
}

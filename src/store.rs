//! History in one SQLite file: one concrete struct, one writer thread, the only SQL in the house.
//!
//! Nothing here makes a probe or a notification wait for the disk: samples are queued and dropped (counted) past a
//! limit; what must not be lost is queued in order, kept in memory while the file can't be written, and written when it
//! can again. Every durable operation is an upsert, so that writing one twice changes nothing.

mod audit;
pub mod backup;
mod batch;
pub mod bulk;
mod cache;
mod column;
mod config;
mod drill_log;
mod flight_log;
mod head;
mod history;
mod housekeeping;
mod incidents;
mod index;
mod meta;
mod past;
mod pending;
mod place;
mod problem;
mod read;
mod recorded;
mod restore_drills;
mod schema;
mod shared;
pub mod size;
mod spans;
#[cfg(test)]
mod tests;
mod wanted;
mod watched;
mod writer;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

pub use self::{
    config::StorageConfig,
    history::{GoOn, Shard},
    incidents::{IncidentFilter, IncidentList, IncidentState},
};
use self::{
    head::{read_lock, write_lock},
    pending::Op,
    place::Place,
    shared::Shared,
    writer::Writer,
};
use crate::{
    clock::Clock,
    model::{
        Alert, AuditEntry, ClusterSnapshot, Incident, IncidentNote, Labels, Matcher, OutboxEntry, RestoreDrill, Sample,
        Silence, StoreHealth, Target, TargetKey, Verdict, VerdictChange,
    },
    pack::Packed,
    telemetry::Metrics,
};

/// Holds what an earlier run left, read once at start.
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
    /// Alerts from outside.
    pub alerts: Vec<Alert>,
    /// Silences, ended ones among them.
    pub silences: Vec<Silence>,
    /// What is known of each heartbeat, `(name, text of its room)`.
    pub heartbeats: Vec<(String, String)>,
    /// Restore drills, each name's oldest first.
    pub restore_drills: Vec<RestoreDrill>,
    /// Random at the database's birth, the same for ever: part of `Message-ID`s and group keys.
    pub origin: String,
}

/// Says how a delivery attempt ended.
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

/// Records a delivery attempt with the receiver's answer.
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

impl Delivery {
    /// Returns what is remembered of it for good, and the entry.
    fn split(self) -> (DeliveryRecord, OutboxEntry) {
        let Self { entry, at, outcome, answer, took } = self;
        let (incident_id, sequence) = (entry.notification.incident.id, entry.notification.sequence);
        let record =
            DeliveryRecord { incident_id, sequence, receiver: entry.receiver.clone(), at, outcome, answer, took };
        (record, entry)
    }
}

/// Holds a delivery as it is shown.
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

/// Holds numbers about the history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryStats {
    /// Series that have samples which are not packed yet.
    pub head_series: usize,
    /// All series with samples of any age.
    pub series: usize,
    /// Samples that are not packed yet.
    pub head_samples: u64,
    /// Oldest sample not packed yet, Unix milliseconds.
    pub head_min_ms: Option<i64>,
    /// Newest sample, Unix milliseconds.
    pub head_max_ms: Option<i64>,
    /// Different label names and values pairs.
    pub label_pairs: usize,
    /// `(metric name, series)`, most first.
    pub by_name: Vec<(String, usize)>,
    /// `(label name, different values)`, most first.
    pub by_label: Vec<(String, usize)>,
    /// `(label name, bytes of its different values)`, most first.
    pub by_bytes: Vec<(String, usize)>,
    /// `(label=value, series)`, most first.
    pub by_pair: Vec<(String, usize)>,
}

/// Says whether a durable operation is in the file already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Committed and synced.
    Durable,
    /// Kept in memory until the file can be written again.
    Buffered,
}

/// Handles the database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    place: Place,
    thread: Mutex<Option<JoinHandle<()>>>,
    locked_out: bool,
    clock: Clock,
}

impl Store {
    /// Opens or makes `<data_dir>/dogwatch.db` and starts the writer thread. Never fails: where the file can't be used,
    /// the store works from memory, says why in [`Store::health`], and starts writing when it can.
    pub fn open(data_dir: PathBuf, config: StorageConfig, metrics: Arc<Metrics>, clock: Clock) -> (Self, Restored) {
        let place = Place { dir: data_dir };
        let shared = Arc::new(Shared::new(metrics, &place));
        shared.configure(config);
        Self::start(place.clone(), shared.clone(), Writer::new(shared, place, clock))
    }

    fn start(place: Place, shared: Arc<Shared>, writer: Writer) -> (Self, Restored) {
        let restored = match writer.connection().map(|db| read::restored(db, writer.clock().wall())) {
            Some(Ok(restored)) => restored,
            Some(Err(error)) => {
                tracing::error!(%error, "what an earlier run left can't be read");
                Restored::default()
            }
            None => Restored::default(),
        };
        let locked_out = writer.is_locked_out();
        let clock = writer.clock();
        let thread = std::thread::Builder::new().name("store".into()).spawn(move || writer.run());
        let thread = thread.map_err(|error| tracing::error!(%error, "the store's thread could not be started")).ok();
        (Self(Arc::new(Handle { shared, place, thread: Mutex::new(thread), locked_out, clock })), restored)
    }

    /// Returns whether another dogwatch has a data directory now; makes the directory where there is none.
    pub fn is_in_use(data_dir: &std::path::Path) -> bool {
        matches!(Place { dir: data_dir.to_path_buf() }.lock(), Err(problem::Problem::Locked))
    }

    /// Returns whether another dogwatch held the data directory when this one was opened.
    pub fn was_locked_out(&self) -> bool {
        self.0.locked_out
    }

    /// Opens a store that only reads what a dogwatch, running or not, has written to `<data_dir>/dogwatch.db`.
    ///
    /// # Errors
    /// When the file is not there, can't be read, or is not of this version.
    pub fn read_only(data_dir: PathBuf, metrics: Arc<Metrics>, clock: Clock) -> Result<Self, StoreError> {
        let place = Place { dir: data_dir };
        let shared = Arc::new(Shared::new(metrics, &place));
        let head = shared.readers.with(|db| {
            schema::check_version(db)?;
            history::load(db)
        })?;
        *write_lock(&shared.head) = head;
        Ok(Self(Arc::new(Handle { shared, place, thread: Mutex::new(None), locked_out: false, clock })))
    }

    /// Takes samples; they can be queried at once and are in the file with the next batch. Never waits for the disk. Past
    /// the limits they are dropped and counted. Of two samples of a series at one millisecond the first stays; one that is
    /// older than others is put in its place, however late it comes, unless it is older than the retention.
    pub fn append(&self, samples: &[Sample]) {
        let kept = i64::try_from(self.0.shared.config().retention.as_millis()).unwrap_or(i64::MAX);
        self.0.shared.push_samples(samples, self.0.clock.wall().as_millisecond().saturating_sub(kept));
    }

    /// Returns the same samples on the label sets that the store keeps: whoever holds on to these shares them, and is known
    /// again the quicker.
    pub fn shared(&self, samples: Arc<[Sample]>) -> Arc<[Sample]> {
        let head = read_lock(&self.0.shared.head);
        let index = head.index();
        if samples.iter().all(|s| index.keeps(&s.labels)) {
            return samples;
        }
        let kept = |s: &Sample| index.find(&s.labels).and_then(|slot| index.at(slot)).unwrap_or(&s.labels).clone();
        samples.iter().map(|s| Sample { labels: kept(s), ..*s }).collect()
    }

    /// Remembers targets (new ones, and changed specs) with their verdicts; order is kept with later operations.
    pub fn save_targets(&self, targets: Vec<(Target, Verdict)>) {
        self.0.shared.push(Op::Targets(targets, self.0.clock.wall()), None);
    }

    /// Forgets targets that a working API server says are gone.
    pub fn forget_targets(&self, keys: Vec<TargetKey>) {
        self.0.shared.push(Op::Forget(keys, self.0.clock.wall()), None);
    }

    /// Remembers that the watchdog has run and looked from a moment to another; the same beginning again makes it longer.
    pub fn save_watch(&self, from: Timestamp, to: Timestamp) {
        self.0.shared.push(Op::Watch(from, to), None);
    }

    /// Remembers a change of verdict; order is kept with later operations, so that an incident committed afterwards is
    /// never in the file without it.
    pub fn save_verdict(&self, change: VerdictChange) {
        self.0.shared.push(Op::Verdict(change), None);
    }

    /// Remembers what discovery knows of a cluster.
    pub fn save_snapshot(&self, snapshot: Arc<ClusterSnapshot>) {
        self.0.shared.push(Op::Snapshot(snapshot), None);
    }

    /// Writes incidents and their messages in one transaction with a sync, after everything queued before.
    /// Returns when that is done, or at once `Buffered` where the file can't be written.
    pub async fn commit(&self, incidents: Vec<Incident>, outbox: Vec<OutboxEntry>) -> Durability {
        self.durable(Op::Commit(incidents, outbox)).await
    }

    /// Records a delivery attempt and updates or removes its outbox entry, in one transaction; waits like `commit`.
    pub async fn record_delivery(&self, delivery: Delivery) -> Durability {
        self.durable(Op::Delivery(Box::new(delivery))).await
    }

    /// Keeps what a person wrote about an incident; waits like `commit`.
    pub async fn commit_note(&self, note: IncidentNote) -> Durability {
        self.durable(Op::Note(note)).await
    }

    /// Keeps what somebody did; waits like `commit`.
    pub async fn commit_audit(&self, entry: AuditEntry) -> Durability {
        self.durable(Op::Audit(entry)).await
    }

    /// Keeps alerts from outside and forgets others (by fingerprint); waits like `commit`.
    pub async fn commit_alerts(&self, alerts: Vec<Alert>, gone: Vec<String>) -> Durability {
        self.durable(Op::Alerts(alerts, gone)).await
    }

    /// Keeps silences and forgets others (by id); waits like `commit`.
    pub async fn commit_silences(&self, silences: Vec<Silence>, gone: Vec<String>) -> Durability {
        self.durable(Op::Silences(silences, gone)).await
    }

    /// Keeps what is known of a heartbeat. It has its place in the order of writing when this returns; who awaits what is
    /// returned waits like `commit`.
    pub fn commit_heartbeat(&self, name: &str, state: &str) -> impl Future<Output = Durability> + Send + use<> {
        self.durable(Op::Heartbeat(name.into(), state.into()))
    }

    fn durable(&self, op: Op) -> impl Future<Output = Durability> + Send + use<> {
        let (ack, done) = oneshot::channel();
        self.0.shared.push(op, Some(ack));
        // No answer: the writer has ended, and nothing more can be made durable.
        async { done.await.unwrap_or(Durability::Buffered) }
    }

    /// Returns whether history is being written.
    pub fn health(&self) -> StoreHealth {
        self.0.shared.health()
    }

    /// Returns the series that satisfy all matchers and may have samples in `[from_ms, to_ms]` (Unix milliseconds), with those
    /// samples still packed. Blocks: for a thread that may wait for the disk.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn select(&self, matchers: &[Matcher], from_ms: i64, to_ms: i64) -> Result<Vec<Packed>, StoreError> {
        self.select_while(matchers, from_ms, to_ms, &|_| true)
    }

    /// Returns the same, as long as `go_on` says so of the bytes that each step has added; its no is an error too. Blocks.
    pub fn select_while(
        &self,
        matchers: &[Matcher],
        from_ms: i64,
        to_ms: i64,
        go_on: &GoOn<'_>,
    ) -> Result<Vec<Packed>, StoreError> {
        let shared = &self.0.shared;
        let ids = head::find(&shared.head, matchers, from_ms, to_ms);
        history::read(&shared.head, &shared.readers, &ids, (from_ms, to_ms), go_on)
    }

    /// Returns the label sets that satisfy all matchers of at least one of the sets (no set: every series) and may have samples in
    /// `[from_ms, to_ms]`. Sorted. From memory; does not block.
    pub fn series(&self, sets: &[Vec<Matcher>], from_ms: i64, to_ms: i64) -> Vec<Labels> {
        history::label_sets(&self.0.shared.head, sets, from_ms, to_ms)
    }

    /// Returns up to `limit` series of a shard with ids above `after`, in the order of their ids, with their samples in `[from_ms, to_ms]`; series without any are left out. The id of the
    /// last series looked at is the second value, `None` at the end of the list. Blocks.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn slice(
        &self,
        shard: Shard,
        after: i64,
        limit: usize,
        from_ms: i64,
        to_ms: i64,
    ) -> Result<(Vec<Packed>, Option<i64>), StoreError> {
        let shared = &self.0.shared;
        let ids: Vec<i64> = {
            let head = read_lock(&shared.head);
            let mine = head.index().after(after).map(|(id, _)| id).filter(|id| shard.has(*id));
            mine.take(limit).collect()
        };
        let next = ids.last().copied().filter(|_| ids.len() == limit);
        Ok((history::read(&shared.head, &shared.readers, &ids, (from_ms, to_ms), &|_| true)?, next))
    }

    /// Returns where history begins, Unix milliseconds: samples of any age, rolled up or not; `None`: there are none. From memory;
    /// does not block.
    pub fn oldest_ms(&self) -> Option<i64> {
        read_lock(&self.0.shared.head).oldest_ms()
    }

    /// Returns where samples begin that are not rolled up, Unix milliseconds.
    pub fn oldest_sample_ms(&self) -> Option<i64> {
        read_lock(&self.0.shared.head).oldest_sample_ms()
    }

    /// Returns what the history holds, for `/api/v1/status/tsdb` and the own metrics. From memory; does not block.
    pub fn stats(&self) -> HistoryStats {
        read_lock(&self.0.shared.head).stats()
    }

    /// Returns the small text that a room keeps under a key, e.g. a position. Blocks.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn value(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.0.shared.readers.with(|db| meta::text(db, key))
    }

    /// Stores a small text for a room under a key; in order with later operations, durable within a second.
    pub fn save_value(&self, key: &str, text: &str) {
        self.0.shared.push(Op::Value(key.into(), text.into()), None);
    }

    /// Stores a small text like `save_value`; returns when it is in the file, or at once `Buffered` where the file can't be written.
    pub async fn commit_value(&self, key: &str, text: &str) -> Durability {
        self.durable(Op::Value(key.into(), text.into())).await
    }

    /// Writes what is queued, checkpoints, and ends the writer; waits at most `limit`.
    pub async fn close(&self, limit: Duration) {
        self.0.shared.close();
        let thread = self.0.thread.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        let ended = tokio::task::spawn_blocking(move || thread.join().is_ok());
        if !matches!(tokio::time::timeout(limit, ended).await, Ok(Ok(true))) {
            tracing::warn!("the store did not end in time; its file is safe all the same");
        }
    }
}

/// Says why the file could not be used.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// What was wrong, with the path, and what to do.
    pub message: String,
}

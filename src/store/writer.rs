//! The one writer: a thread of its own that writes batches, keeps what can't be written, and writes it when it can.

mod rescue;

use std::{
    sync::{Arc, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use rusqlite::Connection;

use super::{
    Durability,
    batch::{self, Row},
    head::{Taken, write_lock},
    history,
    housekeeping::{Housekeeping, HousekeepingContext},
    pending::Pending,
    place::{DirectoryLock, Identity, Place},
    problem::{self, Problem},
    recorded,
    shared::{BATCH_MAX, SAMPLES_MAX, Shared, lock},
};
use crate::{
    clock::Clock,
    model::{Labels, Sample, StoreHealth},
};

/// Samples wait no longer than this for their batch: the most that `kill -9` may lose.
const BATCH_EVERY: Duration = Duration::from_millis(900);
/// Room for so many samples is kept from one batch to the next: a second of 5,000 targets. What a burst needed (the first
/// probes of all, and their new series) is given back.
const ROOM_KEPT: usize = 16_384;
/// Pauses between attempts at a file that can't be used; where somebody waits for an answer, the first.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// Housekeeping looks for something to do this often …
const KEEP_EVERY: Duration = Duration::from_millis(500);
/// … and rests for so long between two steps of something: the disk is others' too.
const KEEP_REST: Duration = Duration::from_millis(10);
/// Whether the file still stands where it was opened is looked at this often.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The file's size is told this often.
const SIZE_EVERY: Duration = Duration::from_secs(10);

/// Owns the file: the thread that writes what callers leave in [`Shared`].
pub struct Writer {
    shared: Arc<Shared>,
    place: Place,
    clock: Clock,
    db: Option<Connection>,
    lock: Option<DirectoryLock>,
    locked_out: bool,
    /// What lay there before is known to be no danger.
    inspected: bool,
    /// The files of the open database.
    files: Identity,
    /// How long the database was when it was last looked at, in bytes.
    length: u64,
    pending: Pending,
    samples: Vec<Row>,
    series: Vec<(i64, Labels)>,
    housekeeping: Housekeeping,
    retry: Duration,
    retry_at: Instant,
    failed_at: Instant,
    batch_at: Instant,
    keep_at: Instant,
    size_at: Instant,
    look_at: Instant,
    /// A limit on the file's pages, to play a full disk in tests.
    #[cfg(test)]
    pub page_limit: Arc<std::sync::atomic::AtomicU32>,
}

impl Writer {
    /// Returns a writer that has tried to open the file once.
    pub fn new(shared: Arc<Shared>, place: Place, clock: Clock) -> Self {
        let now = Instant::now();
        let mut writer = Self {
            shared,
            place,
            clock,
            db: None,
            lock: None,
            locked_out: false,
            inspected: false,
            files: Identity::default(),
            length: 0,
            pending: Pending::default(),
            samples: Vec::new(),
            series: Vec::new(),
            housekeeping: Housekeeping::default(),
            retry: RETRY.0,
            retry_at: now,
            failed_at: now,
            batch_at: now,
            keep_at: now,
            size_at: now,
            look_at: now,
            #[cfg(test)]
            page_limit: Arc::default(),
        };
        writer.open();
        writer
    }

    /// Returns the open file, to read what an earlier run left.
    pub fn connection(&self) -> Option<&Connection> {
        self.db.as_ref()
    }

    /// Returns the clock.
    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// Returns whether another dogwatch holds the directory.
    pub fn is_locked_out(&self) -> bool {
        self.locked_out
    }

    /// Runs the thread until it is asked to end.
    pub fn run(mut self) {
        loop {
            let closing = self.collect();
            self.write();
            if closing && (self.pending.is_empty() && self.samples.is_empty() || self.db.is_none()) {
                break;
            }
            self.housekeeping();
        }
        if let Some(db) = self.db.take() {
            // A checkpoint leaves one tidy file; without it the WAL is read at the next start.
            if let Err(error) = db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)") {
                tracing::debug!(%error, "no checkpoint at the end");
            }
        }
        self.lock = None;
        lock(&self.shared.queue).closed = true;
    }

    /// Waits for something to do and takes it over. True at the end.
    fn collect(&mut self) -> bool {
        let shared = self.shared.clone();
        let mut queue = lock(&shared.queue);
        loop {
            let now = Instant::now();
            let wake =
                [self.keep_at, self.batch_at].into_iter().min().unwrap_or(now).max(now + Duration::from_millis(5));
            let waits = !queue.samples.is_empty() || !self.samples.is_empty();
            // Without the file, what has been taken over waits for it: a full queue is no news then.
            let full = self.db.is_some() && queue.fills_batch();
            let batch_due = full || (now >= self.batch_at && waits);
            let retry_due = self.db.is_none() && now >= self.retry_at;
            if !queue.ops.is_empty() || queue.closing || batch_due || retry_due || now >= self.keep_at {
                break;
            }
            queue = shared.news.wait_timeout(queue, wake - now).unwrap_or_else(PoisonError::into_inner).0;
        }
        let mut acks = Vec::new();
        while let Some((op, ack)) = queue.ops.pop_front() {
            self.pending.add(op, &shared.metrics);
            acks.extend(ack);
        }
        let now = Instant::now();
        if now >= self.batch_at || queue.fills_batch() || queue.closing {
            self.batch_at = now + BATCH_EVERY;
            // What has no room here stays in the queue, which has a limit of its own.
            let room = SAMPLES_MAX.saturating_sub(self.samples.len()).min(queue.samples.len());
            self.samples.extend(queue.samples.drain(..room));
            queue.samples.shrink_to(ROOM_KEPT);
            self.series.append(&mut queue.series);
            queue.series.shrink_to_fit();
        }
        if !acks.is_empty() {
            // Somebody waits for an answer, and the disk may have room again by now.
            self.retry_at = self.retry_at.min(self.failed_at + RETRY.0);
        }
        let closing = queue.closing;
        drop(queue);
        shared.metrics.store_queue.set(0);
        let durability = self.write_pending();
        for ack in acks {
            // A caller that has gone needs no answer.
            let _ = ack.send(durability);
        }
        closing
    }

    /// Writes what must not be lost, at once.
    fn write_pending(&mut self) -> Durability {
        if self.pending.is_empty() && self.db.is_some() {
            return Durability::Durable;
        }
        if self.db.is_none() && Instant::now() >= self.retry_at {
            self.open();
        }
        let Some(db) = &mut self.db else { return Durability::Buffered };
        let begun = Instant::now();
        let written = db.transaction().and_then(|t| {
            self.pending.write(&t)?;
            t.commit()
        });
        match written {
            Ok(()) => {
                self.pending = Pending::default();
                self.committed(begun);
                Durability::Durable
            }
            Err(error) => {
                self.failed(problem::of(&error));
                Durability::Buffered
            }
        }
    }

    /// Writes samples, in batches that let durable operations in between.
    fn write(&mut self) {
        let Some(db) = &mut self.db else { return };
        if self.samples.is_empty() {
            return;
        }
        let count = self.samples.len().min(BATCH_MAX);
        let begun = Instant::now();
        let written = db.transaction().and_then(|t| {
            write_batch(&t, &self.series, &self.samples[..count])?;
            t.commit()
        });
        match written {
            Ok(()) => {
                self.series = Vec::new();
                self.samples.drain(..count);
                self.samples.shrink_to(ROOM_KEPT);
                self.shared.metrics.store_samples.inc_by(count as u64);
                if !self.samples.is_empty() {
                    self.batch_at = Instant::now();
                }
                self.committed(begun);
            }
            Err(error) => self.failed(problem::of(&error)),
        }
    }

    fn committed(&mut self, begun: Instant) {
        self.retry = RETRY.0;
        let metrics = &self.shared.metrics;
        metrics.store_commits.inc();
        metrics.store_commit_seconds.observe(begun.elapsed().as_secs_f64());
        metrics.store_up.set(1);
        let mut health = lock(&self.shared.health);
        if !health.ok {
            tracing::info!("history is being written again");
            *health = StoreHealth { ok: true, since: Some(self.clock.wall()), ..StoreHealth::default() };
        }
    }

    fn failed(&mut self, problem: Problem) {
        self.db = None;
        self.housekeeping = Housekeeping::default();
        self.failed_at = Instant::now();
        self.retry_at = self.failed_at + self.retry;
        self.retry = (self.retry * 2).min(RETRY.1);
        let words = problem.words(&self.place.database());
        let metrics = &self.shared.metrics;
        metrics.store_failures.inc();
        metrics.store_up.set(0);
        let mut health = lock(&self.shared.health);
        if health.ok || health.message != words {
            tracing::error!("history can't be written, going on from memory: {words}");
            let since = if health.ok || health.since.is_none() { Some(self.clock.wall()) } else { health.since };
            *health = StoreHealth { ok: false, since, message: words, history_kept: false };
        }
    }

    /// Opens the file; a damaged one is moved aside for a new one.
    fn open(&mut self) {
        if self.lock.is_none() {
            match self.place.lock() {
                Ok(file) => self.lock = Some(file),
                Err(problem) => {
                    self.locked_out = matches!(problem, Problem::Locked);
                    return self.failed(problem);
                }
            }
        }
        self.locked_out = false;
        let now = self.clock.wall();
        match self.open_file() {
            Ok(db) => {
                #[cfg(test)]
                {
                    let pages = self.page_limit.load(std::sync::atomic::Ordering::Relaxed);
                    if pages > 0 {
                        let _ = db.pragma_update(None, "max_page_count", pages);
                    }
                }
                if let Err(error) = self.adopt(&db) {
                    return self.failed(problem::of(&error));
                }
                self.shared.metrics.store_up.set(1);
                self.files = self.place.identity();
                self.length = 0;
                // Nothing is wrong with it yet: its length is what counts from here on.
                self.place.damage(self.files, &mut self.length);
                self.db = Some(db);
                let mut health = lock(&self.shared.health);
                if health.since.is_none() {
                    *health = StoreHealth { ok: true, since: Some(now), ..StoreHealth::default() };
                }
            }
            Err(problem) => self.failed(problem),
        }
    }

    /// What is in memory takes the ids of the file; what the file does not have yet is written again.
    fn adopt(&mut self, db: &Connection) -> rusqlite::Result<()> {
        let mut fresh = history::load(db)?;
        self.shared.readers.forget();
        let mut head = write_lock(&self.shared.head);
        let mut queue = lock(&self.shared.queue);
        (self.samples, self.series) = (Vec::new(), Vec::new());
        queue.samples.clear();
        queue.series.clear();
        for (labels, at_ms, value) in head.all() {
            let Ok(at) = jiff::Timestamp::from_millisecond(at_ms) else { continue };
            let sample = Sample { labels: labels.clone(), at, value };
            if let Taken::In(id, new) = fresh.insert(&sample, i64::MIN) {
                self.samples.push((id, at_ms, value));
                if new {
                    self.series.push((id, sample.labels));
                }
            }
        }
        *head = fresh;
        Ok(())
    }

    fn housekeeping(&mut self) {
        let now = Instant::now();
        if now >= self.look_at {
            self.look_at = now + LOOK_EVERY;
            self.look();
        }
        if now >= self.keep_at {
            self.keep_at = now + KEEP_EVERY;
            if let Some(db) = &mut self.db {
                let (head, config, now) = (&self.shared.head, &self.shared.config(), self.clock.wall());
                let stepped = self.housekeeping.step(&mut HousekeepingContext { db, head, config, now });
                self.shared.metrics.store_damaged.inc_by(self.housekeeping.damaged());
                (0..self.housekeeping.forgotten()).for_each(|_| self.shared.metrics.drop_at("store_incidents"));
                let lines = self.housekeeping.audit_forgotten();
                (0..lines).for_each(|_| self.shared.metrics.drop_at("store_audit"));
                match stepped {
                    Ok(true) => self.keep_at = Instant::now() + KEEP_REST,
                    Ok(false) => {}
                    Err(error) => self.failed(problem::of(&error)),
                }
            }
        }
        if now >= self.size_at {
            self.size_at = now + SIZE_EVERY;
            let bytes: u64 = self.place.files().iter().filter_map(|f| std::fs::metadata(f).ok()).map(|m| m.len()).sum();
            let metrics = &self.shared.metrics;
            metrics.store_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
            if let Some(Ok(used)) = self.db.as_ref().map(recorded::used) {
                metrics.recorder_bytes.set(i64::try_from(used).unwrap_or(i64::MAX));
                self.shared.recorded_bytes.store(used, Ordering::Relaxed);
            }
            if let Some((free, size)) = self.place.room() {
                metrics.disk_free.set(i64::try_from(free).unwrap_or(i64::MAX));
                metrics.disk_size.set(i64::try_from(size).unwrap_or(i64::MAX));
            }
        }
    }
}

/// New series, and the batch as a row.
fn write_batch(t: &rusqlite::Transaction<'_>, series: &[(i64, Labels)], rows: &[Row]) -> rusqlite::Result<()> {
    for (id, labels) in series {
        let text = serde_json::to_string(labels).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))?;
        t.prepare_cached("INSERT OR IGNORE INTO label_sets (id, labels) VALUES (?1, ?2)")?
            .execute(rusqlite::params![id, text])?;
    }
    let newest = rows.iter().map(|(_, at_ms, _)| *at_ms).max().unwrap_or_default();
    t.prepare_cached("INSERT INTO batches (to_ms, samples) VALUES (?1, ?2)")?
        .execute(rusqlite::params![newest, batch::encode(rows)])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metrics;

    #[test]
    fn a_whole_batch_does_not_wait_for_its_time() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place { dir: dir.path().into() };
        let shared = Arc::new(Shared::new(Arc::new(Metrics::new()), &place));
        let mut writer = Writer::new(shared.clone(), place, Clock::system());
        writer.batch_at = Instant::now() + Duration::from_secs(3600);
        let sample = |at_ms: usize| Sample {
            labels: Labels::new("m", [("series", "0")]),
            at: jiff::Timestamp::from_millisecond(at_ms as i64).unwrap(),
            value: 1.0,
        };
        shared.push_samples(&(1..BATCH_MAX).map(sample).collect::<Vec<_>>(), i64::MIN);
        writer.collect();
        assert_eq!(writer.samples.len(), 0, "it has time");
        shared.push_samples(&[sample(BATCH_MAX)], i64::MIN);
        writer.collect();
        assert_eq!(writer.samples.len(), BATCH_MAX, "a burst is written before the queue overflows");
        writer.write();
        assert_eq!(writer.samples.len(), 0);
        let batches: i64 =
            writer.connection().unwrap().query_row("SELECT count(*) FROM batches", [], |r| r.get(0)).unwrap();
        assert_eq!(batches, 1);
    }
}

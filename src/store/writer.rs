//! The one writer: a thread of its own that writes batches, keeps what can't be written, and writes it when it can.

use std::{
    collections::VecDeque,
    fs::File,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{
    Durability, StorageConfig,
    pending::{Op, Pending},
    prune::Prune,
    schema::{self, Place, Problem},
    series::Series,
};
use crate::{
    clock::Clock,
    model::{Sample, StoreHealth},
    telemetry::Metrics,
};

/// Samples wait no longer than this for their batch: the most that `kill -9` may lose.
const BATCH_EVERY: Duration = Duration::from_millis(900);
/// Samples that wait, at the most: half a minute of 5,000 targets, should the disk hang.
const SAMPLES_MAX: usize = 400_000;
/// Samples of one transaction; a durable operation never waits for more than one such batch.
const BATCH_MAX: usize = 50_000;
/// Pauses between attempts at a file that can't be used.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// Pruning takes one step this often.
const PRUNE_EVERY: Duration = Duration::from_millis(500);
/// The file's size is told this often.
const SIZE_EVERY: Duration = Duration::from_secs(10);

/// Tells the caller of a durable operation how it ended.
pub type Ack = oneshot::Sender<Durability>;

/// What callers leave for the thread.
#[derive(Debug, Default)]
struct Queue {
    ops: VecDeque<(Op, Option<Ack>)>,
    samples: Vec<Sample>,
    closing: bool,
    closed: bool,
}

/// Between the callers and the thread.
#[derive(Debug)]
pub struct Mailbox {
    queue: Mutex<Queue>,
    news: Condvar,
    health: Mutex<StoreHealth>,
    metrics: Arc<Metrics>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Mailbox {
    /// Empty.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { queue: Mutex::default(), news: Condvar::new(), health: Mutex::default(), metrics }
    }

    /// Leaves an operation. After the end it is lost: nobody is there to need it.
    pub fn push(&self, op: Op, ack: Option<Ack>) {
        let mut queue = lock(&self.queue);
        if !queue.closed {
            queue.ops.push_back((op, ack));
            self.metrics.store_queue.set(i64::try_from(queue.ops.len()).unwrap_or(i64::MAX));
        }
        drop(queue);
        self.news.notify_one();
    }

    /// Leaves samples; past the limit the new ones are dropped.
    pub fn push_samples(&self, mut samples: Vec<Sample>) {
        let mut queue = lock(&self.queue);
        let room = SAMPLES_MAX.saturating_sub(queue.samples.len());
        for _ in room..samples.len() {
            self.metrics.drop_at("store_samples");
        }
        samples.truncate(room);
        queue.samples.append(&mut samples);
    }

    /// Asks for the end.
    pub fn close(&self) {
        lock(&self.queue).closing = true;
        self.news.notify_one();
    }

    /// As it stands.
    pub fn health(&self) -> StoreHealth {
        lock(&self.health).clone()
    }
}

/// See the module.
pub struct Writer {
    mailbox: Arc<Mailbox>,
    place: Place,
    config: StorageConfig,
    clock: Clock,
    db: Option<Connection>,
    lock: Option<File>,
    pending: Pending,
    samples: Vec<Sample>,
    series: Series,
    prune: Prune,
    retry: Duration,
    retry_at: Instant,
    batch_at: Instant,
    prune_at: Instant,
    size_at: Instant,
    /// A limit on the file's pages, to play a full disk in tests.
    #[cfg(test)]
    pub page_limit: Arc<std::sync::atomic::AtomicU32>,
}

impl Writer {
    /// A writer that has tried to open the file once.
    pub fn new(mailbox: Arc<Mailbox>, place: Place, config: StorageConfig, clock: Clock) -> Self {
        let now = Instant::now();
        let mut writer = Self {
            mailbox,
            place,
            config,
            clock,
            db: None,
            lock: None,
            pending: Pending::default(),
            samples: Vec::new(),
            series: Series::default(),
            prune: Prune::default(),
            retry: RETRY.0,
            retry_at: now,
            batch_at: now,
            prune_at: now,
            size_at: now,
            #[cfg(test)]
            page_limit: Arc::default(),
        };
        writer.open();
        writer
    }

    /// The open file, to read what an earlier run left.
    pub fn connection(&self) -> Option<&Connection> {
        self.db.as_ref()
    }

    /// Whether another dogwatch holds the directory.
    pub fn is_locked_out(&self) -> bool {
        self.lock.is_none()
    }

    /// The thread's life.
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
        lock(&self.mailbox.queue).closed = true;
    }

    /// Waits for something to do and takes it over. True at the end.
    fn collect(&mut self) -> bool {
        let mailbox = self.mailbox.clone();
        let mut queue = lock(&mailbox.queue);
        loop {
            let now = Instant::now();
            let wake =
                [self.prune_at, self.batch_at].into_iter().min().unwrap_or(now).max(now + Duration::from_millis(5));
            let batch_due = now >= self.batch_at && (!queue.samples.is_empty() || !self.samples.is_empty());
            let retry_due = self.db.is_none() && now >= self.retry_at;
            if !queue.ops.is_empty() || queue.closing || batch_due || retry_due || now >= self.prune_at {
                break;
            }
            queue = mailbox.news.wait_timeout(queue, wake - now).unwrap_or_else(PoisonError::into_inner).0;
        }
        let mut acks = Vec::new();
        while let Some((op, ack)) = queue.ops.pop_front() {
            self.pending.add(op, &mailbox.metrics);
            acks.extend(ack);
        }
        let now = Instant::now();
        if now >= self.batch_at || queue.closing {
            self.batch_at = now + BATCH_EVERY;
            let room = SAMPLES_MAX.saturating_sub(self.samples.len());
            for _ in room..queue.samples.len() {
                mailbox.metrics.drop_at("store_samples");
            }
            queue.samples.truncate(room);
            self.samples.append(&mut queue.samples);
        }
        let closing = queue.closing;
        drop(queue);
        mailbox.metrics.store_queue.set(0);
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
                self.failed(schema::problem(&error));
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
            self.series.write(&t, &self.samples[..count])?;
            t.commit()
        });
        match written {
            Ok(()) => {
                self.samples.drain(..count);
                self.mailbox.metrics.store_samples.inc_by(count as u64);
                if !self.samples.is_empty() {
                    self.batch_at = Instant::now();
                }
                self.committed(begun);
            }
            Err(error) => self.failed(schema::problem(&error)),
        }
    }

    fn committed(&mut self, begun: Instant) {
        self.retry = RETRY.0;
        let metrics = &self.mailbox.metrics;
        metrics.store_commits.inc();
        metrics.store_commit_seconds.observe(begun.elapsed().as_secs_f64());
        metrics.store_up.set(1);
        let mut health = lock(&self.mailbox.health);
        if !health.ok {
            tracing::info!("history is being written again");
            *health = StoreHealth { ok: true, since: Some(self.clock.wall()), message: String::new() };
        }
    }

    fn failed(&mut self, problem: Problem) {
        self.series.forget();
        self.db = None;
        self.retry_at = Instant::now() + self.retry;
        self.retry = (self.retry * 2).min(RETRY.1);
        let words = problem.words(&self.place.database());
        let metrics = &self.mailbox.metrics;
        metrics.store_failures.inc();
        metrics.store_up.set(0);
        let mut health = lock(&self.mailbox.health);
        if health.ok || health.message != words {
            tracing::error!("history can't be written, going on from memory: {words}");
            let since = if health.ok || health.since.is_none() { Some(self.clock.wall()) } else { health.since };
            *health = StoreHealth { ok: false, since, message: words };
        }
    }

    /// Opens the file; a damaged one is moved aside for a new one.
    fn open(&mut self) {
        if self.lock.is_none() {
            match self.place.lock() {
                Ok(file) => self.lock = Some(file),
                Err(problem) => return self.failed(problem),
            }
        }
        let now = self.clock.wall();
        let opened = match schema::open(&self.place, now) {
            Err(Problem::Corrupt(why)) => self.begin_anew(&why),
            other => other,
        };
        match opened {
            Ok(db) => {
                #[cfg(test)]
                {
                    let pages = self.page_limit.load(std::sync::atomic::Ordering::Relaxed);
                    if pages > 0 {
                        let _ = db.pragma_update(None, "max_page_count", pages);
                    }
                }
                self.mailbox.metrics.store_up.set(1);
                self.db = Some(db);
                let mut health = lock(&self.mailbox.health);
                if health.since.is_none() {
                    *health = StoreHealth { ok: true, since: Some(now), message: String::new() };
                }
            }
            Err(problem) => self.failed(problem),
        }
    }

    fn begin_anew(&self, why: &str) -> Result<Connection, Problem> {
        let now = self.clock.wall();
        let kept =
            self.place.set_aside(now).map_err(|e| Problem::Corrupt(format!("{why}; it can't be moved aside: {e}")))?;
        let message = format!(
            "{} was damaged ({why}); it is kept as {} and a new history has begun",
            self.place.database().display(),
            kept.display()
        );
        tracing::error!("{message}");
        let db = schema::open(&self.place, now)?;
        *lock(&self.mailbox.health) = StoreHealth { ok: true, since: Some(now), message };
        Ok(db)
    }

    fn housekeeping(&mut self) {
        let now = Instant::now();
        if now >= self.prune_at {
            self.prune_at = now + PRUNE_EVERY;
            if let Some(db) = &self.db {
                let stepped = self.prune.step(db, &self.config, self.clock.wall());
                if self.prune.is_under_way() {
                    self.series.forget();
                }
                if let Err(error) = stepped {
                    self.failed(schema::problem(&error));
                }
            }
        }
        if now >= self.size_at {
            self.size_at = now + SIZE_EVERY;
            let bytes: u64 = self.place.files().iter().filter_map(|f| std::fs::metadata(f).ok()).map(|m| m.len()).sum();
            self.mailbox.metrics.store_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
    }
}

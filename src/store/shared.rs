//! What callers and the writer's thread share: the queue of what is to be written, the head, and the store's health.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, atomic::AtomicU64},
};

use tokio::sync::oneshot;

use super::{
    Durability, StorageConfig,
    batch::Row,
    head::{Head, Taken, write_lock},
    history::Readers,
    pending::Op,
    place::Place,
};
use crate::{
    model::{Labels, Sample, StoreHealth},
    telemetry::Metrics,
};

/// Samples that wait to be written, at the most: half a minute of 5,000 targets, should the disk hang. Those beyond are
/// in memory all the same and are packed from there.
pub const SAMPLES_MAX: usize = 400_000;

/// Samples of one transaction; a durable operation never waits for more than one such batch. So many are written at once:
/// were they left to wait for the next batch, a burst would reach [`SAMPLES_MAX`] beside an idle disk.
pub const BATCH_MAX: usize = 50_000;

/// Tells the caller of a durable operation how it ended.
pub type Ack = oneshot::Sender<Durability>;

/// Holds what callers leave for the thread.
#[derive(Debug, Default)]
pub struct Queue {
    /// Operations, in order.
    pub ops: VecDeque<(Op, Option<Ack>)>,
    /// Rows of the next batches.
    pub samples: Vec<Row>,
    /// Series that the file does not have yet.
    pub series: Vec<(i64, Labels)>,
    /// The end is asked for.
    pub closing: bool,
    /// Nobody takes anything any more.
    pub closed: bool,
}

impl Queue {
    /// Returns whether there is enough for a whole batch.
    pub fn fills_batch(&self) -> bool {
        self.samples.len() >= BATCH_MAX
    }
}

/// Holds what callers and the thread share.
#[derive(Debug)]
pub struct Shared {
    /// What was left.
    pub queue: Mutex<Queue>,
    /// Something was.
    pub news: Condvar,
    /// Whether history is being written.
    pub health: Mutex<StoreHealth>,
    /// Own metrics.
    pub metrics: Arc<Metrics>,
    /// Recent samples and the index. Locked before the queue where both are.
    pub head: RwLock<Head>,
    /// For everybody who reads.
    pub readers: Readers,
    /// How long history is kept, and how much of it; may change while it runs.
    pub config: RwLock<StorageConfig>,
    /// Bytes of the flight recorder's blocks in the file, as last looked at.
    pub recorded_bytes: AtomicU64,
}

/// Locks a mutex, a poisoned one too.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Keeps history so long, and so much of it, from now on.
    pub fn configure(&self, config: StorageConfig) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// Returns how long history is kept, and how much of it.
    pub fn config(&self) -> StorageConfig {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the state of a store that knows nothing yet.
    pub fn new(metrics: Arc<Metrics>, place: &Place) -> Self {
        Self {
            queue: Mutex::default(),
            news: Condvar::new(),
            health: Mutex::default(),
            metrics,
            head: RwLock::default(),
            readers: Readers::new(place.database()),
            config: RwLock::default(),
            recorded_bytes: AtomicU64::new(0),
        }
    }

    /// Queues an operation. After the end it is lost: nobody is there to need it.
    pub fn push(&self, op: Op, ack: Option<Ack>) {
        let mut queue = lock(&self.queue);
        if !queue.closed {
            queue.ops.push_back((op, ack));
            self.metrics.store_queue.set(i64::try_from(queue.ops.len()).unwrap_or(i64::MAX));
        }
        drop(queue);
        self.news.notify_one();
    }

    /// Puts samples into the head and queues them to be written; past the limits they are dropped and counted.
    pub fn push_samples(&self, samples: &[Sample], oldest_ms: i64) {
        let mut head = write_lock(&self.head);
        let mut queue = lock(&self.queue);
        for sample in samples {
            match head.insert(sample, oldest_ms) {
                Taken::In(id, new) => {
                    if new {
                        queue.series.push((id, sample.labels.clone()));
                    }
                    if queue.samples.len() < SAMPLES_MAX {
                        queue.samples.push((id, sample.at.as_millisecond(), sample.value));
                    } else {
                        self.metrics.drop_at("store_samples");
                    }
                }
                Taken::Duplicate => self.metrics.drop_at("store_duplicate_samples"),
                Taken::TooManySeries => self.metrics.drop_at("store_series"),
                Taken::TooOld => self.metrics.drop_at("store_old_samples"),
            }
        }
        if queue.fills_batch() {
            self.news.notify_one();
        }
        drop(queue);
        for _ in 0..head.shed() {
            self.metrics.drop_at("store_memory");
        }
    }

    /// Asks the thread to end.
    pub fn close(&self) {
        lock(&self.queue).closing = true;
        self.news.notify_one();
    }

    /// Returns whether history is being written.
    pub fn health(&self) -> StoreHealth {
        lock(&self.health).clone()
    }
}

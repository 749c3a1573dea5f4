//! remote_write: history on its way to another Prometheus-compatible store, from a durable position.
//!
//! Positions are times: the shards send all samples of a slice `[from, to)`, each of its series, then the next slice. A
//! slice is complete once `grace` has passed since its end, since samples bear the time at which their probe began.
//! Where it stands is written after every few requests, so that a restart goes on there: a request may come twice, as it
//! was, none is left out. Behind, slices are larger and follow each other without a pause.
//!
//! One request in flight a shard; what waits is the store's, not memory's. Rolled-up history is never sent.

pub mod config;
mod message;
mod position;
mod send;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

pub use self::{
    config::RemoteWriteConfig,
    send::{judge, words},
};
use self::{
    position::{Cut, DONE, Position, Slice},
    send::{Sender, Sent},
};
use crate::{
    clock::Clock,
    model::Labels,
    pack::{Packed, Points, Want},
    store::{Shard, Store, StoreError},
    telemetry::{Metrics, RemoteLabels},
};

/// Series read at once.
const SERIES_AT_ONCE: usize = 200;
/// Pause before the store is asked again, where it can't be read.
const STORE_PAUSE: Duration = Duration::from_secs(5);
/// Within a slice, how often the position is written at the most: each time is a transaction with a sync.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// How often the lag is told, also while a receiver takes nothing.
const LAG_EVERY: Duration = Duration::from_secs(5);

/// Holds what every shard works with.
#[derive(Clone)]
pub struct Parts {
    /// History.
    pub store: Store,
    /// Own metrics.
    pub metrics: Arc<Metrics>,
    /// Time.
    pub clock: Clock,
    /// Added to every series that has no such label.
    pub external_labels: BTreeMap<String, String>,
    /// A sample arrives no later than this after its time.
    pub grace: Duration,
}

/// One remote.
struct Remote {
    parts: Parts,
    senders: Vec<Sender>,
    labels: RemoteLabels,
    key: String,
    cut: Cut,
    stop: CancellationToken,
    position: Mutex<Position>,
    saved_at: Mutex<Instant>,
}

/// Sends until told to stop.
pub async fn run(config: RemoteWriteConfig, parts: Parts, stop: CancellationToken) {
    let cut = config.queue_config.cut();
    let senders = (0..cut.shards).map(|_| Sender::new(&config, parts.metrics.clone())).collect::<Result<Vec<_>, _>>();
    let senders = match senders {
        Ok(senders) => senders,
        // Checked with the configuration already.
        Err(error) => return tracing::error!(remote = config.name(), error, "remote_write can't start"),
    };
    // At the first start: what was before is not sent.
    let begin = Position::at(parts.clock.wall().as_millisecond(), cut);
    let remote = Remote {
        labels: RemoteLabels { remote: config.name() },
        key: format!("remote_write/{}", config.name()),
        position: Mutex::new(begin),
        saved_at: Mutex::new(Instant::now()),
        parts,
        senders,
        cut,
        stop,
    };
    tokio::select! {
        () = remote.run() => {}
        () = remote.tell_lag() => {}
    }
    remote.parts.metrics.remote_lag.remove(&remote.labels);
}

impl Remote {
    fn position(&self) -> MutexGuard<'_, Position> {
        self.position.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn save_sometimes(&self) {
        let mut saved_at = self.saved_at.lock().unwrap_or_else(PoisonError::into_inner);
        if saved_at.elapsed() >= SAVE_EVERY {
            *saved_at = Instant::now();
            self.save();
        }
    }

    fn save(&self) {
        self.parts.store.save_value(&self.key, &self.position().write());
    }

    /// `None` when told to stop.
    async fn pause(&self, pause: Duration) -> Option<()> {
        self.stop.run_until_cancelled(tokio::time::sleep(pause)).await
    }

    /// Asks the store until it answers; `None` when told to stop.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl Fn(&Store) -> Result<T, StoreError> + Clone + Send + 'static,
    ) -> Option<T> {
        loop {
            let (store, ask) = (self.parts.store.clone(), question.clone());
            let why = match tokio::task::spawn_blocking(move || ask(&store)).await {
                Ok(Ok(answer)) => return Some(answer),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "reading broke off".to_string(),
            };
            tracing::warn!(remote = self.labels.remote, why, "remote_write waits for the store; nothing is lost");
            self.pause(STORE_PAUSE).await?;
        }
    }

    async fn tell_lag(&self) {
        loop {
            let lag = self.parts.clock.wall().as_millisecond() - self.position().from_ms;
            self.parts.metrics.remote_lag.get_or_create(&self.labels).set(lag as f64 / 1e3);
            tokio::time::sleep(LAG_EVERY).await;
        }
    }

    /// Goes on where an earlier run ended. A position that can't be read is waited for: to begin anew would leave out
    /// what was not sent. `None` when told to stop.
    async fn restore(&self) -> Option<()> {
        let key = self.key.clone();
        if let Some(text) = self.ask(move |store| store.value(&key)).await? {
            match Position::read(&text, self.cut) {
                Ok(position) => *self.position() = position,
                Err(error) => {
                    let remote = &self.labels.remote;
                    tracing::error!(remote, %error, "where remote_write stood is damaged in the database: it sends from now on");
                }
            }
        }
        self.save();
        Some(())
    }

    async fn run(&self) {
        if self.restore().await.is_none() {
            return;
        }
        let grace = i64::try_from(self.parts.grace.as_millis()).unwrap_or(i64::MAX);
        while !self.stop.is_cancelled() {
            let now = self.parts.clock.wall().as_millisecond();
            let from_ms = self.position().from_ms;
            let remote = &self.labels.remote;
            let next = self.position().next(now, grace, self.parts.store.oldest_sample_ms());
            match next {
                Slice::Wait(ms) => {
                    let pause = Duration::from_millis(u64::try_from(ms).unwrap_or(1_000));
                    if self.pause(pause).await.is_none() {
                        return;
                    }
                }
                Slice::Ahead => {
                    tracing::warn!(remote, from_ms, now, "the clock stepped back: remote_write sends from now on");
                    self.go_to(now);
                }
                Slice::Lost { until_ms } => {
                    tracing::error!(remote, from_ms, until_ms, "history was rolled up before it could be sent");
                    self.parts.metrics.remote_lost.get_or_create(&self.labels).inc();
                    self.go_to(until_ms);
                }
                Slice::Send { to_ms } => {
                    let shards = self.begin(to_ms).await;
                    // All shards end a slice before the next one begins: a receiver takes only so much disorder.
                    let shards = (0..shards).map(|shard| self.slice(shard));
                    if futures_util::future::join_all(shards).await.contains(&None) {
                        return self.save();
                    }
                    self.go_to(to_ms);
                }
            }
        }
    }

    /// Between two slices, at a time.
    fn go_to(&self, from_ms: i64) {
        *self.position() = Position::at(from_ms, self.cut);
        self.save();
    }

    /// Begins or resumes a slice; how many shards it has. Its end is in the file before the first request leaves: after a
    /// crash the slice must be the same, or its requests would mix what was sent with what was not.
    async fn begin(&self, to_ms: i64) -> usize {
        let (text, shards) = {
            let mut position = self.position();
            position.to_ms = to_ms;
            (position.write(), position.after.len())
        };
        // Where the file can't be written, sending goes on all the same.
        self.parts.store.commit_value(&self.key, &text).await;
        shards
    }

    /// Sends one shard's part of a slice, series by series; `None` when told to stop.
    async fn slice(&self, shard: usize) -> Option<()> {
        loop {
            let Position { from_ms, to_ms, after, samples } = self.position().clone();
            let of = Shard { index: shard as i64, count: after.len() as i64 };
            let after = after.get(shard).copied().unwrap_or(DONE);
            if after == DONE {
                return Some(());
            }
            let (series, next) =
                self.ask(move |store| store.slice(of, after, SERIES_AT_ONCE, from_ms, to_ms - 1)).await?;
            let sender = self.senders.get(shard % self.senders.len())?;
            for batch in self.batches(&series, (from_ms, to_ms), samples) {
                let samples = batch.iter().map(|(_, p)| p.len() as u64).sum();
                let counted = match self.stop.run_until_cancelled(sender.deliver(&batch)).await? {
                    Sent::Taken => &self.parts.metrics.remote_samples,
                    Sent::Refused => &self.parts.metrics.remote_refused,
                };
                counted.get_or_create(&self.labels).inc_by(samples);
            }
            if let Some(at) = self.position().after.get_mut(shard) {
                *at = next.unwrap_or(DONE);
            }
            self.save_sometimes();
        }
    }

    /// Requests of at most `max` samples, each series in time order.
    fn batches(&self, series: &[Packed], (from_ms, to_ms): (i64, i64), max: usize) -> Vec<Vec<(Labels, Points)>> {
        let mut batches = Vec::new();
        let (mut batch, mut held) = (Vec::new(), 0);
        let mut points = Points::default();
        for packed in series {
            if let Err(damaged) = packed.read(Want::Last, from_ms, to_ms - 1, &mut points) {
                tracing::error!(series = %packed.labels, %damaged, "not sent");
                continue;
            }
            let labels = message::with_external(&packed.labels, &self.parts.external_labels);
            let first = points.coarse.last().map_or(0, |(until, _)| points.at_ms.partition_point(|t| t <= until));
            let mut from = first;
            while from < points.len() {
                let to = (from + max - held).min(points.len());
                batch.push((labels.clone(), points.part(from..to)));
                held += to - from;
                from = to;
                if held >= max {
                    batches.push(std::mem::take(&mut batch));
                    held = 0;
                }
            }
        }
        if !batch.is_empty() {
            batches.push(batch);
        }
        batches
    }
}

//! remote_write: history on its way to another Prometheus-compatible store, from a durable position.
//!
//! Positions are times: the shards send all samples of a slice `[from, to)`, each of its series, then the next slice. A slice is
//! complete once `grace` has passed since its end, since samples bear the time at which their probe began. Where it
//! stands is written after every few requests, so that a restart goes on there: a request may come twice, none is left
//! out. Behind, slices are larger and follow each other without a pause.
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
    time::Duration,
};

use tokio_util::sync::CancellationToken;

pub use self::config::RemoteWriteConfig;
use self::{
    position::{DONE, Position, Slice},
    send::{Sender, Sent},
};
use crate::{
    clock::Clock,
    model::Labels,
    pack::{Packed, Points, Want},
    store::Store,
    telemetry::{Metrics, RemoteLabels},
};

/// Series read at once.
const SERIES_AT_ONCE: usize = 200;
/// Pause before the store is asked again, where it can't be read.
const STORE_PAUSE: Duration = Duration::from_secs(5);

/// What every shard works with.
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
    batch_max: usize,
    stop: CancellationToken,
    position: Mutex<Position>,
}

/// Sends until told to stop.
pub async fn run(config: RemoteWriteConfig, parts: Parts, stop: CancellationToken) {
    let shards = config.queue_config.shards.max(1);
    let senders = (0..shards).map(|_| Sender::new(&config, parts.metrics.clone())).collect::<Result<Vec<_>, _>>();
    let senders = match senders {
        Ok(senders) => senders,
        // Checked with the configuration already.
        Err(error) => return tracing::error!(remote = config.name(), error, "remote_write can't start"),
    };
    let key = format!("remote_write/{}", config.name());
    let (store, kept) = (parts.store.clone(), key.clone());
    let kept = tokio::task::spawn_blocking(move || store.note(&kept)).await;
    let kept = kept.ok().and_then(Result::ok).flatten().and_then(|text| Position::read(&text, shards));
    // At the first start: what was before is not sent.
    let position = kept.unwrap_or_else(|| Position::at(parts.clock.wall().as_millisecond(), shards));
    let remote = Remote {
        labels: RemoteLabels { remote: config.name() },
        batch_max: config.queue_config.max_samples_per_send,
        position: Mutex::new(position),
        parts,
        senders,
        key,
        stop,
    };
    remote.save();
    remote.run().await;
}

impl Remote {
    fn position(&self) -> MutexGuard<'_, Position> {
        self.position.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn save(&self) {
        self.parts.store.save_note(&self.key, &self.position().write());
    }

    async fn run(&self) {
        let grace = i64::try_from(self.parts.grace.as_millis()).unwrap_or(i64::MAX);
        while !self.stop.is_cancelled() {
            let now = self.parts.clock.wall().as_millisecond();
            let from_ms = self.position().from_ms;
            self.parts.metrics.remote_lag.get_or_create(&self.labels).set((now - from_ms) as f64 / 1e3);
            let next = self.position().next(now, grace, self.parts.store.oldest_ms());
            match next {
                Slice::Wait(ms) => {
                    let pause = Duration::from_millis(u64::try_from(ms).unwrap_or(1_000));
                    if self.stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                        return;
                    }
                }
                Slice::Lost { until_ms } => {
                    let remote = &self.labels.remote;
                    tracing::error!(remote, from_ms, until_ms, "history was rolled up before it could be sent");
                    self.parts.metrics.remote_lost.get_or_create(&self.labels).inc();
                    *self.position() = Position::at(until_ms, self.senders.len());
                    self.save();
                }
                Slice::Send { to_ms } => {
                    self.position().to_ms = to_ms;
                    // All shards end a slice before the next one begins: a receiver takes only so much disorder.
                    let shards = (0..self.senders.len()).map(|shard| self.slice(shard));
                    if futures_util::future::join_all(shards).await.contains(&false) {
                        return;
                    }
                    *self.position() = Position::at(to_ms, self.senders.len());
                    self.save();
                }
            }
        }
    }

    /// Sends one shard's part of a slice, series by series; false when told to stop.
    async fn slice(&self, shard: usize) -> bool {
        let (index, of) = (shard as i64, self.senders.len() as i64);
        loop {
            let (from_ms, to_ms, after) = {
                let position = self.position();
                (position.from_ms, position.to_ms, position.after[shard])
            };
            if after == DONE {
                return true;
            }
            let store = self.parts.store.clone();
            let read = move || store.slice((index, of), after, SERIES_AT_ONCE, from_ms, to_ms - 1);
            let (series, next) = match tokio::task::spawn_blocking(read).await {
                Ok(Ok(found)) => found,
                Ok(Err(error)) => {
                    tracing::warn!(remote = self.labels.remote, %error, "remote_write waits for the store");
                    if self.stop.run_until_cancelled(tokio::time::sleep(STORE_PAUSE)).await.is_none() {
                        return false;
                    }
                    continue;
                }
                Err(_) => return false,
            };
            for batch in self.batches(&series, from_ms, to_ms) {
                let samples = batch.iter().map(|(_, p)| p.len() as u64).sum();
                let counted = match self.stop.run_until_cancelled(self.senders[shard].deliver(&batch)).await {
                    None => return false,
                    Some(Sent::Taken) => &self.parts.metrics.remote_samples,
                    Some(Sent::Refused) => &self.parts.metrics.remote_refused,
                };
                counted.get_or_create(&self.labels).inc_by(samples);
            }
            self.position().after[shard] = next.unwrap_or(DONE);
            self.save();
        }
    }

    /// Requests' worth of samples, each series in time order.
    fn batches(&self, series: &[Packed], from_ms: i64, to_ms: i64) -> Vec<Vec<(Labels, Points)>> {
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
                let to = (from + self.batch_max - held).min(points.len());
                batch.push((labels.clone(), points.part(from..to)));
                held += to - from;
                from = to;
                if held >= self.batch_max {
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

//! The flight recorder: what runs where, what waits and what has changed in a cluster, written down from outside, so that it
//! can be told when nobody there answers any more. On, unless a cluster's `recorder: {enabled: false}` turns it off.
//!
//! Invariants: it only lists and watches what `inventory::kinds` names, and keeps no other field; one list at a time in a
//! cluster; no probe waits for it, and it waits for no probe. What the API refuses is said once, and the rest goes on. When
//! its share of the database is used up, it stops by itself and says so.

pub mod answer;
mod api;
mod desk;
mod follow;
mod memory;
mod page;
pub mod past;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, Interval, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use url::Url;

use self::{
    desk::Desk,
    follow::{Follower, Lists},
};
use crate::{
    clock::Clock,
    dial::Dialer,
    inventory::{kinds::KINDS, situation::Summary, state_metrics::StateMetrics},
    model::Situation,
    store::Store,
    telemetry::Metrics,
};

/// What has changed is written this often: the most that `kill -9` may lose. A start finds it again by its lists.
const WRITE_EVERY: Duration = Duration::from_secs(3);
/// When each kind was last seen is written this often, where nothing else is.
const SEEN_EVERY: Duration = Duration::from_secs(15);

/// The series of objects are written this often: kube-state-metrics is scraped as often.
const SERIES_EVERY: Duration = Duration::from_secs(30);
/// What all objects amount to is told this often: 30,000 pods are looked through in some milliseconds.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Holds what a cluster's recorder works with.
pub struct Parts {
    /// The cluster.
    pub cluster: Arc<str>,
    /// Gives the cluster's dialer once its kubeconfig is loaded.
    pub dialer: Box<dyn Fn() -> Option<Dialer> + Send + Sync>,
    /// Gives the API servers that are up.
    pub servers: Box<dyn Fn() -> Vec<Url> + Send + Sync>,
    /// Where it is written.
    pub store: Store,
    /// Own metrics.
    pub metrics: Arc<Metrics>,
    /// Time.
    pub clock: Clock,
    /// Series of objects, as kube-state-metrics has them, where they are wanted.
    pub state_metrics: Option<StateMetrics>,
    /// Takes what all objects amount to, each time that this is something else.
    pub told: watch::Sender<Arc<Situation>>,
}

/// Records until told to stop.
pub async fn run(mut parts: Parts, stop: CancellationToken) {
    let summary = Arc::new(Mutex::new(Summary::default().with_metrics(parts.state_metrics.take())));
    let (parts, desk) = (Arc::new(parts), Arc::new(Desk::default()));
    let lists = Arc::new(Lists::default());
    let mut followers = JoinSet::new();
    for kind in KINDS.iter() {
        let mut follower = Follower::new(parts.clone(), (desk.clone(), summary.clone()), lists.clone(), kind);
        let stop = stop.clone();
        followers.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = follower.run() => {}
            }
            follower.flush();
        });
    }
    let mut tick = ticks(WRITE_EVERY);
    let mut tell = ticks(TELL_EVERY);
    let mut series = ticks(SERIES_EVERY);
    let mut seen_at = Instant::now();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = tell.tick() => {
                let now = parts.clock.wall();
                let (situation, dropped) = {
                    let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
                    (summary.situation(now), summary.dropped_changes())
                };
                (0..dropped).for_each(|_| parts.metrics.drop_at("recent_changes"));
                parts.told.send_if_modified(|told| {
                    let is_news = **told != situation;
                    if is_news {
                        *told = Arc::new(situation);
                    }
                    is_news
                });
                continue;
            }
            _ = series.tick() => {
                append_series(&parts, &summary);
                continue;
            }
            _ = tick.tick() => {}
        }
        let is_time = seen_at.elapsed() >= SEEN_EVERY;
        if is_time {
            seen_at = Instant::now();
        }
        write(&parts, &desk, is_time);
        say(&parts.cluster, &desk);
    }
    while followers.join_next().await.is_some() {}
    write(&parts, &desk, true);
    let now = parts.clock.wall();
    if let Some(metrics) = summary.lock().unwrap_or_else(PoisonError::into_inner).metrics(now) {
        parts.store.append(&metrics.end(now));
    }
}

/// Writes the series of objects, where they are wanted.
fn append_series(parts: &Parts, summary: &Mutex<Summary>) {
    let now = parts.clock.wall();
    let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(metrics) = summary.metrics(now) else { return };
    (0..metrics.left_out()).for_each(|_| parts.metrics.drop_at("state_metrics"));
    let samples = metrics.samples(now);
    drop(summary);
    parts.store.append(&samples);
}

/// What was missed is not made up for.
fn ticks(every: Duration) -> Interval {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn write(parts: &Parts, desk: &Desk, all: bool) {
    let (blocks, seen) = desk.take(&parts.cluster, all);
    parts.store.save_recorded(blocks, seen);
}

/// What is refused is said once, and again when it is something else.
fn say(cluster: &str, desk: &Desk) {
    match desk.refused() {
        None => {}
        Some(refused) if refused.is_empty() => {
            tracing::info!(cluster, "the flight recorder sees all kinds of objects that the cluster has");
        }
        Some(refused) => tracing::warn!(
            cluster,
            refused = refused.join(", "),
            "the flight recorder may not see these: the ClusterRole dogwatch-recorder of deploy/rbac.yaml grants it (docs/recorder.md)"
        ),
    }
}

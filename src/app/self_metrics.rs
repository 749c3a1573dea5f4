//! The watchdog's own metrics in its own history: what `/metrics` shows of it, every [`EVERY`], with `job="dogwatch"` and the address
//! that it listens on as `instance`, as a Prometheus that scrapes it would have them.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    exposition,
    http::metrics,
    model::{Live, Sample, ended},
    store::Store,
    telemetry::Metrics,
};

/// As often as a Prometheus would scrape it.
const EVERY: Duration = Duration::from_secs(15);

/// Runs until told to stop. What is no longer shown ends, as what was shown under another address does.
pub async fn run(
    listening: watch::Receiver<SocketAddr>,
    store: Store,
    live: Live,
    metrics: Arc<Metrics>,
    clock: Clock,
    stop: CancellationToken,
) {
    let mut before: Vec<Sample> = Vec::new();
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        let at = clock.wall();
        let instance = listening.borrow().to_string();
        let text = metrics::own(&live, &metrics, at);
        let samples = exposition::read(&text, at, &[("job", "dogwatch"), ("instance", &instance)]).samples;
        store.append(&samples);
        store.append(&ended(&before, &samples, at));
        before = samples;
    }
}

//! The watchdog's own metrics in its own history: what `/metrics` shows of it, every [`EVERY`], with `job="dogwatch"` and the address
//! that it listens on as `instance`, as a Prometheus that scrapes it would have them.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{clock::Clock, exposition, http::metrics, model::Live, store::Store, telemetry::Metrics};

/// As often as a Prometheus would scrape it.
const EVERY: Duration = Duration::from_secs(15);

/// Runs until told to stop.
pub async fn run(
    instance: String,
    store: Store,
    live: Live,
    metrics: Arc<Metrics>,
    clock: Clock,
    stop: CancellationToken,
) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        let at = clock.wall();
        let text = metrics::own(&live, &metrics, at);
        store.append(&exposition::read(&text, at, &[("job", "dogwatch"), ("instance", &instance)]).samples);
    }
}

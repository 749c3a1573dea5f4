//! The dead man's switch out: somebody else's alarm is kept quiet by our pings, and goes off when they stop. They stop when
//! dogwatch does not really watch: not probing, not storing, not able to notify.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::config::SwitchConfig;
use crate::{
    clock::Clock,
    model::Live,
    notify::client::{HttpClient, read_url},
    telemetry::{Metrics, PingLabels},
};

/// One ping, from the first byte to the last.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A ping that fails is tried again after this, twice.
const AGAIN: Duration = Duration::from_secs(5);

/// Attempts of one ping.
const ATTEMPTS: usize = 3;

/// A probe must have ended within this, however long the intervals.
const PROBED_WITHIN: Duration = Duration::from_secs(60);

/// A message may wait so long for a receiver that fails.
const NOTIFYING_WITHIN: Duration = Duration::from_secs(300);

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Now.
    pub now: Timestamp,
    /// Since when the watchdog runs.
    pub started_at: Option<Timestamp>,
    /// When the newest probe began; `None`: nothing was probed yet.
    pub probed_at: Option<Timestamp>,
    /// The longest interval of a probe.
    pub interval: Duration,
    /// History is being written.
    pub storing: bool,
    /// Since when messages wait while every receiver fails.
    pub mute_since: Option<Timestamp>,
    /// There is something to watch.
    pub has_targets: bool,
}

/// Whether the watchdog really watches.
///
/// # Errors
/// Why it does not, in words.
pub fn fit(view: &View) -> Result<(), &'static str> {
    let since = |at: Timestamp| Duration::try_from(view.now.duration_since(at)).unwrap_or_default();
    let probed = view.probed_at.or(view.started_at);
    if view.has_targets && probed.is_none_or(|at| since(at) > view.interval * 2 + PROBED_WITHIN) {
        return Err("nothing is being probed");
    }
    if !view.storing {
        return Err("history is not being written");
    }
    if view.mute_since.is_some_and(|at| since(at) > NOTIFYING_WITHIN) {
        return Err("no receiver takes messages");
    }
    Ok(())
}

/// Pings until told to stop.
pub async fn run(config: SwitchConfig, live: Live, metrics: Arc<Metrics>, clock: Clock, stop: CancellationToken) {
    let client = match HttpClient::new(&config.http_config) {
        Ok(client) => client,
        Err((key, why)) => return tracing::error!("dead_mans_switch{key}: {why}"),
    };
    let mut mute_since = None;
    let mut unfit = false;
    let mut tick = tokio::time::interval(config.every);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        let view = look(&live, clock.wall(), &mut mute_since);
        let outcome = match fit(&view) {
            Err(why) => {
                if !unfit {
                    tracing::error!("the dead man's switch is not pinged: {why}");
                }
                unfit = true;
                "withheld"
            }
            Ok(()) => {
                unfit = false;
                match stop.run_until_cancelled(ping(&client, &config)).await {
                    None => return,
                    Some(Ok(())) => "delivered",
                    Some(Err(why)) => {
                        tracing::warn!("the dead man's switch can't be pinged: {why}");
                        "failed"
                    }
                }
            }
        };
        metrics.switch_pings.get_or_create(&PingLabels { outcome }).inc();
    }
}

fn look(live: &Live, now: Timestamp, mute_since: &mut Option<Timestamp>) -> View {
    let live = live.read();
    let targets = || live.clusters.values().flat_map(|c| c.targets.values());
    let mute = live.outbox_pending > 0 && !live.failing_receivers.is_empty();
    *mute_since = if mute { Some(mute_since.unwrap_or(now)) } else { None };
    View {
        now,
        started_at: live.started_at,
        probed_at: targets().filter_map(|t| t.last.as_ref().map(|o| o.started)).max(),
        interval: targets().map(|t| t.target.interval).max().unwrap_or_default(),
        storing: live.store.ok || live.store.since.is_none(),
        mute_since: *mute_since,
        has_targets: targets().next().is_some(),
    }
}

async fn ping(client: &HttpClient, config: &SwitchConfig) -> Result<(), String> {
    let mut last = String::new();
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            tokio::time::sleep(AGAIN).await;
        }
        match once(client, config).await {
            Ok(()) => return Ok(()),
            Err(why) => last = why,
        }
    }
    Err(last)
}

async fn once(client: &HttpClient, config: &SwitchConfig) -> Result<(), String> {
    let url = read_url(config.url.as_ref(), config.url_file.as_ref()).await?;
    let request = client.get(&client.client(TIMEOUT).await?, url).await?;
    // The URL is a secret: errors are told without it.
    let response = request.send().await.map_err(|e| e.without_url().to_string())?;
    if response.status().is_success() { Ok(()) } else { Err(format!("answered {}", response.status())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_pings_only_while_it_really_watches() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let ago = |s: i64| Some(now - jiff::SignedDuration::from_secs(s));
        let good = View {
            now,
            started_at: ago(1_000),
            probed_at: ago(5),
            interval: Duration::from_secs(10),
            storing: true,
            mute_since: None,
            has_targets: true,
        };
        assert_eq!(fit(&good), Ok(()));
        assert_eq!(fit(&View { probed_at: ago(100), ..good }), Err("nothing is being probed"));
        assert_eq!(fit(&View { probed_at: None, started_at: ago(30), ..good }), Ok(()));
        assert_eq!(fit(&View { probed_at: None, has_targets: false, ..good }), Ok(()));
        assert_eq!(fit(&View { storing: false, ..good }), Err("history is not being written"));
        assert_eq!(fit(&View { mute_since: ago(200), ..good }), Ok(()));
        assert_eq!(fit(&View { mute_since: ago(400), ..good }), Err("no receiver takes messages"));
    }
}

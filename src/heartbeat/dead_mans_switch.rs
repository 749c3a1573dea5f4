//! The dead man's switch out: somebody else's alarm is kept quiet by our pings, and goes off when they stop. They stop when
//! dogwatch does not really watch: not probing, not storing, not able to notify, cut off. Where it is asked to, it says why
//! at `<url>/fail`, as at healthchecks.io. The URL is a secret: it is never shown, not even in part.

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::config::SwitchConfig;
use crate::{
    clock::Clock,
    model::{Live, LiveState},
    notify::{
        self,
        client::{HttpClient, read_url},
    },
    telemetry::{Metrics, PingLabels},
};

/// One ping, from the first byte to the last.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A ping that fails is tried again after this, twice.
const AGAIN: Duration = Duration::from_secs(5);

/// Attempts of one ping.
const ATTEMPTS: usize = 3;

/// The first ping comes this long after the start: by then the first probes have ended and the store has been judged.
const SETTLE: Duration = Duration::from_secs(5);

/// A probe must have begun within twice the shortest interval and this.
const PROBED_WITHIN: SignedDuration = SignedDuration::from_secs(60);

/// A receiver may fail for so long; messages may wait for so long.
const NOTIFYING_WITHIN: SignedDuration = SignedDuration::from_secs(300);

/// Holds what is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Now.
    pub now: Timestamp,
    /// Since when the watchdog runs.
    pub started_at: Option<Timestamp>,
    /// Clusters are configured.
    pub has_clusters: bool,
    /// When the newest probe began whose result was taken in; `None`: there is none yet.
    pub probed_at: Option<Timestamp>,
    /// The shortest interval of a probe.
    pub interval: Duration,
    /// The watchdog is cut off.
    pub cut_off: bool,
    /// History is being written.
    pub storing: bool,
    /// The receiver that has failed longest, and since when.
    pub failing: Option<(String, Timestamp)>,
    /// Since when there has always been a message that waits.
    pub waiting_since: Option<Timestamp>,
}

/// Returns whether the watchdog really watches.
///
/// # Errors
/// Why it does not, in words.
pub fn fit(view: &View) -> Result<(), String> {
    let since = |at: Timestamp| view.now.duration_since(at);
    if view.cut_off {
        return Err("the watchdog is cut off from the network".into());
    }
    let patience = SignedDuration::try_from(view.interval * 2).unwrap_or(SignedDuration::MAX) + PROBED_WITHIN;
    if view.has_clusters && view.probed_at.or(view.started_at).is_none_or(|at| since(at) > patience) {
        return Err("nothing is being probed".into());
    }
    if !view.storing {
        return Err("history is not being written".into());
    }
    match &view.failing {
        Some((receiver, at)) if since(*at) > NOTIFYING_WITHIN => {
            return Err(format!("the receiver {receiver} takes no messages"));
        }
        _ => {}
    }
    match view.waiting_since {
        Some(at) if since(at) > NOTIFYING_WITHIN => Err("messages are not delivered".into()),
        _ => Ok(()),
    }
}

/// Since when what is only ever seen as it is now has been so.
#[derive(Debug, Default)]
struct Trouble {
    failing: BTreeMap<String, Timestamp>,
    waiting_since: Option<Timestamp>,
}

impl Trouble {
    fn view(&mut self, live: &LiveState, now: Timestamp) -> View {
        let failing = live.failing_receivers.iter().map(|(name, _)| name);
        self.failing = failing.map(|n| (n.clone(), self.failing.get(n).copied().unwrap_or(now))).collect();
        self.waiting_since = (live.outbox_pending > 0).then(|| self.waiting_since.unwrap_or(now));
        let targets = || live.clusters.values().flat_map(|c| c.targets.values());
        View {
            now,
            started_at: live.started_at,
            has_clusters: !live.clusters.is_empty(),
            probed_at: targets().filter_map(|t| t.last.as_ref().map(|o| o.started)).max(),
            interval: targets().map(|t| t.target.interval).min().unwrap_or_default(),
            cut_off: live.vantage.since.is_some() && !live.vantage.ok,
            storing: live.store.ok,
            failing: self.failing.iter().min_by_key(|(_, at)| **at).map(|(n, at)| (n.clone(), *at)),
            waiting_since: self.waiting_since,
        }
    }
}

/// Pings until told to stop.
pub async fn run(config: SwitchConfig, live: Live, metrics: Arc<Metrics>, clock: Clock, stop: CancellationToken) {
    let client = match HttpClient::new(&config.http_config) {
        Ok(client) => client,
        // Checked with the configuration already.
        Err((key, why)) => return tracing::error!("dead_mans_switch{key}: {why}"),
    };
    let mut trouble = Trouble::default();
    let mut told = None;
    let mut tick = tokio::time::interval_at(Instant::now() + SETTLE, config.every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        let view = trouble.view(&live.read(), clock.wall());
        let unfit = fit(&view).err();
        if told != unfit {
            match &unfit {
                Some(why) => tracing::error!("the dead man's switch is not pinged: {why}"),
                None => tracing::info!("the dead man's switch is pinged again"),
            }
            told.clone_from(&unfit);
        }
        if unfit.is_some() && !config.fail {
            metrics.switch_pings.get_or_create(&PingLabels { outcome: "withheld" }).inc();
            continue;
        }
        let outcome = match stop.run_until_cancelled(ping(&client, &config, unfit.as_deref())).await {
            None => return,
            Some(Ok(())) if unfit.is_some() => "fail",
            Some(Ok(())) => "delivered",
            Some(Err(why)) => {
                tracing::warn!("the dead man's switch can't be pinged: {why}");
                "failed"
            }
        };
        metrics.switch_pings.get_or_create(&PingLabels { outcome }).inc();
    }
}

/// One ping, or the word of why there is none, with a few attempts.
async fn ping(client: &HttpClient, config: &SwitchConfig, unfit: Option<&str>) -> Result<(), String> {
    let mut last = String::new();
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            tokio::time::sleep(AGAIN).await;
        }
        match once(client, config, unfit).await {
            Ok(()) => return Ok(()),
            Err(why) => last = why,
        }
    }
    Err(last)
}

async fn once(client: &HttpClient, config: &SwitchConfig, unfit: Option<&str>) -> Result<(), String> {
    let mut url = read_url(config.url.as_ref(), config.url_file.as_ref()).await?;
    let connection = client.client(TIMEOUT).await?;
    let request = match unfit {
        None => client.get(&connection, url).await?,
        Some(why) => {
            if let Ok(mut path) = url.path_segments_mut() {
                path.pop_if_empty().push("fail");
            }
            client.post(&connection, url).await?.body(why.to_owned())
        }
    };
    // Errors are told without the URL.
    let response = request.send().await.map_err(|e| notify::with_causes(&e.without_url()))?;
    if response.status().is_success() { Ok(()) } else { Err(format!("the answer was {}", response.status())) }
}

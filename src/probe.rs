//! One probe of one target: a `match` on its spec, one file a prober.
//!
//! A sick target is an [`Observation`], never an error. A probe never loops, never changes a cluster, and ends by its
//! deadline, which covers everything from DNS to the last byte. What answers mean is decided by pure functions
//! (`apiserver::judge`, `checks`, `origin`, `node_proxy`, `etcd_gateway`, `etcd_metrics`), to which a server may send whatever it likes.

mod apiserver;
mod body_text;
mod checks;
mod etcd;
pub mod etcd_gateway;
pub mod etcd_metrics;
mod healthz;
mod kubelet;
pub mod lines;
mod node_proxy;
mod origin;
mod report;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::time::Instant;
use url::Url;

use self::report::Report;
use crate::{
    clock::Clock,
    dial::{Ask, Dialer, Exchange},
    model::{Failure, Observation, ProbeSpec, Reason, Target, TraceLine},
};

/// What a prober works with.
#[derive(Clone, Copy)]
struct Probe<'a> {
    dialer: &'a Dialer,
    /// API servers through which a kubelet may be asked, best first.
    api: &'a [Url],
    /// A kubelet's connection may be used again.
    keep_alive: bool,
    /// Wall time of its start.
    started: Timestamp,
    begun: Instant,
    deadline: Instant,
    /// How often its target is probed.
    interval: Duration,
}

impl Probe<'_> {
    /// One exchange, by `deadline` or the probe's own, whichever is earlier. Its trace counts from the probe's start and
    /// ends with what went wrong.
    async fn ask(&self, ask: Ask, deadline: Instant) -> Exchange {
        let offset = self.begun.elapsed();
        let mut exchange = self.dialer.exchange(ask, deadline.min(self.deadline)).await;
        for line in &mut exchange.trace {
            line.after += offset;
        }
        if let Err(failure) = &exchange.outcome
            && exchange.trace.last().is_none_or(|l| l.text != failure.message)
        {
            exchange.trace.push(TraceLine { after: self.begun.elapsed(), text: failure.message.clone() });
        }
        exchange
    }

    /// What is left of the probe's time.
    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// Probes a target once. `api` are the API servers through which a kubelet may be asked, best first; `keep_alive` lets a
/// kubelet's connection be used again.
pub async fn probe(target: &Arc<Target>, dialer: &Dialer, api: &[Url], keep_alive: bool, clock: &Clock) -> Observation {
    let (started, begun) = (clock.wall(), clock.mono());
    let (deadline, interval) = (begun + target.timeout, target.interval);
    let probe = Probe { dialer, api, keep_alive, started, begun, deadline, interval };
    let report = match &target.spec {
        ProbeSpec::ApiServer { base, .. } => apiserver::probe(probe, base).await,
        // In a place of its own: it is the largest, and there are thousands of the others.
        ProbeSpec::Etcd { client, metrics } => Box::pin(etcd::probe(probe, client, metrics.as_ref())).await,
        ProbeSpec::Healthz { url } => healthz::probe(probe, url).await,
        ProbeSpec::Kubelet { base, others, node, via } => kubelet::probe(probe, base, others, node, *via).await,
        // Its own room makes it.
        ProbeSpec::Check(_) => Report::unasked(Failure::new(Reason::Answer, "it is a check, and no component")),
    };
    report.finish(target.clone(), started, clock.mono() - begun)
}

/// `base` with another path and query.
fn at(base: &Url, path_and_query: &str) -> Url {
    let mut url = base.clone();
    let (path, query) = path_and_query.split_once('?').map_or((path_and_query, None), |(p, q)| (p, Some(q)));
    url.set_path(path);
    url.set_query(query);
    url
}

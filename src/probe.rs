//! One probe of one target: a `match` on its spec, one file a prober.
//!
//! A sick target is an [`Observation`], never an error. A probe never loops, never changes a cluster, and ends by its
//! deadline, which covers everything from DNS to the last byte.

mod apiserver;
mod checks;
mod etcd;
mod etcd_facts;
mod healthz;
mod kubelet;
mod report;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use url::Url;

use self::report::Report;
use crate::{
    clock::Clock,
    dial::Dialer,
    model::{Observation, ProbeSpec, Target},
};

/// What a prober works with.
#[derive(Clone, Copy)]
struct Probe<'a> {
    dialer: &'a Dialer,
    /// API servers that are up, for the node proxy.
    api: &'a [Url],
    keep_alive: bool,
    deadline: tokio::time::Instant,
}

/// Probes a target once. `api` are the API servers through which a kubelet may be asked, best first; `keep_alive` lets a
/// kubelet's connection be used again.
pub async fn probe(target: &Arc<Target>, dialer: &Dialer, api: &[Url], keep_alive: bool, clock: &Clock) -> Observation {
    let (started, begun) = (clock.wall(), clock.mono());
    let probe = Probe { dialer, api, keep_alive, deadline: begun + target.timeout };
    let report = match &target.spec {
        ProbeSpec::ApiServer { base, .. } => apiserver::probe(probe, base).await,
        ProbeSpec::Etcd { client, metrics } => etcd::probe(probe, client, metrics.as_ref()).await,
        ProbeSpec::Healthz { url } => healthz::probe(probe, url).await,
        ProbeSpec::Kubelet { base, node, via } => kubelet::probe(probe, base, node, *via).await,
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

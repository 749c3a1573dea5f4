//! Reading a cluster: nodes, API server endpoints, node leases and leader leases.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use jiff::Timestamp;
use url::Url;

use super::{
    api::{ReadError, Reader},
    endpoints,
    objects::{Endpoints, Lease, Node, Slice, age},
};
use crate::{
    clock::Clock,
    dial::Dialer,
    model::{ClusterSnapshot, LeaseFact, NodeFact},
};

/// The most API servers asked in one read: the advertised one and a few endpoints, so that one dead of several blinds
/// nobody, and a dead cluster is not waited for endlessly.
const SERVERS_MAX: usize = 4;
/// The leases by which leaders are known.
const LEADERS: [&str; 2] = ["kube-scheduler", "kube-controller-manager"];

/// What to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    Full,
    /// Node leases and leader leases only: cheap, and worth more often.
    Leases,
}

/// Reads the cluster. Never fails: what could not be read stays as it was in `previous`, with the reason in `error`.
pub async fn read(dialer: &Dialer, previous: &ClusterSnapshot, scope: Scope, clock: &Clock) -> ClusterSnapshot {
    let mut next = ClusterSnapshot { error: None, ..previous.clone() };
    let known = previous.apiserver_endpoints.iter().chain(previous.missing_endpoints.iter().map(|m| &m.address));
    let mut reader = Reader::new(dialer, servers(dialer.server(), known));
    let mut problems = Problems::default();
    if scope == Scope::Full {
        full(&mut reader, previous, &mut next, &mut problems, clock).await;
    }
    // A cluster that can't tell its nodes is not asked for more: each question would cost its limit.
    if !problems.sick {
        leases(&mut reader, &mut next, &mut problems, clock).await;
    }
    next.error = Some(problems.words.join("; ")).filter(|w| !w.is_empty());
    next
}

/// The advertised server first, then those that are known behind it.
fn servers<'a>(advertised: Url, endpoints: impl Iterator<Item = &'a String>) -> Vec<Url> {
    let mut servers = vec![advertised];
    for endpoint in endpoints {
        match Url::parse(&format!("https://{endpoint}")) {
            Ok(url) if !servers.contains(&url) && servers.len() < SERVERS_MAX => servers.push(url),
            _ => {}
        }
    }
    servers
}

#[derive(Default)]
struct Problems {
    words: Vec<String>,
    /// No API server works: there is no use in asking on.
    sick: bool,
}

impl Problems {
    /// Remembers why `what` was not read.
    fn take(&mut self, what: &str, error: ReadError) {
        let words = match error {
            ReadError::Forbidden(why) => format!("{what} can't be read: {why}"),
            ReadError::NotFound => format!("{what}: the API server has no such thing"),
            ReadError::Gone => format!("{what}: the list expired while it was read"),
            ReadError::Sick(why) => {
                self.sick = true;
                format!("{what} can't be read: {why}")
            }
        };
        if !self.words.contains(&words) {
            self.words.push(words);
        }
    }
}

async fn full(
    reader: &mut Reader<'_>,
    previous: &ClusterSnapshot,
    next: &mut ClusterSnapshot,
    problems: &mut Problems,
    clock: &Clock,
) {
    match reader.list("/api/v1/nodes", "", NodeFact::from as fn(Node) -> NodeFact).await {
        Ok(read) => next.nodes = with_ages(read.value, &previous.nodes),
        Err(error) => {
            problems.take("nodes", error);
            return;
        }
    }
    let now = clock.wall();
    match listed_endpoints(reader).await {
        Ok(listed) => {
            let listed: Vec<String> = listed.into_iter().collect();
            next.missing_endpoints = endpoints::missing(previous, &listed, &next.nodes, now);
            next.apiserver_endpoints = listed;
            next.read_at = Some(now);
        }
        Err(error) => {
            // Where they are hidden from us for good, nodes are all there is to read.
            let hidden = matches!(error, ReadError::Forbidden(_) | ReadError::NotFound);
            problems.take("API server endpoints", error);
            if hidden {
                next.read_at = Some(now);
            }
        }
    }
}

/// Sorted by name, with the ages that were known; leases are read afterwards.
fn with_ages(mut nodes: Vec<NodeFact>, before: &[NodeFact]) -> Vec<NodeFact> {
    let ages: HashMap<&str, Option<Duration>> = before.iter().map(|n| (&*n.name, n.lease_age)).collect();
    for node in &mut nodes {
        node.lease_age = ages.get(&*node.name).copied().flatten();
    }
    nodes.sort_by(|a, b| a.name.cmp(&b.name));
    nodes.dedup_by(|a, b| a.name == b.name);
    nodes
}

/// From EndpointSlices, or before Kubernetes 1.21 and where they are forbidden from Endpoints.
async fn listed_endpoints(reader: &mut Reader<'_>) -> Result<BTreeSet<String>, ReadError> {
    const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
    const SELECTOR: &str = "labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes";
    match reader.list(SLICES, SELECTOR, |slice: Slice| slice.places()).await {
        Ok(read) if read.value.iter().any(|places| !places.is_empty()) => {
            return Ok(read.value.into_iter().flatten().collect());
        }
        Ok(_) | Err(ReadError::NotFound | ReadError::Forbidden(_)) => {}
        Err(error) => return Err(error),
    }
    let read = reader.get::<Endpoints>("/api/v1/namespaces/default/endpoints/kubernetes", "").await?;
    Ok(read.value.places().into_iter().collect())
}

async fn leases(reader: &mut Reader<'_>, next: &mut ClusterSnapshot, problems: &mut Problems, clock: &Clock) {
    const NODE_LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
    let renewed = |lease: Lease| (lease.metadata.name, lease.spec.renew_time);
    match reader.list(NODE_LEASES, "", renewed).await {
        Ok(read) => {
            let now = read.date.unwrap_or_else(|| clock.wall());
            let renewals: HashMap<String, Option<Timestamp>> = read.value.into_iter().collect();
            for node in &mut next.nodes {
                node.lease_age = renewals.get(&*node.name).copied().flatten().map(|at| age(at, now));
            }
            next.leases_at = Some(clock.wall());
        }
        Err(error) => problems.take("node leases", error),
    }
    let mut leaders = Vec::with_capacity(LEADERS.len());
    for name in LEADERS {
        if problems.sick {
            return;
        }
        match leader(reader, name, clock).await {
            Ok(Some(lease)) => leaders.push(lease),
            // A managed control plane may keep its leases elsewhere.
            Ok(None) | Err(ReadError::NotFound) => {}
            Err(error) => {
                leaders.extend(next.leaders.iter().find(|l| l.name == name).cloned());
                problems.take("leader leases", error);
            }
        }
    }
    next.leaders = leaders;
}

async fn leader(reader: &mut Reader<'_>, name: &str, clock: &Clock) -> Result<Option<LeaseFact>, ReadError> {
    let path = format!("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/{name}");
    let read = reader.get::<Lease>(&path, "").await?;
    let now = read.date.unwrap_or_else(|| clock.wall());
    let spec = read.value.spec;
    Ok(spec.renew_time.map(|at| LeaseFact {
        name: name.to_owned(),
        holder: spec.holder_identity,
        age: age(at, now),
        duration: Duration::from_secs(spec.lease_duration_seconds.into()),
    }))
}

#[cfg(test)]
mod tests;

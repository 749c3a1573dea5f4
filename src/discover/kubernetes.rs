//! Reading a cluster: nodes, API server endpoints, leases of nodes, leaders and API servers; and, less often, what tells more.
//!
//! Each part fails by itself: what could not be read stays as it was, with the reason, until that very part is read.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use url::Url;

use super::{
    api::{Listed, ReadError, Reader},
    config::DiscoverConfig,
    counts, endpoints, extras,
    hosts::LocalHosts,
    ingress, nodes,
    objects::{Endpoints, Lease, Node, Slice},
    sites,
};
use crate::{
    clock::Clock,
    dial::Dialer,
    model::{ClusterSnapshot, LeaseFact, LeftOuts, NodeFact, Part, ServerLease, Site},
};

/// The most API servers asked in one read: the advertised one and a few endpoints, so that one dead of several blinds
/// nobody, and a dead cluster is not waited for endlessly.
const SERVERS_MAX: usize = 4;
/// Aggregated APIs and certificate requests are read this often at most.
const EXTRAS_EVERY: SignedDuration = SignedDuration::from_secs(60);
/// An API server that makes no tables is asked for one again after this.
const NO_GLANCE_FOR: SignedDuration = SignedDuration::from_mins(10);

/// Says what to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    Full,
    /// Leases of nodes, leaders and API servers: cheap, and worth more often. And a glance at the nodes, by which they are read anew
    /// where it shows something else than the last one did.
    Leases,
}

/// Says what else is asked of a cluster, beside what each is.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The leases by which leaders are known, of those components that are watched.
    pub leads: &'a [&'a str],
    /// Which addresses of this machine and its links are taken.
    pub local: LocalHosts,
    /// Where ingress controllers serve on nodes.
    pub ingress_ports: bool,
    /// The hosts that it serves, as this has them; `None`: they are not asked for.
    pub sites: Option<&'a DiscoverConfig>,
}

/// Reads one page of a list of nodes, as [`read`] does: what is kept of each, and how many could not be understood.
///
/// # Errors
/// When it is no list.
pub fn nodes_of_page(body: &[u8], local: LocalHosts) -> serde_json::Result<(Vec<NodeFact>, usize)> {
    let (page, _) = Listed::of_page(body, &|node: Node| nodes::fact(node, local))?;
    Ok((page.items, page.left_out_count))
}

/// Reads the cluster. Never fails: what could not be read stays as it was in `previous`, with the reason in `problems`.
pub async fn read(
    dialer: &Dialer,
    previous: &ClusterSnapshot,
    scope: Scope,
    asked: Asked<'_>,
    clock: &Clock,
) -> ClusterSnapshot {
    let known = previous.apiserver_endpoints.iter().chain(previous.missing_endpoints.iter().map(|m| &m.address));
    let reader = Reader::new(dialer, servers(dialer.server(), known));
    let mut reading = Reading { reader, next: previous.clone(), asked, clock, sick: false };
    reading.next.asked_since.get_or_insert(clock.wall());
    if scope == Scope::Full {
        reading.full().await;
    }
    // A cluster that can't tell its nodes is not asked for more: each question would cost its limit.
    if !reading.sick {
        reading.leases(asked.leads).await;
    }
    if scope == Scope::Leases && !reading.sick && reading.is_worth_a_full_read().await {
        reading.full().await;
    }
    if scope == Scope::Full && !reading.sick {
        reading.extras().await;
    }
    let mut next = reading.next;
    let needed = next.problems.iter().filter(|(part, _)| part.is_needed());
    let words: Vec<&str> = needed.map(|(_, words)| words.as_str()).collect();
    next.error = Some(words.join("; ")).filter(|w| !w.is_empty());
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

/// One reading under way.
struct Reading<'a> {
    reader: Reader<'a>,
    next: ClusterSnapshot,
    asked: Asked<'a>,
    clock: &'a Clock,
    /// No API server works: there is no use in asking on.
    sick: bool,
}

impl Reading<'_> {
    /// Takes note of how a list was read, or why it was not.
    fn take<K>(&mut self, part: Part, result: Result<Listed<K>, ReadError>) -> Option<(Vec<K>, Option<Timestamp>)> {
        let listed = match result {
            Ok(listed) => listed,
            Err(error) => {
                self.next.problems.remove(&part);
                // What a cluster does not have tells nothing, and is missed by nobody.
                if part.is_needed() || error != ReadError::NotFound {
                    self.fail(part, error);
                }
                return None;
            }
        };
        self.next.problems.remove(&part);
        if listed.left_out_count == 0 {
            self.next.left_out.remove(&part);
        } else {
            self.next.left_out.insert(part, LeftOuts { count: listed.left_out_count, named: listed.left_out });
        }
        Some((listed.items, listed.date))
    }

    /// Remembers why a part was not read.
    fn fail(&mut self, part: Part, error: ReadError) {
        let what = part.as_str();
        let words = match error {
            ReadError::Forbidden(why) => format!("{what} can't be read: {why}"),
            ReadError::NotFound => format!("{what}: the API server has no such thing"),
            ReadError::Gone => format!("{what}: the list expired while it was read"),
            ReadError::Sick(why) => {
                self.sick = true;
                format!("{what} can't be read: {why}")
            }
        };
        self.next.problems.insert(part, words);
    }

    /// Nodes and endpoints. Who may not see the one may see the other.
    async fn full(&mut self) {
        let now = self.clock.wall();
        let before = self.next.nodes.clone();
        let are_nodes_read = self.nodes(&before, now).await;
        if !are_nodes_read && self.sick {
            return;
        }
        match listed_endpoints(&mut self.reader, self.asked.local).await {
            Ok(listed) => {
                let endpoints: Vec<String> =
                    listed.items.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect();
                self.take(Part::Endpoints, Ok(listed));
                take_endpoints(&mut self.next, &before, endpoints, now);
                if are_nodes_read {
                    self.next.read_at = Some(now);
                }
            }
            Err(error) => {
                // Where they are hidden from us for good, nodes are all there is to read.
                if are_nodes_read && matches!(error, ReadError::Forbidden(_) | ReadError::NotFound) {
                    self.next.read_at = Some(now);
                }
                self.fail(Part::Endpoints, error);
            }
        }
    }

    /// Whether the nodes were read.
    async fn nodes(&mut self, before: &[NodeFact], now: Timestamp) -> bool {
        let local = self.asked.local;
        let read = self.reader.list("/api/v1/nodes", "", |node: Node| nodes::fact(node, local)).await;
        let Some((read, _)) = self.take(Part::Nodes, read) else { return false };
        take_nodes(&mut self.next, before, read, now);
        true
    }

    /// Nodes or endpoints were not read last time, or a glance shows other nodes, or others Ready, than the last one did.
    async fn is_worth_a_full_read(&mut self) -> bool {
        let failed = |part| self.next.problems.contains_key(&part);
        if failed(Part::Nodes) || failed(Part::Endpoints) {
            return true;
        }
        let now = self.clock.wall();
        if self.next.no_glance_before.is_some_and(|at| now < at) {
            return false;
        }
        let Some(mut rows) = self.reader.columns("/api/v1/nodes", ["Name", "Status"]).await else {
            self.next.no_glance_before = now.checked_add(NO_GLANCE_FOR).ok();
            return false;
        };
        rows.sort_unstable();
        let mut hasher = DefaultHasher::new();
        rows.hash(&mut hasher);
        let seen = Some(hasher.finish());
        let before = std::mem::replace(&mut self.next.glance, seen);
        before.is_some() && before != seen
    }

    async fn leases(&mut self, leads: &[&str]) {
        const NODE_LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
        let read = self.reader.list(NODE_LEASES, "", |lease: Lease| lease).await;
        if let Some((leases, date)) = self.take(Part::NodeLeases, read) {
            let now = self.clock.wall();
            let leases: HashMap<&str, &Lease> = leases.iter().map(|l| (&*l.metadata.name, l)).collect();
            for node in &mut self.next.nodes {
                let lease = leases.get(&*node.name);
                node.lease = lease.and_then(|l| l.sight(node.lease.as_ref(), date, now));
            }
            self.next.leases_at = Some(now);
        }
        if !self.sick {
            self.server_leases().await;
        }
        let mut leaders = Vec::with_capacity(leads.len());
        let mut problem = None;
        for &name in leads {
            if self.sick {
                return;
            }
            match self.leader(name).await {
                Ok(lease) => leaders.extend(lease),
                // A managed control plane may keep its leases elsewhere.
                Err(ReadError::NotFound) => {}
                Err(error) => {
                    leaders.extend(self.next.leaders.iter().find(|l| l.name == name).cloned());
                    problem = Some(error);
                }
            }
        }
        self.next.leaders = leaders;
        self.next.problems.remove(&Part::LeaderLeases);
        if let Some(error) = problem {
            self.fail(Part::LeaderLeases, error);
        }
    }

    /// An API server that starts anew takes the lease of its host over, or (before 1.27) makes a new one beside it.
    async fn server_leases(&mut self) {
        const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";
        const SELECTOR: &str = "labelSelector=apiserver.kubernetes.io%2Fidentity%3Dkube-apiserver";
        let read = self.reader.list(LEASES, SELECTOR, |lease: Lease| lease).await;
        let Some((leases, date)) = self.take(Part::ServerLeases, read) else { return };
        let now = self.clock.wall();
        let mut newest: BTreeMap<String, ServerLease> = BTreeMap::new();
        for lease in leases {
            let Some(host) = lease.metadata.labels.get("kubernetes.io/hostname").cloned() else { continue };
            let before = self.next.server_leases.iter().find(|l| l.host == host).map(|l| &l.sight);
            let Some(sight) = lease.sight(before, date, now) else { continue };
            let age = |l: &ServerLease| l.sight.told_age.unwrap_or(Duration::MAX);
            let lease = ServerLease { host: host.clone(), sight };
            if newest.get(&host).is_none_or(|known| age(&lease) < age(known)) {
                newest.insert(host, lease);
            }
        }
        self.next.server_leases = newest.into_values().collect();
    }

    async fn leader(&mut self, name: &str) -> Result<Option<LeaseFact>, ReadError> {
        let path = format!("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/{name}");
        let read = self.reader.get::<Lease>(&path, "").await?;
        let before = self.next.leaders.iter().find(|l| l.name == name).and_then(|l| l.sight.as_ref());
        let sight = read.value.sight(before, read.date, self.clock.wall());
        Ok(sight.map(|sight| LeaseFact {
            name: name.to_owned(),
            duration: read.value.duration(),
            holder: read.value.spec.holder_identity,
            age: sight.age(),
            sight: Some(sight),
        }))
    }

    async fn extras(&mut self) {
        let now = self.clock.wall();
        if self.next.extras_at.is_some_and(|at| now.duration_since(at).abs() < EXTRAS_EVERY) {
            return;
        }
        self.next.extras_at = Some(now);
        let away = extras::away_apis(&mut self.reader).await;
        self.next.away_apis = self.take(Part::AggregatedApis, away).map(|(items, _)| items).unwrap_or_default();
        if !self.sick {
            let pending = extras::pending_requests(&mut self.reader, now).await;
            let pending = self.take(Part::CertificateRequests, pending);
            self.next.pending_requests = pending.map(|(items, _)| items).unwrap_or_default();
        }
        self.ingress_ports().await;
        self.sites().await;
    }

    /// Of two lists, that which can't be read stays as it was.
    async fn sites(&mut self) {
        const PARTS: [Part; 2] = [Part::Ingresses, Part::HttpRoutes];
        let Some(config) = self.asked.sites else {
            self.next.sites.clear();
            PARTS.iter().for_each(|part| {
                self.next.problems.remove(part);
                self.next.left_out.remove(part);
            });
            return;
        };
        let before = std::mem::take(&mut self.next.sites);
        let mut all: Vec<Site> = Vec::new();
        for part in PARTS {
            let is_its =
                |site: &&Site| site.of.starts_with(if part == Part::Ingresses { "Ingress " } else { "HTTPRoute " });
            let known = before.iter().filter(is_its).cloned();
            let read = match part {
                _ if self.sick => Err(None),
                Part::Ingresses => sites::of_ingresses(&mut self.reader).await.map_err(Some),
                _ => sites::of_routes(&mut self.reader).await.map_err(Some),
            };
            let read = match read {
                Ok(read) => Ok(sites::chosen(read, config, self.asked.local)),
                // A cluster without the Gateway API has no routes.
                Err(Some(ReadError::NotFound)) => Ok(Listed::of(Vec::new())),
                Err(error) => Err(error),
            };
            match read {
                Ok(read) => all.extend(self.take(part, Ok(read)).into_iter().flat_map(|(sites, _)| sites)),
                Err(error) => {
                    all.extend(known);
                    error.into_iter().for_each(|error| self.fail(part, error));
                }
            }
        }
        all.sort_by(|a, b| a.host.cmp(&b.host));
        all.dedup_by(|later, first| later.host == first.host);
        all.truncate(sites::HOSTS_MAX);
        self.next.sites = all;
    }

    /// What could not be read stays as it was; that there is none is said, since checks are made nowhere then.
    async fn ingress_ports(&mut self) {
        if !self.asked.ingress_ports {
            self.next.ingress_ports.clear();
            self.next.problems.remove(&Part::IngressPorts);
            self.next.left_out.remove(&Part::IngressPorts);
        } else if !self.sick {
            let read = ingress::ports(&mut self.reader).await;
            let Some((ports, _)) = self.take(Part::IngressPorts, read) else { return };
            if ports.is_empty() {
                let words = "no Service of an ingress controller that is known has a NodePort: checks with `nodes: {ingress: \
                             true}` are made nowhere; name the port (`nodes: {port: 30443}`)";
                self.next.problems.insert(Part::IngressPorts, words.to_owned());
            }
            self.next.ingress_ports = ports;
        }
    }
}

/// Takes the nodes that were read at `now` into what is known; `before` are those of the reading before. Pure.
pub fn take_nodes(known: &mut ClusterSnapshot, before: &[NodeFact], read: Vec<NodeFact>, now: Timestamp) {
    let nodes = with_what_was_known(read, before, known.left_out.get(&Part::Nodes), now);
    known.counts = counts::counted(std::mem::take(&mut known.counts), before, &nodes, now);
    known.nodes = nodes;
}

/// Takes the API servers' endpoints that were read at `now`, after the nodes, into what is known; `before` are the nodes of the reading before. Pure.
pub fn take_endpoints(known: &mut ClusterSnapshot, before: &[NodeFact], read: Vec<String>, now: Timestamp) {
    known.missing_endpoints = endpoints::missing(known, before, &read, &known.nodes, now);
    known.apiserver_endpoints = read;
}

/// Sorted by name, with the leases that were known: they are read afterwards. A node that could not be understood now
/// stays as it was.
fn with_what_was_known(
    mut nodes: Vec<NodeFact>,
    before: &[NodeFact],
    left_out: Option<&LeftOuts>,
    now: Timestamp,
) -> Vec<NodeFact> {
    let known: HashMap<&str, &NodeFact> = before.iter().map(|n| (&*n.name, n)).collect();
    let mut traits = HashSet::new();
    for node in &mut nodes {
        let Some(known) = known.get(&*node.name) else {
            share(&mut node.traits, &mut traits);
            continue;
        };
        node.lease.clone_from(&known.lease);
        if node.conditions == known.conditions {
            node.conditions = known.conditions.clone();
        }
        if node.traits == known.traits {
            node.traits = known.traits.clone();
        }
        share(&mut node.traits, &mut traits);
        let settled = known.passage().is_some() && node.passage().is_none();
        node.settled_at = if settled { Some(now) } else { known.settled_at };
    }
    let named = left_out.map_or(&[][..], |l| &l.named);
    nodes.extend(before.iter().filter(|n| named.iter().any(|l| l.name == *n.name)).cloned());
    nodes.sort_by(|a, b| a.name.cmp(&b.name));
    nodes.dedup_by(|a, b| a.name == b.name);
    nodes
}

/// Thousands of nodes have a few sets of traits between them: each is kept once.
fn share<T: Clone + Eq + Hash>(traits: &mut T, all: &mut HashSet<T>) {
    match all.get(traits) {
        Some(same) => traits.clone_from(same),
        None => drop(all.insert(traits.clone())),
    }
}

/// From EndpointSlices, or before Kubernetes 1.21 and where they are forbidden from Endpoints.
async fn listed_endpoints(reader: &mut Reader<'_>, local: LocalHosts) -> Result<Listed<String>, ReadError> {
    const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
    const SELECTOR: &str = "labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes";
    match reader.list(SLICES, SELECTOR, |slice: Slice| slice.places(local)).await {
        Ok(read) if read.items.iter().any(|places| !places.is_empty()) => return Ok(read.joined()),
        Ok(_) | Err(ReadError::NotFound | ReadError::Forbidden(_)) => {}
        Err(error) => return Err(error),
    }
    let read = reader.get::<Endpoints>("/api/v1/namespaces/default/endpoints/kubernetes", "").await?;
    Ok(Listed::of(read.value.places(local)))
}

#[cfg(test)]
mod tests;

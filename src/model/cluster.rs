//! What a working API server last told of its cluster. Persisted, so that a watchdog restarted in an outage still knows it.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{IngressPort, NodeFact, ObservedLease, Site};

/// A leader lease in kube-system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseFact {
    /// `kube-scheduler` or `kube-controller-manager`.
    pub name: String,
    /// Who holds it.
    pub holder: String,
    /// Age when last read, as near as is known: [`ObservedLease::age`].
    pub age: Duration,
    /// `leaseDurationSeconds`.
    pub duration: Duration,
    /// Whether and when it changed as it was read again and again; `None` only in what an older version wrote.
    #[serde(default)]
    pub sight: Option<ObservedLease>,
}

impl LeaseFact {
    /// Returns the host of its holder: `cp1` of `cp1_2f0c…`.
    pub fn host(&self) -> &str {
        self.holder.split('_').next().unwrap_or(&self.holder)
    }
}

/// The lease by which an API server says that it lives (Kubernetes 1.26+): renewed every 10 s, by the server itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerLease {
    /// The name of the host that it runs on.
    pub host: String,
    /// Whether and when it changed as it was read again and again.
    pub sight: ObservedLease,
}

/// A member of etcd's member list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EtcdMember {
    /// Its ID.
    pub id: u64,
    /// Its name, empty until it has started once.
    pub name: String,
    /// Peer URLs.
    pub peer_urls: Vec<String>,
    /// Client URLs.
    pub client_urls: Vec<String>,
    /// Does not vote.
    pub learner: bool,
}

/// An API server that has left the endpoints of default/kubernetes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingEndpoint {
    /// `host:port`.
    pub address: String,
    /// When a working API server first left it out.
    pub since: Timestamp,
}

/// Says what discovery reads, each by itself: what fails there leaves the others as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Nodes.
    Nodes,
    /// The endpoints of the service default/kubernetes.
    Endpoints,
    /// Leases in kube-node-lease.
    NodeLeases,
    /// Leases of scheduler and controller-manager.
    LeaderLeases,
    /// Leases of API servers.
    ServerLeases,
    /// APIServices: what is served by others than the API server itself.
    AggregatedApis,
    /// CertificateSigningRequests.
    CertificateRequests,
    /// Services of ingress controllers.
    IngressPorts,
    /// Hosts of Ingresses.
    Ingresses,
    /// Hosts of HTTPRoutes of the Gateway API.
    HttpRoutes,
}

impl Part {
    /// Returns whether without it, something is not watched. The others only tell more.
    pub fn is_needed(self) -> bool {
        matches!(self, Part::Nodes | Part::Endpoints | Part::NodeLeases | Part::LeaderLeases)
    }

    /// By the name that people use.
    pub fn as_str(self) -> &'static str {
        match self {
            Part::Nodes => "nodes",
            Part::Endpoints => "API server endpoints",
            Part::NodeLeases => "node leases",
            Part::LeaderLeases => "leader leases",
            Part::ServerLeases => "API servers' leases",
            Part::AggregatedApis => "aggregated APIs",
            Part::CertificateRequests => "certificate requests",
            Part::IngressPorts => "Services of ingress controllers",
            Part::Ingresses => "hosts of Ingresses",
            Part::HttpRoutes => "hosts of HTTPRoutes",
        }
    }
}

/// One item of a list that could not be understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its name, as far as it can be read.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
}

/// Holds what could not be understood of one list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOuts {
    /// How many items.
    pub count: usize,
    /// The first of them.
    pub named: Vec<LeftOut>,
}

/// Says how many nodes there were at one reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeCount {
    /// When.
    pub at: Timestamp,
    /// Nodes without a control-plane role.
    pub workers: usize,
    /// Of those that were there at the reading before, how many went as they should: cordoned, drained or scaled down.
    pub seen_off: usize,
}

/// An API of the cluster that another server provides (metrics.k8s.io, say), and that does not work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwayApi {
    /// `v1beta1.metrics.k8s.io`.
    pub name: String,
    /// `kube-system/metrics-server`.
    pub service: String,
    /// The reason of its condition `Available`: `MissingEndpoints`, `FailedDiscoveryCheck`, …
    pub reason: String,
    /// Its message, shortened.
    pub message: String,
    /// Since when.
    pub since: Option<Timestamp>,
}

/// Certificate requests of one signer that nobody has decided on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingRequests {
    /// `kubernetes.io/kube-apiserver-client-kubelet`, …
    pub signer: String,
    /// How many have waited for longer than a decision takes.
    pub count: usize,
    /// When the oldest of them was made.
    pub oldest: Timestamp,
}

/// All that discovery knows of one cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterSnapshot {
    /// The cluster's name in the configuration.
    pub cluster: String,
    /// When nodes and endpoints were last read in full from a working API server; `None`: never.
    pub read_at: Option<Timestamp>,
    /// When leases were last read.
    pub leases_at: Option<Timestamp>,
    /// Nodes, sorted by name.
    pub nodes: Vec<NodeFact>,
    /// `host:port` of every endpoint of the service default/kubernetes, sorted.
    pub apiserver_endpoints: Vec<String>,
    /// Endpoints that have left that list and are still watched: an API server that dies is taken off the list after
    /// some 15 s (its lease in etcd runs out), which is a symptom and not a farewell.
    pub missing_endpoints: Vec<MissingEndpoint>,
    /// Leader leases.
    pub leaders: Vec<LeaseFact>,
    /// Leases of API servers, each host's newest.
    pub server_leases: Vec<ServerLease>,
    /// Etcd members that a member list named, with client URLs.
    pub etcd_members: Vec<EtcdMember>,
    /// Since when it has been tried to read nodes and endpoints: before [`ClusterSnapshot::read_at`] there is an age of
    /// what is known, too.
    pub asked_since: Option<Timestamp>,
    /// Why each part that can't be read can't be, in words. A part is taken out when it is read again, by nothing else.
    pub problems: BTreeMap<Part, String>,
    /// Why what is needed can't be read, in words; `None` where all is. Made of `problems`.
    pub error: Option<String>,
    /// Items of lists that could not be understood, of each part as it was last read.
    pub left_out: BTreeMap<Part, LeftOuts>,
    /// How many nodes there were lately, oldest first.
    pub counts: Vec<NodeCount>,
    /// When aggregated APIs and certificate requests were last asked for.
    pub extras_at: Option<Timestamp>,
    /// Aggregated APIs that are not available.
    pub away_apis: Vec<AwayApi>,
    /// Certificate requests that wait, by signer.
    pub pending_requests: Vec<PendingRequests>,
    /// Where ingress controllers serve on nodes, where a check asks for it.
    pub ingress_ports: Vec<IngressPort>,
    /// Hosts that it serves, sorted, each once; where the configuration asks for them.
    pub sites: Vec<Site>,
    /// What a short look at the nodes last showed: where the next one differs, they are read at once.
    #[serde(skip)]
    pub glance: Option<u64>,
    /// The API server gives no short look: not asked for one again before this.
    #[serde(skip)]
    pub no_glance_before: Option<Timestamp>,
}

impl ClusterSnapshot {
    /// Returns what is told beside an error: parts that would tell more if they could be read, and what was left out of
    /// lists.
    pub fn notes(&self) -> Vec<String> {
        let parts = self.problems.iter().filter(|(part, _)| !part.is_needed()).map(|(_, words)| words.clone());
        let mut notes: Vec<String> = parts.collect();
        for (part, items) in &self.left_out {
            let part = part.as_str();
            notes.extend(items.named.iter().map(|i| format!("of the {part}, {} was left out: {}", i.name, i.why)));
            let more = items.count.saturating_sub(items.named.len());
            notes.extend((more > 0).then(|| format!("of the {part}, {more} more were left out")));
        }
        notes
    }

    /// Returns when nodes and endpoints were last read, or since when that has been tried in vain.
    pub fn known_since(&self) -> Option<Timestamp> {
        self.read_at.or(self.asked_since)
    }
}

//! What a working API server last told of its cluster. Persisted, so that a watchdog restarted in an outage still knows it.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A node condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeCondition {
    /// `Ready`, `MemoryPressure`, …
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Machine-readable reason.
    pub reason: String,
    /// `lastTransitionTime`.
    #[serde(default)]
    pub since: Option<Timestamp>,
}

/// A taint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taint {
    /// Its key.
    pub key: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFact {
    /// Its name.
    pub name: Arc<str>,
    /// Addresses in the order in which an API server prefers them for kubelets
    /// (`Hostname, InternalDNS, InternalIP, ExternalDNS, ExternalIP`, with IPs first where asked from outside).
    pub addresses: Vec<String>,
    /// `status.daemonEndpoints.kubeletEndpoint.Port`.
    pub kubelet_port: u16,
    /// `status.nodeInfo.kubeletVersion`.
    pub version: String,
    /// Conditions.
    pub conditions: Vec<NodeCondition>,
    /// `spec.unschedulable`: cordoned.
    pub unschedulable: bool,
    /// `metadata.deletionTimestamp` is set.
    pub deleting: bool,
    /// Taints.
    pub taints: Vec<Taint>,
    /// Carries a control-plane (or master) role label.
    pub control_plane: bool,
    /// Age of its lease in kube-node-lease when last read, by the API server's own clock (`Date` minus `renewTime`).
    pub lease_age: Option<Duration>,
}

impl NodeFact {
    /// The status of the `Ready` condition is `True`.
    pub fn is_ready(&self) -> bool {
        self.conditions.iter().any(|c| c.kind == "Ready" && c.status == "True")
    }
}

/// A leader lease in kube-system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseFact {
    /// `kube-scheduler` or `kube-controller-manager`.
    pub name: String,
    /// Who holds it.
    pub holder: String,
    /// Age when last read, by the API server's own clock.
    pub age: Duration,
    /// `leaseDurationSeconds`.
    pub duration: Duration,
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
    /// Etcd members that a member list named, with client URLs.
    pub etcd_members: Vec<EtcdMember>,
    /// Why the last attempt to read failed, in words; `None` where it worked.
    pub error: Option<String>,
}

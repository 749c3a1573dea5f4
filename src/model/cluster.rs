//! What a working API server last told of its cluster. Persisted, so that a watchdog restarted in an outage still knows it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

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
    /// `host:port` of every endpoint of the service default/kubernetes, sorted; those that are missing from it too.
    pub apiserver_endpoints: Vec<String>,
    /// Endpoints that the service no longer lists, and since when: API servers strike out a dead one of their number
    /// within seconds, which must not make the watchdog forget it.
    pub endpoints_missing: BTreeMap<String, Timestamp>,
    /// Leader leases.
    pub leaders: Vec<LeaseFact>,
    /// Etcd members that a member list named, with client URLs.
    pub etcd_members: Vec<EtcdMember>,
    /// Why the last attempt to read failed, in words; `None` where it worked.
    pub error: Option<String>,
    /// What could not be read for want of permission while the rest was, a line each.
    pub notes: Vec<String>,
}

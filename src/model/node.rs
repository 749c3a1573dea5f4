//! A node, as far as its object tells.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ObservedLease;

/// A node condition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeCondition {
    /// `Ready`, `MemoryPressure`, …
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Machine-readable reason.
    pub reason: String,
    /// What the kubelet says of it, shortened; kept where it is no good news.
    #[serde(default)]
    pub message: String,
    /// `lastTransitionTime`, where it is a time that we can hold.
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeFact {
    /// Its name.
    pub name: Arc<str>,
    /// Addresses in the order in which an API server prefers them for kubelets
    /// (`Hostname, InternalDNS, InternalIP, ExternalDNS, ExternalIP`, with IPs first where asked from outside).
    pub addresses: Vec<String>,
    /// `status.daemonEndpoints.kubeletEndpoint.Port`; 0 where nothing listens (or it is no port at all).
    pub kubelet_port: u16,
    /// `status.nodeInfo.kubeletVersion`.
    pub version: String,
    /// Conditions. Shared between readings while they stay as they are, as `traits` are.
    pub conditions: Arc<[NodeCondition]>,
    /// `spec.unschedulable`: cordoned.
    pub unschedulable: bool,
    /// `metadata.deletionTimestamp` is set.
    pub deleting: bool,
    /// Taints.
    pub taints: Vec<Taint>,
    /// Carries a control-plane (or master) role label.
    pub control_plane: bool,
    /// Its lease in kube-node-lease.
    pub lease: Option<ObservedLease>,
    /// `metadata.creationTimestamp`, by the API server's clock.
    pub created: Option<Timestamp>,
    /// When it was last read to be no longer on its way in or out ([`NodeFact::passage`]), where that was seen.
    pub settled_at: Option<Timestamp>,
    /// Made up by another program than a kubelet (Virtual Kubelet, KWOK) or shut away by its provider (Fargate): there is
    /// no kubelet to ask.
    pub is_virtual: bool,
    /// What it may have in common with others, by a word for it: `zone`, `rack`, `kernel`, … As many and as long as
    /// discovery allows.
    pub traits: Arc<BTreeMap<String, String>>,
}

impl NodeFact {
    /// Returns whether the status of the `Ready` condition is `True`.
    pub fn is_ready(&self) -> bool {
        self.conditions.iter().any(|c| c.kind == "Ready" && c.status == "True")
    }

    /// Returns the age of its lease when last read.
    pub fn lease_age(&self) -> Option<Duration> {
        self.lease.as_ref().map(ObservedLease::age)
    }

    /// Returns whether it is on its way in or out, as its fields and taints say: then it may be silent without being
    /// broken.
    pub fn passage(&self) -> Option<Passage> {
        let has = |known: &[&str]| self.taints.iter().any(|t| known.iter().any(|k| matches(k, &t.key)));
        if self.unschedulable || self.deleting || has(&GOING) {
            Some(Passage::Going)
        } else if has(&COMING) {
            Some(Passage::Coming)
        } else {
            None
        }
    }
}

/// Says where a node is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It is being set up.
    Coming,
    /// Cordoned, drained, scaled down or taken away: someone, or an autoscaler, is at it.
    Going,
}

/// Taints of nodes that are not set up yet: by the cloud controller manager, Cluster API and Karpenter.
const COMING: [&str; 3] = [
    "node.cloudprovider.kubernetes.io/uninitialized",
    "node.cluster.x-k8s.io/uninitialized",
    "karpenter.sh/unregistered",
];

/// Taints of nodes that will go: by Cluster Autoscaler, GKE, AWS' node termination handler, Karpenter (newer and older),
/// and by hand (non-graceful shutdown). A `*` at the end stands for anything.
const GOING: [&str; 7] = [
    "ToBeDeletedByClusterAutoscaler",
    "DeletionCandidateOfClusterAutoscaler",
    "cloud.google.com/impending-node-termination",
    "aws-node-termination-handler/*",
    "karpenter.sh/disrupted",
    "karpenter.sh/disruption",
    "node.kubernetes.io/out-of-service",
];

fn matches(known: &str, key: &str) -> bool {
    known.strip_suffix('*').map_or(known == key, |prefix| key.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_that_come_and_go_are_known() {
        let check = |taint: &str, expected| {
            let taints = vec![Taint { key: taint.into(), effect: "NoSchedule".into() }];
            let node = NodeFact { taints, ..NodeFact::default() };
            assert_eq!(node.passage(), expected, "{taint}");
        };
        check("node.cloudprovider.kubernetes.io/uninitialized", Some(Passage::Coming));
        check("node.cluster.x-k8s.io/uninitialized", Some(Passage::Coming));
        check("ToBeDeletedByClusterAutoscaler", Some(Passage::Going));
        check("DeletionCandidateOfClusterAutoscaler", Some(Passage::Going));
        check("cloud.google.com/impending-node-termination", Some(Passage::Going));
        check("aws-node-termination-handler/spot-itn", Some(Passage::Going));
        check("karpenter.sh/disrupted", Some(Passage::Going));
        check("karpenter.sh/disruption", Some(Passage::Going));
        check("node.kubernetes.io/out-of-service", Some(Passage::Going));
        check("node.kubernetes.io/not-ready", None);
        check("node.kubernetes.io/unreachable", None);
        check("dedicated", None);
        assert_eq!(NodeFact { unschedulable: true, ..NodeFact::default() }.passage(), Some(Passage::Going));
        assert_eq!(NodeFact { deleting: true, ..NodeFact::default() }.passage(), Some(Passage::Going));
    }
}

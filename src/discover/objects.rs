//! The parts of Kubernetes objects that matter here, and how they become facts. Pure.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use super::kubernetes::Name;
use crate::model::{LeaseFact, NodeCondition, NodeFact, Taint};

/// The kubelet's port where the node does not tell it.
const KUBELET_PORT: u16 = 10250;
/// Addresses from outside the cluster: IPs need no DNS of theirs, internal ones are what the kubelet's certificate has.
const PREFERRED: [&str; 5] = ["InternalIP", "ExternalIP", "InternalDNS", "ExternalDNS", "Hostname"];
/// A server's message is quoted no longer than this.
const MESSAGE_MAX: usize = 160;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Meta {
    name: String,
    labels: std::collections::BTreeMap<String, String>,
    deletion_timestamp: Option<String>,
}

/// A node.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Node {
    metadata: Meta,
    spec: NodeSpec,
    status: NodeStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NodeSpec {
    unschedulable: bool,
    taints: Vec<NodeTaint>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NodeTaint {
    key: String,
    effect: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct NodeStatus {
    addresses: Vec<Address>,
    conditions: Vec<Condition>,
    daemon_endpoints: DaemonEndpoints,
    node_info: NodeInfo,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Address {
    #[serde(rename = "type")]
    kind: String,
    address: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    reason: String,
    last_transition_time: Option<Timestamp>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct DaemonEndpoints {
    kubelet_endpoint: Port,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Port {
    #[serde(rename = "Port")]
    port: u16,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct NodeInfo {
    kubelet_version: String,
}

impl Node {
    /// The facts; `None` for a node without a name.
    pub fn into_fact(self) -> Option<NodeFact> {
        if self.metadata.name.is_empty() {
            return None;
        }
        let mut addresses = self.status.addresses;
        addresses.retain(|a| PREFERRED.contains(&a.kind.as_str()) && !a.address.is_empty());
        addresses.sort_by_key(|a| PREFERRED.iter().position(|p| *p == a.kind));
        let role = |r: &str| self.metadata.labels.contains_key(&format!("node-role.kubernetes.io/{r}"));
        let condition = |c: Condition| NodeCondition {
            kind: c.kind,
            status: c.status,
            reason: c.reason,
            since: c.last_transition_time,
        };
        let port = self.status.daemon_endpoints.kubelet_endpoint.port;
        Some(NodeFact {
            name: Name::from(self.metadata.name.as_str()),
            addresses: addresses.into_iter().map(|a| a.address).collect(),
            kubelet_port: if port == 0 { KUBELET_PORT } else { port },
            version: self.status.node_info.kubelet_version,
            conditions: self.status.conditions.into_iter().map(condition).collect(),
            unschedulable: self.spec.unschedulable,
            deleting: self.metadata.deletion_timestamp.is_some(),
            taints: self.spec.taints.into_iter().map(|t| Taint { key: t.key, effect: t.effect }).collect(),
            control_plane: role("control-plane") || role("master") || role("controlplane"),
            lease_age: None,
        })
    }
}

/// `v1/Endpoints`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Endpoints {
    subsets: Vec<Subset>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Subset {
    addresses: Vec<EndpointAddress>,
    ports: Vec<EndpointPort>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct EndpointAddress {
    ip: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct EndpointPort {
    name: String,
    port: u16,
}

impl Endpoints {
    /// `host:port` of every address and https port, sorted.
    pub fn addresses(&self) -> Vec<String> {
        let mut all: Vec<String> = self
            .subsets
            .iter()
            .flat_map(|s| {
                let ports = s.ports.iter().filter(|p| p.name.is_empty() || p.name == "https");
                ports.flat_map(|p| s.addresses.iter().map(|a| host_port(&a.ip, p.port)))
            })
            .collect();
        all.sort();
        all.dedup();
        all
    }
}

/// `host:port`, an IPv6 host in brackets.
pub fn host_port(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// `coordination.k8s.io/v1 Lease`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Lease {
    metadata: Meta,
    spec: LeaseSpec,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct LeaseSpec {
    holder_identity: Option<String>,
    lease_duration_seconds: Option<u64>,
    renew_time: Option<Timestamp>,
}

impl Lease {
    /// Its name: of a node lease, the node's.
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// Since it was renewed, by the server's own clock; `Date` has whole seconds, so a fresh one may seem to be ahead.
    pub fn age(&self, server_time: Timestamp) -> Option<Duration> {
        let renewed = self.spec.renew_time?;
        Some(Duration::try_from(server_time.duration_since(renewed)).unwrap_or_default())
    }

    /// As a leader lease; `None` for one that was never held.
    pub fn into_leader(self, server_time: Timestamp) -> Option<LeaseFact> {
        let age = self.age(server_time)?;
        Some(LeaseFact {
            name: self.metadata.name,
            holder: self.spec.holder_identity.unwrap_or_default(),
            age,
            duration: Duration::from_secs(self.spec.lease_duration_seconds.unwrap_or(15)),
        })
    }
}

/// `: message` of a `v1/Status`, or nothing.
pub fn status_message(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Status {
        message: String,
    }
    match serde_json::from_slice::<Status>(body) {
        Ok(status) if !status.message.is_empty() => {
            format!(": {}", status.message.chars().take(MESSAGE_MAX).collect::<String>())
        }
        _ => String::new(),
    }
}

/// RFC 9110 `Date`.
pub fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text).ok().map(|z| z.timestamp())
}

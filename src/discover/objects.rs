//! Kubernetes objects as far as discovery needs them: a node is some 15 kB of JSON, of which 300 bytes matter.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer};

use crate::model::{NodeCondition, NodeFact, Taint};

/// The kubelet's port where a node does not tell it.
const KUBELET_PORT: u16 = 10250;

/// An age by the server's clock, never negative: `Date` has whole seconds only.
pub(super) fn age(renewed: Timestamp, now: Timestamp) -> Duration {
    now.duration_since(renewed).max(SignedDuration::ZERO).unsigned_abs()
}

/// `null` is as good as absent: Go writes it for empty slices.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(d: D) -> Result<T, D::Error> {
    Option::deserialize(d).map(Option::unwrap_or_default)
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Status {
    pub(super) message: String,
}

#[derive(Deserialize)]
pub(super) struct List<T> {
    #[serde(default)]
    pub(super) metadata: ListMeta,
    // `bound`: an empty list needs no default of its objects.
    #[serde(default = "Vec::new", deserialize_with = "nullable", bound(deserialize = "T: Deserialize<'de>"))]
    pub(super) items: Vec<T>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct ListMeta {
    #[serde(rename = "continue", deserialize_with = "nullable")]
    pub(super) next: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Meta {
    pub(super) name: String,
    #[serde(deserialize_with = "nullable")]
    labels: BTreeMap<String, String>,
    deletion_timestamp: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Node {
    metadata: Meta,
    spec: NodeSpec,
    status: NodeStatus,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct NodeSpec {
    unschedulable: bool,
    #[serde(deserialize_with = "nullable")]
    taints: Vec<RawTaint>,
}

#[derive(Deserialize)]
struct RawTaint {
    key: String,
    effect: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct NodeStatus {
    #[serde(deserialize_with = "nullable")]
    addresses: Vec<Address>,
    daemon_endpoints: DaemonEndpoints,
    node_info: NodeInfo,
    #[serde(deserialize_with = "nullable")]
    conditions: Vec<Condition>,
}

#[derive(Deserialize)]
struct Address {
    #[serde(rename = "type")]
    kind: String,
    address: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct DaemonEndpoints {
    kubelet_endpoint: KubeletEndpoint,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct KubeletEndpoint {
    #[serde(rename = "Port")]
    port: u16,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct NodeInfo {
    kubelet_version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    last_transition_time: Option<Timestamp>,
}

impl From<Node> for NodeFact {
    fn from(node: Node) -> Self {
        const ROLES: [&str; 3] = [
            "node-role.kubernetes.io/control-plane",
            "node-role.kubernetes.io/master",
            "node-role.kubernetes.io/controlplane",
        ];
        let Node { metadata, spec, status } = node;
        let port = status.daemon_endpoints.kubelet_endpoint.port;
        Self {
            name: metadata.name.into(),
            addresses: preferred(status.addresses),
            kubelet_port: if port == 0 { KUBELET_PORT } else { port },
            version: status.node_info.kubelet_version,
            conditions: status
                .conditions
                .into_iter()
                .map(|c| NodeCondition {
                    kind: c.kind,
                    status: c.status,
                    reason: c.reason,
                    since: c.last_transition_time,
                })
                .collect(),
            unschedulable: spec.unschedulable,
            deleting: metadata.deletion_timestamp.is_some(),
            taints: spec.taints.into_iter().map(|t| Taint { key: t.key, effect: t.effect }).collect(),
            control_plane: ROLES.iter().any(|role| metadata.labels.contains_key(*role)),
            lease_age: None,
        }
    }
}

/// An API server's order, with addresses before names: a cluster's own names seldom resolve outside of it.
fn preferred(mut addresses: Vec<Address>) -> Vec<String> {
    const ORDER: [&str; 5] = ["InternalIP", "ExternalIP", "Hostname", "InternalDNS", "ExternalDNS"];
    addresses.sort_by_key(|a| ORDER.iter().position(|kind| *kind == a.kind).unwrap_or(ORDER.len()));
    let mut texts: Vec<String> = Vec::with_capacity(addresses.len());
    for address in addresses {
        if !address.address.is_empty() && !texts.contains(&address.address) {
            texts.push(address.address);
        }
    }
    texts
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Lease {
    pub(super) metadata: Meta,
    pub(super) spec: LeaseSpec,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct LeaseSpec {
    #[serde(deserialize_with = "nullable")]
    pub(super) holder_identity: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) lease_duration_seconds: u32,
    pub(super) renew_time: Option<Timestamp>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Slice {
    #[serde(deserialize_with = "nullable")]
    endpoints: Vec<SliceEndpoint>,
    #[serde(deserialize_with = "nullable")]
    ports: Vec<Port>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct SliceEndpoint {
    #[serde(deserialize_with = "nullable")]
    addresses: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Port {
    name: Option<String>,
    port: Option<u16>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Endpoints {
    #[serde(deserialize_with = "nullable")]
    subsets: Vec<Subset>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Subset {
    #[serde(deserialize_with = "nullable")]
    addresses: Vec<SubsetAddress>,
    #[serde(deserialize_with = "nullable")]
    not_ready_addresses: Vec<SubsetAddress>,
    #[serde(deserialize_with = "nullable")]
    ports: Vec<Port>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct SubsetAddress {
    ip: String,
}

impl Slice {
    /// `host:port` of each address.
    pub(super) fn places(&self) -> Vec<String> {
        places(self.endpoints.iter().flat_map(|e| &e.addresses), &self.ports)
    }
}

impl Endpoints {
    /// `host:port` of each address, ready or not.
    pub(super) fn places(&self) -> Vec<String> {
        let of = |s: &Subset| places(s.addresses.iter().chain(&s.not_ready_addresses).map(|a| &a.ip), &s.ports);
        self.subsets.iter().flat_map(of).collect()
    }
}

fn places<'a>(hosts: impl Iterator<Item = &'a String>, ports: &[Port]) -> Vec<String> {
    let https = ports.iter().find(|p| p.name.as_deref() == Some("https")).or(ports.first());
    let Some(port) = https.and_then(|p| p.port) else { return Vec::new() };
    hosts.map(|host| super::targets::place(host, port)).collect()
}

#[cfg(test)]
mod tests;

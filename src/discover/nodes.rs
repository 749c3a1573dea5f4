//! From a Node object to what is kept of it. Pure.

use std::collections::BTreeMap;

use super::{
    hosts::LocalHosts,
    objects::{Address, Condition, Meta, Node, NodeInfo, NodeStatus},
};
use crate::model::{NodeCondition, NodeFact, Taint};

/// The kubelet's port where a node does not tell it. (One that tells 0 has none: a Virtual Kubelet, or a node that no
/// kubelet has ever reported from.)
const KUBELET_PORT: u16 = 10250;
/// How many addresses, conditions and taints are kept of a node: more than any real one has.
const EACH_MAX: usize = 32;
/// How many traits are kept of a node.
const TRAITS_MAX: usize = 16;
/// The longest trait: the value of a label has up to 63 characters, an OS image a few more.
const TRAIT_MAX: usize = 80;
/// The longest kind and reason of a condition, and the longest key of a taint: what has a prefix has up to 253 characters of it.
const KEY_MAX: usize = 317;
/// The longest status and effect: `PreferNoSchedule`.
const WORD_MAX: usize = 32;
/// The longest message of a condition: the kubelet's own are below 200 characters, unless several things are wrong.
const MESSAGE_MAX: usize = 300;

/// Labels that nodes may have in common, and the words for them; the first label that is there counts for its word.
const SHARED: [(&str, &str); 15] = [
    ("topology.kubernetes.io/zone", "zone"),
    ("failure-domain.beta.kubernetes.io/zone", "zone"),
    ("topology.kubernetes.io/region", "region"),
    ("failure-domain.beta.kubernetes.io/region", "region"),
    ("node.kubernetes.io/instance-type", "instance type"),
    ("beta.kubernetes.io/instance-type", "instance type"),
    ("eks.amazonaws.com/nodegroup", "node group"),
    ("cloud.google.com/gke-nodepool", "node pool"),
    ("karpenter.sh/nodepool", "node pool"),
    ("kubernetes.azure.com/agentpool", "node pool"),
    ("doks.digitalocean.com/node-pool", "node pool"),
    ("karpenter.sh/capacity-type", "capacity type"),
    ("eks.amazonaws.com/capacityType", "capacity type"),
    ("kubernetes.io/arch", "architecture"),
    ("kubernetes.io/os", "operating system"),
];

/// The last part of labels that say where a machine stands, whoever made them up: `example.org/rack`,
/// `topology.rook.io/chassis`.
const PLACES: [&str; 14] = [
    "rack",
    "row",
    "room",
    "hall",
    "chassis",
    "enclosure",
    "switch",
    "pdu",
    "datacenter",
    "site",
    "building",
    "hypervisor",
    "fault-domain",
    "failure-domain",
];

/// Returns what is kept of a node, and of its addresses those that may be asked.
pub(super) fn fact(node: Node, local: LocalHosts) -> NodeFact {
    const ROLES: [&str; 3] = [
        "node-role.kubernetes.io/control-plane",
        "node-role.kubernetes.io/master",
        "node-role.kubernetes.io/controlplane",
    ];
    let Node { metadata, spec, status } = node;
    let is_virtual = is_virtual(&metadata, spec.taints.iter().map(|t| t.key.as_str()));
    let traits = traits(&metadata.labels, &status.node_info).into();
    let NodeStatus { addresses, daemon_endpoints, node_info, mut conditions } = status;
    let taint =
        |t: super::objects::RawTaint| Taint { key: shortened(&t.key, KEY_MAX), effect: shortened(&t.effect, WORD_MAX) };
    // The one that counts, should there be too many.
    conditions.sort_by_key(|c| c.kind != "Ready");
    NodeFact {
        name: metadata.name.into(),
        addresses: preferred(addresses, local),
        kubelet_port: daemon_endpoints.kubelet_endpoint.port.unwrap_or(KUBELET_PORT),
        version: shortened(&node_info.kubelet_version, TRAIT_MAX),
        conditions: conditions.into_iter().take(EACH_MAX).map(condition).collect(),
        unschedulable: spec.unschedulable,
        deleting: metadata.deletion_timestamp.is_some(),
        taints: spec.taints.into_iter().take(EACH_MAX).map(taint).collect(),
        control_plane: ROLES.iter().any(|role| metadata.labels.contains_key(*role)),
        lease: None,
        created: metadata.creation_timestamp,
        settled_at: None,
        is_virtual,
        traits,
    }
}

fn condition(c: Condition) -> NodeCondition {
    // Good news has no words worth keeping: "kubelet is posting ready status".
    let is_bad = (c.kind == "Ready") != (c.status == "True");
    let message = if is_bad { shortened(&c.message, MESSAGE_MAX) } else { String::new() };
    NodeCondition {
        kind: shortened(&c.kind, KEY_MAX),
        status: shortened(&c.status, WORD_MAX),
        reason: shortened(&c.reason, KEY_MAX),
        message,
        since: c.last_transition_time,
    }
}

/// Returns one line of at most so many characters.
pub(super) fn shortened(text: &str, max: usize) -> String {
    // Nearly always there is nothing to do, a hundred times a node.
    if text.len() <= max && !text.contains(char::is_control) {
        return text.to_owned();
    }
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(max + 1).collect();
    match line.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Nodes of Virtual Kubelet (ACI, Admiralty, Liqo), KWOK and Fargate.
fn is_virtual<'a>(meta: &Meta, mut taints: impl Iterator<Item = &'a str>) -> bool {
    const LABELS: [(&str, &str); 4] = [
        ("type", "virtual-kubelet"),
        ("type", "kwok"),
        ("liqo.io/type", "virtual-node"),
        ("eks.amazonaws.com/compute-type", "fargate"),
    ];
    const TAINTS: [&str; 3] = ["virtual-kubelet.io/provider", "kwok.x-k8s.io/node", "eks.amazonaws.com/compute-type"];
    LABELS.iter().any(|(key, value)| meta.labels.get(*key).is_some_and(|v| v == value))
        || meta.annotations.contains_key("kwok.x-k8s.io/node")
        || taints.any(|key| TAINTS.contains(&key))
}

/// What the node may have in common with others.
fn traits(labels: &BTreeMap<String, String>, info: &NodeInfo) -> BTreeMap<String, String> {
    let told = [
        ("kernel", &info.kernel_version),
        ("kubelet", &info.kubelet_version),
        ("container runtime", &info.container_runtime_version),
        ("OS image", &info.os_image),
    ];
    let known = SHARED.iter().filter_map(|(key, word)| Some((*word, labels.get(*key)?)));
    let placed = labels.iter().filter_map(|(key, value)| Some((place(key)?, value)));
    let mut traits = BTreeMap::new();
    for (word, value) in known.chain(told).chain(placed).filter(|(_, value)| !value.is_empty()) {
        if traits.len() < TRAITS_MAX || traits.contains_key(word) {
            traits.entry(word.to_owned()).or_insert_with(|| shortened(value, TRAIT_MAX));
        }
    }
    traits
}

/// The word for a label that says where a machine stands.
fn place(key: &str) -> Option<&str> {
    let word = key.rsplit('/').next()?;
    PLACES.contains(&word).then_some(word)
}

/// An API server's order, with addresses before names: a cluster's own names seldom resolve outside of it.
fn preferred(mut addresses: Vec<Address>, local: LocalHosts) -> Vec<String> {
    const ORDER: [&str; 5] = ["InternalIP", "ExternalIP", "Hostname", "InternalDNS", "ExternalDNS"];
    addresses.sort_by_key(|a| ORDER.iter().position(|kind| *kind == a.kind).unwrap_or(ORDER.len()));
    let mut texts: Vec<String> = Vec::with_capacity(addresses.len().min(EACH_MAX));
    for address in addresses {
        if texts.len() < EACH_MAX && local.allow(&address.address) && !texts.contains(&address.address) {
            texts.push(address.address);
        }
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> NodeFact {
        fact(serde_json::from_str(json).unwrap(), LocalHosts::of(&"https://10.0.0.1".parse().unwrap(), false))
    }

    #[test]
    fn what_no_real_node_tells_is_shortened() {
        let (long, many) = ("x".repeat(1 << 20), 20_000);
        let conditions: Vec<String> =
            (0..many).map(|i| format!(r#"{{"type": "C{i}-{long:.400}", "status": "{long:.99}"}}"#)).collect();
        let ready = r#"{"type": "Ready", "status": "True", "reason": "KubeletReady"}"#;
        let fact = read(&format!(
            r#"{{"metadata": {{"name": "n"}}, "spec": {{"taints": [{{"key": "{long}", "effect": "{long}"}}]}}, "status": {{
               "addresses": [{{"type": "InternalIP", "address": "{long}"}}, {{"type": "InternalIP", "address": "u:p@10.0.0.1:80/x#"}},
                             {{"type": "Hostname", "address": "169.254.169.254"}}],
               "nodeInfo": {{"kubeletVersion": "{long}"}}, "conditions": [{}, {ready}]}}}}"#,
            conditions.join(",")
        ));
        assert!(fact.addresses.is_empty() && fact.is_ready() && fact.conditions.len() == EACH_MAX);
        assert!(serde_json::to_string(&fact).unwrap().len() < 20_000);
        for name in [long.as_str(), "a/b", "..", "a b", "a%2fb"] {
            let node = format!(r#"{{"metadata": {{"name": "{name}"}}}}"#);
            assert!(serde_json::from_str::<Node>(&node).is_err(), "{name:.9}");
        }
    }

    #[test]
    fn a_node_is_read_as_far_as_it_is_needed() {
        let fact = read(
            r#"{"metadata": {"name": "cp-1", "labels": {"node-role.kubernetes.io/control-plane": ""},
                             "creationTimestamp": "2026-11-22T07:00:00Z",
                             "deletionTimestamp": "2026-11-23T07:00:00Z", "managedFields": [{"x": 1}]},
                "spec": {"unschedulable": true, "taints": [{"key": "k", "effect": "NoExecute"}]},
                "status": {"addresses": [{"type": "Hostname", "address": "cp-1"}, {"type": "ExternalIP", "address": "192.0.2.1"},
                                         {"type": "InternalIP", "address": "10.0.0.1"}, {"type": "InternalIP", "address": "fd00::1"},
                                         {"type": "InternalDNS", "address": "cp-1"}],
                           "daemonEndpoints": {"kubeletEndpoint": {"Port": 10251}}, "nodeInfo": {"kubeletVersion": "v1.34.1"},
                           "conditions": [{"type": "Ready", "status": "True", "message": "kubelet is posting ready status",
                                           "lastTransitionTime": "2026-11-23T06:00:00Z"}]}}"#,
        );
        assert_eq!(fact.addresses, ["10.0.0.1", "fd00::1", "192.0.2.1", "cp-1"]);
        assert_eq!((&*fact.name, fact.kubelet_port, fact.version.as_str()), ("cp-1", 10251, "v1.34.1"));
        assert!(fact.unschedulable && fact.deleting && fact.control_plane && fact.is_ready() && !fact.is_virtual);
        assert_eq!(fact.conditions[0].since, Some("2026-11-23T06:00:00Z".parse().unwrap()));
        assert_eq!(
            (fact.conditions[0].message.as_str(), fact.created),
            ("", Some("2026-11-22T07:00:00Z".parse().unwrap()))
        );
        assert_eq!(fact.taints, [Taint { key: "k".into(), effect: "NoExecute".into() }]);

        let bare = read(r#"{"metadata": {"name": "n", "labels": null}}"#);
        let seen = (bare.kubelet_port, bare.addresses.len(), bare.is_ready(), bare.control_plane);
        assert_eq!(seen, (10250, 0, false, false));
    }

    #[test]
    fn an_odd_field_costs_itself() {
        let check = |status: &str, port: u16, since: Option<&str>| {
            let fact = read(&format!(r#"{{"metadata": {{"name": "n"}}, "spec": null, "status": {status}}}"#));
            let found = fact.conditions.first().and_then(|c| c.since).map(|at| at.to_string());
            assert_eq!((fact.kubelet_port, found.as_deref()), (port, since), "{status}");
        };
        let ready = |at: &str| {
            format!(
                r#"{{"conditions": [{{"type": "Ready", "status": "False", "reason": null, "lastTransitionTime": {at}}}]}}"#
            )
        };
        check(&ready(r#""2026-11-23T06:00:00Z""#), 10250, Some("2026-11-23T06:00:00Z"));
        check(&ready(r#""9999-12-31T23:59:59Z""#), 10250, None);
        check(&ready(r#""soon""#), 10250, None);
        check(&ready("null"), 10250, None);
        for (said, meant) in [("0", 0), ("70000", 0), ("-1", 0), ("null", 10250), ("10255", 10255)] {
            check(&format!(r#"{{"daemonEndpoints": {{"kubeletEndpoint": {{"Port": {said}}}}}}}"#), meant, None);
        }
        check(r#"{"daemonEndpoints": null, "nodeInfo": null, "addresses": null, "conditions": null}"#, 10250, None);
    }

    #[test]
    fn a_message_is_kept_of_bad_news_only_and_not_whole() {
        let long = "x".repeat(1000);
        let fact = read(&format!(
            r#"{{"metadata": {{"name": "n"}}, "status": {{"conditions": [
                 {{"type": "Ready", "status": "False", "message": "container runtime is down\nPLEG is not healthy"}},
                 {{"type": "DiskPressure", "status": "False", "message": "kubelet has no disk pressure"}},
                 {{"type": "KernelDeadlock", "status": "True", "message": "{long}"}}]}}}}"#
        ));
        let messages: Vec<_> = fact.conditions.iter().map(|c| c.message.as_str()).collect();
        assert_eq!(messages[..2], ["container runtime is down PLEG is not healthy", ""]);
        assert_eq!(messages[2].chars().count(), MESSAGE_MAX + 1);
    }

    #[test]
    fn virtual_nodes_are_known_by_what_their_makers_write() {
        let check = |metadata: &str, taints: &str, expected| {
            let node = format!(r#"{{"metadata": {{"name": "n", {metadata}}}, "spec": {{"taints": [{taints}]}}}}"#);
            assert_eq!(read(&node).is_virtual, expected, "{node}");
        };
        check(r#""labels": {"type": "virtual-kubelet"}"#, "", true);
        check(r#""labels": {"eks.amazonaws.com/compute-type": "fargate"}"#, "", true);
        check(r#""annotations": {"kwok.x-k8s.io/node": "fake"}"#, "", true);
        check(
            r#""labels": {}"#,
            r#"{"key": "virtual-kubelet.io/provider", "value": "azure", "effect": "NoSchedule"}"#,
            true,
        );
        check(r#""labels": {"type": "worker", "eks.amazonaws.com/compute-type": "ec2"}"#, r#"{"key": "k"}"#, false);
    }

    #[test]
    fn traits_are_what_nodes_may_share() {
        let fact = read(
            r#"{"metadata": {"name": "n", "labels": {"topology.kubernetes.io/zone": "b", "failure-domain.beta.kubernetes.io/zone": "old",
                             "example.org/rack": "r7", "kubernetes.io/hostname": "n", "app": "x"}},
                "status": {"nodeInfo": {"kernelVersion": "6.12.1", "containerRuntimeVersion": "containerd://2.1.4"}}}"#,
        );
        let traits: Vec<_> = fact.traits.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(traits, ["container runtime=containerd://2.1.4", "kernel=6.12.1", "rack=r7", "zone=b"]);
    }
}

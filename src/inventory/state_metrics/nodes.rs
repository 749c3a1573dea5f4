//! Series of nodes and volumes (docs/metrics/cluster/node-metrics.md and docs/metrics/storage there).

use serde_json::Value;

use super::{Builder, number};
use crate::inventory::object::Object;

const CLAIM_PHASES: [&str; 3] = ["Lost", "Bound", "Pending"];
const VOLUME_PHASES: [&str; 5] = ["Pending", "Available", "Bound", "Released", "Failed"];
/// Roles are labels that begin so.
const ROLE: &str = "node-role.kubernetes.io/";

pub(super) fn node(node: &Object, to: &mut Builder<'_>) {
    let who = [("node", node.name.as_str())];
    let info = |field: &str| node.text(&["status", "nodeInfo", field]);
    let address = node.map(&["status", "addresses"]).find(|(kind, _)| *kind == "InternalIP");
    let pairs = [
        ("kernel_version", info("kernelVersion")),
        ("os_image", info("osImage")),
        ("container_runtime_version", info("containerRuntimeVersion")),
        ("kubelet_version", info("kubeletVersion")),
        ("kubeproxy_version", "deprecated"),
        ("provider_id", node.text(&["spec", "providerID"])),
        ("pod_cidr", node.text(&["spec", "podCIDR"])),
        ("internal_ip", address.and_then(|(_, a)| a["address"].as_str()).unwrap_or_default()),
    ];
    to.put("kube_node_info", &[&who[..], &pairs].concat(), 1.0);
    let is_cordoned = node.at(&["spec", "unschedulable"]) == true;
    to.put("kube_node_spec_unschedulable", &who, f64::from(u8::from(is_cordoned)));
    for (key, taint) in node.map(&["spec", "taints"]) {
        let text = |field: &str| taint[field].as_str().unwrap_or_default();
        let pairs = [("key", key.as_str()), ("value", text("value")), ("effect", text("effect"))];
        to.put("kube_node_spec_taint", &[&who[..], &pairs].concat(), 1.0);
    }
    to.conditions("kube_node_status_condition", &who, node);
    for (label, _) in node.map(&["metadata", "labels"]) {
        if let Some(role) = label.strip_prefix(ROLE) {
            to.put("kube_node_role", &[("node", node.name.as_str()), ("role", role)], 1.0);
        }
    }
    for field in ["capacity", "allocatable"] {
        for (resource, quantity) in node.map(&["status", field]) {
            let Some(value) = quantity.as_str().and_then(quantity_of) else { continue };
            let (resource, unit) = unit(resource);
            let pairs = [("resource", resource.as_str()), ("unit", unit)];
            to.put(&format!("kube_node_status_{field}"), &[&who[..], &pairs].concat(), value);
        }
    }
}

pub(super) fn claim(claim: &Object, to: &mut Builder<'_>) {
    let who = [("namespace", claim.namespace.as_str()), ("persistentvolumeclaim", claim.name.as_str())];
    let info = [
        ("storageclass", claim.text(&["spec", "storageClassName"])),
        ("volumename", claim.text(&["spec", "volumeName"])),
    ];
    to.put("kube_persistentvolumeclaim_info", &[&who[..], &info].concat(), 1.0);
    to.one_of(
        "kube_persistentvolumeclaim_status_phase",
        &who,
        "phase",
        &CLAIM_PHASES,
        claim.text(&["status", "phase"]),
    );
    let modes = claim.at(&["spec", "accessModes"]).as_array().into_iter().flatten().filter_map(Value::as_str);
    for mode in modes {
        to.put("kube_persistentvolumeclaim_access_mode", &[&who[..], &[("access_mode", mode)]].concat(), 1.0);
    }
    let asked = claim.text(&["spec", "resources", "requests", "storage"]);
    if let Some(bytes) = quantity_of(asked) {
        to.put("kube_persistentvolumeclaim_resource_requests_storage_bytes", &who, bytes);
    }
}

pub(super) fn volume(volume: &Object, to: &mut Builder<'_>) {
    let who = [("persistentvolume", volume.name.as_str())];
    to.one_of("kube_persistentvolume_status_phase", &who, "phase", &VOLUME_PHASES, volume.text(&["status", "phase"]));
    if let Some(bytes) = quantity_of(volume.text(&["spec", "capacity", "storage"])) {
        to.put("kube_persistentvolume_capacity_bytes", &who, bytes);
    }
}

/// The resource as it is written in a label, and what it is counted in.
fn unit(resource: &str) -> (String, &'static str) {
    let unit = match resource {
        "cpu" => "core",
        "memory" | "ephemeral-storage" | "storage" => "byte",
        name if name.starts_with("hugepages-") || name.starts_with("attachable-volumes-") => "byte",
        _ => "integer",
    };
    (resource.replace(['-', '.', '/'], "_"), unit)
}

/// A quantity as Kubernetes writes it: `3920m`, `16Gi`, `1e3`, `110` (k8s.io/apimachinery/pkg/api/resource/quantity.go).
pub(super) fn quantity_of(text: &str) -> Option<f64> {
    let at = text.find(|c: char| c.is_ascii_alphabetic() && c != 'e').unwrap_or(text.len());
    let (digits, suffix) = text.split_at(at);
    let digits = digits.trim_end_matches('e');
    let factor = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        _ => {
            let power = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].iter().position(|s| *s == suffix)?;
            number(1024).powi(i32::try_from(power).ok()? + 1)
        }
    };
    digits.parse::<f64>().ok().filter(|n| n.is_finite()).map(|n| n * factor)
}

//! Series of pods (docs/metrics/workload/pod-metrics.md there).

use serde_json::Value;

use super::{Builder, Pair, number, unix};
use crate::inventory::object::Object;

const PHASES: [&str; 5] = ["Pending", "Succeeded", "Failed", "Unknown", "Running"];
/// The reasons that have a series.
const REASONS: [&str; 5] = ["Evicted", "NodeAffinity", "NodeLost", "Shutdown", "UnexpectedAdmissionError"];

pub(super) fn pod(pod: &Object, to: &mut Builder<'_>) {
    let uid = pod.text(&["metadata", "uid"]);
    let who = [("namespace", pod.namespace.as_str()), ("pod", pod.name.as_str()), ("uid", uid)];
    let (kind, owner) = pod.owner().unwrap_or(("", ""));
    let mut info: Vec<Pair<'_>> = who.to_vec();
    let host_network = if pod.at(&["spec", "hostNetwork"]) == true { "true" } else { "false" };
    info.extend([
        ("host_ip", pod.text(&["status", "hostIP"])),
        ("pod_ip", pod.text(&["status", "podIP"])),
        ("node", pod.text(&["spec", "nodeName"])),
        ("created_by_kind", kind),
        ("created_by_name", owner),
        ("priority_class", pod.text(&["spec", "priorityClassName"])),
        ("host_network", host_network),
    ]);
    to.put("kube_pod_info", &info, 1.0);
    let is_controller = if kind.is_empty() { "" } else { "true" };
    let owned = [("owner_kind", kind), ("owner_name", owner), ("owner_is_controller", is_controller)];
    to.put("kube_pod_owner", &[&who[..], &owned].concat(), 1.0);
    to.one_of("kube_pod_status_phase", &who, "phase", &PHASES, pod.text(&["status", "phase"]));
    let ready = pod.text(&["status", "conditions", "Ready", "status"]).to_lowercase();
    if !ready.is_empty() {
        to.one_of("kube_pod_status_ready", &who, "condition", &["true", "false", "unknown"], &ready);
    }
    let reason = pod.text(&["status", "reason"]);
    if REASONS.contains(&reason) {
        to.put("kube_pod_status_reason", &[&who[..], &[("reason", reason)]].concat(), 1.0);
    }
    if pod.text(&["status", "conditions", "PodScheduled", "reason"]) == "Unschedulable" {
        to.put("kube_pod_status_unschedulable", &who, 1.0);
    }
    for (name, at) in [("kube_pod_created", pod.made_at()), ("kube_pod_start_time", pod.time(&["status", "startTime"]))]
    {
        if let Some(at) = at {
            to.put(name, &who, unix(at));
        }
    }
    for (name, container) in pod.map(&["status", "containerStatuses"]) {
        self::container(&[&who[..], &[("container", name.as_str())]].concat(), container, to);
    }
}

fn container(who: &[Pair<'_>], container: &Value, to: &mut Builder<'_>) {
    let text = |value: &'_ Value| value.as_str().unwrap_or_default().to_owned();
    let flag = |is: bool| f64::from(u8::from(is));
    let image = [("image", text(&container["image"])), ("image_id", text(&container["imageID"]))];
    let image: Vec<Pair<'_>> = image.iter().map(|(k, v)| (*k, v.as_str())).collect();
    to.put("kube_pod_container_info", &[who, &image].concat(), 1.0);
    to.put("kube_pod_container_status_ready", who, flag(container["ready"] == true));
    to.put("kube_pod_container_status_running", who, flag(container["state"]["running"].is_object()));
    let restarts = container["restartCount"].as_u64().unwrap_or(0);
    to.put("kube_pod_container_status_restarts_total", who, number(restarts));
    let reasons = [
        ("kube_pod_container_status_waiting_reason", &container["state"]["waiting"]),
        ("kube_pod_container_status_terminated_reason", &container["state"]["terminated"]),
        ("kube_pod_container_status_last_terminated_reason", &container["lastState"]["terminated"]),
    ];
    for (name, state) in reasons {
        let reason = text(&state["reason"]);
        if !reason.is_empty() {
            to.put(name, &[who, &[("reason", reason.as_str())]].concat(), 1.0);
        }
    }
}

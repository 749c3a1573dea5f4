//! Pods as clusters really show them, and the layer that each of them names; where the next one is made.

use serde_json::{Value, json};

use super::{
    places::{next, places},
    pod_facts::{PodFacts, events},
    pod_layer::{Reach, Seen, Way, decide, is_final},
};
use crate::{
    discover::config::Each,
    model::{
        CanaryForm, CanaryLayer as L, CanaryPlace, CanaryRun, CanaryStage as S, CanaryStanding, ClusterSnapshot, Live,
        NodeCondition, NodeFact, Severity, Taint,
    },
};

/// A pod on node `n1` with these statuses of containers.
fn on_n1(init: &Value, main: &Value) -> Value {
    json!({
        "metadata": {"uid": "u"}, "spec": {"nodeName": "n1"},
        "status": {"phase": "Pending", "initContainerStatuses": init, "containerStatuses": main,
            "conditions": [{"type": "PodScheduled", "status": "True"}]},
    })
}

fn waiting(name: &str, reason: &str, message: &str) -> Value {
    json!([{"name": name, "state": {"waiting": {"reason": reason, "message": message}}}])
}

fn ended(name: &str, code: i64, reason: &str, message: &str) -> Value {
    json!([{"name": name, "state": {"terminated": {"exitCode": code, "reason": reason, "message": message}}}])
}

fn unscheduled(reason: &str, message: &str) -> Value {
    let condition = json!({"type": "PodScheduled", "status": "False", "reason": reason, "message": message});
    json!({"metadata": {"uid": "u"}, "status": {"phase": "Pending", "conditions": [condition]}})
}

fn seen(pod: &Value, told: &[(&str, &str)]) -> Seen {
    let about = |(reason, message): &(&str, &str)| json!({"involvedObject": {"uid": "u"}, "reason": reason, "message": message, "lastTimestamp": "2026-11-01T00:00:00Z"});
    let list: Vec<Value> = told.iter().map(about).collect();
    Seen { pod: PodFacts::of(pod), events: events(&list, &["u"]), claim: Some("Pending".into()), ..Seen::default() }
}

fn check(stage: S, seen: &Seen, layer: L, why: &str) {
    let told = decide(stage, seen);
    assert!(told.0 == layer && told.1.contains(why), "{stage}: {told:?}, expected {layer}: {why}");
}

#[test]
fn a_pod_without_a_node_names_the_scheduler_capacity_or_storage() {
    let nobody = json!({"metadata": {"uid": "u"}, "status": {"phase": "Pending"}});
    check(S::Scheduled, &seen(&nobody, &[]), L::Scheduler, "no scheduler has looked");
    let no_room = "0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes are available.";
    check(S::Scheduled, &seen(&unscheduled("Unschedulable", no_room), &[]), L::Capacity, "finds no node");
    let unbound = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found";
    check(S::Scheduled, &seen(&unscheduled("Unschedulable", unbound), &[]), L::Csi, "not bound");
    let class = ("ProvisioningFailed", "storageclass.storage.k8s.io \"nope\" not found");
    check(S::Scheduled, &seen(&unscheduled("Unschedulable", unbound), &[class]), L::Setup, "StorageClass");
    let zone = "0/3 nodes are available: 3 node(s) had volume node affinity conflict.";
    check(S::Scheduled, &seen(&unscheduled("Unschedulable", zone), &[]), L::Csi, "not bound");
    check(S::Scheduled, &seen(&unscheduled("SchedulingGated", "x"), &[]), L::Admission, "gate");
    check(S::Scheduled, &seen(&unscheduled("SchedulerError", "x"), &[]), L::Scheduler, "fails");
    check(S::Scheduled, &seen(&nobody, &[("FailedScheduling", "0/1 nodes are available")]), L::Capacity, "no node");
}

#[test]
fn an_image_that_can_not_be_had_names_the_registry() {
    for reason in ["ErrImagePull", "ImagePullBackOff"] {
        let pod = on_n1(&json!([]), &waiting("canary", reason, "dial tcp 10.9.9.9:5000: connect: connection refused"));
        assert!(is_final(&PodFacts::of(&pod)));
        check(S::Pulled, &seen(&pod, &[]), L::Registry, "can't be pulled");
    }
    let pod = on_n1(&json!([]), &waiting("canary", "InvalidImageName", "couldn't parse"));
    check(S::Pulled, &seen(&pod, &[]), L::Setup, "name");
    let creating = on_n1(&json!([]), &waiting("canary", "ContainerCreating", ""));
    assert!(!is_final(&PodFacts::of(&creating)));
    check(
        S::Pulled,
        &seen(&creating, &[("Failed", "Failed to pull image \"x\": 401 Unauthorized")]),
        L::Registry,
        "pulled",
    );
}

#[test]
fn what_the_kubelet_says_names_runtime_network_or_storage() {
    let creating = on_n1(&json!([]), &waiting("canary", "ContainerCreating", ""));
    let of = |reason: &str, message: &str| seen(&creating, &[("Scheduled", "ok"), (reason, message)]);
    let cni = "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox: \
               plugin type=\"bridge\" failed (add): no IP addresses available";
    check(S::Pulled, &of("FailedCreatePodSandBox", cni), L::Cni, "no interface");
    check(S::Pulled, &of("NetworkNotReady", "network is not ready: cni plugin not initialized"), L::Cni, "not ready");
    let runc = "Failed to create pod sandbox: rpc error: OCI runtime create failed: runc: exec failed";
    check(S::Pulled, &of("FailedCreatePodSandBox", runc), L::ContainerRuntime, "no sandbox");
    let mount = "MountVolume.MountDevice failed for volume \"pvc-1\": rpc error: DeadlineExceeded";
    check(S::Pulled, &of("FailedMount", mount), L::Csi, "attached or mounted");
    check(S::Pulled, &of("FailedAttachVolume", "AttachVolume.Attach failed"), L::Csi, "attached");
    check(S::Pulled, &seen(&creating, &[]), L::ContainerRuntime, "nothing is heard");
    let untouched = json!({"metadata": {"uid": "u"}, "spec": {"nodeName": "n1"}, "status": {"phase": "Pending"}});
    check(S::Pulled, &seen(&untouched, &[]), L::Kubelet, "has not taken it up");
    let ready = Seen { node_is_ready: true, ..seen(&untouched, &[]) };
    check(S::Pulled, &ready, L::ContainerRuntime, "gets no further");
    let node = |why: &str| Seen { node_not_ready: Some(why.into()), ..seen(&untouched, &[]) };
    check(S::Pulled, &node("[container runtime is down, PLEG is not healthy]"), L::ContainerRuntime, "is down");
    check(S::Pulled, &node("container runtime network not ready: cni plugin not initialized"), L::Cni, "network");
    check(S::Pulled, &node("Kubelet stopped posting node status."), L::Kubelet, "not ready");
    let pod = on_n1(&json!([]), &waiting("canary", "RunContainerError", "failed to create shim task"));
    check(S::Running, &seen(&pod, &[]), L::ContainerRuntime, "can't start");
    let pod = on_n1(&json!([]), &waiting("canary", "CreateContainerConfigError", "container has runAsNonRoot"));
    check(S::Running, &seen(&pod, &[]), L::Setup, "configuration");
    let message = "exec: \"sh\": executable file not found in $PATH";
    check(
        S::Running,
        &seen(&on_n1(&json!([]), &ended("canary", 128, "StartError", message)), &[]),
        L::Image,
        "command",
    );
    check(S::Running, &seen(&on_n1(&json!([]), &ended("canary", 0, "Completed", "")), &[]), L::ContainerRuntime, "");
    let mut out = creating.clone();
    out["status"]["phase"] = json!("Failed");
    for (reason, layer) in [("Evicted", L::Capacity), ("OutOfcpu", L::Capacity), ("NodeAffinity", L::Kubelet)] {
        out["status"]["reason"] = json!(reason);
        assert!(is_final(&PodFacts::of(&out)));
        check(S::Pulled, &seen(&out, &[]), layer, "");
    }
}

#[test]
fn a_step_inside_the_pod_names_its_layer() {
    let failed =
        on_n1(&ended("volume", 1, "Error", "sh: can't create /volume/dogwatch: Read-only file system"), &json!([]));
    check(S::Volume, &seen(&failed, &[]), L::Csi, "volume");
    let failed = on_n1(&ended("dns", 1, "Error", ";; connection timed out; no servers could be reached"), &json!([]));
    check(S::Dns, &seen(&failed, &[]), L::Dns, "does not answer");
    let running = json!([{"name": "dns", "state": {"running": {}}}]);
    check(S::Dns, &seen(&on_n1(&running, &json!([])), &[]), L::Dns, "does not end");
    let main = json!([{"name": "canary", "ready": false, "imageID": "i", "state": {"running": {}}}]);
    let unready = on_n1(&json!([]), &main);
    let probe = "Readiness probe failed: dial tcp 10.244.1.5:8080: i/o timeout";
    check(S::Ready, &seen(&unready, &[("Unhealthy", probe)]), L::Cni, "does not reach");
    let probe = "Readiness probe failed: dial tcp 10.244.1.5:8080: connect: connection refused";
    check(S::Ready, &seen(&unready, &[("Unhealthy", probe)]), L::Image, "nothing listens");
}

#[test]
fn the_way_from_outside_and_the_end_name_their_layer() {
    use Way::*;
    let reach = |own, other| Seen { reach: Reach { own, other }, ..Seen::default() };
    check(S::Reachable, &reach(Refused, Answered), L::KubeProxy, "closed");
    check(S::Reachable, &reach(Refused, Unasked), L::KubeProxy, "closed");
    check(S::Reachable, &reach(Silent, Answered), L::KubeProxy, "own node");
    check(S::Reachable, &reach(Answered, Refused), L::KubeProxy, "another node");
    check(S::Reachable, &reach(Answered, Silent), L::Cni, "another node");
    check(S::Reachable, &reach(Silent, Silent), L::Cni, "firewall");
    check(S::Reachable, &reach(Strange, Answered), L::KubeProxy, "something else");
    let pod = on_n1(&json!([]), &json!([]));
    let network = "error killing pod: failed to \"KillPodSandbox\": failed to destroy network: cni config";
    check(S::Deleted, &seen(&pod, &[("FailedKillPod", network)]), L::Cni, "let it go");
    check(S::Deleted, &seen(&pod, &[("FailedKillPod", "context deadline exceeded")]), L::ContainerRuntime, "end it");
    check(S::Deleted, &seen(&pod, &[("FailedUnmount", "device is busy")]), L::Csi, "let go");
    check(S::Deleted, &seen(&pod, &[]), L::Kubelet, "does not end it");
}

#[test]
fn each_place_in_turn_and_a_failing_one_again_at_once() {
    let node = |name: &str, zone: &str, taint: bool, ready: &str| NodeFact {
        name: name.into(),
        conditions: [NodeCondition { kind: "Ready".into(), status: ready.into(), ..NodeCondition::default() }].into(),
        taints: if taint { vec![Taint { key: "cp".into(), effect: "NoSchedule".into() }] } else { Vec::new() },
        traits: std::sync::Arc::new([("zone".to_owned(), zone.to_owned())].into()),
        ..NodeFact::default()
    };
    let live = Live::default();
    let nodes = vec![
        node("cp1", "a", true, "True"),
        node("n1", "a", false, "True"),
        node("n2", "b", false, "True"),
        node("n3", "c", false, "False"),
    ];
    let snapshot = ClusterSnapshot { nodes, ..ClusterSnapshot::default() };
    live.write().clusters.entry("prod".into()).or_default().snapshot = snapshot.into();
    let zones = places(&live, "prod", Some(Each::Zone));
    assert_eq!(zones, ["a", "b"].map(|z| CanaryPlace::Zone(z.into())).into());
    assert_eq!(places(&live, "prod", Some(Each::Node)), ["n1", "n2"].map(|n| CanaryPlace::Node(n.into())).into());
    assert_eq!(places(&live, "prod", None), [CanaryPlace::Anywhere].into());
    let stands = |place: &CanaryPlace, failures: u32, ended: i64| {
        let ended = jiff::Timestamp::from_second(ended).unwrap();
        let last = CanaryRun { started: ended, ended, node: None, times: Vec::new(), failure: None };
        let (form, place, severity) = (CanaryForm::Pod, place.clone(), Severity::Critical);
        CanaryStanding { form, place, severity, failures, since: ended, last_success: None, last }
    };
    let (a, b) = (CanaryPlace::Zone("a".into()), CanaryPlace::Zone("b".into()));
    assert_eq!(next(&zones, [].iter()), a);
    assert_eq!(next(&zones, [stands(&a, 0, 10)].iter()), b);
    assert_eq!(next(&zones, [stands(&a, 0, 10), stands(&b, 1, 20)].iter()), b);
    assert_eq!(next(&zones, [stands(&a, 0, 10), stands(&b, 2, 20)].iter()), a);
    assert_eq!(next(&zones, [stands(&CanaryPlace::Zone("gone".into()), 1, 20)].iter()), a);
}

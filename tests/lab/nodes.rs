//! A kubelet dies; a node is cut off; a container runtime dies; kubelets are upgraded.

use std::{thread::sleep, time::Duration};

use crate::{
    cluster::Lab,
    outage::{Outage, QUIET, end},
    watch::{QUICK, SILENT, Watch, eventually},
};

/// A kubelet calls its node NotReady when its runtime has not answered for 30 s, and looks every 5 s. Sooner is better.
const RUNTIME_WITHIN: Duration = Duration::from_secs(75);
/// Lists of some thirty kinds, one after the other, on a busy machine.
const RECORDED_WITHIN: Duration = Duration::from_secs(60);
/// So long a kubelet is away while its package is upgraded.
const UPGRADE: Duration = Duration::from_secs(12);
/// What is told only when it lasts (`tell_warnings_after`) would have been told by then.
const LONG_TERM: Duration = Duration::from_secs(65);

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn a_killed_kubelet_is_not_a_lost_node() {
    let kubelet = [("job", "kubelet"), ("node", "n1")];
    Outage {
        acts: &[&["kill", "kubelet-1"]],
        alert: "KubeletDown",
        says: &["kubelet on n1 is down", "containers there presumably still run"],
        within: QUICK,
        lasts: QUIET,
        shows: &[
            ("dogwatch_target_state", &[kubelet[0], kubelet[1], ("state", "down")], 1.0),
            ("probe_failure_info", &[kubelet[0], kubelet[1], ("reason", "refused")], 1.0),
            ("dogwatch_target_state", &[("job", "kubelet"), ("node", "n2"), ("state", "up")], 1.0),
            ("dogwatch_vantage_ok", &[], 1.0),
        ],
    }
    .play(&Lab::take());
}

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn a_node_that_is_cut_off_is_told_as_a_node() {
    let kubelet = [("job", "kubelet"), ("node", "n2")];
    Outage {
        acts: &[&["cut", "n2"]],
        alert: "NodeDown",
        says: &["node n2"],
        within: SILENT,
        lasts: QUIET,
        shows: &[
            ("dogwatch_target_state", &[kubelet[0], kubelet[1], ("state", "down")], 1.0),
            ("probe_success", &kubelet, 0.0),
            ("dogwatch_target_state", &[("job", "kubelet"), ("node", "n1"), ("state", "up")], 1.0),
            ("dogwatch_vantage_ok", &[], 1.0),
        ],
    }
    .play(&Lab::take());
}

/// A Deployment of which every pod is on one node; it goes when the test ends, well or not.
struct OnOneNode<'a>(&'a Lab);

impl<'a> OnOneNode<'a> {
    fn new(lab: &'a Lab) -> Self {
        let manifest = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: lost-api, namespace: default}, spec: {replicas: 2, \
                        selector: {matchLabels: {app: lost-api}}, template: {metadata: {labels: {app: lost-api}}, spec: \
                        {nodeSelector: {kubernetes.io/hostname: n2}, terminationGracePeriodSeconds: 0, containers: [{name: c, \
                        image: \"lab.test/pod:1\", imagePullPolicy: Never, args: [\":8080\"]}]}}}}";
        let path = std::env::temp_dir().join(format!("dogwatch-lost-api-{}.yaml", std::process::id()));
        std::fs::write(&path, manifest).unwrap();
        let made = Self(lab);
        lab.kubectl(&lab.pki("admin.kubeconfig"), &["apply", "-f", path.to_str().unwrap()]);
        std::fs::remove_file(&path).unwrap();
        let ready = ["-n", "default", "rollout", "status", "deployment/lost-api", "--timeout=90s"];
        lab.kubectl(&lab.pki("admin.kubeconfig"), &ready);
        made
    }
}

impl Drop for OnOneNode<'_> {
    fn drop(&mut self) {
        let admin = self.0.pki("admin.kubeconfig");
        let delete = ["-n", "default", "delete", "deployment", "lost-api", "--ignore-not-found", "--wait=false"];
        drop(self.0.kubectl_as(&admin).args(delete).output());
    }
}

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn a_lost_node_tells_what_is_gone_with_it() {
    let lab = Lab::take();
    let _pods = OnOneNode::new(&lab);
    let mut watch = Watch::as_delivered(&lab);
    eventually(RECORDED_WITHIN, "the recorder has read the pods", || {
        (watch.query("dogwatch_recorder_last_sync_timestamp_seconds{resource=\"pods\"} > 0") == 1).then_some(())
    });
    let outage = Outage {
        acts: &[&["cut", "n2"]],
        alert: "NodeDown",
        says: &["node n2", "all 2 replicas of lost-api"],
        // Its pods are looked up besides, and the recorder keeps the machine busier.
        within: SILENT.saturating_add(Duration::from_secs(5)),
        lasts: QUIET,
        shows: &[("dogwatch_vantage_ok", &[], 1.0)],
    };
    outage.begin(&mut watch);
    end(watch);
}

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn a_dead_container_runtime_is_the_headline() {
    Outage {
        acts: &[&["kill", "containerd-2"]],
        alert: "NodeNotReady",
        says: &["n2", "container runtime"],
        within: RUNTIME_WITHIN,
        lasts: QUIET,
        shows: &[
            ("dogwatch_target_state", &[("job", "kubelet"), ("node", "n1"), ("state", "up")], 1.0),
            ("dogwatch_vantage_ok", &[], 1.0),
        ],
    }
    .play(&Lab::take());
}

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn kubelets_that_are_upgraded_in_turn_are_not_told() {
    let lab = Lab::take();
    let mut watch = Watch::as_delivered(&lab);
    for kubelet in ["kubelet-1", "kubelet-2"] {
        watch.act(&["kill", kubelet]);
        sleep(UPGRADE);
        watch.act(&["restart", kubelet]);
        watch.wait_until_all_up();
    }
    sleep(LONG_TERM);
    let told = watch.told();
    assert!(told.is_empty(), "{told:#?}");
    watch.stop();
}

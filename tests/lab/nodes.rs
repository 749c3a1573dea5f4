//! A kubelet dies; a node is cut off; a container runtime dies; kubelets are upgraded.

use std::{thread::sleep, time::Duration};

use crate::{
    cluster::Lab,
    outage::{Outage, QUIET},
    watch::{QUICK, SILENT, Watch},
};

/// A kubelet calls its node NotReady when its runtime has not answered for 30 s, and looks every 5 s. Sooner is better.
const RUNTIME_WITHIN: Duration = Duration::from_secs(75);
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

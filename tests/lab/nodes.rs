//! A kubelet dies; a node is cut off.

use crate::{
    cluster::Lab,
    outage::{Outage, QUIET},
    watch::{QUICK, SILENT},
};

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

//! Nodes: kubelet, lease and Ready condition together.

use super::*;
use crate::model::*;
use world::at;

fn break_it(nodes: usize, break_it: impl FnOnce(&mut World)) -> String {
    let mut world = World::new(nodes);
    break_it(&mut world);
    told(&world)
}

#[test]
fn a_kubelet_killed() {
    assert_snapshot!(break_it(5, |w| { w.down("kubelet 10.99.1.2", Reason::Refused, -4).lease("n02", 8); }), @r#"
    warning KubeletDown: kubelet on n02 is down (connection refused); containers there presumably still run
      + all 3 API servers answer
      + etcd is healthy (3 of 3)
      + 4 of 5 kubelets answer
      + scheduler and controller-manager lead
      - nothing is started, stopped or probed on n02; its pods are moved if this lasts
    "#);
}

#[test]
fn a_kubelet_that_hangs() {
    assert_snapshot!(break_it(5, |w| { w.hang("kubelet 10.99.1.2", -9).lease("n02", 18); }), @r#"
    warning KubeletDown: kubelet on n02 accepts connections and then hangs; containers there presumably still run
      + all 3 API servers answer
      + etcd is healthy (3 of 3)
      + 4 of 5 kubelets answer
      + scheduler and controller-manager lead
      - nothing is started, stopped or probed on n02; its pods are moved if this lasts
    "#);
}

#[test]
fn a_node_cut_off_seconds_ago() {
    assert_snapshot!(break_it(5, |w| { w.down("kubelet 10.99.1.2", Reason::Timeout, -4).lease("n02", 3); }), @r#"
    critical NodeDown: no answer from node n02: its kubelet is silent; its lease may still be renewed
      + all 3 API servers answer
      + etcd is healthy (3 of 3)
      + 4 of 5 kubelets answer
      + scheduler and controller-manager lead
      - what ran on n02 is gone or cut off; its pods are moved about 5 minutes after the API server notices
    (unsettled)
    "#);
}

#[test]
fn a_node_cut_off_whose_lease_is_late() {
    assert_snapshot!(break_it(5, |w| { w.down("kubelet 10.99.1.2", Reason::Timeout, -15).lease("n02", 20); }), @r#"
    critical NodeDown: node n02 is lost: its kubelet is silent and has stopped renewing its lease
      + all 3 API servers answer
      + etcd is healthy (3 of 3)
      + 4 of 5 kubelets answer
      + scheduler and controller-manager lead
      - what ran on n02 is gone or cut off; its pods are moved about 5 minutes after the API server notices
    "#);
}

#[test]
fn a_node_cut_off_whose_lease_has_run_out() {
    assert_snapshot!(break_it(5, |w| {
        w.down("kubelet 10.99.1.2", Reason::Timeout, -55).lease("n02", 60);
        w.ready("n02", "Unknown", "NodeStatusUnknown", -18);
    }), @r#"
    critical NodeDown: node n02 is lost: its kubelet is silent and has stopped renewing its lease
      + all 3 API servers answer
      + etcd is healthy (3 of 3)
      + 4 of 5 kubelets answer
      + scheduler and controller-manager lead
      - what ran on n02 is gone or cut off; its pods are moved about 5 minutes after the API server notices
    "#);
}

#[test]
fn a_silent_kubelet_with_a_fresh_lease() {
    assert_snapshot!(break_it(5, |w| { w.down("kubelet 10.99.1.2", Reason::Timeout, -30).lease("n02", 4); }), @r#"
    warning KubeletUnreachable: kubelet on n02 can't be reached from here, yet its lease is fresh: the node lives
      + all 3 API servers answer
      + etcd is healthy (3 of 3)
      + 4 of 5 kubelets answer
      + scheduler and controller-manager lead
    "#);
}

#[test]
fn a_silent_kubelet_while_no_api_server_can_be_asked() {
    assert_snapshot!(break_it(5, |w| {
        w.snapshot.leases_at = Some(at(-200));
        w.down("kubelet 10.99.1.2", Reason::Timeout, -30).down("kube-apiserver", Reason::Refused, -190);
    }), @r#"
    critical ApiServersDown: all 3 API servers are down: they refuse connections; etcd is fine
      + etcd is healthy (3 of 3)
      + 4 of 5 kubelets answer
      - nothing can be created, changed or scheduled; kubectl fails
    critical NodeDown: no answer from node n02: its kubelet is silent, and its lease can't be read
      + etcd is healthy (3 of 3)
      + 4 of 5 kubelets answer
      - what ran on n02 may be gone or cut off; its pods are not moved while no API server works
    "#);
}

#[test]
fn kubelets_asked_by_proxy_are_unknown_without_an_api_server() {
    assert_snapshot!(break_it(3, |w| {
        w.down("kubelet", Reason::Refused, -8).down("kube-apiserver", Reason::Refused, -9);
        for entry in w.pick("kubelet") {
            let ProbeSpec::Kubelet { via, .. } = &mut entry.target.spec else { continue };
            *via = Some(KubeletVia::Proxy);
        }
    }), @r#"
    critical ApiServersDown: all 3 API servers are down: they refuse connections; etcd is fine
      + etcd is healthy (3 of 3)
      - nothing can be created, changed or scheduled; kubectl fails
    "#);
}

#[test]
fn not_ready_though_the_kubelet_answers() {
    assert_snapshot!(break_it(5, |w| { w.ready("n02", "False", "KubeletNotReady", -90); }), @r#"
    warning NodeNotReady: node n02 is NotReady (KubeletNotReady), though its kubelet answers
      + all 3 API servers answer
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
      - no new pods are placed on n02
    "#);
    assert_snapshot!(break_it(5, |w| { w.ready("n02", "False", "KubeletNotReady", -30); }), @"");
}

#[test]
fn a_cordoned_or_deleted_node_raises_no_alarm() {
    assert_snapshot!(break_it(5, |w| {
        w.down("kubelet 10.99.1.2", Reason::Timeout, -55).lease("n02", 60).fact("n02").unschedulable = true;
        w.down("kubelet 10.99.1.3", Reason::Refused, -55).lease("n03", 60).fact("n03").deleting = true;
        w.ready("n04", "False", "KubeletNotReady", -90).fact("n04").unschedulable = true;
    }), @"");
}

#[test]
fn twelve_of_forty_nodes() {
    let told = break_it(40, |w| {
        for i in 11..=22 {
            w.down(&format!("kubelet 10.99.1.{i}"), Reason::Timeout, -30).lease(&format!("n{i}"), 33);
        }
    });
    let roots: Vec<_> = told.lines().filter(|l| !l.starts_with("NodesDown <-")).collect();
    assert_eq!(told.lines().count() - roots.len(), 12);
    assert_snapshot!(roots.join("\n"), @r#"
    critical NodesDown: 12 of 40 nodes are lost: n11, n12, n13 and 9 more
      + all 3 API servers answer
      + etcd is healthy (3 of 3)
      + 28 of 40 kubelets answer
      + scheduler and controller-manager lead
    "#);
}

#[test]
fn many_in_different_trouble() {
    assert_snapshot!(break_it(10, |w| {
        w.down("kubelet 10.99.1.1", Reason::Timeout, -30).lease("n01", 33);
        w.down("kubelet 10.99.1.2", Reason::Timeout, -30).lease("n02", 33);
        w.down("kubelet 10.99.1.3", Reason::Refused, -30).lease("n03", 33);
    }), @r#"
    critical NodesDown: 3 of 10 nodes are in trouble: 2 lost and 1 with a dead kubelet
      + all 3 API servers answer
      + etcd is healthy (3 of 3)
      + 7 of 10 kubelets answer
      + scheduler and controller-manager lead
    NodesDown <- NodeDown: node n01 is lost: its kubelet is silent and has stopped renewing its lease
    NodesDown <- NodeDown: node n02 is lost: its kubelet is silent and has stopped renewing its lease
    NodesDown <- KubeletDown: kubelet on n03 is down (connection refused); containers there presumably still run
    "#);
}

#[test]
fn a_lost_node_in_full() {
    let mut world = World::new(5);
    world.down("kubelet 10.99.1.2", Reason::Timeout, -15).lease("n02", 20);
    assert_snapshot!(in_full(&world.diagnose().findings[0]), @r#"
    node n02 is lost: its kubelet is silent and has stopped renewing its lease
    since 2026-11-23T05:59:45Z
      kubelet 10.99.1.2:10250 is silent since 2026-11-23 05:59:45 UTC: it failed (timeout); last healthy 2026-11-23 05:59:35 UTC
      lease of n02 last renewed about 2026-11-23 05:59:38 UTC
      the API server says: n02 Ready=True since 2026-11-20 06:00:00 UTC (KubeletReady)
    first: look at n02 itself: power, console, network; `ping` and `ssh` it from another node
    {"instance": "10.99.1.2:10250", "job": "kubelet", "node": "n02"}
    "#);
}

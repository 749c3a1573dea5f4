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
    assert_snapshot!(break_it(5, |w| { w.down("kubelet 10.99.1.2", Reason::Refused, -4).lease("n02", 8); }), @"");
}

#[test]
fn a_kubelet_that_hangs() {
    assert_snapshot!(break_it(5, |w| { w.hang("kubelet 10.99.1.2", -9).lease("n02", 18); }), @"");
}

#[test]
fn a_node_cut_off_seconds_ago() {
    assert_snapshot!(break_it(5, |w| { w.down("kubelet 10.99.1.2", Reason::Timeout, -4).lease("n02", 3); }), @"");
}

#[test]
fn a_node_cut_off_whose_lease_is_late() {
    assert_snapshot!(break_it(5, |w| { w.down("kubelet 10.99.1.2", Reason::Timeout, -15).lease("n02", 20); }), @"");
}

#[test]
fn a_node_cut_off_whose_lease_has_run_out() {
    assert_snapshot!(break_it(5, |w| {
        w.down("kubelet 10.99.1.2", Reason::Timeout, -55).lease("n02", 60);
        w.ready("n02", "Unknown", "NodeStatusUnknown", -18);
    }), @"");
}

#[test]
fn a_silent_kubelet_with_a_fresh_lease() {
    assert_snapshot!(break_it(5, |w| { w.down("kubelet 10.99.1.2", Reason::Timeout, -30).lease("n02", 4); }), @"");
}

#[test]
fn a_silent_kubelet_while_no_api_server_can_be_asked() {
    assert_snapshot!(break_it(5, |w| {
        w.snapshot.leases_at = Some(at(-200));
        w.down("kubelet 10.99.1.2", Reason::Timeout, -30).down("kube-apiserver", Reason::Refused, -190);
    }), @"");
}

#[test]
fn kubelets_asked_by_proxy_are_unknown_without_an_api_server() {
    assert_snapshot!(break_it(3, |w| {
        w.down("kubelet", Reason::Refused, -8).down("kube-apiserver", Reason::Refused, -9);
        for entry in w.pick("kubelet") {
            let ProbeSpec::Kubelet { via, .. } = &mut entry.target.spec else { continue };
            *via = Some(KubeletVia::Proxy);
        }
    }), @"");
}

#[test]
fn not_ready_though_the_kubelet_answers() {
    assert_snapshot!(break_it(5, |w| { w.ready("n02", "False", "KubeletNotReady", -90); }), @"");
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
    assert_snapshot!(roots.join("\n"), @"");
}

#[test]
fn many_in_different_trouble() {
    assert_snapshot!(break_it(10, |w| {
        w.down("kubelet 10.99.1.1", Reason::Timeout, -30).lease("n01", 33);
        w.down("kubelet 10.99.1.2", Reason::Timeout, -30).lease("n02", 33);
        w.down("kubelet 10.99.1.3", Reason::Refused, -30).lease("n03", 33);
    }), @"");
}

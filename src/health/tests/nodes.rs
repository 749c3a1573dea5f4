//! Nodes: kubelet, lease and Ready condition together.

use std::sync::Arc;

use super::*;
use crate::model::*;
use world::at;

pub(super) fn break_it(nodes: usize, break_it: impl FnOnce(&mut World)) -> String {
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
    warning NodeDown: no answer from node n02: its kubelet is silent; its lease will soon show whether it lives
      + all 3 API servers answer
      + etcd is healthy (3 of 3)
      + 4 of 5 kubelets answer
      + scheduler and controller-manager lead
      - what ran on n02 may be gone or cut off; its pods are moved about 5 minutes after the API server notices
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
fn a_condition_dated_ahead_of_our_clock_is_told_all_the_same() {
    let told = break_it(5, |w| {
        w.ready("n02", "False", "KubeletNotReady", 7200).fact("n02").created = Some(at(3600));
    });
    assert!(told.starts_with("warning NodeNotReady: node n02 is NotReady"), "{told}");
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

/// What is told in one line each, without what still works and what follows.
pub(super) fn roots(nodes: usize, break_it: impl FnOnce(&mut World)) -> Vec<String> {
    let mut world = World::new(nodes);
    break_it(&mut world);
    let findings = world.diagnose().findings;
    let roots = findings.iter().filter(|f| f.caused_by.is_none());
    roots.map(|f| format!("{} {}: {}", f.severity, f.key.alert, f.headline)).collect()
}

#[test]
fn nodes_that_come_or_go_are_quiet() {
    let passing = [
        "node.cloudprovider.kubernetes.io/uninitialized",
        "ToBeDeletedByClusterAutoscaler",
        "DeletionCandidateOfClusterAutoscaler",
        "cloud.google.com/impending-node-termination",
        "aws-node-termination-handler/spot-itn",
        "karpenter.sh/disrupted",
        "node.kubernetes.io/out-of-service",
    ];
    for key in passing {
        let told = roots(5, |w| {
            w.down("kubelet 10.99.1.2", Reason::Timeout, -65).lease("n02", 70);
            w.ready("n02", "Unknown", "NodeStatusUnknown", -90).taint("n02", key);
            w.ready("n03", "False", "KubeletNotReady", -90).taint("n03", key);
        });
        assert_eq!(told, Vec::<String>::new(), "{key}");
    }
}

#[test]
fn a_new_node_has_time_to_come_up() {
    let check = |age: i64, expected: &[&str]| {
        let told = roots(5, |w| {
            w.stranger("kubelet 10.99.1.2").down("kubelet 10.99.1.2", Reason::Refused, -65);
            w.ready("n02", "False", "KubeletNotReady", -age);
            let fact = w.fact("n02");
            (fact.created, fact.lease) = (Some(at(-age)), None);
        });
        assert_eq!(told, expected, "{age} s old");
    };
    check(30, &[]);
    check(200, &[]);
    check(
        400,
        &["warning KubeletDown: kubelet on n02 is down (connection refused); containers there presumably still run"],
    );
}

#[test]
fn a_kubelet_that_never_answered_is_judged_by_what_others_hear_of_it() {
    let check = |since: i64, break_it: fn(&mut World), expected: &[&str]| {
        let told = roots(5, |w| {
            w.stranger("kubelet 10.99.1.2").down("kubelet 10.99.1.2", Reason::Timeout, since);
            break_it(w);
        });
        assert_eq!(told, expected, "{since}");
    };
    let note =
        "info KubeletUnreachable: kubelet on n02 has never answered from here, though the API server hears from it";
    let lost = "critical NodeDown: node n02 is lost: its kubelet is silent and has stopped renewing its lease";
    let fresh = |w: &mut World| w.fact("n02").lease = Some(world::sight(4));
    check(-9, fresh, &[note]);
    check(-3000, fresh, &[note]);
    // Its lease has not moved since we look.
    let still = |w: &mut World| {
        let seen_at = at(-60);
        w.fact("n02").lease = Some(ObservedLease { seen_at, after: None, ..world::sight(2_592_000) });
    };
    check(-9, still, &[]);
    check(-61, still, &[lost]);
    // Leases may not be read.
    let hidden = |w: &mut World| w.fact("n02").lease = None;
    check(-9, hidden, &[]);
    check(-90, hidden, &[note]);
    let unready = |w: &mut World| {
        w.fact("n02").lease = None;
        w.ready("n02", "Unknown", "NodeStatusUnknown", -70);
    };
    check(
        -90,
        unready,
        &["critical NodeDown: node n02 is lost: its kubelet is silent and the API server calls it NotReady"],
    );
    // The API server's own word is no firewall's.
    let refused = |w: &mut World| {
        w.down("kubelet 10.99.1.2", Reason::Refused, -90).lease("n02", 4);
        for entry in w.pick("kubelet 10.99.1.2") {
            let ProbeSpec::Kubelet { via, .. } = &mut entry.target.spec else { continue };
            *via = Some(KubeletVia::Proxy);
        }
    };
    let words =
        "warning KubeletUnreachable: kubelet on n02 refuses connections, yet its lease is fresh: the node lives";
    check(-90, refused, &[words]);
    // It lives, and is NotReady all the same.
    let sick = |w: &mut World| {
        w.lease("n02", 4).ready("n02", "False", "KubeletNotReady", -90);
    };
    check(-3000, sick, &["warning NodeNotReady: node n02 is NotReady (KubeletNotReady)"]);
}

#[test]
fn many_that_never_answered_are_one_note() {
    let told = roots(30, |w| {
        w.stranger("kubelet").down("kubelet", Reason::Timeout, -300);
    });
    let note = "info KubeletUnreachable: 30 kubelets have never answered from here, though the API server hears from them: n01, n02, n03 and 27 more";
    assert_eq!(told, [note]);
}

#[test]
fn a_kubelet_of_the_control_plane_that_restarts_wakes_nobody() {
    let check = |since: i64, lease: u64, expected: &str| {
        let told = roots(5, |w| {
            w.down("kubelet 10.99.1.2", Reason::Refused, since).lease("n02", lease).fact("n02").control_plane = true;
        });
        let words = "KubeletDown: kubelet on n02 is down (connection refused); containers there presumably still run";
        assert_eq!(told, [format!("{expected} {words}")]);
    };
    check(-12, 18, "warning");
    check(-60, 66, "critical");
}

#[test]
fn many_kubelets_that_restart_wake_nobody_before_their_leases_run_out() {
    let check = |since: i64, lease: u64, expected: &str| {
        let told = roots(10, |w| {
            w.down("kubelet", Reason::Refused, since);
            for i in 1..=10 {
                w.lease(&format!("n{i:02}"), lease);
            }
        });
        assert_eq!(told.len(), 1);
        assert!(told[0].starts_with(&format!("{expected} NodesDown: 10 of 10 kubelets are down")), "{told:?}");
    };
    check(-12, 18, "warning");
    check(-60, 66, "critical");
}

#[test]
fn what_the_condition_names_is_the_headline() {
    let check = |since: i64, message: &str, expected: &[&str]| {
        let told = roots(5, |w| {
            Arc::make_mut(&mut w.ready("n02", "False", "KubeletNotReady", since).fact("n02").conditions)[0].message =
                message.into();
        });
        assert_eq!(told, expected, "{message}");
    };
    let runtime = "warning NodeNotReady: node n02: its container runtime does not answer, though its kubelet answers";
    check(-1, "container runtime is down", &[runtime]);
    check(-1, "[container runtime is down, PLEG is not healthy: pleg was last seen active 3m1s ago]", &[runtime]);
    let slow = "warning NodeNotReady: node n02: its container runtime hangs or is overloaded (PLEG), though its kubelet answers";
    check(-1, "PLEG is not healthy: pleg was last seen active 3m5s ago; threshold is 3m0s", &[slow]);
    let cni = "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized";
    check(-30, cni, &[]);
    let network = "warning NodeNotReady: node n02: its pod network is not set up (cni plugin not initialized), though its kubelet answers";
    check(-90, cni, &[network]);
    check(-90, "node is shutting down", &[]);
    let other = "warning NodeNotReady: node n02 is NotReady (KubeletNotReady: missing node capacity for resources: cpu), though its kubelet answers";
    check(-90, "missing node capacity for resources: cpu", &[other]);
}

#[test]
fn a_dead_runtime_stays_the_cause_when_the_kubelet_gets_sick_of_it() {
    let mut world = World::new(5);
    Arc::make_mut(&mut world.ready("n02", "False", "KubeletNotReady", -400).fact("n02").conditions)[0].message =
        "container runtime is down".into();
    for entry in world.pick("kubelet 10.99.1.2") {
        entry.fail(State::Down, Reason::Degraded, -60);
    }
    assert_snapshot!(in_full(&world.diagnose().findings[0]), @r#"
    node n02: its container runtime does not answer, though its kubelet answers
    since 2026-11-23T05:52:50Z
      the API server says: n02 Ready=False since 2026-11-23 05:53:20 UTC (KubeletNotReady: container runtime is down)
      kubelet 10.99.1.2:10250 is not healthy since 2026-11-23 05:59:00 UTC: it failed (degraded); last healthy 2026-11-23 05:58:50 UTC
    first: ssh n02: `systemctl status containerd` (or crio), `journalctl -u containerd -n 50`, `crictl info`
    {"instance": "10.99.1.2:10250", "job": "kubelet", "node": "n02"}
    "#);
}

#[test]
fn what_the_lost_nodes_share_is_named() {
    let told = roots(40, |w| {
        for i in 1..=40 {
            let zone = if (11..=22).contains(&i) { "b" } else { "a" };
            Arc::make_mut(&mut w.fact(&format!("n{i:02}")).traits).insert("zone".into(), zone.into());
        }
        for i in 11..=22 {
            w.down(&format!("kubelet 10.99.1.{i}"), Reason::Timeout, -30).lease(&format!("n{i}"), 33);
        }
    });
    assert_eq!(told, ["critical NodesDown: 12 of 40 nodes are lost: all of zone b (n11, n12, n13 and 9 more)"]);
}

#[test]
fn a_node_that_was_uncordoned_begins_anew() {
    let mut world = World::new(5);
    world.down("kubelet 10.99.1.2", Reason::Refused, -90).lease("n02", 3).fact("n02").settled_at = Some(at(-4));
    assert_eq!(world.diagnose().findings[0].since, at(-4));
}

//! What comes again and again, what is overloaded, what is starved.

use std::time::Duration;

use super::*;
use crate::model::*;

fn break_it(break_it: impl FnOnce(&mut World)) -> String {
    let mut world = World::new(5);
    break_it(&mut world);
    told(&world)
}

/// A look at one of these, so many seconds ago.
fn seen(world: &mut World, which: &str, ago: i64, change: impl Fn(&mut Observation)) {
    let mut o = world.pick(which).next().unwrap().last.clone();
    o.started = world::at(-ago);
    change(&mut o);
    world.recent.take(&o);
}

fn term(o: &mut Observation, term: u64) {
    if let Facts::Etcd(facts) = &mut o.facts {
        (facts.cluster_id, facts.raft_term) = (Some(77), Some(term));
    }
}

fn elections(world: &mut World, n: u64) {
    for i in 0..=n {
        seen(world, "etcd 10.99.0.1", 500 - 120 * i64::try_from(i).unwrap(), |o| term(o, 7 + i));
    }
}

#[test]
fn etcd_that_elects_again_and_again() {
    assert_snapshot!(break_it(|w| elections(w, 4)), @r#"
    warning EtcdLeaderChanges: etcd elects a new leader again and again
      + all 3 API servers answer
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
      - with each election nothing can be written for seconds; leases and watches may break
    "#);
    let electing = break_it(|w| {
        elections(w, 4);
        w.leaderless("etcd", -8).etcd_only("kube-apiserver", -8);
    });
    assert!(electing.contains("EtcdLeaderChanges <- EtcdQuorumLost"), "{electing}");
    let lost = break_it(|w| {
        elections(w, 4);
        w.leaderless("etcd", -60).etcd_only("kube-apiserver", -60);
    });
    assert!(lost.contains("critical EtcdQuorumLost"), "no election takes so long: {lost}");
}

#[test]
fn api_servers_in_turns() {
    let told = break_it(|w| {
        for (ago, i) in [(160, 1), (120, 2), (80, 3), (40, 1)] {
            let key = w.pick(&format!("kube-apiserver 10.99.0.{i}")).next().unwrap().target.key.clone();
            w.recent.returned(&key, world::at(-ago));
        }
        w.down("kube-apiserver 10.99.0.2", Reason::Refused, -9);
    });
    assert_snapshot!(told, @r#"
    warning TargetFlapping: API servers go away and come back in turns, again and again: 10.99.0.1:6443, 10.99.0.2:6443 and 10.99.0.3:6443
      + 2 of 3 API servers answer
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
      - each that goes leaves its load to the others; clients lose their connections and list anew
      - 1 of 3 API servers is down: 10.99.0.2:6443 refuses connections
    TargetFlapping <- ApiServerDown: 1 of 3 API servers is down: 10.99.0.2:6443 refuses connections
    "#);
}

#[test]
fn first_packets_to_one_node_are_lost() {
    let late = |w: &mut World, which: &str, times: i64| {
        for i in 0..times {
            seen(w, which, 250 - 60 * i, |o| o.phases.connect = Some(Duration::from_millis(1_004)));
        }
    };
    assert_snapshot!(break_it(|w| late(w, "kubelet 10.99.1.3", 4)), @r#"
    warning ConnectionsDelayed: new connections to n03 lose their first packet at times, and take one second or three: 10.99.1.3:10250 (kubelet)
      + all 3 API servers answer
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
      - some requests to n03 take a second longer, or three; most are as quick as ever
    "#);
    let everywhere = break_it(|w| {
        late(w, "kubelet 10.99.1.3", 4);
        ["kubelet 10.99.1.1", "kubelet 10.99.1.2", "etcd 10.99.0.1"].into_iter().for_each(|which| late(w, which, 1));
    });
    assert!(!everywhere.contains("ConnectionsDelayed"), "it is the way from here: {everywhere}");
}

#[test]
fn overloaded_api_servers() {
    let throttled = |w: &mut World, which: &str| {
        w.pick(which).for_each(|e| e.fail(State::Unknown, Reason::Throttled, -20));
    };
    let hung = |w: &mut World, which: &str| {
        w.down(which, Reason::Timeout, -9);
        w.pick(which).for_each(|e| e.last.phases.connect = Some(Duration::from_millis(1)));
    };
    assert_snapshot!(break_it(|w| {
        throttled(w, "kube-apiserver 10.99.0.1");
        hung(w, "kube-apiserver 10.99.0.2");
    }), @r#"
    critical ApiServerDown: 2 of 3 API servers are overloaded: 10.99.0.2:6443 accepts connections and then hangs; 10.99.0.1:6443 throttles us
      + 1 of 3 API servers answers
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
      - kubectl, controllers and kubelets wait or are turned away; leases may run out
      - API server 10.99.0.1:6443 lives and throttles us (HTTP 429)
    ApiServerDown <- ApiServerUnhealthy: API server 10.99.0.1:6443 lives and throttles us (HTTP 429)
    "#);
    let all = break_it(|w| throttled(w, "kube-apiserver"));
    assert!(!all.contains("overloaded"), "something before them may limit us: {all}");
    let one = break_it(|w| throttled(w, "kube-apiserver 10.99.0.1"));
    assert!(!one.contains("overloaded"), "{one}");
}

#[test]
fn clocks_that_are_off() {
    let off = |w: &mut World, i: usize, seconds: i64| {
        let lease = w.snapshot.nodes[i].lease.as_mut().unwrap();
        lease.clock = HolderClock { off_seconds: seconds, since: Some(world::at(-100)) };
    };
    let one = break_it(|w| off(w, 1, -47));
    assert!(one.contains("NodeProblem: the clock of node n02 is off against those of the others"), "{one}");
    let ours = break_it(|w| (0..5).for_each(|i| off(w, i, 300)));
    assert!(!ours.contains("clock"), "it is ours: {ours}");
}

#[test]
fn a_node_that_nobody_calls_lost() {
    let told = break_it(|w| {
        w.down("kubelet 10.99.1.2", Reason::Timeout, -200);
        w.fact("n02").lease = Some(world::sight(200));
    });
    assert!(told.contains("critical NodeDown: node n02 is lost"), "{told}");
    let words = "critical NodeLeaseStale: node n02 renews no lease and is called Ready all the same: no controller looks at nodes";
    assert!(told.contains(words), "{told}");
    let soon = break_it(|w| {
        w.down("kubelet 10.99.1.2", Reason::Timeout, -60);
        w.fact("n02").lease = Some(world::sight(60));
    });
    assert!(!soon.contains("NodeLeaseStale"), "{soon}");
}

#[test]
fn starved_nodes() {
    let starved = |w: &mut World, i: usize, kind: &str| {
        let condition = NodeCondition {
            kind: kind.into(),
            status: "True".into(),
            reason: "KubeletHasInsufficientMemory".into(),
            message: "kubelet has insufficient memory available".into(),
            since: Some(world::at(-100)),
        };
        let fact = &mut w.snapshot.nodes[i];
        fact.conditions = fact.conditions.iter().cloned().chain([condition]).collect();
    };
    assert_snapshot!(break_it(|w| {
        starved(w, 1, "MemoryPressure");
        starved(w, 2, "DiskPressure");
        starved(w, 3, "DiskPressure");
    }), @r#"
    warning NodePressure: nodes n03 and n04 are starved of disk space (DiskPressure)
      + all 3 API servers answer
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
      - pods are evicted there, and none that asks for nothing is placed there
    warning NodePressure: node n02 is starved of memory (MemoryPressure)
      + all 3 API servers answer
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
      - pods are evicted there, and none that asks for nothing is placed there
    "#);
    let hung = break_it(|w| {
        starved(w, 1, "MemoryPressure");
        w.down("kubelet 10.99.1.2", Reason::Timeout, -60);
        w.pick("kubelet 10.99.1.2").for_each(|e| e.last.phases.connect = Some(Duration::from_millis(1)));
    });
    assert!(hung.contains("starved of memory (MemoryPressure)"), "{hung}");
}

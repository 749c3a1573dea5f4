//! Who answers beats who is silent: what others say of hosts and members that we can't reach, and when it counts.

use super::*;
use crate::model::*;
use world::at;

fn break_it(break_it: impl FnOnce(&mut World)) -> String {
    let mut world = World::new(5);
    break_it(&mut world);
    told(&world)
}

/// Two of three control-plane hosts are silent since 9 s, and confirmed.
fn two_silent(w: &mut World) -> &mut World {
    w.down("* 10.99.0.2", Reason::Timeout, -9).down("* 10.99.0.3", Reason::Timeout, -9)
}

#[test]
fn the_way_to_two_of_three_hosts_is_cut() {
    assert_snapshot!(break_it(|w| { two_silent(w).hears("etcd 10.99.0.1", &[2, 3], -1); }), @r#"
    warning ControlPlaneHostUnreachable: 10.99.0.2 and 10.99.0.3 can't be reached from here, yet they live: others see them
      + 1 of 3 API servers answers
      + etcd keeps quorum (3 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
      - what happens there is not seen from here: a real failure would be told late
    ControlPlaneHostUnreachable <- ControlPlaneHostUnreachable: 10.99.0.2 can't be reached from here, yet it lives: etcd member 10.99.0.1:2379 hears from m2
    ControlPlaneHostUnreachable <- ControlPlaneHostUnreachable: 10.99.0.3 can't be reached from here, yet it lives: etcd member 10.99.0.1:2379 hears from m3
    "#);
}

#[test]
fn nothing_is_said_before_the_witness_was_asked_late_enough() {
    assert_snapshot!(break_it(|w| {
        two_silent(w).hears("etcd 10.99.0.1", &[2, 3], -6);
        w.pick("kube-apiserver 10.99.0.1").for_each(|e| e.last.started = at(-8));
    }), @r#"
    (unsettled)
    "#);
}

#[test]
fn two_hosts_that_really_died() {
    assert_snapshot!(break_it(|w| {
        two_silent(w).leaderless("etcd 10.99.0.1", -7).hears("etcd 10.99.0.1", &[2, 3], -6);
        w.etcd_only("kube-apiserver 10.99.0.1", -5);
    }), @r#"
    critical EtcdQuorumLost: etcd has lost quorum: 2 of 3 members silent
      + all 5 kubelets answer: running containers go on
      - nothing can be created, changed, scheduled or moved until 2 of 3 members answer
      - all 3 API servers are down: 10.99.0.2:6443 and 10.99.0.3:6443 are silent; 10.99.0.1:6443 fails on etcd
    critical ControlPlaneHostDown: control-plane host 10.99.0.2 is down or cut off: API server, etcd member m2, scheduler and controller-manager are silent
      + all 5 kubelets answer: running containers go on
    critical ControlPlaneHostDown: control-plane host 10.99.0.3 is down or cut off: API server, etcd member m3, scheduler and controller-manager are silent
      + all 5 kubelets answer: running containers go on
    EtcdQuorumLost <- ApiServersDown: all 3 API servers are down: 10.99.0.2:6443 and 10.99.0.3:6443 are silent; 10.99.0.1:6443 fails on etcd
    EtcdQuorumLost <- EtcdMemberDown: etcd member m2 (10.99.0.2:2379) is probably down (silent)
    EtcdQuorumLost <- EtcdMemberDown: etcd member m3 (10.99.0.3:2379) is probably down (silent)
    EtcdQuorumLost <- EtcdMemberUnhealthy: etcd member m1 (10.99.0.1:2379) answers but sees no leader
    ControlPlaneHostDown <- ComponentDown: 2 of 3 controller-managers are probably down: 10.99.0.2:10257 and 10.99.0.3:10257 are silent
    ControlPlaneHostDown <- ComponentDown: 2 of 3 schedulers are probably down: 10.99.0.2:10259 and 10.99.0.3:10259 are silent
    "#);
}

#[test]
fn one_host_out_of_reach_and_one_dead() {
    assert_snapshot!(break_it(|w| { two_silent(w).hears("etcd 10.99.0.1", &[3], -1); }), @r#"
    critical ControlPlaneHostDown: control-plane host 10.99.0.2 is down or cut off: API server, etcd member m2, scheduler and controller-manager are silent; etcd: quorum is kept by 2 of 3, margin 0
      + 1 of 3 API servers answers
      + etcd keeps quorum (2 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
    warning ControlPlaneHostUnreachable: 10.99.0.3 can't be reached from here, yet it lives: etcd member 10.99.0.1:2379 hears from m3
      + 1 of 3 API servers answers
      + etcd keeps quorum (2 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
      - what happens there is not seen from here: a real failure would be told late
    ControlPlaneHostDown <- EtcdMemberDown: etcd member m2 (10.99.0.2:2379) is probably down (silent): quorum is kept by 2 of 3, margin 0: one more loss stops the cluster
    ControlPlaneHostDown <- ApiServerDown: 1 of 3 API servers is probably down: 10.99.0.2:6443 is silent
    ControlPlaneHostDown <- ComponentDown: 1 of 3 controller-managers is probably down: 10.99.0.2:10257 is silent
    ControlPlaneHostDown <- ComponentDown: 1 of 3 schedulers is probably down: 10.99.0.2:10259 is silent
    "#);
}

#[test]
fn etcd_that_works_proves_that_some_live() {
    assert_snapshot!(break_it(|w| { two_silent(w); }), @r#"
    warning ControlPlaneHostUnreachable: 10.99.0.2 and 10.99.0.3 can't be reached from here, yet etcd keeps quorum, which takes 1 of them: etcd member 10.99.0.1:2379 answers linearizable reads
      + 1 of 3 API servers answers
      + etcd keeps quorum (3 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
      - what happens there is not seen from here: a real failure would be told late
    ControlPlaneHostUnreachable <- ControlPlaneHostUnreachable: 10.99.0.2 can't be reached from here, yet etcd keeps quorum, which takes 1 of them: etcd member 10.99.0.1:2379 answers linearizable reads
    ControlPlaneHostUnreachable <- ControlPlaneHostUnreachable: 10.99.0.3 can't be reached from here, yet etcd keeps quorum, which takes 1 of them: etcd member 10.99.0.1:2379 answers linearizable reads
    "#);
}

#[test]
fn one_host_that_really_died_takes_an_api_server_that_dials_anew_along() {
    let broken = |started| {
        break_it(|w| {
            w.down("* 10.99.0.2", Reason::Timeout, -9).etcd_only("kube-apiserver 10.99.0.1", -3);
            w.hears("etcd 10.99.0.1", &[3], started).hears("etcd 10.99.0.3", &[1], started);
        })
    };
    assert_snapshot!(broken(-7), @r#"
    (unsettled)
    "#);
    assert_snapshot!(broken(-1), @r#"
    critical ControlPlaneHostDown: control-plane host 10.99.0.2 is down or cut off: API server, etcd member m2, scheduler and controller-manager are silent; etcd: quorum is kept by 2 of 3, margin 0
      + 1 of 3 API servers answers
      + etcd keeps quorum (2 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
    ControlPlaneHostDown <- EtcdMemberDown: etcd member m2 (10.99.0.2:2379) is probably down (silent): quorum is kept by 2 of 3, margin 0: one more loss stops the cluster
    ControlPlaneHostDown <- ApiServerDown: 1 of 3 API servers is probably down: 10.99.0.2:6443 is silent
    ControlPlaneHostDown <- ApiServerUnhealthy: API server 10.99.0.1:6443 fails on etcd
    ControlPlaneHostDown <- ComponentDown: 1 of 3 controller-managers is probably down: 10.99.0.2:10257 is silent
    ControlPlaneHostDown <- ComponentDown: 1 of 3 schedulers is probably down: 10.99.0.2:10259 is silent
    "#);
}

#[test]
fn a_host_is_not_judged_while_its_other_targets_are_in_doubt() {
    assert_snapshot!(break_it(|w| {
        w.down("kube-apiserver 10.99.0.2", Reason::Timeout, -8).etcd_only("kube-apiserver 10.99.0.1", -3);
        for host in ["etcd 10.99.0.2", "kube-scheduler 10.99.0.2"] {
            w.down(host, Reason::Timeout, -6).pick(host).for_each(|e| e.verdict.state = State::Suspect);
        }
        w.pick("kube-controller-manager 10.99.0.2").for_each(|e| e.last.started = at(-9));
    }), @r#"
    (unsettled)
    "#);
}

#[test]
fn leases_of_the_host_prove_that_it_lives() {
    let world = |age: u64, since: i64| {
        break_it(|w| {
            w.node_on(2);
            w.down("* 10.99.0.2", Reason::Timeout, since).lease("cp2", age);
        })
    };
    assert_snapshot!(world(3, -20), @r#"
    warning ControlPlaneHostUnreachable: cp2 (10.99.0.2) can't be reached from here, yet it lives: the kubelet of cp2 renews its lease
      + 2 of 3 API servers answer
      + etcd keeps quorum (3 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
      - what happens there is not seen from here: a real failure would be told late
    "#);
    assert_snapshot!(world(5, -8), @r#"
    (unsettled)
    "#);
    assert_snapshot!(world(25, -20), @r#"
    critical ControlPlaneHostDown: control-plane host cp2 (10.99.0.2) is down or cut off: API server, etcd member m2, scheduler and controller-manager are silent; etcd: quorum is kept by 2 of 3, margin 0
      + 2 of 3 API servers answer
      + etcd keeps quorum (2 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
    ControlPlaneHostDown <- EtcdMemberDown: etcd member m2 (10.99.0.2:2379) is probably down (silent): quorum is kept by 2 of 3, margin 0: one more loss stops the cluster
    ControlPlaneHostDown <- ApiServerDown: 1 of 3 API servers is probably down: 10.99.0.2:6443 is silent
    ControlPlaneHostDown <- ComponentDown: 1 of 3 controller-managers is probably down: 10.99.0.2:10257 is silent
    ControlPlaneHostDown <- ComponentDown: 1 of 3 schedulers is probably down: 10.99.0.2:10259 is silent
    "#);
}

#[test]
fn a_member_whose_port_alone_is_silent() {
    assert_snapshot!(break_it(|w| { w.down("etcd 10.99.0.2", Reason::Timeout, -9).hears("etcd 10.99.0.1", &[2, 3], -1); }), @r#"
    warning EtcdMemberDown: 1 of 3 etcd members can't be reached from here, yet etcd keeps quorum
      + all 3 API servers answer
      + etcd keeps quorum (3 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
    "#);
}

#[test]
fn an_api_server_that_the_others_still_list() {
    let world = |read: i64| {
        break_it(|w| {
            w.down("kube-apiserver 10.99.0.2", Reason::Timeout, -60).snapshot.read_at = Some(at(read));
        })
    };
    assert_snapshot!(world(-10), @r#"
    warning ApiServerDown: 1 of 3 API servers can't be reached from here, yet it lives: 10.99.0.2:6443 is silent
      + 2 of 3 API servers answer
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
    "#);
    assert_snapshot!(world(-40), @r#"
    warning ApiServerDown: 1 of 3 API servers is probably down: 10.99.0.2:6443 is silent, though its host answers
      + 2 of 3 API servers answer
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
    "#);
}

#[test]
fn a_lease_about_to_move_is_part_of_the_lost_host() {
    let world = |since: i64, age: u64| {
        break_it(|w| {
            w.down("* 10.99.0.2", Reason::Timeout, since).snapshot.read_at = Some(at(-100));
            w.lead(0, "10.99.0.2_1f", age);
        })
    };
    assert_snapshot!(world(-35, 33), @r#"
    critical ControlPlaneHostDown: control-plane host 10.99.0.2 is down or cut off: API server, etcd member m2, scheduler and controller-manager are silent; etcd: quorum is kept by 2 of 3, margin 0
      + 2 of 3 API servers answer
      + etcd keeps quorum (2 of 3)
      + all 5 kubelets answer: running containers go on
    ControlPlaneHostDown <- EtcdMemberDown: etcd member m2 (10.99.0.2:2379) is probably down (silent): quorum is kept by 2 of 3, margin 0: one more loss stops the cluster
    ControlPlaneHostDown <- SchedulerNoLeader: no scheduler holds a fresh lease: new pods are not placed
    ControlPlaneHostDown <- ApiServerDown: 1 of 3 API servers is probably down: 10.99.0.2:6443 is silent
    ControlPlaneHostDown <- ComponentDown: 1 of 3 controller-managers is probably down: 10.99.0.2:10257 is silent
    "#);
    assert_snapshot!(world(-90, 95), @r#"
    critical ControlPlaneHostDown: control-plane host 10.99.0.2 is down or cut off: API server, etcd member m2, scheduler and controller-manager are silent; etcd: quorum is kept by 2 of 3, margin 0
      + 2 of 3 API servers answer
      + etcd keeps quorum (2 of 3)
      + all 5 kubelets answer: running containers go on
    critical SchedulerNoLeader: no scheduler holds a fresh lease: new pods are not placed
      + 2 of 3 API servers answer
      + etcd keeps quorum (2 of 3)
      + all 5 kubelets answer: running containers go on
    ControlPlaneHostDown <- EtcdMemberDown: etcd member m2 (10.99.0.2:2379) is probably down (silent): quorum is kept by 2 of 3, margin 0: one more loss stops the cluster
    ControlPlaneHostDown <- ApiServerDown: 1 of 3 API servers is probably down: 10.99.0.2:6443 is silent
    ControlPlaneHostDown <- ComponentDown: 1 of 3 controller-managers is probably down: 10.99.0.2:10257 is silent
    "#);
}

#[test]
fn members_out_of_reach_vote_in_the_series() {
    let margin = |w: &mut World| w.quorum().unwrap();
    let mut w = World::new(0);
    assert_eq!((margin(&mut w).margin(), margin(&mut w).healthy), (1, 3));
    two_silent(&mut w).hears("etcd 10.99.0.1", &[2, 3], -1);
    assert_eq!((margin(&mut w).margin(), margin(&mut w).alive), (1, 3));
    w.hears("etcd 10.99.0.1", &[], -1);
    w.leaderless("etcd 10.99.0.1", -8).etcd_only("kube-apiserver 10.99.0.1", -7);
    assert_eq!((margin(&mut w).margin(), margin(&mut w).alive), (-1, 1));
}

/// What the member on the first host told of the second one: heard after, and still since, so many seconds.
fn heard(w: &mut World, after: i64, still: i64, leads: bool) {
    w.hears("etcd 10.99.0.1", &[2, 3], -1);
    for entry in w.pick("etcd 10.99.0.1") {
        let Facts::Etcd(facts) = &mut entry.last.facts else { continue };
        facts.is_leader = Some(leads);
        for peer in facts.peers.iter_mut().filter(|p| p.id == 2) {
            (peer.heard_after, peer.still_since) = (Some(at(after)), Some(at(still)));
        }
    }
}

#[test]
fn a_way_that_was_cut_and_a_host_that_died_later() {
    let check = |break_it: &dyn Fn(&mut World), expected: AlertName| {
        let mut world = World::new(5);
        world.down("* 10.99.0.2", Reason::Timeout, -300).snapshot.read_at = Some(at(-280));
        break_it(&mut world);
        let first = world.diagnose().findings.into_iter().find(|f| f.caused_by.is_none());
        assert_eq!(first.map(|f| f.key.alert), Some(expected));
    };
    use AlertName::{ControlPlaneHostDown, ControlPlaneHostUnreachable};
    check(&|w| heard(w, -5, -1, true), ControlPlaneHostUnreachable);
    check(&|w| heard(w, -15, -11, true), ControlPlaneHostDown);
    check(&|w| heard(w, -15, -11, false), ControlPlaneHostDown);
    // Figures that were not read with the last answer are no silence; in the end they are no word at all.
    let unread = |w: &mut World, read: i64| {
        heard(w, -200, read, true);
        for entry in w.pick("etcd 10.99.0.1") {
            let Facts::Etcd(facts) = &mut entry.last.facts else { continue };
            facts.peers_at = Some(at(read));
        }
    };
    check(&|w| unread(w, -11), ControlPlaneHostUnreachable);
    check(&|w| unread(w, -100), ControlPlaneHostDown);
}

#[test]
fn an_api_server_that_renews_its_lease_lives() {
    let told = |host: &str, age: u64| {
        break_it(|w| {
            w.node_on(2).down("kube-apiserver 10.99.0.2", Reason::Timeout, -40);
            w.snapshot.read_at = Some(at(-50));
            w.snapshot.server_leases = vec![ServerLease { host: host.into(), sight: world::sight(age) }];
        })
    };
    let lives =
        "warning ApiServerDown: 1 of 3 API servers can't be reached from here, yet it lives: 10.99.0.2:6443 is silent";
    assert!(told("cp2", 3).starts_with(lives), "{}", told("cp2", 3));
    assert!(told("10.99.0.2", 3).starts_with(lives), "{}", told("10.99.0.2", 3));
    let silent = "warning ApiServerDown: 1 of 3 API servers is probably down";
    assert!(told("cp2", 39).starts_with(silent), "not renewed since: {}", told("cp2", 39));
    assert!(told("cp1", 3).starts_with(silent), "somebody else's: {}", told("cp1", 3));
}

#[test]
fn a_silent_host_whose_api_server_renews_its_lease_is_out_of_our_reach() {
    let told = break_it(|w| {
        w.down("* 10.99.0.2", Reason::Timeout, -20);
        w.snapshot.server_leases = vec![ServerLease { host: "10.99.0.2".into(), sight: world::sight(3) }];
    });
    let lives = "warning ControlPlaneHostUnreachable: 10.99.0.2 can't be reached from here, yet it lives: the API server on \
                 10.99.0.2 renews its lease";
    assert!(told.starts_with(lives), "{told}");
}

#[test]
fn a_kubelet_that_is_always_silent_makes_no_witness_late() {
    let told = break_it(|w| {
        let base = url::Url::parse("https://10.99.0.2:10250").unwrap();
        let spec = ProbeSpec::Kubelet { base, others: Vec::new(), node: "cp2".into(), via: None };
        w.node_on(2).add(Job::Kubelet, "10.99.0.2:10250", Some("cp2"), spec, Facts::None);
        w.down("* 10.99.0.2", Reason::Timeout, -60).down("kubelet 10.99.0.2", Reason::Timeout, -7200).lease("cp2", 60);
        // The others listed its API server before it fell, long after the kubelet fell silent.
        w.snapshot.read_at = Some(at(-70));
    });
    assert!(told.starts_with("critical ControlPlaneHostDown: control-plane host cp2"), "{told}");
}

#[test]
fn a_member_that_died_on_a_host_that_lives() {
    let told = break_it(|w| {
        w.node_on(2);
        w.down("* 10.99.0.2", Reason::Timeout, -60).lease("cp2", 3);
        heard(w, -20, -16, true);
    });
    assert!(told.contains("ControlPlaneHostUnreachable: cp2"), "{told}");
    assert!(told.contains("critical EtcdMemberDown: etcd member m2"), "{told}");
}

#[test]
fn members_seen_before_quorum_was_lost_prove_nothing() {
    let world = |read: ReadThrough| {
        let mut world = World::new(5);
        two_silent(&mut world).node_on(2).node_on(3).lease("cp2", 3).lease("cp3", 3);
        for host in ["* 10.99.0.2", "* 10.99.0.3"] {
            world.down(host, Reason::Timeout, -60);
        }
        world.leaderless("etcd 10.99.0.1", -30);
        for entry in world.pick("kube-apiserver 10.99.0.1") {
            entry.last.facts = Facts::ApiServer(ApiServerFacts { etcd_read: Some(read), ..Default::default() });
        }
        world.diagnose().findings.iter().any(|f| f.key.alert == AlertName::EtcdQuorumLost)
    };
    assert!(world(ReadThrough::Timeout));
    assert!(!world(ReadThrough::Ok), "a read that needs quorum beats it");
}

#[test]
fn a_witness_that_is_asked_seldom_is_waited_for() {
    let lost = |interval: u64, since: i64| {
        let mut world = World::new(5);
        world.snapshot.read_at = Some(at(-100));
        world.down("etcd 10.99.0.2", Reason::Timeout, since).down("etcd 10.99.0.3", Reason::Timeout, since);
        world.entries.iter_mut().for_each(|e| {
            e.target.interval = std::time::Duration::from_secs(interval);
            e.last.started = at(since - 1);
        });
        world.diagnose().findings.iter().any(|f| f.key.alert == AlertName::EtcdQuorumLost)
    };
    assert!(!lost(60, -30));
    assert!(lost(60, -71));
    assert!(!lost(10, -14));
    assert!(lost(10, -21));
}

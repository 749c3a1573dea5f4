//! API servers, leaders, hosts, and the way to them.

use super::*;
use crate::model::*;
use world::at;

fn break_it(break_it: impl FnOnce(&mut World)) -> String {
    let mut world = World::new(5);
    break_it(&mut world);
    told(&world)
}

#[test]
fn one_api_server_killed() {
    assert_snapshot!(break_it(|w| { w.down("kube-apiserver 10.99.0.2", Reason::Refused, -9); }), @r#"
    warning ApiServerDown: 1 of 3 API servers is down: 10.99.0.2:6443 refuses connections
      + 2 of 3 API servers answer
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
    "#);
}

#[test]
fn what_stood_on_that_api_server_alone_is_its_consequence() {
    assert_snapshot!(break_it(|w| {
        w.down("kube-apiserver 10.99.0.2", Reason::Refused, -19).down("kube-scheduler 10.99.0.2", Reason::Refused, -7);
    }), @r#"
    warning ApiServerDown: 1 of 3 API servers is down: 10.99.0.2:6443 refuses connections
      + 2 of 3 API servers answer
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
      - 1 of 3 schedulers is down: 10.99.0.2:10259 refuses connections
    ApiServerDown <- ComponentDown: 1 of 3 schedulers is down: 10.99.0.2:10259 refuses connections
    "#);
}

#[test]
fn one_api_server_hangs() {
    assert_snapshot!(break_it(|w| { w.hang("kube-apiserver 10.99.0.2", -9); }), @r#"
    warning ApiServerDown: 1 of 3 API servers is down: 10.99.0.2:6443 accepts connections and then hangs
      + 2 of 3 API servers answer
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
    "#);
}

#[test]
fn packets_to_one_api_server_are_dropped() {
    assert_snapshot!(break_it(|w| { w.down("kube-apiserver 10.99.0.2", Reason::Timeout, -9); }), @r#"
    warning ApiServerDown: 1 of 3 API servers is probably down: 10.99.0.2:6443 is silent, though its host answers
      + 2 of 3 API servers answer
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
    "#);
}

#[test]
fn two_of_three_api_servers() {
    assert_snapshot!(break_it(|w| {
        w.down("kube-apiserver 10.99.0.1", Reason::Refused, -9).hang("kube-apiserver 10.99.0.3", -9);
    }), @r#"
    critical ApiServerDown: 2 of 3 API servers are down: 10.99.0.1:6443 refuses connections; 10.99.0.3:6443 accepts connections and then hangs
      + 1 of 3 API servers answers
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
      - one more lost API server stops the cluster's control
    "#);
}

#[test]
fn all_api_servers_with_etcd_fine() {
    assert_snapshot!(break_it(|w| { w.down("kube-apiserver", Reason::Refused, -9); }), @r#"
    critical ApiServersDown: all 3 API servers are down: they refuse connections; etcd is fine
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
      - nothing can be created, changed or scheduled; kubectl fails
    "#);
}

#[test]
fn all_api_servers_and_then_the_schedulers_without_them() {
    assert_snapshot!(break_it(|w| {
        w.down("kube-apiserver", Reason::Refused, -40).down("kube-scheduler", Reason::Refused, -20);
        w.snapshot.leases_at = Some(at(-45));
    }), @r#"
    critical ApiServersDown: all 3 API servers are down: they refuse connections; etcd is fine
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
      - nothing can be created, changed or scheduled; kubectl fails
      - all 3 schedulers are down: new pods are not placed
    ApiServersDown <- SchedulerNoLeader: all 3 schedulers are down: new pods are not placed
    "#);
}

#[test]
fn the_only_api_server() {
    assert_snapshot!(break_it(|w| {
        w.entries.retain(|e| e.target.key.job == Job::Kubelet || &*e.target.key.instance == "10.99.0.1:6443");
        w.down("kube-apiserver", Reason::Refused, -9);
    }), @r#"
    critical ApiServersDown: the API server is down: 10.99.0.1:6443 refuses connections
      + all 5 kubelets answer: running containers go on
      - nothing can be created, changed or scheduled; kubectl fails
    "#);
}

#[test]
fn an_api_server_with_a_failed_check() {
    assert_snapshot!(break_it(|w| {
        w.etcd_only("kube-apiserver 10.99.0.3", -9);
        let entry = w.pick("kube-apiserver 10.99.0.3").next().unwrap();
        entry.last.facts = Facts::ApiServer(ApiServerFacts::default());
        entry.last.checks[0].name = "poststarthook/rbac/bootstrap-roles".into();
    }), @r#"
    warning ApiServerUnhealthy: API server 10.99.0.3:6443 is not healthy: check poststarthook/rbac/bootstrap-roles fails
      + 2 of 3 API servers answer
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
    "#);
}

#[test]
fn a_draining_api_server_is_no_outage() {
    assert_snapshot!(break_it(|w| {
        w.etcd_only("kube-apiserver 10.99.0.3", -9);
        let entry = w.pick("kube-apiserver 10.99.0.3").next().unwrap();
        entry.last.facts = Facts::ApiServer(ApiServerFacts { draining: true, ..Default::default() });
    }), @"");
}

#[test]
fn the_advertised_address_fails_alone() {
    assert_snapshot!(break_it(|w| {
        let spec = ProbeSpec::ApiServer { base: "https://api.example.org:6443".parse().unwrap(), advertised: true };
        w.add(Job::KubeApiserver, "api.example.org:6443", None, spec, Facts::None);
        w.down("kube-apiserver api.example.org", Reason::Timeout, -9);
    }), @r#"
    critical ApiServerAddressDown: the advertised address api.example.org:6443 is silent, though all 3 API servers behind it answer
      + all 3 API servers answer
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
      - whoever uses api.example.org:6443 can't reach the cluster: users, and nodes that joined by it
    "#);
}

#[test]
fn a_control_plane_host_lost() {
    assert_snapshot!(break_it(|w| { w.down("* 10.99.0.2", Reason::Timeout, -9); }), @r#"
    critical ControlPlaneHostDown: control-plane host 10.99.0.2 is down or cut off: API server, etcd member m2, scheduler and controller-manager are silent; etcd: quorum is kept by 2 of 3, margin 0
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
fn two_control_plane_hosts_lost() {
    assert_snapshot!(break_it(|w| {
        w.down("* 10.99.0.2", Reason::Timeout, -12).down("* 10.99.0.3", Reason::Unreachable, -11);
        w.leaderless("etcd 10.99.0.1", -9).etcd_only("kube-apiserver 10.99.0.1", -8);
    }), @r#"
    critical EtcdQuorumLost: etcd has lost quorum: 2 of 3 members silent
      + all 5 kubelets answer: running containers go on
      - nothing can be created, changed, scheduled or moved until 2 of 3 members answer
      - all 3 API servers are down: 10.99.0.2:6443 is silent; 10.99.0.3:6443 can't be reached; 10.99.0.1:6443 fails on etcd
    critical ControlPlaneHostDown: control-plane host 10.99.0.2 is down or cut off: API server, etcd member m2, scheduler and controller-manager are silent
      + all 5 kubelets answer: running containers go on
    critical ControlPlaneHostDown: control-plane host 10.99.0.3 is down or cut off: API server, etcd member m3, scheduler and controller-manager are silent
      + all 5 kubelets answer: running containers go on
    EtcdQuorumLost <- ApiServersDown: all 3 API servers are down: 10.99.0.2:6443 is silent; 10.99.0.3:6443 can't be reached; 10.99.0.1:6443 fails on etcd
    EtcdQuorumLost <- EtcdMemberDown: etcd member m2 (10.99.0.2:2379) is probably down (silent)
    EtcdQuorumLost <- EtcdMemberDown: etcd member m3 (10.99.0.3:2379) is probably down (can't be reached)
    EtcdQuorumLost <- EtcdMemberUnhealthy: etcd member m1 (10.99.0.1:2379) answers but sees no leader
    ControlPlaneHostDown <- ComponentDown: 2 of 3 controller-managers are probably down: 10.99.0.2:10257 is silent; 10.99.0.3:10257 can't be reached
    ControlPlaneHostDown <- ComponentDown: 2 of 3 schedulers are probably down: 10.99.0.2:10259 is silent; 10.99.0.3:10259 can't be reached
    "#);
}

#[test]
fn everything_silent() {
    assert_snapshot!(break_it(|w| { w.down("*", Reason::Timeout, -9); }), @r#"
    critical ClusterUnreachable: nothing of the cluster can be reached from here: 17 targets on 8 hosts are silent; the network between the watchdog and the cluster is broken, or the cluster has no power
      - what runs there may be fine or not: it can't be seen from here
    ClusterUnreachable <- EtcdQuorumLost: etcd's quorum is not known: 3 members are silent
    ClusterUnreachable <- ApiServersDown: all 3 API servers are silent
    ClusterUnreachable <- EtcdMemberDown: etcd member m1 (10.99.0.1:2379) is probably down (silent)
    ClusterUnreachable <- EtcdMemberDown: etcd member m2 (10.99.0.2:2379) is probably down (silent)
    ClusterUnreachable <- EtcdMemberDown: etcd member m3 (10.99.0.3:2379) is probably down (silent)
    ClusterUnreachable <- NodesDown: 5 of 5 nodes do not answer: n01, n02, n03 and 2 more
    ClusterUnreachable <- SchedulerNoLeader: all 3 schedulers are silent
    ClusterUnreachable <- ControllerManagerNoLeader: all 3 controller-managers are silent
    ClusterUnreachable <- NodeDown: no answer from node n01: its kubelet is silent, and its lease can't be read
    ClusterUnreachable <- NodeDown: no answer from node n02: its kubelet is silent, and its lease can't be read
    ClusterUnreachable <- NodeDown: no answer from node n03: its kubelet is silent, and its lease can't be read
    ClusterUnreachable <- NodeDown: no answer from node n04: its kubelet is silent, and its lease can't be read
    ClusterUnreachable <- NodeDown: no answer from node n05: its kubelet is silent, and its lease can't be read
    "#);
}

#[test]
fn only_the_name_fails() {
    assert_snapshot!(break_it(|w| {
        w.entries.clear();
        let spec = ProbeSpec::ApiServer { base: "https://api.example.org".parse().unwrap(), advertised: true };
        w.add(Job::KubeApiserver, "api.example.org:443", None, spec, Facts::None);
        w.down("*", Reason::Dns, -9);
    }), @r#"
    critical ClusterUnreachable: nothing of the cluster can be reached: api.example.org does not resolve
      - what runs there may be fine or not: it can't be seen from here
    ClusterUnreachable <- ApiServersDown: the API server is probably down: api.example.org:443 has a name that does not resolve
    "#);
}

#[test]
fn nobody_schedules() {
    assert_snapshot!(break_it(|w| { w.lead(0, "cp1_2f0c", 45); }), @r#"
    critical SchedulerNoLeader: no scheduler holds a fresh lease: new pods are not placed
      + all 3 API servers answer
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
    "#);
}

#[test]
fn leases_are_judged_by_whether_they_change() {
    let scheduler = |sight: ObservedLease| {
        break_it(|w| {
            w.snapshot.leaders[0].age = sight.age();
            w.snapshot.leaders[0].sight = Some(sight);
        })
    };
    let hour = std::time::Duration::from_secs(3600);
    // The clock of its holder, or of who told us the time, is off: it changes at every reading.
    assert_eq!(scheduler(ObservedLease { told_age: Some(hour), ..world::sight(1) }), "");
    assert_eq!(scheduler(ObservedLease { told_age: None, ..world::sight(1) }), "");
    // Left over from a time when leaders were elected: it never changed since we watch.
    assert_eq!(scheduler(ObservedLease { after: None, told_age: Some(hour * 720), ..world::sight(3600) }), "");
    let stuck = scheduler(ObservedLease { told_age: Some(std::time::Duration::ZERO), ..world::sight(45) });
    assert!(stuck.contains("no scheduler holds a fresh lease"), "{stuck}");
}

#[test]
fn every_scheduler_killed_while_the_lease_is_still_fresh() {
    assert_snapshot!(break_it(|w| { w.down("kube-scheduler", Reason::Refused, -4); }), @r#"
    critical SchedulerNoLeader: all 3 schedulers are down: new pods are not placed
      + all 3 API servers answer
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
    "#);
}

#[test]
fn one_scheduler_and_one_controller_manager() {
    assert_snapshot!(break_it(|w| {
        w.down("kube-scheduler 10.99.0.2", Reason::Refused, -9).down("kube-controller-manager 10.99.0.2", Reason::Refused, -9);
    }), @r#"
    warning ComponentDown: 1 of 3 controller-managers is down: 10.99.0.2:10257 refuses connections
      + all 3 API servers answer
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
    warning ComponentDown: 1 of 3 schedulers is down: 10.99.0.2:10259 refuses connections
      + all 3 API servers answer
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
    "#);
}

#[test]
fn schedulers_out_of_our_reach_lead_all_the_same() {
    assert_snapshot!(break_it(|w| { w.down("kube-scheduler", Reason::Timeout, -20); }), @r#"
    warning ComponentDown: all 3 schedulers can't be reached from here, yet their lease is renewed
      + all 3 API servers answer
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
    "#);
}

#[test]
fn a_suspicion_is_not_told() {
    assert_snapshot!(break_it(|w| {
        w.pick("etcd 10.99.0.2").for_each(|e| e.fail(State::Suspect, Reason::Timeout, -2));
    }), @r#"
    (unsettled)
    "#);
}

#[test]
fn a_flapping_target() {
    assert_snapshot!(break_it(|w| {
        for entry in w.pick("kube-scheduler 10.99.0.3") {
            entry.verdict.state = State::Flapping;
            entry.verdict.message = "went up and down 6 times within 10 min; last: connection refused".into();
        }
    }), @r#"
    warning TargetFlapping: scheduler 10.99.0.3:10259 is flapping: it went up and down 6 times within 10 min; last: connection refused
      + all 3 API servers answer
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
    "#);
}

#[test]
fn a_dropped_port_in_full() {
    let mut world = World::new(2);
    world.down("kube-apiserver 10.99.0.2", Reason::Timeout, -9);
    assert_snapshot!(in_full(&world.diagnose().findings[0]), @r#"
    1 of 3 API servers is probably down: 10.99.0.2:6443 is silent, though its host answers
    since 2026-11-23T05:59:51Z
      API server 10.99.0.2:6443 is silent since 2026-11-23 05:59:51 UTC: it failed (timeout); last healthy 2026-11-23 05:59:41 UTC
    first: packets to 10.99.0.2:6443 are dropped: firewall rules on 10.99.0.2 (`nft list ruleset`, `iptables -S`) and between it and the watchdog; `ss -lnt` there shows whether the listen queue is full
    {"instance": "10.99.0.2:6443", "job": "kube-apiserver"}
    "#);
}

#[test]
fn one_good_probe_is_not_called_healthy_before_the_outage() {
    let mut world = World::new(2);
    world.down("kube-apiserver 10.99.0.2", Reason::Refused, -9);
    world.entries.iter_mut().filter(|e| e.verdict.state == State::Down).for_each(|e| e.again = Some(at(-1)));
    let line = "API server 10.99.0.2:6443 refuses connections since 2026-11-23 05:59:51 UTC: \
                connection refused by 10.99.0.2:6443; answered well again 2026-11-23 05:59:59 UTC";
    assert_eq!(world.diagnose().findings[0].evidence, [line]);
}

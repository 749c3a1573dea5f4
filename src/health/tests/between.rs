//! What lies between an API server and us is no outage of it.

use super::*;
use crate::model::*;

fn break_it(break_it: impl FnOnce(&mut World)) -> String {
    let mut world = World::new(5);
    break_it(&mut world);
    told(&world)
}

fn unknown(world: &mut World, which: &str, reason: Reason) {
    world.pick(which).for_each(|e| e.fail(State::Unknown, reason, -9));
}

#[test]
fn something_answers_in_front_of_all_api_servers() {
    assert_snapshot!(break_it(|w| unknown(w, "kube-apiserver", Reason::Foreign)), @r#"
    critical ApiServerHidden: something else answers in front of all 3 API servers: what is behind it can't be seen from here
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
      - nodes, leases and endpoints can't be read: what was last known is watched on
    "#);
}

#[test]
fn something_answers_in_front_of_one() {
    assert_snapshot!(break_it(|w| unknown(w, "kube-apiserver 10.99.0.2", Reason::Foreign)), @r#"
    warning ApiServerHidden: something else answers in front of 1 of 3 API servers: what is behind it can't be seen from here
      + 2 of 3 API servers answer
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
    "#);
}

#[test]
fn something_answers_at_the_advertised_address_alone() {
    assert_snapshot!(break_it(|w| {
        let spec = ProbeSpec::ApiServer { base: "https://api.example.org:6443".parse().unwrap(), advertised: true };
        w.add(Job::KubeApiserver, "api.example.org:6443", None, spec, Facts::None);
        unknown(w, "kube-apiserver api.example.org", Reason::Foreign);
    }), @r#"
    warning ApiServerHidden: something else answers in front of the advertised address api.example.org:6443: what is behind it can't be seen from here
      + all 3 API servers answer
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
    "#);
}

#[test]
fn an_outage_behind_it_is_told() {
    assert_snapshot!(break_it(|w| {
        unknown(w, "kube-apiserver", Reason::Foreign);
        w.down("etcd 10.99.0.2", Reason::Refused, -9).down("etcd 10.99.0.3", Reason::Refused, -9);
        w.leaderless("etcd 10.99.0.1", -8);
    }), @r#"
    critical EtcdQuorumLost: etcd has lost quorum: 2 of 3 members down
      + all 5 kubelets answer: running containers go on
      - nothing can be created, changed, scheduled or moved until 2 of 3 members answer
    critical ApiServerHidden: something else answers in front of all 3 API servers: what is behind it can't be seen from here
      + all 5 kubelets answer: running containers go on
      - nodes, leases and endpoints can't be read: what was last known is watched on
    EtcdQuorumLost <- EtcdMemberDown: etcd member m2 (10.99.0.2:2379) is down
    EtcdQuorumLost <- EtcdMemberDown: etcd member m3 (10.99.0.3:2379) is down
    EtcdQuorumLost <- EtcdMemberUnhealthy: etcd member m1 (10.99.0.1:2379) answers but sees no leader
    "#);
}

#[test]
fn api_servers_that_throttle_us_live() {
    assert_snapshot!(break_it(|w| unknown(w, "kube-apiserver", Reason::Throttled)), @r#"
    warning ApiServerUnhealthy: API server 10.99.0.1:6443 lives and throttles us (HTTP 429)
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
    warning ApiServerUnhealthy: API server 10.99.0.2:6443 lives and throttles us (HTTP 429)
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
    warning ApiServerUnhealthy: API server 10.99.0.3:6443 lives and throttles us (HTTP 429)
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
    "#);
    assert_snapshot!(break_it(|w| unknown(w, "kube-apiserver 10.99.0.2", Reason::Throttled)), @r#"
    warning ApiServerUnhealthy: API server 10.99.0.2:6443 lives and throttles us (HTTP 429)
      + 2 of 3 API servers answer
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
    "#);
}

#[test]
fn a_slow_line_blames_nobody() {
    assert_snapshot!(break_it(|w| {
        w.down("kube-apiserver", Reason::Degraded, -9);
        w.pick("kube-apiserver").for_each(|e| {
            e.last.facts = Facts::ApiServer(ApiServerFacts { slow: true, ..Default::default() });
            e.verdict.message = "all that it answers is slow (4.1 s at best)".into();
        });
    }), @r#"
    warning ApiServerUnhealthy: API server 10.99.0.1:6443 lives and is slow, all of it alike: all that it answers is slow (4.1 s at best)
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
    warning ApiServerUnhealthy: API server 10.99.0.2:6443 lives and is slow, all of it alike: all that it answers is slow (4.1 s at best)
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
    warning ApiServerUnhealthy: API server 10.99.0.3:6443 lives and is slow, all of it alike: all that it answers is slow (4.1 s at best)
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
    "#);
}

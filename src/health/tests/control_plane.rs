//! API servers, etcd, leaders, hosts, and the way to them.

use super::*;
use crate::model::*;
use world::{at, etcd_facts};

fn break_it(break_it: impl FnOnce(&mut World)) -> String {
    let mut world = World::new(5);
    break_it(&mut world);
    told(&world)
}

#[test]
fn one_api_server_killed() {
    assert_snapshot!(break_it(|w| { w.down("kube-apiserver 10.99.0.2", Reason::Refused, -9); }), @"");
}

#[test]
fn one_api_server_hangs() {
    assert_snapshot!(break_it(|w| { w.hang("kube-apiserver 10.99.0.2", -9); }), @"");
}

#[test]
fn packets_to_one_api_server_are_dropped() {
    assert_snapshot!(break_it(|w| { w.down("kube-apiserver 10.99.0.2", Reason::Timeout, -9); }), @"");
}

#[test]
fn two_of_three_api_servers() {
    assert_snapshot!(break_it(|w| {
        w.down("kube-apiserver 10.99.0.1", Reason::Refused, -9).hang("kube-apiserver 10.99.0.3", -9);
    }), @"");
}

#[test]
fn all_api_servers_with_etcd_fine() {
    assert_snapshot!(break_it(|w| { w.down("kube-apiserver", Reason::Refused, -9); }), @"");
}

#[test]
fn all_api_servers_and_then_the_schedulers_without_them() {
    assert_snapshot!(break_it(|w| {
        w.down("kube-apiserver", Reason::Refused, -40).down("kube-scheduler", Reason::Refused, -20);
        w.snapshot.leases_at = Some(at(-45));
    }), @"");
}

#[test]
fn the_only_api_server() {
    assert_snapshot!(break_it(|w| {
        w.entries.retain(|e| e.target.key.job == Job::Kubelet || &*e.target.key.instance == "10.99.0.1:6443");
        w.down("kube-apiserver", Reason::Refused, -9);
    }), @"");
}

#[test]
fn an_api_server_with_a_failed_check() {
    assert_snapshot!(break_it(|w| {
        w.etcd_only("kube-apiserver 10.99.0.3", -9);
        let entry = w.pick("kube-apiserver 10.99.0.3").next().unwrap();
        entry.last.facts = Facts::ApiServer(ApiServerFacts::default());
        entry.last.checks[0].name = "poststarthook/rbac/bootstrap-roles".into();
    }), @"");
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
    }), @"");
}

#[test]
fn an_etcd_member_lost() {
    assert_snapshot!(break_it(|w| { w.down("etcd 10.99.0.2", Reason::Refused, -9); }), @"");
}

#[test]
fn an_etcd_member_lost_takes_its_own_api_server_along() {
    assert_snapshot!(break_it(|w| {
        w.down("etcd 10.99.0.2", Reason::Refused, -9).etcd_only("kube-apiserver 10.99.0.2", -7);
    }), @"");
}

#[test]
fn an_etcd_member_of_five_leaves_a_margin() {
    assert_snapshot!(break_it(|w| {
        let list: Vec<_> = (1..=5).map(world::member).collect();
        for entry in w.pick("etcd") {
            if let Facts::Etcd(facts) = &mut entry.last.facts {
                facts.members.clone_from(&list);
            }
        }
        w.down("etcd 10.99.0.3", Reason::Timeout, -9);
    }), @"");
}

#[test]
fn quorum_lost() {
    assert_snapshot!(break_it(|w| {
        w.down("etcd 10.99.0.2", Reason::Refused, -12).down("etcd 10.99.0.3", Reason::Refused, -11);
        w.leaderless("etcd 10.99.0.1", -9).etcd_only("kube-apiserver", -8);
    }), @"");
}

#[test]
fn quorum_lost_and_then_schedulers_and_an_api_server_exit() {
    let told = break_it(|w| {
        w.down("etcd 10.99.0.2", Reason::Refused, -60).down("etcd 10.99.0.3", Reason::Refused, -59);
        w.leaderless("etcd 10.99.0.1", -57).etcd_only("kube-apiserver", -55);
        w.down("kube-apiserver 10.99.0.3", Reason::Refused, -40);
        w.down("kube-scheduler", Reason::Refused, -45).down("kube-controller-manager 10.99.0.1", Reason::Refused, -44);
        w.snapshot.leases_at = Some(at(-62));
    });
    assert_snapshot!(told, @"");
}

#[test]
fn quorum_lost_is_told_before_the_last_member_says_so() {
    assert_snapshot!(break_it(|w| {
        w.down("etcd 10.99.0.2", Reason::Refused, -3).down("etcd 10.99.0.3", Reason::Refused, -2);
        w.pick("etcd 10.99.0.1").for_each(|e| e.last.started = at(-8));
    }), @"");
}

#[test]
fn members_out_of_our_reach_are_not_lost_while_others_work_with_them() {
    assert_snapshot!(break_it(|w| { w.down("etcd", Reason::Timeout, -20); }), @"");
}

#[test]
fn every_member_answers_and_none_leads() {
    assert_snapshot!(break_it(|w| { w.leaderless("etcd", -9).etcd_only("kube-apiserver", -8); }), @"");
}

#[test]
fn one_member_cut_off_from_the_others() {
    assert_snapshot!(break_it(|w| { w.leaderless("etcd 10.99.0.3", -9); }), @"");
}

#[test]
fn etcd_invisible_and_failing() {
    assert_snapshot!(break_it(|w| {
        w.forget(Job::Etcd).etcd_only("kube-apiserver", -9);
        w.snapshot.etcd_members.clear();
    }), @"");
}

#[test]
fn api_servers_fail_on_an_etcd_that_is_well() {
    assert_snapshot!(break_it(|w| { w.etcd_only("kube-apiserver", -9); }), @"");
}

#[test]
fn etcd_out_of_space() {
    assert_snapshot!(break_it(|w| {
        for entry in w.pick("etcd") {
            entry.fail(State::Down, Reason::Degraded, -9);
            let alarms = vec![EtcdAlarm { member_id: 2, alarm: "NOSPACE".into() }];
            entry.last.facts = Facts::Etcd(Box::new(EtcdFacts { alarms, ..etcd_facts(1) }));
        }
    }), @"");
}

#[test]
fn a_control_plane_host_lost() {
    assert_snapshot!(break_it(|w| { w.down("* 10.99.0.2", Reason::Timeout, -9); }), @"");
}

#[test]
fn two_control_plane_hosts_lost() {
    assert_snapshot!(break_it(|w| {
        w.down("* 10.99.0.2", Reason::Timeout, -12).down("* 10.99.0.3", Reason::Unreachable, -11);
        w.leaderless("etcd 10.99.0.1", -9).etcd_only("kube-apiserver 10.99.0.1", -8);
    }), @"");
}

#[test]
fn everything_silent() {
    assert_snapshot!(break_it(|w| { w.down("*", Reason::Timeout, -9); }), @"");
}

#[test]
fn only_the_name_fails() {
    assert_snapshot!(break_it(|w| {
        w.entries.clear();
        let spec = ProbeSpec::ApiServer { base: "https://api.example.org".parse().unwrap(), advertised: true };
        w.add(Job::KubeApiserver, "api.example.org:443", None, spec, Facts::None);
        w.down("*", Reason::Dns, -9);
    }), @"");
}

#[test]
fn nobody_schedules() {
    assert_snapshot!(break_it(|w| { w.snapshot.leaders[0].age = std::time::Duration::from_secs(45); }), @"");
}

#[test]
fn every_scheduler_killed_while_the_lease_is_still_fresh() {
    assert_snapshot!(break_it(|w| { w.down("kube-scheduler", Reason::Refused, -4); }), @"");
}

#[test]
fn one_scheduler_and_one_controller_manager() {
    assert_snapshot!(break_it(|w| {
        w.down("kube-scheduler 10.99.0.2", Reason::Refused, -9).down("kube-controller-manager 10.99.0.2", Reason::Refused, -9);
    }), @"");
}

#[test]
fn schedulers_out_of_our_reach_lead_all_the_same() {
    assert_snapshot!(break_it(|w| { w.down("kube-scheduler", Reason::Timeout, -20); }), @"");
}

#[test]
fn a_suspicion_is_not_told() {
    assert_snapshot!(break_it(|w| {
        w.pick("etcd 10.99.0.2").for_each(|e| e.fail(State::Suspect, Reason::Timeout, -2));
    }), @"");
}

#[test]
fn a_flapping_target() {
    assert_snapshot!(break_it(|w| {
        for entry in w.pick("kube-scheduler 10.99.0.3") {
            entry.verdict.state = State::Flapping;
            entry.verdict.message = "went up and down 6 times within 10 min; last: connection refused".into();
        }
    }), @"");
}

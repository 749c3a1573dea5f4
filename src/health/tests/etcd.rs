//! etcd: quorum, members, alarms, and what follows from them.

use super::*;
use std::time::Duration;

use crate::model::*;
use world::at;

fn break_it(break_it: impl FnOnce(&mut World)) -> String {
    let mut world = World::new(5);
    break_it(&mut world);
    told(&world)
}

#[test]
fn an_etcd_member_lost() {
    assert_snapshot!(break_it(|w| { w.down("etcd 10.99.0.2", Reason::Refused, -9); }), @r#"
    warning EtcdMemberDown: etcd member m2 (10.99.0.2:2379) is down: quorum is kept by 2 of 3, margin 0: one more loss stops the cluster
      + all 3 API servers answer
      + etcd keeps quorum (2 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
    "#);
}

#[test]
fn what_may_be_a_restart_is_a_warning_and_what_lasts_is_critical() {
    let check = |after: i64, expected: Severity| {
        let mut world = World::new(5);
        world.down("etcd 10.99.0.2", Reason::Refused, -after);
        let found = world.diagnose().findings.into_iter().find(|f| f.caused_by.is_none()).unwrap();
        assert_eq!((found.key.alert, found.severity), (AlertName::EtcdMemberDown, expected), "{after} s");
    };
    check(20, Severity::Warning);
    check(21, Severity::Critical);
}

#[test]
fn an_etcd_member_lost_takes_its_own_api_server_along() {
    assert_snapshot!(break_it(|w| {
        w.down("etcd 10.99.0.2", Reason::Refused, -9).etcd_only("kube-apiserver 10.99.0.2", -7);
    }), @r#"
    warning EtcdMemberDown: etcd member m2 (10.99.0.2:2379) is down: quorum is kept by 2 of 3, margin 0: one more loss stops the cluster
      + 2 of 3 API servers answer
      + etcd keeps quorum (2 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
      - API server 10.99.0.2:6443 fails on etcd
    EtcdMemberDown <- ApiServerUnhealthy: API server 10.99.0.2:6443 fails on etcd
    "#);
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
    }), @r#"
    warning EtcdMemberDown: etcd member m3 (10.99.0.3:2379) is probably down (silent): quorum is kept by 4 of 5, margin 1
      + all 3 API servers answer
      + etcd keeps quorum (4 of 5)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
    "#);
}

#[test]
fn quorum_lost() {
    assert_snapshot!(break_it(|w| {
        w.down("etcd 10.99.0.2", Reason::Refused, -12).down("etcd 10.99.0.3", Reason::Refused, -11);
        w.leaderless("etcd 10.99.0.1", -9).etcd_only("kube-apiserver", -8);
    }), @r#"
    critical EtcdQuorumLost: etcd has lost quorum: 2 of 3 members down
      + all 5 kubelets answer: running containers go on
      - nothing can be created, changed, scheduled or moved until 2 of 3 members answer
      - all 3 API servers fail on etcd
    EtcdQuorumLost <- ApiServersDown: all 3 API servers fail on etcd
    EtcdQuorumLost <- EtcdMemberDown: etcd member m2 (10.99.0.2:2379) is down
    EtcdQuorumLost <- EtcdMemberDown: etcd member m3 (10.99.0.3:2379) is down
    EtcdQuorumLost <- EtcdMemberUnhealthy: etcd member m1 (10.99.0.1:2379) answers but sees no leader
    "#);
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
    assert_snapshot!(told, @r#"
    critical EtcdQuorumLost: etcd has lost quorum: 2 of 3 members down
      + all 5 kubelets answer: running containers go on
      - nothing can be created, changed, scheduled or moved until 2 of 3 members answer
      - all 3 API servers are down: 10.99.0.3:6443 refuses connections; 10.99.0.1:6443 and 10.99.0.2:6443 fail on etcd
      - all 3 schedulers are down: new pods are not placed
      - 1 of 3 controller-managers is down: 10.99.0.1:10257 refuses connections
    EtcdQuorumLost <- ApiServersDown: all 3 API servers are down: 10.99.0.3:6443 refuses connections; 10.99.0.1:6443 and 10.99.0.2:6443 fail on etcd
    EtcdQuorumLost <- EtcdMemberDown: etcd member m2 (10.99.0.2:2379) is down
    EtcdQuorumLost <- EtcdMemberDown: etcd member m3 (10.99.0.3:2379) is down
    EtcdQuorumLost <- SchedulerNoLeader: all 3 schedulers are down: new pods are not placed
    EtcdQuorumLost <- EtcdMemberUnhealthy: etcd member m1 (10.99.0.1:2379) answers but sees no leader
    EtcdQuorumLost <- ComponentDown: 1 of 3 controller-managers is down: 10.99.0.1:10257 refuses connections
    "#);
}

#[test]
fn quorum_lost_is_told_before_the_last_member_says_so() {
    assert_snapshot!(break_it(|w| {
        w.down("etcd 10.99.0.2", Reason::Refused, -3).down("etcd 10.99.0.3", Reason::Refused, -2);
        w.pick("etcd 10.99.0.1").for_each(|e| e.last.started = at(-8));
    }), @r#"
    critical EtcdQuorumLost: etcd has lost quorum: 2 of 3 members down
      + all 5 kubelets answer: running containers go on
      - nothing can be created, changed, scheduled or moved until 2 of 3 members answer
    EtcdQuorumLost <- EtcdMemberDown: etcd member m2 (10.99.0.2:2379) is down
    EtcdQuorumLost <- EtcdMemberDown: etcd member m3 (10.99.0.3:2379) is down
    (unsettled)
    "#);
}

#[test]
fn members_out_of_our_reach_are_not_lost_while_others_work_with_them() {
    assert_snapshot!(break_it(|w| { w.down("etcd", Reason::Timeout, -20); }), @r#"
    warning EtcdMemberDown: 3 of 3 etcd members can't be reached from here, yet etcd keeps quorum
      + all 3 API servers answer
      + etcd keeps quorum: API server 10.99.0.1:6443 reads through to etcd
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
    EtcdMemberDown <- EtcdMemberDown: etcd member m1 (10.99.0.1:2379) can't be reached from here
    EtcdMemberDown <- EtcdMemberDown: etcd member m2 (10.99.0.2:2379) can't be reached from here
    EtcdMemberDown <- EtcdMemberDown: etcd member m3 (10.99.0.3:2379) can't be reached from here
    "#);
}

#[test]
fn every_member_answers_and_none_leads() {
    assert_snapshot!(break_it(|w| { w.leaderless("etcd", -9).etcd_only("kube-apiserver", -8); }), @r#"
    critical EtcdQuorumLost: etcd has no leader: all 3 members answer, none of them is well
      + all 5 kubelets answer: running containers go on
      - nothing can be created, changed, scheduled or moved until 2 of 3 members answer
      - all 3 API servers fail on etcd
    EtcdQuorumLost <- ApiServersDown: all 3 API servers fail on etcd
    EtcdQuorumLost <- EtcdMemberUnhealthy: etcd member m1 (10.99.0.1:2379) answers but sees no leader
    EtcdQuorumLost <- EtcdMemberUnhealthy: etcd member m2 (10.99.0.2:2379) answers but sees no leader
    EtcdQuorumLost <- EtcdMemberUnhealthy: etcd member m3 (10.99.0.3:2379) answers but sees no leader
    "#);
}

#[test]
fn one_member_cut_off_from_the_others() {
    assert_snapshot!(break_it(|w| { w.leaderless("etcd 10.99.0.3", -9); }), @r#"
    warning EtcdMemberUnhealthy: etcd member m3 (10.99.0.3:2379) answers but sees no leader: quorum is kept by 2 of 3, margin 0: one more loss stops the cluster
      + all 3 API servers answer
      + etcd keeps quorum (2 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
    "#);
}

#[test]
fn etcd_invisible_and_failing() {
    assert_snapshot!(break_it(|w| {
        w.forget(Job::Etcd).etcd_only("kube-apiserver", -9);
        w.snapshot.etcd_members.clear();
    }), @r#"
    critical EtcdQuorumLost: every API server says that etcd fails: etcd has presumably lost quorum (its members can't be asked from here)
      + all 5 kubelets answer: running containers go on
      - nothing can be created, changed or scheduled until etcd works again
      - all 3 API servers fail on etcd
    EtcdQuorumLost <- ApiServersDown: all 3 API servers fail on etcd
    "#);
}

#[test]
fn api_servers_fail_on_an_etcd_that_is_well() {
    assert_snapshot!(break_it(|w| { w.etcd_only("kube-apiserver", -9); }), @r#"
    critical ApiServersDown: all 3 API servers fail on etcd, though etcd itself is well: suspect the certificate by which they log in to it, then their way there
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
      - nothing can be created, changed or scheduled; kubectl fails
    "#);
}

#[test]
fn etcd_out_of_space() {
    assert_snapshot!(break_it(|w| {
        w.alarm("etcd", "NOSPACE", -9);
    }), @r#"
    critical EtcdAlarm: etcd is out of space (alarm NOSPACE of m2): it refuses every write
      + all 3 API servers answer
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
      - nothing can be created or changed; reading still works
    "#);
}

#[test]
fn a_member_that_does_not_tell_the_alarm_is_unwell_by_it() {
    let told = break_it(|w| {
        w.alarm("etcd", "NOSPACE", -9);
        w.etcd("etcd 10.99.0.3", |f| f.alarms.clear());
    });
    assert!(told.contains("EtcdAlarm <- EtcdMemberUnhealthy"), "{told}");
}

#[test]
fn members_that_refuse_our_certificate_live() {
    assert_snapshot!(break_it(|w| {
        w.down("etcd", Reason::Tls, -9);
        for entry in w.pick("etcd") {
            let chain = [world::certificate("serving", "CN=etcd", -world::days(9), world::days(300))].into();
            entry.last.tls = Some(TlsFacts { version: None, chain, anchor: None, verified: true });
        }
        w.own.push(world::certificate("etcd-client", "CN=etcd-client", -world::days(365), -10));
    }), @r#"
    warning CredentialsRefused: our credentials are refused by all 3 etcd members: our etcd client certificate expired on 2026-11-23
      + 10.99.0.1:2379, 10.99.0.2:2379 and 10.99.0.3:2379 answer: they live
    CredentialsRefused <- CertificateExpiring: our etcd client certificate (CN=etcd-client) expired on 2026-11-23
    "#);
}

#[test]
fn a_member_added_and_never_started() {
    assert_snapshot!(break_it(|w| {
        let unborn = EtcdMember { name: String::new(), client_urls: Vec::new(), ..world::member(4) };
        for entry in w.pick("etcd") {
            if let Facts::Etcd(facts) = &mut entry.last.facts {
                facts.members.push(unborn.clone());
            }
        }
    }), @r#"
    critical EtcdMemberDown: etcd member 10.99.0.4:2380 (added, never started) is down: quorum is kept by 3 of 4, margin 0: one more loss stops the cluster
      + all 3 API servers answer
      + etcd keeps quorum (3 of 4)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
    "#);
}

#[test]
fn the_only_member() {
    assert_snapshot!(break_it(|w| {
        w.entries.retain(|e| e.target.key.job == Job::Kubelet || e.target.key.instance.starts_with("10.99.0.1:"));
        w.snapshot.etcd_members.truncate(1);
        w.down("etcd", Reason::Refused, -12).etcd_only("kube-apiserver", -8);
    }), @r#"
    critical EtcdQuorumLost: etcd is down: its only member m1 (10.99.0.1:2379) refuses connections
      + all 5 kubelets answer: running containers go on
      - nothing can be created, changed, scheduled or moved until it answers
      - the API server 10.99.0.1:6443 fails on etcd
    EtcdQuorumLost <- ApiServersDown: the API server 10.99.0.1:6443 fails on etcd
    EtcdQuorumLost <- EtcdMemberDown: etcd member m1 (10.99.0.1:2379) is down
    "#);
}

/// The headline of lost quorum.
fn headline(break_it: impl FnOnce(&mut World)) -> String {
    let mut world = World::new(2);
    break_it(&mut world);
    let found = world.diagnose().findings;
    found.into_iter().find(|f| f.key.alert == AlertName::EtcdQuorumLost).map(|f| f.headline).unwrap_or_default()
}

#[test]
fn what_is_certain_of_lost_members_and_what_is_likely() {
    let lost = |one: Reason, other: Reason, says_so: bool| {
        headline(|w| {
            w.down("etcd 10.99.0.2", one, -40).down("etcd 10.99.0.3", other, -40);
            w.forget(Job::KubeApiserver);
            match says_so {
                true => w.leaderless("etcd 10.99.0.1", -35),
                false => {
                    w.refuse_us("etcd 10.99.0.1", 401, -50).etcd("etcd", |f| *f = EtcdFacts::new(EtcdVia::Handshake))
                }
            };
        })
    };
    use Reason::{Refused, Timeout, Unreachable};
    assert_eq!(lost(Refused, Refused, true), "etcd has lost quorum: 2 of 3 members down");
    assert_eq!(lost(Refused, Refused, false), "etcd has lost quorum: 2 of 3 members down");
    assert_eq!(lost(Refused, Timeout, true), "etcd has lost quorum: 2 of 3 members gone (1 down, 1 silent)");
    assert_eq!(lost(Refused, Timeout, false), "etcd has probably lost quorum: 2 of 3 members gone (1 down, 1 silent)");
    assert_eq!(lost(Timeout, Unreachable, true), "etcd has lost quorum: 2 of 3 members silent");
    assert_eq!(lost(Timeout, Unreachable, false), "etcd has probably lost quorum: 2 of 3 members silent");
}

#[test]
fn the_only_member_silent() {
    let only = |api: bool| {
        headline(|w| {
            w.entries.retain(|e| e.target.key.job == Job::Kubelet || e.target.key.instance.starts_with("10.99.0.1:"));
            w.snapshot.etcd_members.truncate(1);
            w.down("etcd", Reason::Timeout, -40);
            if api {
                w.etcd_only("kube-apiserver", -30)
            } else {
                w.forget(Job::KubeApiserver)
            };
        })
    };
    assert_eq!(only(true), "etcd is down: its only member m1 (10.99.0.1:2379) is silent");
    assert_eq!(only(false), "etcd is probably down: its only member m1 (10.99.0.1:2379) is silent");
}

#[test]
fn what_a_members_reads_tell_is_evidence() {
    let ms = Duration::from_millis;
    let found = |own: Option<u64>, agreed: Option<u64>| {
        let mut world = World::new(2);
        for entry in world.pick("etcd 10.99.0.2") {
            entry.fail(State::Down, Reason::Degraded, -30);
        }
        world.etcd("etcd 10.99.0.2", |f| (f.serializable, f.linearizable) = (own.map(ms), agreed.map(ms)));
        let found =
            world.diagnose().findings.into_iter().find(|f| f.key.alert == AlertName::EtcdMemberUnhealthy).unwrap();
        (found.headline, found.evidence.join("\n"))
    };
    let (headline, evidence) = found(Some(2), None);
    assert!(headline.starts_with("etcd member m2 (10.99.0.2:2379) answers but sees no quorum"), "{headline}");
    assert!(evidence.contains("it reads its own data, and no read is agreed upon"), "{evidence}");
    let (headline, evidence) = found(Some(2), Some(900));
    assert!(headline.contains("answers and is not well"), "{headline}");
    assert!(evidence.contains("takes 900 ms there, one of its own data 2 ms: raft is slow"), "{evidence}");
    for (own, agreed) in
        [(Some(2), Some(5)), (Some(2), Some(400)), (Some(200), Some(900)), (None, None), (None, Some(900))]
    {
        let (_, evidence) = found(own, agreed);
        assert!(!evidence.contains("raft") && !evidence.contains("agreed"), "{own:?} {agreed:?}: {evidence}");
    }
}

#[test]
fn the_checks_that_a_member_fails_are_told_with_their_meaning() {
    let mut world = World::new(2);
    for entry in world.pick("etcd 10.99.0.2") {
        entry.fail(State::Down, Reason::Degraded, -30);
        let line = |name: &str, ok| CheckLine { page: "readyz".into(), name: name.into(), ok, message: String::new() };
        entry.last.checks =
            vec![line("data_corruption", false), line("serializable_read", true), line("new_check", false)];
    }
    let found = world.diagnose().findings.into_iter().find(|f| f.key.alert == AlertName::EtcdMemberUnhealthy).unwrap();
    let told = found.evidence.join("\n");
    assert!(told.contains("; failing checks: data_corruption (its data is corrupt) and new_check"), "{told}");
}

#[test]
fn api_servers_that_fail_on_etcd_quote_its_reads() {
    let mut world = World::new(2);
    world.etcd_only("kube-apiserver", -9);
    world.etcd("etcd 10.99.0.3", |f| {
        (f.serializable, f.linearizable) = (Some(Duration::from_millis(1)), Some(Duration::from_millis(1400)));
    });
    let found = world.diagnose().findings.into_iter().next().unwrap();
    assert_eq!(found.key.alert, AlertName::ApiServersDown);
    let told = "etcd member 10.99.0.3:2379: a read that the members agree upon takes 1.40 s there";
    assert!(found.evidence.iter().any(|line| line.starts_with(told)), "{:?}", found.evidence);
}

#[test]
fn quorum_lost_in_full() {
    let mut world = World::new(2);
    world.down("etcd 10.99.0.2", Reason::Refused, -12).down("etcd 10.99.0.3", Reason::Timeout, -11);
    world.leaderless("etcd 10.99.0.1", -9).etcd_only("kube-apiserver", -8);
    let finding = world.diagnose().findings.into_iter().next().unwrap();
    assert_snapshot!(in_full(&finding), @r#"
    etcd has lost quorum: 2 of 3 members gone (1 down, 1 silent)
    since 2026-11-23T05:59:49Z
      m1: etcd member 10.99.0.1:2379 is not healthy since 2026-11-23 05:59:51 UTC: it failed (degraded); last healthy 2026-11-23 05:59:41 UTC
      m2: etcd member 10.99.0.2:2379 refuses connections since 2026-11-23 05:59:48 UTC: connection refused by 10.99.0.2:2379; last healthy 2026-11-23 05:59:38 UTC
      m3: etcd member 10.99.0.3:2379 is silent since 2026-11-23 05:59:49 UTC: it failed (timeout); last healthy 2026-11-23 05:59:39 UTC
    first: ssh to the host of m2 (10.99.0.2:2379): `crictl ps -a --name etcd` (or `systemctl status etcd`), `journalctl -u kubelet`, `df -h`; start the member again. Where its data is lost for good, restore from a snapshot; never remove members first
    {"job": "etcd"}
    "#);
}

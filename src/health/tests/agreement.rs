//! Members of etcd that do not hold the same data.

use super::*;
use crate::model::*;

fn break_it(break_it: impl FnOnce(&mut World)) -> String {
    let mut world = World::new(5);
    break_it(&mut world);
    told(&world)
}

fn change(w: &mut World, which: &str, change: impl Fn(&mut EtcdFacts)) {
    w.etcd(which, change);
}

#[test]
fn a_member_started_on_an_empty_directory() {
    assert_snapshot!(break_it(|w| {
        change(w, "etcd", |f| f.revision = Some(120_034));
        change(w, "etcd 10.99.0.2", |f| {
            (f.cluster_id, f.member_id, f.revision) = (Some(99), Some(42), Some(5));
            f.members = vec![EtcdMember { id: 42, ..world::member(2) }];
        });
    }), @r#"
    critical EtcdInconsistent: etcd at 10.99.0.2:2379 is a new, empty cluster: do not write; stop the API servers that use it
      + all 3 API servers answer
      + etcd keeps quorum (2 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
      - whoever reads there finds nothing of the cluster; what is written there is lost to it
    EtcdInconsistent <- EtcdMemberUnhealthy: etcd member m2 (10.99.0.2:2379) is of another cluster: quorum is kept by 2 of 3, margin 0: one more loss stops the cluster
    "#);
}

#[test]
fn a_stranger_that_was_always_well_is_not_said_to_be_there_for_long() {
    let mut world = World::new(5);
    change(&mut world, "etcd 10.99.0.3", |f| f.cluster_id = Some(99));
    let findings = world.diagnose().findings;
    let member = findings.iter().find(|f| f.key.alert == AlertName::EtcdMemberUnhealthy);
    assert_eq!(member.map(|f| f.since), Some(world::at(0)));
}

#[test]
fn a_member_of_another_cluster_takes_no_seat_that_is_vacant() {
    let told = break_it(|w| {
        w.entries.retain(|e| &*e.target.key.instance != "10.99.0.3:2379");
        let spec = ProbeSpec::Etcd { client: url::Url::parse("https://10.99.0.9:2379").unwrap(), metrics: None };
        let facts = EtcdFacts { cluster_id: Some(99), member_id: Some(42), ..world::etcd_facts(9) };
        w.add(Job::Etcd, "10.99.0.9:2379", None, spec, Facts::Etcd(Box::new(facts)));
    });
    assert!(told.contains("EtcdInconsistent: etcd at 10.99.0.9:2379 belongs to another cluster"), "{told}");
    assert!(!told.contains("m3") && !told.contains("EtcdMemberUnhealthy"), "{told}");
}

#[test]
fn a_dead_member_by_another_name_sits_on_the_seat_that_is_vacant() {
    let told = break_it(|w| {
        w.entries.retain(|e| &*e.target.key.instance != "10.99.0.3:2379");
        let spec = ProbeSpec::Etcd { client: url::Url::parse("https://10.99.7.3:2379").unwrap(), metrics: None };
        w.add(Job::Etcd, "10.99.7.3:2379", None, spec, Facts::None);
        w.down("etcd 10.99.7.3", Reason::Refused, -30);
    });
    assert!(told.contains("EtcdMemberDown: etcd member m3 (10.99.7.3:2379) is down"), "{told}");
}

#[test]
fn a_member_of_another_cluster_with_a_history() {
    let told = break_it(|w| change(w, "etcd 10.99.0.3", |f| f.cluster_id = Some(99)));
    assert!(told.contains("etcd at 10.99.0.3:2379 belongs to another cluster than the other members"), "{told}");
}

#[test]
fn revisions_that_the_same_log_can_t_give() {
    let apart = |one: (u64, u64), other: (u64, u64)| {
        let told = break_it(|w| {
            for (which, (applied, revision)) in [("etcd 10.99.0.1", one), ("etcd 10.99.0.2", other)] {
                change(w, which, |f| {
                    (f.raft_index, f.raft_applied_index, f.revision) = (Some(applied), Some(applied), Some(revision));
                    f.before = f.log();
                });
            }
            w.entries.retain(|e| !e.target.key.instance.starts_with("10.99.0.3:2379"));
        });
        told.lines()
            .next()
            .map(|l| l.contains("EtcdInconsistent") && l.contains("the same log can't give"))
            .unwrap_or(false)
    };
    assert!(!apart((9_000, 8_000), (9_000, 8_000)));
    assert!(!apart((9_000, 8_000), (9_500, 8_400)), "asked later");
    assert!(!apart((9_500, 8_400), (9_000, 8_000)));
    assert!(!apart((9_000, 8_000), (9_010, 8_030)), "figures of one answer are read one after the other");
    assert!(apart((9_000, 8_000), (9_000, 7_000)));
    assert!(apart((9_000, 8_000), (9_500, 7_900)));
    assert!(apart((9_000, 8_000), (9_100, 8_300)));
    assert!(!apart((u64::MAX, u64::MAX), (u64::MAX, u64::MAX)));
}

#[test]
fn a_member_that_takes_in_a_snapshot_is_not_compared() {
    let told = break_it(|w| {
        change(w, "etcd 10.99.0.2", |f| {
            (f.raft_index, f.raft_applied_index, f.revision) = (Some(90_000), Some(480), Some(80_000));
        });
    });
    assert!(!told.contains("EtcdInconsistent"), "{told}");
}

#[test]
fn keys_that_hash_differently_at_one_revision() {
    let hash = |hash| EtcdHash { revision: 400, compacted: 300, hash };
    assert_snapshot!(break_it(|w| {
        change(w, "etcd", |f| f.hash = Some(hash(7)));
        change(w, "etcd 10.99.0.2", |f| f.hash = Some(hash(8)));
    }), @r#"
    critical EtcdInconsistent: etcd's members hold different data: the keys up to the same revision differ between 10.99.0.1:2379 and 10.99.0.2:2379
      + all 3 API servers answer
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
      - members answer differently: objects come and go with the API server that is asked
    "#);
    assert_eq!(
        break_it(|w| {
            change(w, "etcd", |f| f.hash = Some(hash(7)));
            change(w, "etcd 10.99.0.2", |f| f.hash = Some(EtcdHash { compacted: 301, ..hash(8) }));
            change(w, "etcd 10.99.0.3", |f| f.hash = Some(EtcdHash { revision: 500, ..hash(8) }));
        }),
        ""
    );
}

#[test]
fn what_earlier_answers_told_is_remembered() {
    let peer = |received| EtcdPeer { id: 2, received, heard_after: None, still_since: None };
    let facts = |received| EtcdFacts { peers: vec![peer(received)], ..world::etcd_facts(1) };
    let at = world::at;
    let (first, mut second, mut third) = (facts(10), facts(20), facts(20));
    second.remember(&first, at(0), at(10));
    assert_eq!((second.peers[0].heard_after, second.peers[0].still_since), (Some(at(0)), Some(at(10))));
    third.remember(&second, at(10), at(20));
    assert_eq!((third.peers[0].heard_after, third.peers[0].still_since), (Some(at(0)), Some(at(10))));
    let mut unread = EtcdFacts { peers: Vec::new(), ..world::etcd_facts(1) };
    unread.remember(&third, at(20), at(30));
    assert_eq!(unread.peers, third.peers, "metrics that were not read take nothing away");
    let mut hashed = EtcdFacts { hash: Some(EtcdHash { revision: 1, compacted: 0, hash: 5 }), ..facts(20) };
    hashed.remember(&third, at(20), at(30));
    let mut later = facts(30);
    later.remember(&hashed, at(30), at(40));
    assert_eq!(later.hash, hashed.hash);
    assert_eq!((unread.peers_at, later.peers_at), (Some(at(20)), None));
    assert_eq!(later.before, hashed.log());
    let mut another = EtcdFacts { member_id: Some(9), ..facts(30) };
    another.remember(&hashed, at(30), at(40));
    assert_eq!((another.hash, another.before), (None, None));
}

#[test]
fn one_answer_that_does_not_fit_is_a_pause_between_its_figures() {
    let told = break_it(|w| {
        change(w, "etcd", |f| f.before = f.log());
        change(w, "etcd 10.99.0.2", |f| f.revision = Some(900));
    });
    assert_eq!(told, "");
}

//! What is told of a cluster's nodes, read or not.

use super::super::*;
use crate::model::{NodeCondition, ObservedLease};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn series(snapshot: &ClusterSnapshot, strangers: &[&str], name: &str) -> Vec<String> {
    let strangers = strangers.iter().copied().collect();
    let told = OfCluster { snapshot, own: &[], quorum: None, canaries: &[] };
    let whole = of_cluster("c", &Default::default(), &told, at(0), &[]);
    let nodes = of_nodes("c", &Default::default(), snapshot, &strangers, at(0), &[]);
    let named = whole.iter().chain(&*nodes).filter(|s| &*s.labels.name == name);
    named.map(|s| format!("{}={}", s.labels.get("why").unwrap_or_default(), s.value)).collect()
}

#[test]
fn what_was_never_read_has_an_age_too() {
    let check = |asked: Option<i64>, read: Option<i64>, expected: &[&str]| {
        let (asked_since, read_at) = (asked.map(at), read.map(at));
        let snapshot = ClusterSnapshot { asked_since, read_at, ..ClusterSnapshot::default() };
        assert_eq!(series(&snapshot, &[], "dogwatch_discovery_age_seconds"), expected);
    };
    check(None, None, &[]);
    check(Some(-900), None, &["=900"]);
    check(Some(-900), Some(-7), &["=7"]);
}

#[test]
fn nodes_are_excused_by_what_is_known_of_them() {
    let told = |node: NodeFact, strangers: &[&str]| {
        let node = NodeFact { name: "n".into(), ..node };
        let snapshot = ClusterSnapshot { read_at: Some(at(0)), nodes: vec![node], ..ClusterSnapshot::default() };
        series(&snapshot, strangers, "dogwatch_node_excused")
    };
    let reported = || {
        let ready = NodeCondition { kind: "Ready".into(), ..NodeCondition::default() };
        NodeFact { conditions: [ready].into(), ..NodeFact::default() }
    };
    let check = |node: NodeFact, strangers: &[&str], expected: &[&str]| assert_eq!(told(node, strangers), expected);
    let leased = |age: i64| {
        let first = ObservedLease::read(None, "a", None, at(-age));
        NodeFact { lease: Some(ObservedLease::read(Some(&first), "a", None, at(0))), ..reported() }
    };
    let created = |age: i64| NodeFact { created: Some(at(-age)), ..reported() };
    check(reported(), &[], &[]);
    check(NodeFact::default(), &[], &["coming=1"]);
    check(NodeFact { unschedulable: true, ..reported() }, &[], &["going=1"]);
    check(created(100), &[], &["new=1"]);
    check(created(1000), &[], &[]);
    check(leased(4), &["n"], &["out_of_reach=1"]);
    check(leased(4), &["m"], &[]);
    check(leased(90), &["n"], &[]);
}

use serde_json::{Value, json};

use super::*;
use crate::inventory::{news::Source, object::made, situation::Summary};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_413_600 + seconds).unwrap()
}

fn pod(name: &str, node: &str, ready: bool, turned: i64) -> Object {
    let status = if ready { "True" } else { "False" };
    made(
        "pods",
        &format!("shop/{name}"),
        json!({
            "metadata": {"labels": {"app": "x", "pod-template-hash": "5d"}, "creationTimestamp": at(-9_000).to_string(),
                "ownerReferences": {"api-5d": {"kind": "ReplicaSet", "controller": true}}},
            "spec": {"nodeName": node, "volumes": {"v": {"persistentVolumeClaim": {"claimName": "data"}}}},
            "status": {"phase": "Running", "conditions": {"Ready": {"status": status, "lastTransitionTime": at(turned).to_string()}}},
        }),
    )
}

fn node(name: &str, ready: &str, turned: i64) -> Object {
    let attached = json!({"kubernetes.io/csi/ebs.csi.aws.com^vol-1": {}, "kubernetes.io/csi/x^vol-2": {}});
    let ready = json!({"status": ready, "lastTransitionTime": at(turned).to_string()});
    made("nodes", name, json!({"status": {"conditions": {"Ready": ready}, "volumesAttached": attached}}))
}

fn tell(summary: &mut Summary, object: &Object, is_gone: bool, source: Source, now: i64) {
    summary.take(&News { object, before: None, is_gone, source, at: at(now) });
}

fn lost(summary: &mut Summary, node: &str, now: i64) -> Vec<(String, u32, u32)> {
    let lost = summary.situation(at(now)).placement.lost([node]);
    lost.workloads.iter().map(|l| (format!("{} {}", l.workload.kind, l.workload.path()), l.lost, l.all)).collect()
}

fn api(lost: u32, all: u32) -> Vec<(String, u32, u32)> {
    vec![("Deployment shop/api".to_owned(), lost, all)]
}

#[test]
fn what_was_ready_when_a_node_was_lost_is_known_whatever_becomes_of_it() {
    let mut summary = Summary::default();
    let seen = Source::Seen;
    for name in ["w1", "w2"] {
        tell(&mut summary, &node(name, "True", -9_000), false, seen, 0);
    }
    for (name, at) in [("api-5d-a", "w1"), ("api-5d-b", "w1"), ("api-5d-c", "w2")] {
        tell(&mut summary, &pod(name, at, true, -9_000), false, seen, 0);
    }
    assert_eq!(lost(&mut summary, "w1", 1), api(2, 3));
    // The node controller: pods may be told before their node, since each kind has a watch of its own.
    tell(&mut summary, &pod("api-5d-a", "w1", false, 40), false, seen, 40);
    tell(&mut summary, &node("w1", "Unknown", 40), false, seen, 40);
    tell(&mut summary, &pod("api-5d-b", "w1", false, 41), false, seen, 41);
    assert_eq!(lost(&mut summary, "w1", 41), api(2, 3));
    // Others take their place, and the old ones go.
    let mut new = pod("api-5d-d", "w2", true, 345);
    new.fields["metadata"]["creationTimestamp"] = Value::from(at(341).to_string());
    tell(&mut summary, &new, false, seen, 345);
    tell(&mut summary, &pod("api-5d-a", "w1", false, 40), true, seen, 350);
    assert_eq!(lost(&mut summary, "w1", 350), api(2, 3));
    // It is back.
    tell(&mut summary, &node("w1", "True", 900), false, seen, 900);
    tell(&mut summary, &pod("api-5d-b", "w1", true, 901), false, seen, 901);
    assert_eq!(lost(&mut summary, "w1", 901), api(1, 3));
}

#[test]
fn history_alone_tells_it_too_in_any_order() {
    let objects = [
        pod("api-5d-a", "w1", false, 40),
        node("w1", "Unknown", 40),
        pod("api-5d-c", "w2", true, -9_000),
        // Not ready for long before.
        pod("api-5d-x", "w1", false, -200),
        made(
            "persistentvolumes",
            "pv-1",
            json!({"spec": {"csi": {"driver": "ebs.csi.aws.com", "volumeHandle": "vol-1"},
            "claimRef": {"namespace": "shop", "name": "db-0"}}}),
        ),
    ];
    for turn in 0..objects.len() {
        let mut summary = Summary::default();
        let (head, tail) = objects.split_at(turn);
        tail.iter().chain(head).for_each(|object| {
            tell(&mut summary, object, false, Source::History, 100);
            summary.situation(at(500));
        });
        assert_eq!(lost(&mut summary, "w1", 501), api(1, 2));
        let volumes = summary.situation(at(501)).placement.lost(["w1"]).volumes;
        assert_eq!(volumes, ["kubernetes.io/csi/x^vol-2", "shop/data", "shop/db-0"]);
        assert_eq!(summary.situation(at(502)).as_of, None);
    }
}

#[test]
fn nothing_is_left_of_what_has_gone() {
    let mut placements = Placements::default();
    let objects = [node("w1", "True", 0), pod("api-5d-a", "w1", true, 0), pod("api-5d-b", "w2", true, 0)];
    for is_gone in [false, true, false, true] {
        for object in &objects {
            placements.take(&News { object, before: None, is_gone, source: Source::Seen, at: at(0) });
        }
        placements.now(at(1));
        assert_eq!(placements.last.nodes.len(), if is_gone { 0 } else { 2 });
    }
    assert!(placements.pods.is_empty() && placements.nodes.is_empty() && placements.numbers.is_empty());
    assert_eq!((placements.workloads.len(), placements.free.len()), (1, 1));
}

#[test]
fn what_a_pod_belongs_to_is_read_from_itself() {
    let workload = |owner: Value, labels: Value| {
        let of = workload_of(&made("pods", "n/p", json!({"metadata": {"labels": labels, "ownerReferences": owner}})));
        format!("{} {}", of.kind, of.path())
    };
    let set = json!({"api-5d": {"kind": "ReplicaSet", "controller": true}});
    assert_eq!(workload(set.clone(), json!({"pod-template-hash": "5d"})), "Deployment n/api");
    assert_eq!(workload(set, json!({})), "ReplicaSet n/api-5d");
    assert_eq!(workload(json!({"db": {"kind": "StatefulSet"}}), json!({})), "StatefulSet n/db");
    assert_eq!(workload(json!({}), json!({})), "Pod n/p");
}

#[test]
fn of_many_nodes_only_the_one_that_changed_is_made_anew() {
    let mut summary = Summary::default();
    for i in 0..200 {
        tell(&mut summary, &pod(&format!("api-5d-{i}"), &format!("w{}", i % 20), true, 0), false, Source::Seen, 0);
    }
    let before = summary.situation(at(1)).placement;
    assert!(Arc::ptr_eq(&before, &summary.situation(at(2)).placement), "nothing has changed");
    tell(&mut summary, &pod("api-5d-7", "w7", false, 3), false, Source::Seen, 3);
    let after = summary.situation(at(4)).placement;
    let anew = after.nodes.iter().filter(|(name, load)| !Arc::ptr_eq(load, &before.nodes[*name]));
    assert_eq!(anew.map(|(name, _)| &**name).collect::<Vec<_>>(), ["w7"]);
    assert_eq!((before.ready[0], after.ready[0]), (200, 199));
}

//! What ran on what is lost.

use std::sync::Arc;

use super::*;
use crate::model::*;
use world::at;

/// Workloads as `(kind, name, part, [(node, ready there)])`.
type Pods<'a> = (&'a str, &'a str, Option<AlarmPart>, &'a [(&'a str, u32)]);

fn situation(as_of: Option<i64>, workloads: &[Pods<'_>]) -> Situation {
    let mut placement = Placement::default();
    for (number, (kind, name, part, pods)) in workloads.iter().enumerate() {
        let workload =
            Arc::new(Workload { kind: (*kind).into(), namespace: "shop".into(), name: (*name).into(), part: *part });
        placement.ready.push(pods.iter().map(|(_, n)| n).sum());
        for (node, here) in *pods {
            let load = Arc::make_mut(placement.nodes.entry((*node).into()).or_default());
            load.shares.push(Share { workload: workload.clone(), number, here: *here, then: None });
            load.volumes = vec!["shop/data".into()];
        }
    }
    Situation { as_of: as_of.map(at), placement: placement.into(), ..Situation::default() }
}

const PODS: [Pods<'static>; 5] = [
    ("Deployment", "api", None, &[("n02", 3)]),
    ("StatefulSet", "auth", None, &[("n02", 1), ("n03", 1)]),
    ("DaemonSet", "agent", None, &[("n02", 1)]),
    ("Deployment", "coredns", Some(AlarmPart::Dns), &[("n02", 1)]),
    ("Job", "import", None, &[("n02", 1)]),
];

fn found(world: &World, alert: AlertName) -> Finding {
    world.diagnose().findings.into_iter().find(|f| f.key.alert == alert).unwrap()
}

#[test]
fn a_lost_node_tells_what_is_gone_with_it() {
    let mut world = World::new(5);
    world.down("kubelet 10.99.1.2", Reason::Timeout, -15).lease("n02", 20);
    world.situation = Some(situation(Some(-2), &PODS));
    let finding = found(&world, AlertName::NodeDown);
    assert!(
        finding
            .headline
            .ends_with("lease; with it the only replica of coredns (cluster DNS) and all 3 replicas of api"),
        "{}",
        finding.headline
    );
    insta::assert_snapshot!(finding.consequences[1..].join("\n"), @r"
    only there ran: the only replica of Deployment shop/coredns, all 3 replicas of Deployment shop/api and the only replica of Job shop/import
    a part of these ran there: 1 of 2 of shop/auth
    of the way of an alarm ran there: cluster DNS (1 of 1 of shop/coredns)
    volumes that were in use there: shop/data
    ");
    world.situation = Some(situation(None, &PODS));
    let finding = found(&world, AlertName::NodeDown);
    assert!(finding.consequences.iter().any(|l| l.ends_with("shop/auth (as last recorded, by an earlier run)")));
}

#[test]
fn a_kubelet_that_is_down_takes_nothing_with_it() {
    let mut world = World::new(5);
    world.down("kubelet 10.99.1.2", Reason::Refused, -4).lease("n02", 8);
    world.situation = Some(situation(Some(-2), &PODS));
    let finding = found(&world, AlertName::KubeletDown);
    assert!(!finding.headline.contains("replica"), "{}", finding.headline);
}

#[test]
fn several_nodes_tell_what_is_gone_with_all_of_them() {
    let mut world = World::new(5);
    for (i, node) in [(2, "n02"), (3, "n03"), (4, "n04")] {
        world.down(&format!("kubelet 10.99.1.{i}"), Reason::Timeout, -15).lease(node, 20);
    }
    world.situation = Some(situation(Some(-2), &PODS));
    let finding = found(&world, AlertName::NodesDown);
    let told =
        "; with them the only replica of coredns (cluster DNS), all 3 replicas of api and all 2 replicas of auth";
    assert!(finding.headline.ends_with(told), "{}", finding.headline);
}

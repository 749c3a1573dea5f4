//! Where pods are made in turn: each zone, or each node. Pure but for a look at the picture.

use std::collections::BTreeSet;

use crate::{
    discover::config::Each,
    model::{CANARY_FAILURES, CanaryPlace, CanaryStanding, Live, NodeFact},
};

/// More places than this are not visited by themselves: at one a run, none of them would be seen twice a day.
const PLACES_MAX: usize = 500;

/// Returns where pods are made; never nothing.
pub(super) fn places(live: &Live, cluster: &str, each: Option<Each>) -> BTreeSet<CanaryPlace> {
    let live = live.read();
    let nodes = live.clusters.get(cluster).map(|c| c.snapshot.nodes.as_slice()).unwrap_or_default();
    let found: BTreeSet<CanaryPlace> =
        nodes.iter().filter(|n| takes_pods(n)).filter_map(|n| place(n, each?)).take(PLACES_MAX).collect();
    if found.is_empty() { [CanaryPlace::Anywhere].into() } else { found }
}

fn place(node: &NodeFact, each: Each) -> Option<CanaryPlace> {
    match each {
        Each::Zone => node.traits.get("zone").map(|zone| CanaryPlace::Zone(zone.clone())),
        Each::Node => Some(CanaryPlace::Node(node.name.to_string())),
    }
}

/// Whether a pod without tolerations may come to it: what is known to be away is told by others.
fn takes_pods(node: &NodeFact) -> bool {
    let keeps_away = |effect: &str| matches!(effect, "NoSchedule" | "NoExecute");
    node.is_ready()
        && !node.is_virtual
        && node.passage().is_none()
        && !node.taints.iter().any(|t| keeps_away(&t.effect))
}

/// Returns the place of the next run: where the last one failed and is not confirmed, there again; else the next one.
pub(super) fn next<'a>(
    all: &BTreeSet<CanaryPlace>,
    standings: impl Iterator<Item = &'a CanaryStanding>,
) -> CanaryPlace {
    let last = standings.filter(|s| all.contains(&s.place)).max_by_key(|s| s.last.ended);
    let Some(last) = last else { return all.first().cloned().unwrap_or_default() };
    if last.failures > 0 && last.failures < CANARY_FAILURES {
        return last.place.clone();
    }
    all.iter().find(|place| **place > last.place).or_else(|| all.first()).cloned().unwrap_or_default()
}

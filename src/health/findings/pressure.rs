//! Nodes that are starved, by their kubelet's own word.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    health::{
        nodes::{self, Pressure},
        picture::Picture,
        say,
        time::later,
    },
    model::{AlertName, Finding, FindingKey, Job, NodeFact, Said, Severity},
};

/// Evictions relieve a node within this, where they do.
const LASTS: Duration = Duration::from_secs(60);
/// So many nodes are named.
const NAMED: usize = 3;
/// So many are told in the evidence.
const EVIDENCE: usize = 10;

/// One finding for each kind of pressure.
pub(super) fn findings(p: &Picture<'_>) -> Vec<Finding> {
    if !nodes::conditions_count(&p.indexed, &p.api) {
        return Vec::new();
    }
    Pressure::ALL.into_iter().filter_map(|pressure| of_kind(p, pressure)).collect()
}

/// Since when a node is under a pressure that lasts.
fn lasting(p: &Picture<'_>, pressure: Pressure, fact: &NodeFact) -> Option<Timestamp> {
    let since = pressure.of(fact)?.since?;
    (later(p.indexed.now, since, LASTS) && !nodes::in_maintenance(fact)).then_some(since)
}

/// Returns the finding that explains why a node is NotReady: it was starved before.
pub(super) fn of_node(p: &Picture<'_>, name: &str, since: Timestamp) -> Option<FindingKey> {
    let fact = p.indexed.node(name)?;
    let before = |pressure: &Pressure| lasting(p, *pressure, fact).is_some_and(|at| at <= since);
    let pressure = Pressure::ALL.into_iter().find(before)?;
    Some(p.indexed.key(AlertName::NodePressure, pressure.condition()))
}

/// Where a node's pods are evicted, that is what is told of it, and the pressure is part of that.
pub(super) fn join_evictions(all: &mut [Finding]) {
    let evicted = |f: &&Finding| f.key.alert == AlertName::PodsEvicted && f.labels.contains_key("node");
    let evictions: Vec<_> =
        all.iter().filter(evicted).filter_map(|f| Some((f.labels.get("node")?.clone(), f.key.clone()))).collect();
    for finding in all.iter_mut().filter(|f| f.key.alert == AlertName::NodePressure && f.caused_by.is_none()) {
        let node = finding.labels.get("node");
        finding.caused_by = evictions.iter().find(|(of, _)| Some(of) == node).map(|(_, key)| key.clone());
    }
}

fn of_kind(p: &Picture<'_>, pressure: Pressure) -> Option<Finding> {
    let nodes = p.indexed.view.snapshot.nodes.iter();
    let lasts: Vec<(&NodeFact, Timestamp)> =
        nodes.filter_map(|fact| lasting(p, pressure, fact).map(|since| (fact, since))).collect();
    let since = lasts.iter().map(|(_, since)| *since).min()?;
    let all: Vec<&NodeFact> = lasts.into_iter().map(|(fact, _)| fact).collect();
    let names: Vec<&str> = all.iter().map(|fact| &*fact.name).collect();
    let headline = Said::new("nodes-starved").with("n", names.len()).names("names", &names, NAMED);
    let headline = headline.with("pressure", pressure.condition());
    let mut finding = p.indexed.finding(AlertName::NodePressure, pressure.condition(), Severity::Warning, headline);
    finding.since = since;
    finding.labels.insert("job".into(), Job::Kubelet.to_string());
    finding.labels.insert("condition".into(), pressure.condition().to_owned());
    if let [only] = names.as_slice() {
        finding.labels.insert("node".into(), (*only).to_owned());
    }
    let line = |fact: &&NodeFact| {
        let condition = pressure.of(fact)?;
        Some(format!("{}: {} ({})", fact.name, condition.reason, condition.message))
    };
    finding.evidence = all.iter().take(EVIDENCE).filter_map(line).collect();
    finding.consequences.push("pods are evicted there, and none that asks for nothing is placed there".into());
    let node = names.first().copied().unwrap_or("NODE");
    say::first_step(&mut finding, Said::new("step-pressure").with("pressure", pressure.condition()).with("node", node));
    Some(finding)
}

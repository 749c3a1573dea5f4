//! Nodes that were cordoned and forgotten, that report a fault, or whose object was deleted.

use std::{collections::BTreeMap, time::Duration};

use super::{Objects, registry};
use crate::{
    health::say,
    model::{AlertName, CordonedNode, Finding, NodeProblem, Said, Severity, text},
};

/// By then a node that was drained for an upgrade is back.
const FORGOTTEN: Duration = Duration::from_secs(15 * 60);
/// What a program on a node reports must last for so long.
const PROBLEM_LASTS: Duration = Duration::from_secs(60);
/// So many nodes are named.
const NAMED: usize = 3;
/// So many are told in the evidence.
const EVIDENCE: usize = 10;

pub(super) fn findings(o: &Objects<'_>) -> Vec<Finding> {
    let mut all: Vec<Finding> = cordoned(o).into_iter().chain(deleted(o)).collect();
    let mut by_condition: BTreeMap<&str, Vec<&NodeProblem>> = BTreeMap::new();
    for problem in o.situation.node_problems.iter().filter(|problem| o.lasts(problem.since, PROBLEM_LASTS)) {
        by_condition.entry(&problem.condition).or_default().push(problem);
    }
    all.extend(by_condition.into_iter().map(|(condition, problems)| reported(o, condition, &problems)));
    all
}

/// All that are cordoned are one finding: somebody works at them, or has forgotten them. Worth knowing at once, and a word
/// once it lasts.
fn cordoned(o: &Objects<'_>) -> Option<Finding> {
    let mut all: Vec<&CordonedNode> = o.situation.cordoned.iter().collect();
    all.sort_by_key(|c| (c.since, &c.node));
    let first = *all.first()?;
    let is_forgotten = o.lasts(first.since, FORGOTTEN);
    if is_forgotten {
        all.retain(|c| o.lasts(c.since, FORGOTTEN));
    }
    let names: Vec<&str> = all.iter().map(|c| c.node.as_str()).collect();
    let held = all.iter().any(|c| c.pods > 0 && !c.budgets.is_empty());
    let state = match all.iter().all(|c| c.pods == 0) {
        true => "drained",
        false if held => "held",
        false => "plain",
    };
    let headline = Said::new("nodes-cordoned").with("n", names.len()).names("names", &names, NAMED);
    let headline = headline.with("state", state);
    let severity = if is_forgotten { Severity::Warning } else { Severity::Info };
    let mut finding = o.finding((AlertName::NodeCordoned, ""), severity, headline, first.since);
    if let [only] = all.as_slice() {
        finding.labels.insert("node".into(), only.node.clone());
    }
    let line = |c: &&&CordonedNode| {
        let left = match (c.pods, c.pods_before) {
            (0, 0) => "no pods there".to_owned(),
            (0, before) => format!("none of its {before} pods is left"),
            (now, before) => format!("{now} of {before} pods are still there"),
        };
        let budgets = if c.budgets.is_empty() {
            String::new()
        } else {
            format!("; no disruption is allowed by {}", c.budgets.join(", "))
        };
        format!("{}: cordoned since {}, {left}{budgets}", c.node, text::moment(c.since))
    };
    finding.evidence = all.iter().take(EVIDENCE).map(|c| line(&c)).collect();
    let step = Said::new("step-cordoned").names("names", &names, NAMED).with("node", &first.node);
    say::first_step(&mut finding, step);
    Some(finding)
}

fn deleted(o: &Objects<'_>) -> Option<Finding> {
    let all = &o.situation.deleted_nodes;
    let first = all.iter().min_by_key(|d| d.at)?;
    let names: Vec<&str> = all.iter().map(|d| d.node.as_str()).collect();
    let headline = match names.len() {
        1 => Said::new("node-object-deleted").with("node", names.join("")),
        n => Said::new("node-objects-deleted").with("n", n).names("names", &names, NAMED),
    };
    let mut finding = o.finding((AlertName::NodeDeleted, ""), Severity::Warning, headline, first.at);
    finding.caused_by = finding.caused_by.or_else(|| registry::workers_gone(o.p));
    let line = |d: &crate::model::DeletedNode| {
        let pods = text::plural(d.pods, "pod", "pods");
        format!("{}: gone from the API at {}; {pods} ran there", d.node, text::moment(d.at))
    };
    finding.evidence = all.iter().take(EVIDENCE).map(line).collect();
    if let [only] = all.as_slice() {
        finding.labels.insert("node".into(), only.node.clone());
    }
    finding.consequences.push(
        "its pods are deleted within a minute and started elsewhere, though the machine may still run them".into(),
    );
    say::first_step(&mut finding, Said::new("step-node-deleted").with("node", &first.node));
    Some(finding)
}

fn reported(o: &Objects<'_>, condition: &str, problems: &[&NodeProblem]) -> Finding {
    let names: Vec<&str> = problems.iter().map(|p| p.node.as_str()).collect();
    let headline = Said::new("node-reports").with("condition", condition).names("names", &names, NAMED);
    let since = problems.iter().map(|p| p.since).min().unwrap_or(o.at);
    let mut finding = o.finding((AlertName::NodeProblem, condition), Severity::Warning, headline, since);
    finding.labels.insert("condition".into(), condition.to_owned());
    if let [only] = problems {
        finding.labels.insert("node".into(), only.node.clone());
    }
    let line = |p: &&NodeProblem| format!("{}: {} since {} ({})", p.node, p.condition, text::moment(p.since), p.reason);
    finding.evidence = problems.iter().take(EVIDENCE).map(line).collect();
    let step = Said::new("step-node-reports").with("node", names.first().copied().unwrap_or_default());
    say::first_step(&mut finding, step);
    finding
}

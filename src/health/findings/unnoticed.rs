//! What leases of nodes tell besides: clocks that are off, and nodes that nobody calls lost though they renew nothing.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    health::{nodes, picture::Picture, say, time::later},
    model::{AlertName, CLOCK_OFF_SECONDS, Finding, Job, NodeFact, Said, Severity, text},
};

/// A clock that was set right at once is no news.
const OFF_FOR: Duration = Duration::from_secs(60);
/// The controller-manager calls a node Unknown after 40 s, since 1.32 after 50 s (`--node-monitor-grace-period`), and looks every
/// 5 s: it has had twice that time by then.
const NOTICED_BY: Duration = Duration::from_secs(120);
/// So many nodes are named.
const NAMED: usize = 3;
/// So many are told in the evidence.
const EVIDENCE: usize = 10;
/// The subject of clocks, beside conditions of nodes.
const CLOCK: &str = "Clock";

pub(super) fn findings(p: &Picture<'_>) -> Vec<Finding> {
    clocks(p).into_iter().chain(unnoticed(p)).collect()
}

/// Clocks of nodes against those of all others, by the renewals that they write. That most are off alike is our own clock.
fn clocks(p: &Picture<'_>) -> Option<Finding> {
    let clocks = || p.indexed.view.snapshot.nodes.iter().filter_map(|n| Some(n.lease.as_ref()?.clock));
    // Mostly none is off, and nothing has to be sorted.
    if !p.indexed.leases_recent || clocks().all(|clock| clock.since.is_none()) {
        return None;
    }
    let mut offs: Vec<i64> = clocks().map(|clock| clock.off_seconds).collect();
    offs.sort_unstable();
    let middle = *offs.get(offs.len() / 2)?;
    let off = |fact: &NodeFact| -> Option<(i64, Timestamp)> {
        let clock = fact.lease.as_ref()?.clock;
        let since = clock.since.filter(|since| later(p.indexed.now, *since, OFF_FOR))?;
        let by = clock.off_seconds - middle;
        (by.abs() >= CLOCK_OFF_SECONDS).then_some((by, since))
    };
    let all: Vec<(&NodeFact, i64, Timestamp)> =
        p.indexed.view.snapshot.nodes.iter().filter_map(|n| off(n).map(|(by, since)| (n, by, since))).collect();
    let names: Vec<&str> = all.iter().map(|(fact, ..)| &*fact.name).collect();
    let since = all.iter().map(|(.., since)| *since).min()?;
    let headline = Said::new("clocks-off").with("n", names.len()).names("names", &names, NAMED);
    let mut finding = p.indexed.finding(AlertName::NodeProblem, CLOCK, Severity::Warning, headline);
    finding.since = since;
    finding.labels.insert("job".into(), Job::Kubelet.to_string());
    if let [only] = names.as_slice() {
        finding.labels.insert("node".into(), (*only).to_owned());
    }
    let line = |(fact, by, _): &(&NodeFact, i64, Timestamp)| {
        let way = if *by > 0 { "ahead" } else { "behind" };
        format!("{}: {} {way}, at least", fact.name, text::duration(Duration::from_secs(by.unsigned_abs())))
    };
    finding.evidence = all.iter().take(EVIDENCE).map(line).collect();
    finding
        .consequences
        .push("certificates and tokens may not be valid there yet, or not any more; logs can't be compared".into());
    let node = names.first().copied().unwrap_or("NODE");
    say::first_step(&mut finding, Said::new("step-clocks").with("node", node));
    Some(finding)
}

/// Nodes that renew nothing for long and are called Ready all the same: nobody looks at them.
fn unnoticed(p: &Picture<'_>) -> Option<Finding> {
    let told_otherwise = p.indexed.view.situation.is_some_and(|situation| situation.unreconciled.is_some());
    if !p.indexed.leases_recent || !nodes::conditions_count(&p.indexed, &p.api) || told_otherwise {
        return None;
    }
    let read = p.indexed.view.snapshot.read_at?;
    let since = |fact: &NodeFact| {
        let lease = fact.lease.as_ref().filter(|lease| lease.has_moved() && fact.is_ready())?;
        let renewed = lease.renewed_at();
        (later(read, renewed, NOTICED_BY) && !nodes::in_maintenance(fact)).then_some(renewed)
    };
    let all: Vec<(&NodeFact, Timestamp)> =
        p.indexed.view.snapshot.nodes.iter().filter_map(|n| since(n).map(|at| (n, at))).collect();
    let names: Vec<&str> = all.iter().map(|(fact, _)| &*fact.name).collect();
    let first = all.iter().map(|(_, at)| *at).min()?;
    let headline = Said::new("nodes-unnoticed").with("n", names.len()).names("names", &names, NAMED);
    let mut finding = p.indexed.finding(AlertName::NodeLeaseStale, "", Severity::Critical, headline);
    finding.since = first.checked_add(NOTICED_BY).unwrap_or(first);
    let nobody = p.without_leader(Job::KubeControllerManager);
    finding.caused_by = nobody.or_else(|| p.cause_of_components(&[], finding.since));
    finding.labels.insert("job".into(), Job::KubeControllerManager.to_string());
    finding.evidence = all
        .iter()
        .take(EVIDENCE)
        .map(|(fact, at)| format!("{}: Ready, last renewed about {}", fact.name, text::moment(*at)))
        .collect();
    finding.consequences.push("pods of lost nodes are not moved, and still get requests".into());
    say::first_step(&mut finding, Said::new("step-controllers"));
    Some(finding)
}

//! The diagnosis of a cluster: every finding from one snapshot of all verdicts, causes first.
//!
//! Each subject has its file; here they are put together: who explains whom, in which order they are told, what still
//! works, and whether the picture is still settling. A finding with a cause points to a root, never to another consequence.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use super::{canary, check_addresses, checks, facts, findings, picture::Picture, view::ClusterView};
use crate::model::{AlertName, Diagnosis, Finding, FindingKey, Job, Severity, State, Topic};

/// Neighbours of a target that went down are probed at once: so long their answers are waited for, and no longer.
const NEIGHBOURS_WITHIN: Duration = Duration::from_secs(4);

/// How many of its consequences a finding tells in words.
const CONSEQUENCES_MAX: usize = 8;

/// Says what is wrong with a cluster.
pub fn diagnose(view: &ClusterView<'_>) -> Diagnosis {
    let mut diagnosis = Diagnosis {
        cluster: Arc::clone(view.cluster),
        at: view.now,
        findings: Vec::new(),
        unsettled: false,
        blind: !view.vantage_ok,
        changes: view.situation.map(|situation| situation.changes.clone()).unwrap_or_default(),
    };
    if diagnosis.blind {
        return diagnosis;
    }
    let picture = Picture::new(view);
    let mut findings = findings::all(&picture);
    if picture.silence.is_some() {
        let root = picture.indexed.key(AlertName::ClusterUnreachable, "");
        for f in findings.iter_mut().filter(|f| f.topic == Topic::Outage && f.key != root) {
            f.caused_by = Some(root.clone());
        }
    }
    let all_checks = checks::by_name(view);
    let (mut of_checks, mut waits) = checks::findings(view, &all_checks, &findings);
    waits |= check_addresses::explain(view, &all_checks, &mut of_checks);
    findings.extend(of_checks);
    let (of_canary, canary_waits) = canary::findings(view, &findings);
    waits |= canary_waits;
    findings.extend(of_canary);
    trace_to_roots(&mut findings);
    tell_consequences(&mut findings);
    facts::tell(&mut findings);
    findings::tell_what_works(&picture, &mut findings);
    findings.sort_by(|a, b| place(a).cmp(&place(b)));
    diagnosis.unsettled = waits || unsettled(&picture, &findings);
    diagnosis.findings = findings;
    diagnosis
}

/// Where a finding is told: roots first, the one that explains most before the others.
fn place(f: &Finding) -> (bool, Reverse<usize>, Reverse<Severity>, &FindingKey) {
    (f.caused_by.is_some(), Reverse(f.key.alert.rank()), Reverse(f.severity), &f.key)
}

/// Makes every cause a root that exists: chains are followed to their end, what points nowhere or in a circle is cut.
fn trace_to_roots(findings: &mut [Finding]) {
    let causes: HashMap<FindingKey, Option<FindingKey>> =
        findings.iter().map(|f| (f.key.clone(), f.caused_by.clone())).collect();
    for finding in findings.iter_mut() {
        let mut seen = BTreeSet::from([&finding.key]);
        let mut root = None;
        let mut next = finding.caused_by.as_ref();
        while let Some(key) = next {
            let Some(cause) = causes.get(key) else {
                // What another group tells of is no finding here: its own cause is known there.
                if key.cluster != finding.key.cluster {
                    root = Some(key.clone());
                }
                break;
            };
            if !seen.insert(key) {
                root = None;
                break;
            }
            root = Some(key.clone());
            next = cause.as_ref();
        }
        finding.caused_by = root;
    }
}

/// A root tells in words what it explains.
fn tell_consequences(findings: &mut [Finding]) {
    let mut told: BTreeMap<FindingKey, Vec<String>> = BTreeMap::new();
    for f in findings.iter() {
        // Its members, its nodes and what failed to answer are the finding itself, and in its evidence.
        let Some(root) = &f.caused_by else { continue };
        if !root.alert.holds(f.key.alert) {
            told.entry(root.clone()).or_default().push(f.headline.clone());
        }
    }
    for f in findings.iter_mut() {
        let Some(mut lines) = told.remove(&f.key) else { continue };
        let more = lines.len().saturating_sub(CONSEQUENCES_MAX);
        lines.truncate(CONSEQUENCES_MAX);
        f.consequences.extend(lines);
        f.consequences.extend((more > 0).then(|| format!("and {more} more")));
    }
}

/// Whether the picture may change within seconds: targets in doubt, or neighbours of a fresh failure not asked since.
fn unsettled(p: &Picture<'_>, findings: &[Finding]) -> bool {
    let control = |job| !matches!(job, Job::Kubelet | Job::KubeProxy);
    let (control_doubt, node_doubt) = p
        .indexed
        .view
        .targets
        .iter()
        .filter(|t| t.is_open())
        .fold((false, false), |(c, n), t| if control(t.job()) { (true, n) } else { (c, true) });
    if control_doubt || p.is_open() || p.troubles.values().any(|t| t.undecided) {
        return true;
    }
    // One kubelet in thousands is always in doubt somewhere: that holds up no word about the control plane.
    let about_nodes = |f: &Finding| f.key.alert.cause().of_nodes;
    if node_doubt && (findings.is_empty() || findings.iter().any(about_nodes)) {
        return true;
    }
    let control_targets = || p.indexed.view.targets.iter().filter(|t| control(t.job()));
    let failed = control_targets().filter(|t| t.is_down()).map(|t| t.verdict.since).max();
    let fresh = failed.filter(|&at| p.indexed.now.duration_since(at).unsigned_abs() < NEIGHBOURS_WITHIN);
    fresh.is_some_and(|at| {
        control_targets().any(|t| t.verdict.state == State::Up && t.last.is_some_and(|o| o.started < at))
    })
}

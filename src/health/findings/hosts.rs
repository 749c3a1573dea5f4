//! What is said of a lost control-plane host: one finding, in which everything that ran there has its place.

use crate::{
    health::{
        etcd::Etcd,
        hosts::LostHost,
        picture::Picture,
        view::{TargetView, earliest},
        words,
    },
    model::{AlertName, Finding, Job, Severity},
};

pub(super) fn findings(p: &Picture<'_>) -> Vec<Finding> {
    p.hosts.iter().map(|host| finding(p, host)).collect()
}

fn finding(p: &Picture<'_>, host: &LostHost<'_>) -> Finding {
    let what: Vec<_> = host.targets.iter().map(|t| part(&p.etcd, t)).collect();
    let verb = if what.len() == 1 { "is silent" } else { "are silent" };
    let stake = host.targets.iter().any(|t| t.job() == Job::Etcd) && p.etcd.lost.is_none() && p.etcd.proof.is_none();
    let margin = if stake { format!("; etcd: {}", p.etcd.margin_words()) } else { String::new() };
    let headline = format!(
        "control-plane host {} is down or cut off: {} {verb}{margin}",
        host.label,
        words::list(&what, what.len())
    );
    let cordoned = p.scene.node(host.id).is_some_and(|n| n.unschedulable);
    let severity = if cordoned { Severity::Warning } else { Severity::Critical };
    let mut finding = p.scene.finding(AlertName::ControlPlaneHostDown, host.id, severity, headline);
    finding.since = earliest(&host.targets, p.scene.now);
    finding.evidence = host.targets.iter().map(|t| t.line()).collect();
    if cordoned {
        finding.evidence.push(format!("node {} is cordoned: perhaps this is maintenance", host.id));
    }
    finding.labels.insert("instance".into(), host.targets.first().map_or(host.id, |t| t.host()).to_owned());
    if p.scene.node(host.id).is_some() {
        finding.labels.insert("node".into(), host.id.to_owned());
    }
    finding.first_step = format!(
        "look at {} itself: power, console, network; `ping` and `ssh` it from another control-plane host",
        host.label
    );
    finding
}

/// `API server`, `etcd member m2`.
fn part(etcd: &Etcd<'_>, target: &TargetView<'_>) -> String {
    let job = words::job(target.job(), 1);
    match etcd.member_of(target) {
        Some(member) if member.short() != target.instance() => format!("{job} {}", member.short()),
        _ => job.to_owned(),
    }
}

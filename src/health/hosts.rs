//! A whole control-plane host that is silent: told once, instead of once for each thing that ran there.

use std::collections::BTreeMap;

use super::{
    TargetView,
    diagnosis::Picture,
    etcd::Etcd,
    scene::{Scene, earliest},
    words,
};
use crate::model::{AlertName, Finding, Job, Severity};

/// A silent control-plane host.
pub(super) struct LostHost<'a> {
    /// Its node's name, or its address.
    pub(super) id: &'a str,
    /// `cp2 (10.0.0.2)`.
    pub(super) label: String,
    targets: Vec<&'a TargetView<'a>>,
}

/// Control-plane hosts of which nothing answers, at least two targets being confirmed: of a single one it can't be
/// told whether the host or the process is gone.
pub(super) fn lost<'a>(scene: &Scene<'a>) -> Vec<LostHost<'a>> {
    let mut machines: BTreeMap<&str, Vec<&TargetView>> = BTreeMap::new();
    for job in [Job::KubeApiserver, Job::Etcd, Job::KubeScheduler, Job::KubeControllerManager] {
        // The advertised URL may be a load balancer's: it tells nothing of a host.
        let shared = |t: &&&TargetView| scene.advertised.is_some_and(|a| std::ptr::eq(a, **t));
        for target in scene.job(job).iter().filter(|t| !shared(t)) {
            machines.entry(scene.machine(target)).or_default().push(target);
        }
    }
    for job in [Job::Kubelet, Job::KubeProxy] {
        for target in scene.job(job).iter().filter(|t| !t.by_proxy()) {
            if let Some(targets) = machines.get_mut(scene.machine(target)) {
                targets.push(target);
            }
        }
    }
    let dead = |targets: &[&TargetView]| {
        targets.iter().all(|t| t.is_silent()) && targets.iter().filter(|t| t.is_down()).count() >= 2
    };
    let lost = machines.into_iter().filter(|(_, targets)| dead(targets));
    lost.map(|(id, targets)| LostHost { id, label: label(id, &targets), targets }).collect()
}

fn label(id: &str, targets: &[&TargetView<'_>]) -> String {
    match targets.first().map(|t| t.host()) {
        Some(host) if host != id => format!("{id} ({host})"),
        _ => id.to_owned(),
    }
}

impl LostHost<'_> {
    pub(super) fn has(&self, target: &TargetView<'_>) -> bool {
        self.targets.iter().any(|t| std::ptr::eq(*t, target))
    }
}

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

//! A whole control-plane host that is silent: told once, instead of once for each thing that ran there.

use std::collections::BTreeMap;

use super::{scene::Scene, view::TargetView};
use crate::model::Job;

/// A silent control-plane host.
pub(super) struct LostHost<'a> {
    /// Its node's name, or its address.
    pub(super) id: &'a str,
    /// `cp2 (10.0.0.2)`.
    pub(super) label: String,
    pub(super) targets: Vec<&'a TargetView<'a>>,
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

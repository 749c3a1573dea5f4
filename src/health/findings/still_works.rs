//! What still works: the first relief at 3 a.m., said only where it is known.

use crate::{
    health::{etcd::Health, leaders::Lead, phrases, picture::Picture, view::TargetView},
    model::{AlertName, Finding, Job, ReadThrough, Topic},
};

/// Writes it into every outage, save into those of which nothing can be known.
pub(in crate::health) fn tell(p: &Picture<'_>, findings: &mut [Finding]) {
    let lines: Vec<_> = [api(p), etcd(p), kubelets(p), leaders(p)].into_iter().flatten().collect();
    for f in findings.iter_mut().filter(|f| f.topic == Topic::Outage && f.key.alert != AlertName::ClusterUnreachable) {
        f.still_works.clone_from(&lines);
    }
}

fn share(up: usize, total: usize, job: Job) -> Option<String> {
    let verb = if up == 1 { "answers" } else { "answer" };
    match up {
        0 => None,
        _ if up == total => Some(format!("{} {verb}", phrases::all(total, job))),
        _ => Some(format!("{} {verb}", phrases::of(up, total, job))),
    }
}

fn api(p: &Picture<'_>) -> Option<String> {
    // Without etcd an API server that was well a moment ago is no comfort.
    if p.etcd.lost.is_some() {
        return None;
    }
    share(p.api.up, p.api.total, Job::KubeApiserver)
}

fn etcd(p: &Picture<'_>) -> Option<String> {
    let etcd = &p.etcd;
    if etcd.lost.is_some() {
        return None;
    }
    if let Some(proof) = &etcd.proof {
        return Some(format!("etcd keeps quorum: {proof}"));
    }
    let known = etcd.members.iter().any(|m| m.health == Health::Well);
    if etcd.is_well() {
        Some(format!("etcd is healthy ({} of {})", etcd.total, etcd.total))
    } else if known && etcd.members.iter().any(|m| !matches!(m.health, Health::Well | Health::Unknown)) {
        Some(format!("etcd keeps quorum ({} of {})", etcd.alive(), etcd.total))
    } else {
        let read = |t: &&TargetView| t.is_up() && t.api_facts().is_some_and(|f| f.etcd_read == Some(ReadThrough::Ok));
        p.indexed.api.iter().any(read).then(|| "etcd serves reads".into())
    }
}

fn kubelets(p: &Picture<'_>) -> Option<String> {
    // Those that can't be judged, since the API servers stand between, count neither way.
    let judged = p.indexed.job(Job::Kubelet).iter().filter(|t| !t.by_proxy() || p.api.any_up());
    let (mut up, mut total) = (0, 0);
    for target in judged {
        // A kubelet that refuses us lives.
        let lives = target.is_up() || target.verdict.reason == Some(crate::model::Reason::Auth);
        (up, total) = (up + usize::from(lives), total + 1);
    }
    let line = share(up, total, Job::Kubelet)?;
    Some(if up == total { format!("{line}: running containers go on") } else { line })
}

fn leaders(p: &Picture<'_>) -> Option<String> {
    let leading = |lead: &&Lead| lead.surely_leads;
    (p.leads.iter().filter(leading).count() == p.leads.len()).then(|| "scheduler and controller-manager lead".into())
}

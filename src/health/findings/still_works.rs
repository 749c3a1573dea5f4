//! What still works: the first relief at 3 a.m., said only where it is known.

use crate::{
    health::{
        etcd::Health,
        leaders::Lead,
        picture::Picture,
        say::{self, Sentence},
        view::TargetView,
    },
    model::{AlertName, Finding, Job, ReadThrough, Said, Topic},
};

/// Writes it into every outage, save into those of which nothing can be known.
pub(in crate::health) fn tell(p: &Picture<'_>, findings: &mut [Finding]) {
    let lines = [api(p), etcd(p), kubelets(p), leaders(p)].into_iter().flatten().map(Sentence::from);
    let (lines, said): (Vec<String>, Vec<Option<Said>>) = lines.map(|line| (line.text, line.said)).unzip();
    for f in findings.iter_mut().filter(|f| f.topic == Topic::Outage && f.key.alert != AlertName::ClusterUnreachable) {
        f.still_works.clone_from(&lines);
        f.said.extend(said.iter().flatten().cloned());
    }
}

fn share(up: usize, total: usize, job: Job) -> Option<Said> {
    let who = say::all_or_some(up, total, job);
    (up > 0).then(|| Said::new("components-answer").with("who", who).with("n", up))
}

fn api(p: &Picture<'_>) -> Option<Said> {
    // Without etcd an API server that was well a moment ago is no comfort.
    if p.etcd.lost.is_some() {
        return None;
    }
    share(p.api.up, p.api.total, Job::KubeApiserver)
}

fn etcd(p: &Picture<'_>) -> Option<Said> {
    let etcd = &p.etcd;
    if etcd.lost.is_some() {
        return None;
    }
    if let Some(proof) = &etcd.proof {
        return Some(Said::new("etcd-keeps-quorum-as").with("proof", proof.clone()));
    }
    let known = etcd.members.iter().any(|m| m.health == Health::Well);
    if etcd.is_well() {
        Some(Said::new("etcd-healthy").with("total", etcd.total))
    } else if known && etcd.members.iter().any(|m| !matches!(m.health, Health::Well | Health::Unknown)) {
        Some(Said::new("etcd-keeps-quorum").with("alive", etcd.alive()).with("total", etcd.total))
    } else {
        let read = |t: &&TargetView| t.is_up() && t.api_facts().is_some_and(|f| f.etcd_read == Some(ReadThrough::Ok));
        p.indexed.api.iter().any(read).then(|| Said::new("etcd-serves-reads"))
    }
}

fn kubelets(p: &Picture<'_>) -> Option<Said> {
    // Those that can't be judged, since the API servers stand between, count neither way.
    let judged = p.indexed.job(Job::Kubelet).iter().filter(|t| !t.by_proxy() || p.api.any_up());
    let (mut up, mut total) = (0, 0);
    for target in judged {
        // A kubelet that refuses us lives.
        let lives = target.is_up() || target.verdict.reason == Some(crate::model::Reason::Auth);
        (up, total) = (up + usize::from(lives), total + 1);
    }
    let line = share(up, total, Job::Kubelet)?;
    Some(if up == total { Said::new("containers-go-on").with("what", line) } else { line })
}

fn leaders(p: &Picture<'_>) -> Option<Said> {
    let leading = |lead: &&Lead| lead.surely_leads;
    (p.leads.iter().filter(leading).count() == p.leads.len()).then(|| Said::new("leaders-lead"))
}

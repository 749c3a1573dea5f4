//! What runs beside: kube-proxies, etcd processes outside the member list, and targets that flap.

use super::again;
use crate::{
    health::{
        leaders, nodes,
        picture::Picture,
        say,
        view::{TargetView, earliest, labels},
    },
    model::{AlertName, Finding, Job, Said, Severity, State},
};

pub(super) fn findings(p: &Picture<'_>) -> Vec<Finding> {
    let mut all: Vec<_> = proxies(p).into_iter().chain(strays(p)).collect();
    all.extend(flapping(p));
    all
}

/// kube-proxies of nodes that are otherwise well; those of a lost node are part of that.
fn proxies(p: &Picture<'_>) -> Option<Finding> {
    let targets = p.indexed.job(Job::KubeProxy);
    let explained = |t: &TargetView| {
        p.lost_host(t).is_some()
            || p.hosts.is_awaited(t)
            || node_is_in_doubt(p, t)
            || t.node()
                .is_some_and(|n| p.troubles.contains_key(n) || p.indexed.node(n).is_some_and(nodes::in_maintenance))
    };
    let down: Vec<_> = targets.iter().copied().filter(|t| t.is_broken() && !explained(t)).collect();
    if down.is_empty() {
        return None;
    }
    let n = down.len();
    let headline = say::who_is_down(say::of(n, targets.len(), Job::KubeProxy), &down, say::NOTHING);
    let mut finding = p.indexed.finding(AlertName::ComponentDown, Job::KubeProxy.as_str(), Severity::Warning, headline);
    finding.since = earliest(&down, p.indexed.now);
    finding.labels = labels(&down);
    finding.evidence = down.iter().take(EVIDENCE_MAX).map(|t| t.line()).collect();
    say::consequence(&mut finding, Said::new("services-stale"));
    say::first_step(&mut finding, Said::new("step-proxies"));
    Some(finding)
}

/// It is silent, and its node has not been heard since: that may be the node's silence, and a node is judged before what
/// runs on it. Its kubelet is probed with every interval, so that this is settled soon.
fn node_is_in_doubt(p: &Picture<'_>, proxy: &TargetView<'_>) -> bool {
    let unheard = |kubelet: &&TargetView| {
        kubelet.verdict.state == State::Suspect || kubelet.last_success.is_some_and(|at| at < proxy.verdict.since)
    };
    let beside = |kubelet: &&&TargetView| kubelet.node().is_some() && kubelet.node() == proxy.node();
    proxy.is_silent() && p.indexed.job(Job::Kubelet).iter().filter(beside).any(unheard)
}

/// etcd processes that we watch and that are no member.
fn strays(p: &Picture<'_>) -> Option<Finding> {
    let down: Vec<_> = p.etcd.strays.iter().copied().filter(|t| t.is_broken()).collect();
    if down.is_empty() {
        return None;
    }
    let headline = Said::new("etcd-strays").with("by", say::by_how(&down));
    let mut finding = p.indexed.finding(AlertName::ComponentDown, Job::Etcd.as_str(), Severity::Warning, headline);
    finding.since = earliest(&down, p.indexed.now);
    finding.labels = labels(&down);
    finding.evidence = down.iter().map(|t| t.line()).collect();
    say::first_step(&mut finding, Said::new("step-strays"));
    Some(finding)
}

fn flapping(p: &Picture<'_>) -> Vec<Finding> {
    let targets = p.indexed.view.targets.iter().filter(|t| t.verdict.state == State::Flapping);
    let mut targets: Vec<_> = targets.collect();
    targets.sort_by_key(|t| (t.verdict.since, &t.target.key));
    targets.truncate(FLAPPING_MAX);
    targets.into_iter().map(|t| flaps(p, t)).collect()
}

fn flaps(p: &Picture<'_>, target: &TargetView<'_>) -> Finding {
    let subject = format!("{}/{}", target.job(), target.instance());
    let headline = Said::new("target-flapping").with("component", say::job(target.job(), 1));
    let headline = headline.with("instance", target.instance()).with("what", &target.verdict.message);
    let mut finding = p.indexed.finding(AlertName::TargetFlapping, &subject, Severity::Warning, headline);
    finding.since = target.verdict.since;
    finding.labels = labels(&[target]);
    finding.evidence =
        target.last.and_then(|o| o.failure.as_ref()).map(|f| format!("last failure: {f}")).into_iter().collect();
    let step = match target.job() {
        Job::Kubelet => Said::new("step-kubelet-flaps").with("node", target.node().unwrap_or(target.host())),
        job => Said::new("step-target-flaps").with("host", target.host()).with("job", job.as_str()),
    };
    say::first_step(&mut finding, step);
    // What restarts again and again for want of etcd or of an API server does not flap by itself.
    let electing = leaders::ELECTING.contains(&target.job()) || target.job() == Job::KubeApiserver;
    finding.caused_by = p.cause_of_components(&[target], target.verdict.since).filter(|_| electing);
    if target.job() == Job::KubeApiserver {
        finding.caused_by = finding.caused_by.or_else(|| again::of_server(p));
    }
    finding
}

/// How many targets are named in the evidence of one finding.
const EVIDENCE_MAX: usize = 10;
/// How many flapping targets are told: with more, the network flaps and the first ones say as much.
const FLAPPING_MAX: usize = 20;

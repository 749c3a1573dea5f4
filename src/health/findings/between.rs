//! What lies between an API server and us, though nothing is known to be wrong with it: something that answers in its
//! place, throttling, a slow line.
//!
//! None of it is an outage. What something else answers proves nothing of what is behind it, neither that it lives nor that
//! it is gone; an outage there is told by whatever else is seen.

use super::apiserver;
use crate::{
    health::{
        picture::Picture,
        say,
        time::follows,
        view::{How, NAMED, TargetView, earliest, labels},
    },
    model::{AlertName, Finding, Job, Said, Severity},
};

pub(super) fn findings(p: &Picture<'_>) -> Vec<Finding> {
    let mut all: Vec<_> = hidden(p).into_iter().collect();
    let servers = p.indexed.job(Job::KubeApiserver);
    all.extend(servers.iter().filter(|t| t.is_confirmed(How::Throttles)).map(|t| throttles(p, t)));
    all.extend(servers.iter().filter(|t| t.is_confirmed(How::Slow)).map(|t| slow(p, t)));
    all
}

/// One finding for all of them: it is mostly one thing that stands before them.
fn hidden(p: &Picture<'_>) -> Option<Finding> {
    let all = p.indexed.job(Job::KubeApiserver);
    let hidden: Vec<_> = all.iter().copied().filter(|t| t.is_confirmed(How::Hidden)).collect();
    let first = hidden.first()?;
    let n = hidden.len();
    let who = match (p.indexed.advertised, n) {
        (Some(address), 1) if std::ptr::eq(address, *first) => {
            Said::new("advertised-address").with("address", address.instance())
        }
        _ => say::all_or_some(n, all.len(), Job::KubeApiserver),
    };
    let headline = Said::new("something-in-front").with("who", who);
    // Without any other API server the watchdog knows no more of this cluster than that.
    let blind =
        !p.api.any_up() && all.iter().all(|t| !t.is_confirmed(How::Throttles) && !t.is_confirmed(How::Credentials));
    let severity = if blind { Severity::Critical } else { Severity::Warning };
    let mut finding = p.indexed.finding(AlertName::ApiServerHidden, "", severity, headline);
    finding.since = earliest(&hidden, p.indexed.now);
    finding.labels = labels(&hidden);
    finding.evidence = hidden.iter().take(EVIDENCE_MAX).map(|t| t.line()).collect();
    finding.evidence.push("this proves neither that the API server lives nor that it is down".into());
    if blind {
        say::consequence(&mut finding, Said::new("blind-to-cluster"));
    }
    let names: Vec<_> = hidden.iter().map(|t| t.instance()).collect();
    let step = Said::new("step-hidden").with("server", first.instance()).names("names", &names, NAMED);
    say::first_step(&mut finding, step);
    Some(finding)
}

fn unwell(p: &Picture<'_>, target: &TargetView<'_>, headline: Said, step: Said) -> Finding {
    let instance = target.instance();
    let mut finding = p.indexed.finding(AlertName::ApiServerUnhealthy, instance, Severity::Warning, headline);
    finding.since = target.verdict.since;
    finding.labels = labels(&[target]);
    finding.evidence = vec![target.line()];
    say::first_step(&mut finding, step);
    finding
}

fn throttles(p: &Picture<'_>, target: &TargetView<'_>) -> Finding {
    let headline = Said::new("server-throttles").with("server", target.instance());
    let mut finding = unwell(p, target, headline, Said::new("step-throttled"));
    finding.caused_by = apiserver::of_overload(p);
    finding
}

fn slow(p: &Picture<'_>, target: &TargetView<'_>) -> Finding {
    let headline = Said::new("server-slow").with("server", target.instance()).with("why", &target.verdict.message);
    let step = Said::new("step-slow").with("host", target.host());
    let mut finding = unwell(p, target, headline, step);
    // Without quorum an API server waits for etcd, and has time for little else.
    let lost = p.etcd.lost.filter(|lost| follows(finding.since, *lost));
    finding.caused_by = lost.map(|_| p.indexed.key(AlertName::EtcdQuorumLost, ""));
    finding
}

/// How many are quoted.
const EVIDENCE_MAX: usize = 10;

//! What is said of a cluster of which nothing answers.

use std::collections::BTreeSet;

use crate::{
    health::{
        network::Silence,
        picture::Picture,
        say,
        view::{How, TargetView, earliest},
    },
    model::{AlertName, Finding, Said, Severity},
};

/// Returns one finding for a cluster of which no packet comes back.
pub(super) fn findings(p: &Picture<'_>) -> Vec<Finding> {
    p.silence.iter().map(|silence| finding(p, silence)).collect()
}

fn finding(p: &Picture<'_>, Silence { silent, down }: &Silence<'_>) -> Finding {
    let indexed = &p.indexed;
    let hosts: BTreeSet<_> = silent.iter().map(|t| t.host()).collect();
    let mut finding = indexed.finding(AlertName::ClusterUnreachable, "", Severity::Critical, headline(silent, &hosts));
    finding.since = earliest(down, indexed.now);
    finding.evidence = down.iter().take(EVIDENCE_MAX).map(|t| t.line()).collect();
    if down.len() > EVIDENCE_MAX {
        finding.evidence.push(format!("and {} more", down.len() - EVIDENCE_MAX));
    }
    finding.evidence.push("the watchdog's own network works".into());
    say::consequence(&mut finding, Said::new("may-be-fine"));
    let host = hosts.first().copied().unwrap_or("HOST");
    let by_name = down.iter().all(|t| t.how() == How::Dns);
    let step = Said::new(if by_name { "step-cluster-name" } else { "step-cluster-silent" });
    say::first_step(&mut finding, step.with("host", host));
    finding
}

fn headline(silent: &[&TargetView<'_>], hosts: &BTreeSet<&str>) -> Said {
    let names: Vec<_> = hosts.iter().collect();
    if silent.iter().all(|t| t.how() == How::Dns) {
        return Said::new("names-not-resolved").names("names", &names, 2).with("n", names.len());
    }
    if let Some(name) = silent.iter().find(|t| t.how() == How::Dns && t.is_down()).filter(|_| hosts.len() > GONE_MIN) {
        return Said::new("cluster-gone").with("name", name.host()).with("n", hosts.len() - 1);
    }
    match silent {
        [one] => Said::new("only-address-fails").with("address", one.instance()).with("how", say::how(one.how(), 1)),
        _ => Said::new("cluster-unreachable").with("targets", silent.len()).with("hosts", hosts.len()),
    }
}

/// With so few hosts beside it, a name that does not resolve says nothing of the cluster.
const GONE_MIN: usize = 2;
/// How many silent targets are named: the rest is as silent.
const EVIDENCE_MAX: usize = 10;

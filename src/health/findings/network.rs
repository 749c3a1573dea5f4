//! What is said of a cluster of which nothing answers.

use std::collections::BTreeSet;

use crate::{
    health::{
        network::Silence,
        phrases,
        picture::Picture,
        view::{How, TargetView, earliest},
    },
    model::{AlertName, Finding, Severity, text},
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
    finding.consequences.push("what runs there may be fine or not: it can't be seen from here".into());
    let host = hosts.first().copied().unwrap_or("HOST");
    finding.first_step = if down.iter().all(|t| t.how() == How::Dns) {
        format!("`dig {host}` on the watchdog's machine and elsewhere: is it the name server, or the record?")
    } else {
        format!(
            "from the watchdog's machine: `ip route get {host}`, `mtr {host}`; then routers, VPN and firewalls on the way; \
             ask the site whether it has power"
        )
    };
    finding
}

fn headline(silent: &[&TargetView<'_>], hosts: &BTreeSet<&str>) -> String {
    let names: Vec<_> = hosts.iter().collect();
    if silent.iter().all(|t| t.how() == How::Dns) {
        let verb = if names.len() == 1 { "does" } else { "do" };
        return format!("nothing of the cluster can be reached: {} {verb} not resolve", phrases::list(&names, 2));
    }
    if let Some(name) = silent.iter().find(|t| t.how() == How::Dns && t.is_down()).filter(|_| hosts.len() > GONE_MIN) {
        let others = text::plural(hosts.len() - 1, "host", "hosts");
        return format!(
            "the cluster seems to be gone: its name {} does not resolve any more, and its other {others} are silent",
            name.host()
        );
    }
    let guess = "the network between the watchdog and the cluster is broken, or the cluster has no power";
    match silent {
        [one] => format!(
            "the cluster can't be reached from here: its only known address {} {}",
            one.instance(),
            one.how().says(1)
        ),
        _ => format!(
            "nothing of the cluster can be reached from here: {} on {} {} silent; {guess}",
            text::plural(silent.len(), "target", "targets"),
            text::plural(hosts.len(), "host", "hosts"),
            phrases::is(silent.len())
        ),
    }
}

/// With so few hosts beside it, a name that does not resolve says nothing of the cluster.
const GONE_MIN: usize = 2;
/// How many silent targets are named: the rest is as silent.
const EVIDENCE_MAX: usize = 10;

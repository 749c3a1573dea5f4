//! What is said of nodes: each one in trouble by itself, many at once as one.

use std::{cmp::Reverse, collections::BTreeMap};

use crate::{
    health::{
        nodes::{Kind, Trouble},
        picture::Picture,
        view::labels,
        words,
    },
    model::{AlertName, Finding, Job, Severity},
};

/// As many nodes in trouble are told as one, if they are a fifth of all…
const MANY_MIN: usize = 3;
/// …or more than this in any case.
const MANY: usize = 5;
/// How many nodes the evidence of `NodesDown` names.
const EVIDENCE_NAMES: usize = 10;
/// How many nodes have a finding of their own beside `NodesDown`, those in trouble longest first.
const SINGLES_MAX: usize = 100;
/// How many nodes a headline names.
const HEADLINE_NAMES: usize = 3;

/// What is said of nodes: each one in trouble, and many at once as one.
pub(super) fn findings(p: &Picture<'_>) -> Vec<Finding> {
    // Those of a lost control-plane host are told with it.
    let host = |t: &Trouble| t.target.and_then(|t| p.lost_host(t));
    let by_themselves: Vec<_> = p.troubles.iter().filter(|(_, t)| host(t).is_none()).collect();
    let total = p.scene.view.snapshot.nodes.len().max(p.scene.job(Job::Kubelet).len()).max(1);
    let n = by_themselves.len();
    let many = n > MANY || (n >= MANY_MIN && n * 5 >= total);
    let mut all = Vec::new();
    if many {
        all.push(nodes_down(p, &by_themselves, total));
    }
    let mut singles: Vec<_> = p.troubles.iter().collect();
    singles.sort_by_key(|(name, t)| (t.since, **name));
    singles.truncate(SINGLES_MAX);
    all.extend(singles.into_iter().map(|(name, trouble)| {
        let mut finding = single(p, name, trouble);
        finding.caused_by = host(trouble).or_else(|| many.then(|| p.scene.key(AlertName::NodesDown, "")));
        finding
    }));
    all
}

fn single(p: &Picture<'_>, name: &str, trouble: &Trouble<'_>) -> Finding {
    let (alert, severity) = match trouble.kind {
        Kind::Lost | Kind::Mute => (AlertName::NodeDown, Severity::Critical),
        Kind::KubeletDown if trouble.control => (AlertName::KubeletDown, Severity::Critical),
        Kind::KubeletDown => (AlertName::KubeletDown, Severity::Warning),
        Kind::Unreachable => (AlertName::KubeletUnreachable, Severity::Warning),
        Kind::NotReady => (AlertName::NodeNotReady, Severity::Warning),
    };
    let mut finding = p.scene.finding(alert, name, severity, trouble.headline.clone());
    finding.since = trouble.since;
    finding.evidence.clone_from(&trouble.evidence);
    finding.labels = labels(trouble.target.as_slice());
    finding.labels.insert("job".into(), Job::Kubelet.to_string());
    finding.labels.insert("node".into(), name.to_owned());
    let (consequence, step) = match trouble.kind {
        Kind::Lost | Kind::Mute => {
            let sure = if trouble.kind == Kind::Lost { "is" } else { "may be" };
            let moved = if p.api.any_up() {
                "its pods are moved about 5 minutes after the API server notices"
            } else {
                "its pods are not moved while no API server works"
            };
            (
                Some(format!("what ran on {name} {sure} gone or cut off; {moved}")),
                format!("look at {name} itself: power, console, network; `ping` and `ssh` it from another node"),
            )
        }
        Kind::KubeletDown => (
            Some(format!("nothing is started, stopped or probed on {name}; its pods are moved if this lasts")),
            format!("ssh {name}: `systemctl status kubelet`, `journalctl -u kubelet -n 50`, `crictl ps`"),
        ),
        Kind::Unreachable => {
            (None, format!("look at the firewall between the watchdog and port 10250 of {name}; `ssh {name} ss -lntp`"))
        }
        Kind::NotReady => (
            Some(format!("no new pods are placed on {name}")),
            format!("`kubectl describe node {name}`; ssh {name}: `journalctl -u kubelet -n 50`, `crictl info`"),
        ),
    };
    finding.consequences.extend(consequence);
    finding.first_step = step;
    finding
}

fn nodes_down(p: &Picture<'_>, troubles: &[(&&str, &Trouble<'_>)], total: usize) -> Finding {
    let mut kinds: BTreeMap<Reverse<Kind>, usize> = BTreeMap::new();
    let mute = troubles.iter().any(|(_, t)| t.kind == Kind::Mute);
    for (_, t) in troubles {
        // Where the fate of some is not known, none is called lost.
        let kind = if mute && t.kind == Kind::Lost { Kind::Mute } else { t.kind };
        *kinds.entry(Reverse(kind)).or_default() += 1;
    }
    let n = troubles.len();
    let names = words::list(&troubles.iter().map(|(name, _)| **name).collect::<Vec<_>>(), HEADLINE_NAMES);
    let worst = kinds.keys().next().map_or(Kind::NotReady, |k| k.0);
    let headline = match (kinds.len(), worst) {
        (1, Kind::Lost) => format!("{n} of {total} nodes are lost: {names}"),
        (1, Kind::Mute) => format!("{n} of {total} nodes do not answer: {names}"),
        (1, Kind::KubeletDown) => {
            format!("{n} of {total} kubelets are down: {names}; containers there presumably still run")
        }
        (1, Kind::Unreachable) => {
            format!("{n} of {total} kubelets can't be reached from here, yet their leases are fresh: {names}")
        }
        (1, Kind::NotReady) => format!("{n} of {total} nodes are NotReady, though their kubelets answer: {names}"),
        _ => {
            let part = |(kind, n): (&Reverse<Kind>, &usize)| match kind.0 {
                Kind::Lost => format!("{n} lost"),
                Kind::Mute => format!("{n} without an answer"),
                Kind::KubeletDown => format!("{n} with a dead kubelet"),
                Kind::Unreachable => format!("{n} out of our reach"),
                Kind::NotReady => format!("{n} NotReady"),
            };
            let parts: Vec<_> = kinds.iter().map(part).collect();
            format!("{n} of {total} nodes are in trouble: {}", words::list(&parts, parts.len()))
        }
    };
    let severity = if worst >= Kind::KubeletDown { Severity::Critical } else { Severity::Warning };
    let mut finding = p.scene.finding(AlertName::NodesDown, "", severity, headline);
    finding.since = troubles.iter().map(|(_, t)| t.since).min().unwrap_or(p.scene.now);
    finding.labels.insert("job".into(), Job::Kubelet.to_string());
    finding.evidence = troubles.iter().take(EVIDENCE_NAMES).map(|(_, t)| t.headline.clone()).collect();
    if n > EVIDENCE_NAMES {
        finding.evidence.push(format!("and {} more", n - EVIDENCE_NAMES));
    }
    finding.first_step = match worst {
        Kind::Lost | Kind::Mute => "look for what they share: rack, switch, hypervisor, power, network segment".into(),
        Kind::KubeletDown => {
            "look for what changed on all of them: an upgrade, a configuration, an expired certificate; \
             `journalctl -u kubelet` there"
                .into()
        }
        Kind::Unreachable => "look at the firewall between the watchdog and the nodes (port 10250)".into(),
        Kind::NotReady => {
            "`kubectl describe node` of one of them; look at the network plugin and the container runtime".into()
        }
    };
    finding
}

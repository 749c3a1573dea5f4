//! Nodes: what the kubelet's silence means, with the node's lease and its Ready condition as second witnesses.
//!
//! A kubelet that is silent while its lease is renewed lives, and we can't reach it; one that refuses is dead while its
//! host lives; one that is silent and renews nothing is lost with its node. A node in maintenance raises no alarm.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::{
    TargetView,
    apiserver::Servers,
    diagnosis::Picture,
    leaders::{CLOCK_MARGIN, SaturatingAge, api_back, later},
    scene::{How, Scene, labels},
    words,
};
use crate::model::{AlertName, Finding, Job, NodeCondition, NodeFact, Severity};

/// What the node controller allows (`--node-monitor-grace-period`).
const LEASE_STALE: Duration = Duration::from_secs(40);
/// One and a half renew intervals: a living kubelet has renewed by then.
const LEASE_LATE: Duration = Duration::from_secs(15);
/// So long after its first failed probe the lease is waited for, and no longer: then it is told what is known.
const UNDECIDED_FOR: Duration = Duration::from_secs(10);
/// A node that joins or restarts is NotReady for a moment.
const NOT_READY_FOR: Duration = Duration::from_secs(60);
/// Conditions read longer ago say nothing.
const CONDITIONS_RECENT: Duration = Duration::from_secs(120);
/// As many nodes in trouble are told as one, if they are a fifth of all…
const MANY_MIN: usize = 3;
/// …or more than this in any case.
const MANY: usize = 5;
/// How many nodes a headline names.
const HEADLINE_NAMES: usize = 3;
/// How many nodes the evidence of `NodesDown` names.
const EVIDENCE_NAMES: usize = 10;
/// How many nodes have a finding of their own beside `NodesDown`, those in trouble longest first.
const SINGLES_MAX: usize = 100;

/// What is wrong with a node. Worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    NotReady,
    Unreachable,
    KubeletDown,
    Lost,
}

/// A node in trouble.
pub(super) struct Trouble<'a> {
    pub(super) kind: Kind,
    /// The lease will soon tell more.
    pub(super) undecided: bool,
    since: Timestamp,
    headline: String,
    evidence: Vec<String>,
    control: bool,
    target: Option<&'a TargetView<'a>>,
}

/// Cordoned or on its way out: someone is at it.
pub(super) fn in_maintenance(fact: &NodeFact) -> bool {
    fact.unschedulable || fact.deleting
}

/// Every node in trouble, by name.
pub(super) fn troubles<'a>(scene: &Scene<'a>, api: &Servers<'a>) -> BTreeMap<&'a str, Trouble<'a>> {
    let mut troubles = BTreeMap::new();
    let mut kubelets = BTreeMap::new();
    for target in scene.job(Job::Kubelet) {
        kubelets.insert(target.node().unwrap_or(target.host()), *target);
    }
    for (&name, target) in &kubelets {
        let fact = scene.node(name);
        // Asked through API servers that don't answer, a kubelet's silence is theirs.
        if !target.is_broken() || fact.is_some_and(in_maintenance) || (target.by_proxy() && !api.any_up()) {
            continue;
        }
        troubles.insert(name, silent_or_dead(scene, name, target, fact));
    }
    if conditions_count(scene, api) {
        for fact in scene.view.snapshot.nodes.iter().filter(|n| !n.is_ready() && !in_maintenance(n)) {
            let kubelet = kubelets.get(&*fact.name).copied();
            if !troubles.contains_key(&*fact.name) {
                troubles.extend(not_ready(scene, fact, kubelet).map(|t| (&*fact.name, t)));
            }
        }
    }
    troubles
}

/// Conditions speak of now, or of the moment when the API servers fell silent; fresh from an outage of theirs they only
/// say that nobody could report.
fn conditions_count(scene: &Scene<'_>, api: &Servers<'_>) -> bool {
    let Some(read) = scene.view.snapshot.read_at else { return false };
    match api.all_failing() {
        Some(since) => since.duration_since(read).unsigned_abs() <= CONDITIONS_RECENT,
        None => api_back(scene) && scene.now.duration_since(read).unsigned_abs() <= CONDITIONS_RECENT,
    }
}

/// When the lease was last renewed and how old it was when it was read.
fn lease(scene: &Scene<'_>, fact: Option<&NodeFact>) -> Option<(Timestamp, Duration)> {
    let age = fact?.lease_age.filter(|_| scene.leases_recent)?;
    Some((scene.view.snapshot.leases_at?.saturating_sub_age(age), age))
}

/// Its kubelet fails.
fn silent_or_dead<'a>(
    scene: &Scene<'a>,
    name: &str,
    target: &'a TargetView<'a>,
    fact: Option<&NodeFact>,
) -> Trouble<'a> {
    let how = target.how();
    let since = target.verdict.since;
    let lease = lease(scene, fact);
    // Renewed after the kubelet failed us: it works for others.
    let renewed = lease.is_some_and(|(at, age)| later(at, since, CLOCK_MARGIN) && age <= LEASE_STALE);
    let silent = how.is_silence() || (target.by_proxy() && how != How::Sick);
    let late = lease.is_some_and(|(_, age)| age > LEASE_LATE);
    let unready = fact.is_some_and(|f| !f.is_ready()) && scene.view.snapshot.read_at.is_some_and(|at| at >= since);
    let (kind, headline) = match how {
        How::Sick => (Kind::KubeletDown, format!("kubelet on {name} says that it is not healthy{}", failing(target))),
        How::Wrong if !target.by_proxy() => {
            (Kind::KubeletDown, format!("kubelet on {name} answers wrongly: {}", target.verdict.message))
        }
        _ if renewed => {
            let says = if silent { "can't be reached from here" } else { how.says(1) };
            (Kind::Unreachable, format!("kubelet on {name} {says}, yet its lease is fresh: the node lives"))
        }
        _ if !silent => {
            let dead = if how == How::Refused { "is down (connection refused)" } else { how.says(1) };
            (Kind::KubeletDown, format!("kubelet on {name} {dead}; containers there presumably still run"))
        }
        _ if late => {
            (Kind::Lost, format!("node {name} is lost: its kubelet is silent and has stopped renewing its lease"))
        }
        _ if unready => {
            (Kind::Lost, format!("node {name} is lost: its kubelet is silent and the API server calls it NotReady"))
        }
        _ if lease.is_some() => {
            (Kind::Lost, format!("no answer from node {name}: its kubelet is silent; its lease may still be renewed"))
        }
        _ => (Kind::Lost, format!("no answer from node {name}: its kubelet is silent, and its lease can't be read")),
    };
    let waiting = scene.now.duration_since(since).unsigned_abs() < UNDECIDED_FOR;
    let mut evidence = vec![target.line()];
    evidence.extend(lease.map(|(at, _)| format!("lease of {name} last renewed about {}", words::time(at))));
    evidence.extend(fact.and_then(|f| f.conditions.iter().find(|c| c.kind == "Ready")).map(|c| ready(scene, name, c)));
    Trouble {
        kind,
        undecided: silent && !renewed && !late && !unready && lease.is_some() && waiting,
        since,
        headline,
        evidence,
        control: fact.is_some_and(|f| f.control_plane),
        target: Some(target),
    }
}

fn failing(target: &TargetView<'_>) -> String {
    match target.failed_checks().as_slice() {
        [] => format!(": {}", target.verdict.message),
        checks => format!(": failing {}", words::list(checks, HEADLINE_NAMES)),
    }
}

/// `the API server told at …: Ready is Unknown (NodeStatusUnknown)`.
fn ready(scene: &Scene<'_>, name: &str, c: &NodeCondition) -> String {
    let since = c.since.map(|at| format!(" since {}", words::time(at))).unwrap_or_default();
    let told = if scene.leases_recent { "the API server says" } else { "the API server last said" };
    format!("{told}: {name} Ready={}{since} ({})", c.status, c.reason)
}

/// The API server calls it NotReady, while its kubelet answers or is not asked.
fn not_ready<'a>(scene: &Scene<'a>, fact: &NodeFact, kubelet: Option<&'a TargetView<'a>>) -> Option<Trouble<'a>> {
    let name = &fact.name;
    let condition = fact.conditions.iter().find(|c| c.kind == "Ready")?;
    let since = condition.since.unwrap_or(kubelet.map_or(scene.now, |t| t.verdict.since));
    if condition.since.is_some_and(|at| !later(scene.now, at, NOT_READY_FOR)) {
        return None;
    }
    let reason = &condition.reason;
    let (kind, headline) = match kubelet {
        Some(t) if t.is_up() => {
            (Kind::NotReady, format!("node {name} is NotReady ({reason}), though its kubelet answers"))
        }
        Some(t) if t.is_open() => return None,
        _ if condition.status == "Unknown" => {
            (Kind::Lost, format!("node {name} is lost: the API servers have not heard of its kubelet ({reason})"))
        }
        _ => (Kind::NotReady, format!("node {name} is NotReady ({reason})")),
    };
    let mut evidence = vec![ready(scene, name, condition)];
    evidence.extend(kubelet.map(TargetView::line));
    Some(Trouble { kind, undecided: false, since, headline, evidence, control: fact.control_plane, target: kubelet })
}

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
        Kind::Lost => (AlertName::NodeDown, Severity::Critical),
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
        Kind::Lost => (
            Some(format!(
                "what ran on {name} is gone or cut off; its pods are moved about 5 minutes after the API server notices"
            )),
            format!("look at {name} itself: power, console, network; `ping` and `ssh` it from another node"),
        ),
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
    let mut kinds: BTreeMap<std::cmp::Reverse<Kind>, usize> = BTreeMap::new();
    for (_, t) in troubles {
        *kinds.entry(std::cmp::Reverse(t.kind)).or_default() += 1;
    }
    let n = troubles.len();
    let names = words::list(&troubles.iter().map(|(name, _)| **name).collect::<Vec<_>>(), HEADLINE_NAMES);
    let worst = kinds.keys().next().map_or(Kind::NotReady, |k| k.0);
    let headline = match (kinds.len(), worst) {
        (1, Kind::Lost) => format!("{n} of {total} nodes are lost: {names}"),
        (1, Kind::KubeletDown) => {
            format!("{n} of {total} kubelets are down: {names}; containers there presumably still run")
        }
        (1, Kind::Unreachable) => {
            format!("{n} of {total} kubelets can't be reached from here, yet their leases are fresh: {names}")
        }
        (1, Kind::NotReady) => format!("{n} of {total} nodes are NotReady, though their kubelets answer: {names}"),
        _ => {
            let part = |(kind, n): (&std::cmp::Reverse<Kind>, &usize)| match kind.0 {
                Kind::Lost => format!("{n} lost"),
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
        Kind::Lost => "look for what they share: rack, switch, hypervisor, power, network segment".into(),
        Kind::KubeletDown => "look for what changed on all of them: an upgrade, a configuration, an expired certificate; `journalctl -u kubelet`".into(),
        Kind::Unreachable => "look at the firewall between the watchdog and the nodes (port 10250)".into(),
        Kind::NotReady => "`kubectl describe node` of one of them; look at the network plugin and the container runtime".into(),
    };
    finding
}

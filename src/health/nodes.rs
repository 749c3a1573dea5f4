//! Nodes: what the kubelet's silence means, with the node's lease and its Ready condition as second witnesses.
//!
//! A kubelet that is silent while its lease is renewed lives, and we can't reach it; one that refuses is dead while its
//! host lives; one that is silent and renews nothing is lost with its node. A node in maintenance raises no alarm.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::{
    apiserver::Servers,
    scene::Scene,
    time::{CLOCK_MARGIN, SaturatingAge, later},
    view::{How, TargetView},
    words,
};
use crate::model::{Job, NodeCondition, NodeFact};

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
/// How many failing checks a headline names.
const CHECKS_NAMED: usize = 3;

/// What is wrong with a node. Worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    NotReady,
    Unreachable,
    KubeletDown,
    /// Silent, and nobody else can say more.
    Mute,
    Lost,
}

/// A node in trouble.
pub(super) struct Trouble<'a> {
    pub(super) kind: Kind,
    /// The lease will soon tell more.
    pub(super) undecided: bool,
    pub(super) since: Timestamp,
    pub(super) headline: String,
    pub(super) evidence: Vec<String>,
    /// It is a control-plane node.
    pub(super) control: bool,
    pub(super) target: Option<&'a TargetView<'a>>,
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
        None => scene.api_back() && scene.now.duration_since(read).unsigned_abs() <= CONDITIONS_RECENT,
    }
}

/// When the lease was last renewed and how old it was when it was read.
fn lease(scene: &Scene<'_>, fact: Option<&NodeFact>) -> Option<(Timestamp, Duration)> {
    let age = fact?.lease_age().filter(|_| scene.leases_recent)?;
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
        _ => (Kind::Mute, format!("no answer from node {name}: its kubelet is silent, and its lease can't be read")),
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
        checks => format!(": failing {}", words::list(checks, CHECKS_NAMED)),
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
        Some(t) if t.is_up() || t.how() == How::Credentials => {
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

//! Nodes: what the kubelet's silence means, with the node's lease and its Ready condition as second witnesses.
//!
//! A kubelet that is silent while its lease is renewed lives, and we can't reach it; one that refuses is dead while its
//! host lives; one that is silent and renews nothing is lost with its node. One that never answered from here is judged by
//! what the API server hears of it alone. A node that is being set up, drained or taken away raises no alarm.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use self::condition::Names;
use super::{
    apiserver::Servers,
    indexed_view::IndexedView,
    say::{self, Sentence},
    time::{later, past},
    view::{How, TargetView},
};
use crate::model::{Job, NodeCondition, NodeFact, ObservedLease, Said, SaidPart, Severity, text};

pub(super) mod commons;
mod condition;
pub(super) mod counts;
mod pressure;

pub(super) use pressure::Pressure;

/// What the node controller allows (`--node-monitor-grace-period`).
const LEASE_STALE: Duration = Duration::from_secs(40);
/// One and a half renew intervals: a living kubelet has renewed by then.
const LEASE_LATE: Duration = Duration::from_secs(15);
/// So long after its first failed probe the lease is waited for, and no longer: then it is told what is known.
const UNDECIDED_FOR: Duration = Duration::from_secs(10);
/// A kubelet that never answered is judged when its lease has had the time to show whether it is renewed.
const STRANGER_FOR: Duration = Duration::from_secs(60);
/// A node that joins or restarts is NotReady for a moment.
const NOT_READY_FOR: Duration = Duration::from_secs(60);
/// A node that has never been Ready is being set up for so long: its image, its network plugin.
const JOINING_FOR: Duration = Duration::from_secs(300);
/// The node controller has called a node Unknown by then: one that is Ready so long after its kubelet failed us is heard.
const READY_PROVES_AFTER: Duration = Duration::from_secs(60);
/// Conditions read longer ago say nothing.
const CONDITIONS_RECENT: Duration = Duration::from_secs(120);
/// How many failing checks a headline names.
const CHECKS_NAMED: usize = 3;

/// Says what is wrong with a node. Worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Its kubelet never answered from here, and the API server hears from it: no trouble, worth a note.
    OutOfReach,
    NotReady,
    /// NotReady: no pod network.
    NoNetwork,
    /// NotReady: no container runtime.
    NoRuntime,
    Unreachable,
    KubeletDown,
    /// Silent, and its lease will soon say more.
    Silent,
    /// Silent, and nobody else can say more.
    Mute,
    Lost,
}

/// A node in trouble.
pub(super) struct Trouble<'a> {
    pub(super) kind: Kind,
    pub(super) severity: Severity,
    /// Nobody has heard of it for as long as the node controller allows.
    pub(super) gone: bool,
    /// The lease will soon tell more.
    pub(super) undecided: bool,
    pub(super) since: Timestamp,
    pub(super) headline: Sentence,
    pub(super) evidence: Vec<String>,
    pub(super) target: Option<&'a TargetView<'a>>,
}

/// Returns whether it is coming or going: someone, or an autoscaler, is at it.
pub(super) fn in_maintenance(fact: &NodeFact) -> bool {
    fact.passage().is_some()
}

/// Returns every node in trouble, by name.
pub(super) fn troubles<'a>(indexed: &IndexedView<'a>, api: &Servers<'a>) -> BTreeMap<&'a str, Trouble<'a>> {
    let mut troubles = BTreeMap::new();
    let mut kubelets = BTreeMap::new();
    for target in indexed.job(Job::Kubelet) {
        kubelets.insert(target.node().unwrap_or(target.host()), *target);
    }
    let conditions = conditions_count(indexed, api);
    for (&name, target) in &kubelets {
        let fact = indexed.node(name);
        // Asked through API servers that don't answer, a kubelet's silence is theirs.
        if !target.is_broken() || fact.is_some_and(is_excused) || (target.by_proxy() && !api.any_up()) {
            continue;
        }
        // That the runtime is dead makes the kubelet sick in the end: the cause is told, as it was before.
        if target.how() == How::Sick && conditions && fact.is_some_and(names_runtime) {
            continue;
        }
        troubles.extend(failing_kubelet(indexed, api, name, target, fact).map(|t| (name, t)));
    }
    if conditions {
        for fact in indexed.view.snapshot.nodes.iter().filter(|n| !n.is_ready() && !is_excused(n)) {
            let kubelet = kubelets.get(&*fact.name).copied();
            // Out of our reach, a node can be in trouble all the same.
            if troubles.get(&*fact.name).is_none_or(|t: &Trouble<'_>| t.kind == Kind::OutOfReach) {
                troubles.extend(not_ready(indexed, fact, kubelet).map(|t| (&*fact.name, t)));
            }
        }
    }
    troubles
}

/// On its way in or out, or shutting down by its own word.
fn is_excused(fact: &NodeFact) -> bool {
    in_maintenance(fact) || condition::ready(fact).is_some_and(|c| condition::names(c) == Names::Shutdown)
}

fn names_runtime(fact: &NodeFact) -> bool {
    condition::ready(fact).is_some_and(|c| matches!(condition::names(c), Names::Runtime | Names::SlowRuntime))
}

/// Returns whether the API server hears from a node, as far as a single reading shows it: it calls it Ready, and the
/// lease is no older than a living kubelet's. Who reads again and again judges by whether the lease changes.
pub fn is_heard(fact: &NodeFact) -> bool {
    let age = fact.lease.as_ref().and_then(|l| l.told_age);
    fact.is_ready() && age.is_none_or(|age| age <= LEASE_LATE)
}

/// It was made lately.
fn is_new(fact: &NodeFact, now: Timestamp) -> bool {
    past(fact.created, now).is_some_and(|at| !later(now, at, JOINING_FOR))
}

/// Conditions speak of now, or of the moment when the API servers fell silent; fresh from an outage of theirs they only
/// say that nobody could report.
pub(super) fn conditions_count(indexed: &IndexedView<'_>, api: &Servers<'_>) -> bool {
    let Some(read) = indexed.view.snapshot.read_at else { return false };
    match api.all_failing() {
        Some(since) => since.duration_since(read).unsigned_abs() <= CONDITIONS_RECENT,
        None => indexed.api_back() && indexed.now.duration_since(read).unsigned_abs() <= CONDITIONS_RECENT,
    }
}

/// What others know of a node whose kubelet fails.
struct Witnesses<'a> {
    lease: Option<&'a ObservedLease>,
    /// Its lease was renewed after the kubelet failed us, or the API server has called it Ready for long since.
    lives: bool,
    /// The lease is later than a living kubelet's.
    late: bool,
    /// The API server has called it NotReady since.
    unready: bool,
    /// What the API server last said is recent, and good.
    ready: bool,
    /// Nobody has heard of it for as long as the node controller allows.
    gone: bool,
}

impl<'a> Witnesses<'a> {
    fn of(indexed: &IndexedView<'_>, api: &Servers<'_>, fact: Option<&'a NodeFact>, target: &TargetView<'_>) -> Self {
        let since = target.verdict.since;
        let lease = fact.and_then(|f| f.lease.as_ref()).filter(|_| indexed.leases_recent);
        let read = indexed.view.snapshot.read_at.filter(|_| api.any_up());
        let long_since = since.checked_add(READY_PROVES_AFTER).unwrap_or(Timestamp::MAX);
        let is_ready = fact.is_some_and(NodeFact::is_ready);
        // What has not moved since we watch is judged when it has been watched for long.
        let limit =
            |moved| move |l: &&ObservedLease| if l.has_moved() { l.age() > moved } else { l.age() > LEASE_STALE };
        let fresh = |l: &&ObservedLease| l.has_moved() && l.age() <= LEASE_STALE;
        let renewed = |l: &ObservedLease| l.renewed_after(since) || target.is_stranger();
        let silent_for = indexed.now.duration_since(since).unsigned_abs();
        Self {
            lease,
            lives: lease.filter(fresh).is_some_and(renewed)
                || (lease.is_none() && is_ready && read.is_some_and(|at| at >= long_since)),
            late: lease.filter(limit(LEASE_LATE)).is_some(),
            unready: fact.is_some() && !is_ready && read.is_some_and(|at| at >= since),
            ready: is_ready && read.is_some_and(|at| !later(indexed.now, at, CONDITIONS_RECENT)),
            gone: lease.map_or(silent_for > LEASE_STALE, |l| l.age() > LEASE_STALE),
        }
    }
}

/// Its kubelet fails.
fn failing_kubelet<'a>(
    indexed: &IndexedView<'a>,
    api: &Servers<'_>,
    name: &str,
    target: &'a TargetView<'a>,
    fact: Option<&NodeFact>,
) -> Option<Trouble<'a>> {
    let seen = Witnesses::of(indexed, api, fact, target);
    let began = fact.and_then(|f| f.settled_at).map_or(target.verdict.since, |at| at.max(target.verdict.since));
    let waited = indexed.now.duration_since(target.verdict.since).unsigned_abs();
    let silent = target.how().is_silence() || (target.by_proxy() && target.how() != How::Sick);
    let (kind, headline) = if !target.is_stranger() {
        kind_of_known(name, target, &seen, silent, api)
    } else {
        let patience = fact.is_some_and(|f| is_new(f, indexed.now)) || waited < STRANGER_FOR;
        kind_of_stranger(name, target, &seen, silent, patience, api)?
    };
    let control = fact.is_some_and(|f| f.control_plane);
    let severity = match kind {
        Kind::Lost | Kind::Mute => Severity::Critical,
        Kind::KubeletDown if control && seen.gone => Severity::Critical,
        Kind::OutOfReach => Severity::Info,
        _ => Severity::Warning,
    };
    let mut evidence = vec![target.line()];
    evidence.extend(seen.lease.map(|l| renewal(name, l)));
    evidence.extend(fact.and_then(condition::ready).map(|c| ready(indexed, name, c)));
    let headline = pressure::added_to(headline, fact);
    let undecided = kind == Kind::Silent && waited < UNDECIDED_FOR;
    let headline = headline.into();
    Some(Trouble { kind, severity, gone: seen.gone, undecided, since: began, headline, evidence, target: Some(target) })
}

/// A kubelet that has answered before.
fn kind_of_known(
    name: &str,
    target: &TargetView<'_>,
    seen: &Witnesses<'_>,
    silent: bool,
    api: &Servers<'_>,
) -> (Kind, Said) {
    let how = target.how();
    let kubelet = |id| Said::new(id).with("node", name);
    let silent_node = |why| kubelet("node-silent").with("why", why);
    match how {
        How::Sick => match target.failed_checks().as_slice() {
            [] => (Kind::KubeletDown, kubelet("kubelet-unwell").with("why", &target.verdict.message)),
            checks => (Kind::KubeletDown, kubelet("kubelet-checks-fail").names("checks", checks, CHECKS_NAMED)),
        },
        How::Wrong if !target.by_proxy() => {
            (Kind::KubeletDown, kubelet("kubelet-wrong").with("why", &target.verdict.message))
        }
        _ if seen.lives => {
            let out_of_reach = silent && how != How::Refused;
            let says = if out_of_reach { Said::new("beyond-us") } else { say::how(how, 1) };
            let heard = if seen.lease.is_some() { "lease" } else { "api" };
            (Kind::Unreachable, kubelet("kubelet-but-node-lives").with("how", says).with("heard", heard))
        }
        _ if !silent => dead(name, how),
        _ if seen.late || seen.unready => lost(name, seen),
        _ if seen.lease.is_some() => (Kind::Silent, silent_node("lease")),
        _ if seen.ready && api.any_up() => (Kind::Silent, silent_node("ready")),
        _ => (Kind::Mute, silent_node("mute")),
    }
}

/// A kubelet that never answered from here: a firewall may always have been between. `None`: nothing is known yet.
fn kind_of_stranger(
    name: &str,
    target: &TargetView<'_>,
    seen: &Witnesses<'_>,
    silent: bool,
    patience: bool,
    api: &Servers<'_>,
) -> Option<(Kind, Said)> {
    let never = || Said::new("kubelet-never-answered").with("node", name);
    if seen.lives {
        return Some((Kind::OutOfReach, never()));
    }
    if patience {
        return None;
    }
    if seen.late || seen.unready {
        return Some(if silent { lost(name, seen) } else { dead(name, target.how()) });
    }
    if seen.ready && api.any_up() {
        return Some((Kind::OutOfReach, never()));
    }
    Some((Kind::Mute, Said::new("node-silent").with("node", name).with("why", "mute")))
}

fn dead(name: &str, how: How) -> (Kind, Said) {
    let dead = if how == How::Refused { Said::new("down-refused") } else { say::how(how, 1) };
    (Kind::KubeletDown, Said::new("kubelet-dead").with("node", name).with("how", dead))
}

fn lost(name: &str, seen: &Witnesses<'_>) -> (Kind, Said) {
    let why = if seen.late { "lease" } else { "api" };
    (Kind::Lost, Said::new("node-lost").with("node", name).with("why", why))
}

/// `lease of n1 last renewed about …`.
fn renewal(name: &str, lease: &ObservedLease) -> String {
    if lease.has_moved() {
        format!("lease of {name} last renewed about {}", text::moment(lease.renewed_at()))
    } else {
        format!("lease of {name} not renewed since it was first read at {}", text::moment(lease.seen_at))
    }
}

/// `the API server says: n1 Ready=Unknown since … (NodeStatusUnknown)`.
fn ready(indexed: &IndexedView<'_>, name: &str, c: &NodeCondition) -> String {
    let since = c.since.map(|at| format!(" since {}", text::moment(at))).unwrap_or_default();
    let told = if indexed.leases_recent { "the API server says" } else { "the API server last said" };
    let message = if c.message.is_empty() { String::new() } else { format!(": {}", c.message) };
    format!("{told}: {name} Ready={}{since} ({}{message})", c.status, c.reason)
}

/// The API server calls it NotReady, while its kubelet answers or is not asked.
fn not_ready<'a>(
    indexed: &IndexedView<'a>,
    fact: &NodeFact,
    kubelet: Option<&'a TargetView<'a>>,
) -> Option<Trouble<'a>> {
    let name = &fact.name;
    let condition = condition::ready(fact)?;
    let names = condition::names(condition);
    // A kubelet that never answered tells nothing of a node.
    let kubelet = kubelet.filter(|t| !t.is_stranger() || t.is_open());
    let told = past(condition.since, indexed.now);
    let since = told.unwrap_or(kubelet.map_or(indexed.now, |t| t.verdict.since));
    let is_fresh = told.is_some_and(|at| !later(indexed.now, at, NOT_READY_FOR));
    // The kubelet has waited for its runtime before it said so.
    let at_once = matches!(names, Names::Runtime | Names::SlowRuntime);
    let was_ready = fact.created.is_none_or(|made| later(since, made, NOT_READY_FOR));
    if (is_fresh && !at_once) || (!was_ready && is_new(fact, indexed.now)) {
        return None;
    }
    // NotReady long before its kubelet came into doubt: that one is late, and what is known stands until more is.
    let stands = |t: &TargetView<'_>| t.is_open() && later(t.verdict.since, since, NOT_READY_FOR);
    let answers =
        kubelet.is_some_and(|t| t.is_up() || t.how() == How::Credentials || t.how() == How::Sick || stands(t));
    let though: SaidPart =
        if answers { Said::new("though-kubelet-answers").into() } else { SaidPart::from(say::NOTHING) };
    let node = |id| Said::new(id).with("node", &**name);
    let trouble = |id| node(id).with("though", though.clone());
    let (kind, headline) = match names {
        _ if kubelet.is_some_and(TargetView::is_open) && !answers => return None,
        _ if condition.status == "Unknown" && !answers => {
            (Kind::Lost, node("node-not-heard").with("reason", &condition.reason))
        }
        Names::Runtime => (Kind::NoRuntime, trouble("node-no-runtime")),
        Names::SlowRuntime => (Kind::NoRuntime, trouble("node-slow-runtime")),
        Names::Network => (Kind::NoNetwork, trouble("node-no-network").with("why", condition::network(condition))),
        _ => (Kind::NotReady, trouble("node-not-ready").with("why", condition::quoted(condition))),
    };
    let headline = pressure::added_to(headline, Some(fact));
    let severity = if kind == Kind::Lost { Severity::Critical } else { Severity::Warning };
    let began = since.checked_sub(names.before()).unwrap_or(since);
    let since = fact.settled_at.map_or(began, |at| at.max(began));
    let mut evidence = vec![ready(indexed, name, condition)];
    evidence.extend(kubelet.map(TargetView::line));
    let gone = kind == Kind::Lost;
    let headline = headline.into();
    Some(Trouble { kind, severity, gone, undecided: false, since, headline, evidence, target: kubelet })
}

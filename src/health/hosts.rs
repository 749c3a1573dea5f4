//! A whole control-plane host that is silent: judged before anything that runs on it, and told once.
//!
//! Of a host that is silent towards us and that others see, nothing that runs there is called dead. While it can't be said
//! yet (a target of it is in doubt, or a witness has not been asked since), nothing there is called anything. The same holds
//! on its way back: a host that answers again is one event, whatever of it is heard first.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::{
    indexed_view::IndexedView,
    members::{Seat, Seats},
    time::{follows, later},
    view::{TargetView, earliest},
    witness::{self, Word},
};
use crate::model::{Job, Said, State};

/// So long after its first sign of silence a host is waited for, and no longer: by then all its targets have been asked.
const JUDGED_WITHIN: Duration = Duration::from_secs(14);

/// What is still silent on a host that answers again is waited for at least so long after the first sign of life: an
/// election of etcd, and two probes in a row of each target…
const RETURNS_WITHIN: Duration = Duration::from_secs(20);
/// …and, where targets are probed seldom, no longer than this.
const RETURNS_WITHIN_MAX: Duration = Duration::from_secs(60);

/// Says what became of a silent host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It can't be said yet.
    Open,
    /// Somebody has seen it since: it is our way to it that is broken. In words, who.
    Lives(Said),
    /// Some of the silent ones live, since quorum is kept, and nobody can say which. In words, who proves it.
    Needed(Said),
    /// It is gone, as far as anybody can tell.
    Lost,
}

/// A silent control-plane host.
pub(super) struct Host<'a> {
    /// Its node's name, or its address.
    pub(super) id: &'a str,
    /// `cp2 (10.0.0.2)`.
    pub(super) label: String,
    pub(super) targets: Vec<&'a TargetView<'a>>,
    pub(super) fate: Fate,
    /// Since when all that is silent there is: see [`fell`].
    fell: Timestamp,
}

impl Host<'_> {
    fn has(&self, target: &TargetView<'_>) -> bool {
        self.targets.iter().any(|t| std::ptr::eq(*t, target))
    }
}

/// Every silent control-plane host.
#[derive(Default)]
pub(super) struct Hosts<'a>(Vec<Host<'a>>);

impl<'a> Hosts<'a> {
    /// Judges each machine of the control plane of which nothing answers.
    pub(super) fn of(indexed: &IndexedView<'a>, seats: &Seats<'a>) -> Self {
        let mut hosts = Self::default();
        if indexed.unreachable {
            return hosts;
        }
        for (id, targets) in machines(indexed) {
            if let Some(fate) = fate(indexed, seats, id, &targets) {
                let fell = fell(&targets, indexed.now);
                hosts.0.push(Host { id, label: label(id, &targets), targets, fate, fell });
            }
        }
        hosts.live_by_quorum(indexed, seats);
        hosts.live_together(indexed, seats);
        hosts
    }

    /// One that fell silent together with another, which is known to live, and of which nobody says that it is gone.
    fn live_together(&mut self, indexed: &IndexedView<'a>, seats: &Seats<'a>) {
        let Some((at, with)) = self.living().map(|h| (h.fell, h.label.clone())).next() else { return };
        for host in self.0.iter_mut().filter(|h| h.fate == Fate::Lost) {
            let together = follows(host.fell, at) && follows(at, host.fell);
            let gone = witness::of_machine(indexed, seats, (host.id, &host.targets), host.fell) == Word::Gone;
            if together && !gone {
                host.fate = Fate::Needed(Said::new("fate-together").with("host", &with));
            }
        }
    }

    /// Where quorum is kept, some of the hosts that it would need live, even if nobody can say which.
    fn live_by_quorum(&mut self, indexed: &IndexedView<'a>, seats: &Seats<'a>) {
        let voters = || seats.all.iter().filter(|s| s.voter);
        let broken = |s: &&Seat<'_>| s.unborn || s.target.is_some_and(|t| t.is_broken() && !self.shield(t));
        let alive = voters().count().saturating_sub(voters().filter(broken).count());
        let missing = (voters().count() / 2 + 1).saturating_sub(alive);
        let since = self.lost().map(|h| h.fell).max();
        let (Some(since), true) = (since, missing > 0) else { return };
        let fate = match witness::of_quorum(indexed, since) {
            Word::Lives(who) => Fate::Needed(Said::new("fate-by-quorum").with("n", missing).with("proof", who)),
            Word::Waiting => Fate::Open,
            _ => return,
        };
        let here = |h: &Host<'_>| h.fate == Fate::Lost && h.targets.iter().any(|t| t.job() == Job::Etcd);
        self.0.iter_mut().filter(|h| here(h)).for_each(|h| h.fate = fate.clone());
    }

    /// Returns those that are gone.
    pub(super) fn lost(&self) -> impl Iterator<Item = &Host<'a>> {
        self.0.iter().filter(|h| h.fate == Fate::Lost)
    }

    /// Returns those that live, out of our reach.
    pub(super) fn living(&self) -> impl Iterator<Item = &Host<'a>> {
        self.0.iter().filter(|h| matches!(h.fate, Fate::Lives(_) | Fate::Needed(_)))
    }

    /// Returns whether some can't be judged yet.
    pub(super) fn any_open(&self) -> bool {
        self.0.iter().any(|h| h.fate == Fate::Open)
    }

    /// Returns the silent host that a target is on.
    pub(super) fn of_target(&self, target: &TargetView<'_>) -> Option<&Host<'a>> {
        self.0.iter().find(|h| h.has(target))
    }

    /// Returns whether its host is not judged yet, or about to be back: whatever it does is part of that.
    pub(super) fn is_awaited(&self, target: &TargetView<'_>) -> bool {
        self.of_target(target).is_some_and(|h| h.fate == Fate::Open)
    }

    /// Returns whether nothing is said of this target now: its host lives out of our reach, or is not judged yet.
    pub(super) fn shield(&self, target: &TargetView<'_>) -> bool {
        self.of_target(target).is_some_and(|h| h.fate != Fate::Lost)
    }
}

/// The machines of the control plane, with all that is asked directly on each.
fn machines<'a>(indexed: &IndexedView<'a>) -> BTreeMap<&'a str, Vec<&'a TargetView<'a>>> {
    let mut machines: BTreeMap<&str, Vec<&TargetView>> = BTreeMap::new();
    for job in [Job::KubeApiserver, Job::Etcd, Job::KubeScheduler, Job::KubeControllerManager] {
        // The advertised URL may be a load balancer's: it tells nothing of a host.
        let shared = |t: &&&TargetView| indexed.advertised.is_some_and(|a| std::ptr::eq(a, **t));
        for target in indexed.job(job).iter().filter(|t| !shared(t)) {
            machines.entry(indexed.machine(target)).or_default().push(target);
        }
    }
    for job in [Job::Kubelet, Job::KubeProxy] {
        for target in indexed.job(job).iter().filter(|t| !t.by_proxy()) {
            if let Some(targets) = machines.get_mut(indexed.machine(target)) {
                targets.push(target);
            }
        }
    }
    machines
}

/// The moment that witnesses must have seen a machine after: when the last of its silent targets fell silent. One that
/// always was, behind a firewall, tells nothing of when the machine did.
fn fell(targets: &[&TargetView<'_>], or: Timestamp) -> Timestamp {
    targets.iter().filter(|t| t.is_silent()).map(|t| t.verdict.since).max().unwrap_or(or)
}

/// It was silent as a whole, and something of it has just begun to answer again. Whatever was well all the while, beside
/// what is silent, shows that the host never was.
fn returns(targets: &[&TargetView<'_>], now: Timestamp) -> bool {
    // What was never heard from here may be behind a firewall: its silence tells of no beginning.
    let silent = |t: &&TargetView<'_>| t.is_broken() && t.how().is_silence() && t.verdict.reached;
    let back = |t: &TargetView<'_>| match t.verdict.state {
        State::Up => Some(t.verdict.since),
        State::Down => t.last_success.filter(|at| *at > t.verdict.since),
        _ => None,
    };
    let (Some(fell), Some(first)) = (
        targets.iter().copied().filter(silent).map(|t| t.verdict.since).max(),
        targets.iter().filter_map(|t| back(t)).min(),
    ) else {
        return false;
    };
    let asked = targets.iter().map(|t| t.target.interval.saturating_add(t.target.timeout)).max().unwrap_or_default();
    let wait = asked.saturating_mul(2).clamp(RETURNS_WITHIN, RETURNS_WITHIN_MAX);
    first > fell && !later(now, first, wait)
}

/// `None` where something on the machine answers, and not only since just now.
fn fate(indexed: &IndexedView<'_>, seats: &Seats<'_>, id: &str, targets: &[&TargetView<'_>]) -> Option<Fate> {
    let silent: Vec<_> = targets.iter().copied().filter(|t| t.is_silent()).collect();
    let down = silent.iter().filter(|t| t.is_down()).count();
    let since = earliest(&silent, indexed.now);
    // Asked since, and it answered: the host lives, and what is silent there is judged by itself.
    let unasked = |t: &TargetView<'_>| t.last.is_none_or(|o| o.started < since);
    let answers = |t: &&TargetView<'_>| match t.verdict.state {
        State::Unknown if t.verdict.reason.is_none() => false,
        State::Up => !unasked(t),
        _ => !t.is_silent(),
    };
    // Of a single target it can't be told whether the host or the process is gone.
    if targets.len() < 2 {
        return None;
    }
    if returns(targets, indexed.now) {
        return Some(Fate::Open);
    }
    if silent.is_empty() || targets.iter().any(answers) {
        return None;
    }
    let fell = fell(targets, since);
    let word = witness::of_machine(indexed, seats, (id, targets), fell);
    let in_time = !later(indexed.now, fell, JUDGED_WITHIN);
    match word {
        Word::Lives(who) if down > 0 => Some(Fate::Lives(who)),
        _ if in_time && (down < targets.len() || word == Word::Waiting) => Some(Fate::Open),
        _ => (down >= 2 && silent.len() == targets.len()).then_some(Fate::Lost),
    }
}

fn label(id: &str, targets: &[&TargetView<'_>]) -> String {
    match targets.first().map(|t| t.host()) {
        Some(host) if host != id => format!("{id} ({host})"),
        _ => id.to_owned(),
    }
}

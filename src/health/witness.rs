//! What others say of somebody who is silent towards us.
//!
//! Silence is what a power cut, a cable and a firewall on our way have in common; only somebody else can tell them apart.
//! Invariants: a witness has seen what it tells after the silence began, and so long after that what it tells would be
//! another thing were the silent one dead; whoever could still speak is waited for, for a time that has an end.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    indexed_view::IndexedView,
    members::{Seat, Seats},
    time::later,
    view::{How, TargetView},
};
use crate::model::{EtcdFacts, EtcdVia, Job, ObservedLease, ReadThrough, Said, State};

/// By then the loss of quorum shows in every answer that needs it: elections take 1 to 2 s, reads time out after 2 s.
const LOSS_SHOWS_AFTER: Duration = Duration::from_secs(5);
/// A leader that has not heard from a member for so long has lost it: they answer its heartbeats every 100 ms (etcd's
/// default; every second where somebody has slowed them down).
const UNHEARD_FOR: Duration = Duration::from_secs(3);
/// An API server that is dead has left the endpoints by then: its lease there lasts 15 s, and the others look every 10 s
/// (kube-apiserver's `DefaultEndpointReconcilerTTL` and interval).
const ENDPOINT_LEAVES_AFTER: Duration = Duration::from_secs(30);
/// So long after a silence began a witness is waited for: a probe of every witness has ended by then.
const WAIT: Duration = Duration::from_secs(15);
/// A kubelet renews its lease every 10 s, and in doubt it is read every 3 s: whether it does is known by then.
const WAIT_FOR_LEASE: Duration = Duration::from_secs(14);

/// A lease that is renewed has changed within this: kubelets renew every 10 s, and it is read every 10 s.
const RENEWED_WITHIN: Duration = Duration::from_secs(25);
/// Endpoints read longer ago tell nothing of now.
const LISTED_WITHIN: Duration = Duration::from_secs(90);

/// Says what is known of a silent one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// It lives: who has seen it, in words.
    Lives(Said),
    /// Somebody may know, and has not been asked late enough.
    Waiting,
    /// Somebody who would know says that it is gone.
    Gone,
    /// There is nobody who could tell.
    None,
}

impl Word {
    /// The better of two: life beats everything, then hope, then certainty of death.
    fn or(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Word::Lives(_) => self,
            Word::None => other(),
            _ => match other() {
                lives @ Word::Lives(_) => lives,
                Word::Waiting => Word::Waiting,
                _ => self,
            },
        }
    }
}

/// So long after a silence began a witness that is asked this seldom is waited for.
fn wait_for(t: &TargetView<'_>) -> Duration {
    WAIT.max(LOSS_SHOWS_AFTER.saturating_add(t.target.interval).saturating_add(t.target.timeout))
}

fn waits(indexed: &IndexedView<'_>, since: Timestamp, wait: Duration) -> bool {
    !later(indexed.now, since, wait)
}

/// Returns whether quorum is kept though too many members can't be reached since `since`: a read that needs quorum went
/// well long enough after that, or failed, or a member says that it has no leader.
pub(super) fn of_quorum(indexed: &IndexedView<'_>, since: Timestamp) -> Word {
    let leaderless = |t: &&TargetView<'_>| {
        t.etcd_facts().is_some_and(|f| f.has_leader == Some(false)) && t.last.is_some_and(|o| o.started >= since)
    };
    match of_reads(indexed, since) {
        Word::Waiting if indexed.job(Job::Etcd).iter().any(leaderless) => Word::Gone,
        word => word,
    }
}

/// Returns whether somebody who would know says that quorum is lost since `since`: a member that lacks it, or an API
/// server whose reads through to etcd fail.
pub(super) fn says_lost(indexed: &IndexedView<'_>, since: Timestamp) -> bool {
    let asked = |t: &TargetView<'_>| t.last.is_some_and(|o| o.started >= since);
    let lacks = |t: &TargetView<'_>| asked(t) && t.etcd_facts().is_some_and(EtcdFacts::lacks_quorum);
    let fails = |t: &TargetView<'_>| asked(t) && t.is_down() && t.how() == How::EtcdFails;
    indexed.job(Job::Etcd).iter().any(|t| lacks(t)) || indexed.api.iter().any(|t| fails(t))
}

/// Returns what reads that need quorum tell, of those that can still be asked.
pub(super) fn of_reads(indexed: &IndexedView<'_>, since: Timestamp) -> Word {
    let member = |t: &TargetView<'_>| t.etcd_facts().is_some_and(|f| f.via != EtcdVia::Handshake);
    let reader = |t: &TargetView<'_>| t.api_facts().is_some_and(|f| f.etcd_read.is_some());
    let reads = |t: &TargetView<'_>| t.api_facts().is_some_and(|f| f.etcd_read == Some(ReadThrough::Ok));
    let asked = |t: &TargetView<'_>| t.last.is_some_and(|o| later(o.started, since, LOSS_SHOWS_AFTER));
    let well = |t: &TargetView<'_>| t.is_up() && asked(t) && t.last.is_some_and(|o| o.failure.is_none());
    let members = || indexed.job(Job::Etcd).iter().copied().filter(|t| member(t));
    let readers = || indexed.job(Job::KubeApiserver).iter().copied().filter(|t| reader(t));
    if let Some(t) = members().find(|t| well(t)) {
        return Word::Lives(Said::new("witness-member-reads").with("who", t.instance()));
    }
    if let Some(t) = readers().find(|t| well(t) && reads(t)) {
        return Word::Lives(Said::new("witness-server-reads").with("who", t.instance()));
    }
    let may = |t: &TargetView<'_>| match t.verdict.state {
        State::Up => !asked(t) && waits(indexed, since, wait_for(t)),
        State::Suspect => waits(indexed, since, WAIT) && (!t.is_silent() || t.last.is_some_and(|o| o.answered)),
        _ => false,
    };
    if members().chain(readers()).any(may) { Word::Waiting } else { Word::Gone }
}

/// Returns what other members say of one that is silent since `since`: whether they have heard from it.
pub(super) fn of_member(indexed: &IndexedView<'_>, seat: &Seat<'_>, since: Timestamp) -> Word {
    let Some(id) = seat.id else { return Word::None };
    let others = indexed.job(Job::Etcd).iter().filter(|t| !seat.target.is_some_and(|own| std::ptr::eq(own, **t)));
    others.fold(Word::None, |word, t| word.or(|| hears(indexed, t, (id, seat.short()), since)))
}

/// Returns whether the leader itself says that a member is gone: it would hear from it over whatever way is broken
/// towards us.
pub(super) fn is_missed(indexed: &IndexedView<'_>, seat: &Seat<'_>, since: Timestamp) -> bool {
    let Some(id) = seat.id else { return false };
    let leads = |t: &&&TargetView<'_>| t.etcd_facts().is_some_and(|f| f.is_leader == Some(true));
    let says = |t: &TargetView<'_>| hears(indexed, t, (id, seat.short()), since);
    indexed.job(Job::Etcd).iter().filter(leads).any(|t| says(t) == Word::Gone)
}

/// What one member says of another.
fn hears(indexed: &IndexedView<'_>, t: &TargetView<'_>, (id, name): (u64, &str), since: Timestamp) -> Word {
    let Some((last, facts)) = t.last.filter(|o| o.answered).zip(t.etcd_facts()) else { return Word::None };
    let Some(peer) = facts.peers.iter().find(|p| p.id == id) else { return Word::None };
    // What was read long before the answer it stands in tells nothing of now.
    let read = facts.peers_at.unwrap_or(last.started);
    if later(last.started, read, wait_for(t)) {
        return Word::None;
    }
    let still = peer.still_since.is_some_and(|at| later(read, at.max(since), UNHEARD_FOR));
    // It was heard since, and still is: what fell silent after that may have died in the meantime.
    if !still && peer.heard_after.is_some_and(|at| at >= since) {
        return Word::Lives(Said::new("witness-member-hears").with("who", t.instance()).with("name", name));
    }
    // Without a leader it has lost more than this one: it is not waited for.
    if facts.has_leader == Some(false) && last.started >= since {
        return Word::Gone;
    }
    match facts.is_leader {
        // A follower hears its leader alone.
        Some(true) if still => Word::Gone,
        Some(true) if waits(indexed, since, WAIT) => Word::Waiting,
        _ if waits(indexed, since, WAIT) && !later(last.started, since, UNHEARD_FOR) => Word::Waiting,
        _ => Word::None,
    }
}

/// Returns what others say of an API server that is silent since `since`: whether it renews its lease, or they still
/// list it.
pub(super) fn of_server<'a>(indexed: &IndexedView<'a>, target: &TargetView<'a>, since: Timestamp) -> Word {
    let machine = indexed.machine(target);
    if indexed.lease_of_server(machine).is_some_and(|lease| is_renewed(lease, since)) {
        return Word::Lives(Said::new("witness-server-lease").with("host", machine));
    }
    let snapshot = indexed.view.snapshot;
    let listed = snapshot.apiserver_endpoints.iter().any(|e| e == target.instance());
    let others = indexed.api.len() > 1 && indexed.api.iter().any(|t| t.is_up());
    match snapshot.read_at {
        Some(at)
            if listed
                && others
                && later(at, since, ENDPOINT_LEAVES_AFTER)
                && !later(indexed.now, at, LISTED_WITHIN) =>
        {
            Word::Lives(Said::new("witness-still-listed").with("who", target.instance()))
        }
        _ => Word::None,
    }
}

/// Returns what is known of a machine of which nothing answers since `since`.
pub(super) fn of_machine(
    indexed: &IndexedView<'_>,
    seats: &Seats<'_>,
    (machine, targets): (&str, &[&TargetView<'_>]),
    since: Timestamp,
) -> Word {
    let members = targets.iter().filter_map(|t| seats.of_target(t)).map(|seat| of_member(indexed, seat, since));
    let servers = targets.iter().filter(|t| t.job() == Job::KubeApiserver).map(|t| of_server(indexed, t, since));
    let told = members.chain(servers).fold(Word::None, |word, next| word.or(|| next));
    // Whoever is told to be gone by its peers is not waited for any longer: a lease would only tell the same later.
    match told {
        Word::Lives(_) => told,
        Word::Gone => match of_leases(indexed, machine, since) {
            lives @ Word::Lives(_) => lives,
            _ => Word::Gone,
        },
        told => told.or(|| of_leases(indexed, machine, since)),
    }
}

/// Leases that a machine renews: its kubelet's, and those of what leads on it.
fn of_leases(indexed: &IndexedView<'_>, machine: &str, since: Timestamp) -> Word {
    if let Some(lease) = indexed.leads_of(machine).find(|l| l.sight.as_ref().is_some_and(|s| is_renewed(s, since))) {
        let renews = Said::new("witness-leader-lease").with("component", &lease.name);
        return Word::Lives(renews.with("host", machine));
    }
    match indexed.lease_of_node(machine).map(|l| is_renewed(l, since)) {
        Some(true) => Word::Lives(Said::new("witness-kubelet-lease").with("host", machine)),
        Some(false) if waits(indexed, since, WAIT_FOR_LEASE) => Word::Waiting,
        Some(false) => Word::Gone,
        None => Word::None,
    }
}

/// It was renewed since, and still is: what stopped in between proves nothing of now.
fn is_renewed(lease: &ObservedLease, since: Timestamp) -> bool {
    lease.renewed_after(since) && lease.still_for() <= RENEWED_WITHIN
}

/// Returns whether it fails in a way that only a dead or broken process does: nobody has to be asked.
pub(super) fn is_certain(how: How) -> bool {
    !how.is_silence()
}

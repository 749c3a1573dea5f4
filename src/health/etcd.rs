//! etcd: which members live, whether quorum is kept, and who says so.
//!
//! Members that we can't reach are not lost while somebody who needs them (another member, an API server's read through to
//! etcd) goes on working: then it is our way to them that is broken. A refusal is certain; silence has to be borne out.

use jiff::Timestamp;

use super::{
    hosts::{Fate, Hosts},
    indexed_view::IndexedView,
    members::{Seat, Seats},
    network::Silence,
    view::{ClusterView, How, TargetView},
    witness::{Word, is_certain, is_missed, of_member, of_quorum, of_reads, says_lost},
};
use crate::model::{AlertName, FindingKey, Job, Reason, Said, State};

/// Says how etcd's votes stand, as the series of the cluster tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// Voting members.
    pub members: usize,
    /// Of them, healthy as seen from here.
    pub healthy: usize,
    /// Of them, alive: without quorum none is healthy, yet those that answer count when the next one comes back.
    pub alive: usize,
}

impl Quorum {
    /// Returns how many more members may be lost before quorum is; negative: it is lost.
    pub fn margin(self) -> i64 {
        i64::try_from(self.alive).unwrap_or(i64::MAX) - i64::try_from(majority(self.members)).unwrap_or(0)
    }
}

/// How many of so many votes decide.
fn majority(voters: usize) -> usize {
    voters / 2 + 1
}

/// Returns how etcd's votes stand; `None` where no member is watched.
pub fn quorum(view: &ClusterView<'_>) -> Option<Quorum> {
    let indexed = IndexedView::new(view, Silence::of(view).is_some());
    if indexed.job(Job::Etcd).is_empty() {
        return None;
    }
    let seats = Seats::of(&indexed);
    let hosts = Hosts::of(&indexed, &seats);
    Some(Etcd::new(&indexed, seats, &hosts).votes())
}

/// Says how a member does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// It answers well, or raised an alarm but has a leader.
    Well,
    /// Not there.
    Dead,
    /// It answers and is not well: no leader, health false.
    Sick,
    /// It lives, out of our reach: others see it.
    Beyond,
    /// Nobody can tell: no target, being judged, or our certificates are refused.
    Unknown,
}

/// A member and how it does.
pub(super) struct Member<'a> {
    pub(super) seat: Seat<'a>,
    pub(super) health: Health,
    pub(super) since: Timestamp,
}

impl Member<'_> {
    /// Returns the finding about it.
    pub(super) fn key(&self, indexed: &IndexedView<'_>) -> Option<FindingKey> {
        match self.health {
            Health::Dead => Some(indexed.key(AlertName::EtcdMemberDown, self.seat.subject())),
            Health::Sick => Some(indexed.key(AlertName::EtcdMemberUnhealthy, self.seat.subject())),
            Health::Well | Health::Beyond | Health::Unknown => None,
        }
    }

    /// It is gone, and not only silent: it refuses, or was never there.
    fn is_certain(&self) -> bool {
        self.seat.unborn || self.health == Health::Sick || self.seat.target.is_some_and(|t| is_certain(t.how()))
    }
}

/// etcd as a whole.
pub(super) struct Etcd<'a> {
    pub(super) members: Vec<Member<'a>>,
    /// Targets that are no member of the list.
    pub(super) strays: Vec<&'a TargetView<'a>>,
    /// Voting members.
    pub(super) total: usize,
    pub(super) quorum: usize,
    pub(super) dead: usize,
    pub(super) sick: usize,
    /// Since when there is no quorum.
    pub(super) lost: Option<Timestamp>,
    /// That it is lost is certain: by the word of those that refuse, or of those that miss it; else too many are silent.
    pub(super) sure: bool,
    /// Too many are out of our reach, yet somebody proves that quorum is kept.
    pub(super) proof: Option<Said>,
    /// Too many are silent, and it will soon be known whether quorum is lost.
    pub(super) open: bool,
    /// No member is visible; what is known of etcd comes from the API servers.
    pub(super) inferred: bool,
}

impl<'a> Etcd<'a> {
    pub(super) fn new(indexed: &IndexedView<'a>, seats: Seats<'a>, hosts: &Hosts<'a>) -> Self {
        let Seats { all, strays, .. } = seats;
        let members: Vec<_> = all.into_iter().map(|seat| judged(indexed, hosts, seat)).collect();
        let voters = || members.iter().filter(|m| m.seat.voter);
        let total = voters().count();
        let tally = |health| voters().filter(|m| m.health == health).count();
        let (dead, sick) = (tally(Health::Dead), tally(Health::Sick));
        let open = voters().any(|m| m.seat.target.is_some_and(|t| t.is_broken() && m.health == Health::Unknown));
        let (lost, proof, inferred) = (None, None, false);
        let quorum = majority(total);
        let sure = false;
        let mut etcd = Self { total, quorum, dead, sick, lost, sure, proof, open, inferred, members, strays };
        etcd.judge_quorum(indexed);
        etcd.sure =
            etcd.lost.is_some_and(|since| etcd.certain() > total.saturating_sub(quorum) || says_lost(indexed, since));
        etcd
    }

    /// See [`Quorum`].
    fn votes(&self) -> Quorum {
        // Neither a suspicion nor what can't be said yet changes anything; what lives out of our reach votes all the same.
        let kept = |m: &Member<'_>| m.health == Health::Beyond || (self.open && m.health == Health::Unknown);
        let count = |f: &dyn Fn(&TargetView<'_>) -> bool| {
            self.members.iter().filter(|m| m.seat.voter && m.seat.target.is_some_and(|t| kept(m) || f(t))).count()
        };
        let healthy = |t: &TargetView<'_>| matches!(t.verdict.state, State::Up | State::Suspect);
        let alive = |t: &TargetView<'_>| healthy(t) || t.last.is_some_and(|o| o.answered);
        Quorum { members: self.total, healthy: count(&healthy), alive: count(&alive) }
    }

    /// Returns members that may be counted on.
    pub(super) fn alive(&self) -> usize {
        self.total.saturating_sub(self.dead + self.sick)
    }

    /// Voting members that are broken for certain.
    fn certain(&self) -> usize {
        let broken = |m: &&Member<'_>| matches!(m.health, Health::Dead | Health::Sick);
        self.members.iter().filter(|m| m.seat.voter).filter(broken).filter(|m| m.is_certain()).count()
    }

    /// Of the dead, those that are no more than silent.
    pub(super) fn silent(&self) -> usize {
        let silent = |m: &&Member<'_>| m.seat.voter && m.health == Health::Dead && !m.is_certain();
        self.members.iter().filter(silent).count()
    }

    /// Returns how many more may be lost.
    pub(super) fn margin(&self) -> usize {
        self.alive().saturating_sub(self.quorum)
    }

    /// Returns whether every voting member is known to be well.
    pub(super) fn is_well(&self) -> bool {
        self.total > 0 && self.members.iter().filter(|m| m.seat.voter).all(|m| m.health == Health::Well)
    }

    /// Returns `quorum is kept by 2 of 3, margin 0`.
    pub(super) fn margin_words(&self) -> Said {
        let said = Said::new("quorum-margin").with("alive", self.alive()).with("total", self.total);
        said.with("margin", self.margin())
    }

    /// Returns the member that a target is.
    pub(super) fn member_of(&self, target: &TargetView<'_>) -> Option<&Member<'a>> {
        self.members.iter().find(|m| m.seat.target.is_some_and(|t| std::ptr::eq(t, target)))
    }

    /// Since when all the voters that answer have no leader, where those that are out of our reach may be missing too and
    /// quorum with them.
    fn leaderless_since(&self) -> Option<Timestamp> {
        let voters = || self.members.iter().filter(|m| m.seat.voter);
        let leader = |m: &Member<'_>| {
            let last = m.seat.target.filter(|t| t.last.is_some_and(|o| o.answered));
            last.and_then(|t| t.etcd_facts()).and_then(|f| f.has_leader)
        };
        let beyond = voters().filter(|m| m.health == Health::Beyond).count();
        let missing = beyond + self.dead + self.sick > self.total.saturating_sub(self.quorum);
        if beyond == 0 || !missing || voters().any(|m| leader(m) == Some(true)) {
            return None;
        }
        voters().filter(|m| m.health == Health::Sick && leader(m) == Some(false)).map(|m| m.since).max()
    }

    fn judge_quorum(&mut self, indexed: &IndexedView<'a>) {
        let spare = self.total.saturating_sub(self.quorum);
        let broken = self.members.iter().filter(|m| m.seat.voter && matches!(m.health, Health::Dead | Health::Sick));
        let mut broken: Vec<_> = broken.map(|m| (m.health != Health::Dead, m.since)).collect();
        if self.total > 0 && broken.len() > spare {
            // Where the dead alone are enough, they decide since when; else those that miss a leader do.
            let dead = broken.iter().filter(|(sick, _)| !sick).count();
            if dead > spare {
                broken.retain(|(sick, _)| !sick);
            }
            broken.sort_by_key(|&(_, since)| since);
            let since = broken.get(spare).map_or(indexed.now, |&(_, since)| since);
            match of_quorum(indexed, since) {
                Word::Lives(who) => self.proof = Some(who),
                Word::Waiting if self.certain() <= spare => self.open = true,
                _ => self.lost = Some(since),
            }
        } else if let Some(since) = self.leaderless_since() {
            // Those out of our reach were seen, and may have died since: what has quorum would have a leader.
            match of_reads(indexed, since) {
                Word::Lives(_) => {}
                Word::Waiting => self.open = true,
                Word::Gone | Word::None => self.lost = Some(since),
            }
        } else if self.members.iter().all(|m| m.health == Health::Unknown) && self.strays.is_empty() {
            self.inferred = true;
            let failing =
                !indexed.api.is_empty() && indexed.api.iter().all(|t| t.is_down() && t.how() == How::EtcdFails);
            self.lost = failing.then(|| indexed.api.iter().map(|t| t.verdict.since).max()).flatten();
        }
    }
}

/// How a member does, with what its host and others say of it.
fn judged<'a>(indexed: &IndexedView<'a>, hosts: &Hosts<'a>, seat: Seat<'a>) -> Member<'a> {
    let since = seat.target.map_or(indexed.now, |t| t.verdict.since);
    let own = match seat.target {
        // A member that never started raises the quorum and gives nothing: as good as dead.
        _ if seat.unborn => Health::Dead,
        None => Health::Unknown,
        Some(_) if seat.taken => Health::Sick,
        Some(t) => health(t),
    };
    let health = match (own, seat.target) {
        (Health::Dead, Some(t)) if !is_certain(t.how()) => match hosts.of_target(t).map(|h| &h.fate) {
            // Its host lives, and it may be dead all the same.
            Some(Fate::Lives(_) | Fate::Needed(_)) if is_missed(indexed, &seat, since) => Health::Dead,
            Some(Fate::Lives(_) | Fate::Needed(_)) => Health::Beyond,
            Some(Fate::Open) => Health::Unknown,
            Some(Fate::Lost) => Health::Dead,
            None => match of_member(indexed, &seat, since) {
                Word::Lives(_) => Health::Beyond,
                Word::Waiting => Health::Unknown,
                Word::Gone | Word::None => Health::Dead,
            },
        },
        (own, _) => own,
    };
    // A stranger has long been well where it belongs: since when it sits here, nobody tells.
    let since = if seat.taken && seat.target.is_some_and(TargetView::is_up) { indexed.now } else { since };
    Member { seat, health, since }
}

fn health(target: &TargetView<'_>) -> Health {
    match target.verdict.state {
        State::Up => Health::Well,
        State::Down if target.how().is_ours() => Health::Unknown,
        State::Down if target.verdict.reason == Some(Reason::Degraded) || target.how() == How::Wrong => {
            let alarmed = target.etcd_facts().is_some_and(|f| !f.alarms.is_empty() && f.has_leader == Some(true));
            if alarmed { Health::Well } else { Health::Sick }
        }
        State::Down => Health::Dead,
        State::Suspect | State::Flapping | State::Unknown => Health::Unknown,
    }
}

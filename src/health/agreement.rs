//! Whether etcd's members hold the same data.
//!
//! Raft keeps logs alike, not what is made of them: a member may have applied the same entries and hold other keys (etcd
//! issue 13766), and one that was started on an empty directory is a cluster of its own. Members are asked at different
//! moments; nothing here needs them to stand still.

use super::{indexed_view::IndexedView, members::Seats, view::TargetView};
use crate::model::{EtcdFacts, EtcdLog, Job};

/// Figures of one answer are read one after the other: so many entries may come in between.
const RACE: u64 = 50;
/// A cluster with so small a share of the others' history is a new one.
const NEW_SHARE: u64 = 10;

/// A member that tells another cluster than most.
pub(super) struct Stranger<'a> {
    pub(super) target: &'a TargetView<'a>,
    pub(super) facts: &'a EtcdFacts,
    /// The furthest that the others are.
    pub(super) others_at: u64,
}

impl Stranger<'_> {
    /// Returns whether it has next to no history.
    pub(super) fn is_new(&self) -> bool {
        self.facts.revision.is_some_and(|own| own.saturating_mul(NEW_SHARE) < self.others_at)
    }
}

/// Two members of one cluster that hold different data.
pub(super) struct Apart<'a> {
    pub(super) one: &'a TargetView<'a>,
    pub(super) other: &'a TargetView<'a>,
    pub(super) how: Difference,
}

/// Says how it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Difference {
    /// Their revisions can't both come of the entries that they have applied.
    Revisions,
    /// Their keys up to one revision hash differently.
    Keys,
}

/// Who answers, and what it tells.
fn told<'a>(indexed: &IndexedView<'a>) -> impl Iterator<Item = (&'a TargetView<'a>, &'a EtcdFacts)> {
    indexed.job(Job::Etcd).iter().filter_map(|t| Some((*t, t.etcd_facts()?)))
}

/// Returns members of another cluster than that of most.
pub(super) fn strangers<'a>(indexed: &IndexedView<'a>, seats: &Seats<'_>) -> Vec<Stranger<'a>> {
    let strange = |f: &EtcdFacts| seats.is_stranger(f);
    let others_at = told(indexed).filter(|(_, f)| !strange(f)).filter_map(|(_, f)| f.revision).max().unwrap_or(0);
    told(indexed).filter(|(_, f)| strange(f)).map(|(target, facts)| Stranger { target, facts, others_at }).collect()
}

/// Returns the first two members found to hold different data.
pub(super) fn apart<'a>(indexed: &IndexedView<'a>, seats: &Seats<'_>) -> Option<Apart<'a>> {
    let members: Vec<_> = told(indexed).filter(|(_, f)| !seats.is_stranger(f)).collect();
    let pairs = members.iter().enumerate().flat_map(|(i, a)| members.iter().skip(i + 1).map(move |b| (a, b)));
    let mut found = pairs.filter_map(|((one, a), (other, b))| Some(Apart { one, other, how: difference(a, b)? }));
    found.next()
}

fn difference(a: &EtcdFacts, b: &EtcdFacts) -> Option<Difference> {
    if let (Some(x), Some(y)) = (a.hash, b.hash)
        && x.revision == y.revision
        && x.compacted == y.compacted
        && x.hash != y.hash
    {
        return Some(Difference::Keys);
    }
    // A member that pauses between two of its figures shows a difference once, and not in the next answer again.
    let now = (a.log()?, b.log()?);
    (are_apart(a.before?, b.before?) && are_apart(now.0, now.1)).then_some(Difference::Revisions)
}

/// Both have caught up, and their revisions can't come of one log.
fn are_apart(a: EtcdLog, b: EtcdLog) -> bool {
    let (first, second) = if a.applied <= b.applied { (a, b) } else { (b, a) };
    is_settled(a) && is_settled(b) && beyond((first.applied, first.revision), (second.applied, second.revision))
}

/// It has caught up; one that takes in a snapshot has not yet.
fn is_settled(log: EtcdLog) -> bool {
    log.index.saturating_sub(log.applied) <= RACE
}

/// Each entry of the log raises the revision by one at most, and none lowers it.
fn beyond((applied, at): (u64, u64), (later_applied, later_at): (u64, u64)) -> bool {
    let least = at.saturating_sub(RACE);
    let most = at.saturating_add(later_applied.saturating_sub(applied)).saturating_add(RACE);
    !(least..=most).contains(&later_at)
}

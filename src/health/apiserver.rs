//! API servers: how many fail and how, and whether the advertised address works.

use jiff::Timestamp;

use super::{
    etcd::Etcd,
    hosts::Hosts,
    indexed_view::IndexedView,
    view::{How, TargetView},
    witness::{Word, of_server},
};

/// API servers, sorted by what is wrong with them.
pub(super) struct Servers<'a> {
    pub(super) total: usize,
    /// Answering and healthy.
    pub(super) up: usize,
    /// Not usable at all.
    pub(super) down: Vec<&'a TargetView<'a>>,
    /// Answering, and not healthy.
    pub(super) sick: Vec<&'a TargetView<'a>>,
    /// They live, and have no time for us, by their own word.
    pub(super) strained: Vec<&'a TargetView<'a>>,
    /// Out of our reach, and alive by the word of others. Those of a silent host are not among them.
    pub(super) beyond: Vec<&'a TargetView<'a>>,
    /// The advertised address works, whatever the endpoints do.
    pub(super) address_up: bool,
}

impl<'a> Servers<'a> {
    pub(super) fn new(indexed: &IndexedView<'a>, hosts: &Hosts<'a>) -> Self {
        let draining = |t: &TargetView| t.how().is_sickness() && t.api_facts().is_some_and(|f| f.draining);
        // Whoever was connected to a member that fell silent fails until it has dialled the next one: the host first.
        let held = |t: &TargetView| hosts.shield(t) || (hosts.any_open() && t.how() == How::EtcdFails);
        let broken = indexed.api.iter().copied().filter(|t| t.is_broken() && !draining(t) && !held(t));
        let (sick, down): (Vec<_>, Vec<_>) = broken.partition(|t: &&TargetView| t.how().is_sickness());
        let lives = |t: &&TargetView| t.is_silent() && matches!(of_server(indexed, t, t.verdict.since), Word::Lives(_));
        let (beyond, down) = down.into_iter().partition(lives);
        Self {
            total: indexed.api.len(),
            up: indexed.api.iter().filter(|t| t.is_up()).count(),
            strained: indexed.api.iter().copied().filter(|t| t.is_confirmed(How::Throttles)).collect(),
            down,
            sick,
            beyond,
            address_up: indexed.advertised.is_some_and(TargetView::is_up),
        }
    }

    /// Returns those that have too much to do: some hang, others throttle, and none fails in another way. That all throttle
    /// us, or none hangs, may be a limit before them. Without quorum they wait for etcd.
    pub(super) fn overloaded(&self, etcd: &Etcd<'_>) -> Option<Vec<&'a TargetView<'a>>> {
        let hang = !self.down.is_empty() && self.down.iter().all(|t| t.how() == How::Hangs) && self.sick.is_empty();
        let is_so = hang && etcd.lost.is_none() && !self.strained.is_empty();
        is_so.then(|| self.strained.iter().chain(&self.down).copied().collect())
    }

    /// Returns since when no API server can be used by anybody; `None`: that is not so.
    pub(super) fn all_failing(&self) -> Option<Timestamp> {
        let failing = self.down.len() + self.sick.len();
        let since = self.down.iter().chain(&self.sick).map(|t| t.verdict.since).max();
        since.filter(|_| failing == self.total && !self.address_up)
    }

    /// Returns whether some API server, or the address in front of them, answers.
    pub(super) fn any_up(&self) -> bool {
        self.up > 0 || self.address_up
    }
}

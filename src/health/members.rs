//! etcd's members: who is on the list, and which target is which of them.
//!
//! A member list counts more than the targets: a member that the list has and nobody can reach is lost all the same. Where
//! members tell different clusters (one was started on an empty directory), the list is that of the cluster of most.

use std::collections::BTreeMap;

use super::{indexed_view::IndexedView, phrases, view::TargetView};
use crate::model::{EtcdFacts, EtcdMember, Job};

/// A member, from the list or, where there is none, from a target.
pub(super) struct Seat<'a> {
    /// Its ID, where it is known.
    pub(super) id: Option<u64>,
    /// Its name; empty where it is not known.
    pub(super) name: String,
    /// `host:port` of its client URL.
    pub(super) place: String,
    pub(super) target: Option<&'a TargetView<'a>>,
    pub(super) voter: bool,
    /// Added to the list, never started.
    pub(super) unborn: bool,
    /// Who sits there tells another cluster: however well it is, it is not this one's.
    pub(super) taken: bool,
}

impl Seat<'_> {
    /// Returns `m2 (10.0.0.2:2379)`.
    pub(super) fn label(&self) -> String {
        match (self.unborn, self.name.as_str()) {
            (true, _) => format!("{} (added, never started)", self.place),
            (_, "") => self.place.clone(),
            (_, name) if self.place.is_empty() => name.to_owned(),
            (_, name) => format!("{name} ({})", self.place),
        }
    }

    /// Returns its name, or where it is.
    pub(super) fn short(&self) -> &str {
        if self.name.is_empty() { &self.place } else { &self.name }
    }

    /// Returns what identifies its findings: where it is, since names are not known before a list is.
    pub(super) fn subject(&self) -> &str {
        if self.place.is_empty() { &self.name } else { &self.place }
    }
}

/// All members, and who else is watched as etcd.
pub(super) struct Seats<'a> {
    pub(super) all: Vec<Seat<'a>>,
    /// Targets that are no member of the list.
    pub(super) strays: Vec<&'a TargetView<'a>>,
    /// The cluster that most members tell.
    pub(super) cluster: Option<u64>,
}

impl<'a> Seats<'a> {
    /// Finds out who is who.
    pub(super) fn of(indexed: &IndexedView<'a>) -> Self {
        let targets = indexed.job(Job::Etcd);
        let cluster = cluster_of_most(targets.iter().filter_map(|t| {
            let facts = t.etcd_facts()?;
            Some((facts.cluster_id?, facts.revision))
        }));
        let list = list(indexed, cluster);
        if list.is_empty() {
            return Self { all: targets.iter().map(|t| of_target(t, cluster)).collect(), strays: Vec::new(), cluster };
        }
        let index = Index::new(list);
        let mut matched: Vec<Option<&TargetView>> = vec![None; list.len()];
        let mut strays = Vec::new();
        for target in targets {
            match index.find(target).and_then(|i| matched.get_mut(i)).filter(|slot| slot.is_none()) {
                Some(slot) => *slot = Some(target),
                None => strays.push(*target),
            }
        }
        // A dead member whose name in the configuration differs from the list's is still one of the list's. Who tells
        // an ID that the list does not have is somebody else.
        let (told, mute): (Vec<_>, Vec<_>) = strays.into_iter().partition(|t| t.etcd_facts().is_some_and(is_known));
        let vacant = matched.iter_mut().zip(list).filter(|(slot, m)| slot.is_none() && !m.name.is_empty());
        let mut left = mute.into_iter();
        for (slot, _) in vacant {
            *slot = left.next();
        }
        let all = list.iter().zip(matched).map(|(m, target)| of_list(m, target, cluster)).collect();
        Self { all, strays: told.into_iter().chain(left).collect(), cluster }
    }

    /// Returns whether who tells this is of another cluster than most.
    pub(super) fn is_stranger(&self, facts: &EtcdFacts) -> bool {
        is_of_another(facts, self.cluster)
    }

    /// Returns the member that a target is.
    pub(super) fn of_target(&self, target: &TargetView<'_>) -> Option<&Seat<'a>> {
        self.all.iter().find(|s| s.target.is_some_and(|t| std::ptr::eq(t, target)))
    }
}

/// Returns the cluster ID that is told most often; of two told alike, the one with more history. Told with the
/// revision.
pub fn cluster_of_most(told: impl Iterator<Item = (u64, Option<u64>)>) -> Option<u64> {
    let mut votes: BTreeMap<u64, (usize, Option<u64>)> = BTreeMap::new();
    for (id, revision) in told {
        let vote = votes.entry(id).or_default();
        *vote = (vote.0 + 1, vote.1.max(revision));
    }
    votes.into_iter().max_by_key(|&(_, vote)| vote).map(|(id, _)| id)
}

/// It tells a cluster, and not this one.
fn is_of_another(facts: &EtcdFacts, cluster: Option<u64>) -> bool {
    facts.cluster_id.is_some() && facts.cluster_id != cluster
}

/// It tells who it is.
fn is_known(facts: &EtcdFacts) -> bool {
    facts.member_id.is_some()
}

/// The newest member list that a member of the cluster told, else the one remembered.
fn list<'a>(indexed: &IndexedView<'a>, cluster: Option<u64>) -> &'a [EtcdMember] {
    let told = indexed.job(Job::Etcd).iter().filter_map(|t| Some((t.last?.started, t.etcd_facts()?)));
    let ours = told.filter(|(_, f)| !is_of_another(f, cluster));
    let newest = ours.filter(|(_, f)| !f.members.is_empty()).max_by_key(|&(at, _)| at);
    newest.map_or(indexed.view.snapshot.etcd_members.as_slice(), |(_, f)| f.members.as_slice())
}

/// Members by everything that a target can be recognised by.
struct Index<'a> {
    ids: BTreeMap<u64, usize>,
    places: BTreeMap<&'a str, usize>,
    hosts: BTreeMap<&'a str, usize>,
}

impl<'a> Index<'a> {
    fn new(list: &'a [EtcdMember]) -> Self {
        let mut index = Self { ids: BTreeMap::new(), places: BTreeMap::new(), hosts: BTreeMap::new() };
        for (i, member) in list.iter().enumerate() {
            index.ids.insert(member.id, i);
            for url in &member.client_urls {
                index.places.insert(phrases::authority(url), i);
            }
            for url in member.client_urls.iter().chain(&member.peer_urls) {
                index.hosts.insert(phrases::host(phrases::authority(url)), i);
            }
        }
        index
    }

    fn find(&self, target: &TargetView<'_>) -> Option<usize> {
        let id = target.etcd_facts().and_then(|f| f.member_id);
        id.and_then(|id| self.ids.get(&id))
            .or_else(|| self.places.get(target.instance()))
            .or_else(|| self.hosts.get(target.host()))
            .copied()
    }
}

fn is_taken(target: Option<&TargetView<'_>>, cluster: Option<u64>) -> bool {
    target.and_then(TargetView::etcd_facts).is_some_and(|facts| is_of_another(facts, cluster))
}

fn of_target<'a>(target: &'a TargetView<'a>, cluster: Option<u64>) -> Seat<'a> {
    let facts = target.etcd_facts();
    Seat {
        id: facts.and_then(|f| f.member_id),
        name: facts.and_then(|f| f.name.clone()).unwrap_or_default(),
        place: target.instance().to_owned(),
        target: Some(target),
        voter: true,
        unborn: false,
        taken: is_taken(Some(target), cluster),
    }
}

fn of_list<'a>(member: &EtcdMember, target: Option<&'a TargetView<'a>>, cluster: Option<u64>) -> Seat<'a> {
    let url = member.client_urls.first().or(member.peer_urls.first());
    let place = url.map(|u| phrases::authority(u).to_owned()).unwrap_or_default();
    Seat {
        id: Some(member.id),
        name: member.name.clone(),
        place: target.map_or(place, |t| t.instance().to_owned()),
        target,
        voter: !member.learner,
        unborn: member.name.is_empty(),
        taken: is_taken(target, cluster),
    }
}

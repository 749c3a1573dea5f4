//! etcd: who the members are, which of them live, whether quorum is kept, and who says so.
//!
//! A member list counts more than the targets: a member that the list has and nobody can reach is lost all the same.
//! Members that we can't reach are not lost while somebody who needs quorum (another member, an API server's read
//! through to etcd) goes on working: then it is our way to them that is broken.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::{
    scene::Scene,
    time::later,
    view::{ClusterView, How, TargetView},
    words,
};
use crate::model::{AlertName, EtcdMember, EtcdVia, FindingKey, Job, ReadThrough, Reason, State};

/// By then the loss of quorum shows in every answer that needs it: elections take 1 to 2 s, reads time out after 2 s.
const LOSS_SHOWS_AFTER: Duration = Duration::from_secs(5);

/// How etcd's votes stand, as the series of the cluster tell it.
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
    /// How many more members may be lost before quorum is; negative: it is lost.
    pub fn margin(self) -> i64 {
        i64::try_from(self.alive).unwrap_or(i64::MAX) - i64::try_from(majority(self.members)).unwrap_or(0)
    }
}

/// How many of so many votes decide.
fn majority(voters: usize) -> usize {
    voters / 2 + 1
}

/// How etcd's votes stand; `None` where no member is watched.
pub fn quorum(view: &ClusterView<'_>) -> Option<Quorum> {
    let scene = Scene::new(view, false);
    (!scene.job(Job::Etcd).is_empty()).then(|| Etcd::new(&scene).votes())
}

/// How a member does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// It answers well, or raised an alarm but has a leader.
    Well,
    /// Not there.
    Dead,
    /// It answers and is not well: no leader, health false.
    Sick,
    /// Nobody can tell: no target, being judged, or our certificates are refused.
    Unknown,
}

/// A member, from the list or, where there is none, from a target.
pub(super) struct Member<'a> {
    pub(super) name: String,
    /// `host:port` of its client URL.
    pub(super) place: String,
    pub(super) target: Option<&'a TargetView<'a>>,
    pub(super) health: Health,
    pub(super) since: Timestamp,
    pub(super) voter: bool,
    /// Added to the list, never started.
    pub(super) unborn: bool,
}

impl Member<'_> {
    /// `m2 (10.0.0.2:2379)`.
    pub(super) fn label(&self) -> String {
        match (self.unborn, self.name.as_str()) {
            (true, _) => format!("{} (added, never started)", self.place),
            (_, "") => self.place.clone(),
            (_, name) if self.place.is_empty() => name.to_owned(),
            (_, name) => format!("{name} ({})", self.place),
        }
    }

    /// Its name, or where it is.
    pub(super) fn short(&self) -> &str {
        if self.name.is_empty() { &self.place } else { &self.name }
    }

    /// The finding about it.
    pub(super) fn key(&self, scene: &Scene<'_>) -> Option<FindingKey> {
        match self.health {
            Health::Dead => Some(scene.key(AlertName::EtcdMemberDown, self.subject())),
            Health::Sick => Some(scene.key(AlertName::EtcdMemberUnhealthy, self.subject())),
            Health::Well | Health::Unknown => None,
        }
    }

    /// What identifies its findings: where it is, since names are not known before a list is.
    pub(super) fn subject(&self) -> &str {
        if self.place.is_empty() { &self.name } else { &self.place }
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
    /// Too many are out of our reach, yet somebody proves that quorum is kept.
    pub(super) proof: Option<String>,
    /// No member is visible; what is known of etcd comes from the API servers.
    pub(super) inferred: bool,
}

impl<'a> Etcd<'a> {
    pub(super) fn new(scene: &Scene<'a>) -> Self {
        let (members, strays) = members(scene);
        let voters = || members.iter().filter(|m| m.voter);
        let total = voters().count();
        let tally = |health| voters().filter(|m| m.health == health).count();
        let (dead, sick) = (tally(Health::Dead), tally(Health::Sick));
        let quorum = majority(total);
        let mut etcd = Self { total, quorum, dead, sick, lost: None, proof: None, inferred: false, members, strays };
        etcd.judge_quorum(scene);
        etcd
    }

    /// See [`Quorum`].
    fn votes(&self) -> Quorum {
        let count = |f: &dyn Fn(&TargetView<'_>) -> bool| {
            self.members.iter().filter(|m| m.voter && m.target.is_some_and(f)).count()
        };
        // A suspicion is not confirmed: until then it is as it was.
        let healthy = |t: &TargetView<'_>| matches!(t.verdict.state, State::Up | State::Suspect);
        let alive = |t: &TargetView<'_>| healthy(t) || t.last.is_some_and(|o| o.answered);
        Quorum { members: self.total, healthy: count(&healthy), alive: count(&alive) }
    }

    /// Members that may be counted on.
    pub(super) fn alive(&self) -> usize {
        self.total.saturating_sub(self.dead + self.sick)
    }

    /// How many more may be lost.
    pub(super) fn margin(&self) -> usize {
        self.alive().saturating_sub(self.quorum)
    }

    /// Every voting member is known to be well.
    pub(super) fn is_well(&self) -> bool {
        self.total > 0 && self.members.iter().filter(|m| m.voter).all(|m| m.health == Health::Well)
    }

    /// `quorum is kept by 2 of 3, margin 0`.
    pub(super) fn margin_words(&self) -> String {
        format!("quorum is kept by {} of {}, margin {}", self.alive(), self.total, self.margin())
    }

    /// The member that a target is.
    pub(super) fn member_of(&self, target: &TargetView<'_>) -> Option<&Member<'a>> {
        self.members.iter().find(|m| m.target.is_some_and(|t| std::ptr::eq(t, target)))
    }

    fn judge_quorum(&mut self, scene: &Scene<'a>) {
        let spare = self.total.saturating_sub(self.quorum);
        let mut broken: Vec<_> = self
            .members
            .iter()
            .filter(|m| m.voter && matches!(m.health, Health::Dead | Health::Sick))
            .map(|m| (m.health != Health::Dead, m.since))
            .collect();
        if self.total > 0 && broken.len() > spare {
            // Where the dead alone are enough, they decide since when; else those that miss a leader do.
            let dead = broken.iter().filter(|(sick, _)| !sick).count();
            if dead > spare {
                broken.retain(|(sick, _)| !sick);
            }
            broken.sort_by_key(|&(_, since)| since);
            let since = broken.get(spare).map_or(scene.now, |&(_, since)| since);
            self.proof = proof(scene, since);
            self.lost = self.proof.is_none().then_some(since);
        } else if self.members.iter().all(|m| m.health == Health::Unknown) && self.strays.is_empty() {
            self.inferred = true;
            let failing = !scene.api.is_empty() && scene.api.iter().all(|t| t.is_down() && t.how() == How::EtcdFails);
            self.lost = failing.then(|| scene.api.iter().map(|t| t.verdict.since).max()).flatten();
        }
    }
}

/// Who has worked with quorum since it is said to be lost.
fn proof(scene: &Scene<'_>, lost: Timestamp) -> Option<String> {
    let after = |t: &&&TargetView| {
        t.is_up() && t.last.is_some_and(|o| o.failure.is_none() && later(o.started, lost, LOSS_SHOWS_AFTER))
    };
    let member = |t: &&&TargetView| t.etcd_facts().is_some_and(|f| f.via != EtcdVia::Handshake);
    let reader = |t: &&&TargetView| t.api_facts().is_some_and(|f| f.etcd_read == Some(ReadThrough::Ok));
    if let Some(t) = scene.job(Job::Etcd).iter().filter(after).find(member) {
        return Some(format!("etcd member {} answers linearizable reads", t.instance()));
    }
    let t = scene.job(Job::KubeApiserver).iter().filter(after).find(reader)?;
    Some(format!("API server {} reads through to etcd", t.instance()))
}

/// The newest member list that a member told, else the one remembered.
fn list<'a>(scene: &Scene<'a>) -> &'a [EtcdMember] {
    let told = scene.job(Job::Etcd).iter().filter_map(|t| Some((t.last?.started, t.etcd_facts()?.members.as_slice())));
    let newest = told.filter(|(_, members)| !members.is_empty()).max_by_key(|&(at, _)| at);
    newest.map_or(scene.view.snapshot.etcd_members.as_slice(), |(_, members)| members)
}

fn members<'a>(scene: &Scene<'a>) -> (Vec<Member<'a>>, Vec<&'a TargetView<'a>>) {
    let list = list(scene);
    let targets = scene.job(Job::Etcd);
    if list.is_empty() {
        return (targets.iter().map(|t| of_target(t)).collect(), Vec::new());
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
    // A dead member whose name in the configuration differs from the list's is still one of the list's.
    let vacant = matched.iter_mut().zip(list).filter(|(slot, m)| slot.is_none() && !m.name.is_empty());
    let mut left = strays.into_iter();
    for (slot, _) in vacant {
        *slot = left.next();
    }
    let members = list.iter().zip(matched).map(|(m, target)| of_list(m, target, scene.now)).collect();
    (members, left.collect())
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
                index.places.insert(words::authority(url), i);
            }
            for url in member.client_urls.iter().chain(&member.peer_urls) {
                index.hosts.insert(words::host(words::authority(url)), i);
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

fn of_target<'a>(target: &'a TargetView<'a>) -> Member<'a> {
    Member {
        name: target.etcd_facts().and_then(|f| f.name.clone()).unwrap_or_default(),
        place: target.instance().to_owned(),
        target: Some(target),
        health: health(target),
        since: target.verdict.since,
        voter: true,
        unborn: false,
    }
}

fn of_list<'a>(member: &EtcdMember, target: Option<&'a TargetView<'a>>, now: Timestamp) -> Member<'a> {
    let url = member.client_urls.first().or(member.peer_urls.first());
    let place = url.map(|u| words::authority(u).to_owned()).unwrap_or_default();
    // A member that never started raises the quorum and gives nothing: as good as dead.
    let unborn = member.name.is_empty();
    Member {
        name: member.name.clone(),
        place: target.map_or(place, |t| t.instance().to_owned()),
        target,
        health: if unborn { Health::Dead } else { target.map_or(Health::Unknown, health) },
        since: target.map_or(now, |t| t.verdict.since),
        voter: !member.learner,
        unborn,
    }
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

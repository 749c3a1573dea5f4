//! Alerts of rules and from outside, put together as their routes say: each group is an incident. Pure.
//!
//! A new group waits `group_wait` for more of its alerts; new facts are told every `group_interval` at the most, a worse
//! severity at once, the end with the next turn, so that what comes and goes is not told each time (Alertmanager's
//! dispatch/dispatch.go). What was told is derived from the incident itself, so that a restart repeats and forgets
//! nothing.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::{
    incident::Change,
    incident_record::{self, ALERTS_MAX, end, has_new_facts, note, of_older, put, update_summary},
    overflow::{GROUPS_CRITICAL, GROUPS_MAX, GROUPS_PER_LOOK, Overflow},
    route::{Route, Timers, Tree},
};
use crate::model::{Finding, Group, Incident, NotificationKind, Severity, Topic, fingerprint};

/// An alert in a group.
#[derive(Clone, Debug)]
pub struct Member {
    /// As an incident keeps it.
    pub finding: Arc<Finding>,
    /// Silenced or inhibited: it opens nothing and is no news.
    pub muted: bool,
}

/// Holds what fires in one group now.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Which.
    pub group: Group,
    /// Its route's.
    pub timers: Timers,
    /// Its route is muted for now.
    pub quiet: bool,
    /// What fires.
    pub members: Vec<Member>,
}

/// Open groups and those that wait.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    incidents: BTreeMap<i64, Arc<Incident>>,
    ids: HashMap<Group, i64>,
    waiting: HashMap<Group, Timestamp>,
    /// What has no room.
    pub(super) overflow: Overflow,
}

impl Groups {
    /// Continues with what an earlier run left open.
    pub fn restore(incidents: impl IntoIterator<Item = Incident>) -> Self {
        let open = incidents.into_iter().filter(|i| i.resolved_at.is_none() && i.group.is_some());
        let incidents: BTreeMap<i64, Arc<Incident>> = open.map(|i| (i.id, Arc::new(renamed(of_older(i))))).collect();
        let ids = incidents.values().filter_map(|i| Some((i.group.clone()?, i.id))).collect();
        Self { incidents, ids, ..Self::default() }
    }

    /// Finds the place of every open group in this tree: an older version knew none, and routes move.
    pub fn rehome(&mut self, tree: Option<&Tree>) {
        self.ids.clear();
        for incident in self.incidents.values_mut() {
            let Some(group) = &incident.group else { continue };
            let alike = |r: &&&Route| *r.key == *group.route && *r.receiver == *group.receiver;
            let homes: Vec<&Route> = tree.map(Tree::all).unwrap_or_default().iter().filter(alike).copied().collect();
            let free = |place: &str| !self.ids.contains_key(&Group { place: place.into(), ..group.clone() });
            if !homes.iter().any(|r| *r.place == *group.place)
                && let Some(home) = homes.iter().find(|r| free(&r.place))
            {
                let group = Group { place: home.place.clone(), ..group.clone() };
                Arc::make_mut(incident).group = Some(group);
            }
            self.ids.extend(incident.group.clone().map(|group| (group, incident.id)));
        }
    }

    /// Returns open incidents, by id.
    pub fn incidents(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.values().map(|i| &**i)
    }

    /// Returns the same, to share.
    pub fn shared(&self) -> impl Iterator<Item = &Arc<Incident>> {
        self.incidents.values()
    }

    /// Returns an open incident, to note who was told and who looks after it.
    pub fn incident_mut(&mut self, id: i64) -> Option<&mut Incident> {
        self.incidents.get_mut(&id).map(Arc::make_mut)
    }

    /// Returns the incident of a group.
    pub fn incident_of(&self, group: &Group) -> Option<i64> {
        self.ids.get(group).copied()
    }

    /// Returns whether groups wait to be told.
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Returns whether an alert is in an open group already.
    pub fn has(&self, group: &Group, fingerprint: &str) -> bool {
        let incident = self.ids.get(group).and_then(|id| self.incidents.get(id));
        incident.is_some_and(|i| i.firing().any(|a| a.finding.key.subject == fingerprint))
    }

    /// Takes in what fires now and says what changed. `held` alerts are neither begun nor ended: nothing is known of them.
    /// `timers` are those of a route that an open group came from.
    pub fn step(
        &mut self,
        seen: Vec<Seen>,
        now: Timestamp,
        held: &dyn Fn(&Finding) -> bool,
        timers: &dyn Fn(&Group) -> Timers,
        next_id: &mut dyn FnMut() -> i64,
    ) -> Vec<Change> {
        self.overflow.begin();
        let mut by_group: HashMap<Group, Seen> = seen.into_iter().map(|s| (s.group.clone(), s)).collect();
        let mut changes = Vec::new();
        for id in self.incidents.keys().copied().collect::<Vec<_>>() {
            let group = self.incidents.get(&id).and_then(|i| i.group.clone());
            let Some(group) = group else { continue };
            let seen = by_group.remove(&group).unwrap_or_else(|| Seen {
                timers: timers(&group),
                group,
                quiet: false,
                members: Vec::new(),
            });
            changes.extend(self.turn(id, &seen, now, held));
        }
        self.waiting.retain(|group, _| by_group.contains_key(group));
        let mut new: Vec<Seen> = by_group.into_values().collect();
        new.sort_by(|a, b| (!is_critical(a), &a.group).cmp(&(!is_critical(b), &b.group)));
        let mut opened = 0;
        for seen in new {
            if opened == GROUPS_PER_LOOK {
                self.waiting.entry(seen.group).or_insert(now);
                continue;
            }
            let begun = self.begin(seen, now, held, next_id);
            opened += usize::from(begun.is_some());
            changes.extend(begun);
        }
        changes
    }

    /// A group without an incident: waits, then opens one.
    fn begin(
        &mut self,
        seen: Seen,
        now: Timestamp,
        held: &dyn Fn(&Finding) -> bool,
        next_id: &mut dyn FnMut() -> i64,
    ) -> Option<Change> {
        let fresh: Vec<&Finding> =
            seen.members.iter().filter(|m| !m.muted && !held(&m.finding)).map(|m| &*m.finding).collect();
        let Some(first) = fresh.first() else {
            self.waiting.remove(&seen.group);
            return None;
        };
        let since = *self.waiting.entry(seen.group.clone()).or_insert(now);
        // What has fired for longer than the wait already waits no more (dispatch.go, aggrGroup.insert).
        let eldest = fresh.iter().map(|f| f.since).min().unwrap_or(now);
        let waited = elapsed(since, now).max(elapsed(eldest, now));
        if waited < seen.timers.group_wait || seen.quiet {
            return None;
        }
        let room = if is_critical(&seen) { GROUPS_MAX + GROUPS_CRITICAL } else { GROUPS_MAX };
        if self.incidents.len() >= room {
            fresh.into_iter().for_each(|f| self.overflow.without_group(f));
            return None;
        }
        let mut incident = Incident {
            group: Some(seen.group.clone()),
            ..Incident::new(
                next_id(),
                cluster(&fresh),
                Topic::Alerts,
                eldest.min(now),
                first.headline.clone(),
                Severity::Info,
            )
        };
        let (told, beyond) = fresh.split_at(fresh.len().min(ALERTS_MAX));
        told.iter().for_each(|f| put(&mut incident, f, None, now, false));
        beyond.iter().for_each(|f| self.overflow.beyond_group(f));
        update_summary(&mut incident);
        incident_record::tell(&mut incident, NotificationKind::Opened, now, "");
        self.waiting.remove(&seen.group);
        self.ids.insert(seen.group, incident.id);
        self.incidents.insert(incident.id, Arc::new(incident.clone()));
        Some(Change { incident, told: Some(NotificationKind::Opened) })
    }

    /// A group with an incident: takes in what came and went, and tells it when it is time. Where nothing has changed and
    /// nothing is due, it is not touched: it is shared with those who look at it.
    fn turn(&mut self, id: i64, seen: &Seen, now: Timestamp, held: &dyn Fn(&Finding) -> bool) -> Option<Change> {
        let shared = self.incidents.get_mut(&id)?;
        let plan = Plan::new(shared, seen, held);
        plan.beyond.iter().for_each(|f| self.overflow.beyond_group(f));
        let told_severity = shared.severity;
        let never_told = |i: &Incident| i.told_at.is_none() && i.firing().next().is_none();
        if plan.is_empty() && !never_told(shared) {
            decide(shared, seen, &plan.muted, told_severity, now)?;
        }
        let incident = Arc::make_mut(shared);
        let touched = plan.apply(incident, now);
        update_summary(incident);
        let Some(told) = decide(incident, seen, &plan.muted, told_severity, now) else {
            if never_told(incident) {
                end(incident, now);
                return self.forget(id).map(|incident| Change { incident, told: None });
            }
            return touched.then(|| Change { incident: incident.clone(), told: None });
        };
        incident_record::tell(incident, told, now, "");
        let incident = if told == NotificationKind::Resolved { self.forget(id)? } else { incident.clone() };
        Some(Change { incident, told: Some(told) })
    }

    /// Takes an incident as another watchdog has it; one that has ended leaves the open ones.
    pub fn adopt(&mut self, incident: Incident) {
        self.forget(incident.id);
        if let Some(group) = incident.group.clone().filter(|_| incident.resolved_at.is_none()) {
            self.waiting.remove(&group);
            self.ids.insert(group, incident.id);
            self.incidents.insert(incident.id, Arc::new(incident));
        }
    }

    /// Takes an open incident out that another watchdog does not know.
    pub fn remove(&mut self, id: i64) -> Option<Incident> {
        self.forget(id)
    }

    fn forget(&mut self, id: i64) -> Option<Incident> {
        let incident = Arc::unwrap_or_clone(self.incidents.remove(&id)?);
        if let Some(group) = &incident.group
            && self.ids.get(group) == Some(&id)
        {
            self.ids.remove(group);
        }
        Some(incident)
    }
}

/// What a look changes in an open group.
struct Plan<'a> {
    /// Alerts that say something else of themselves now, by their number.
    said: Vec<(usize, &'a Finding)>,
    /// What fires anew, or with another severity.
    begun: Vec<&'a Finding>,
    /// What fires no more, by its number.
    ended: Vec<usize>,
    /// What has no room.
    beyond: Vec<&'a Finding>,
    /// Members that are silenced or inhibited, by fingerprint.
    muted: HashSet<&'a str>,
}

impl<'a> Plan<'a> {
    fn new(incident: &Incident, seen: &'a Seen, held: &dyn Fn(&Finding) -> bool) -> Self {
        let numbered = incident.alerts.iter().enumerate().filter(|(_, a)| a.ended_at.is_none());
        let firing: HashMap<&str, (usize, &Finding)> =
            numbered.map(|(i, a)| (a.finding.key.subject.as_str(), (i, &a.finding))).collect();
        let mut room = ALERTS_MAX.saturating_sub(firing.len());
        let subject = |m: &'a Member| m.finding.key.subject.as_str();
        let muted = seen.members.iter().filter(|m| m.muted).map(subject).collect();
        let mut plan = Self { said: Vec::new(), begun: Vec::new(), ended: Vec::new(), beyond: Vec::new(), muted };
        for member in &seen.members {
            let finding = &*member.finding;
            match firing.get(subject(member)) {
                Some((_, known)) if *known == finding => {}
                Some((at, known)) if known.severity == finding.severity => plan.said.push((*at, finding)),
                _ if member.muted || held(finding) => {}
                Some(_) => plan.begun.push(finding),
                None if room == 0 => plan.beyond.push(finding),
                None => {
                    room -= 1;
                    plan.begun.push(finding);
                }
            }
        }
        let there: HashSet<&str> = seen.members.iter().map(subject).collect();
        let over = firing.iter().filter(|(subject, (_, finding))| !there.contains(*subject) && !held(finding));
        plan.ended = over.map(|(_, (at, _))| *at).collect();
        plan.ended.sort_unstable();
        plan
    }

    fn is_empty(&self) -> bool {
        self.said.is_empty() && self.begun.is_empty() && self.ended.is_empty()
    }

    /// Gives whether an alert came, went or changed its severity.
    fn apply(&self, incident: &mut Incident, now: Timestamp) -> bool {
        for (at, finding) in &self.said {
            if let Some(alert) = incident.alerts.get_mut(*at) {
                alert.finding = (*finding).clone();
            }
        }
        let mut over = Vec::new();
        for at in &self.ended {
            if let Some(alert) = incident.alerts.get_mut(*at) {
                alert.ended_at = Some(now);
                over.push(format!("Over: {}", alert.finding.headline));
            }
        }
        // By number before anything is put in.
        self.begun.iter().for_each(|f| put(incident, f, None, now, false));
        over.into_iter().for_each(|line| note(incident, now, line));
        !self.begun.is_empty() || !self.ended.is_empty()
    }
}

fn is_critical(seen: &Seen) -> bool {
    seen.members.iter().any(|m| m.finding.severity == Severity::Critical && !m.muted)
}

/// An alert is known by the fingerprint of all that is shown of it. Older versions left out the labels that are added to
/// every alert.
fn renamed(mut incident: Incident) -> Incident {
    for alert in &mut incident.alerts {
        alert.finding.key.subject = fingerprint(&alert.finding.labels);
    }
    incident
}

/// Whether a group that has an incident is told now, and why.
fn decide(
    incident: &Incident,
    seen: &Seen,
    muted: &HashSet<&str>,
    told_severity: Severity,
    now: Timestamp,
) -> Option<NotificationKind> {
    let since = elapsed(incident.told_at?, now);
    if incident.firing().next().is_none() {
        return (since >= seen.timers.group_interval).then_some(NotificationKind::Resolved);
    }
    let audible = || incident.firing().filter(|a| !muted.contains(a.finding.key.subject.as_str()));
    if seen.quiet || audible().next().is_none() {
        return None;
    }
    let worst = audible().map(|a| a.finding.severity).max().unwrap_or(Severity::Info);
    if worst > told_severity && worst > Severity::Info {
        return Some(NotificationKind::Worse);
    }
    if since >= seen.timers.group_interval && has_new_facts(incident, false) {
        return Some(NotificationKind::Update);
    }
    let remind = incident.acknowledged.is_none() && since >= seen.timers.repeat_interval;
    remind.then_some(NotificationKind::Reminder)
}

/// The cluster that all have in common.
fn cluster(findings: &[&Finding]) -> Arc<str> {
    let first = findings.first().map(|f| f.key.cluster.clone()).unwrap_or_default();
    if findings.iter().all(|f| f.key.cluster == first) { first } else { Arc::default() }
}

fn elapsed(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

#[cfg(test)]
mod tests;

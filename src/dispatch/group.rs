//! Alerts of rules and from outside, put together as their routes say: each group is an incident. Pure.
//!
//! A new group waits `group_wait` for more of its alerts; new facts are told every `group_interval` at the most, a worse
//! severity at once, the end with the next turn, so that what comes and goes is not told each time (Alertmanager's
//! dispatch/dispatch.go). What was told is derived from the incident itself, so that a restart repeats and forgets
//! nothing.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::{
    incident::Change,
    route::Timers,
    shape::{self, end, has_new_facts, has_room, note, put, settle_shape},
};
use crate::model::{Alert, AlertName, Finding, FindingKey, Group, Incident, Severity, Told, Topic, fingerprint};

/// Groups at once, open or waiting. Beyond it alerts wait until another group ends: they are listed all the same.
pub const GROUPS_MAX: usize = 2_000;

/// An alert in a group.
#[derive(Clone, Debug)]
pub struct Member {
    /// As an incident keeps it.
    pub finding: Finding,
    /// Silenced or inhibited: it opens nothing and is no news.
    pub muted: bool,
}

/// What fires in one group now.
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
    incidents: BTreeMap<i64, Incident>,
    ids: HashMap<Group, i64>,
    waiting: HashMap<Group, Timestamp>,
}

/// An alert as an incident keeps it.
pub fn finding(alert: &Alert, fingerprint: &str) -> Finding {
    let text = |name: &str| alert.annotations.get(name).map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
    let headline =
        text("summary").or_else(|| text("message")).or_else(|| text("title")).or_else(|| text("description"));
    let said: Vec<String> =
        text("description").into_iter().flat_map(|d| d.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    let shown = alert.labels.iter().filter(|(k, _)| !matches!(k.as_str(), "alertname" | "severity"));
    let labels: Vec<String> = shown.map(|(k, v)| format!("{k}={v}")).collect();
    Finding {
        evidence: said.into_iter().chain([labels.join(", ")]).filter(|l| !l.is_empty()).collect(),
        first_step: text("first_step").unwrap_or_default(),
        labels: alert.labels.clone(),
        annotations: alert.annotations.clone(),
        generator_url: alert.generator_url.clone(),
        ..Finding::new(
            FindingKey {
                cluster: alert.label("cluster").into(),
                alert: AlertName::Other,
                subject: fingerprint.to_owned(),
            },
            alert.severity(),
            Topic::Alerts,
            headline.unwrap_or_else(|| alert.name().to_owned()).lines().next().unwrap_or_default().to_owned(),
            alert.starts_at,
        )
    }
}

impl Groups {
    /// Continues with what an earlier run left open.
    pub fn restore(incidents: impl IntoIterator<Item = Incident>) -> Self {
        let open = incidents.into_iter().filter(|i| i.resolved_at.is_none() && i.group.is_some());
        let incidents: BTreeMap<i64, Incident> = open.map(|i| (i.id, renamed(i))).collect();
        let ids = incidents.values().filter_map(|i| Some((i.group.clone()?, i.id))).collect();
        Self { incidents, ids, waiting: HashMap::new() }
    }

    /// Open incidents, by id.
    pub fn incidents(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.values()
    }

    /// An open incident, to note who was told and who looks after it.
    pub fn incident_mut(&mut self, id: i64) -> Option<&mut Incident> {
        self.incidents.get_mut(&id)
    }

    /// The incident of a group.
    pub fn incident_of(&self, group: &Group) -> Option<i64> {
        self.ids.get(group).copied()
    }

    /// Groups wait to be told.
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether an alert is in an open group already.
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
        new.sort_by(|a, b| a.group.cmp(&b.group));
        for seen in new {
            changes.extend(self.begin(seen, now, held, next_id));
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
            seen.members.iter().filter(|m| !m.muted && !held(&m.finding)).map(|m| &m.finding).collect();
        let Some(first) = fresh.first() else {
            self.waiting.remove(&seen.group);
            return None;
        };
        let since = *self.waiting.entry(seen.group.clone()).or_insert(now);
        // What has fired for longer than the wait already waits no more (dispatch.go, aggrGroup.insert).
        let eldest = fresh.iter().map(|f| f.since).min().unwrap_or(now);
        let waited = elapsed(since, now).max(elapsed(eldest, now));
        if waited < seen.timers.group_wait || seen.quiet || self.incidents.len() >= GROUPS_MAX {
            return None;
        }
        let cluster = cluster(&fresh);
        let mut incident = Incident {
            group: Some(seen.group.clone()),
            ..Incident::new(
                next_id(),
                (cluster, Topic::Alerts),
                eldest.min(now),
                (first.headline.clone(), Severity::Info),
            )
        };
        for finding in fresh {
            if has_room(&incident, &finding.key) {
                put(&mut incident, finding, None, now, false);
            }
        }
        settle_shape(&mut incident);
        shape::tell(&mut incident, Told::Opened, now, "");
        self.waiting.remove(&seen.group);
        self.ids.insert(seen.group, incident.id);
        self.incidents.insert(incident.id, incident.clone());
        Some(Change { incident, told: Some(Told::Opened) })
    }

    /// A group with an incident: takes in what came and went, and tells it when it is time.
    fn turn(&mut self, id: i64, seen: &Seen, now: Timestamp, held: &dyn Fn(&Finding) -> bool) -> Option<Change> {
        let incident = self.incidents.get_mut(&id)?;
        let told_severity = incident.severity;
        let mut touched = false;
        for member in &seen.members {
            let at = incident.alerts.iter().position(|a| a.finding.key == member.finding.key && a.ended_at.is_none());
            let room = has_room(incident, &member.finding.key);
            match at.and_then(|at| incident.alerts.get_mut(at)) {
                Some(alert) if alert.finding.severity == member.finding.severity => {
                    alert.finding = member.finding.clone();
                }
                _ if member.muted || held(&member.finding) || !room => {}
                _ => {
                    put(incident, &member.finding, None, now, false);
                    touched = true;
                }
            }
        }
        touched |= end_missing(incident, seen, now, held);
        settle_shape(incident);
        let told = decide(incident, seen, told_severity, now);
        let over = incident.firing().next().is_none();
        let Some(told) = told else {
            if over && incident.told_at.is_none() {
                end(incident, now);
                return self.forget(id).map(|incident| Change { incident, told: None });
            }
            return touched.then(|| Change { incident: incident.clone(), told: None });
        };
        shape::tell(incident, told, now, "");
        let incident = if told == Told::Resolved { self.forget(id)? } else { incident.clone() };
        Some(Change { incident, told: Some(told) })
    }

    fn forget(&mut self, id: i64) -> Option<Incident> {
        self.ids.retain(|_, of| *of != id);
        self.incidents.remove(&id)
    }
}

/// An alert is known by the fingerprint of all that is shown of it. Older versions left out the labels that are added to
/// every alert.
fn renamed(mut incident: Incident) -> Incident {
    for alert in &mut incident.alerts {
        alert.finding.key.subject = fingerprint(&alert.finding.labels);
    }
    incident
}

/// Alerts that fire no more. Returns whether there was one.
fn end_missing(incident: &mut Incident, seen: &Seen, now: Timestamp, held: &dyn Fn(&Finding) -> bool) -> bool {
    let mut ended = Vec::new();
    for alert in incident.alerts.iter_mut().filter(|a| a.ended_at.is_none()) {
        let there = seen.members.iter().any(|m| m.finding.key == alert.finding.key);
        if !there && !held(&alert.finding) {
            alert.ended_at = Some(now);
            ended.push(format!("Over: {}", alert.finding.headline));
        }
    }
    let any = !ended.is_empty();
    ended.into_iter().for_each(|line| note(incident, now, line));
    any
}

/// Whether a group that has an incident is told now, and why.
fn decide(incident: &Incident, seen: &Seen, told_severity: Severity, now: Timestamp) -> Option<Told> {
    let since = elapsed(incident.told_at?, now);
    if incident.firing().next().is_none() {
        return (since >= seen.timers.group_interval).then_some(Told::Resolved);
    }
    let muted = |key: &FindingKey| seen.members.iter().any(|m| m.muted && m.finding.key == *key);
    let audible = || incident.firing().filter(|a| !muted(&a.finding.key));
    if seen.quiet || audible().next().is_none() {
        return None;
    }
    let worst = audible().map(|a| a.finding.severity).max().unwrap_or(Severity::Info);
    if worst > told_severity && worst > Severity::Info {
        return Some(Told::Worse);
    }
    if since >= seen.timers.group_interval && has_new_facts(incident, false) {
        return Some(Told::Update);
    }
    let remind = incident.acknowledged.is_none() && since >= seen.timers.repeat_interval;
    remind.then_some(Told::Reminder)
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

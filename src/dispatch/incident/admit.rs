//! What is new in a diagnosis, which incident it belongs to, and whether it is told at once. Pure.
//!
//! Three kinds of roots are recorded and held before they are told: what is no more than a warning, until it has lasted
//! (`tell_warnings_after`); what a greater trouble that has just ended leaves behind, until the way back is over; and what
//! another group's trouble explains, for as long as it does. None keeps anything else waiting: a root that began by itself
//! is told at once, whatever else is open.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::{OPEN_PER_CLUSTER_MAX, Open, RELATED_WINDOW, SETTLE_MAX, WAY_BACK, elapsed, held_for};
use crate::{
    dispatch::{
        diagnosis_view::DiagnosisView,
        incident_record::{began, has_room, put, was_told},
        precedence,
    },
    model::{
        Diagnosis, Family, Finding, FindingKey, Holds, Incident, IncidentAlert, NotificationKind, Reach, Severity,
        Topic,
    },
};

/// What began so soon after the end of a greater trouble came of it: probes of two targets see the same moment apart.
const WAKE: Duration = Duration::from_secs(5);

/// A hold ends after so many times the patience with warnings, and not before [`HOLD_MIN`].
const HOLDS_MAX: u32 = 5;
const HOLD_MIN: Duration = Duration::from_secs(300);

/// Returns whether it is no more than a warning, and not lasting yet. One that began in the future has a clock that
/// was set back: it counts.
pub(super) fn is_young(finding: &Finding, now: Timestamp, patience: Duration) -> bool {
    finding.severity < Severity::Critical && finding.since <= now && elapsed(finding.since, now) < patience
}

/// A warning whose beginning nobody knows seems young for ever: what fires all the while is held no longer than this.
fn is_hold_in_time(alert: &IncidentAlert, now: Timestamp, patience: Duration) -> bool {
    elapsed(alert.opened_at, now) < (patience * HOLDS_MAX).max(HOLD_MIN)
}

/// What `greater` leaves behind when it ends may be `finding`. etcd stands on no API server, so that what is wrong with it
/// comes of none.
fn leaves_behind(greater: &Finding, finding: &Finding) -> bool {
    let (of, what) = (greater.key.alert.cause(), finding.key.alert.cause());
    let stands_on_it = what.family != Some(Family::Etcd) || of.family != Some(Family::ApiServer);
    let reaches = match of.reach {
        Reach::Cluster => stands_on_it,
        Reach::ControlPlane => stands_on_it && !what.of_nodes,
        Reach::Nodes => what.of_nodes,
        Reach::Host => false,
    };
    reaches || greater.key.alert.is_related(finding.key.alert) || precedence::share_host(greater, finding)
}

/// Where a root goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Home {
    /// An open incident, with room for it.
    In(i64),
    /// One of its own.
    Own,
    /// Every incident is full, and there may be no more.
    Nowhere,
}

/// Its cause belongs to another group, which tells of it: here it is on record only, until that is over.
pub(super) fn is_told_elsewhere(finding: &Finding) -> bool {
    finding.caused_by.as_ref().is_some_and(|cause| cause.cluster != finding.key.cluster)
}

/// `greater` was all of a machine, and `finding` is of that machine: whatever its weight, it is what is not back yet. That
/// more than a part of the machine fails is another thing.
fn is_part_of(finding: &Finding, greater: &Finding) -> bool {
    let is_whole = |f: &Finding| f.key.alert.cause().holds == Holds::Everything;
    is_whole(greater) && !is_whole(finding) && precedence::share_host(greater, finding)
}

impl Open {
    /// Roots that no incident has as firing, or not as severe, or that were held for long enough.
    pub(super) fn news<'a>(&self, picture: &DiagnosisView<'a>, now: Timestamp, patience: Duration) -> Vec<&'a Finding> {
        let known = |f: &Finding| {
            self.firing_in(&f.key).is_some_and(|(id, alert)| {
                let in_time = is_told_elsewhere(f) || is_hold_in_time(alert, now, patience);
                let held = in_time && self.is_held(Some(id), f, now, patience);
                alert.finding.severity >= f.severity && (!alert.held || held)
            })
        };
        picture.roots().filter(|f| !known(f)).collect()
    }

    /// Returns the open incident in which something fires.
    pub(super) fn firing_in(&self, key: &FindingKey) -> Option<(i64, &IncidentAlert)> {
        self.incidents
            .values()
            .filter(|i| i.cluster == key.cluster)
            .find_map(|incident| incident.firing().find(|a| a.finding.key == *key).map(|alert| (incident.id, alert)))
    }

    /// Returns whether news may be told now.
    pub(super) fn settled(&mut self, diagnosis: &Diagnosis, no_news: bool, now: Timestamp) -> bool {
        if no_news {
            self.held.remove(&diagnosis.cluster);
            return false;
        }
        let since = self.held.entry(diagnosis.cluster.clone()).or_insert(now);
        let settled = !diagnosis.unsettled || held_for(since, now) >= SETTLE_MAX;
        if settled {
            self.held.remove(&diagnosis.cluster);
        }
        settled
    }

    /// Puts news into incidents; says of each whether it opened or got worse. Relief is neither.
    pub(super) fn admit(
        &mut self,
        picture: &DiagnosisView<'_>,
        news: &[&Finding],
        touched: &mut BTreeSet<i64>,
        (now, patience): (Timestamp, Duration),
    ) -> BTreeMap<i64, NotificationKind> {
        let mut verdicts = BTreeMap::new();
        for finding in news {
            let firing = self.firing_in(&finding.key);
            // What was explained until just now may be held as what is new.
            let in_time = |a: &IncidentAlert| is_told_elsewhere(finding) || is_hold_in_time(a, now, patience);
            let open = |a: &IncidentAlert| a.finding.caused_by.is_some() || a.held && in_time(a);
            let firing = firing.map(|(id, a)| (id, open(a)));
            let home = firing.map_or_else(|| self.place(picture, finding, now), |(id, _)| Home::In(id));
            let known = if let Home::In(id) = home { Some(id) } else { None };
            // What counts already goes on counting.
            let held = firing.is_none_or(|(_, held)| held) && self.is_held(known, finding, now, patience);
            let (id, verdict) = match home {
                Home::In(id) => (id, self.is_worse(id, finding, now).then_some(NotificationKind::Worse)),
                Home::Own => (self.open(finding, now), Some(NotificationKind::Opened)),
                Home::Nowhere => {
                    self.crowd.roots.push(finding.key.clone());
                    continue;
                }
            };
            self.make_room(id, &finding.key);
            let Some(incident) = self.edit(id) else { continue };
            put(incident, finding, None, now, held);
            touched.insert(id);
            if let Some(verdict) = verdict.filter(|_| !held) {
                verdicts.entry(id).or_insert(verdict);
            }
        }
        verdicts
    }

    /// Where a new root belongs: the newest open incident that is akin and has room, else one of its own.
    fn place(&self, picture: &DiagnosisView<'_>, finding: &Finding, now: Timestamp) -> Home {
        let peers = || {
            let same = |i: &&Incident| i.cluster == finding.key.cluster && i.topic == finding.topic;
            self.incidents().filter(same)
        };
        let newest = |i: &&Incident| (precedence::changed_at(&i.alerts), i.id);
        let no_more = peers().count() >= OPEN_PER_CLUSTER_MAX;
        let explains = |a: &IncidentAlert| {
            let root = picture.findings.get(&a.finding.key).and_then(|f| picture.root_of(f));
            root.is_some_and(|root| root.key == finding.key)
        };
        let akin = |a: &IncidentAlert| {
            a.finding.key.alert.is_related(finding.key.alert)
                || precedence::share_host(&a.finding, finding)
                || explains(a)
        };
        let related = |i: &&Incident| {
            let recent = precedence::changed_at(&i.alerts).is_some_and(|at| elapsed(at, now) <= RELATED_WINDOW);
            recent || i.alerts.iter().any(|a| a.finding.key == finding.key) || i.firing().any(akin)
        };
        let any = finding.topic != Topic::Outage || no_more;
        let homes = peers().filter(|i| any || related(i)).filter(|i| can_take(i, &finding.key));
        match homes.max_by_key(newest) {
            Some(home) => Home::In(home.id),
            None if no_more => Home::Nowhere,
            None => Home::Own,
        }
    }

    /// A root comes before what follows from another: of a full incident the least telling consequence goes.
    fn make_room(&mut self, id: i64, key: &FindingKey) {
        let Some(full) = self.incidents.get(&id).filter(|i| !has_room(i, key)) else { return };
        let least = consequences(full).max_by_key(|a| precedence::order(a)).map(|a| a.finding.key.clone());
        let (Some(least), Some(incident)) = (least, self.edit(id)) else { return };
        incident.alerts.retain(|a| a.ended_at.is_some() || a.finding.key != least);
        self.missing.remove(&least);
        self.crowd.consequences.push(least);
    }

    pub(super) fn open(&mut self, finding: &Finding, now: Timestamp) -> i64 {
        let id = self.next_id();
        let incident = Incident::new(
            id,
            finding.key.cluster.clone(),
            finding.topic,
            began(finding, now),
            finding.headline.clone(),
            finding.severity,
        );
        self.incidents.insert(id, Arc::new(incident));
        id
    }

    /// Whether a root is recorded only, for now: see the module.
    fn is_held(&self, home: Option<i64>, finding: &Finding, now: Timestamp, patience: Duration) -> bool {
        let incident = home.and_then(|id| self.incidents.get(&id));
        is_told_elsewhere(finding)
            || is_young(finding, now, patience)
            || incident.is_some_and(|i| self.is_way_back(i, finding, now))
    }

    /// Returns whether a greater root of the incident has just ended, and this is what it leaves behind.
    pub(super) fn is_way_back(&self, incident: &Incident, finding: &Finding, now: Timestamp) -> bool {
        let told = self.told_at(incident);
        incident.alerts.iter().any(|a| {
            let left = precedence::outweighs(&a.finding, finding) && leaves_behind(&a.finding, finding);
            let root = a.finding.caused_by.is_none() && !a.held;
            let of_old = told.is_some_and(|told| a.opened_at <= told);
            let ended = self.ended(a).is_some_and(|end| elapsed(end, now) <= WAY_BACK && began_by(finding, end));
            root && of_old && ended && (left || is_part_of(finding, &a.finding))
        })
    }

    /// When an incident was last told, by itself or with the one of another cluster.
    pub(super) fn told_at(&self, incident: &Incident) -> Option<Timestamp> {
        let lead = incident.told_by().and_then(|id| self.incidents.get(&id));
        incident.told_at.max(lead.and_then(|i| i.told_at))
    }

    /// When an alert ended, or seems to.
    fn ended(&self, alert: &IncidentAlert) -> Option<Timestamp> {
        alert.ended_at.or_else(|| self.missing.get(&alert.finding.key).copied())
    }

    /// Worse than what was told: a severity that rises, or a root that is new to the incident. What it knows as a
    /// consequence, or knew until just now, is not new; nor is what is left of a greater one that was told.
    fn is_worse(&self, id: i64, finding: &Finding, now: Timestamp) -> bool {
        let Some(incident) = self.incidents.get(&id) else { return false };
        let told = self.told_at(incident);
        let of_old = |a: &IncidentAlert| told.is_some_and(|told| a.opened_at <= told) && !a.held;
        let known = |a: &IncidentAlert| {
            let same = a.finding.key == finding.key && a.finding.severity >= finding.severity;
            let just_now = a.finding.caused_by.is_some() && a.ended_at.is_some_and(|at| elapsed(at, now) <= WAY_BACK);
            same && of_old(a) && (a.ended_at.is_none() || just_now)
        };
        let relief = |a: &IncidentAlert| {
            let left = finding.key.alert.is_relief_after(a.finding.key.alert) && a.finding.caused_by.is_none();
            let part = self.ended(a).is_none_or(|end| began_by(finding, end));
            left && part && a.finding.severity >= finding.severity && was_told(told, a)
        };
        !incident.alerts.iter().any(|a| known(a) || relief(a))
    }
}

/// Consequences that fire.
fn consequences(incident: &Incident) -> impl Iterator<Item = &IncidentAlert> {
    incident.firing().filter(|a| a.finding.caused_by.is_some())
}

/// Whether one more root may fire in the incident, at the cost of a consequence.
fn can_take(incident: &Incident, key: &FindingKey) -> bool {
    has_room(incident, key) || consequences(incident).next().is_some()
}

/// It began before a moment, or so soon after it that this is one.
fn began_by(finding: &Finding, end: Timestamp) -> bool {
    end >= finding.since || elapsed(end, finding.since) <= WAKE
}

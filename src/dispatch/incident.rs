//! What becomes of a diagnosis: incidents that open, get worse, change, last and end, each told at the right moment.
//! Pure: time is an argument, nothing is sent or stored here.
//!
//! A finding without a cause is a root; a root opens an incident or joins a related one (`admit`); its consequences are
//! listed in its incident and never told by themselves. A root that may mend itself is recorded at once and told once it
//! has lasted. What was told is derived from the incident itself (`told_at` against the alerts' times, `held`), so that a
//! restart on the same database continues without repeating or forgetting anything; only the short holds (settling,
//! ending) begin anew. While a diagnosis is blind, nothing of its cluster changes.
//!
//! A record is not rewritten by what comes later: an alert keeps its `since`, and on the way back its words; what a greater
//! trouble takes in is part of that and did not end.

mod admit;
mod conclude;
mod fleets;
mod refresh;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::{
    diagnosis_view::DiagnosisView,
    fleet,
    incident_record::{Pace, has_room, note, of_older, put},
    precedence,
};
use crate::{
    model::{Diagnosis, FindingKey, Incident, IncidentAlert, NotificationKind},
    notify::summary::NO_LONGER_WATCHED,
};

/// A new root waits this long at most for the picture to settle, so that two members killed together are one story.
pub const SETTLE_MAX: Duration = Duration::from_millis(1_500);

/// What no longer fires is over after this; a restart that fails again at once is the same incident.
pub const RESOLVE_HOLD: Duration = Duration::from_secs(3);

/// Who has just heard of a beginning hears of its end when that has held for longer: what comes back at once is told once.
pub const RESOLVE_HOLD_YOUNG: Duration = Duration::from_secs(10);

/// So long after its first message an incident is young.
pub const YOUNG: Duration = Duration::from_secs(60);

/// While targets are still being re-probed the end waits longer, at most so long.
pub const RESOLVE_UNSETTLED_MAX: Duration = Duration::from_secs(30);

/// An update waits until what changed has stood for so long: everything has been probed twice since. One that comes seconds before
/// the end tells nobody anything.
pub const UPDATE_SETTLES: Duration = Duration::from_secs(20);

/// What goes on changing delays an update no longer than this.
pub const UPDATE_WAITS_MAX: Duration = Duration::from_secs(60);

/// What began before a greater trouble was over has so long to end with it: the way back is not something worse.
pub const WAY_BACK: Duration = Duration::from_secs(60);

/// A new root this soon after an incident's last change belongs to it.
pub const RELATED_WINDOW: Duration = Duration::from_secs(5 * 60);

/// Open incidents of one cluster and topic; a further root joins the newest: nobody reads fifty threads.
pub const OPEN_PER_CLUSTER_MAX: usize = 50;

/// Says how an incident is to be told, as routes and silences have it.
pub struct NotificationPolicy<'a> {
    /// When.
    pub pace: &'a dyn Fn(&Incident) -> Pace,
    /// Not at all for now, and why: its roots are silenced or inhibited, or its routes muted.
    pub quiet: &'a dyn Fn(&Incident) -> Option<String>,
    /// What is no more than a warning is told when it has lasted so long.
    pub warnings_after: Duration,
}

/// An incident that must be stored, and told where `told` says why.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// As it is now; where it is told, `messages` counts this message already.
    pub incident: Incident,
    /// Why it is told.
    pub told: Option<NotificationKind>,
}

/// What one look has seen.
#[derive(Default)]
struct Seen {
    /// The clusters that could be judged.
    clusters: BTreeSet<Arc<str>>,
    /// Incidents that changed in substance.
    touched: BTreeSet<i64>,
    /// Those that began or got worse.
    verdicts: BTreeMap<i64, NotificationKind>,
}

/// Holds what found no room since it was last asked for.
#[derive(Clone, Debug, Default)]
pub struct Crowd {
    /// Roots that no incident can take: they are told together (`overflow`).
    pub roots: Vec<FindingKey>,
    /// Consequences that an incident does not list, since roots need their place: nobody is told of one by itself anyway.
    pub consequences: Vec<FindingKey>,
}

/// Open incidents and the holds on what is about to change.
#[derive(Clone, Debug, Default)]
pub struct Open {
    last_id: i64,
    /// Of two watchdogs one gives odd numbers and the other even ones; `None`: there is one.
    odd: Option<bool>,
    /// Shared with those who look: only what changes is copied.
    incidents: BTreeMap<i64, Arc<Incident>>,
    /// Those of which an alert has changed since their summary was made.
    edited: BTreeSet<i64>,
    /// What has no room.
    pub(super) crowd: Crowd,
    /// The headline that was last told of each incident.
    told_headline: HashMap<i64, String>,
    /// Since when a cluster has roots that were not told yet.
    held: HashMap<Arc<str>, Timestamp>,
    /// When an incident began to change in substance, and when it last did: pauses are shorter than an update waits.
    changed: HashMap<i64, (Timestamp, Timestamp)>,
    /// Since when a firing alert is missing from the diagnosis.
    missing: HashMap<FindingKey, Timestamp>,
}

impl Open {
    /// Continues with what an earlier run left open; `last_id` is the highest id ever given.
    pub fn restore(incidents: impl IntoIterator<Item = Incident>, last_id: i64) -> Self {
        let open = incidents.into_iter().filter(|i| i.resolved_at.is_none() && i.group.is_none());
        let incidents: BTreeMap<i64, Arc<Incident>> = open.map(|i| (i.id, Arc::new(of_older(i)))).collect();
        let last_id = incidents.keys().next_back().copied().unwrap_or(0).max(last_id);
        let told_headline = incidents.values().map(|i| (i.id, i.headline.clone())).collect();
        Self { last_id, incidents, told_headline, ..Self::default() }
    }

    /// Returns open incidents, by id.
    pub fn incidents(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.values().map(|i| &**i)
    }

    /// Returns the same, to share.
    pub fn shared(&self) -> impl Iterator<Item = &Arc<Incident>> {
        self.incidents.values()
    }

    /// Returns since when something fires in an open incident.
    pub fn began(&self, key: &FindingKey) -> Option<Timestamp> {
        self.firing_in(key).map(|(_, alert)| alert.finding.since)
    }

    /// Returns whether something is held and will change within seconds, without a new diagnosis.
    pub fn is_holding(&self) -> bool {
        !self.held.is_empty() || !self.missing.is_empty()
    }

    /// Closes the incidents of clusters that are no longer watched.
    pub fn retain_clusters(&mut self, watched: &BTreeSet<Arc<str>>, now: Timestamp) -> Vec<Change> {
        let gone: Vec<i64> = self
            .incidents
            .values()
            .filter(|i| !i.cluster.is_empty() && !watched.contains(&i.cluster))
            .map(|i| i.id)
            .collect();
        self.held.retain(|cluster, _| watched.contains(cluster) || cluster.is_empty());
        self.missing.retain(|key, _| watched.contains(&key.cluster) || key.cluster.is_empty());
        let mut changes = Vec::new();
        for id in gone {
            let Some(incident) = self.edit(id) else { continue };
            incident.alerts.iter_mut().filter(|a| a.ended_at.is_none()).for_each(|a| a.ended_at = Some(now));
            fleets::let_go(incident, now);
            changes.extend(match incident.told_at {
                Some(_) => self.tell(id, NotificationKind::Resolved, now, NO_LONGER_WATCHED),
                None => self.close(id, now, NO_LONGER_WATCHED),
            });
        }
        changes
    }

    /// Takes the diagnoses (or the last ones again, at a later time) and says what changed. Where `fleet` says how, the same
    /// trouble in several clusters becomes one.
    pub fn step(
        &mut self,
        diagnoses: &[Arc<Diagnosis>],
        now: Timestamp,
        policy: &NotificationPolicy<'_>,
        fleet: Option<&fleet::Asks<'_>>,
    ) -> Vec<Change> {
        let mut seen = Seen::default();
        for diagnosis in diagnoses {
            self.absorb(diagnosis, &mut seen, now, policy.warnings_after);
        }
        self.keep_fleets(&mut seen.touched, now);
        if let Some(asks) = fleet {
            self.join_fleets(asks, &mut seen.touched, now);
        }
        for id in &seen.touched {
            let (first, last) = self.changed.entry(*id).or_insert((now, now));
            if elapsed(*last, now) >= UPDATE_SETTLES {
                *first = now;
            }
            *last = now;
        }
        self.conclude_all(&mut seen, now, policy)
    }

    /// Takes in what a diagnosis says of its cluster.
    fn absorb(&mut self, diagnosis: &Diagnosis, seen: &mut Seen, now: Timestamp, patience: Duration) {
        if diagnosis.blind {
            self.held.remove(&diagnosis.cluster);
            self.missing.retain(|key, _| key.cluster != diagnosis.cluster);
            return;
        }
        let picture = DiagnosisView::new(diagnosis);
        let mut touched = self.refresh(&picture, now, patience);
        let news = self.news(&picture, now, patience);
        let mut verdicts = BTreeMap::new();
        if self.settled(diagnosis, news.is_empty(), now) {
            verdicts = self.admit(&picture, &news, &mut touched, (now, patience));
        }
        self.list_consequences(&picture, &mut touched, now);
        self.end_missing(diagnosis, &picture, &verdicts, &mut touched, now);
        self.part_ways(&picture, &mut touched, now, patience);
        seen.clusters.insert(diagnosis.cluster.clone());
        seen.touched.extend(touched);
        seen.verdicts.extend(verdicts);
    }

    /// Lists consequences in the incident of their cause.
    fn list_consequences(&mut self, picture: &DiagnosisView<'_>, touched: &mut BTreeSet<i64>, now: Timestamp) {
        for finding in picture.findings.values() {
            let Some(cause) = picture.cause(finding) else { continue };
            let home = picture.root_of(finding).and_then(|root| self.firing_in(&root.key)).map(|(id, _)| id);
            let (Some(id), None) = (home, self.firing_in(&finding.key)) else { continue };
            if self.incidents.get(&id).is_none_or(|i| !has_room(i, &finding.key)) {
                self.crowd.consequences.push(finding.key.clone());
            } else if let Some(incident) = self.edit(id) {
                put(incident, finding, Some(cause.clone()), now, false);
                touched.insert(id);
            }
        }
    }

    /// Ends alerts that are missing. Beside others that still fire that needs no hold once the picture is settled or the
    /// incident is about to be told; the last one is held, since a component that restarts may fail again at once. What a
    /// greater one that fires tells of has not ended: it is part of that.
    fn end_missing(
        &mut self,
        diagnosis: &Diagnosis,
        picture: &DiagnosisView<'_>,
        verdicts: &BTreeMap<i64, NotificationKind>,
        touched: &mut BTreeSet<i64>,
        now: Timestamp,
    ) {
        for (id, shared) in self.incidents.iter_mut().filter(|(_, i)| i.cluster == diagnosis.cluster) {
            let there = || shared.firing().filter(|a| picture.findings.contains_key(&a.finding.key));
            let others_fire = there().any(|a| !a.held);
            let young = shared.first_told_at.is_some_and(|at| elapsed(at, now) < YOUNG);
            let hold = match (others_fire, diagnosis.unsettled) {
                (true, _) if verdicts.contains_key(id) => Duration::ZERO,
                (_, true) => RESOLVE_UNSETTLED_MAX,
                (true, false) => Duration::ZERO,
                (false, false) if young => RESOLVE_HOLD_YOUNG,
                (false, false) => RESOLVE_HOLD,
            };
            let mut over = Vec::new();
            for (at, alert) in shared.alerts.iter().enumerate().filter(|(_, a)| a.ended_at.is_none()) {
                let Some(since) = self.missing.get_mut(&alert.finding.key) else { continue };
                let whole = there().map(|a| &a.finding).find(|f| precedence::takes_in(f, &alert.finding));
                if held_for(since, now) < hold && whole.is_none() {
                    continue;
                }
                let line = match whole {
                    Some(whole) => format!("Part of it now: {} ({})", alert.finding.headline, whole.headline),
                    None => format!("Over: {}", alert.finding.headline),
                };
                over.push((at, *since, whole.map(|f| f.key.clone()), line));
                self.missing.remove(&alert.finding.key);
            }
            if over.is_empty() {
                continue;
            }
            touched.insert(*id);
            self.edited.insert(*id);
            let incident = Arc::make_mut(shared);
            for (at, since, part_of, line) in over {
                if let Some(alert) = incident.alerts.get_mut(at) {
                    (alert.ended_at, alert.part_of) = (Some(since), part_of);
                }
                note(incident, since, line);
            }
        }
    }

    /// What was told is over, and all that fires there are young warnings that came by themselves, or what another group
    /// tells of: they go on as a record of their own, so that they delay no end.
    fn part_ways(
        &mut self,
        picture: &DiagnosisView<'_>,
        touched: &mut BTreeSet<i64>,
        now: Timestamp,
        patience: Duration,
    ) {
        let cluster = picture.cluster;
        let elsewhere =
            |a: &IncidentAlert| picture.findings.get(&a.finding.key).is_some_and(|f| admit::is_told_elsewhere(f));
        let apart = |i: &Incident, a: &IncidentAlert| {
            let young = admit::is_young(&a.finding, now, patience) && !self.is_way_back(i, &a.finding, now);
            a.held && (young || elsewhere(a))
        };
        let parts = |i: &&Incident| {
            *i.cluster == *cluster
                && self.told_at(i).is_some()
                && i.firing().next().is_some()
                && i.firing().all(|a| apart(i, a))
        };
        let parting: Vec<i64> = self.incidents().filter(parts).map(|i| i.id).collect();
        for id in parting {
            let Some(incident) = self.edit(id) else { continue };
            let held: Vec<IncidentAlert> = incident.alerts.extract_if(.., |a| a.ended_at.is_none()).collect();
            let Some(first) = held.first().map(|a| a.finding.clone()) else { continue };
            let new = self.open(&first, now);
            if let Some(incident) = self.edit(new) {
                held.iter().for_each(|a| put(incident, &a.finding, None, now, true));
            }
            touched.extend([id, new]);
        }
    }

    /// Returns the id of the next incident, whoever opens it.
    pub fn next_id(&mut self) -> i64 {
        self.last_id += 1;
        if self.odd.is_some_and(|odd| odd != (self.last_id % 2 != 0)) {
            self.last_id += 1;
        }
        self.last_id
    }

    /// Gives no number from now on that another watchdog may give: it has given `last`.
    pub fn number_beside(&mut self, last: i64, odd: bool) {
        (self.last_id, self.odd) = (self.last_id.max(last), Some(odd));
    }

    /// Returns the highest number that was given.
    pub fn last_id(&self) -> i64 {
        self.last_id
    }

    /// Takes an incident as another watchdog has it; one that has ended leaves the open ones.
    pub fn adopt(&mut self, incident: Incident) {
        self.last_id = self.last_id.max(incident.id);
        self.forget(incident.id);
        if incident.resolved_at.is_some() {
            self.incidents.remove(&incident.id);
        } else {
            self.told_headline.insert(incident.id, incident.headline.clone());
            self.incidents.insert(incident.id, Arc::new(incident));
        }
    }

    /// Takes an open incident out that another watchdog does not know: it tells of what fires under its own number.
    pub fn remove(&mut self, id: i64) -> Option<Incident> {
        self.forget(id);
        self.incidents.remove(&id).map(Arc::unwrap_or_clone)
    }

    /// Every hold begins anew, as after a restart: another watchdog decided until now.
    pub fn begin_anew(&mut self) {
        (self.edited, self.crowd) = (BTreeSet::new(), Crowd::default());
        (self.held, self.changed, self.missing) = (HashMap::new(), HashMap::new(), HashMap::new());
    }

    /// Returns an open incident, to note who was told and who looks after it.
    pub fn incident_mut(&mut self, id: i64) -> Option<&mut Incident> {
        self.incidents.get_mut(&id).map(Arc::make_mut)
    }

    /// An open incident, to change its alerts: its summary is made before it is told.
    fn edit(&mut self, id: i64) -> Option<&mut Incident> {
        let shared = self.incidents.get_mut(&id)?;
        self.edited.insert(id);
        Some(Arc::make_mut(shared))
    }
}

/// Time since, never negative.
fn elapsed(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

/// Time since a hold began; a wall clock that was set back begins it anew instead of holding for hours.
fn held_for(since: &mut Timestamp, now: Timestamp) -> Duration {
    *since = (*since).min(now);
    elapsed(*since, now)
}

#[cfg(test)]
mod fleet_stories;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod timelines;

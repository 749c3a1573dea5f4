//! What becomes of a diagnosis: incidents that open, get worse, change, last and end, each told at the right moment.
//! Pure: time is an argument, nothing is sent or stored here.
//!
//! A finding without a cause is a root; a root opens an incident or joins a related one; its consequences are listed in
//! its incident and never told by themselves. What was told is derived from the incident itself (`told_at` against the
//! alerts' times), so that a restart on the same database continues without repeating or forgetting anything; only the
//! short holds (settling, ending) begin anew. While a diagnosis is blind, nothing of its cluster changes.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::{
    picture::Picture,
    rank,
    shape::{self, Pace, end, has_new_facts, has_room, note, put, reminder_after, settle_shape, told_roots},
};
use crate::{
    model::{Diagnosis, Finding, FindingKey, Incident, IncidentAlert, Told, Topic},
    notify::words::NO_LONGER_WATCHED,
};

/// A new root waits this long at most for the picture to settle, so that two members killed together are one story.
pub const SETTLE_MAX: Duration = Duration::from_millis(1_500);

/// What no longer fires is over after this; a restart that fails again at once is the same incident.
pub const RESOLVE_HOLD: Duration = Duration::from_secs(3);

/// While targets are still being re-probed the end waits longer, at most so long.
pub const RESOLVE_UNSETTLED_MAX: Duration = Duration::from_secs(30);

/// What comes to light this soon after a greater trouble has ended is part of the way back, not something worse.
pub const WAY_BACK: Duration = Duration::from_secs(60);

/// A new root this soon after an incident's last change belongs to it.
pub const RELATED_WINDOW: Duration = Duration::from_secs(5 * 60);

/// Open incidents of one cluster and topic; a further root joins the newest: nobody reads fifty threads.
pub const OPEN_PER_CLUSTER_MAX: usize = 50;

/// How an incident is to be told, as routes and silences have it.
pub struct Manners<'a> {
    /// When.
    pub pace: &'a dyn Fn(&Incident) -> Pace,
    /// Not at all for now: its roots are silenced or inhibited, or its routes muted.
    pub quiet: &'a dyn Fn(&Incident) -> bool,
}

/// An incident that must be stored, and told where `told` says why.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// As it is now; where it is told, `messages` counts this message already.
    pub incident: Incident,
    /// Why it is told.
    pub told: Option<Told>,
}

/// Open incidents and the holds on what is about to change.
#[derive(Clone, Debug, Default)]
pub struct Open {
    last_id: i64,
    incidents: BTreeMap<i64, Incident>,
    /// The headline that was last told of each incident.
    told_headline: HashMap<i64, String>,
    /// Since when a cluster has roots that were not told yet.
    held: HashMap<Arc<str>, Timestamp>,
    /// Since when a firing alert is missing from the diagnosis.
    missing: HashMap<FindingKey, Timestamp>,
}

impl Open {
    /// Continues with what an earlier run left open; `last_id` is the highest id ever given.
    pub fn restore(incidents: impl IntoIterator<Item = Incident>, last_id: i64) -> Self {
        let incidents: BTreeMap<i64, Incident> =
            incidents.into_iter().filter(|i| i.resolved_at.is_none() && i.group.is_none()).map(|i| (i.id, i)).collect();
        let last_id = incidents.keys().next_back().copied().unwrap_or(0).max(last_id);
        let told_headline = incidents.values().map(|i| (i.id, i.headline.clone())).collect();
        Self { last_id, incidents, told_headline, ..Self::default() }
    }

    /// Open incidents, by id.
    pub fn incidents(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.values()
    }

    /// Something is held and will change within seconds, without a new diagnosis.
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
            let Some(incident) = self.incidents.get_mut(&id) else { continue };
            incident.alerts.iter_mut().filter(|a| a.ended_at.is_none()).for_each(|a| a.ended_at = Some(now));
            changes.extend(self.tell(id, Told::Resolved, now, NO_LONGER_WATCHED));
        }
        changes
    }

    /// Takes a diagnosis (or the last one again, at a later time) and says what changed.
    pub fn step(&mut self, diagnosis: &Diagnosis, now: Timestamp, manners: &Manners<'_>) -> Vec<Change> {
        if diagnosis.blind {
            self.held.remove(&diagnosis.cluster);
            self.missing.retain(|key, _| key.cluster != diagnosis.cluster);
            return Vec::new();
        }
        let picture = Picture::new(diagnosis);
        let mut touched = self.refresh(&picture, now);
        let news = self.news(&picture);
        let mut verdicts = BTreeMap::new();
        if self.settled(diagnosis, news.is_empty(), now) {
            verdicts = self.admit(&picture, &news, &mut touched, now);
        }
        self.list_consequences(&picture, &mut touched, now);
        self.end_missing(diagnosis, &picture, &verdicts, &mut touched, now);
        let ids: Vec<i64> = self.incidents.values().filter(|i| i.cluster == diagnosis.cluster).map(|i| i.id).collect();
        ids.into_iter().filter_map(|id| self.conclude(id, verdicts.get(&id).copied(), &touched, now, manners)).collect()
    }

    /// Brings alerts that fire up to date, save for a severity that rises: that is news. Returns what changed in substance.
    fn refresh(&mut self, picture: &Picture<'_>, now: Timestamp) -> BTreeSet<i64> {
        let mut touched = BTreeSet::new();
        for incident in self.incidents.values_mut().filter(|i| *i.cluster == *picture.cluster) {
            for alert in incident.alerts.iter_mut().filter(|a| a.ended_at.is_none()) {
                let Some(found) = picture.findings.get(&alert.finding.key) else {
                    self.missing.entry(alert.finding.key.clone()).or_insert(now);
                    continue;
                };
                self.missing.remove(&alert.finding.key);
                let caused_by = picture.cause(found).cloned();
                let severity = match caused_by {
                    Some(_) => found.severity,
                    None => found.severity.min(alert.finding.severity),
                };
                let same = alert.finding.headline == found.headline
                    && alert.finding.severity == severity
                    && alert.finding.caused_by == caused_by;
                alert.finding = Finding { severity, caused_by, ..(*found).clone() };
                if !same {
                    touched.insert(incident.id);
                }
            }
        }
        touched
    }

    /// Roots that no incident has as firing, or not as severe.
    fn news<'a>(&self, picture: &Picture<'a>) -> Vec<&'a Finding> {
        let known = |f: &Finding| self.firing_in(&f.key).is_some_and(|(_, alert)| alert.finding.severity >= f.severity);
        picture.roots().filter(|f| !known(f)).collect()
    }

    fn firing_in(&self, key: &FindingKey) -> Option<(i64, &IncidentAlert)> {
        self.incidents
            .values()
            .filter(|i| i.cluster == key.cluster)
            .find_map(|incident| incident.firing().find(|a| a.finding.key == *key).map(|alert| (incident.id, alert)))
    }

    /// Whether news may be told now.
    fn settled(&mut self, diagnosis: &Diagnosis, no_news: bool, now: Timestamp) -> bool {
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
    fn admit(
        &mut self,
        picture: &Picture<'_>,
        news: &[&Finding],
        touched: &mut BTreeSet<i64>,
        now: Timestamp,
    ) -> BTreeMap<i64, Told> {
        let mut verdicts = BTreeMap::new();
        for finding in news {
            let firing = self.firing_in(&finding.key).map(|(id, _)| id);
            let (id, verdict) = match firing.or_else(|| self.place(picture, finding, now)) {
                Some(id) => (id, self.is_worse(id, finding, now).then_some(Told::Worse)),
                None => (self.open(finding, now), Some(Told::Opened)),
            };
            let Some(incident) = self.incidents.get_mut(&id).filter(|i| has_room(i, &finding.key)) else { continue };
            put(incident, finding, None, now);
            touched.insert(id);
            if let Some(verdict) = verdict {
                verdicts.entry(id).or_insert(verdict);
            }
        }
        verdicts
    }

    /// The open incident to which a new root belongs.
    fn place(&self, picture: &Picture<'_>, finding: &Finding, now: Timestamp) -> Option<i64> {
        let peers = || {
            let same = |i: &&Incident| i.cluster == finding.key.cluster && i.topic == finding.topic;
            self.incidents.values().filter(same)
        };
        let newest = |i: &&Incident| (rank::changed_at(&i.alerts), i.id);
        if finding.topic != Topic::Outage || peers().count() >= OPEN_PER_CLUSTER_MAX {
            return peers().max_by_key(newest).map(|i| i.id);
        }
        let explains = |a: &IncidentAlert| {
            let root = picture.findings.get(&a.finding.key).and_then(|f| picture.root_of(f));
            root.is_some_and(|root| root.key == finding.key)
        };
        let akin = |a: &IncidentAlert| {
            a.finding.key.alert.is_kin(finding.key.alert) || rank::share_host(&a.finding, finding) || explains(a)
        };
        let related = |i: &&Incident| {
            let recent = rank::changed_at(&i.alerts).is_some_and(|at| elapsed(at, now) <= RELATED_WINDOW);
            recent || i.alerts.iter().any(|a| a.finding.key == finding.key) || i.firing().any(akin)
        };
        peers().filter(related).max_by_key(newest).map(|i| i.id)
    }

    fn open(&mut self, finding: &Finding, now: Timestamp) -> i64 {
        let id = self.next_id();
        let incident = Incident::new(
            id,
            (finding.key.cluster.clone(), finding.topic),
            finding.since.min(now),
            (finding.headline.clone(), finding.severity),
        );
        self.incidents.insert(id, incident);
        id
    }

    /// Worse than what was told: a severity that rises, or a root that is new to the incident. What it has known as a
    /// consequence is not new, nor is what comes to light while a greater trouble has just ended: that is the way back.
    fn is_worse(&self, id: i64, finding: &Finding, now: Timestamp) -> bool {
        let Some(incident) = self.incidents.get(&id) else { return false };
        let known = |a: &IncidentAlert| {
            let same = a.finding.key == finding.key && a.finding.severity >= finding.severity;
            same && (a.ended_at.is_none() || a.finding.caused_by.is_some())
        };
        let relief = |a: &IncidentAlert| {
            a.finding.severity >= finding.severity && finding.key.alert.is_relief_after(a.finding.key.alert)
        };
        let ending = |a: &IncidentAlert| match a.ended_at {
            Some(at) => elapsed(at, now) <= WAY_BACK,
            None => self.missing.contains_key(&a.finding.key),
        };
        let way_back =
            |a: &IncidentAlert| a.finding.caused_by.is_none() && rank::outweighs(&a.finding, finding) && ending(a);
        let told = incident.told_at;
        let of_old = |a: &IncidentAlert| told.is_some_and(|told| a.opened_at <= told);
        !incident.alerts.iter().any(|a| of_old(a) && (known(a) || way_back(a))) && !told_roots(incident).any(relief)
    }

    /// Lists consequences in the incident of their cause.
    fn list_consequences(&mut self, picture: &Picture<'_>, touched: &mut BTreeSet<i64>, now: Timestamp) {
        for finding in picture.findings.values() {
            let Some(cause) = picture.cause(finding) else { continue };
            let home = picture.root_of(finding).and_then(|root| self.firing_in(&root.key)).map(|(id, _)| id);
            let (Some(id), None) = (home, self.firing_in(&finding.key)) else { continue };
            if let Some(incident) = self.incidents.get_mut(&id).filter(|i| has_room(i, &finding.key)) {
                put(incident, finding, Some(cause.clone()), now);
                touched.insert(id);
            }
        }
    }

    /// Ends alerts that are missing. Beside others that still fire that needs no hold once the picture is settled or the
    /// incident is about to be told; the last one is held, since a component that restarts may fail again at once.
    fn end_missing(
        &mut self,
        diagnosis: &Diagnosis,
        picture: &Picture<'_>,
        verdicts: &BTreeMap<i64, Told>,
        touched: &mut BTreeSet<i64>,
        now: Timestamp,
    ) {
        for incident in self.incidents.values_mut().filter(|i| i.cluster == diagnosis.cluster) {
            let others_fire = incident.firing().any(|a| picture.findings.contains_key(&a.finding.key));
            let hold = match (others_fire, diagnosis.unsettled) {
                (true, _) if verdicts.contains_key(&incident.id) => Duration::ZERO,
                (_, true) => RESOLVE_UNSETTLED_MAX,
                (true, false) => Duration::ZERO,
                (false, false) => RESOLVE_HOLD,
            };
            let mut ended = Vec::new();
            for alert in incident.alerts.iter_mut().filter(|a| a.ended_at.is_none()) {
                let Some(since) = self.missing.get_mut(&alert.finding.key) else { continue };
                if held_for(since, now) < hold {
                    continue;
                }
                alert.ended_at = Some(*since);
                ended.push(format!("Over: {}", alert.finding.headline));
                self.missing.remove(&alert.finding.key);
                touched.insert(incident.id);
            }
            for what in ended {
                note(incident, now, what);
            }
        }
    }

    /// Decides whether an incident is told, and whether it must be stored.
    fn conclude(
        &mut self,
        id: i64,
        verdict: Option<Told>,
        touched: &BTreeSet<i64>,
        now: Timestamp,
        manners: &Manners<'_>,
    ) -> Option<Change> {
        let incident = self.incidents.get_mut(&id)?;
        settle_shape(incident);
        let pace = (manners.pace)(incident);
        let quiet_now = (manners.quiet)(incident);
        let headline_changed = self.told_headline.get(&id).is_some_and(|told| *told != incident.headline);
        let over = incident.firing().next().is_none();
        let quiet_for = incident.told_at.map(|at| elapsed(at, now));
        let ending = incident.firing().any(|a| self.missing.contains_key(&a.finding.key));
        let told = match quiet_for {
            // What was never told ends without a word; what was told is told to its end, silenced or not.
            None if over => return self.close(id, now),
            _ if over => Some(Told::Resolved),
            _ if quiet_now => None,
            None => Some(Told::Opened),
            Some(_) if verdict.is_some() => verdict,
            Some(_) if ending => None,
            Some(quiet) if quiet >= pace.group_interval && has_new_facts(incident, headline_changed) => {
                Some(Told::Update)
            }
            Some(_) if incident.acknowledged.is_some() => None,
            Some(quiet) if quiet >= reminder_after(incident, &pace) => Some(Told::Reminder),
            Some(_) => None,
        };
        match told {
            Some(told) => self.tell(id, told, now, ""),
            None => touched.contains(&id).then(|| Change { incident: incident.clone(), told: None }),
        }
    }

    /// An incident that nobody was told of is over.
    fn close(&mut self, id: i64, now: Timestamp) -> Option<Change> {
        let mut incident = self.incidents.remove(&id)?;
        self.told_headline.remove(&id);
        end(&mut incident, now);
        Some(Change { incident, told: None })
    }

    /// Counts the message and writes it into the timeline; an incident that is over leaves the open ones.
    fn tell(&mut self, id: i64, told: Told, now: Timestamp, why: &str) -> Option<Change> {
        let incident = self.incidents.get_mut(&id)?;
        shape::tell(incident, told, now, why);
        let incident = incident.clone();
        if told == Told::Resolved {
            self.incidents.remove(&id);
            self.told_headline.remove(&id);
        } else {
            self.told_headline.insert(id, incident.headline.clone());
        }
        Some(Change { incident, told: Some(told) })
    }

    /// The id of the next incident, whoever opens it.
    pub fn next_id(&mut self) -> i64 {
        self.last_id += 1;
        self.last_id
    }

    /// An open incident, to note who was told and who looks after it.
    pub fn incident_mut(&mut self, id: i64) -> Option<&mut Incident> {
        self.incidents.get_mut(&id)
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
mod tests;

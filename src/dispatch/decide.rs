//! One look at everything that is known: what the diagnosis explains, what stands for itself, who is told.
//!
//! Diagnosis, rules' alerts and posted alerts are held against each other on one snapshot. An alert of our own rules is
//! not believed before its cluster has been diagnosed since it was evaluated, nor while its window holds a disturbance that
//! the diagnosis knows (`recent`); while the watchdog is cut off, nothing of that cluster begins or ends.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::{Instant, timeout};

use super::{
    Dispatch, STORE_WAIT_MAX,
    alerts::{Entry, Origin},
    apply::Batch,
    diagnosis_view::DiagnosisView,
    elapsed,
    explain::{Explained, explain},
    flap::Flaps,
    fleet::{self, places},
    incident::{Change, NotificationPolicy},
    incident_record::note,
    recent::Recent,
    route::Timers,
    suppression::{Suppression, found},
};
use crate::{
    model::{
        Diagnosis, Finding, FindingKey, Group, IdentifiedAlert, Incident, LiveAlert, NotificationKind, Pairs, Topic,
        text,
    },
    peer::wire::Key,
};

/// A picture that does not settle holds an alert of our own rules no longer than this.
const SETTLE_MAX: Duration = Duration::from_secs(5);

/// Holds what the loop keeps of its last look.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// When it looked.
    pub(super) decided_at: Option<Instant>,
    /// How long looking at everything took, without waiting for the store.
    pub(super) took: Duration,
    /// Since when an alert is there.
    seen: HashMap<Arc<str>, Timestamp>,
    /// What was found lately.
    recent: Recent,
    /// What comes and goes.
    flaps: Flaps,
    /// Alerts that wait for a diagnosis.
    waiting: bool,
}

impl Memory {
    /// Continues with the incidents of an earlier run.
    pub(super) fn restore(incidents: &[Incident], now: Timestamp) -> Self {
        let (recent, flaps) = (Recent::restore(incidents, now), Flaps::restore(incidents, now));
        Self { recent, flaps, ..Self::default() }
    }

    /// Returns whether something waits for a diagnosis.
    pub(super) fn is_holding(&self) -> bool {
        self.waiting
    }
}

/// All alerts, sorted by what becomes of them.
#[derive(Default)]
struct Sorted {
    /// Consequences, by cluster, as findings.
    consequences: BTreeMap<Arc<str>, Vec<Finding>>,
    /// What stands for itself.
    alone: Vec<Entry>,
    /// Of these nothing is known for now, by fingerprint.
    held: HashSet<Arc<str>>,
    /// What explains an alert, by fingerprint.
    explained_by: HashMap<Arc<str>, Explanation>,
}

/// What explains an alert that is not told by itself.
struct Explanation {
    headline: String,
    /// The finding that lasts; `None`: what explains it is over.
    finding: Option<FindingKey>,
}

impl Dispatch {
    /// One look.
    pub(super) async fn decide(&mut self) {
        self.decide_at = None;
        self.memory.decided_at = Some(self.deps.clock.mono());
        let now = self.deps.clock.wall();
        self.collect(now).await;
        let began = self.deps.clock.mono();
        let mut diagnoses = self.diagnoses(now);
        self.share_views(&diagnoses);
        self.join_views(&mut diagnoses, now);
        for _ in 0..self.memory.flaps.see(&mut diagnoses, self.settings.tell_warnings_after, now) {
            self.deps.metrics.drop_at("flapping_findings");
        }
        let open: Vec<&Incident> = self.open.incidents().collect();
        let found = diagnoses.values().filter(|d| !d.blind).flat_map(|d| &d.findings);
        for _ in 0..self.memory.recent.see(found, &open, now) {
            self.deps.metrics.drop_at("recent_findings");
        }
        let sorted = self.sort(&diagnoses, now);
        let changes = self.step(&diagnoses, &sorted, now);
        let mut batch = self.prepare(changes, now);
        if self.leads() {
            self.call_others(&mut batch, now);
            self.learn_changes(&mut batch, now);
        }
        self.memory.took = self.deps.clock.mono().saturating_duration_since(began);
        self.changed = true;
        for _ in 0..self.groups.overflow.end(now) {
            self.deps.metrics.drop_at("alerts_untold");
        }
        self.commit(batch).await;
    }

    /// Forgets what is over for good.
    async fn collect(&mut self, now: Timestamp) {
        let gone = self.table.collect(now);
        gone.iter().for_each(|fingerprint| self.forget_shared(&Key::Alert(fingerprint.clone())));
        if !gone.is_empty() {
            let _ = timeout(STORE_WAIT_MAX, self.deps.store.commit_alerts(Vec::new(), gone)).await;
        }
        let gone = self.silences.collect(now);
        if !gone.is_empty() || self.deps.live.read().silences.len() != self.silences.all().count() {
            self.keep_silences(Vec::new(), gone).await;
        }
    }

    /// The diagnoses with what was found elsewhere. Where nothing can be judged, nothing joins either. A drill tells of its
    /// fake cluster alone: what is found of the watchdog itself would have nobody to tell its end.
    fn diagnoses(&self, now: Timestamp) -> BTreeMap<Arc<str>, Arc<Diagnosis>> {
        let mut all: BTreeMap<Arc<str>, Arc<Diagnosis>> =
            self.latest.iter().map(|(k, d)| (k.clone(), d.clone())).collect();
        let overflow = self.groups.overflow.finding().into_iter().chain(self.dropped_messages.finding(now));
        let own = self.failing.findings(now).into_iter().chain(overflow);
        let elsewhere = self.findings.iter().flat_map(|f| f.borrow().to_vec()).chain(own);
        for finding in elsewhere {
            let cluster = finding.key.cluster.clone();
            let none = || Diagnosis {
                cluster: Arc::default(),
                at: now,
                findings: Vec::new(),
                unsettled: false,
                blind: false,
                changes: Arc::default(),
            };
            if cluster.is_empty() {
                all.entry(cluster.clone()).or_insert_with(|| Arc::new(none()));
            }
            if let Some(diagnosis) = all.get_mut(&cluster).filter(|d| !d.blind) {
                Arc::make_mut(diagnosis).findings.push(finding);
            }
        }
        all.retain(|cluster, _| !self.settings.drill || !cluster.is_empty());
        all
    }

    fn sort(&mut self, diagnoses: &BTreeMap<Arc<str>, Arc<Diagnosis>>, now: Timestamp) -> Sorted {
        let pictures: BTreeMap<&str, DiagnosisView<'_>> =
            diagnoses.iter().map(|(c, d)| (&**c, DiagnosisView::new(d))).collect();
        let mut sorted = Sorted::default();
        let mut waits = false;
        let entries = self.table.firing(now);
        let there: HashSet<Arc<str>> = entries.iter().map(|e| e.fingerprint.clone()).collect();
        self.memory.seen.retain(|f, _| there.contains(f));
        let lately = self.memory.recent.lately(now);
        for entry in entries {
            let since = *self.memory.seen.entry(entry.fingerprint.clone()).or_insert(now);
            let (diagnosis, picture) =
                (diagnoses.get(entry.alert.label("cluster")), pictures.get(entry.alert.label("cluster")));
            let judged = diagnosis.filter(|d| !d.blind);
            let ours = matches!(entry.origin, Origin::Rule(..));
            let told = self.is_told(&entry);
            if let (Some(_), Some(picture), false) = (judged, picture, told)
                && let Some(how) = explain(&entry.alert, ours, picture)
            {
                sorted.explained(entry, how, picture);
                continue;
            }
            let watched = self.settings.clusters.contains(entry.alert.label("cluster"));
            let past = if told { None } else { lately.explains(&entry.alert, entry.looks_back, ours) };
            let believed = match (&entry.origin, judged) {
                (Origin::Rule(_, at), Some(d)) => d.at >= *at && (!d.unsettled || elapsed(since, now) >= SETTLE_MAX),
                (Origin::Rule(..), None) => !watched,
                (Origin::Posted, _) => true,
            };
            waits |= !told && !believed;
            if let Some(past) = past {
                let over = Explanation { headline: past.headline.clone(), finding: None };
                sorted.explained_by.insert(entry.fingerprint.clone(), over);
            }
            if !told && (!believed || past.is_some()) || (told && ours && watched && judged.is_none()) {
                sorted.held.insert(entry.fingerprint.clone());
            }
            sorted.alone.push(entry);
        }
        self.memory.waiting = waits;
        sorted
    }

    /// Whether an alert has an incident of its own already: it stays there.
    fn is_told(&self, entry: &Entry) -> bool {
        let labels = &entry.alert.labels;
        let routes = self.settings.routing.routes(labels);
        routes.iter().any(|r| self.groups.has(&r.group(labels), &entry.fingerprint))
    }

    fn step(&mut self, diagnoses: &BTreeMap<Arc<str>, Arc<Diagnosis>>, sorted: &Sorted, now: Timestamp) -> Vec<Change> {
        let settings = self.settings.clone();
        let context = &*self.context.clone();
        let found = found(diagnoses, context);
        let all: Vec<(&str, &Pairs)> = found
            .iter()
            .map(|(shown, _)| (&*shown.fingerprint, &shown.alert.labels))
            .chain(sorted.alone.iter().map(|e| (&*e.fingerprint, &e.alert.labels)))
            .collect();
        let inhibited = settings.routing.inhibitor.snapshot(&all);
        let suppression =
            Suppression { routing: &settings.routing, silences: &self.silences, inhibited: &inhibited, context, now };
        let pace = |i: &Incident| settings.routing.pace_of(i, context);
        let quiet = |i: &Incident| suppression.why_quiet(i);
        let policy = NotificationPolicy { pace: &pace, quiet: &quiet, warnings_after: settings.tell_warnings_after };
        let mut changes = Vec::new();
        // Who follows sees the same, and decides nothing.
        let leads = self.leads();
        if leads {
            let with_consequences = |(cluster, diagnosis): (&Arc<str>, &Arc<Diagnosis>)| {
                let mut diagnosis = Arc::clone(diagnosis);
                if let Some(more) = sorted.consequences.get(cluster) {
                    Arc::make_mut(&mut diagnosis).findings.extend(more.iter().cloned());
                }
                diagnosis
            };
            let all: Vec<Arc<Diagnosis>> = diagnoses.iter().map(with_consequences).collect();
            let live = self.deps.live.clone();
            let asks = fleet::Asks {
                places: &|| places(&live, &all),
                told_to: &|i: &Incident| quiet(i).is_none().then(|| settings.routing.ways_of(i, context)),
            };
            // While our own view is in doubt, what seems to fail everywhere may be ours.
            let doubt = all.iter().any(|d| d.findings.iter().any(|f| f.topic == Topic::Vantage));
            changes = self.open.step(&all, now, &policy, Some(&asks).filter(|_| !doubt));
        }
        let complete = settings.rule_groups.iter().all(|g| self.table.knows(g));
        let blind: BTreeSet<&str> =
            settings.clusters.iter().map(|c| &**c).filter(|c| diagnoses.get(*c).is_none_or(|d| d.blind)).collect();
        let there: HashSet<&str> = sorted.alone.iter().map(|e| &*e.fingerprint).collect();
        let held = |f: &Finding| {
            let subject = f.key.subject.as_str();
            let missing = !there.contains(subject);
            sorted.held.contains(subject) || (missing && (!complete || blind.contains(&*f.key.cluster)))
        };
        let timers = |g: &Group| {
            let route = settings.routing.tree.as_ref().and_then(|t| t.of_group(g));
            route.map_or_else(Timers::default, |r| r.timers)
        };
        let seen = suppression.seen(&sorted.alone, &|group| self.groups.incident_of(group).is_some());
        if leads {
            let open = &mut self.open;
            changes.extend(self.groups.step(seen, now, &held, &timers, &mut || open.next_id()));
        }
        let crowd = std::mem::take(&mut self.open.crowd);
        crowd.roots.iter().for_each(|root| self.groups.overflow.beyond_incidents(root));
        crowd.consequences.iter().for_each(|what| self.groups.overflow.unlisted(what));
        let alerts = self.shown(&suppression, sorted, &found);
        self.deps.live.write().alerts = Arc::new(alerts);
        changes
    }

    /// Every alert as it stands, for those that ask.
    fn shown(
        &self,
        suppression: &Suppression<'_>,
        sorted: &Sorted,
        found: &[(IdentifiedAlert, &Finding)],
    ) -> Vec<LiveAlert> {
        let mut all = Vec::with_capacity(found.len() + sorted.alone.len());
        let incidents: HashMap<&FindingKey, i64> =
            self.open.incidents().flat_map(|i| i.firing().map(|a| (&a.finding.key, i.id))).collect();
        for (_, finding) in found {
            let incident = incidents.get(&finding.key).copied();
            let shown = finding.to_alert(suppression.context, incident, None);
            let cause = finding.caused_by.as_ref();
            let explained =
                cause.and_then(|c| found.iter().find(|(_, f)| f.key == *c)).map(|(_, f)| f.headline.clone());
            all.push(suppression.live(Arc::new(shown.alert), shown.fingerprint, suppression.now, explained, incident));
        }
        for entry in self.table.firing(suppression.now) {
            let labels = &entry.alert.labels;
            let cause = sorted.explained_by.get(&entry.fingerprint);
            let incident = match cause {
                Some(cause) => cause.finding.as_ref().and_then(|key| incidents.get(key).copied()),
                None => {
                    let routes = self.settings.routing.routes(labels);
                    routes.iter().find_map(|r| self.groups.incident_of(&r.group(labels)))
                }
            };
            let cause = cause.map(|c| c.headline.clone());
            all.push(suppression.live(entry.alert, entry.fingerprint, entry.updated_at, cause, incident));
        }
        all
    }

    /// Tells those who are to hear of an incident that was told to others before: after an escalation, the end of a silence
    /// or of a muted time, a new configuration.
    fn call_others(&mut self, batch: &mut Batch, now: Timestamp) {
        let mut calls: Vec<(i64, Vec<String>, Vec<String>)> = Vec::new();
        for incident in self.all_open().filter(|i| i.first_told_at.is_some() && i.told_by().is_none()) {
            let routed = self.receivers(incident, NotificationKind::Opened, now);
            let mut lines = Vec::new();
            let mut new: Vec<String> = routed.iter().filter(|r| !incident.told.contains(*r)).cloned().collect();
            for (receiver, why) in self.escalations(incident, now) {
                if !new.contains(&receiver) {
                    lines.push(format!("Escalated to {receiver}: {why}"));
                    new.push(receiver);
                }
            }
            if !new.is_empty() {
                calls.push((incident.id, new, lines));
            }
        }
        for (id, receivers, lines) in calls {
            let Some(incident) = self.incident_mut(id) else { continue };
            incident.told.extend(receivers.iter().cloned());
            lines.into_iter().for_each(|line| note(incident, now, line));
            incident.messages += 1;
            let mut incident = incident.clone();
            batch.messages.extend(self.messages(&mut incident, NotificationKind::Opened, &receivers, now));
            self.remember(&incident);
            batch.incidents.push(incident);
        }
    }

    /// `(receiver, why)` of the steps that are due.
    fn escalations(&self, incident: &Incident, now: Timestamp) -> Vec<(String, String)> {
        use super::config::EscalateIf;
        let Some(first) = incident.first_told_at.filter(|_| incident.is_firing()) else {
            return Vec::new();
        };
        let routes = self.settings.routing.routes_of(incident, &self.context);
        let mut due = Vec::new();
        for route in routes {
            for step in route.escalation.iter().filter(|s| elapsed(first, now) >= s.after) {
                let needed = match step.unless {
                    EscalateIf::NotAcknowledged => incident.acknowledged.is_none(),
                    EscalateIf::NotAccepted => self.waits_for(&route.receiver, incident.id),
                };
                if needed && !incident.told.contains(&*step.receiver) {
                    let after = text::duration(step.after);
                    let why = match step.unless {
                        EscalateIf::NotAcknowledged => format!("nobody looks after it {after} after it was told"),
                        EscalateIf::NotAccepted => format!("{} has not accepted it within {after}", route.receiver),
                    };
                    due.push((step.receiver.to_string(), why));
                }
            }
        }
        due
    }
}

impl Sorted {
    fn explained(&mut self, entry: Entry, how: Explained, picture: &DiagnosisView<'_>) {
        let (key, by) = match how {
            Explained::Same(key) => (key, false),
            Explained::By(key) => (key, true),
        };
        let headline = picture.findings.get(&key).map(|f| f.headline.clone()).unwrap_or_default();
        let lasts = Explanation { headline, finding: Some(key.clone()) };
        self.explained_by.insert(entry.fingerprint.clone(), lasts);
        if by {
            let mut consequence = (*entry.finding).clone();
            consequence.key.cluster = key.cluster.clone();
            (consequence.topic, consequence.caused_by) = (Topic::Outage, Some(key.clone()));
            self.consequences.entry(key.cluster).or_default().push(consequence);
        }
    }
}

//! What a diagnosis says again of what fires. Pure; where it says nothing new, an incident is not touched, since it is shared
//! with those who look.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::{Open, WAY_BACK, admit::is_young, elapsed};
use crate::{
    dispatch::{diagnosis_view::DiagnosisView, incident_record::began},
    model::{Finding, FindingKey, Incident, IncidentAlert},
};

impl Open {
    /// Brings alerts that fire up to date, save for a severity that rises: that is news. Returns what changed in substance.
    pub(super) fn refresh(&mut self, picture: &DiagnosisView<'_>, now: Timestamp, patience: Duration) -> BTreeSet<i64> {
        let mut touched = BTreeSet::new();
        for (id, shared) in self.incidents.iter_mut().filter(|(_, i)| *i.cluster == *picture.cluster) {
            for key in shared.firing().map(|a| &a.finding.key) {
                if picture.findings.contains_key(key) {
                    self.missing.remove(key);
                } else {
                    self.missing.entry(key.clone()).or_insert(now);
                }
            }
            let news = refreshed(shared, picture, &ending(shared, &self.missing), (now, patience));
            if news.is_empty() {
                continue;
            }
            self.edited.insert(*id);
            let incident = Arc::make_mut(shared);
            for Refreshed { at, finding, held, in_substance } in news {
                let Some(alert) = incident.alerts.get_mut(at) else { continue };
                (alert.finding, alert.held) = (finding, held);
                if in_substance {
                    touched.insert(*id);
                }
            }
        }
        touched
    }
}

/// What a diagnosis says anew of an alert that fires.
struct Refreshed {
    /// Its number.
    at: usize,
    finding: Finding,
    held: bool,
    /// It says something else.
    in_substance: bool,
}

/// What a diagnosis says anew of the alerts of an incident; what it says again is left out.
fn refreshed(
    incident: &Incident,
    picture: &DiagnosisView<'_>,
    ending: &HashMap<FindingKey, Timestamp>,
    (now, patience): (Timestamp, Duration),
) -> Vec<Refreshed> {
    let mut news = Vec::new();
    for (at, alert) in incident.alerts.iter().enumerate().filter(|(_, a)| a.ended_at.is_none()) {
        let Some(found) = picture.findings.get(&alert.finding.key) else { continue };
        let caused_by = picture.cause(found).cloned();
        // On the way back it stays what it was in the outage; what lasts is looked at anew.
        let on_the_way = |cause: &FindingKey| ending.get(cause).is_some_and(|at| elapsed(*at, now) <= WAY_BACK);
        if caused_by.is_none() && alert.finding.caused_by.as_ref().is_some_and(on_the_way) {
            continue;
        }
        let severity = match caused_by {
            Some(_) => found.severity,
            None => found.severity.min(alert.finding.severity),
        };
        let in_substance = alert.finding.headline != found.headline
            || alert.finding.severity != severity
            || alert.finding.caused_by != caused_by;
        let orphaned = alert.finding.caused_by.is_some() && caused_by.is_none();
        let held = match caused_by {
            Some(_) => false,
            None if orphaned && incident.told_at.is_none() => is_young(found, now, patience),
            None => alert.held,
        };
        let since = if held { began(found, now) } else { alert.finding.since };
        let finding = Finding { severity, caused_by, since, ..(*found).clone() };
        if finding != alert.finding || held != alert.held {
            news.push(Refreshed { at, finding, held, in_substance });
        }
    }
    news
}

/// Since when alerts of an incident are over, or on their way to it.
fn ending(incident: &Incident, missing: &HashMap<FindingKey, Timestamp>) -> HashMap<FindingKey, Timestamp> {
    let at = |a: &IncidentAlert| a.ended_at.or_else(|| missing.get(&a.finding.key).copied());
    incident.alerts.iter().filter_map(|a| Some((a.finding.key.clone(), at(a)?))).collect()
}

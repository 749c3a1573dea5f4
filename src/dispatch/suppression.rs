//! Silences, inhibition and time intervals held against alerts and incidents, on one snapshot. Pure.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use super::{
    alerts::Entry,
    group::{Member, Seen},
    inhibit::Snapshot,
    route::Route,
    routing::Routing,
    silence::Silences,
};
use crate::model::{
    Alert, AlertContext, Diagnosis, Finding, Group, IdentifiedAlert, Incident, IncidentAlert, LiveAlert, Pairs, text,
};

/// Holds what may suppress an alert or an incident.
pub(super) struct Suppression<'a> {
    pub(super) routing: &'a Routing,
    pub(super) silences: &'a Silences,
    pub(super) inhibited: &'a Snapshot<'a>,
    pub(super) context: &'a AlertContext,
    pub(super) now: Timestamp,
}

impl Suppression<'_> {
    fn is_muted(&self, labels: &Pairs) -> bool {
        !self.silences.of(labels, self.now).is_empty() || self.inhibited.inhibitor_of(labels).is_some()
    }

    /// Returns why nobody is to hear of an incident for now, where that is so: the same words until it changes.
    pub(super) fn why_quiet(&self, incident: &Incident) -> Option<String> {
        let mut roots = incident.firing().filter(|a| a.finding.caused_by.is_none()).peekable();
        let first = roots.peek().copied();
        let labels = |a: &IncidentAlert| a.finding.shown_labels(self.context);
        let quiet_time = |a: &IncidentAlert| self.routing.quiet_time_of(&a.finding.key, self.now);
        match first {
            Some(first) if roots.all(|a| self.is_muted(&labels(a)) || quiet_time(a).is_some()) => {
                Some(match (self.silences.first_of(&labels(first), self.now), quiet_time(first)) {
                    (Some(s), _) => {
                        let why = if s.comment.is_empty() { String::new() } else { format!(": {}", s.comment) };
                        format!("silenced by {} until {}{why}", s.created_by, text::moment(s.ends_at))
                    }
                    (None, Some(time)) => format!("the check is quiet now ({time})"),
                    (None, None) => "inhibited by another alert".to_owned(),
                })
            }
            _ if self.routing.is_muted(incident, self.context, self.now) => Some("its routes are muted now".to_owned()),
            _ => None,
        }
    }

    /// The groups of an alert, each with its route. Of twins one is told: the one that has an incident, else one that is
    /// not quiet now, else the first.
    fn groups(&self, labels: &Pairs, is_open: &dyn Fn(&Group) -> bool) -> Vec<(&Route, Group)> {
        let mut chosen: Vec<(&Route, Group)> = Vec::new();
        let weight =
            |(route, group): &(&Route, Group)| (is_open(group), self.routing.muted_by(route, self.now).is_none());
        for route in self.routing.routes(labels) {
            let next = (route, route.group(labels));
            match chosen.iter_mut().find(|(_, group)| group.is_twin(&next.1)) {
                Some(twin) if weight(&next) > weight(twin) => *twin = next,
                Some(_) => {}
                None => chosen.push(next),
            }
        }
        chosen
    }

    /// Returns what fires, by group.
    pub(super) fn seen(&self, alone: &[Entry], is_open: &dyn Fn(&Group) -> bool) -> Vec<Seen> {
        let mut groups: BTreeMap<Group, Seen> = BTreeMap::new();
        for entry in alone {
            let alert = &entry.alert;
            let muted = self.is_muted(&alert.labels);
            for (route, group) in self.groups(&alert.labels, is_open) {
                let new = || Seen {
                    group: group.clone(),
                    timers: route.timers,
                    quiet: self.routing.muted_by(route, self.now).is_some(),
                    members: Vec::new(),
                };
                let member = Member { finding: entry.finding.clone(), muted };
                groups.entry(group.clone()).or_insert_with(new).members.push(member);
            }
        }
        groups.into_values().collect()
    }

    pub(super) fn live(
        &self,
        alert: Arc<Alert>,
        fingerprint: Arc<str>,
        updated_at: Timestamp,
        explained_by: Option<String>,
        incident: Option<i64>,
    ) -> LiveAlert {
        let routes = self.routing.routes(&alert.labels);
        let muted: Vec<Option<String>> = routes.iter().map(|r| self.routing.muted_by(r, self.now)).collect();
        let all_muted = !muted.is_empty() && muted.iter().all(Option::is_some);
        LiveAlert {
            groups: routes.iter().map(|r| r.group(&alert.labels)).collect(),
            silenced_by: self.silences.of(&alert.labels, self.now),
            inhibited_by: self.inhibited.inhibitor_of(&alert.labels).map(str::to_owned),
            muted_by: if all_muted { muted.into_iter().flatten().collect() } else { Vec::new() },
            explained_by,
            incident,
            alert,
            fingerprint,
            updated_at,
        }
    }
}

/// Returns the findings that fire, as alerts.
pub(super) fn found<'a>(
    diagnoses: &'a BTreeMap<Arc<str>, Arc<Diagnosis>>,
    context: &AlertContext,
) -> Vec<(IdentifiedAlert, &'a Finding)> {
    let findings = diagnoses.values().filter(|d| !d.blind).flat_map(|d| &d.findings);
    findings.map(|f| (f.to_alert(context, None, None), f)).collect()
}

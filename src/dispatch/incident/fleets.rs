//! Incidents of several clusters that are one trouble: who tells of it, and what becomes of that. Pure.
//!
//! Each cluster keeps an incident of its own, so that its record, its page and its numbers stay what they are. One of them
//! leads: it is told, with the roots of the others, and ends when all are well. The others are told no more by themselves.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{NotificationPolicy, Open, elapsed};
use crate::{
    dispatch::{
        fleet::{self, Asks, Join},
        incident_record::{is_root, note},
    },
    model::{Fleet, FleetMember, FleetRole, FleetTrait, Incident, IncidentAlert, NotificationKind},
};

/// Clusters that join are told together: when none has joined for so long…
const JOINED_SETTLES: Duration = Duration::from_secs(10);

/// …or the first of them has waited for so long.
const JOINED_WAITS_MAX: Duration = Duration::from_secs(30);

impl Open {
    /// Brings what incidents hold of each other up to date: what their others have now, which of them are well, and who has
    /// lost the one that told of it.
    pub(super) fn keep_fleets(&mut self, touched: &mut BTreeSet<i64>, now: Timestamp) {
        let of_fleets: Vec<i64> = self.incidents.values().filter(|i| i.fleet.is_some()).map(|i| i.id).collect();
        for id in of_fleets {
            let Some(incident) = self.incidents.get(&id).cloned() else { continue };
            match incident.told_by() {
                Some(lead) if !self.incidents.contains_key(&lead) => {
                    let Some(incident) = self.edit(id) else { continue };
                    incident.fleet = None;
                    note(incident, now, format!("Told by itself from here on: incident {lead} has ended"));
                    touched.insert(id);
                }
                Some(_) => {}
                None => self.keep_members(&incident, touched, now),
            }
        }
    }

    fn keep_members(&mut self, lead: &Incident, touched: &mut BTreeSet<i64>, now: Timestamp) {
        for (at, known) in lead.members().iter().enumerate().filter(|(_, m)| m.well_at.is_none()) {
            let (new, in_substance) = match self.incidents.get(&known.incident) {
                Some(its) if is_up_to_date(known, its) => continue,
                Some(its) => brought_up_to_date(known, its),
                None => (ended(known, now), true),
            };
            let Some(incident) = self.edit(lead.id) else { continue };
            if new.well_at.is_some() {
                note(incident, now, format!("Over in {} (incident {})", new.cluster, new.incident));
            }
            if let Some(member) = incident.fleet.as_deref_mut().and_then(|f| f.members_mut().get_mut(at)) {
                *member = new;
            }
            if in_substance {
                touched.insert(lead.id);
            }
        }
    }

    /// Puts incidents together that are one trouble.
    pub(super) fn join_fleets(&mut self, asks: &Asks<'_>, touched: &mut BTreeSet<i64>, now: Timestamp) {
        for join in fleet::joins(self.incidents.values().map(|i| &**i), asks, now) {
            match join {
                Join::PartOf { incident, lead, shared } => self.join(incident, lead, &shared, touched, now),
                Join::Beside { incident, other, shared } => {
                    let Some(cluster) = self.incidents.get(&other).map(|i| i.cluster.clone()) else { continue };
                    let Some(beside) = self.edit(incident) else { continue };
                    note(beside, now, format!("The same in {cluster} (incident {other}), which others are told of"));
                    let role = FleetRole::Beside { incident: other, cluster };
                    beside.fleet = Some(Box::new(Fleet { shared, role, said: Vec::new() }));
                    touched.insert(incident);
                }
            }
        }
    }

    fn join(&mut self, id: i64, lead: i64, shared: &FleetTrait, touched: &mut BTreeSet<i64>, now: Timestamp) {
        let Some(cluster) = self.incidents.get(&lead).map(|i| i.cluster.clone()) else { return };
        let Some(incident) = self.edit(id) else { return };
        note(incident, now, format!("Part of incident {lead} of {cluster}, which is told for both"));
        let alone = incident.told_at.is_some();
        let role = FleetRole::PartOf { incident: lead, cluster, said_so: false };
        incident.fleet = Some(Box::new(Fleet { shared: shared.clone(), role, said: Vec::new() }));
        let known = FleetMember {
            incident: id,
            cluster: incident.cluster.clone(),
            joined_at: now,
            alone,
            well_at: None,
            roots: Vec::new(),
            more: 0,
        };
        let (member, _) = brought_up_to_date(&known, incident);
        let Some(incident) = self.edit(lead) else { return };
        note(incident, now, format!("The same in {} (incident {id})", member.cluster));
        let none = || Box::new(Fleet { shared: shared.clone(), role: FleetRole::Leads(Vec::new()), said: Vec::new() });
        let fleet = incident.fleet.get_or_insert_with(none);
        match &mut fleet.role {
            FleetRole::Leads(members) => members.push(member),
            role => {
                *role = FleetRole::Leads(vec![member]);
                fleet.shared.clone_from(shared);
            }
        }
        touched.extend([id, lead]);
    }

    /// Returns that others have joined who were told to nobody yet, once no more of them come.
    pub(super) fn news_of_fleet(&self, id: i64, now: Timestamp) -> Option<NotificationKind> {
        let incident = self.incidents.get(&id)?;
        let told = incident.told_at?;
        let new = incident.members().iter().filter(|m| m.joined_at > told && !m.alone && m.well_at.is_none());
        let joined: Vec<Timestamp> = new.map(|m| m.joined_at).collect();
        let settled = elapsed(*joined.iter().max()?, now) >= JOINED_SETTLES;
        let waited = elapsed(*joined.iter().min()?, now) >= JOINED_WAITS_MAX;
        (settled || waited).then_some(NotificationKind::Worse)
    }

    /// Why nobody is to hear of an incident for now: of one that tells of others, only where that is so of all that fires.
    pub(super) fn why_quiet(&self, incident: &Incident, policy: &NotificationPolicy<'_>) -> Option<String> {
        let own = (policy.quiet)(incident);
        let others: Vec<&Arc<Incident>> = incident
            .members()
            .iter()
            .filter(|m| m.well_at.is_none())
            .filter_map(|m| self.incidents.get(&m.incident))
            .collect();
        match incident.firing().next() {
            Some(_) => own.filter(|_| others.iter().all(|i| i.quiet.is_some())),
            None if others.iter().all(|i| i.quiet.is_some()) => {
                own.or_else(|| others.first().and_then(|i| i.quiet.clone()))
            }
            None => None,
        }
    }
}

/// An incident tells of no others any more: they go on by themselves.
pub(super) fn let_go(lead: &mut Incident, now: Timestamp) {
    let members = lead.fleet.iter_mut().flat_map(|f| f.members_mut());
    members.filter(|m| m.well_at.is_none()).for_each(|m| *m = ended(m, now));
}

/// Nothing is new in a member's incident: so at nearly every look.
fn is_up_to_date(known: &FleetMember, its: &Incident) -> bool {
    let same = |a: &IncidentAlert, k: &IncidentAlert| {
        (a.opened_at, a.ended_at, &a.part_of, &a.finding) == (k.opened_at, k.ended_at, &k.part_of, &k.finding)
    };
    let mut roots = its.alerts.iter().filter(|a| is_root(a));
    let listed = known.roots.iter().all(|k| roots.next().is_some_and(|a| same(a, k)));
    listed && roots.count() == known.more
}

/// A member as its incident is now, and whether that says something else.
fn brought_up_to_date(known: &FleetMember, its: &Incident) -> (FleetMember, bool) {
    let told = |alert: &IncidentAlert| {
        let before = known.roots.iter().find(|k| k.finding.key == alert.finding.key && k.opened_at == alert.opened_at);
        let (begin_told, end_told) = before.map(|k| (k.begin_told, k.end_told)).unwrap_or_default();
        IncidentAlert { begin_told, end_told, ..alert.clone() }
    };
    let mut roots: Vec<IncidentAlert> = its.alerts.iter().filter(|a| is_root(a)).map(told).collect();
    let more = roots.len().saturating_sub(FleetMember::ROOTS_MAX);
    roots.truncate(FleetMember::ROOTS_MAX);
    let says = |a: &IncidentAlert| (a.finding.headline.clone(), a.ended_at, a.finding.severity);
    let in_substance = !roots.iter().map(says).eq(known.roots.iter().map(says)) || more != known.more;
    (FleetMember { roots, more, ..known.clone() }, in_substance)
}

/// A member whose incident has ended.
fn ended(known: &FleetMember, now: Timestamp) -> FleetMember {
    let mut member = FleetMember { well_at: Some(now), ..known.clone() };
    member.roots.iter_mut().filter(|a| a.ended_at.is_none()).for_each(|a| a.ended_at = Some(now));
    member
}

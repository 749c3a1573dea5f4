//! Whether an incident is told now, and why. Pure.

use std::{collections::BTreeSet, sync::Arc};

use jiff::Timestamp;

use super::{Change, NotificationPolicy, Open, Seen, UPDATE_SETTLES, UPDATE_WAITS_MAX, elapsed};
use crate::{
    dispatch::incident_record::{self, end, has_new_facts, note, reminder_after, update_summary},
    model::{FleetRole, Incident, NotificationKind},
};

impl Open {
    /// Decides about every incident of the clusters that were judged: first about those that tell of themselves alone or that
    /// another tells of, then about those that tell of others, which depend on them.
    pub(super) fn conclude_all(
        &mut self,
        seen: &mut Seen,
        now: Timestamp,
        policy: &NotificationPolicy<'_>,
    ) -> Vec<Change> {
        let judged = |i: &&Arc<Incident>| {
            seen.clusters.contains(&i.cluster) || i.members().iter().any(|m| seen.clusters.contains(&m.cluster))
        };
        let of_now = self.incidents.values().filter(judged);
        let (leads, others): (Vec<_>, Vec<_>) = of_now.map(|i| (i.id, i.members().is_empty())).partition(|(_, o)| !o);
        let mut changes = Vec::new();
        for (id, _) in others {
            let verdict = seen.verdicts.get(&id).copied();
            // What gets worse in one of them has got worse in all of it.
            if let Some(lead) = self.incidents.get(&id).and_then(|i| i.told_by()) {
                seen.verdicts.extend(verdict.filter(|v| *v == NotificationKind::Worse).map(|v| (lead, v)));
            }
            changes.extend(self.conclude(id, verdict, &seen.touched, now, policy));
        }
        let mut touched = BTreeSet::new();
        self.keep_fleets(&mut touched, now);
        seen.touched.extend(touched);
        for (id, _) in leads {
            let verdict = seen.verdicts.get(&id).copied().or_else(|| self.news_of_fleet(id, now));
            changes.extend(self.conclude(id, verdict, &seen.touched, now, policy));
        }
        changes
    }

    /// Decides whether an incident is told, and whether it must be stored.
    fn conclude(
        &mut self,
        id: i64,
        verdict: Option<NotificationKind>,
        touched: &BTreeSet<i64>,
        now: Timestamp,
        policy: &NotificationPolicy<'_>,
    ) -> Option<Change> {
        if self.edited.remove(&id) {
            update_summary(self.incidents.get_mut(&id).map(Arc::make_mut)?);
        }
        let quiet = self.why_quiet(self.incidents.get(&id)?, policy);
        let shared = self.incidents.get_mut(&id)?;
        let changed = quiet != shared.quiet && shared.is_firing();
        if changed {
            let line = quiet.clone().unwrap_or_else(|| "no longer silenced or muted".to_owned());
            let incident = Arc::make_mut(shared);
            incident.quiet.clone_from(&quiet);
            note(incident, now, line);
        }
        let incident = &**shared;
        let pace = (policy.pace)(incident);
        let headline_changed = self.told_headline.get(&id).is_some_and(|told| *told != incident.headline);
        let over = !incident.is_firing();
        let quiet_for = incident.told_at.map(|at| elapsed(at, now));
        let ending = incident.firing().any(|a| self.missing.contains_key(&a.finding.key));
        let changing = self.changed.get(&id).is_some_and(|(first, last)| {
            elapsed(*last, now) < UPDATE_SETTLES && elapsed(*first, now) < UPDATE_WAITS_MAX
        });
        let ripe = incident.firing().any(|a| !a.held && a.finding.caused_by.is_none());
        let told = match (quiet_for, incident.fleet.as_deref().map(|f| &f.role)) {
            // What was never told ends without a word; what was told is told to its end, silenced or not.
            (None, Some(FleetRole::PartOf { incident, .. })) if over => {
                let why = format!("Over; it was told with incident {incident}");
                return self.close(id, now, &why);
            }
            (None, _) if over => return self.close(id, now, "Over before anybody was told"),
            _ if over => Some(NotificationKind::Resolved),
            _ if quiet.is_some() => None,
            // Another tells of it; those who know this one by itself hear of that, once.
            (Some(_), Some(FleetRole::PartOf { said_so: false, .. })) => Some(NotificationKind::Update),
            (_, Some(FleetRole::PartOf { .. })) => None,
            (None, _) => ripe.then_some(NotificationKind::Opened),
            (Some(_), _) if verdict.is_some() => verdict,
            (Some(_), _) if ending || changing => None,
            (Some(quiet), _) if quiet >= pace.group_interval && has_new_facts(incident, headline_changed) => {
                Some(NotificationKind::Update)
            }
            (Some(_), _) if incident.acknowledged.is_some() => None,
            (Some(quiet), _) if quiet >= reminder_after(incident, &pace) => Some(NotificationKind::Reminder),
            (Some(_), _) => None,
        };
        match told {
            Some(told) => self.tell(id, told, now, ""),
            None => (changed || touched.contains(&id)).then(|| Change { incident: incident.clone(), told: None }),
        }
    }

    /// An incident that nobody was told of is over: a record.
    pub(super) fn close(&mut self, id: i64, now: Timestamp, why: &str) -> Option<Change> {
        let mut incident = Arc::unwrap_or_clone(self.incidents.remove(&id)?);
        self.forget(id);
        end(&mut incident, now);
        note(&mut incident, now, why.to_owned());
        Some(Change { incident, told: None })
    }

    /// Counts the message and writes it into the timeline; an incident that is over leaves the open ones.
    pub(super) fn tell(&mut self, id: i64, told: NotificationKind, now: Timestamp, why: &str) -> Option<Change> {
        let incident = self.incidents.get_mut(&id).map(Arc::make_mut)?;
        incident_record::tell(incident, told, now, why);
        self.changed.remove(&id);
        let incident = incident.clone();
        if told == NotificationKind::Resolved {
            self.incidents.remove(&id);
            self.forget(id);
        } else {
            self.told_headline.insert(id, incident.headline.clone());
        }
        Some(Change { incident, told: Some(told) })
    }

    /// Nothing more is held for an incident that has left the open ones.
    pub(super) fn forget(&mut self, id: i64) {
        self.told_headline.remove(&id);
        self.changed.remove(&id);
    }
}

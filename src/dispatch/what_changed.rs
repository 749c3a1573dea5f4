//! What changed before an incident: found while it is young, and kept with it.

use std::{collections::VecDeque, time::Duration};

use jiff::Timestamp;

use super::{Dispatch, apply::Batch, elapsed, likely_causes::likely};
use crate::model::{ChangeKind, ChangeScope, Incident, IncidentChange, RecentChange, Topic};

/// What people did to dogwatch that is remembered: more in half an hour is a program's work.
const ACTS_MAX: usize = 50;

/// For so long after an incident was opened changes are looked for: what is seen a minute after its beginning counts, and it is
/// opened later than it began.
const LOOKED_FOR: Duration = Duration::from_secs(120);

/// What people did lately.
#[derive(Debug, Default)]
pub(super) struct Acts(VecDeque<RecentChange>);

impl Acts {
    /// Notes that somebody did something.
    pub(super) fn note(&mut self, at: Timestamp, what: String) {
        if self.0.len() >= ACTS_MAX {
            self.0.pop_front();
        }
        let (kind, scope) = (ChangeKind::Dogwatch, ChangeScope::Dogwatch);
        self.0.push_back(RecentChange { at, since: None, kind, subject: "dogwatch".into(), detail: what, scope });
    }
}

impl Dispatch {
    /// Puts into an incident that is about to be told what changed before it, as far as is known by now.
    pub(super) fn tell_changes(&mut self, incident: &mut Incident, now: Timestamp) {
        if let Some(changes) = self.news_of(incident, now) {
            incident.changes = changes;
            if let Some(open) = self.incident_mut(incident.id) {
                open.changes.clone_from(&incident.changes);
            }
        }
    }

    /// Does the same for outages that are not told now: they are stored as they are then. Groups of alerts, of which there may be
    /// thousands, have what was known when they were told.
    pub(super) fn learn_changes(&mut self, batch: &mut Batch, now: Timestamp) {
        let news: Vec<(i64, Vec<IncidentChange>)> =
            self.open.incidents().filter_map(|i| Some((i.id, self.news_of(i, now)?))).collect();
        for (id, changes) in news {
            let Some(incident) = self.incident_mut(id) else { continue };
            incident.changes = changes;
            let incident = incident.clone();
            batch.incidents.push(incident);
        }
    }

    /// What changed before a young incident, where that is something else than it lists. Of one that an earlier run opened, that
    /// run knew more.
    fn news_of(&self, incident: &Incident, now: Timestamp) -> Option<Vec<IncidentChange>> {
        let opened = incident.alerts.iter().map(|a| a.opened_at).min()?;
        if opened < self.began || elapsed(opened, now) > LOOKED_FOR || incident.topic == Topic::Drill {
            return None;
        }
        let cluster = match incident.cluster.is_empty() {
            false => &incident.cluster,
            true => &incident.alerts.first()?.finding.key.cluster,
        };
        let of_cluster = self.latest.get(cluster).filter(|_| !cluster.is_empty());
        let of_cluster = of_cluster.into_iter().flat_map(|d| d.changes.iter().map(|change| &**change));
        let changes = likely(incident, of_cluster.chain(&self.acts.0));
        // Where nothing is known any more (the recorder was turned off), what was known stays.
        (changes != incident.changes && !changes.is_empty()).then_some(changes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_much_is_done_the_last_acts_are_remembered() {
        let mut acts = Acts::default();
        (0..ACTS_MAX + 5).for_each(|i| acts.note(Timestamp::UNIX_EPOCH, format!("act {i}")));
        assert_eq!((acts.0.len(), acts.0[0].detail.as_str()), (ACTS_MAX, "act 5"));
    }
}

//! What is said of an incident that has to do with those of other clusters. Pure.

use crate::{
    model::{Incident, IncidentAlert},
    words::{Voice, fleet_headline, fleet_lines},
};

/// Gives an incident that is told for others as well a headline that says so, in the place of its own.
pub(super) fn put_headline(incident: &mut Incident) {
    let Some(said) = fleet_headline(incident).filter(|_| !incident.alerts.is_empty()) else { return };
    incident.headline = Voice::default().said(&said);
    if let Some(fleet) = incident.fleet.as_deref_mut() {
        fleet.said = vec![said];
    }
}

/// Returns an incident as receivers get it: with the alerts of the clusters that it tells of as well, and a line of each.
pub(super) fn as_told(incident: &Incident) -> Incident {
    // What is held is told to nobody: see `incident`.
    let alerts: Vec<IncidentAlert> = incident.alerts.iter().filter(|a| !a.held).cloned().collect();
    let mut told = Incident { alerts, ..incident.clone() };
    let said = fleet_lines(incident);
    if let Some(first) = told.alerts.first_mut() {
        first.finding.evidence.splice(0..0, said.iter().map(|s| Voice::default().said(s)));
        first.finding.said.extend(said);
    }
    if let Some(fleet) = told.fleet.as_deref_mut() {
        // What is among the alerts of the message is not said twice.
        told.alerts.extend(fleet.members_mut().iter_mut().flat_map(|m| std::mem::take(&mut m.roots)));
    }
    told
}

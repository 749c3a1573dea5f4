//! Incidents of a span, with how long it took to detect, acknowledge and restore.

use jiff::Timestamp;

use super::{IncidentLine, Times};
use crate::{
    model::{Incident, Topic},
    store::{IncidentFilter, Store, StoreError},
};

/// Incidents of one report: more are not read by anybody, and a storm of alerts has them in a night.
const INCIDENTS_MAX: usize = 2_000;

/// Reads those that were open at any time of the span, oldest first, and whether there are more. Drills are none.
pub async fn of(store: &Store, from: Timestamp, to: Timestamp) -> Result<(Vec<Incident>, bool), StoreError> {
    let filter = IncidentFilter { since: Some(from), before: Some(to), ..IncidentFilter::default() };
    let list = store.incidents(filter, INCIDENTS_MAX).await?;
    let mut incidents = list.incidents;
    incidents.retain(|i| i.topic != Topic::Drill);
    incidents.sort_by_key(|i| (i.started_at, i.id));
    Ok((incidents, list.more))
}

/// Makes a line of an incident.
pub fn line(incident: &Incident) -> IncidentLine {
    let began = incident.started_at;
    let after = |at: Timestamp| u64::try_from(at.duration_since(began).as_secs()).unwrap_or(0);
    let found = incident.alerts.iter().map(|a| a.opened_at).min();
    IncidentLine {
        id: incident.id,
        cluster: incident.cluster.to_string(),
        severity: incident.severity.to_string(),
        headline: incident.headline.clone(),
        cause: incident.alerts.first().map(|a| a.finding.name()).unwrap_or_default(),
        began,
        ended: incident.own_end(),
        detect_seconds: found.map(after),
        tell_seconds: incident.first_told_at.map(after),
        acknowledge_seconds: incident.acknowledged.as_ref().map(|a| after(a.at)),
        restore_seconds: incident.own_end().map(after),
    }
}

/// Returns the means.
pub fn times(incidents: &[Incident]) -> Times {
    let lines: Vec<IncidentLine> = incidents.iter().map(line).collect();
    #[allow(clippy::cast_precision_loss)] // Seconds of two years.
    let mean = |of: fn(&IncidentLine) -> Option<u64>| {
        let all: Vec<u64> = lines.iter().filter_map(of).collect();
        (!all.is_empty()).then(|| all.iter().sum::<u64>() as f64 / all.len() as f64)
    };
    Times {
        mean_detect_seconds: mean(|l| l.detect_seconds),
        mean_acknowledge_seconds: mean(|l| l.acknowledge_seconds),
        mean_restore_seconds: mean(|l| l.restore_seconds),
    }
}

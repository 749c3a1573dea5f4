//! Alertmanager's webhook message, version 4, with one field of ours (`dogwatch`) at the top. Pure.

use serde::Serialize;

use crate::{
    model::{IncidentChange, Notification, NotificationKind, Pairs, text},
    notify::{
        summary,
        view::{AlertView, View},
    },
    words::Voice,
};

/// What Alertmanager says for "not over".
const NEVER: &str = "0001-01-01T00:00:00Z";

/// The message.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Body {
    version: &'static str,
    group_key: String,
    truncated_alerts: usize,
    status: &'static str,
    receiver: String,
    group_labels: Pairs,
    common_labels: Pairs,
    common_annotations: Pairs,
    #[serde(rename = "externalURL")]
    external_url: String,
    alerts: Vec<AlertBody>,
    #[serde(skip_serializing_if = "Pairs::is_empty")]
    metadata: Pairs,
    dogwatch: Ours,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AlertBody {
    status: &'static str,
    labels: Pairs,
    annotations: Pairs,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: String,
    fingerprint: String,
}

/// What Alertmanager has no place for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Ours {
    incident: i64,
    sequence: u32,
    told: NotificationKind,
    subject: String,
    headline: String,
    severity: String,
    started_at: String,
    resolved_at: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    drill: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changes: Vec<IncidentChange>,
    /// Where it is the same in several clusters: which, its own first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    clusters: Vec<String>,
}

impl Body {
    /// Returns the same for incident.io: version 1, with what is configured to go along.
    pub fn for_incident_io(self, metadata: Pairs) -> Self {
        Self { version: "1", metadata, ..self }
    }
}

/// Builds the message; of more than `max_alerts` alerts (0: no limit) the rest is only counted.
pub fn of(n: &Notification, receiver: &str, max_alerts: usize, voice: &Voice) -> Body {
    let incident = &n.incident;
    let view = View::of(n);
    let shown = if max_alerts == 0 { view.alerts.len() } else { max_alerts.min(view.alerts.len()) };
    Body {
        version: "4",
        truncated_alerts: view.alerts.len() - shown,
        status: view.status(),
        group_key: view.group_key,
        receiver: receiver.to_owned(),
        group_labels: view.group_labels,
        common_labels: view.common_labels,
        common_annotations: view.common_annotations,
        external_url: n.external_url.clone(),
        alerts: view.alerts.into_iter().take(shown).map(alert).collect(),
        metadata: Pairs::new(),
        dogwatch: Ours {
            incident: incident.id,
            sequence: n.sequence,
            told: n.told,
            subject: summary::subject(n, voice),
            headline: text::readable(&incident.headline).into_owned(),
            severity: incident.severity.to_string(),
            started_at: incident.started_at.to_string(),
            resolved_at: incident.resolved_at.map(|at| at.to_string()),
            drill: summary::is_drill(incident),
            changes: incident.changes.iter().map(readable).collect(),
            clusters: summary::clusters(incident),
        },
    }
}

fn readable(change: &IncidentChange) -> IncidentChange {
    IncidentChange { what: text::readable(&change.what).into_owned(), ..change.clone() }
}

fn alert(view: AlertView) -> AlertBody {
    let (status, alert) = (view.status(), view.alert);
    AlertBody {
        status,
        labels: alert.labels,
        annotations: alert.annotations,
        starts_at: alert.starts_at.to_string(),
        ends_at: alert.ends_at.map_or_else(|| NEVER.to_owned(), |at| at.to_string()),
        generator_url: alert.generator_url,
        fingerprint: view.fingerprint.to_string(),
    }
}

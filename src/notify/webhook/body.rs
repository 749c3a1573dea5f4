//! Alertmanager's webhook message, version 4, with one field of ours (`dogwatch`) at the top. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    model::{IncidentAlert, Notification, Told},
    notify::{data, words},
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
    group_labels: BTreeMap<String, String>,
    common_labels: BTreeMap<String, String>,
    common_annotations: BTreeMap<String, String>,
    #[serde(rename = "externalURL")]
    external_url: String,
    alerts: Vec<AlertBody>,
    dogwatch: Ours,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AlertBody {
    status: &'static str,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
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
    told: Told,
    subject: String,
    headline: String,
    severity: String,
    started_at: String,
    resolved_at: Option<String>,
}

/// Builds the message; of more than `max_alerts` alerts (0: no limit) the rest is only counted.
pub fn of(n: &Notification, receiver: &str, max_alerts: usize) -> Body {
    let incident = &n.incident;
    let mut alerts: Vec<AlertBody> = incident.alerts.iter().map(|a| alert(a, n)).collect();
    let shown = if max_alerts == 0 { alerts.len() } else { max_alerts.min(alerts.len()) };
    let truncated_alerts = alerts.len() - shown;
    let common_labels = data::common(alerts.iter().map(|a| &a.labels));
    let common_annotations = data::common(alerts.iter().map(|a| &a.annotations));
    alerts.truncate(shown);
    Body {
        version: "4",
        group_key: group_key(n),
        truncated_alerts,
        status: data::status(incident.firing().next().is_none()),
        receiver: receiver.to_owned(),
        group_labels: data::group_labels(n),
        common_labels,
        common_annotations,
        external_url: n.external_url.clone(),
        alerts,
        dogwatch: Ours {
            incident: incident.id,
            sequence: n.sequence,
            told: n.told,
            subject: words::subject(n),
            headline: incident.headline.clone(),
            severity: incident.severity.to_string(),
            started_at: incident.started_at.to_string(),
            resolved_at: incident.resolved_at.map(|at| at.to_string()),
        },
    }
}

/// Of a group as Alertmanager writes it, with the incident behind it: what a group begins anew is another thread.
fn group_key(n: &Notification) -> String {
    let incident = &n.incident;
    match &incident.group {
        None => format!("dogwatch/{}/{}", n.origin, incident.id),
        Some(group) => {
            let labels: Vec<String> = group.labels.iter().map(|(k, v)| format!("{k}={v:?}")).collect();
            format!("{}:{{{}}}", group.route, labels.join(", "))
        }
    }
}

fn alert(alert: &IncidentAlert, n: &Notification) -> AlertBody {
    let labels = data::labels(alert, n);
    AlertBody {
        status: data::status(alert.ended_at.is_some()),
        fingerprint: fingerprint(&labels),
        labels,
        annotations: data::annotations(alert),
        starts_at: alert.finding.since.to_string(),
        ends_at: alert.ended_at.map_or_else(|| NEVER.to_owned(), |at| at.to_string()),
        generator_url: words::link(n),
    }
}

/// FNV-1a over the sorted labels. The severity is left out: an alert that gets worse stays the same alert.
fn fingerprint(labels: &BTreeMap<String, String>) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut add = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    for (name, value) in labels.iter().filter(|(name, _)| *name != "severity") {
        for text in [name, value] {
            text.bytes().for_each(&mut add);
            add(0xff);
        }
    }
    format!("{hash:016x}")
}

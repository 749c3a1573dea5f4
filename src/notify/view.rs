//! An incident as Alertmanager would see it: alerts with labels and annotations, and what they have in common. Pure.
//!
//! The one place where findings become alerts: the webhook, templates and other Alertmanagers get the same.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::words;
use crate::{
    model::{AlertName, IncidentAlert, Notification, Pairs, fingerprint},
    runbook,
};

/// Everything.
#[derive(Clone, Debug)]
pub(super) struct View {
    /// The same for all messages of a group.
    pub group_key: String,
    /// None fires.
    pub over: bool,
    /// What the route groups by.
    pub group_labels: Pairs,
    /// What all alerts say.
    pub common_labels: Pairs,
    /// Likewise.
    pub common_annotations: Pairs,
    /// Root first.
    pub alerts: Vec<AlertView>,
}

/// One alert.
#[derive(Clone, Debug)]
pub(super) struct AlertView {
    /// Its whole label set.
    pub labels: Pairs,
    /// What is said of it.
    pub annotations: Pairs,
    /// Since when.
    pub starts_at: Timestamp,
    /// Until when; `None`: it fires.
    pub ends_at: Option<Timestamp>,
    /// Where people look.
    pub generator_url: String,
    /// The same for ever.
    pub fingerprint: String,
    /// Another one explains it.
    pub is_consequence: bool,
}

impl AlertView {
    /// `firing` or `resolved`.
    pub fn status(&self) -> &'static str {
        status(self.ends_at.is_some())
    }
}

impl View {
    /// From a message.
    pub fn of(n: &Notification) -> Self {
        let incident = &n.incident;
        let alerts: Vec<AlertView> = incident.alerts.iter().map(|a| alert(a, n)).collect();
        let (group_key, group_labels) = match &incident.group {
            Some(group) => (format!("{}:{}", group.route, label_set(&group.labels)), group.labels.clone()),
            None => {
                let cluster = Some(("cluster".to_owned(), incident.cluster.to_string())).filter(|c| !c.1.is_empty());
                (format!("dogwatch/{}/{}", n.origin, incident.id), cluster.into_iter().collect())
            }
        };
        Self {
            group_key,
            over: incident.firing().next().is_none(),
            group_labels,
            common_labels: common(alerts.iter().map(|a| &a.labels)),
            common_annotations: common(alerts.iter().map(|a| &a.annotations)),
            alerts,
        }
    }

    /// `firing` or `resolved`.
    pub fn status(&self) -> &'static str {
        status(self.over)
    }
}

fn status(over: bool) -> &'static str {
    if over { "resolved" } else { "firing" }
}

fn alert(alert: &IncidentAlert, n: &Notification) -> AlertView {
    let finding = &alert.finding;
    let labels = labels(alert, n);
    let still_works = finding.still_works.iter().map(|line| format!("Still works: {line}"));
    let description: Vec<String> = finding.evidence.iter().cloned().chain(still_works).collect();
    let mut annotations = finding.annotations.clone();
    if let Some(url) = words::runbook(finding, n) {
        annotations.entry(runbook::ANNOTATION.to_owned()).or_insert(url);
    }
    for (name, value) in [
        ("summary", finding.headline.clone()),
        ("description", description.join("\n")),
        ("still_works", finding.still_works.join("\n")),
        ("consequences", finding.consequences.join("\n")),
        ("first_step", finding.first_step.clone()),
    ] {
        if !value.is_empty() {
            annotations.entry(name.to_owned()).or_insert(value);
        }
    }
    if words::is_drill(&n.incident) {
        annotations.insert("drill".to_owned(), words::DRILL_NOTICE.to_owned());
    }
    AlertView {
        fingerprint: fingerprint_of(finding.key.alert, &labels),
        labels,
        annotations,
        starts_at: finding.since,
        ends_at: alert.ended_at,
        generator_url: words::link(n),
        is_consequence: finding.caused_by.is_some(),
    }
}

/// Of the diagnosis: its own labels win over the configured ones, and `subject` is added where nothing else says of whom
/// it is, so that two alerts never look like one. Of a rule or from outside: its labels are its identity, as they are.
/// A drill has a label that says so: whoever it is handed on to can tell.
fn labels(alert: &IncidentAlert, n: &Notification) -> Pairs {
    let finding = &alert.finding;
    let mut labels = finding.alert_labels();
    if finding.key.alert != AlertName::Other {
        let said = finding.labels.values().chain(n.external_labels.values()).any(|v| *v == finding.key.subject);
        if !said {
            labels.insert("subject".into(), finding.key.subject.clone());
        }
        for (name, value) in &n.external_labels {
            labels.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    if words::is_drill(&n.incident) {
        labels.insert("drill".into(), "true".into());
    }
    labels.retain(|_, value| !value.is_empty());
    labels
}

/// The severity of what we diagnose is left out: an alert that gets worse stays the same alert.
fn fingerprint_of(alert: AlertName, labels: &Pairs) -> String {
    if alert == AlertName::Other {
        return fingerprint(labels);
    }
    fingerprint(&labels.iter().filter(|(name, _)| *name != "severity").map(|(k, v)| (k.clone(), v.clone())).collect())
}

/// What all have in common.
fn common<'a>(mut maps: impl Iterator<Item = &'a Pairs>) -> Pairs {
    let Some(mut common) = maps.next().cloned() else { return BTreeMap::new() };
    for map in maps {
        common.retain(|key, value| map.get(key) == Some(value));
    }
    common
}

/// `{alertname="X", cluster="prod"}`, as Alertmanager writes it.
fn label_set(labels: &Pairs) -> String {
    let pairs: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v:?}")).collect();
    format!("{{{}}}", pairs.join(", "))
}

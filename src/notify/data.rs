//! A notification as templates see it: Alertmanager's data (template/template.go), and ours under `.Incident`. Pure.

use std::collections::BTreeMap;

use super::words;
use crate::{
    model::{IncidentAlert, Notification, Pairs},
    template::Value,
};

fn text(t: impl Into<String>) -> Value {
    Value::Str(t.into())
}

fn pairs(map: &Pairs) -> Value {
    Value::Map(map.iter().map(|(k, v)| (k.clone(), text(v))).collect())
}

fn lines(all: &[String]) -> Value {
    Value::List(all.iter().map(text).collect())
}

fn map<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Map(fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
}

/// The labels of an alert as a receiver gets them: its own win over those that are added to every alert; `subject` is
/// added where nothing else says of whom it is, so that two alerts never look like one.
pub fn labels(alert: &IncidentAlert, n: &Notification) -> Pairs {
    let finding = &alert.finding;
    let mut labels = n.external_labels.clone();
    labels.extend(finding.alert_labels());
    if finding.key.alert != crate::model::AlertName::Other && !labels.values().any(|v| *v == finding.key.subject) {
        labels.insert("subject".into(), finding.key.subject.clone());
    }
    labels.retain(|_, value| !value.is_empty());
    labels
}

/// Its annotations: what was said of it, and what the diagnosis adds.
pub fn annotations(alert: &IncidentAlert) -> Pairs {
    let finding = &alert.finding;
    let still_works = finding.still_works.iter().map(|line| format!("Still works: {line}"));
    let description: Vec<String> = finding.evidence.iter().cloned().chain(still_works).collect();
    let ours = [
        ("summary", finding.headline.clone()),
        ("description", description.join("\n")),
        ("still_works", finding.still_works.join("\n")),
        ("consequences", finding.consequences.join("\n")),
        ("first_step", finding.first_step.clone()),
    ];
    let mut all: Pairs = ours.into_iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| (k.to_owned(), v)).collect();
    all.extend(finding.annotations.clone());
    all
}

/// What all have in common.
pub fn common<'a>(mut maps: impl Iterator<Item = &'a Pairs>) -> Pairs {
    let Some(mut common) = maps.next().cloned() else { return BTreeMap::new() };
    for map in maps {
        common.retain(|key, value| map.get(key) == Some(value));
    }
    common
}

/// The labels by which the alerts were put together.
pub fn group_labels(n: &Notification) -> Pairs {
    match &n.incident.group {
        Some(group) => group.labels.clone(),
        None => (!n.incident.cluster.is_empty())
            .then(|| ("cluster".to_owned(), n.incident.cluster.to_string()))
            .into_iter()
            .collect(),
    }
}

/// `firing` or `resolved`.
pub fn status(over: bool) -> &'static str {
    if over { "resolved" } else { "firing" }
}

/// Everything that a message's template may name.
pub fn of(n: &Notification, receiver: &str) -> Value {
    let incident = &n.incident;
    let all: Vec<(Pairs, Pairs)> = incident.alerts.iter().map(|a| (labels(a, n), annotations(a))).collect();
    let alert = |(a, (labels, annotations)): (&IncidentAlert, &(Pairs, Pairs))| {
        map([
            ("Status", text(status(a.ended_at.is_some()))),
            ("Labels", pairs(labels)),
            ("Annotations", pairs(annotations)),
            ("StartsAt", Value::Time(a.finding.since)),
            ("EndsAt", a.ended_at.map_or(Value::Nil, Value::Time)),
            ("GeneratorURL", text(words::link(n))),
            ("Fingerprint", text(crate::model::fingerprint(labels))),
        ])
    };
    let page = words::page(n);
    map([
        ("Receiver", text(receiver)),
        ("Status", text(status(incident.firing().next().is_none()))),
        ("Alerts", Value::List(incident.alerts.iter().zip(&all).map(alert).collect())),
        ("GroupLabels", pairs(&group_labels(n))),
        ("CommonLabels", pairs(&common(all.iter().map(|(l, _)| l)))),
        ("CommonAnnotations", pairs(&common(all.iter().map(|(_, a)| a)))),
        ("ExternalURL", text(&n.external_url)),
        (
            "Incident",
            map([
                ("Id", Value::Int(incident.id)),
                ("Subject", text(words::subject(n))),
                ("Headline", text(page.headline)),
                ("Severity", text(incident.severity.to_string())),
                ("Cluster", text(page.place)),
                ("When", text(page.when)),
                ("Evidence", lines(&page.evidence)),
                ("StillWorks", lines(&page.still_works)),
                ("Consequences", lines(&page.consequences)),
                ("FirstStep", text(page.first_step)),
                ("Link", text(page.link)),
                ("Told", text(page.status)),
                ("Text", text(words::plain(n))),
            ]),
        ),
    ])
}

//! An incident as Alertmanager would see it: alerts with labels and annotations, and what they have in common. Pure.
//!
//! The webhook, templates and other Alertmanagers get the same.

use std::{collections::BTreeMap, sync::Arc};

use super::summary;
use crate::model::{Alert, AlertContext, IncidentAlert, Notification, Pairs, text};

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
    /// As everybody is shown it; `ends_at` is `None` while it fires.
    pub alert: Alert,
    /// The same for ever.
    pub fingerprint: Arc<str>,
    /// Another one explains it.
    pub is_consequence: bool,
}

impl AlertView {
    fn new(known: &IncidentAlert, incident: i64, context: &AlertContext) -> Self {
        let shown = known.finding.to_alert(context, Some(incident), known.ended_at);
        let is_consequence = known.finding.caused_by.is_some();
        Self { alert: shown.alert, fingerprint: shown.fingerprint, is_consequence }
    }

    /// Returns `firing` or `resolved`.
    pub fn status(&self) -> &'static str {
        status(self.alert.ends_at.is_some())
    }
}

impl View {
    /// From a message: without what its receiver knows to be over.
    pub fn of(n: &Notification) -> Self {
        Self::with(n, n.alerts())
    }

    /// From a message, with all alerts of its incident in their order.
    pub fn whole(n: &Notification) -> Self {
        Self::with(n, n.incident.alerts.iter())
    }

    fn with<'a>(n: &Notification, alerts: impl Iterator<Item = &'a IncidentAlert>) -> Self {
        let incident = &n.incident;
        let context = super::alert_context(&n.external_labels, &n.external_url, summary::is_drill(incident));
        let alerts: Vec<AlertView> = alerts.map(|a| AlertView::new(a, incident.id, &context)).collect();
        let (group_key, group_labels) = match &incident.group {
            Some(group) => (format!("{}:{}", group.route, label_set(&group.labels)), group.labels.clone()),
            None => {
                let cluster = Some(("cluster".to_owned(), incident.cluster.to_string())).filter(|c| !c.1.is_empty());
                let labels = n.group_labels.clone().unwrap_or_else(|| cluster.into_iter().collect());
                (format!("dogwatch/{}/{}", n.origin, incident.id), labels)
            }
        };
        Self {
            group_key,
            over: incident.firing().next().is_none(),
            group_labels,
            common_labels: common(alerts.iter().map(|a| &a.alert.labels)),
            common_annotations: common(alerts.iter().map(|a| &a.alert.annotations)),
            alerts,
        }
    }

    /// Returns `firing` or `resolved`.
    pub fn status(&self) -> &'static str {
        status(self.over)
    }

    /// Returns it as people read it. Machines that compare labels get them as they came.
    pub fn readable(mut self) -> Self {
        let clean = |pairs: &mut Pairs| {
            *pairs = pairs.iter().map(|(k, v)| (text::readable(k).into(), text::readable(v).into())).collect();
        };
        let own = [&mut self.group_labels, &mut self.common_labels, &mut self.common_annotations];
        own.into_iter().for_each(clean);
        for AlertView { alert, .. } in &mut self.alerts {
            [&mut alert.labels, &mut alert.annotations].into_iter().for_each(clean);
            alert.generator_url = text::readable(&alert.generator_url).into();
        }
        self
    }
}

fn status(over: bool) -> &'static str {
    if over { "resolved" } else { "firing" }
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
    let pairs: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={}", text::quoted(v))).collect();
    format!("{{{}}}", pairs.join(", "))
}

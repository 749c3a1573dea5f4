//! Every alert that fires, of the diagnosis, of rules and from outside: who is told of it, or why nobody is.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;

use super::{Frame, Moment, Now, path, render};
use crate::{
    model::{ALERTNAME, Alert, Incident, LiveAlert, Severity},
    runbook,
};

/// Alerts listed: what is told comes first.
const ROWS_MAX: usize = 500;

/// Alerts listed of what one incident explains.
const FOLDED_ROWS_MAX: usize = 100;

/// Incidents listed with what they explain.
const FOLDS_MAX: usize = 50;

/// The view of all alerts.
#[derive(Clone, Debug, Serialize)]
pub struct AlertsPage {
    rows: Vec<Row>,
    more: usize,
    told: usize,
    folds: Vec<Fold>,
    /// Alerts of folds that are not listed.
    more_folded: usize,
}

/// What one incident explains: not told by itself.
#[derive(Clone, Debug, Serialize)]
struct Fold {
    /// Stays open under it when the page is made fresh.
    id: String,
    /// The incident, where it lasts.
    href: Option<String>,
    headline: String,
    count: usize,
    rows: Vec<Row>,
    more: usize,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    name: String,
    severity: Severity,
    summary: String,
    labels: Vec<String>,
    since: Moment,
    quiet: bool,
    /// Who is told, or why nobody is.
    words: String,
    href: Option<String>,
    /// The form that silences it.
    silence_href: Option<String>,
    /// A path of ours, or somebody's link.
    runbook: Option<String>,
}

impl AlertsPage {
    /// The view of this moment.
    pub fn new(alerts: &[LiveAlert], incidents: &[Arc<Incident>], now: &Now) -> Self {
        let firing = alerts.iter().filter(|a| !a.alert.is_over(now.at));
        let (explained, alone): (Vec<&LiveAlert>, Vec<&LiveAlert>) = firing.partition(|a| a.explained_by.is_some());
        let (rows, more) = rows(&alone, ROWS_MAX, now);
        let told = alone.iter().filter(|a| !standing(a, now).0).count();
        let mut folds = folds(&explained, incidents, now);
        let more_folded = folds.iter().skip(FOLDS_MAX).map(|f| f.count).sum();
        folds.truncate(FOLDS_MAX);
        Self { rows, more, told, folds, more_folded }
    }

    /// The page.
    ///
    /// # Errors
    /// When a template is wrong, which the tests rule out.
    pub fn render(&self, frame: &Frame) -> Result<String, minijinja::Error> {
        render("alerts.html", frame, self)
    }
}

/// Rows, what is told and what is worse first, and how many are left out.
fn rows(alerts: &[&LiveAlert], limit: usize, now: &Now) -> (Vec<Row>, usize) {
    let mut rows: Vec<Row> = alerts.iter().map(|a| row(a, now)).collect();
    rows.sort_by(|a, b| (a.quiet, b.severity, &a.name).cmp(&(b.quiet, a.severity, &b.name)));
    let more = rows.len().saturating_sub(limit);
    rows.truncate(limit);
    (rows, more)
}

/// By incident, in the order in which those are shown; last by the words for what is over.
fn folds(explained: &[&LiveAlert], incidents: &[Arc<Incident>], now: &Now) -> Vec<Fold> {
    let place = |a: &LiveAlert| a.incident.and_then(|id| incidents.iter().position(|i| i.id == id));
    let mut by_cause: BTreeMap<(bool, usize, &str), Vec<&LiveAlert>> = BTreeMap::new();
    for alert in explained {
        let cause = alert.explained_by.as_deref().unwrap_or_default();
        let key = place(alert).map_or((true, 0, cause), |place| (false, place, ""));
        by_cause.entry(key).or_default().push(alert);
    }
    let mut folds = Vec::with_capacity(by_cause.len());
    for ((over, place, cause), alerts) in by_cause {
        let incident = incidents.get(place).filter(|_| !over);
        let (rows, more) = rows(&alerts, FOLDED_ROWS_MAX, now);
        folds.push(Fold {
            id: incident.map_or_else(|| format!("past-{}", folds.len()), |i| format!("incident-{}", i.id)),
            href: incident.map(|i| path(&["incidents", &i.id.to_string()])),
            headline: incident.map_or_else(|| cause.to_owned(), |i| now.voice.incident(i).headline.clone()),
            count: alerts.len(),
            rows,
            more,
        });
    }
    folds
}

/// Whether it is quiet, and who is told or why nobody is.
fn standing(a: &LiveAlert, now: &Now) -> (bool, String) {
    let say = |id: &str, by: &str| now.say(id, &[("by", by.into())]);
    let mut receivers: Vec<&str> = a.groups.iter().map(|g| &*g.receiver).collect();
    receivers.sort_unstable();
    receivers.dedup();
    match (&a.explained_by, &a.inhibited_by) {
        (Some(cause), _) => (true, say("not-told-by-itself", cause)),
        _ if !a.silenced_by.is_empty() => (true, say("alert-silenced-by", &a.silenced_by.join(", "))),
        (_, Some(by)) => (true, say("alert-inhibited-by", by)),
        _ if !a.muted_by.is_empty() => (true, say("alert-muted-by", &a.muted_by.join(", "))),
        _ if receivers.is_empty() => (true, now.word("no-route-takes-it")),
        _ => (false, say("alert-told-to", &receivers.join(", "))),
    }
}

/// One alert.
pub(super) fn row(a: &LiveAlert, now: &Now) -> Row {
    let why = |annotation: &str| a.alert.annotations.get(annotation).filter(|text| !text.is_empty()).cloned();
    let (quiet, words) = standing(a, now);
    Row {
        name: a.alert.name().to_owned(),
        severity: a.alert.severity(),
        summary: why("summary").or_else(|| why("description")).or_else(|| why("message")).unwrap_or_default(),
        labels: labels(&a.alert),
        since: Moment::new(a.alert.starts_at, now),
        quiet,
        words,
        silence_href: a.silenced_by.is_empty().then(|| format!("/silences/new?alert={}", a.fingerprint)),
        runbook: runbook::link(a.alert.name(), &a.alert.annotations, ""),
        href: a.incident.map(|id| path(&["incidents", &id.to_string()])),
    }
}

/// What tells alerts of one name apart, as they are written.
pub(super) fn labels(alert: &Alert) -> Vec<String> {
    let labels = alert.labels.iter().filter(|(name, _)| !matches!(&***name, ALERTNAME | "severity"));
    labels.map(|(name, value)| format!("{name}={value:?}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_incident_explains_is_folded_under_it() {
        let incident = Arc::new(crate::notify::example::opened().incident);
        let now = incident.started_at;
        let live = |name: &str, explained_by: Option<&str>, id: Option<i64>| LiveAlert {
            alert: Arc::new(Alert {
                labels: [(ALERTNAME.to_owned(), name.to_owned())].into(),
                annotations: Default::default(),
                starts_at: now,
                ends_at: None,
                generator_url: String::new(),
            }),
            fingerprint: name.into(),
            updated_at: now,
            groups: Vec::new(),
            silenced_by: Vec::new(),
            inhibited_by: None,
            muted_by: Vec::new(),
            explained_by: explained_by.map(Into::into),
            incident: id,
        };
        let id = Some(incident.id);
        let alerts = [
            live("EtcdQuorumLost", None, id),
            live("etcdMembersDown", Some("etcd has lost quorum"), id),
            live("KubeAPIDown", Some("API server a is down"), id),
            live("SlowRequests", Some("API server b was down"), None),
            live("Mine", None, None),
            LiveAlert { incident: Some(99), ..live("Gone", Some("API server b was down"), None) },
        ];
        let page = AlertsPage::new(&alerts, std::slice::from_ref(&incident), &now.into());
        let names = |rows: &[Row]| rows.iter().map(|r| r.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&page.rows), ["EtcdQuorumLost", "Mine"]);
        let folds: Vec<_> =
            page.folds.iter().map(|f| (&*f.headline, f.count, f.href.is_some(), names(&f.rows))).collect();
        let list = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            folds,
            [
                (&*incident.headline, 2, true, list(&["KubeAPIDown", "etcdMembersDown"])),
                ("API server b was down", 2, false, list(&["Gone", "SlowRequests"])),
            ]
        );
        let shown = page.render(&Frame::new("", &now.into())).unwrap();
        assert!(shown.contains("<details id=\"incident-") && shown.contains("2 alerts"), "{shown}");
    }
}

//! The list of incidents, with a form that filters it.

use std::collections::BTreeSet;

use serde::Serialize;
use url::form_urlencoded;

use super::{Frame, Moment, Now, path, render};
use crate::{
    http::incidents::{Listed, OWN},
    model::{Incident, Severity},
};

/// What the form offers for `since`.
const SINCE: [(&str, &str); 5] = [
    ("", "any-time"),
    ("24h", "since-last-day"),
    ("7d", "since-last-week"),
    ("30d", "since-last-30-days"),
    ("90d", "since-last-90-days"),
];

/// The view of one page of the list.
#[derive(Clone, Debug, Serialize)]
pub struct IncidentsPage {
    summary: String,
    /// What could not be read of what was asked for.
    error: Option<String>,
    history_error: Option<String>,
    fields: Vec<Field>,
    rows: Vec<Row>,
    /// The page after this one.
    older: Option<String>,
    /// The first page, where this is not it.
    newest: Option<String>,
}

/// A choice of the form.
#[derive(Clone, Debug, Serialize)]
struct Field {
    name: &'static str,
    label: String,
    /// `(value, words, chosen)`
    options: Vec<(String, String, bool)>,
}

#[derive(Clone, Debug, Serialize)]
struct Row {
    href: String,
    id: i64,
    cluster: String,
    severity: Severity,
    open: bool,
    headline: String,
    since: Moment,
    lasted: String,
    acknowledged: Option<String>,
}

impl IncidentsPage {
    /// The view of an answer to what `parameters` ask for; `clusters` are those that are watched.
    pub fn new(
        listed: Result<Listed, String>,
        parameters: &[(String, String)],
        clusters: &[String],
        now: &Now,
    ) -> Self {
        let (listed, error) = match listed {
            Ok(listed) => (listed, None),
            Err(error) => (Listed::default(), Some(error)),
        };
        let later = parameters.iter().any(is_page);
        let summary = match (later, listed.open) {
            (true, _) => now.word("earlier-ones"),
            (false, 0) => now.word("none-is-open"),
            (false, n) => now.say("n-are-open", &[("n", n.into())]),
        };
        Self {
            summary,
            error,
            history_error: listed.history_error,
            fields: fields(parameters, clusters, now),
            rows: listed.incidents.iter().map(|i| row(i, now)).collect(),
            older: listed.next.map(|id| link(parameters, Some(id))),
            newest: later.then(|| link(parameters, None)),
        }
    }

    /// The page.
    ///
    /// # Errors
    /// When a template is wrong, which the tests rule out.
    pub fn render(&self, frame: Frame) -> Result<String, minijinja::Error> {
        // A form that is being filled in must not be taken away.
        render("incidents.html", &frame.still(), self)
    }
}

fn row(incident: &Incident, now: &Now) -> Row {
    Row {
        href: path(&["incidents", &incident.id.to_string()]),
        id: incident.id,
        cluster: if incident.cluster.is_empty() { OWN.to_owned() } else { incident.cluster.to_string() },
        severity: incident.severity,
        open: incident.resolved_at.is_none(),
        headline: now.voice.incident(incident).headline.clone(),
        since: Moment::new(incident.started_at, now),
        lasted: now.voice.between(incident.started_at, incident.resolved_at.unwrap_or(now.at)),
        acknowledged: incident.acknowledged.as_ref().map(|a| a.by.clone()),
    }
}

/// Whether a parameter says which page it is: `before` an incident, not a time.
fn is_page((name, value): &(String, String)) -> bool {
    name == "before" && value.parse::<i64>().is_ok()
}

/// The same list from another incident on, or from its beginning.
fn link(parameters: &[(String, String)], before: Option<i64>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters.iter().filter(|p| !is_page(p) && !p.1.is_empty()));
    if let Some(id) = before {
        query.append_pair("before", &id.to_string());
    }
    let query = query.finish();
    if query.is_empty() { "/incidents".to_owned() } else { format!("/incidents?{query}") }
}

fn fields(parameters: &[(String, String)], clusters: &[String], now: &Now) -> Vec<Field> {
    let chosen = |name: &str| {
        let value = parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
        value.unwrap_or_default()
    };
    let field = |name: &'static str, label: &'static str, offered: Vec<(String, String)>| {
        let value = chosen(name);
        // What the address asks for is a choice, too.
        let other = offered.iter().all(|(offer, _)| *offer != value).then(|| (value.clone(), value.clone()));
        let all = offered.into_iter().chain(other);
        Field {
            name,
            label: now.word(label),
            options: all.map(|(offer, words)| (offer.clone(), words, offer == value)).collect(),
        }
    };
    let offered = |all: &str| vec![(String::new(), now.word(all))];
    let of = |kind: &'static str, values: &[&'static str], all: &str| {
        let words = |v: &&'static str| ((*v).to_owned(), now.say(kind, &[(kind, (*v).into())]));
        offered(all).into_iter().chain(values.iter().map(words)).collect()
    };
    let watched: BTreeSet<&str> = clusters.iter().map(String::as_str).chain([OWN]).collect();
    let watched = watched.into_iter().map(|name| (name.to_owned(), name.to_owned()));
    vec![
        field("cluster", "filter-cluster", offered("filter-all").into_iter().chain(watched).collect()),
        field("severity", "filter-severity", of("severity", &["critical", "warning", "info"], "filter-any")),
        field("state", "filter-state", of("incident-state", &["open", "resolved"], "filter-open-and-resolved")),
        field("since", "filter-since", SINCE.map(|(value, words)| (value.to_owned(), now.word(words))).into()),
    ]
}

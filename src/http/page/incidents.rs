//! The list of incidents, with a form that filters it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;
use url::form_urlencoded;

use super::{Frame, Moment, path, render};
use crate::{
    http::incidents::{Listed, OWN},
    model::{Incident, Severity, text},
};

/// What the form offers for `since`.
const SINCE: [(&str, &str); 5] = [
    ("", "any time"),
    ("24h", "the last day"),
    ("7d", "the last week"),
    ("30d", "the last 30 days"),
    ("90d", "the last 90 days"),
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
    label: &'static str,
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
        now: Timestamp,
    ) -> Self {
        let (listed, error) = match listed {
            Ok(listed) => (listed, None),
            Err(error) => (Listed::default(), Some(error)),
        };
        let later = parameters.iter().any(is_page);
        let summary = match (later, listed.open) {
            (true, _) => "earlier ones".to_owned(),
            (false, 0) => "none is open".to_owned(),
            (false, 1) => "1 is open".to_owned(),
            (false, n) => format!("{} are open", text::number(n as u64)),
        };
        Self {
            summary,
            error,
            history_error: listed.history_error,
            fields: fields(parameters, clusters),
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

fn row(incident: &Incident, now: Timestamp) -> Row {
    Row {
        href: path(&["incidents", &incident.id.to_string()]),
        id: incident.id,
        cluster: if incident.cluster.is_empty() { OWN.to_owned() } else { incident.cluster.to_string() },
        severity: incident.severity,
        open: incident.resolved_at.is_none(),
        headline: incident.headline.clone(),
        since: Moment::new(incident.started_at, now),
        lasted: text::between(incident.started_at, incident.resolved_at.unwrap_or(now)),
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

fn fields(parameters: &[(String, String)], clusters: &[String]) -> Vec<Field> {
    let chosen = |name: &str| {
        let value = parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
        value.unwrap_or_default()
    };
    let field = |name: &'static str, label: &'static str, offered: Vec<(String, String)>| {
        let value = chosen(name);
        // What the address asks for is a choice, too.
        let other = offered.iter().all(|(offer, _)| *offer != value).then(|| (value.clone(), value.clone()));
        let all = offered.into_iter().chain(other);
        Field { name, label, options: all.map(|(offer, words)| (offer.clone(), words, offer == value)).collect() }
    };
    let same = |values: &[&str], all: &str| {
        let mut offered = vec![(String::new(), all.to_owned())];
        offered.extend(values.iter().map(|v| ((*v).to_owned(), (*v).to_owned())));
        offered
    };
    let watched: BTreeSet<&str> = clusters.iter().map(String::as_str).chain([OWN]).collect();
    let watched: Vec<&str> = watched.into_iter().collect();
    vec![
        field("cluster", "Cluster", same(&watched, "all")),
        field("severity", "Severity", same(&["critical", "warning", "info"], "any")),
        field("state", "State", same(&["open", "resolved"], "open and resolved")),
        field("since", "Since", SINCE.map(|(value, words)| (value.to_owned(), words.to_owned())).into()),
    ]
}

//! Incidents in the file: one, those of a time, and the list that pages and filters.
//!
//! A list is found in an index and only then are its incidents read, so that a hundred thousand of them cost it nothing.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter, types::Value};

use super::{column::us, read::parse};
use crate::model::{Incident, Severity};

/// Says whether an incident is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncidentState {
    /// It lasts.
    Open,
    /// It has ended.
    Resolved,
}

/// Says which incidents a list wants; what is empty is not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IncidentFilter {
    /// Of one of these clusters; the watchdog's own have the empty name.
    pub clusters: Vec<String>,
    /// Of one of these severities, the worst that each has had.
    pub severities: Vec<Severity>,
    /// Open, or ended.
    pub state: Option<IncidentState>,
    /// Open at this time or later.
    pub since: Option<Timestamp>,
    /// Begun before this time, to the second.
    pub before: Option<Timestamp>,
    /// With a lower id than this: the next page.
    pub below: Option<i64>,
}

impl IncidentFilter {
    /// Returns whether an incident is wanted. The list in the file follows the same rules.
    pub fn admits(&self, incident: &Incident) -> bool {
        let state = if incident.resolved_at.is_none() { IncidentState::Open } else { IncidentState::Resolved };
        (self.clusters.is_empty() || self.clusters.iter().any(|c| **c == *incident.cluster))
            && (self.severities.is_empty() || self.severities.contains(&incident.severity))
            && self.state.is_none_or(|wanted| wanted == state)
            && self.since.is_none_or(|since| incident.resolved_at.is_none_or(|end| us(end) >= us(since)))
            && self.before.is_none_or(|before| incident.started_at.as_second() < before.as_second())
            && self.below.is_none_or(|below| incident.id < below)
    }

    /// The same as a condition of SQL with its values.
    fn condition(&self) -> (String, Vec<Value>) {
        let mut parts: Vec<String> = Vec::new();
        let mut values: Vec<Value> = Vec::new();
        let mut one_of = |column: &str, wanted: Vec<String>| {
            if !wanted.is_empty() {
                parts.push(format!("{column} IN ({})", vec!["?"; wanted.len()].join(", ")));
                values.extend(wanted.into_iter().map(Value::Text));
            }
        };
        one_of("cluster", self.clusters.clone());
        one_of("severity", self.severities.iter().map(ToString::to_string).collect());
        match self.state {
            None => {}
            Some(IncidentState::Open) => parts.push("resolved_us IS NULL".into()),
            Some(IncidentState::Resolved) => parts.push("resolved_us IS NOT NULL".into()),
        }
        for (condition, value) in [
            ("(resolved_us IS NULL OR resolved_us >= ?)", self.since.map(us)),
            ("started_s < ?", self.before.map(Timestamp::as_second)),
            ("id < ?", self.below),
        ] {
            if let Some(value) = value {
                parts.push(condition.into());
                values.push(Value::Integer(value));
            }
        }
        let condition = if parts.is_empty() { "TRUE".to_owned() } else { parts.join(" AND ") };
        (condition, values)
    }
}

/// Bytes of JSON of one list; a large incident has half a megabyte, and a thousand of them are asked for at once.
pub const LIST_MAX_BYTES: usize = 32 << 20;

/// Holds a part of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IncidentList {
    /// Newest first.
    pub incidents: Vec<Incident>,
    /// There are more: the limit is reached, or what one answer may weigh (32 MiB).
    pub more: bool,
}

/// Returns the incidents that a filter wants, newest first, at most `limit`.
pub fn list(db: &Connection, filter: &IncidentFilter, limit: usize) -> rusqlite::Result<IncidentList> {
    let (condition, mut values) = filter.condition();
    values.push(Value::Integer(i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX)));
    // The planner would walk the incidents themselves, since those lie in the wanted order.
    let sql = format!(
        "SELECT incident FROM incidents WHERE id IN
             (SELECT id FROM incidents INDEXED BY incidents_listed WHERE {condition} ORDER BY id DESC LIMIT ?)
         ORDER BY id DESC"
    );
    let mut statement = db.prepare(&sql)?;
    let rows = statement.query_map(params_from_iter(values), |r| r.get::<_, String>(0))?;
    let mut found = IncidentList::default();
    let (mut rows_read, mut bytes) = (0, 0);
    for row in rows {
        let text = row?;
        if rows_read == limit || bytes > LIST_MAX_BYTES {
            found.more = true;
            break;
        }
        (rows_read, bytes) = (rows_read + 1, bytes + text.len());
        found.incidents.extend(parse(&text, "incident"));
    }
    Ok(found)
}

/// Returns the incidents that were open at any time since a moment, oldest first.
pub fn since(db: &Connection, from: Timestamp, limit: usize) -> rusqlite::Result<Vec<Incident>> {
    let filter = IncidentFilter { since: Some(from), ..IncidentFilter::default() };
    let mut found = list(db, &filter, limit)?.incidents;
    found.reverse();
    Ok(found)
}

/// Returns one incident.
pub fn one(db: &Connection, id: i64) -> rusqlite::Result<Option<Incident>> {
    let sql = "SELECT incident FROM incidents WHERE id = ?1";
    let text: Option<String> = db.query_row(sql, params![id], |r| r.get(0)).optional()?;
    Ok(text.and_then(|t| parse(&t, "incident")))
}

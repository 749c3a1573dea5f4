//! Incidents as people and programs ask for them: one, and the list that pages and filters.
//!
//! Those that are open or have lately ended are in the live picture, which is newer than the file; all others are read from
//! the store. Open ones come first, the worst at the top; then those that ended, the newest first, a page at a time.

use std::collections::{BTreeMap, HashSet};

use axum::http::StatusCode;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::Serialize;

use crate::{
    model::{Incident, Severity, duration, text},
    store::{IncidentFilter, IncidentList, IncidentState, Store, StoreError},
};

/// How the watchdog's own incidents are asked for; they bear the name of no cluster.
pub const OWN: &str = "dogwatch";

/// Incidents of one page: what people page through without being lost.
pub const PAGE: usize = 50;

/// Incidents of one answer, where no number is asked for …
pub const LIMIT: usize = 100;

/// … and at the most. The store gives fewer where they are large.
pub const LIMIT_MAX: usize = 1_000;

/// Bytes of the name of somebody who looks after an incident, or notes something about it.
const NAME_MAX: usize = 200;

/// From here on (the year 2001) a number is a time: no watchdog counts so many incidents.
const UNIX_SECONDS_MIN: i64 = 1_000_000_000;

/// Returns a name as it is kept; empty: none was given.
pub fn who(name: &str) -> &str {
    text::clip(name.trim(), NAME_MAX)
}

/// Holds what is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Which.
    pub filter: IncidentFilter,
    /// How many.
    pub limit: usize,
}

impl Wanted {
    /// From parameters: `cluster`, `severity` (each any number of times), `state`, `since`, `before`, `limit`. Times are RFC
    /// 3339, a date, Unix seconds, or so long ago (`7d`); `before` is a time, or the id that the page before gave as `next`
    /// (a number below 1,000,000,000).
    ///
    /// # Errors
    /// What can't be read, in words.
    pub fn read(parameters: &[(String, String)], limit: usize, now: Timestamp) -> Result<Self, String> {
        let mut wanted = Self { filter: IncidentFilter::default(), limit };
        for (name, value) in parameters.iter().filter(|(_, value)| !value.is_empty()) {
            let filter = &mut wanted.filter;
            match name.as_str() {
                "cluster" => {
                    filter.clusters.extend((value == OWN).then(String::new));
                    filter.clusters.push(value.clone());
                }
                "severity" => filter.severities.push(severity(value)?),
                "state" => filter.state = state(value)?,
                "since" => filter.since = Some(moment(name, value, now)?),
                "before" => match value.parse() {
                    Ok(id) if id < UNIX_SECONDS_MIN => filter.below = Some(id),
                    _ => filter.before = Some(moment(name, value, now)?),
                },
                "limit" => {
                    let number = value.parse().ok().filter(|n| *n > 0);
                    let number: usize =
                        number.ok_or_else(|| format!("limit must be a number above 0, not {value:?}"))?;
                    wanted.limit = number.min(LIMIT_MAX);
                }
                _ => {}
            }
        }
        Ok(wanted)
    }
}

fn severity(text: &str) -> Result<Severity, String> {
    let known = [Severity::Critical, Severity::Warning, Severity::Info];
    let found = known.into_iter().find(|s| s.to_string() == text);
    found.ok_or_else(|| format!("severity must be critical, warning or info, not {text:?}"))
}

fn state(text: &str) -> Result<Option<IncidentState>, String> {
    match text {
        "all" => Ok(None),
        "open" => Ok(Some(IncidentState::Open)),
        "resolved" | "ended" => Ok(Some(IncidentState::Resolved)),
        _ => Err(format!("state must be open, resolved or all, not {text:?}")),
    }
}

/// Reads a time as [`Wanted::read`] does.
///
/// # Errors
/// That it is none, in words.
pub fn moment(name: &str, text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let wrong =
        || format!("{name}: {text:?} is no time: write 2026-01-02T03:04:05Z, 2026-01-02, Unix seconds, or 7d (ago)");
    if let Ok(ago) = duration::prometheus(text.trim_start_matches('-')) {
        return now.checked_sub(ago).map_err(|_| wrong());
    }
    if let Ok(date) = text.parse::<Date>()
        && !text.contains(['T', 't', ' '])
    {
        return date.to_zoned(TimeZone::UTC).map(|z| z.timestamp()).map_err(|_| wrong());
    }
    match text.parse::<i64>() {
        Ok(seconds) => Timestamp::from_second(seconds).map_err(|_| wrong()),
        Err(_) => text.parse().map_err(|_| wrong()),
    }
}

/// Holds what the live picture has of what is asked for.
#[derive(Clone, Debug, Default)]
pub struct Picked {
    /// Wanted and open, in the picture's order, no more than are asked for.
    open: Vec<Incident>,
    /// How many are wanted and open.
    count: usize,
    /// Everything that is open: what the file says of it is old.
    ids: HashSet<i64>,
    /// Wanted and lately ended.
    ended: Vec<Incident>,
}

impl Picked {
    /// From the incidents of the live picture.
    pub fn new<'a>(live: impl IntoIterator<Item = &'a Incident>, wanted: &Wanted) -> Self {
        let mut picked = Self::default();
        // Where both are wanted, a later page has only ended ones.
        let first = wanted.filter.below.is_none() || wanted.filter.state == Some(IncidentState::Open);
        let mut open: Vec<&Incident> = Vec::new();
        for incident in live {
            let lasts = incident.resolved_at.is_none();
            if lasts {
                picked.ids.insert(incident.id);
            }
            match wanted.filter.admits(incident) {
                true if lasts && first => open.push(incident),
                true if !lasts => picked.ended.push(incident.clone()),
                _ => {}
            }
        }
        if wanted.filter.state == Some(IncidentState::Open) {
            // They are paged through by their ids.
            open.sort_by_key(|i| std::cmp::Reverse(i.id));
        }
        picked.count = open.len();
        picked.open = open.into_iter().take(wanted.limit).cloned().collect();
        picked
    }
}

/// One page of the list.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Listed {
    /// Open ones, then those that ended.
    pub incidents: Vec<Incident>,
    /// How many are open of those that are asked for; on a later page 0.
    pub open: usize,
    /// `before` of the next page; `None`: this is the last.
    pub next: Option<i64>,
    /// Why those that ended earlier can't be listed.
    pub history_error: Option<String>,
}

/// Returns the page that is asked for.
pub async fn list(store: &Store, picked: Picked, wanted: &Wanted) -> Listed {
    let Picked { open, count, ids, ended } = picked;
    if wanted.filter.state == Some(IncidentState::Open) {
        let next = open.last().map(|i| i.id).filter(|_| count > open.len());
        return Listed { incidents: open, open: count, next, history_error: None };
    }
    let room = wanted.limit - open.len();
    let filter = IncidentFilter { state: Some(IncidentState::Resolved), ..wanted.filter.clone() };
    let (kept, history_error) = match store.incidents(filter, room).await {
        Ok(kept) => (kept, None),
        Err(error) => (IncidentList::default(), Some(error.to_string())),
    };
    let mut past: BTreeMap<i64, Incident> = kept.incidents.into_iter().map(|i| (i.id, i)).collect();
    let oldest = past.keys().next().copied().filter(|_| kept.more);
    past.retain(|id, _| !ids.contains(id));
    // What ended lately and began before the end of this part comes with the part that it belongs to.
    past.extend(ended.into_iter().filter(|i| oldest.is_none_or(|oldest| i.id > oldest)).map(|i| (i.id, i)));
    let newest = past.keys().next_back().copied();
    let shown: Vec<Incident> = past.values().rev().take(room).cloned().collect();
    let more = kept.more || past.len() > shown.len();
    // Where open ones fill the page, the next begins with the newest that ended.
    let next = shown.last().map(|i| i.id).or(newest.map(|id| id.saturating_add(1))).filter(|_| more);
    Listed { incidents: open.into_iter().chain(shown).collect(), open: count, next, history_error }
}

/// Says why an incident can't be shown.
#[derive(Debug, thiserror::Error)]
pub enum Missing {
    /// There is none with this id.
    #[error("There is no incident {0}. Those that ended are kept as long as history is.")]
    Nobody(String),
    /// The file can't be read.
    #[error("Incidents of the past can't be read now: {0}")]
    Unreadable(StoreError),
}

impl Missing {
    /// As HTTP has it.
    pub fn status(&self) -> StatusCode {
        match self {
            Missing::Nobody(_) => StatusCode::NOT_FOUND,
            Missing::Unreadable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// Returns the incident with this id: of the live picture, else of the store.
///
/// # Errors
/// When there is none, or the file can't be read.
pub async fn find(store: &Store, live: Option<Incident>, id: &str) -> Result<Incident, Missing> {
    if let Some(incident) = live {
        return Ok(incident);
    }
    let nobody = || Missing::Nobody(id.to_owned());
    let found = store.incident(id.parse().map_err(|_| nobody())?).await.map_err(Missing::Unreadable)?;
    found.ok_or_else(nobody)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Wanted, String> {
        let parameters: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Wanted::read(&parameters, 10, "2026-01-10T00:00:00Z".parse().unwrap())
    }

    #[test]
    fn parameters_are_read_as_people_write_them() {
        let time = |text: &str| Some(text.parse().unwrap());
        let check = |query: &str, filter: IncidentFilter, limit: usize| {
            assert_eq!(read(query), Ok(Wanted { filter, limit }), "{query}");
        };
        let none = IncidentFilter::default;
        check("", none(), 10);
        check("cluster=&severity=&state=&since=&before=&limit=&other=x", none(), 10);
        check("cluster=a&cluster=b", IncidentFilter { clusters: vec!["a".into(), "b".into()], ..none() }, 10);
        check("cluster=dogwatch", IncidentFilter { clusters: vec![String::new(), "dogwatch".into()], ..none() }, 10);
        let both = vec![Severity::Critical, Severity::Info];
        check("severity=critical&severity=info", IncidentFilter { severities: both, ..none() }, 10);
        check("state=open", IncidentFilter { state: Some(IncidentState::Open), ..none() }, 10);
        check("state=ended", IncidentFilter { state: Some(IncidentState::Resolved), ..none() }, 10);
        check("state=all", none(), 10);
        for since in ["2026-01-09T00:00:00Z", "2026-01-09", "1d", "-24h", "1767916800"] {
            check(&format!("since={since}"), IncidentFilter { since: time("2026-01-09T00:00:00Z"), ..none() }, 10);
        }
        check("before=2026-01-01", IncidentFilter { before: time("2026-01-01T00:00:00Z"), ..none() }, 10);
        check("before=1767225600", IncidentFilter { before: time("2026-01-01T00:00:00Z"), ..none() }, 10);
        check("before=17&limit=3", IncidentFilter { below: Some(17), ..none() }, 3);
        check("limit=99999", none(), LIMIT_MAX);
        for wrong in ["severity=bad", "state=x", "since=soon", "before=x", "limit=0", "limit=-1", "since=2026-13-01"] {
            let said = read(wrong).unwrap_err();
            assert!(said.contains(wrong.split('=').next().unwrap()), "{wrong}: {said}");
        }
    }
}

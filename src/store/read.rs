//! Reading: what an earlier run left, and what people ask for.

use std::{path::Path, time::Duration};

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use serde::de::DeserializeOwned;

use super::{DeliveryRecord, Restored, StoreError, column::us};
use crate::model::{Incident, IncidentNote, RestoreDrill, TargetKey, VerdictChange};

/// Ended incidents that a start brings back to be shown, however long ago they ended.
const SHOWN: i64 = 20;
/// Of those that ended within [`Incident::REMEMBERED`], so many at most: alerts are held against them. Groups of alerts
/// are not among them, since they explain nothing.
const REMEMBERED_MAX: i64 = 2_000;
/// The newest that are looked through for them: a start takes no longer for a storm of alerts the day before.
const LOOKED_THROUGH_MAX: i64 = 10_000;
/// Messages that a start brings back; dispatch's own limit is below it.
const OUTBOX_MAX: i64 = 100_000;

/// Parses JSON; what this version can't read is left out and logged: one odd row must not take the others with it.
pub fn parse<T: DeserializeOwned>(text: &str, what: &str) -> Option<T> {
    match serde_json::from_str(text) {
        Ok(value) => Some(value),
        Err(error) => {
            tracing::warn!(%error, what, "a row of the history can't be read and is left out");
            None
        }
    }
}

fn all<T: DeserializeOwned>(db: &Connection, sql: &str, limit: i64, what: &str) -> rusqlite::Result<Vec<T>> {
    let mut statement = db.prepare(sql)?;
    let rows = statement.query_map([limit], |r| r.get::<_, String>(0))?;
    Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?.iter().filter_map(|text| parse(text, what)).collect())
}

/// Reads what an earlier run left.
pub fn restored(db: &Connection, now: Timestamp) -> rusqlite::Result<Restored> {
    let meta =
        |key: &str| db.query_row("SELECT value FROM meta WHERE key = ?1", [key], |r| r.get::<_, String>(0)).optional();
    let mut targets = Vec::new();
    let mut statement = db.prepare("SELECT target, verdict FROM targets")?;
    let rows = statement.query_map([], |r| Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?)))?;
    for row in rows {
        let (target, verdict) = row?;
        targets.extend(parse(&target, "target").zip(parse(&verdict, "verdict")));
    }
    let mut incidents: Vec<Incident> = all(
        db,
        "SELECT incident FROM incidents WHERE resolved_us IS NULL ORDER BY id DESC LIMIT ?1",
        OUTBOX_MAX,
        "incident",
    )?;
    incidents.extend(ended(db, now)?);
    incidents.sort_by_key(|i| std::cmp::Reverse(i.id));
    let highest: i64 = db.query_row("SELECT coalesce(max(id), 0) FROM incidents", [], |r| r.get(0))?;
    let told = meta("last_incident_id")?.and_then(|v| v.parse().ok()).unwrap_or(0);
    Ok(Restored {
        targets,
        snapshots: all(db, "SELECT snapshot FROM snapshots LIMIT ?1", OUTBOX_MAX, "snapshot")?,
        incidents,
        last_incident_id: highest.max(told),
        outbox: all(db, "SELECT entry FROM outbox ORDER BY at_us, id LIMIT ?1", OUTBOX_MAX, "outbox entry")?,
        alerts: all(db, "SELECT alert FROM alerts LIMIT ?1", OUTBOX_MAX, "alert")?,
        silences: all(db, "SELECT silence FROM silences LIMIT ?1", OUTBOX_MAX, "silence")?,
        heartbeats: heartbeats(db)?,
        restore_drills: restore_drills(db)?,
        origin: meta("origin")?.unwrap_or_default(),
    })
}

/// What has ended: the last to be shown, and what is remembered.
fn ended(db: &Connection, now: Timestamp) -> rusqlite::Result<Vec<Incident>> {
    let from = now.checked_sub(Incident::REMEMBERED).unwrap_or(Timestamp::MIN);
    let mut statement = db.prepare(
        "WITH newest AS (SELECT id, resolved_us FROM incidents WHERE resolved_us IS NOT NULL
                         ORDER BY resolved_us DESC LIMIT ?1),
              shown AS (SELECT id FROM newest ORDER BY resolved_us DESC LIMIT ?2),
              remembered AS (SELECT i.id FROM newest n JOIN incidents i USING (id)
                             WHERE n.resolved_us >= ?3 AND json_valid(i.incident)
                               AND json_extract(i.incident, '$.group') IS NULL
                             ORDER BY n.resolved_us DESC LIMIT ?4)
         SELECT incident FROM incidents WHERE id IN (SELECT id FROM shown UNION SELECT id FROM remembered)",
    )?;
    let limits = params![LOOKED_THROUGH_MAX, SHOWN, us(from), REMEMBERED_MAX];
    let rows = statement.query_map(limits, |r| r.get::<_, String>(0))?;
    Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?.iter().filter_map(|text| parse(text, "incident")).collect())
}

fn heartbeats(db: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let mut statement = db.prepare("SELECT name, state FROM heartbeats")?;
    let rows = statement.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?;
    rows.collect()
}

/// Runs a query on a connection of its own, beside the writer.
pub async fn with<T: Send + 'static>(
    path: &Path,
    query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    let path = path.to_path_buf();
    let shown = path.display().to_string();
    let read = tokio::task::spawn_blocking(move || {
        let db =
            Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        db.busy_timeout(Duration::from_secs(2))?;
        query(&db)
    });
    match read.await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(StoreError { message: format!("{shown} can't be read: {error}") }),
        Err(error) => Err(StoreError { message: format!("reading {shown} broke off: {error}") }),
    }
}

/// Returns the deliveries of one incident, oldest first.
pub fn deliveries(db: &Connection, incident: i64) -> rusqlite::Result<Vec<DeliveryRecord>> {
    let mut statement = db.prepare(
        "SELECT sequence, receiver, at_us, outcome, answer, took_us FROM deliveries WHERE incident = ?1 ORDER BY at_us",
    )?;
    let rows = statement.query_map([incident], |r| {
        let outcome: String = r.get(3)?;
        Ok((r.get(0)?, r.get(1)?, r.get::<_, i64>(2)?, outcome, r.get(4)?, r.get::<_, i64>(5)?))
    })?;
    let mut records = Vec::new();
    for row in rows {
        let (sequence, receiver, at, outcome, answer, took) = row?;
        let (Ok(at), Some(outcome)) = (jiff::Timestamp::from_microsecond(at), parse(&outcome, "delivery")) else {
            continue;
        };
        let took = Duration::from_micros(u64::try_from(took).unwrap_or(0));
        records.push(DeliveryRecord { incident_id: incident, sequence, receiver, at, outcome, answer, took });
    }
    Ok(records)
}

/// Returns the notes on one incident, oldest first.
pub fn notes(db: &Connection, incident: i64) -> rusqlite::Result<Vec<IncidentNote>> {
    let mut statement =
        db.prepare("SELECT at_us, author, note FROM incident_notes WHERE incident = ?1 ORDER BY at_us, author")?;
    let rows = statement.query_map([incident], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?;
    let note = |(at, by, text)| Some(IncidentNote { incident, at: Timestamp::from_microsecond(at).ok()?, by, text });
    Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().filter_map(note).collect())
}

/// Returns the newest verdict changes of a cluster.
pub fn verdict_changes(db: &Connection, cluster: &str, limit: usize) -> rusqlite::Result<Vec<VerdictChange>> {
    let mut statement =
        db.prepare("SELECT change FROM verdict_changes WHERE cluster = ?1 ORDER BY at_us DESC LIMIT ?2")?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![cluster, limit], |r| r.get::<_, String>(0))?;
    Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?.iter().filter_map(|t| parse(t, "verdict change")).collect())
}

/// Returns the newest verdict changes of one target.
pub fn verdict_changes_of(db: &Connection, key: &TargetKey, limit: usize) -> rusqlite::Result<Vec<VerdictChange>> {
    let mut statement = db.prepare(
        "SELECT change FROM verdict_changes WHERE cluster = ?1 AND job = ?2 AND instance = ?3
         ORDER BY at_us DESC LIMIT ?4",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let of = params![key.cluster, key.job.as_str(), key.instance, limit];
    let rows = statement.query_map(of, |r| r.get::<_, String>(0))?;
    Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?.iter().filter_map(|t| parse(t, "verdict change")).collect())
}

/// Reads all restore drills, each name's oldest first.
pub(super) fn restore_drills(db: &Connection) -> rusqlite::Result<Vec<RestoreDrill>> {
    let mut statement = db.prepare("SELECT drill FROM restore_drills ORDER BY name, opened_us")?;
    let rows = statement.query_map([], |r| r.get::<_, String>(0))?;
    let texts = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(texts.iter().filter_map(|text| parse(text, "restore drill")).collect())
}

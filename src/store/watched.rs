//! When what was watched: runs of the watchdog, lives of targets and planned work, beside the changes of verdicts.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, params};

use super::{
    column::{json, us},
    read::parse,
};
use crate::model::{Pairs, Record, Silence, Target, TargetKey, TargetRecord, Verdict};

/// Changes of verdicts in one answer: 4,000 targets that change once an hour for a week; some 300 MB while they are read.
const CHANGES_MAX: usize = 1_000_000;

/// Writes targets that came (true) and went, and runs of the watchdog. Doing it twice changes nothing.
pub fn write(
    t: &Transaction<'_>,
    lives: &VecDeque<(TargetKey, Timestamp, bool)>,
    watches: &BTreeMap<Timestamp, Timestamp>,
) -> rusqlite::Result<()> {
    for (key, at, comes) in lives {
        let sql = if *comes {
            "INSERT OR IGNORE INTO target_lives SELECT ?1, ?2, ?3, ?4, NULL WHERE NOT EXISTS
                (SELECT 1 FROM target_lives WHERE cluster = ?1 AND job = ?2 AND instance = ?3 AND to_us IS NULL)"
        } else {
            "UPDATE target_lives SET to_us = max(from_us, ?4)
             WHERE cluster = ?1 AND job = ?2 AND instance = ?3 AND to_us IS NULL"
        };
        t.prepare_cached(sql)?.execute(params![key.cluster, key.job.as_str(), key.instance, us(*at)])?;
    }
    for (from, to) in watches {
        t.prepare_cached("INSERT OR REPLACE INTO watches VALUES (?1, ?2)")?.execute([us(*from), us(*to)])?;
    }
    Ok(())
}

/// Keeps those of some silences that are planned work. They stay when silences are forgotten.
pub fn write_maintenance<'a>(t: &Transaction<'_>, silences: impl Iterator<Item = &'a Silence>) -> rusqlite::Result<()> {
    for silence in silences {
        if silence.is_maintenance() {
            t.prepare_cached("INSERT OR REPLACE INTO maintenance VALUES (?1, ?2, ?3)")?.execute(params![
                silence.id,
                us(silence.ends_at),
                json(silence)?
            ])?;
        } else {
            // Its comment was another before.
            t.prepare_cached("DELETE FROM maintenance WHERE id = ?1")?.execute([&silence.id])?;
        }
    }
    Ok(())
}

/// Reads the record from a moment on.
pub fn record(db: &Connection, from: Timestamp, wanted: &dyn Fn(&TargetKey) -> bool) -> rusqlite::Result<Record> {
    // One picture, whatever is written meanwhile.
    let t = db.unchecked_transaction()?;
    let mut targets = lives(&t, from, wanted)?;
    let known = known(&t, wanted)?;
    let mut room = CHANGES_MAX;
    for record in targets.values_mut() {
        if let Some((labels, verdict)) = known.get(&record.key) {
            record.labels.extend(labels.clone());
            record.verdict = Some(verdict.clone());
        }
        changes(&t, from, record, room)?;
        let Some(left) = room.checked_sub(record.changes.len()) else {
            let words =
                format!("there are more than {CHANGES_MAX} changes of verdicts: ask for less, or a shorter time");
            return Err(rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_TOOBIG),
                Some(words),
            ));
        };
        room = left;
    }
    let mut watches = Vec::new();
    let mut statement = t.prepare("SELECT from_us, to_us FROM watches WHERE to_us >= ?1 ORDER BY from_us")?;
    let mut rows = statement.query([us(from)])?;
    while let Some(row) = rows.next()? {
        watches.extend(time(row.get(0)?).zip(time(row.get(1)?)));
    }
    let mut statement = t.prepare("SELECT silence FROM maintenance WHERE to_us >= ?1 ORDER BY id")?;
    let planned = statement.query_map([us(from)], |r| r.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    let maintenance = planned.iter().filter_map(|text| parse(text, "maintenance")).collect();
    Ok(Record { targets: targets.into_values().collect(), watches, maintenance })
}

fn time(us: i64) -> Option<Timestamp> {
    Timestamp::from_microsecond(us).ok()
}

/// A row's first three columns; `None`: of a kind that this version does not know.
fn key(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<TargetKey>> {
    let (cluster, job, instance): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let job = serde_json::from_value(serde_json::Value::String(job)).ok();
    Ok(job.map(|job| TargetKey { cluster: cluster.into(), job, instance: instance.into() }))
}

fn lives(
    t: &Connection,
    from: Timestamp,
    wanted: &dyn Fn(&TargetKey) -> bool,
) -> rusqlite::Result<BTreeMap<TargetKey, TargetRecord>> {
    let mut targets: BTreeMap<TargetKey, TargetRecord> = BTreeMap::new();
    let mut statement = t.prepare(
        "SELECT cluster, job, instance, from_us, to_us FROM target_lives WHERE to_us IS NULL OR to_us >= ?1
         ORDER BY cluster, job, instance, from_us",
    )?;
    let mut rows = statement.query([us(from)])?;
    while let Some(row) = rows.next()? {
        let Some(key) = key(row)?.filter(|key| wanted(key)) else { continue };
        let (Some(begun), ended) = (time(row.get(3)?), row.get::<_, Option<i64>>(4)?) else { continue };
        let record = targets.entry(key.clone()).or_insert_with(|| TargetRecord::new(key));
        record.lives.push((begun, ended.and_then(time)));
    }
    Ok(targets)
}

/// Labels and verdict of those that are targets now.
fn known(
    t: &Connection,
    wanted: &dyn Fn(&TargetKey) -> bool,
) -> rusqlite::Result<BTreeMap<TargetKey, (Pairs, Verdict)>> {
    let mut found = BTreeMap::new();
    let mut statement = t.prepare("SELECT cluster, job, instance, target, verdict FROM targets")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let Some(key) = key(row)?.filter(|key| wanted(key)) else { continue };
        let target: Option<Target> = parse(&row.get::<_, String>(3)?, "target");
        let Some((target, verdict)) = target.zip(parse(&row.get::<_, String>(4)?, "verdict")) else { continue };
        let node = target.node.map(|node| ("node".to_owned(), node.to_string()));
        found.insert(key, (target.labels.into_iter().chain(node).collect(), verdict));
    }
    Ok(found)
}

/// The index is named: SQLite may take the primary key, which is in the right order too, and look through the changes of
/// all targets for each of them.
pub(super) const CHANGES_OF_TARGET: &str = "
    SELECT change FROM verdict_changes INDEXED BY verdict_changes_of_target
    WHERE cluster = ?1 AND job = ?2 AND instance = ?3 AND at_us >= coalesce(
        (SELECT max(at_us) FROM verdict_changes INDEXED BY verdict_changes_of_target
         WHERE cluster = ?1 AND job = ?2 AND instance = ?3 AND at_us < ?4), ?4)
    ORDER BY at_us LIMIT ?5";

/// The changes of one target: the last before the moment, and all since.
fn changes(t: &Connection, from: Timestamp, record: &mut TargetRecord, room: usize) -> rusqlite::Result<()> {
    let mut statement = t.prepare_cached(CHANGES_OF_TARGET)?;
    let key = &record.key;
    let limit = i64::try_from(room.saturating_add(1)).unwrap_or(i64::MAX);
    let rows = statement
        .query_map(params![key.cluster, key.job.as_str(), key.instance, us(from), limit], |r| r.get::<_, String>(0))?;
    for row in rows {
        record.changes.extend(parse(&row?, "verdict change"));
    }
    Ok(())
}

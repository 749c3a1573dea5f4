//! The flight recorder's blocks: written as they come, found by time, forgotten with the retention, and no more of them than
//! their share of the file.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::model::{BlockKey, RecordedBlock, RecordedSeen};

/// Blocks removed in one go.
const AT_ONCE: i64 = 500;

/// What waits to be written, each thing in its newest form.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    blocks: BTreeMap<BlockKey, RecordedBlock>,
    seen: BTreeMap<(String, String), RecordedSeen>,
    bytes: usize,
}

/// Bytes of blocks that are held while the file can't be written; then none is taken any more.
const HELD_MAX_BYTES: usize = 32 << 20;

impl Waiting {
    /// Returns whether there is nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.seen.is_empty()
    }

    /// Takes blocks; how many found no room.
    pub(super) fn add(&mut self, blocks: Vec<RecordedBlock>, seen: Vec<RecordedSeen>) -> u64 {
        let mut dropped = 0;
        for block in blocks {
            let before = self.blocks.get(&block.key).map_or(0, |b| b.body.len());
            if self.bytes - before + block.body.len() > HELD_MAX_BYTES {
                dropped += 1;
                continue;
            }
            self.bytes = self.bytes - before + block.body.len();
            self.blocks.insert(block.key.clone(), block);
        }
        self.seen.extend(seen.into_iter().map(|s| ((s.cluster.clone(), s.kind.clone()), s)));
        dropped
    }

    /// Writes all.
    pub(super) fn write(&self, t: &Transaction<'_>) -> rusqlite::Result<()> {
        for RecordedBlock { key, to_ms, body } in self.blocks.values() {
            t.prepare_cached("INSERT OR REPLACE INTO recorded VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?.execute(
                params![key.cluster, key.kind, key.from_ms, key.is_whole, key.part, to_ms, body.len() as i64, body],
            )?;
        }
        for seen in self.seen.values() {
            // When it was last seen is not forgotten when it can't be seen any more.
            t.prepare_cached(
                "INSERT INTO recorded_seen VALUES (?1, ?2, ?3, ?4) ON CONFLICT (cluster, kind)
                 DO UPDATE SET at_ms = coalesce(excluded.at_ms, at_ms), why_not = excluded.why_not",
            )?
            .execute(params![
                seen.cluster,
                seen.kind,
                seen.at.map(Timestamp::as_millisecond),
                seen.why_not
            ])?;
        }
        Ok(())
    }
}

/// The blocks that tell what was at a moment, in order: the newest whole picture before it, and all changes since.
pub(super) fn blocks(
    db: &Connection,
    cluster: &str,
    kind: &str,
    until_ms: i64,
) -> rusqlite::Result<Vec<RecordedBlock>> {
    let newest = "SELECT max(from_ms) FROM recorded WHERE cluster = ?1 AND kind = ?2 AND whole = 1 AND from_ms <= ?3";
    let from: Option<i64> = db.query_row(newest, params![cluster, kind, until_ms], |r| r.get(0)).optional()?.flatten();
    let mut found = between(db, cluster, kind, (from.unwrap_or(i64::MIN), until_ms))?;
    // Pictures beside that one repeat what it has.
    found.retain(|b| !b.key.is_whole || Some(b.key.from_ms) == from);
    Ok(found)
}

/// The blocks with changes in a time, in order.
pub(super) fn changes(
    db: &Connection,
    cluster: &str,
    kind: &str,
    (from_ms, until_ms): (i64, i64),
) -> rusqlite::Result<Vec<RecordedBlock>> {
    // A block that began earlier may reach into the time.
    let sql = "SELECT max(from_ms) FROM recorded WHERE cluster = ?1 AND kind = ?2 AND whole = 0 AND from_ms <= ?3";
    let first: Option<i64> = db.query_row(sql, params![cluster, kind, from_ms], |r| r.get(0))?;
    let mut found = between(db, cluster, kind, (first.unwrap_or(from_ms), until_ms))?;
    found.retain(|b| !b.key.is_whole);
    Ok(found)
}

/// The blocks that begin in a time.
fn between(
    db: &Connection,
    cluster: &str,
    kind: &str,
    (from_ms, until_ms): (i64, i64),
) -> rusqlite::Result<Vec<RecordedBlock>> {
    let mut statement = db.prepare_cached(
        "SELECT from_ms, whole, part, to_ms, body FROM recorded
         WHERE cluster = ?1 AND kind = ?2 AND from_ms BETWEEN ?3 AND ?4 ORDER BY from_ms, whole DESC, part",
    )?;
    let rows = statement.query_map(params![cluster, kind, from_ms, until_ms], |r| {
        let key = BlockKey {
            cluster: cluster.to_owned(),
            kind: kind.to_owned(),
            from_ms: r.get(0)?,
            is_whole: r.get(1)?,
            part: r.get(2)?,
        };
        Ok(RecordedBlock { key, to_ms: r.get(3)?, body: r.get(4)? })
    })?;
    rows.collect()
}

pub(super) fn seen(db: &Connection, cluster: Option<&str>) -> rusqlite::Result<Vec<RecordedSeen>> {
    let mut statement = db.prepare_cached(
        "SELECT cluster, kind, at_ms, why_not FROM recorded_seen WHERE ?1 IS NULL OR cluster = ?1
         ORDER BY cluster, kind",
    )?;
    let rows = statement.query_map([cluster], |r| {
        let at = r.get::<_, Option<i64>>(2)?.and_then(|ms| Timestamp::from_millisecond(ms).ok());
        Ok(RecordedSeen { cluster: r.get(0)?, kind: r.get(1)?, at, why_not: r.get(3)? })
    })?;
    rows.collect()
}

/// Bytes of all blocks.
pub(super) fn used(db: &Connection) -> rusqlite::Result<u64> {
    let sum: i64 = db.query_row("SELECT coalesce(sum(bytes), 0) FROM recorded", [], |r| r.get(0))?;
    Ok(u64::try_from(sum).unwrap_or(0))
}

/// Removes some of what is older than `kept`: of each kind all before the newest picture that tells what was then, and all
/// of what has not been seen for so long. Returns how many blocks went.
pub(super) fn forget(t: &Transaction<'_>, now: Timestamp, kept: Duration) -> rusqlite::Result<u64> {
    let kept = i64::try_from(kept.as_millis()).unwrap_or(i64::MAX);
    let before_ms = now.as_millisecond().saturating_sub(kept);
    let mut gone = 0;
    for RecordedSeen { cluster, kind, at, .. } in seen(t, None)? {
        let is_dead = at.is_none_or(|at| at.as_millisecond() < before_ms);
        let picture =
            "SELECT max(from_ms) FROM recorded WHERE cluster = ?1 AND kind = ?2 AND whole = 1 AND from_ms <= ?3";
        let picture: Option<i64> = t.query_row(picture, params![cluster, kind, before_ms], |r| r.get(0))?;
        let first_ms = if is_dead { before_ms } else { picture.unwrap_or(i64::MIN) };
        gone += remove(t, &cluster, &kind, ("from_ms < ?3", first_ms))?;
        if kind == LOG {
            gone += remove(t, &cluster, &kind, ("to_ms < ?3", before_ms))?;
        }
        if is_dead && between(t, &cluster, &kind, (i64::MIN, i64::MAX))?.is_empty() {
            t.execute(
                "DELETE FROM recorded_seen WHERE cluster = ?1 AND kind = ?2 AND coalesce(at_ms, 0) < ?3 AND at_ms IS NOT NULL",
                params![cluster, kind, before_ms],
            )?;
        }
    }
    Ok(gone)
}

/// The kind of which each block stands for itself.
const LOG: &str = "events";

fn remove(t: &Transaction<'_>, cluster: &str, kind: &str, (which, ms): (&str, i64)) -> rusqlite::Result<u64> {
    let sql = format!(
        "DELETE FROM recorded WHERE rowid IN
         (SELECT rowid FROM recorded WHERE cluster = ?1 AND kind = ?2 AND {which} ORDER BY from_ms LIMIT ?4)"
    );
    Ok(t.prepare_cached(&sql)?.execute(params![cluster, kind, ms, AT_ONCE])? as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(include_str!("../../migrations/0011_recorder.sql")).unwrap();
        db
    }

    fn block(kind: &str, from_ms: i64, is_whole: bool) -> RecordedBlock {
        let key = BlockKey { cluster: "prod".into(), kind: kind.into(), from_ms, is_whole, part: 0 };
        RecordedBlock { key, to_ms: from_ms + 5, body: vec![1; 10] }
    }

    fn seen_at(kind: &str, ms: i64) -> RecordedSeen {
        let at = Some(Timestamp::from_millisecond(ms).unwrap());
        RecordedSeen { cluster: "prod".into(), kind: kind.into(), at, why_not: String::new() }
    }

    fn written(db: &mut Connection, blocks: Vec<RecordedBlock>, seen: Vec<RecordedSeen>) {
        let mut waiting = Waiting::default();
        assert_eq!(waiting.add(blocks, seen), 0);
        let t = db.transaction().unwrap();
        waiting.write(&t).unwrap();
        waiting.write(&t).unwrap();
        t.commit().unwrap();
    }

    fn begins(blocks: &[RecordedBlock]) -> Vec<(i64, bool)> {
        blocks.iter().map(|b| (b.key.from_ms, b.key.is_whole)).collect()
    }

    #[test]
    fn a_moment_is_told_by_the_picture_before_it_and_the_changes_since() {
        let mut db = database();
        let all = [(10, false), (20, true), (20, false), (30, false), (40, true), (50, false)];
        written(&mut db, all.map(|(ms, whole)| block("pods", ms, whole)).to_vec(), vec![]);
        let at = |ms| begins(&blocks(&db, "prod", "pods", ms).unwrap());
        assert_eq!(at(15), [(10, false)]);
        assert_eq!(at(35), [(20, true), (20, false), (30, false)]);
        assert_eq!(at(99), [(40, true), (50, false)]);
        assert_eq!(at(5), []);
        assert_eq!(used(&db).unwrap(), 60);
    }

    #[test]
    fn what_is_old_goes_and_what_tells_of_the_oldest_moment_stays() {
        let mut db = database();
        let all = [(10, false), (20, true), (30, false), (40, true), (60, false)];
        let mut blocks = all.map(|(ms, whole)| block("pods", ms, whole)).to_vec();
        blocks.extend([block("events", 10, false), block("events", 60, false), block("nodes", 10, false)]);
        written(&mut db, blocks, vec![seen_at("pods", 100), seen_at("events", 100), seen_at("nodes", 20)]);
        let t = db.transaction().unwrap();
        let now = Timestamp::from_millisecond(100).unwrap();
        assert_eq!(forget(&t, now, Duration::from_millis(50)).unwrap(), 5);
        assert_eq!(forget(&t, now, Duration::from_millis(50)).unwrap(), 0);
        let left = |kind| begins(&between(&t, "prod", kind, (i64::MIN, i64::MAX)).unwrap());
        assert_eq!(left("pods"), [(40, true), (60, false)]);
        assert_eq!(left("events"), [(60, false)]);
        assert_eq!(left("nodes"), [], "not seen any more");
        assert_eq!(seen(&t, None).unwrap().len(), 2);
    }

    #[test]
    fn when_it_was_last_seen_stays_when_it_is_forbidden() {
        let mut db = database();
        written(&mut db, vec![], vec![seen_at("pods", 100)]);
        let refused = RecordedSeen { at: None, why_not: "forbidden".into(), ..seen_at("pods", 0) };
        written(&mut db, vec![], vec![refused.clone()]);
        let found = seen(&db, Some("prod")).unwrap();
        assert_eq!(found, [RecordedSeen { at: seen_at("pods", 100).at, ..refused }]);
    }

    #[test]
    fn while_the_file_cant_be_written_blocks_have_a_limit() {
        let mut waiting = Waiting::default();
        let large = |ms| RecordedBlock { body: vec![0; HELD_MAX_BYTES / 2], ..block("pods", ms, false) };
        assert_eq!(waiting.add(vec![large(1), large(2), large(3), large(1)], vec![]), 1);
    }
}

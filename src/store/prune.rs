//! What is too old or too much leaves, in steps so small that the writer never stalls.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::StorageConfig;

/// Series looked at in one step: some milliseconds of work.
const SERIES_PER_STEP: i64 = 200;
/// A whole round begins this often.
const ROUND_EVERY: Duration = Duration::from_secs(600);
/// Pages given back to the file system in one step (4 KiB each).
const PAGES_PER_STEP: i64 = 256;
/// Too large a file loses this share of its time span in one round.
const SHARE: i64 = 20;
/// Verdict changes, resolved incidents and deliveries are small and tell what happened: they stay longer than samples.
const STORY_KEPT: Duration = Duration::from_secs(400 * 86_400);

/// Where the current round stands.
#[derive(Debug, Default)]
pub struct Prune {
    /// Samples before this (milliseconds) go.
    cutoff_ms: i64,
    /// Series up to this one are done; `None`: no round is under way.
    done: Option<i64>,
    last_round: Option<Timestamp>,
}

impl Prune {
    /// One step; does nothing between rounds.
    pub fn step(&mut self, db: &Connection, config: &StorageConfig, now: Timestamp) -> rusqlite::Result<()> {
        let Some(done) = self.done else {
            let rested = self.last_round.is_none_or(|at| now.duration_since(at).unsigned_abs() >= ROUND_EVERY);
            if rested {
                self.begin(db, config, now)?;
            }
            return Ok(());
        };
        let ids: Vec<i64> = db
            .prepare_cached("SELECT id FROM series WHERE id > ?1 ORDER BY id LIMIT ?2")?
            .query_map([done, SERIES_PER_STEP], |r| r.get(0))?
            .collect::<Result<_, _>>()?;
        let Some(last) = ids.last().copied() else {
            self.done = None;
            db.execute_batch(&format!("PRAGMA incremental_vacuum({PAGES_PER_STEP})"))?;
            return Ok(());
        };
        let step = db.unchecked_transaction()?;
        for id in ids {
            step.prepare_cached("DELETE FROM samples WHERE series = ?1 AND at_ms < ?2")?
                .execute([id, self.cutoff_ms])?;
            // A series without samples would cost its index something for ever.
            step.prepare_cached(
                "DELETE FROM series WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM samples WHERE series = ?1)",
            )?
            .execute([id])?;
        }
        step.commit()?;
        self.done = Some(last);
        Ok(())
    }

    /// True when a round has removed series, whose remembered ids must be forgotten.
    pub fn is_under_way(&self) -> bool {
        self.done.is_some()
    }

    fn begin(&mut self, db: &Connection, config: &StorageConfig, now: Timestamp) -> rusqlite::Result<()> {
        self.last_round = Some(now);
        let before = |kept: Duration| now.as_millisecond() - i64::try_from(kept.as_millis()).unwrap_or(i64::MAX);
        self.cutoff_ms = before(config.retention);
        if used_bytes(db)? > config.max_size {
            self.cutoff_ms = self.cutoff_ms.max(oldest_share(db, now)?);
        }
        self.done = Some(0);
        let story_us = before(STORY_KEPT).saturating_mul(1_000);
        db.execute("DELETE FROM verdict_changes WHERE at_us < ?1", [story_us])?;
        db.execute("DELETE FROM deliveries WHERE at_us < ?1", [story_us])?;
        db.execute("DELETE FROM incidents WHERE resolved_us < ?1", [story_us])?;
        Ok(())
    }
}

/// Bytes in use in the file, without pages that wait to be given back.
fn used_bytes(db: &Connection) -> rusqlite::Result<u64> {
    let get = |pragma: &str| db.query_row(&format!("PRAGMA {pragma}"), [], |r| r.get::<_, i64>(0));
    let pages = get("page_count")? - get("freelist_count")?;
    Ok(u64::try_from(pages * get("page_size")?).unwrap_or(0))
}

/// The time before which a twentieth of the span of all samples lies.
fn oldest_share(db: &Connection, now: Timestamp) -> rusqlite::Result<i64> {
    let oldest: Option<i64> = db
        .query_row(
            "SELECT min(first) FROM (SELECT (SELECT min(at_ms) FROM samples WHERE series = id) AS first FROM series)",
            params![],
            |r| r.get(0),
        )
        .optional()?
        .flatten();
    let oldest = oldest.unwrap_or_else(|| now.as_millisecond());
    Ok(oldest + (now.as_millisecond() - oldest) / SHARE)
}

//! Housekeeping of the history: packing what is recent, joining small windows into larger ones, rolling up and removing
//! what is old, giving pages back to the file system. In steps of some milliseconds, so that the writer never stalls; a
//! probe waits for none of it anyway.
//!
//! Every step is a transaction of its own and may be repeated: a crash between two loses and doubles nothing.

mod ended_incidents;
mod legacy;
mod retain;

use std::{
    sync::RwLock,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use rusqlite::Connection;

use self::retain::Retain;
use super::{
    StorageConfig, audit,
    head::{Head, read_lock, write_lock},
    meta::{number, set_number},
    recorded,
    spans::{Content, SAMPLES, SLOT_MS, Spans, windows},
};

/// A step goes on for so long; a commit of an incident may have to wait for it.
const STEP: Duration = Duration::from_millis(40);
/// A window is packed this long after its end: samples bear the time at which their probe began.
const GRACE_MS: i64 = 2 * 60_000;
/// Samples looked at under one lock of the head.
const SAMPLES_AT_ONCE: usize = 50_000;
/// Windows are joined into these, one after the other.
const LEVELS: [(&str, i64); 2] = [("joined_4h", 4 * 3_600_000), ("joined_1d", 86_400_000)];
/// Free pages (4 KiB) below which giving back is not worth a write.
const PAGES_SPARE: i64 = 512;
/// Pages given back to the file system in one step.
const PAGES_PER_STEP: i64 = 256;

/// Holds what a step works with.
pub struct HousekeepingContext<'a> {
    /// The file.
    pub db: &'a mut Connection,
    /// Recent samples and the index.
    pub head: &'a RwLock<Head>,
    /// Limits.
    pub config: &'a StorageConfig,
    /// Wall time.
    pub now: Timestamp,
}

#[derive(Debug)]
enum Job {
    /// Looks for something to do.
    Rest,
    /// Packs samples before the boundary; batches up to the id are then not needed.
    /// `some`: the round has found something to pack.
    Pack { boundary_ms: i64, after: i64, batch: i64, some: bool },
    /// Joins the windows between two times into those of a level.
    Join { level: usize, from_ms: i64, boundary_ms: i64, after: i64 },
    /// Removes incidents and verdicts of long ago.
    EndedIncidents,
    /// Removes old lines of the audit log.
    Audit,
    /// Removes what the flight recorder saw long ago.
    Recorded,
    /// Rolls up and removes.
    Retain(Retain),
    /// Takes over samples as an older dogwatch kept them.
    Legacy,
}

/// Does the housekeeping step by step.
#[derive(Debug)]
pub struct Housekeeping {
    job: Job,
    spans: Spans,
    retained_at: Option<Timestamp>,
    /// The oldest sample that is not rolled up, as the last round of retention found it.
    oldest_ms: Option<i64>,
    legacy_done: bool,
    forgotten: u64,
    audit_forgotten: u64,
}

impl Default for Housekeeping {
    fn default() -> Self {
        Self {
            job: Job::Rest,
            spans: Spans::default(),
            retained_at: None,
            oldest_ms: None,
            legacy_done: false,
            forgotten: 0,
            audit_forgotten: 0,
        }
    }
}

impl Housekeeping {
    /// Takes one step. Returns true where there is more to do at once.
    pub fn step(&mut self, context: &mut HousekeepingContext<'_>) -> rusqlite::Result<bool> {
        let worked = match std::mem::replace(&mut self.job, Job::Rest) {
            Job::Rest => self.choose(context),
            Job::Pack { boundary_ms, after, batch, some } => self.pack(context, (boundary_ms, batch), after, some),
            Job::Join { level, from_ms, boundary_ms, after } => self.join(context, level, from_ms, boundary_ms, after),
            Job::EndedIncidents => self.remove_ended_incidents(context),
            Job::Audit => self.remove_audit(context),
            Job::Recorded => self.remove_recorded(context),
            Job::Retain(round) => self.retain(context, round),
            Job::Legacy => self.take_over(context),
        };
        if worked.is_err() {
            // What the transaction wrote is not there, and the job begins anew.
            self.spans.forget();
            self.job = Job::Rest;
        }
        worked
    }

    /// Returns how many blocks of history were found damaged since the last call.
    pub fn damaged(&mut self) -> u64 {
        std::mem::take(&mut self.spans.damaged)
    }

    /// Returns how many incidents went for their number alone since the last call.
    pub fn forgotten(&mut self) -> u64 {
        std::mem::take(&mut self.forgotten)
    }

    /// Returns how many lines of the audit log went for their number alone since the last call.
    pub fn audit_forgotten(&mut self) -> u64 {
        std::mem::take(&mut self.audit_forgotten)
    }

    fn choose(&mut self, context: &mut HousekeepingContext<'_>) -> rusqlite::Result<bool> {
        self.spans.forget();
        let now_ms = context.now.as_millisecond();
        if !self.legacy_done {
            self.job = Job::Legacy;
            return Ok(true);
        }
        let boundary_ms = floor(now_ms - GRACE_MS, SLOT_MS);
        if read_lock(context.head).bounds().is_some_and(|(oldest, _)| oldest < boundary_ms) {
            let newest = "SELECT coalesce(max(id), 0) FROM batches";
            let batch = context.db.query_row(newest, [], |r| r.get(0))?;
            self.job = Job::Pack { boundary_ms, after: 0, batch, some: false };
            return Ok(true);
        }
        for (level, (key, window_ms)) in LEVELS.iter().enumerate() {
            let boundary_ms = floor(now_ms - GRACE_MS, *window_ms);
            let done = number(context.db, key)?.unwrap_or(0);
            if boundary_ms > done {
                self.job = Job::Join { level, from_ms: done, boundary_ms, after: 0 };
                return Ok(true);
            }
        }
        if Retain::is_due(self.retained_at, context.now) {
            self.retained_at = Some(context.now);
            self.job = Job::EndedIncidents;
            return Ok(true);
        }
        give_back(context.db)
    }

    fn pack(
        &mut self,
        context: &mut HousekeepingContext<'_>,
        (boundary_ms, batch): (i64, i64),
        mut after: i64,
        some: bool,
    ) -> rusqlite::Result<bool> {
        let begun = Instant::now();
        let t = context.db.transaction()?;
        let mut done = Vec::new();
        let mut ended = false;
        while begun.elapsed() < STEP && !ended {
            let left = read_lock(context.head).before(boundary_ms, after, SAMPLES_AT_ONCE);
            ended = left.is_empty();
            for (series, points) in left {
                after = series;
                // Its label set comes with its first batch: before that, spans would be another series' after a kill.
                if !bound(&t, series, &points.at_ms)? {
                    continue;
                }
                self.spans.put(&t, SAMPLES, series, SLOT_MS, Content::Samples(points.clone()))?;
                done.push((series, points));
                if begun.elapsed() >= STEP {
                    break;
                }
            }
        }
        self.spans.settle(&t)?;
        if ended {
            // Every sample of these batches was in memory when the round began, and is packed now.
            t.execute("DELETE FROM batches WHERE id <= ?1 AND to_ms < ?2", [batch, boundary_ms])?;
        }
        t.commit()?;
        for done in done.chunks(256) {
            let mut head = write_lock(context.head);
            done.iter().for_each(|(series, points)| head.packed(*series, points));
        }
        if ended {
            write_lock(context.head).tidy();
        }
        let some = some || !done.is_empty();
        if !ended {
            self.job = Job::Pack { boundary_ms, after, batch, some };
        }
        // Where all that is left waits for its first batch, so does the next round.
        Ok(some || !ended)
    }

    fn join(
        &mut self,
        context: &mut HousekeepingContext<'_>,
        level: usize,
        from_ms: i64,
        boundary_ms: i64,
        mut after: i64,
    ) -> rusqlite::Result<bool> {
        let (key, window_ms) = LEVELS[level];
        let begun = Instant::now();
        let t = context.db.transaction()?;
        let mut ended = false;
        while begun.elapsed() < STEP && !ended {
            let some: Vec<i64> = read_lock(context.head).index().after(after).map(|(id, _)| id).take(64).collect();
            ended = some.is_empty();
            for series in some {
                after = series;
                let begins = windows(&t, SAMPLES, series, from_ms, boundary_ms - 1)?;
                for same in begins.chunk_by(|a, b| floor(*a, window_ms) == floor(*b, window_ms)) {
                    if let [first, _, ..] = same {
                        self.spans.merge(&t, SAMPLES, series, floor(*first, window_ms), window_ms, None)?;
                    }
                }
                if begun.elapsed() >= STEP {
                    break;
                }
            }
        }
        self.spans.settle(&t)?;
        if ended {
            set_number(&t, key, boundary_ms)?;
        }
        t.commit()?;
        if !ended {
            self.job = Job::Join { level, from_ms, boundary_ms, after };
        }
        Ok(true)
    }

    fn remove_ended_incidents(&mut self, context: &mut HousekeepingContext<'_>) -> rusqlite::Result<bool> {
        let (ended, beyond) = ended_incidents::step(context, STEP)?;
        self.forgotten += beyond;
        self.job = if ended { Job::Audit } else { Job::EndedIncidents };
        Ok(true)
    }

    fn remove_audit(&mut self, context: &mut HousekeepingContext<'_>) -> rusqlite::Result<bool> {
        let t = context.db.transaction()?;
        let (gone, beyond) = audit::forget(&t, context.now, context.config.retention_audit)?;
        t.commit()?;
        self.audit_forgotten += beyond;
        self.job = if gone > 0 { Job::Audit } else { Job::Recorded };
        Ok(true)
    }

    fn remove_recorded(&mut self, context: &mut HousekeepingContext<'_>) -> rusqlite::Result<bool> {
        let t = context.db.transaction()?;
        let gone = recorded::forget(&t, context.now, context.config.retention)?;
        t.commit()?;
        self.job = if gone > 0 { Job::Recorded } else { Job::Retain(Retain::begin(context, self.oldest_ms)?) };
        Ok(true)
    }

    fn retain(&mut self, context: &mut HousekeepingContext<'_>, mut round: Retain) -> rusqlite::Result<bool> {
        if round.step(context, &mut self.spans, STEP)? {
            self.oldest_ms = round.oldest_ms();
        } else {
            self.job = Job::Retain(round);
        }
        Ok(true)
    }

    fn take_over(&mut self, context: &mut HousekeepingContext<'_>) -> rusqlite::Result<bool> {
        self.legacy_done = legacy::step(context, &mut self.spans, STEP)?;
        Ok(true)
    }
}

/// Stores the bounds of what is packed of a series. Returns false where the file does not know the series.
pub fn bound(db: &Connection, series: i64, at_ms: &[i64]) -> rusqlite::Result<bool> {
    let (Some(first), Some(last)) = (at_ms.first(), at_ms.last()) else { return Ok(false) };
    db.prepare_cached("UPDATE label_sets SET first_ms = min(first_ms, ?2), last_ms = max(last_ms, ?3) WHERE id = ?1")?
        .execute([series, *first, *last])
        .map(|changed| changed > 0)
}

fn floor(at_ms: i64, window_ms: i64) -> i64 {
    at_ms - at_ms.rem_euclid(window_ms)
}

/// Gives free pages back to the file system. True where there are more.
fn give_back(db: &Connection) -> rusqlite::Result<bool> {
    let free: i64 = db.query_row("PRAGMA freelist_count", [], |r| r.get(0))?;
    if free > PAGES_SPARE {
        db.execute_batch(&format!("PRAGMA incremental_vacuum({PAGES_PER_STEP})"))?;
    }
    Ok(free > PAGES_SPARE + PAGES_PER_STEP)
}

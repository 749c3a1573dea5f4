//! Retention of samples: they are rolled up to 5 minutes, these to an hour, and these go; by age, and by size where the file
//! grows past its limit.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::{Connection, Transaction};

use super::{Content, HousekeepingContext, Spans};
use crate::store::{
    head::{read_lock, write_lock},
    meta::{ROLLED_UNTIL, number, set_number},
    spans::{FIVE_MINUTES, HOURS, Row, SAMPLES, Tier, first_window, rows},
};

/// A round begins this often.
const ROUND_EVERY: Duration = Duration::from_secs(600);
/// Too large a file loses this share of the time span of its samples in one round, at least a day of it.
const SHARE: i64 = 20;
const DAY_MS: i64 = 86_400_000;

/// A round over all series.
#[derive(Debug)]
pub struct Retain {
    /// Samples, 5-minute and 1-hour rollups that end before these go.
    cutoffs_ms: [i64; 3],
    after: i64,
    oldest_ms: Option<i64>,
    rolled_until: Option<i64>,
}

impl Retain {
    /// Returns whether it is time for one.
    pub fn is_due(last: Option<Timestamp>, now: Timestamp) -> bool {
        last.is_none_or(|at| now.duration_since(at).unsigned_abs() >= ROUND_EVERY)
    }

    /// Decides what goes; `oldest_ms` is what the last round found, `None` before the first one.
    pub fn begin(context: &mut HousekeepingContext<'_>, oldest_ms: Option<i64>) -> rusqlite::Result<Self> {
        let now_ms = context.now.as_millisecond();
        let before = |kept: Duration| now_ms.saturating_sub(i64::try_from(kept.as_millis()).unwrap_or(i64::MAX));
        let c = context.config;
        let mut cutoffs_ms = [before(c.retention), before(c.retention_5m), before(c.retention_1h)];
        // Before the first round it is not known what is the oldest: that round looks.
        if let Some(oldest) = oldest_ms
            && used_bytes(context.db)? > c.max_size
        {
            tighten_cutoffs(&mut cutoffs_ms, oldest, now_ms);
            tracing::info!(max_size = c.max_size, "history is larger than storage.max_size: the oldest goes");
        }
        let rolled_until = number(context.db, ROLLED_UNTIL)?;
        Ok(Self { cutoffs_ms, after: 0, oldest_ms: None, rolled_until })
    }

    /// Returns the oldest sample that is not rolled up, once the round has ended.
    pub fn oldest_ms(&self) -> Option<i64> {
        self.oldest_ms
    }

    /// Handles some series. Returns true at the end of the round.
    pub fn step(
        &mut self,
        context: &mut HousekeepingContext<'_>,
        spans: &mut Spans,
        limit: Duration,
    ) -> rusqlite::Result<bool> {
        let begun = Instant::now();
        let t = context.db.transaction()?;
        let (mut empty, mut later) = (Vec::new(), Vec::new());
        let mut ended = false;
        while begun.elapsed() < limit && !ended {
            let some: Vec<i64> = read_lock(context.head).index().after(self.after).map(|(id, _)| id).take(64).collect();
            ended = some.is_empty();
            for series in some {
                self.after = series;
                let bounds = read_lock(context.head).packed_bounds(series).unwrap_or((i64::MAX, i64::MIN));
                match self.series(&t, spans, series, bounds)? {
                    None => empty.push(series),
                    Some(begin) if begin > bounds.0 => later.push((series, begin)),
                    Some(_) => {}
                }
                if begun.elapsed() >= limit {
                    break;
                }
            }
        }
        spans.settle(&t)?;
        if let Some(until) = self.rolled_until {
            set_number(&t, ROLLED_UNTIL, until)?;
        }
        let gone = {
            let mut head = write_lock(context.head);
            head.rolled_until = self.rolled_until;
            empty.into_iter().filter(|series| head.emptied(*series)).collect::<Vec<i64>>()
        };
        for series in gone {
            // Should this not be committed, a set without samples comes back at the next start and goes again.
            t.prepare_cached("DELETE FROM label_sets WHERE id = ?1")?.execute([series])?;
        }
        for (series, begin) in &later {
            t.prepare_cached("UPDATE label_sets SET first_ms = ?2 WHERE id = ?1")?.execute([series, begin])?;
        }
        t.commit()?;
        let mut head = write_lock(context.head);
        later.into_iter().for_each(|(series, begin)| head.begins(series, begin));
        Ok(ended)
    }

    /// One series; when what is left of it in the file begins, `None` where nothing is.
    fn series(
        &mut self,
        t: &Transaction<'_>,
        spans: &mut Spans,
        series: i64,
        (first, last): (i64, i64),
    ) -> rusqlite::Result<Option<i64>> {
        if first > last {
            return Ok(None);
        }
        let [samples, five, hour] = self.cutoffs_ms;
        if first < samples {
            for row in ended_before(t, SAMPLES, series, samples)? {
                if let Ok(Content::Samples(points)) = spans.content(t, SAMPLES, &row)? {
                    let rolled =
                        crate::pack::Rolled::of_samples(&points.at_ms, &points.values, FIVE_MINUTES.resolution_ms);
                    self.rolled_until = self.rolled_until.max(rolled.at_ms.last().copied());
                    spans.put(t, FIVE_MINUTES, series, FIVE_MINUTES.window_ms, Content::Rolled(rolled))?;
                }
                spans.remove(t, SAMPLES, &row)?;
            }
        }
        if first < five {
            for row in ended_before(t, FIVE_MINUTES, series, five)? {
                if let Ok(Content::Rolled(rolled)) = spans.content(t, FIVE_MINUTES, &row)? {
                    let rolled = Content::Rolled(rolled.coarser(HOURS.resolution_ms));
                    spans.put(t, HOURS, series, HOURS.window_ms, rolled)?;
                }
                spans.remove(t, FIVE_MINUTES, &row)?;
            }
        }
        if first < hour {
            for row in ended_before(t, HOURS, series, hour)? {
                spans.remove(t, HOURS, &row)?;
            }
        }
        let oldest = first_window(t, SAMPLES, series)?;
        self.oldest_ms = [self.oldest_ms, oldest].into_iter().flatten().min();
        let rolled = [first_window(t, FIVE_MINUTES, series)?, first_window(t, HOURS, series)?];
        Ok(rolled.into_iter().chain([oldest]).flatten().min())
    }
}

/// Moves the cutoffs so that something goes: samples first, and where they are no longer than two days, rollups.
fn tighten_cutoffs(cutoffs_ms: &mut [i64; 3], oldest: i64, now_ms: i64) {
    let step = ((now_ms - oldest) / SHARE).max(DAY_MS);
    if now_ms - oldest > 2 * DAY_MS {
        cutoffs_ms[0] = cutoffs_ms[0].max(oldest + step + DAY_MS);
        return;
    }
    // The whole span that rollups may have, a twentieth at a time.
    for cutoff in &mut cutoffs_ms[1..] {
        *cutoff += ((now_ms - *cutoff) / SHARE).max(DAY_MS);
    }
}

/// Rows that end before a time, oldest first.
fn ended_before(t: &Connection, tier: Tier, series: i64, cutoff_ms: i64) -> rusqlite::Result<Vec<Row>> {
    let mut found = rows(t, tier, series, 0, cutoff_ms)?;
    found.retain(|row| row.to_ms < cutoff_ms);
    Ok(found)
}

/// Bytes in use in the file, without pages that wait to be given back.
fn used_bytes(db: &Connection) -> rusqlite::Result<u64> {
    let get = |pragma: &str| db.query_row(&format!("PRAGMA {pragma}"), [], |r| r.get::<_, i64>(0));
    let pages = get("page_count")? - get("freelist_count")?;
    Ok(u64::try_from(pages * get("page_size")?).unwrap_or(0))
}

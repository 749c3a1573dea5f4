//! Packed samples in the file: three tables of spans, and the times that they share.
//!
//! A row is one series in one window; putting points where a row is already merges with it, so that doing it twice is as
//! good as once and a sample that comes late finds its place.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use sha2::{Digest, Sha256};

use crate::pack::{Damaged, Points, Rolled, Times, pack_values};

/// The unit in which windows begin: the smallest window.
pub const SLOT_MS: i64 = 30 * 60_000;
const DAY_MS: i64 = 86_400_000;
/// Bits of a row's id that are the slot; enough until the year 2926.
const SLOT_BITS: u32 = 24;

/// Names one of the tables of packed series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    table: &'static str,
    /// What a point stands for, milliseconds; 0: a sample.
    pub resolution_ms: i64,
    /// Its largest window.
    pub window_ms: i64,
}

/// Samples.
pub const SAMPLES: Tier = Tier { table: "spans", resolution_ms: 0, window_ms: DAY_MS };
/// Rolled up to 5 minutes.
pub const FIVE_MINUTES: Tier = Tier { table: "spans_5m", resolution_ms: 300_000, window_ms: 4 * DAY_MS };
/// Rolled up to an hour.
pub const HOURS: Tier = Tier { table: "spans_1h", resolution_ms: 3_600_000, window_ms: 32 * DAY_MS };

/// The row of a series whose window begins at a time.
fn row_id(series: i64, at_ms: i64) -> i64 {
    (series << SLOT_BITS) | (at_ms / SLOT_MS).clamp(0, (1 << SLOT_BITS) - 1)
}

/// When the window of a row begins.
fn begin_ms(row: i64) -> i64 {
    (row & ((1 << SLOT_BITS) - 1)) * SLOT_MS
}

/// Returns the highest id of a series that has rows.
pub fn newest_series(db: &Connection) -> rusqlite::Result<Option<i64>> {
    let newest = "SELECT max(id) FROM (SELECT max(id) AS id FROM spans UNION ALL SELECT max(id) FROM spans_5m \
                  UNION ALL SELECT max(id) FROM spans_1h)";
    Ok(db.query_row(newest, [], |r| r.get::<_, Option<i64>>(0))?.map(|row| row >> SLOT_BITS))
}

/// Holds a row as read.
#[derive(Debug)]
pub struct Row {
    /// Its id.
    pub id: i64,
    /// Beginning of its window: not after its first point.
    pub from_ms: i64,
    /// Its last point.
    pub to_ms: i64,
    /// Where its times are.
    pub times: i64,
}

/// Returns the rows of a series that may have points in `[from, to]`, oldest first.
pub fn rows(db: &Connection, tier: Tier, series: i64, from_ms: i64, to_ms: i64) -> rusqlite::Result<Vec<Row>> {
    let first = row_id(series, from_ms.max(0) - from_ms.max(0) % tier.window_ms);
    let last = row_id(series, to_ms.max(0));
    let mut statement = db.prepare_cached(select(tier))?;
    let rows = statement.query_map([first, last], |r| {
        let id: i64 = r.get(0)?;
        let from_ms = begin_ms(id);
        Ok(Row { id, from_ms, to_ms: from_ms + r.get::<_, i64>(1)?, times: r.get(2)? })
    })?;
    rows.filter(|row| row.as_ref().map_or(true, |r| r.to_ms >= from_ms)).collect()
}

fn select(tier: Tier) -> &'static str {
    match tier.resolution_ms {
        0 => "SELECT id, length, times FROM spans WHERE id BETWEEN ?1 AND ?2",
        300_000 => "SELECT id, length, times FROM spans_5m WHERE id BETWEEN ?1 AND ?2",
        _ => "SELECT id, length, times FROM spans_1h WHERE id BETWEEN ?1 AND ?2",
    }
}

/// Returns the windows (their beginnings) of a series between two times, without their content.
pub fn windows(db: &Connection, tier: Tier, series: i64, from_ms: i64, to_ms: i64) -> rusqlite::Result<Vec<i64>> {
    let sql = match tier.resolution_ms {
        0 => "SELECT id FROM spans WHERE id BETWEEN ?1 AND ?2",
        300_000 => "SELECT id FROM spans_5m WHERE id BETWEEN ?1 AND ?2",
        _ => "SELECT id FROM spans_1h WHERE id BETWEEN ?1 AND ?2",
    };
    let mut statement = db.prepare_cached(sql)?;
    let ids = statement.query_map([row_id(series, from_ms.max(0)), row_id(series, to_ms.max(0))], |r| r.get(0))?;
    ids.map(|id| id.map(begin_ms)).collect()
}

/// Returns the packed values of a row.
pub fn packed(db: &Connection, tier: Tier, id: i64) -> rusqlite::Result<Option<Vec<u8>>> {
    let sql = match tier.resolution_ms {
        0 => "SELECT packed FROM spans WHERE id = ?1",
        300_000 => "SELECT packed FROM spans_5m WHERE id = ?1",
        _ => "SELECT packed FROM spans_1h WHERE id = ?1",
    };
    db.prepare_cached(sql)?.query_row([id], |r| r.get(0)).optional()
}

/// Returns the packed times that rows share.
pub fn times(db: &Connection, id: i64) -> rusqlite::Result<Option<Vec<u8>>> {
    db.prepare_cached("SELECT packed FROM times WHERE id = ?1")?.query_row([id], |r| r.get(0)).optional()
}

/// Holds the points of a window.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Samples.
    Samples(Points),
    /// Buckets.
    Rolled(Rolled),
}

impl Content {
    fn at_ms(&self) -> &[i64] {
        match self {
            Content::Samples(points) => &points.at_ms,
            Content::Rolled(rolled) => &rolled.at_ms,
        }
    }

    fn pack(&self) -> Vec<u8> {
        match self {
            Content::Samples(points) => pack_values(&points.values),
            Content::Rolled(rolled) => rolled.pack(),
        }
    }

    /// Both together. Of samples at one millisecond those of `self` stay; of buckets all samples count.
    fn with(self, other: Content, tier: Tier) -> Content {
        match (self, other) {
            (Content::Rolled(a), Content::Rolled(b)) => Content::Rolled(a.with(&b, tier.resolution_ms)),
            (Content::Samples(a), Content::Samples(b)) => Content::Samples(a.with(&b)),
            (content, _) => content,
        }
    }
}

/// Changes the tables inside transactions; remembers which times it has written, so that they are shared.
#[derive(Debug, Default)]
pub struct Spans {
    known: HashMap<[u8; 32], i64>,
    hashes: HashMap<i64, [u8; 32]>,
    /// Changes to the counts of references, not yet written.
    refs: HashMap<i64, i64>,
    /// Rows that could not be read and were removed, since the last look.
    pub damaged: u64,
}

impl Spans {
    /// Forgets what was written, since none of it is sure to be in the file: the transaction failed, or a new round begins.
    pub fn forget(&mut self) {
        *self = Self { damaged: self.damaged, ..Self::default() };
    }

    /// Puts points (in time order) into the windows of `window_ms`, merging with what is there.
    pub fn put(
        &mut self,
        t: &Transaction<'_>,
        tier: Tier,
        series: i64,
        window_ms: i64,
        content: Content,
    ) -> rusqlite::Result<()> {
        for part in split(content, window_ms) {
            let Some(first) = part.at_ms().first().copied() else { continue };
            let begin = first - first.rem_euclid(window_ms);
            self.merge(t, tier, series, begin, window_ms, Some(part))?;
        }
        Ok(())
    }

    /// Merges into one row all rows in a window, with `more` in it.
    pub fn merge(
        &mut self,
        t: &Transaction<'_>,
        tier: Tier,
        series: i64,
        begin: i64,
        window_ms: i64,
        more: Option<Content>,
    ) -> rusqlite::Result<()> {
        let old = rows(t, tier, series, begin, begin + window_ms - 1)?;
        // A larger window may have been made of this time already: it is the one then.
        let begin = old.first().map_or(begin, |row| begin.min(row.from_ms));
        let mut content: Option<Content> = None;
        for row in &old {
            match self.content(t, tier, row)? {
                Ok(part) => {
                    content = Some(match content {
                        Some(before) => before.with(part, tier),
                        None => part,
                    });
                }
                Err(damaged) => {
                    tracing::error!(series, table = tier.table, %damaged, "a block of history is damaged and left out");
                    self.damaged += 1;
                }
            }
            self.remove(t, tier, row)?;
        }
        content = match (content, more) {
            (Some(old), Some(more)) => Some(old.with(more, tier)),
            (old, more) => old.or(more),
        };
        content.map_or(Ok(()), |content| self.insert(t, tier, row_id(series, begin), &content))
    }

    /// Returns what a row holds.
    pub fn content(&self, t: &Connection, tier: Tier, row: &Row) -> rusqlite::Result<Result<Content, Damaged>> {
        let Some(bytes) = times(t, row.times)? else { return Ok(Err(Damaged("its times are missing".into()))) };
        let Some(values) = packed(t, tier, row.id)? else { return Ok(Err(Damaged("its values are missing".into()))) };
        Ok(unpack(tier, &Times::packed(bytes), &values))
    }

    /// Removes a row.
    pub fn remove(&mut self, t: &Transaction<'_>, tier: Tier, row: &Row) -> rusqlite::Result<()> {
        let sql = match tier.resolution_ms {
            0 => "DELETE FROM spans WHERE id = ?1",
            300_000 => "DELETE FROM spans_5m WHERE id = ?1",
            _ => "DELETE FROM spans_1h WHERE id = ?1",
        };
        t.prepare_cached(sql)?.execute([row.id])?;
        *self.refs.entry(row.times).or_default() -= 1;
        Ok(())
    }

    fn insert(&mut self, t: &Transaction<'_>, tier: Tier, id: i64, content: &Content) -> rusqlite::Result<()> {
        let Some(last) = content.at_ms().last() else { return Ok(()) };
        let times = self.intern(t, content.at_ms())?;
        let sql = match tier.resolution_ms {
            0 => "INSERT OR REPLACE INTO spans VALUES (?1, ?2, ?3, ?4)",
            300_000 => "INSERT OR REPLACE INTO spans_5m VALUES (?1, ?2, ?3, ?4)",
            _ => "INSERT OR REPLACE INTO spans_1h VALUES (?1, ?2, ?3, ?4)",
        };
        t.prepare_cached(sql)?.execute(params![id, last - begin_ms(id), times, content.pack()])?;
        *self.refs.entry(times).or_default() += 1;
        Ok(())
    }

    fn intern(&mut self, t: &Transaction<'_>, at_ms: &[i64]) -> rusqlite::Result<i64> {
        let mut hash = Sha256::new();
        at_ms.iter().for_each(|at| hash.update(at.to_le_bytes()));
        let hash: [u8; 32] = hash.finalize().into();
        if let Some(id) = self.known.get(&hash) {
            return Ok(*id);
        }
        t.prepare_cached("INSERT INTO times (refs, packed) VALUES (0, ?1)")?.execute([Times::pack(at_ms)])?;
        let id = t.last_insert_rowid();
        self.known.insert(hash, id);
        self.hashes.insert(id, hash);
        Ok(id)
    }

    /// Writes the counts of references; times that nothing points to go. The last thing in a transaction.
    pub fn settle(&mut self, t: &Transaction<'_>) -> rusqlite::Result<()> {
        for (id, change) in std::mem::take(&mut self.refs) {
            t.prepare_cached("UPDATE times SET refs = refs + ?2 WHERE id = ?1")?.execute([id, change])?;
            let gone =
                change <= 0 && t.prepare_cached("DELETE FROM times WHERE id = ?1 AND refs <= 0")?.execute([id])? > 0;
            if gone && let Some(hash) = self.hashes.remove(&id) {
                self.known.remove(&hash);
            }
        }
        Ok(())
    }
}

fn unpack(tier: Tier, times: &std::sync::Arc<Times>, packed: &[u8]) -> Result<Content, Damaged> {
    if tier.resolution_ms > 0 {
        return Ok(Content::Rolled(Rolled::unpack(times.plain()?, packed)?));
    }
    let at_ms = times.plain()?.to_vec();
    let mut values = Vec::with_capacity(at_ms.len());
    crate::pack::unpack_values(packed, at_ms.len(), &mut values)?;
    Ok(Content::Samples(Points { at_ms, values, ..Points::default() }))
}

/// The parts of a content by window.
fn split(content: Content, window_ms: i64) -> Vec<Content> {
    let at_ms = content.at_ms();
    let mut cuts = vec![0];
    cuts.extend((1..at_ms.len()).filter(|i| at_ms[*i].div_euclid(window_ms) != at_ms[*i - 1].div_euclid(window_ms)));
    cuts.push(at_ms.len());
    if cuts.len() <= 2 {
        return vec![content];
    }
    let part = |w: &[usize]| match &content {
        Content::Samples(p) => Content::Samples(p.part(w[0]..w[1])),
        Content::Rolled(r) => Content::Rolled(r.part(w[0]..w[1])),
    };
    cuts.windows(2).map(part).collect()
}

/// Returns when a series' first window of a tier begins.
pub fn first_window(db: &Connection, tier: Tier, series: i64) -> rusqlite::Result<Option<i64>> {
    let sql = match tier.resolution_ms {
        0 => "SELECT id FROM spans WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT 1",
        300_000 => "SELECT id FROM spans_5m WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT 1",
        _ => "SELECT id FROM spans_1h WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT 1",
    };
    let ids = [row_id(series, 0), row_id(series, i64::MAX)];
    Ok(db.prepare_cached(sql)?.query_row(ids, |r| r.get::<_, i64>(0)).optional()?.map(begin_ms))
}

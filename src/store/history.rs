//! Reading samples: on connections of its own, beside the writer, which never waits for it.
//!
//! Memory is looked at first and the file second: what is packed in between is then seen twice, never missed.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError, RwLock},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};

use super::{
    StoreError, batch,
    cache::Cache,
    head::{self, Head, read_lock},
    meta::{ROLLED_UNTIL, number},
    spans::{self, FIVE_MINUTES, HOURS, SAMPLES, Tier},
};
use crate::{
    model::{Labels, Matcher},
    pack::{Packed, Points, Span, Values, Want},
};

/// Connections that are kept for the next reader.
const KEPT: usize = 8;
/// Series from which on two threads read: below it, starting one costs more.
const WIDE: usize = 256;
/// Another process may hold the file for so long.
const BUSY: Duration = Duration::from_secs(2);

/// Picks every `count`th series by its id: those whose id modulo `count` is `index`. For `remote`.
#[derive(Clone, Copy, Debug)]
pub struct Shard {
    /// From 0.
    pub index: i64,
    /// How many shards there are.
    pub count: i64,
}

impl Shard {
    /// Returns whether a series is of this shard.
    pub fn has(self, series: i64) -> bool {
        series.rem_euclid(self.count.max(1)) == self.index
    }
}

/// Holds read-only connections to the file, and what was read through them lately.
#[derive(Debug)]
pub struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    cache: Cache,
}

impl Readers {
    /// Returns readers of a file that need not be there yet.
    pub fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::default(), cache: Cache::default() }
    }

    /// Runs a query. A connection that failed is not used again: the file may have been replaced.
    pub fn with<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle().pop();
        let run = || {
            let db = match kept {
                Some(db) => db,
                None => open(&self.path)?,
            };
            query(&db).map(|value| (db, value))
        };
        match run() {
            Ok((db, value)) => {
                let mut idle = idle();
                if idle.len() < KEPT {
                    idle.push(db);
                }
                Ok(value)
            }
            Err(error) => {
                idle().clear();
                Err(StoreError { message: format!("{} can't be read: {error}", self.path.display()) })
            }
        }
    }

    /// Forgets all connections: the file is another one now.
    pub fn forget(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.cache.clear();
    }
}

fn open(path: &std::path::Path) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(BUSY)?;
    db.set_prepared_statement_cache_capacity(16);
    Ok(db)
}

/// Loads the head from the file: the index, and what is not packed yet. All of one moment: another process may be packing.
pub fn load(db: &Connection) -> rusqlite::Result<Head> {
    let snapshot = db.unchecked_transaction()?;
    let head = load_from(&snapshot)?;
    snapshot.finish()?;
    Ok(head)
}

fn load_from(db: &Connection) -> rusqlite::Result<Head> {
    let mut head = Head::default();
    let mut sets = db.prepare("SELECT id, labels, first_ms, last_ms FROM label_sets ORDER BY id")?;
    let mut sets = sets.query([])?;
    while let Some(set) = sets.next()? {
        let (id, text): (i64, String) = (set.get(0)?, set.get(1)?);
        match serde_json::from_str::<Labels>(&text) {
            Ok(labels) => head.known(id, labels, (set.get(2)?, set.get(3)?)),
            Err(error) => tracing::warn!(id, %error, "a label set of the history can't be read and is left out"),
        }
    }
    let mut batches = db.prepare("SELECT samples FROM batches ORDER BY id")?;
    let mut batches = batches.query([])?;
    while let Some(row) = batches.next()? {
        for (series, at_ms, value) in batch::decode(row.get_ref(0)?.as_blob()?) {
            if head.knows(series) {
                head.put(series, at_ms, value);
            }
        }
    }
    // Older versions could leave rows of a series without its label set: they must not become another's.
    if let Some(series) = spans::newest_series(db)? {
        head.reserve(series);
    }
    head.rolled_until = number(db, ROLLED_UNTIL)?;
    Ok(head)
}

/// What a series weighs without its samples, in bytes.
const SERIES_BYTES: usize = size_of::<Packed>();

/// Asked with the bytes that were read since it was asked last; says whether to read on.
pub type GoOn<'a> = dyn Fn(usize) -> bool + Sync + 'a;

fn told_to_end() -> StoreError {
    StoreError { message: "reading the history was ended".into() }
}

/// Returns series with their samples in a range; see `Store::select_while`.
pub fn read(
    head: &RwLock<Head>,
    readers: &Readers,
    ids: &[i64],
    (from_ms, to_ms): (i64, i64),
    go_on: &GoOn<'_>,
) -> Result<Vec<Packed>, StoreError> {
    let task = Task { head, readers, from_ms, to_ms, go_on };
    if ids.len() < WIDE {
        return task.some(ids);
    }
    let (left, right) = ids.split_at(ids.len() / 2);
    std::thread::scope(|scope| {
        let right = scope.spawn(|| task.some(right));
        let mut all = task.some(left)?;
        let broken = |_| StoreError { message: "reading the history broke off".into() };
        all.append(&mut right.join().map_err(broken)??);
        Ok(all)
    })
}

/// Returns label sets; see `Store::series`.
pub fn label_sets(head: &RwLock<Head>, sets: &[Vec<Matcher>], from_ms: i64, to_ms: i64) -> Vec<Labels> {
    // Who writes waits for one set at the most.
    let mut ids = if sets.is_empty() { head::find(head, &[], from_ms, to_ms) } else { Vec::new() };
    for matchers in sets {
        ids.extend(head::find(head, matchers, from_ms, to_ms));
        ids.sort_unstable();
        ids.dedup();
    }
    read_lock(head).index().sorted(ids.into_iter())
}

struct Task<'a> {
    head: &'a RwLock<Head>,
    readers: &'a Readers,
    from_ms: i64,
    to_ms: i64,
    go_on: &'a GoOn<'a>,
}

impl Task<'_> {
    fn some(&self, ids: &[i64]) -> Result<Vec<Packed>, StoreError> {
        let mut all = Vec::with_capacity(ids.len());
        // The head's writer waits for no more than one such part.
        for part in ids.chunks(WIDE) {
            let head = read_lock(self.head);
            all.extend(part.iter().filter_map(|id| {
                let (labels, recent) = head.read(*id, self.from_ms, self.to_ms)?;
                let packed = head.packed_bounds(*id).is_some_and(|(a, b)| a <= self.to_ms && b >= self.from_ms);
                Some((*id, packed, Packed::plain(labels, recent)))
            }));
            drop(head);
            let read = all.iter().rev().take(part.len()).map(|(_, _, series)| SERIES_BYTES + series.bytes());
            if !(self.go_on)(read.sum()) {
                return Err(told_to_end());
            }
        }
        if all.iter().any(|(_, packed, _)| *packed) {
            let all_read = self.readers.with(|db| {
                // One snapshot: what is joined or rolled up meanwhile is seen as it was.
                let snapshot = db.unchecked_transaction()?;
                // Not from memory: where another process writes, what it has rolled up since is known to the file alone.
                let rolled_until = number(&snapshot, ROLLED_UNTIL)?;
                for (id, _, series) in all.iter_mut().filter(|(_, packed, _)| *packed) {
                    let before = series.bytes();
                    self.spans(&snapshot, *id, rolled_until, series)?;
                    let read = series.spans.len() * size_of::<Span>() + series.bytes().saturating_sub(before);
                    if !(self.go_on)(read) {
                        return Ok(false);
                    }
                }
                snapshot.finish().map(|()| true)
            })?;
            if !all_read {
                return Err(told_to_end());
            }
        }
        Ok(all
            .into_iter()
            .map(|(_, _, series)| series)
            .filter(|s| !s.spans.is_empty() || !s.recent.is_empty())
            .collect())
    }

    fn spans(&self, db: &Connection, id: i64, rolled: Option<i64>, series: &mut Packed) -> rusqlite::Result<()> {
        if rolled.is_some_and(|until| self.from_ms <= until) {
            self.tier(db, HOURS, id, series)?;
            self.tier(db, FIVE_MINUTES, id, series)?;
        }
        self.tier(db, SAMPLES, id, series)?;
        sort_and_merge(series, self.from_ms, self.to_ms);
        Ok(())
    }

    fn tier(&self, db: &Connection, tier: Tier, id: i64, series: &mut Packed) -> rusqlite::Result<()> {
        let cache = &self.readers.cache;
        for row in spans::rows(db, tier, id, self.from_ms, self.to_ms)? {
            let Some(times) = cache.times(row.times, || spans::times(db, row.times))? else { continue };
            // Samples of a row at the same times are the same for ever; buckets may still grow.
            let values = match tier.resolution_ms {
                0 => cache.values((row.id, row.times), || spans::packed(db, tier, row.id))?,
                _ => spans::packed(db, tier, row.id)?.map(Values::packed),
            };
            let Some(values) = values else { continue };
            let (from_ms, to_ms) = (row.from_ms, row.to_ms);
            series.spans.push(Span { from_ms, to_ms, resolution_ms: tier.resolution_ms, times, values });
        }
        Ok(())
    }
}

/// What came late, or was packed between the looks into memory and file, lies twice or out of order: then everything is
/// unpacked once, so that the reader finds plain points in time order.
fn sort_and_merge(series: &mut Packed, from_ms: i64, to_ms: i64) {
    let ordered = series.spans.windows(2).all(|w| w[0].to_ms < w[1].from_ms);
    let newest = series.spans.last().map(|s| s.to_ms);
    if ordered && series.recent.at_ms.first().is_none_or(|first| newest.is_none_or(|newest| newest < *first)) {
        return;
    }
    let mut rolled: Vec<Span> = Vec::new();
    let mut plain = Points::default();
    for span in std::mem::take(&mut series.spans) {
        let alone = Packed { labels: series.labels.clone(), spans: vec![span], recent: Points::default() };
        if alone.spans[0].resolution_ms > 0 {
            // Buckets of different resolutions never overlap: each is made of what the finer one gave up.
            rolled.extend(alone.spans);
            continue;
        }
        let mut points = Points::default();
        match alone.read(Want::Last, from_ms, to_ms, &mut points) {
            Ok(()) => plain = plain.with(&points),
            Err(damaged) => tracing::error!(series = %series.labels, %damaged, "a part of the history is left out"),
        }
    }
    // A sample that came after its bucket was made is left to the bucket's next round.
    let until = rolled.last().map_or(i64::MIN, |s| s.to_ms);
    let all = plain.with(&std::mem::take(&mut series.recent));
    let first = all.at_ms.partition_point(|at| *at <= until);
    series.recent = all.part(first..all.len());
    series.spans = rolled;
}

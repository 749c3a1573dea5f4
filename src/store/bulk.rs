//! Whole series of the past at once, straight into packed windows: for imports, benches and tests that need months.
//!
//! Holds the directory's lock: no dogwatch runs on it meanwhile. Blocks.

use std::{path::PathBuf, sync::RwLock};

use jiff::Timestamp;
use rusqlite::Connection;

use super::{
    StorageConfig, StoreError,
    head::{Head, write_lock},
    history,
    housekeeping::{Housekeeping, HousekeepingContext, bound},
    place::{DirectoryLock, Place},
    problem::{self, Problem},
    schema,
    spans::{Content, SAMPLES, Spans},
};
use crate::{
    model::{Labels, Sample},
    pack::Points,
};

/// Writes series straight into a file that no dogwatch runs on.
#[derive(Debug)]
pub struct Bulk {
    place: Place,
    db: Connection,
    head: RwLock<Head>,
    config: StorageConfig,
    spans: Spans,
    housekeeping: Housekeeping,
    _lock: DirectoryLock,
}

impl Bulk {
    /// Opens or makes `<data_dir>/dogwatch.db`.
    ///
    /// # Errors
    /// When it can't be used, or a dogwatch runs on it.
    pub fn open(data_dir: PathBuf, config: StorageConfig) -> Result<Self, StoreError> {
        let place = Place { dir: data_dir };
        let said = |problem: Problem| StoreError { message: problem.words(&place.database()) };
        let lock = place.lock().map_err(said)?;
        let db = schema::open(&place, Timestamp::now()).map_err(said)?;
        let head = history::load(&db).map_err(|e| said(e.into()))?;
        let (spans, housekeeping) = Default::default();
        Ok(Self { place, db, head: RwLock::new(head), config, spans, housekeeping, _lock: lock })
    }

    /// Puts some series, each with its samples in time order, in one transaction.
    ///
    /// # Errors
    /// When the file can't be written; nothing of it is in the file then.
    pub fn put(&mut self, series: Vec<(Labels, Points)>) -> Result<(), StoreError> {
        let done = Self::write(&mut self.db, &self.head, &mut self.spans, series);
        if done.is_err() {
            self.spans.forget();
        }
        done.map_err(|e| StoreError { message: problem::of(&e).words(&self.place.database()) })
    }

    fn write(
        db: &mut Connection,
        head: &RwLock<Head>,
        spans: &mut Spans,
        series: Vec<(Labels, Points)>,
    ) -> rusqlite::Result<()> {
        let t = db.transaction()?;
        for (labels, points) in series {
            let Some(id) = intern(&t, head, labels, &points)? else { continue };
            bound(&t, id, &points.at_ms)?;
            write_lock(head).packed(id, &points);
            spans.put(&t, SAMPLES, id, SAMPLES.window_ms, Content::Samples(points))?;
        }
        spans.settle(&t)?;
        write_lock(head).tidy();
        t.commit()
    }

    /// Runs all the housekeeping that is due at a time: rolling up, removing, giving back.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn run_housekeeping(&mut self, now: Timestamp) -> Result<(), StoreError> {
        loop {
            let mut context = HousekeepingContext { db: &mut self.db, head: &self.head, config: &self.config, now };
            match self.housekeeping.step(&mut context) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(e) => return Err(StoreError { message: problem::of(&e).words(&self.place.database()) }),
            }
        }
    }

    /// Closes the file; it is one file without a write-ahead log then.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn finish(self) -> Result<(), StoreError> {
        let place = self.place;
        self.db
            .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
            .map_err(|e| StoreError { message: problem::of(&e).words(&place.database()) })
    }
}

/// The id of a label set; a new one goes into the file too. `None` for a series without samples.
fn intern(
    t: &rusqlite::Transaction<'_>,
    head: &RwLock<Head>,
    labels: Labels,
    points: &Points,
) -> rusqlite::Result<Option<i64>> {
    let Some(first) = points.at_ms.first().and_then(|at| Timestamp::from_millisecond(*at).ok()) else {
        return Ok(None);
    };
    let mut head = write_lock(head);
    if let Some(id) = head.index().id(&labels) {
        return Ok(Some(id));
    }
    // Through the door that every series comes in by; its first sample leaves memory again with the others.
    let sample = Sample { labels, at: first, value: points.values.first().copied().unwrap_or_default() };
    let super::head::Taken::In(id, _) = head.insert(&sample, i64::MIN) else { return Ok(None) };
    let text =
        serde_json::to_string(&sample.labels).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))?;
    t.prepare_cached("INSERT OR IGNORE INTO label_sets (id, labels) VALUES (?1, ?2)")?
        .execute(rusqlite::params![id, text])?;
    Ok(Some(id))
}

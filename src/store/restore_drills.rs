//! Restore drills: a row each, for good, save that of one name only so many are kept.

use rusqlite::{Connection, Transaction, params};

use super::{
    Durability, Store, StoreError,
    column::{json, us},
    pending::Op,
    read,
};
use crate::model::RestoreDrill;

/// Drills kept of one name: one a day for years. What reports again and again fills no disk.
pub const KEPT_MAX: i64 = 1_000;

/// Writes one.
pub(super) fn write(t: &Transaction<'_>, drill: &RestoreDrill) -> rusqlite::Result<()> {
    t.prepare_cached("INSERT OR REPLACE INTO restore_drills VALUES (?1, ?2, ?3)")?.execute(params![
        drill.name,
        us(drill.opened_at),
        json(drill)?
    ])?;
    t.prepare_cached(
        "DELETE FROM restore_drills WHERE name = ?1 AND opened_us <= (SELECT opened_us FROM restore_drills
         WHERE name = ?1 ORDER BY opened_us DESC LIMIT 1 OFFSET ?2)",
    )?
    .execute(params![drill.name, KEPT_MAX])?;
    Ok(())
}

/// Reads all, each name's oldest first.
pub(super) fn all(db: &Connection) -> rusqlite::Result<Vec<RestoreDrill>> {
    let mut statement = db.prepare("SELECT drill FROM restore_drills ORDER BY name, opened_us")?;
    let rows = statement.query_map([], |r| r.get::<_, String>(0))?;
    let texts = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(texts.iter().filter_map(|text| read::parse(text, "restore drill")).collect())
}

impl Store {
    /// Keeps a restore drill as it stands. It has its place in the order of writing when this returns; who awaits what is
    /// returned waits like `commit`.
    pub fn commit_restore_drill(&self, drill: RestoreDrill) -> impl Future<Output = Durability> + Send + use<> {
        self.durable(Op::RestoreDrill(Box::new(drill)))
    }

    /// Returns all restore drills, each name's oldest first. Blocks.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn restore_drills(&self) -> Result<Vec<RestoreDrill>, StoreError> {
        self.0.shared.readers.with(all)
    }
}

//! Restore drills: a row each, for good, save that of one name only so many are kept.

use rusqlite::{Transaction, params};

use super::column::{json, us};
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

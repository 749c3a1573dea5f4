//! The key-value table `meta`: facts about the file itself, and what rooms keep in it. Numbers and small texts.

use rusqlite::{Connection, OptionalExtension, params};

/// Up to where (Unix milliseconds) anything is rolled up.
pub const ROLLED_UNTIL: &str = "rolled_until";

/// Returns the number under a key.
pub fn number(db: &Connection, key: &str) -> rusqlite::Result<Option<i64>> {
    let text: Option<String> =
        db.prepare_cached("SELECT value FROM meta WHERE key = ?1")?.query_row([key], |r| r.get(0)).optional()?;
    Ok(text.and_then(|t| t.parse().ok()))
}

/// Stores a number under a key.
pub fn set_number(db: &Connection, key: &str, number: i64) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)")?
        .execute(params![key, number.to_string()])
        .map(drop)
}

/// Returns the small text that a room keeps under a key.
pub fn text(db: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    db.query_row("SELECT value FROM meta WHERE key = ?1", [format!("note/{key}")], |r| r.get(0)).optional()
}

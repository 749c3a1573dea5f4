//! The file: how it is opened, checked and brought to the newest schema.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::{Store, StoreError, history::Readers, place::Place, problem::Problem};
use crate::model::text;

/// `(number, name, SQL)`, in order.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "history", include_str!("../../migrations/0001_history.sql")),
    (2, "packed_samples", include_str!("../../migrations/0002_packed_samples.sql")),
    (3, "alerting", include_str!("../../migrations/0003_alerting.sql")),
    (4, "incident_list", include_str!("../../migrations/0004_incident_list.sql")),
    (5, "story_by_time", include_str!("../../migrations/0005_story_by_time.sql")),
    (6, "target_history", include_str!("../../migrations/0006_target_history.sql")),
    (7, "incident_notes", include_str!("../../migrations/0007_incident_notes.sql")),
    (8, "audit", include_str!("../../migrations/0008_audit.sql")),
    (9, "availability", include_str!("../../migrations/0009_availability.sql")),
    (10, "restore_drills", include_str!("../../migrations/0010_restore_drills.sql")),
    (11, "recorder", include_str!("../../migrations/0011_recorder.sql")),
];

/// "dogw": tells `file(1)` and us whose database it is.
const APPLICATION_ID: i64 = 0x646f_6777;
/// Another process (a backup, sqlite3 by hand) may hold the file for so long before it counts as trouble.
const BUSY: Duration = Duration::from_secs(3);
/// Up to this size a file is checked as a whole at start; a larger one would keep the watchdog from watching.
const CHECK_MAX_BYTES: u64 = 256 << 20;

/// How a database file begins (sqlite.org/fileformat, 1.3).
const HEADER: &[u8] = b"SQLite format 3\0";

/// Looks at a file that was there before this program was. SQLite would fill an empty one without a word.
///
/// # Errors
/// When it has no bytes, or is no database.
pub fn inspect(place: &Place) -> Result<(), Problem> {
    let Ok(mut file) = File::open(place.database()) else { return Ok(()) };
    let mut begin = Vec::new();
    if file.by_ref().take(HEADER.len() as u64).read_to_end(&mut begin).is_err() {
        return Ok(());
    }
    match begin.as_slice() {
        [] => Err(Problem::Empty),
        HEADER => Ok(()),
        _ => Err(Problem::NoDatabase),
    }
}

/// Opens the database for writing and brings it to the newest schema.
pub fn open(place: &Place, now: Timestamp) -> Result<Connection, Problem> {
    let path = place.database();
    private(&path)?;
    let mut db = Connection::open(&path)?;
    db.busy_timeout(BUSY)?;
    let id: i64 = db.query_row("PRAGMA application_id", [], |r| r.get(0))?;
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0))?;
    if id != APPLICATION_ID && (tables > 0 || id != 0) {
        return Err(Problem::Foreign("is a database, but not dogwatch's: give another --data-dir".into()));
    }
    if tables == 0 {
        // Only takes effect before the first table.
        db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        db.pragma_update(None, "application_id", APPLICATION_ID)?;
    } else if std::fs::metadata(&path).is_ok_and(|m| m.len() <= CHECK_MAX_BYTES) {
        let said: String = db.query_row("PRAGMA quick_check(1)", [], |r| r.get(0))?;
        if said != "ok" {
            return Err(Problem::Corrupt(said));
        }
    }
    db.pragma_update(None, "journal_mode", "WAL")?;
    // What is committed survives a loss of power.
    db.pragma_update(None, "synchronous", "FULL")?;
    migrate(&mut db, now)?;
    let origin: String = (0..16).map(|_| format!("{:x}", fastrand::u8(0..16))).collect();
    db.execute("INSERT OR IGNORE INTO meta (key, value) VALUES ('origin', ?1)", [origin])?;
    Ok(db)
}

/// The newest migration that this program knows.
const KNOWN: u32 = MIGRATIONS.len() as u32;

/// The newest migration that was applied to a file; `None`: there is none, or not yet a table in it.
fn applied(db: &Connection) -> rusqlite::Result<Option<u32>> {
    let ours = "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_migrations'";
    match db.query_row(ours, [], |r| r.get::<_, i64>(0))? {
        0 => Ok(None),
        _ => db.query_row("SELECT max(version) FROM schema_migrations", [], |r| r.get(0)),
    }
}

impl Store {
    /// Returns of which schema the history of a data directory is, and which this program knows; reads only. `None` for the
    /// first: there is none yet.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn schema(data_dir: PathBuf) -> Result<(Option<u32>, u32), StoreError> {
        let file = Place { dir: data_dir }.database();
        if !file.exists() {
            return Ok((None, KNOWN));
        }
        Ok((Readers::new(file).with(applied)?, KNOWN))
    }
}

/// For those that only read: the file is of this version.
pub fn check_version(db: &Connection) -> rusqlite::Result<()> {
    let ours = "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_migrations'";
    if db.query_row(ours, [], |r| r.get::<_, i64>(0))? == 0 {
        let words = "it is empty, or another program's: look for the right --data-dir".to_owned();
        return Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_NOTADB),
            Some(words),
        ));
    }
    let newest: i64 = db.query_row("SELECT coalesce(max(version), 0) FROM schema_migrations", [], |r| r.get(0))?;
    if newest == MIGRATIONS.len() as i64 {
        return Ok(());
    }
    let words =
        format!("its schema is {newest}, this dogwatch reads {}: run the dogwatch that wrote it", MIGRATIONS.len());
    Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_SCHEMA), Some(words)))
}

/// History tells of a cluster's inside: only its owner reads it.
fn private(path: &Path) -> Result<(), Problem> {
    use std::os::unix::fs::OpenOptionsExt;
    let made = File::options().create(true).truncate(false).write(true).mode(0o600).open(path);
    made.map(drop).map_err(|e| Problem::Other(e.to_string()))
}

fn checksum(sql: &str) -> String {
    text::hex(&Sha256::digest(sql.as_bytes()))
}

fn migrate(db: &mut Connection, now: Timestamp) -> Result<(), Problem> {
    db.execute_batch(APPLIED)?;
    let newest: Option<i64> =
        db.query_row("SELECT max(version) FROM schema_migrations", [], |r| r.get(0)).optional()?.flatten();
    let known = MIGRATIONS.len() as i64;
    if let Some(newest) = newest.filter(|n| *n > known) {
        return Err(Problem::Foreign(format!(
            "was written by a newer dogwatch (schema {newest}, this one knows {known}): use that version, or another --data-dir"
        )));
    }
    for migration @ (version, name, sql) in MIGRATIONS {
        let applied: Option<String> = db
            .query_row("SELECT sha256 FROM schema_migrations WHERE version = ?1", [version], |r| r.get(0))
            .optional()?;
        match applied {
            Some(sum) if sum == checksum(sql) => {}
            Some(_) => {
                return Err(Problem::Foreign(format!(
                    "was made with another form of migration {version} ({name}): this binary does not fit it"
                )));
            }
            None => apply(db, migration, now)?,
        }
    }
    Ok(())
}

/// What has been applied, and in which form.
const APPLIED: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    version INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL, applied_at TEXT NOT NULL)";

fn apply(db: &mut Connection, (version, name, sql): &(i64, &str, &str), now: Timestamp) -> rusqlite::Result<()> {
    let transaction = db.transaction()?;
    transaction.execute_batch(sql)?;
    transaction.execute(
        "INSERT INTO schema_migrations VALUES (?1, ?2, ?3, ?4)",
        params![version, name, checksum(sql), now.to_string()],
    )?;
    transaction.commit()
}

/// How many migrations there are.
#[cfg(test)]
pub fn newest() -> usize {
    MIGRATIONS.len()
}

/// Makes an empty database as a dogwatch made it that knew only the first so many migrations.
#[cfg(test)]
pub fn migrate_to(db: &mut Connection, version: usize, now: Timestamp) -> rusqlite::Result<()> {
    db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    db.pragma_update(None, "application_id", APPLICATION_ID)?;
    db.execute_batch(APPLIED)?;
    MIGRATIONS[..version].iter().try_for_each(|migration| apply(db, migration, now))
}

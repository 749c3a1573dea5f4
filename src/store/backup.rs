//! A copy of the whole file, made while a dogwatch writes to it or while none runs.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, backup::Backup};

use super::{StoreError, place::Place};

/// Describes a finished copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

/// Copies `<data_dir>/dogwatch.db` to `to` by SQLite's online backup, checks the copy, and only then gives it its name.
/// All in one snapshot: the writer goes on meanwhile and is not waited for. Blocks.
///
/// # Errors
/// When there is no database, the copy can't be written, or it is not whole; nothing is left at `to` then.
pub fn copy(data_dir: &Path, to: &Path) -> Result<Copied, StoreError> {
    let from = Place { dir: data_dir.to_path_buf() }.database();
    let mut part = to.as_os_str().to_os_string();
    part.push(".part");
    let part = PathBuf::from(part);
    let copied = copy_file(&from, &part).and_then(|()| {
        std::fs::rename(&part, to)
            .map_err(|e| StoreError { message: format!("{} can't be written: {e}", to.display()) })
    });
    if let Err(error) = copied {
        // A copy that is not whole must not be taken for one.
        let _ = std::fs::remove_file(&part);
        return Err(error);
    }
    let bytes = std::fs::metadata(to).map(|m| m.len()).unwrap_or_default();
    Ok(Copied { path: to.to_path_buf(), bytes })
}

fn copy_file(from: &Path, part: &Path) -> Result<(), StoreError> {
    let source = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(|e| failed(from, &format!("can't be read ({e}): is this dogwatch's data_dir?")))?;
    copy_open(&source, part)
}

/// Copies what a connection reads, which need not stand in any directory any more, and checks the copy. Blocks.
///
/// # Errors
/// When the copy can't be written, or it is not whole.
pub fn copy_open(source: &Connection, to: &Path) -> Result<(), StoreError> {
    // As private as the original.
    private(to).map_err(|e| failed(to, &e))?;
    let mut copy = Connection::open(to).map_err(|e| failed(to, &e))?;
    let backup = Backup::new(source, &mut copy).map_err(|e| failed(to, &e))?;
    // All pages in one step: in several, every commit of the watchdog would begin it anew.
    backup.step(-1).map_err(|e| failed(to, &e))?;
    drop(backup);
    copy.pragma_update(None, "journal_mode", "DELETE").map_err(|e| failed(to, &e))?;
    let said: String = copy.query_row("PRAGMA quick_check(1)", [], |r| r.get(0)).map_err(|e| failed(to, &e))?;
    if said == "ok" { Ok(()) } else { Err(failed(to, &format!("the copy is damaged ({said})"))) }
}

fn failed(what: &Path, error: &dyn std::fmt::Display) -> StoreError {
    StoreError { message: format!("{}: {error}", what.display()) }
}

fn private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::File::options().create(true).truncate(true).write(true).mode(0o600).open(path).map(drop)
}

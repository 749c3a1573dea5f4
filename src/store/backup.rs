//! A copy of the whole file, made while a dogwatch writes to it or while none runs.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, backup::Backup};

use super::{StoreError, schema::Place};

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
    let copied = make(&from, &part).and_then(|()| {
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

fn make(from: &Path, part: &Path) -> Result<(), StoreError> {
    let failed =
        |what: &Path, error: &dyn std::fmt::Display| StoreError { message: format!("{}: {error}", what.display()) };
    let source = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(|e| failed(from, &format!("can't be read ({e}): is this dogwatch's data_dir?")))?;
    // As private as the original.
    private(part).map_err(|e| failed(part, &e))?;
    let mut copy = Connection::open(part).map_err(|e| failed(part, &e))?;
    let backup = Backup::new(&source, &mut copy).map_err(|e| failed(part, &e))?;
    // All pages in one step: in several, every commit of the watchdog would begin it anew.
    backup.step(-1).map_err(|e| failed(part, &e))?;
    drop(backup);
    copy.pragma_update(None, "journal_mode", "DELETE").map_err(|e| failed(part, &e))?;
    let said: String = copy.query_row("PRAGMA quick_check(1)", [], |r| r.get(0)).map_err(|e| failed(part, &e))?;
    if said == "ok" { Ok(()) } else { Err(failed(from, &format!("the copy is damaged ({said})"))) }
}

fn private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::File::options().create(true).truncate(true).write(true).mode(0o600).open(path).map(drop)
}

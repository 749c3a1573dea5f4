//! Why the file can't be used, in words.

use std::path::Path;

use rusqlite::ErrorCode;

/// Says why the file can't be used.
#[derive(Debug)]
pub enum Problem {
    /// Another dogwatch has it.
    Locked,
    /// Written by a newer dogwatch, or with changed migrations: never touched.
    Foreign(String),
    /// Damaged.
    Corrupt(String),
    /// A file of no bytes.
    Empty,
    /// A file of another kind.
    NoDatabase,
    /// Anything else: no right, no space, no disk.
    Other(String),
}

impl Problem {
    /// In words, with what to do.
    pub fn words(&self, path: &Path) -> String {
        let path = path.display();
        match self {
            Problem::Locked => {
                format!("{path} is in use by another dogwatch: stop it, or give this one its own --data-dir")
            }
            Problem::Foreign(why) => format!("{path} {why}"),
            Problem::Corrupt(why) => format!("{path} is damaged ({why})"),
            Problem::Empty => {
                format!("{path} is there, but has no bytes: a copy or a restore broke off, or a disk lost them")
            }
            Problem::NoDatabase => {
                format!("{path} is no database, but a file of another kind: is --data-dir the right one?")
            }
            Problem::Other(why) => format!("{path} can't be used: {why}"),
        }
    }
}

impl Problem {
    /// Under which name a file is set aside for it, where a new one may begin.
    pub fn set_aside_as(&self) -> Option<&'static str> {
        match self {
            Problem::Corrupt(_) => Some("corrupt"),
            Problem::Empty => Some("empty"),
            Problem::NoDatabase => Some("foreign"),
            Problem::Locked | Problem::Foreign(_) | Problem::Other(_) => None,
        }
    }
}

/// Returns what SQLite's error means for the file.
pub fn of(error: &rusqlite::Error) -> Problem {
    let words = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Problem::Corrupt(words),
        Some(ErrorCode::DiskFull) => {
            Problem::Other("the disk is full: free some space, writing resumes by itself".into())
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Problem::Other(format!(
            "it can't be written ({words}): look at its owner and mode, and at how the disk is mounted"
        )),
        Some(ErrorCode::CannotOpen) => {
            Problem::Other(format!("it can't be opened ({words}): look at the directory's owner and mode"))
        }
        Some(ErrorCode::SystemIoFailure) => Problem::Other(format!("the disk fails ({words}): look at dmesg")),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Problem::Other("another program holds it locked: end that program".into())
        }
        _ => Problem::Other(words),
    }
}

impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        of(&error)
    }
}

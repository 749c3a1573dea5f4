//! Where the database is: its files, the lock that keeps a second dogwatch away, and how it is seen that another file has
//! taken its place.

use std::{
    fs::{File, TryLockError},
    io::Read,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::PathBuf,
};

use jiff::Timestamp;

use super::problem::Problem;
use crate::model::text;

/// Says where the database and its lock are.
#[derive(Clone, Debug)]
pub struct Place {
    /// The data directory; for who only reads, a copy of the database itself.
    pub dir: PathBuf,
}

/// Keeps a second dogwatch away from a data directory, for as long as it lives.
#[derive(Debug)]
pub struct DirectoryLock {
    /// Of the directory itself: no removed file breaks it. `None` on file systems that lock files alone (NFS).
    _directory: Option<File>,
    /// Of a file in it, which is all that earlier versions looked at.
    _file: File,
}

/// The files that stand at a place, by device and inode; `None` where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity([Option<(u64, u64)>; 3]);

impl Place {
    /// Returns the database file.
    pub fn database(&self) -> PathBuf {
        if self.dir.is_file() { self.dir.clone() } else { self.dir.join("dogwatch.db") }
    }

    /// Returns the database and the files beside it.
    pub fn files(&self) -> [PathBuf; 3] {
        ["dogwatch.db", "dogwatch.db-wal", "dogwatch.db-shm"].map(|n| self.dir.join(n))
    }

    /// Returns which files stand there now.
    pub fn identity(&self) -> Identity {
        Identity(self.files().map(|file| std::fs::metadata(file).ok().map(|m| (m.dev(), m.ino()))))
    }

    /// Says in words what has become of the files that were there; `None` where they are as they were.
    pub fn displaced(&self, was: Identity) -> Option<String> {
        let now = self.identity();
        let [name, ..] = self.files();
        let name = name.display();
        let what = match (now.0, was.0) {
            (now, was) if now == was => return None,
            ([None, ..], _) if !self.dir.exists() => "was deleted with its directory".to_owned(),
            ([None, ..], _) => "was deleted".to_owned(),
            ([now, ..], [was, ..]) if now != was => "was replaced by another file".to_owned(),
            _ => "lost the files beside it (-wal, -shm)".to_owned(),
        };
        Some(format!("{name} {what} while dogwatch was running"))
    }

    /// Says in words how the open database's file was damaged by somebody else, as far as its first bytes and its length tell;
    /// `None` where they are as SQLite leaves them (<https://sqlite.org/fileformat2.html>, section 1.3). `before` is the length
    /// that it had earlier, and is made what it has now: a file may be shorter than it says where the disk was full while it
    /// grew, but then it has not shrunk.
    /// Another file in its place is no damage of this one: `displaced` tells of that.
    pub fn damage(&self, was: Identity, before: &mut u64) -> Option<String> {
        let path = self.database();
        let mut head = [0; 32];
        let mut file = File::open(&path).ok()?;
        let metadata = file.metadata().ok()?;
        if was.0[0] != Some((metadata.dev(), metadata.ino())) {
            return None;
        }
        let length = metadata.len();
        let has_shrunk = length < std::mem::replace(before, length);
        let name = path.display();
        if file.read_exact(&mut head).is_err() || !head.starts_with(b"SQLite format 3\0") {
            return Some(format!("{name} was overwritten while dogwatch was running"));
        }
        let number = |at: usize, n: usize| head[at..at + n].iter().fold(0u64, |all, byte| all << 8 | u64::from(*byte));
        // A page of 65,536 bytes is written as 1.
        let page = match number(16, 2) {
            1 => 65_536,
            bytes => bytes,
        };
        let (is, should) = (text::size(length), text::size(number(28, 4) * page));
        (has_shrunk && length < number(28, 4) * page)
            .then(|| format!("{name} was cut short while dogwatch was running ({is} of {should} are left)"))
    }

    /// Bytes that we may still use, and all bytes, of the file system that the directory is on.
    pub fn room(&self) -> Option<(u64, u64)> {
        let stat = nix::sys::statvfs::statvfs(&self.dir).ok()?;
        let block = stat.fragment_size();
        Some((stat.blocks_available().saturating_mul(block), stat.blocks().saturating_mul(block)))
    }

    /// Takes the lock; makes the directory where there is none.
    pub fn lock(&self) -> Result<DirectoryLock, Problem> {
        let failed =
            |what: &str, e: &std::io::Error| Problem::Other(format!("the data directory can't be {what}: {e}"));
        // History tells of a cluster's inside: only its owner reads it.
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir).map_err(|e| failed("made", &e))?;
        let directory = File::open(&self.dir).map_err(|e| failed("read", &e))?;
        let directory = match directory.try_lock() {
            Ok(()) => Some(directory),
            Err(TryLockError::WouldBlock) => return Err(Problem::Locked),
            Err(TryLockError::Error(_)) => None,
        };
        let mut options = File::options();
        let file = options.create(true).truncate(false).write(true).mode(0o600).open(self.dir.join("dogwatch.lock"));
        let file = file.map_err(|e| failed("written", &e))?;
        match file.try_lock() {
            Ok(()) => Ok(DirectoryLock { _directory: directory, _file: file }),
            Err(TryLockError::WouldBlock) => Err(Problem::Locked),
            Err(TryLockError::Error(e)) => Err(failed("locked", &e)),
        }
    }

    /// Moves the database that stands there aside and gives its new name: `dogwatch.db.<why>-<time>`.
    pub fn set_aside(&self, why: &str, now: Timestamp) -> std::io::Result<PathBuf> {
        let suffix = format!("{why}-{}", now.strftime("%Y%m%dT%H%M%SZ"));
        for file in self.files() {
            if file.exists() {
                let mut name = file.file_name().unwrap_or_default().to_os_string();
                name.push(format!(".{suffix}"));
                std::fs::rename(&file, self.dir.join(name))?;
            }
        }
        Ok(self.dir.join(format!("dogwatch.db.{suffix}")))
    }
}

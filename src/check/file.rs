//! A file on the watchdog's own machine: that it is there, how old it is and how large. With `*` in its name the newest of
//! those that are called so, as dumps are. Never opened, only looked at.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs::Metadata,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use serde::{Deserialize, Serialize};

use super::{
    condition::Condition,
    found::Found,
    prober::{Asking, Prober, Problems},
};
use crate::model::{Failure, Reason, text};

/// So many entries of a folder are looked at: more make a look slow, and one name is enough for what is newest.
const ENTRIES_MAX: usize = 100_000;

/// Looks that have not come back: a network file system that hangs would take one thread after the other.
static UNDER_WAY: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// `file:` of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileConfig {
    /// Where it lies; its name may have `*` in it.
    pub path: PathBuf,
    /// What must be of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Condition>,
}

impl Prober for FileConfig {
    fn at(&self) -> String {
        self.path.display().to_string()
    }

    fn expect(&self) -> &[Condition] {
        &self.expect
    }

    fn subjects(&self) -> (&'static [&'static str], &'static str) {
        (&["age", "size"], "a file")
    }

    fn problems(&self) -> Problems {
        let mut all = Vec::new();
        if !self.path.is_absolute() || self.path.file_name().is_none() {
            all.push((".path".to_owned(), "write the whole path, from / on, with the file's name".to_owned()));
        }
        if self.path.parent().is_some_and(|folder| folder.as_os_str().to_string_lossy().contains('*')) {
            all.push((".path".to_owned(), "only the file's own name may have a *, not its folders".to_owned()));
        }
        all
    }

    fn probe<'a>(&'a self, found: &'a mut Found) -> Asking<'a> {
        Box::pin(probe(self, found))
    }
}

/// A look that is under way; it ends with the value.
struct UnderWay(PathBuf);

impl UnderWay {
    /// `None`: the one before has not come back.
    fn begin(path: &Path) -> Option<Self> {
        let mut all = UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(path.to_owned()).then(|| Self(path.to_owned()))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// Looks at the file.
async fn probe(c: &FileConfig, found: &mut Found) -> Result<(), Failure> {
    let wrong = |words: String| Failure::new(Reason::Answer, words);
    let (path, shown) = (c.path.clone(), c.path.display());
    let Some(under_way) = UnderWay::begin(&path) else {
        let words = format!("the look at {shown} before this one has not come back: its file system hangs");
        return Err(Failure::new(Reason::Timeout, words));
    };
    let looking = tokio::task::spawn_blocking(move || {
        let seen = look(&path);
        drop(under_way);
        seen
    });
    let looked = tokio::time::timeout_at(found.line.deadline(), looking).await;
    let seen = looked.map_err(|_| {
        let words = format!("the file system of {shown} did not answer within {}", found.line.allowed());
        Failure::new(Reason::Timeout, words)
    })?;
    let (path, facts) = match seen {
        Ok(Ok(Some(seen))) => seen,
        Ok(Ok(None)) => return Err(wrong(format!("there is no file {shown}"))),
        Ok(Err(e)) => return Err(wrong(format!("{shown} can't be looked at: {}", text::unreadable(&e)))),
        Err(_) => return Err(wrong(format!("{shown} could not be looked at"))),
    };
    found.answered = true;
    #[allow(clippy::cast_precision_loss)] // Sizes below 2^53 are exact.
    let size = facts.len() as f64;
    found.measure("probe_file_size_bytes", size);
    found.seen.number("size", size);
    if let Ok(changed) = facts.modified() {
        let since = |a: SystemTime, b: SystemTime| a.duration_since(b).map(|d| d.as_secs_f64());
        let age = since(SystemTime::now(), changed).unwrap_or(0.0);
        found.measure("probe_file_modified_timestamp_seconds", since(changed, SystemTime::UNIX_EPOCH).unwrap_or(0.0));
        found.seen.number("age", age);
        found.line.note(format_args!("{}: {} bytes, {age:.0} s old", path.display(), facts.len()));
    }
    Ok(())
}

/// The file, or the newest of those that its name means.
fn look(path: &Path) -> io::Result<Option<(PathBuf, Metadata)>> {
    let name = path.file_name().unwrap_or_default();
    let none_there = |e: &io::Error| e.kind() == io::ErrorKind::NotFound;
    if !name.as_encoded_bytes().contains(&b'*') {
        return match path.metadata() {
            Ok(facts) => Ok(Some((path.to_owned(), facts))),
            Err(e) if none_there(&e) => Ok(None),
            Err(e) => Err(e),
        };
    }
    let folder = match path.parent().unwrap_or(Path::new("/")).read_dir() {
        Err(e) if none_there(&e) => return Ok(None),
        folder => folder?,
    };
    let mut newest: Option<(PathBuf, Metadata)> = None;
    for entry in folder.take(ENTRIES_MAX) {
        let entry = entry?;
        if !is_called(name, &entry.file_name()) {
            continue;
        }
        // It may go while we look.
        let Ok(facts) = entry.path().metadata() else { continue };
        let is_newer = |other: &(PathBuf, Metadata)| facts.modified().ok() > other.1.modified().ok();
        if facts.is_file() && newest.as_ref().is_none_or(is_newer) {
            newest = Some((entry.path(), facts));
        }
    }
    Ok(newest)
}

/// Whether a name is one that a pattern means; `*` is anything, also nothing.
fn is_called(pattern: &OsStr, name: &OsStr) -> bool {
    let mut parts = pattern.as_encoded_bytes().split(|b| *b == b'*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.as_encoded_bytes().strip_prefix(first) else { return false };
    let mut parts: Vec<&[u8]> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        let Some(at) = rest.windows(part.len()).position(|window| window == part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_anything() {
        let check = |pattern: &str, name: &str, expected: bool| {
            assert_eq!(is_called(OsStr::new(pattern), OsStr::new(name)), expected, "{pattern} {name}");
        };
        check("etcd-*.db", "etcd-2026-11-29.db", true);
        check("etcd-*.db", "etcd-.db", true);
        check("etcd-*.db", "etcd-2026.db.part", false);
        check("*", "x", true);
        check("a*b*c", "aXbYc", true);
        check("a*b*c", "aXcYb", false);
        check("a*a", "a", false);
        check("a", "a", true);
        check("a", "ab", false);
    }

    #[test]
    fn a_look_that_hangs_is_not_begun_again() {
        let path = Path::new("/nowhere/this-test-alone");
        let first = UnderWay::begin(path).unwrap();
        assert!(UnderWay::begin(path).is_none());
        drop(first);
        assert!(UnderWay::begin(path).is_some());
    }
}

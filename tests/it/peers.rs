//! What `tests/run` gets for the tests from elsewhere, and keeps outside of the tree.

use std::{env, path::PathBuf};

/// A file or directory of it.
pub fn peer(path: &str) -> PathBuf {
    let found = place(path);
    assert!(found.exists(), "{} is missing: tests/run gets it", found.display());
    found
}

/// The same, where there may be none: what can't be built everywhere.
pub fn maybe(path: &str) -> Option<PathBuf> {
    Some(place(path)).filter(|found| found.exists())
}

fn place(path: &str) -> PathBuf {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".cache"));
    cache.join("dogwatch-tests").join(path)
}

//! File names with `*` and `?`.

use std::path::{Path, PathBuf};

use crate::model::text;

/// Returns the files that a pattern names, sorted: relative to `base`, `*` and `?` in the last part of the path.
///
/// # Errors
/// When there is none, or the directory can't be read; in words.
pub fn expand(base: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let whole = base.join(pattern);
    let last = whole.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    if !last.contains(['*', '?']) {
        return Ok(vec![whole]);
    }
    let dir = whole.parent().unwrap_or(base);
    let entries =
        std::fs::read_dir(dir).map_err(|e| format!("{}: can't be read: {}", dir.display(), text::unreadable(&e)))?;
    let named = |name: &str| wildcard(last.as_bytes(), name.as_bytes()) && !name.starts_with('.');
    let paths = entries.flatten().filter(|e| named(&e.file_name().to_string_lossy())).map(|e| e.path());
    let mut files: Vec<PathBuf> = paths.filter(|p| p.is_file()).collect();
    files.sort();
    if files.is_empty() { Err(format!("{}: there is no such file", whole.display())) } else { Ok(files) }
}

/// Whether a name fits a pattern with `*` and `?`. Takes time with the product of both lengths at the worst.
fn wildcard(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                (p, n) = (at + 1, from + 1);
            }
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

//! The files that a configuration is in: the one that is named, and the pieces in `conf.d` beside it, so that each team has
//! its own. Reads files; what they say together is `merge`'s.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use super::{
    ConfigError,
    error::Source,
    tree::{self, Document},
};
use crate::model::text;

/// Larger than this is no configuration: hundreds of clusters fit.
const FILE_MAX: u64 = 1 << 20;
/// The folder beside the configuration whose files belong to it.
const PIECES: &str = "conf.d";
/// Pieces of one configuration: more than an organisation has teams.
const PIECES_MAX: usize = 1_000;

/// What stands in a file, or why it can't be had.
pub(super) fn source(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|e| text::unreadable(&e))?.len();
    if size > FILE_MAX {
        return Err(format!("this is larger than {} MiB, and no configuration", FILE_MAX >> 20));
    }
    std::fs::read_to_string(path).map_err(|e| text::unreadable(&e))
}

/// The pieces beside a configuration, in the order of their names: `conf.d/*.yml` and `*.yaml`. Hidden ones are none, as
/// editors and Kubernetes' volumes leave them.
///
/// # Errors
/// When the folder is there and can't be read, or has too many.
pub fn pieces(path: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let folder = path.parent().unwrap_or(Path::new("")).join(PIECES);
    let wrong = |why: String| ConfigError::of_file(&folder, why);
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(wrong(text::unreadable(&error))),
    };
    let mut found = Vec::new();
    for entry in entries {
        let file = entry.map_err(|e| wrong(text::unreadable(&e)))?.path();
        let is_hidden = file.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if !is_hidden && file.extension().is_some_and(|end| end == "yml" || end == "yaml") {
            found.push(file);
        }
    }
    if found.len() > PIECES_MAX {
        return Err(wrong(format!("there are more than {PIECES_MAX} files here: put several into one")));
    }
    found.sort();
    Ok(found)
}

/// What a configuration and its pieces say together.
///
/// # Errors
/// All that can't be read, of every file; what is given twice.
pub(super) fn gather(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Document, Vec<ConfigError>> {
    let read = |path: &Path| {
        let text = source(path).map_err(|why| vec![ConfigError::of_file(path, why)])?;
        tree::read(&Source { path, text: &text }, env)
    };
    let mut errors = Vec::new();
    let mut document = read(path).map_err(|found| errors.extend(found)).ok();
    for piece in pieces(path).map_err(|error| vec![error])? {
        match (read(&piece), &mut document) {
            (Ok(found), Some(document)) => errors.extend(document.merge(found)),
            (Ok(_), None) => {}
            (Err(found), _) => errors.extend(found),
        }
    }
    match document {
        Some(document) if errors.is_empty() => Ok(document),
        _ => Err(errors),
    }
}

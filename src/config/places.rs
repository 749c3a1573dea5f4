//! Where things stand in a file, for what turns out to be wrong only once it is used.

use std::path::{Path, PathBuf};

use super::{
    ConfigError,
    error::Source,
    source,
    tree::{self, Document, Wrong},
};

/// A configuration's text and the places in it.
pub struct Places {
    path: PathBuf,
    text: String,
    document: Document,
}

impl Places {
    /// Reads a file; `None` where it can't be read as YAML (any more).
    pub fn read(path: &Path) -> Option<Self> {
        let text = source(path).ok()?;
        let source = Source { path, text: &text };
        let document = tree::read(&source, &|name| Some(std::env::var(name).unwrap_or_default())).ok()?;
        Some(Self { path: path.to_path_buf(), document, text })
    }

    /// An error at a path like `clusters[0].context`, with file, line and column; where nothing stands there, at what it
    /// would belong to.
    pub fn error(&self, at: &str, message: &str) -> ConfigError {
        let source = Source { path: &self.path, text: &self.text };
        self.document.placed(&source, &Wrong::new(at, message), &[])
    }
}

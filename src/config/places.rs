//! Where things stand in a configuration's files, for what turns out to be wrong only once it is used.

use std::path::Path;

use super::{
    ConfigError, environment, files,
    tree::{Document, Wrong},
};

/// The places in a configuration.
pub struct Places(Document);

impl Places {
    /// Reads a file, and those of `conf.d` beside it; `None` where they can't be read as YAML (any more).
    pub fn read(path: &Path) -> Option<Self> {
        files::gather(path, &|name| Some(environment(name).unwrap_or_default())).ok().map(Self)
    }

    /// An error at a path like `clusters[0].context`, with file, line and column; where nothing stands there, at what it
    /// would belong to.
    pub fn error(&self, at: &str, message: &str) -> ConfigError {
        self.0.placed(&Wrong::new(at, message), &[])
    }
}

//! The rules that are part of the program: `alerts/*.yml`.

use std::path::Path;

use super::file::{self, FileError, Group};

/// `(file, text)`.
pub const FILES: &[(&str, &str)] = &[];

/// Reads them.
///
/// # Errors
/// Never for files that passed the tests.
pub fn groups() -> Result<Vec<Group>, Vec<FileError>> {
    let mut groups = Vec::new();
    for (name, text) in FILES {
        groups.extend(file::read(Path::new(&format!("built-in/{name}")), text)?);
    }
    Ok(groups)
}

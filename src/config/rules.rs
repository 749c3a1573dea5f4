//! The rules that a configuration names.

use std::{fmt, path::Path};

use super::Config;
use crate::rule;

/// In `rule_files`: the rules that are part of the program.
pub(super) const BUILTIN: &str = "builtin";

/// Something that is wrong with the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulesError {
    /// The entry of the configuration that names a file which can't be had: `rule_files[1]`.
    pub at: Option<String>,
    /// What is wrong, with the file's own line and column where it has them.
    pub message: String,
}

/// All that is wrong with them; shown a line each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RulesErrors(pub Vec<RulesError>);

impl fmt::Display for RulesErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(|e| e.message.as_str()).collect::<Vec<_>>().join("\n"))
    }
}

impl std::error::Error for RulesErrors {}

/// The rules that a configuration names: its files, relative to `base`, or the built-in ones.
///
/// # Errors
/// All that is wrong with them, each with its file, line and column.
pub fn rules(config: &Config) -> Result<Vec<rule::Group>, RulesErrors> {
    let default = [BUILTIN.to_owned()];
    let (mut groups, mut errors) = (Vec::new(), Vec::new());
    let mut has_builtin = false;
    for (i, pattern) in config.rule_files.as_deref().unwrap_or(&default).iter().enumerate() {
        let at = format!("rule_files[{i}]");
        let mut take = |read: Result<Vec<rule::Group>, Vec<rule::FileError>>| match read {
            Ok(read) => groups.extend(read),
            Err(found) => errors.extend(found.iter().map(|e| {
                // A file as a whole is the fault of whoever names it.
                RulesError { at: e.place.is_none().then(|| at.clone()), message: e.to_string() }
            })),
        };
        if pattern == BUILTIN {
            // Several files may each ask for them.
            if !std::mem::replace(&mut has_builtin, true) {
                take(rule::shipped::groups());
            }
            continue;
        }
        match rule::file::expand(Path::new(""), pattern) {
            Ok(files) => files.iter().for_each(|file| take(rule::file::load(file))),
            Err(message) => errors.push(RulesError { at: Some(at), message }),
        }
    }
    if errors.is_empty() { Ok(groups) } else { Err(RulesErrors(errors)) }
}

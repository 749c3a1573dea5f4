//! The configuration in force, as it is told.

use std::sync::Arc;

use crate::model::Secret;

/// What a reload would be held against.
#[derive(Clone, Debug)]
pub struct InForce {
    /// As YAML, without secrets.
    pub yaml: String,
    /// Those that stand in it, in one; `None`: there are none.
    pub secrets: Option<Secret>,
    /// Its keys that the command line gave.
    pub by_command_line: Vec<&'static str>,
}

impl InForce {
    /// Puts it together.
    pub fn new(yaml: String, secrets: Option<Secret>, by_command_line: &[&'static str]) -> Arc<Self> {
        Arc::new(Self { yaml, secrets, by_command_line: by_command_line.to_vec() })
    }
}

//! `dogwatch schema`.

use std::process::ExitCode;

use super::output;
use crate::config::schema;

/// Prints it.
pub(super) fn main() -> anyhow::Result<ExitCode> {
    output::say_json(schema::PUBLISHED.trim_end());
    Ok(ExitCode::SUCCESS)
}

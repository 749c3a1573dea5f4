//! `dogwatch schema`.

use std::process::ExitCode;

use super::output;
use crate::carried;

/// Prints it.
pub(super) fn main() -> anyhow::Result<ExitCode> {
    output::say_json(carried::schema().trim_end());
    Ok(ExitCode::SUCCESS)
}

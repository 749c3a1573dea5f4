//! `dogwatch man DIR`.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::{Args, CommandFactory};

use super::Cli;

#[derive(Args, Clone, Debug)]
pub struct ManArgs {
    /// Where to write them; made where it does not exist
    dir: PathBuf,
}

/// Writes dogwatch.1 and a page for each subcommand.
pub fn main(args: &ManArgs) -> anyhow::Result<ExitCode> {
    let written = std::fs::create_dir_all(&args.dir).and_then(|()| clap_mangen::generate_to(Cli::command(), &args.dir));
    written.with_context(|| format!("manual pages can't be written to {}", args.dir.display()))?;
    Ok(ExitCode::SUCCESS)
}

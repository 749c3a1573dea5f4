//! `dogwatch completions SHELL`.

use std::process::ExitCode;

use clap::CommandFactory;

use super::{Cli, CompletionsArgs};

/// Writes the script to standard output.
pub fn main(args: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    clap_complete::generate(args.shell, &mut Cli::command(), "dogwatch", &mut std::io::stdout());
    Ok(ExitCode::SUCCESS)
}

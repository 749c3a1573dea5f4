//! `dogwatch completions SHELL`.

use std::process::ExitCode;

use clap::{Args, CommandFactory};

use super::Cli;

/// For whom.
#[derive(Args, Clone, Debug)]
pub(super) struct CompletionsArgs {
    /// Which shell
    shell: clap_complete::Shell,
}

/// Writes the script to standard output.
pub(super) fn main(args: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    clap_complete::generate(args.shell, &mut Cli::command(), "dogwatch", &mut std::io::stdout());
    Ok(ExitCode::SUCCESS)
}

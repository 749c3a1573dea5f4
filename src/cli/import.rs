//! `dogwatch import`: another tool's configuration as checks, on stdout; what was lost, on stderr too.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, ValueEnum};

use super::output;
use crate::{
    import::{self, FILE_MAX, Source},
    model::text,
};

/// Examples, below the help.
pub(super) const HELP: &str = "\
Examples:
  dogwatch import blackbox.yml --targets prometheus.yml > checks.yml    modules, with the targets that use them
  dogwatch import gatus.yaml > dogwatch.yml && dogwatch check -c dogwatch.yml
  dogwatch import kuma.json                                             a backup of Uptime Kuma
  dogwatch import prometheus.yml                                        static targets, asked for their /metrics

What could not be carried over is told on stderr, and stands as a comment beside its check.";

#[derive(Args, Clone, Debug)]
pub(super) struct ImportArgs {
    /// blackbox.yml, a configuration of Gatus or Prometheus, or a backup of Uptime Kuma
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Whose it is; default: told by what stands in it
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Prometheus' configuration, whose jobs say which targets are probed by which module; may be given again
    #[arg(long, value_name = "FILE")]
    targets: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Blackbox,
    Gatus,
    UptimeKuma,
    Prometheus,
}

/// Reads, carries over and prints; exit status 0 where at least one check came of it.
pub(super) async fn main(args: ImportArgs) -> anyhow::Result<ExitCode> {
    let mut texts = Vec::new();
    for path in std::iter::once(&args.file).chain(&args.targets) {
        match read(path).await {
            Ok(text) => texts.push((path.display().to_string(), text)),
            Err(why) => return Ok(output::fail(&format!("{}: {why}", path.display()))),
        }
    }
    let sources: Vec<Source<'_>> = texts.iter().map(|(name, text)| Source { name, text }).collect();
    let Some((file, targets)) = sources.split_first() else { return Ok(ExitCode::FAILURE) };
    let format = args.format.map(|format| match format {
        Format::Blackbox => import::Format::Blackbox,
        Format::Gatus => import::Format::Gatus,
        Format::UptimeKuma => import::Format::UptimeKuma,
        Format::Prometheus => import::Format::Prometheus,
    });
    let imported = match import::import(*file, format, targets) {
        Ok(imported) => imported,
        Err(why) => return Ok(output::fail(&why)),
    };
    for line in &imported.lost {
        output::note(&format!("not carried over: {line}"));
    }
    if imported.has_secrets {
        output::note("passwords or tokens stand in it: let nobody else read the file it goes to (chmod 600)");
    }
    output::say(imported.yaml.trim_end());
    if imported.checks == 0 {
        return Ok(output::fail(&format!("{}: no check came of it", file.name)));
    }
    Ok(ExitCode::SUCCESS)
}

async fn read(path: &Path) -> Result<String, String> {
    let size = tokio::fs::metadata(path).await.map_err(|e| text::unreadable(&e))?.len();
    if size > FILE_MAX {
        return Err(format!("this is larger than {} MiB, and no configuration", FILE_MAX >> 20));
    }
    tokio::fs::read_to_string(path).await.map_err(|e| text::unreadable(&e))
}

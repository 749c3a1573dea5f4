//! `dogwatch backup`: a copy of the history while the watchdog runs, or while it does not.

use std::process::ExitCode;

use super::{BackupArgs, output};
use crate::store::backup;

/// Copies and says what it did.
pub async fn main(args: BackupArgs) -> anyhow::Result<ExitCode> {
    let data_dir = output::data_dir(&args.history).await.map_err(anyhow::Error::msg)?;
    if args.to.exists() && !args.force {
        anyhow::bail!("{} is there already: give another name, or --force to replace it", args.to.display());
    }
    let copied = tokio::task::spawn_blocking(move || backup::copy(&data_dir, &args.to)).await??;
    output::say(&format!("{}: {:.1} MB, checked", copied.path.display(), copied.bytes as f64 / 1e6));
    Ok(ExitCode::SUCCESS)
}

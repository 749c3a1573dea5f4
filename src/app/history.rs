//! The data directory is one dogwatch's: a second one would tell of everything twice.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Shared;
use crate::{
    config::Config,
    store::{Restored, Store},
};

/// Whoever holds the directory may be ending: a restart that overlaps with it waits for so long.
const LOCK_WAIT: Duration = Duration::from_secs(5);
const LOCK_LOOK: Duration = Duration::from_millis(200);

/// Opens the database. A file that can't be used is no error: the watchdog goes on from memory.
///
/// # Errors
/// When another dogwatch has the data directory.
pub async fn open(config: &Config, shared: &Shared) -> anyhow::Result<(Store, Restored)> {
    let dir = config.data_dir.clone();
    let until = Instant::now() + LOCK_WAIT;
    while Store::is_in_use(&dir) && Instant::now() < until {
        sleep(LOCK_LOOK).await;
    }
    let (store, restored) = Store::open(dir, config.storage.clone(), shared.metrics.clone(), shared.clock.clone());
    if store.was_locked_out() {
        let why = store.health().message;
        store.close(LOCK_LOOK).await;
        anyhow::bail!(why);
    }
    Ok((store, restored))
}

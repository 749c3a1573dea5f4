//! Waiting for a condition: tests never sleep for luck.

use std::time::{Duration, Instant};

/// Far longer than anything takes that is waited for: only what never comes fails by it, however slow the machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often a condition is looked at.
const STEP: Duration = Duration::from_millis(10);

/// Waits for a condition, by the wall clock also where tokio's stands still.
///
/// # Panics
/// Where it does not come about within [`PATIENCE`].
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(STEP).await;
    }
}

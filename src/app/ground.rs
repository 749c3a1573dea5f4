//! What all parts stand on, from start to stop, whatever the configuration says.

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Shared;
use crate::store::Store;

/// The store, what outlives it, and the tasks that run on both.
pub struct Ground {
    /// Picture, metrics, time.
    pub shared: Shared,
    /// History.
    pub store: Store,
    /// Everything ends.
    pub stop: CancellationToken,
    /// All that runs.
    pub tasks: JoinSet<()>,
}

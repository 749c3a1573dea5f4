//! Restore drills, kept in the order of all that is written, and read again.

use super::{Durability, Store, StoreError, pending::Op, read};
use crate::model::RestoreDrill;

impl Store {
    /// Keeps a restore drill as it stands. It has its place in the order of writing when this returns; who awaits what is
    /// returned waits like `commit`.
    pub fn commit_restore_drill(&self, drill: RestoreDrill) -> impl Future<Output = Durability> + Send + use<> {
        self.durable(Op::RestoreDrill(Box::new(drill)))
    }

    /// Returns all restore drills, each name's oldest first. Blocks.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn restore_drills(&self) -> Result<Vec<RestoreDrill>, StoreError> {
        self.0.shared.readers.with(read::restore_drills)
    }
}

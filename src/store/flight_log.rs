//! The flight recorder's blocks, kept in the order of all that is written, and read again.

use std::sync::atomic::Ordering;

use jiff::Timestamp;

use super::{Store, StoreError, pending::Op, read, recorded};
use crate::model::{RecordedBlock, RecordedSeen};

impl Store {
    /// Keeps blocks, and how kinds stand; in order with later operations, durable within a second.
    pub fn save_recorded(&self, blocks: Vec<RecordedBlock>, seen: Vec<RecordedSeen>) {
        if !blocks.is_empty() || !seen.is_empty() {
            self.0.shared.push(Op::Recorded(blocks, seen), None);
        }
    }

    /// Returns whether the recorder's share of the file is used up.
    pub fn is_recorder_full(&self) -> bool {
        let used = self.0.shared.recorded_bytes.load(Ordering::Relaxed);
        used >= self.0.shared.config().recorder_max_size
    }

    /// Returns the blocks that tell what the objects of a kind were at a moment, in order.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn recorded(
        &self,
        cluster: &str,
        kind: &str,
        until: Timestamp,
    ) -> Result<Vec<RecordedBlock>, StoreError> {
        let (cluster, kind) = (cluster.to_owned(), kind.to_owned());
        let until = until.as_millisecond();
        read::with(&self.0.place.database(), move |db| recorded::blocks(db, &cluster, &kind, until)).await
    }

    /// Returns the blocks with changes of a kind in a time, pictures left out, in order.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn recorded_changes(
        &self,
        cluster: &str,
        kind: &str,
        (from, until): (Timestamp, Timestamp),
    ) -> Result<Vec<RecordedBlock>, StoreError> {
        let (cluster, kind) = (cluster.to_owned(), kind.to_owned());
        let (from, until) = (from.as_millisecond(), until.as_millisecond());
        read::with(&self.0.place.database(), move |db| recorded::changes(db, &cluster, &kind, (from, until))).await
    }

    /// Returns how the recording of a cluster stands, of all without a name.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn recorded_seen(&self, cluster: Option<&str>) -> Result<Vec<RecordedSeen>, StoreError> {
        let cluster = cluster.map(str::to_owned);
        read::with(&self.0.place.database(), move |db| recorded::seen(db, cluster.as_deref())).await
    }
}

//! What the flight recorder keeps: packed blocks of changes, and when each kind of object was last seen.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Names one block.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockKey {
    /// The cluster.
    pub cluster: String,
    /// The kind of its objects: `pods`.
    pub kind: String,
    /// When its first change was seen, Unix milliseconds.
    pub from_ms: i64,
    /// It is part of a whole picture as of `from_ms`; else of the changes since then.
    pub is_whole: bool,
    /// Which part of the picture, from 0 on.
    pub part: u32,
}

/// A block: changes or objects, packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedBlock {
    /// Its name; one that is written again replaces the other.
    pub key: BlockKey,
    /// When its last change was seen, Unix milliseconds.
    pub to_ms: i64,
    /// The changes.
    pub body: Vec<u8>,
}

/// How the recording of one kind stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedSeen {
    /// The cluster.
    pub cluster: String,
    /// The kind: `pods`.
    pub kind: String,
    /// When the API last told of it; `None`: never.
    pub at: Option<Timestamp>,
    /// Why it is not recorded, in words; empty: it is.
    pub why_not: String,
}

//! What is on record of when which target was watched and how it stood: what availability is computed from.

use jiff::Timestamp;

use super::{Pairs, Silence, TargetKey, Verdict, VerdictChange};

/// One target's record.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetRecord {
    /// Which.
    pub key: TargetKey,
    /// Its labels, as far as they are known; those of its key are among them.
    pub labels: Pairs,
    /// From when until when it was a target; `None`: it still is.
    pub lives: Vec<(Timestamp, Option<Timestamp>)>,
    /// Changes of its verdict that bear on the time asked for.
    pub changes: Vec<VerdictChange>,
    /// How it stands now, where it still is a target.
    pub verdict: Option<Verdict>,
}

impl TargetRecord {
    /// Returns the record of a target of which nothing is known but its name.
    pub fn new(key: TargetKey) -> Self {
        let own = [("cluster", &*key.cluster), ("job", key.job.as_str()), ("instance", &*key.instance)];
        let labels = own.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { key, labels, lives: Vec::new(), changes: Vec::new(), verdict: None }
    }
}

/// The record of some targets over some time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Each target once.
    pub targets: Vec<TargetRecord>,
    /// From when until when the watchdog ran and looked.
    pub watches: Vec<(Timestamp, Timestamp)>,
    /// Silences that are marked as maintenance ([`Silence::is_maintenance`]).
    pub maintenance: Vec<Silence>,
}

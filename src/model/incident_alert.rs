//! What an incident lists.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Finding, FindingKey};

/// A finding in an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentAlert {
    /// As last diagnosed.
    pub finding: Finding,
    /// When it opened here.
    pub opened_at: Timestamp,
    /// When it ended, or became part of another; `None`: it fires.
    pub ended_at: Option<Timestamp>,
    /// Recorded and told to nobody yet: it may mend itself. It is told once it has lasted.
    #[serde(default)]
    pub held: bool,
    /// The greater trouble that took it in: it did not end then.
    #[serde(default)]
    pub part_of: Option<FindingKey>,
    /// The first message that told its end, by its number in the incident.
    #[serde(default)]
    pub end_told: Option<u32>,
    /// The first message that told its beginning, likewise.
    #[serde(default)]
    pub begin_told: Option<u32>,
}

impl IncidentAlert {
    /// Returns one that fires since `at`.
    pub fn new(finding: Finding, at: Timestamp) -> Self {
        Self { finding, opened_at: at, ended_at: None, held: false, part_of: None, end_told: None, begin_told: None }
    }
}

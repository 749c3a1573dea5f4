//! Restore drills: proofs that what was backed up can be had again, how long that takes, and how old it is then.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How a drill ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RestoreOutcome {
    /// What was to be restored is there.
    Done,
    /// It can't be restored so.
    Failed,
    /// Another was begun before this one had ended.
    Abandoned,
}

impl RestoreOutcome {
    /// Returns the word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }
}

/// A step that was reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreStep {
    /// Its name.
    pub name: String,
    /// When it was reported: it had ended then.
    pub at: Timestamp,
}

/// A restore drill from its opening to its end, with the objectives that it was held to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreDrill {
    /// Which, by the configuration.
    pub name: String,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// By whom; empty: by what reported its start.
    #[serde(default)]
    pub opened_by: String,
    /// When the restoring began.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// Steps in the order in which they were reported.
    #[serde(default)]
    pub steps: Vec<RestoreStep>,
    /// Of when the restored data is.
    #[serde(default)]
    pub data_time: Option<Timestamp>,
    /// When it ended; `None`: it is open.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
    /// How.
    #[serde(default)]
    pub outcome: Option<RestoreOutcome>,
    /// What was said with its end.
    #[serde(default)]
    pub said: String,
    /// The recovery time objective that it was held to.
    #[serde(default, with = "super::duration::option", skip_serializing_if = "Option::is_none")]
    pub rto: Option<Duration>,
    /// The recovery point objective.
    #[serde(default, with = "super::duration::option", skip_serializing_if = "Option::is_none")]
    pub rpo: Option<Duration>,
}

impl RestoreDrill {
    /// Steps of one drill.
    pub const STEPS_MAX: usize = 100;
    /// Bytes of a step's name.
    pub const STEP_NAME_MAX: usize = 100;
    /// Bytes of what was said with its end that are kept: its end.
    pub const SAID_MAX: usize = 1_000;

    /// Returns one that is opened now.
    pub fn open(name: &str, by: &str, (rto, rpo): (Option<Duration>, Option<Duration>), now: Timestamp) -> Self {
        Self {
            name: name.into(),
            opened_at: now,
            opened_by: by.into(),
            started_at: None,
            steps: Vec::new(),
            data_time: None,
            ended_at: None,
            outcome: None,
            said: String::new(),
            rto,
            rpo,
        }
    }

    /// Returns when its clock began: with its start, where nobody told one with its opening.
    pub fn began_at(&self) -> Timestamp {
        self.started_at.unwrap_or(self.opened_at)
    }

    /// Returns how long it took; `None` until it is done.
    pub fn took(&self) -> Option<Duration> {
        let ended = self.ended_at.filter(|_| self.outcome == Some(RestoreOutcome::Done))?;
        Some(between(self.began_at(), ended))
    }

    /// Returns whether it was quick enough; `None`: it is not done, or nothing is asked.
    pub fn rto_met(&self) -> Option<bool> {
        Some(self.took()? <= self.rto?)
    }

    /// Returns how old the data was when the drill began; `None`: nobody told of when it is.
    pub fn data_age(&self) -> Option<Duration> {
        self.data_time.map(|at| between(at, self.began_at()))
    }

    /// Returns whether the data was young enough; `None`: it is not done, nobody told, or nothing is asked.
    pub fn rpo_met(&self) -> Option<bool> {
        self.took()?;
        Some(self.data_age()? <= self.rpo?)
    }
}

fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

//! The confirmed state of a target.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Reason, TargetKey};

/// A target's state after confirmation (see `health`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It answers and is healthy.
    Up,
    /// It failed at least once and is being re-probed.
    Suspect,
    /// It failed as often in a row as confirmation needs.
    Down,
    /// It changes too often to be called up or down.
    Flapping,
    /// It can't be known: never probed, our credentials are refused, or the watchdog itself is cut off.
    Unknown,
}

impl State {
    /// Every state, in the order shown.
    pub const ALL: [State; 5] = [State::Up, State::Suspect, State::Down, State::Flapping, State::Unknown];

    /// Returns the `state` label.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Up => "up",
            State::Suspect => "suspect",
            State::Down => "down",
            State::Flapping => "flapping",
            State::Unknown => "unknown",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A state, since when, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The state.
    pub state: State,
    /// When it began: for `Down`, the first failed probe of the run, not the moment of confirmation.
    pub since: Timestamp,
    /// Why, where it is not `Up`.
    pub reason: Option<Reason>,
    /// Why, in words.
    pub message: String,
    /// The target has answered from here at least once, in this run or an earlier one. What never did may be out of our
    /// reach for good.
    #[serde(default = "reached")]
    pub reached: bool,
    /// What was wrong when it went out of sight, where it did: taken to go on until it is seen again, over a restart too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hides: Option<Box<Verdict>>,
}

/// What was remembered before this was known is believed to have answered.
fn reached() -> bool {
    true
}

/// A change of verdict, as remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictChange {
    /// Whose.
    pub key: TargetKey,
    /// When it was decided.
    pub at: Timestamp,
    /// From which state.
    pub from: State,
    /// To what.
    pub to: Verdict,
}

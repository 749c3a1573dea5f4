//! Restore drills: opened by people or by what begins them, reported step by step with a token as heartbeats are, kept for
//! good, and overdue where none was done for too long. Pure: `judge` takes, decides and says, `failure` tells of one that did not go well;
//! `restoring` keeps. Restores nothing.

pub mod config;
pub mod failure;
pub mod judge;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde::Serialize;

use crate::model::{RestoreDrill, text};

/// Says why something can't be said in a drill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// There is none of this name.
    #[error("no restore drill has this name")]
    Unknown,
    /// None is open.
    #[error("no drill is open: begin one with /start, or with `dogwatch drill restore`")]
    NotOpen,
    /// It has too many.
    #[error("a drill has no more than 100 steps")]
    TooManySteps,
}

/// A drill as it is shown: the record, and what follows from it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunView {
    /// The record.
    #[serde(flatten)]
    pub drill: RestoreDrill,
    /// How long it took, where it is done.
    pub duration_seconds: Option<f64>,
    /// Whether that met the objective.
    pub rto_met: Option<bool>,
    /// How old the data was.
    pub data_age_seconds: Option<f64>,
    /// Whether that met the objective.
    pub rpo_met: Option<bool>,
}

/// All drills of one name, as they are shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RestoreView {
    /// The name.
    pub name: String,
    /// Its cluster, where it has one.
    pub cluster: Option<String>,
    /// Steps of the configuration.
    pub steps: Vec<String>,
    /// When the next one must be done.
    pub due_by: Timestamp,
    /// That has passed.
    pub overdue: bool,
    /// The last ones, newest first.
    pub drills: Vec<RunView>,
}

/// Under which name it is kept since when a drill is asked for; no heartbeat's name begins with a colon.
pub(super) fn state_name(drill: &str) -> String {
    format!(":restore/{drill}")
}

impl RunView {
    pub(super) fn new(drill: &RestoreDrill) -> Self {
        Self {
            duration_seconds: drill.took().map(|d| d.as_secs_f64()),
            rto_met: drill.rto_met(),
            data_age_seconds: drill.data_age().map(|d| d.as_secs_f64()),
            rpo_met: drill.rpo_met(),
            drill: drill.clone(),
        }
    }
}

/// What is asked for, in words: other words are a new beginning.
pub(super) fn expected(config: &config::RestoreDrillConfig) -> String {
    format!("every {}", text::duration(config.every))
}

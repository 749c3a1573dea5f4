//! What a job says of itself, as it is kept.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::store::Durability;

/// Says what a ping says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It begins.
    Start,
    /// It is done.
    Success,
    /// It failed.
    Fail,
    /// Only words.
    Log,
}

/// A ping as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ping {
    /// When.
    pub at: Timestamp,
    /// What it said.
    pub kind: Kind,
    /// The exit status, where it was given.
    #[serde(default)]
    pub exit_status: Option<u8>,
    /// Seconds since the start of the run that it ends.
    #[serde(default)]
    pub duration_seconds: Option<f64>,
    /// What came with it, its last [`super::BODY_MAX`] bytes.
    #[serde(default)]
    pub body: String,
    /// What sent it, as it calls itself.
    #[serde(default)]
    pub user_agent: String,
    /// Bytes of what it reports, where the configuration says how they are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<f64>,
    /// It said that it succeeded, but what a success has to bring was not there: why, after "it reported in, but".
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub refused: String,
}

impl Ping {
    /// Returns a ping without a body.
    pub fn new(at: Timestamp, kind: Kind) -> Self {
        Self {
            at,
            kind,
            exit_status: None,
            duration_seconds: None,
            body: String::new(),
            user_agent: String::new(),
            size: None,
            refused: String::new(),
        }
    }
}

/// Says how a ping was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Whether it is in the file.
    pub kept: Durability,
    /// Why what it called a success is none; empty: it is one, or called itself none.
    pub refused: String,
}

/// Says that nobody has a token, or a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownToken;

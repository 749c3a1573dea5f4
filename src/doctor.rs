//! Whether all that a watchdog stands on is as its configuration needs it: the machine, the rights and answers of each cluster,
//! receivers. Each remark says what was found and, where something is wrong, what to do.
//!
//! Never changes anything and tells receivers nothing: rights are asked for by SelfSubjectAccessReviews, which the API server
//! answers and does not keep; a mail server is logged in to, and left.

pub mod clusters;
pub mod history;
pub mod machine;
pub mod names;
pub mod receivers;
pub mod rights;
pub mod service;

use serde::Serialize;

/// How good it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, and something is missed, or will be.
    Warning,
    /// It does not work.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// `machine`, `configuration`, `service`, `cluster prod`, `receivers`.
    pub area: String,
    /// What was looked at: `disk`, `clock`, `rights: nodes`.
    pub about: String,
    /// How good it is.
    pub level: Level,
    /// What was found.
    pub found: String,
    /// What to do; empty where nothing is to be done.
    pub remedy: String,
}

impl Remark {
    /// All is well.
    pub fn ok(area: &str, about: &str, found: impl Into<String>) -> Self {
        Self::new(Level::Ok, area, about, found, "")
    }

    /// Something is missed.
    pub fn warning(area: &str, about: &str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(Level::Warning, area, about, found, remedy)
    }

    /// Something does not work.
    pub fn bad(area: &str, about: &str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(Level::Bad, area, about, found, remedy)
    }

    fn new(level: Level, area: &str, about: &str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        let (area, about) = (area.to_owned(), about.to_owned());
        Self { area, about, level, found: found.into(), remedy: remedy.into() }
    }
}

/// The worst of all.
pub fn worst(remarks: &[Remark]) -> Level {
    remarks.iter().map(|remark| remark.level).max().unwrap_or(Level::Ok)
}

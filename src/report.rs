//! What somebody who was not there is told of a month: availability against objectives, incidents with the times to detect,
//! acknowledge and restore, certificates that come due, heartbeats. Read from the store; as Markdown, HTML, JSON or CSV.
//!
//! Nothing here decides how available something was (`availability`), and nothing is asked of a cluster. Whatever a cluster,
//! a rule or a person said is escaped for the format that it stands in.

mod certificates;
mod csv;
mod gather;
mod heartbeats;
mod html;
mod incidents;
mod markdown;
mod restore;
mod tables;
#[cfg(test)]
mod tests;
mod words;

use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;

use crate::{
    availability::{SloConfig, Span, Tally},
    words::{Language, Voice},
};

pub use self::{csv::csv, gather::gather, html::html, markdown::markdown};

/// Says what is to be reported.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What the span is called: `October 2026`, `the last 30 days`.
    pub title: String,
    /// Which time.
    pub span: Span,
    /// In which times are shown, and months begin.
    pub zone: TimeZone,
    /// In which language it is for people.
    pub language: Language,
    /// What is held against it.
    pub slos: Vec<SloConfig>,
    /// Restore drills that are asked for: those without any record are told too.
    pub restore_drills: Vec<String>,
    /// The end of what is on record.
    pub now: Timestamp,
}

/// A report. As JSON it is what `--format json` prints: times are RFC 3339, durations seconds.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What the span is called.
    pub title: String,
    /// The first moment.
    pub from: Timestamp,
    /// The first moment behind it.
    pub to: Timestamp,
    /// When it was made: what lies behind is absent.
    pub made_at: Timestamp,
    /// In which times are shown, by its IANA name.
    pub time_zone: String,
    /// Objectives of the configuration.
    pub objectives: Vec<ObjectiveLine>,
    /// Clusters, each by its API.
    pub clusters: Vec<Line>,
    /// Components of clusters.
    pub components: Vec<Line>,
    /// Targets, those first that were down longest.
    pub targets: Vec<Line>,
    /// Incidents that were open at any time of the span, oldest first.
    pub incidents: Vec<IncidentLine>,
    /// There were more incidents than are listed.
    pub incidents_left_out: bool,
    /// Of all that are listed.
    pub times: Times,
    /// Certificates that end within 90 days after the span, the next first.
    pub certificates: Vec<CertificateLine>,
    /// Heartbeats.
    pub heartbeats: Vec<HeartbeatLine>,
    /// Restore drills: the last of each until the end of the span.
    pub restore_drills: Vec<RestoreLine>,
    #[serde(skip)]
    voice: Voice,
}

/// How available one thing was.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// What.
    pub name: String,
    /// From 0 to 1; `None`: nothing is known.
    pub availability: Option<f64>,
    /// Seconds by what they count as.
    pub seconds: Tally,
    /// How often it was down.
    pub outages: usize,
    /// The longest time that it was down in one, in seconds.
    pub longest_outage_seconds: u64,
}

/// How an objective was met.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ObjectiveLine {
    /// Its name and how available it was.
    #[serde(flatten)]
    pub line: Line,
    /// What it is to be, in percent.
    pub objective: f64,
    /// Whether it was; `None`: nothing is known.
    pub met: Option<bool>,
    /// Seconds that it might have been down in this span.
    pub allowed_seconds: f64,
    /// What is left of them, of 1; below 0: overspent.
    pub budget_left: f64,
}

/// An incident.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IncidentLine {
    /// Its id.
    pub id: i64,
    /// Of which cluster; empty: the watchdog itself.
    pub cluster: String,
    /// How bad.
    pub severity: String,
    /// What it was.
    pub headline: String,
    /// The alert that is taken for its cause.
    pub cause: String,
    /// When it began.
    pub began: Timestamp,
    /// When it ended; `None`: it lasts.
    pub ended: Option<Timestamp>,
    /// From its beginning until it was found.
    pub detect_seconds: Option<u64>,
    /// From its beginning until somebody was told.
    pub tell_seconds: Option<u64>,
    /// From its beginning until somebody said that he looks after it.
    pub acknowledge_seconds: Option<u64>,
    /// From its beginning to its end.
    pub restore_seconds: Option<u64>,
}

/// Means over incidents, each over those that have such a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Times {
    /// Until they were found.
    pub mean_detect_seconds: Option<f64>,
    /// Until somebody looked after them.
    pub mean_acknowledge_seconds: Option<f64>,
    /// Until they ended.
    pub mean_restore_seconds: Option<f64>,
}

/// A certificate that comes due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct CertificateLine {
    /// When it ends.
    pub expires: Timestamp,
    /// Of which cluster.
    pub cluster: String,
    /// Its subject.
    pub subject: String,
    /// Where it was seen: `serving`, `ca`, `kubeconfig` or `etcd-client`.
    pub source: String,
    /// At how many targets.
    pub seen_at: usize,
}

/// How a heartbeat did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeartbeatLine {
    /// Its name.
    pub name: String,
    /// The cluster that it is about; empty: none.
    pub cluster: String,
    /// How often it succeeded within the span, as far as that is on record.
    pub successes: usize,
    /// The last success until the end of the span.
    pub last_success: Option<Timestamp>,
    /// How often it was late, failed or ran too long.
    pub troubles: usize,
    /// For how long in all, in seconds.
    pub trouble_seconds: u64,
    /// The longest run of those that told their beginning, in seconds.
    pub longest_run_seconds: Option<f64>,
}

/// How a restore drill went: the last that ended before the end of the span.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RestoreLine {
    /// Its name.
    pub name: String,
    /// How many were done within the span.
    pub done: usize,
    /// When the last one ended; `None`: none ever has.
    pub last_ended: Option<Timestamp>,
    /// How it ended: `done`, `failed` or `abandoned`.
    pub outcome: Option<&'static str>,
    /// How long it took, in seconds, where it was done.
    pub duration_seconds: Option<f64>,
    /// The recovery time objective that it was held to, in seconds.
    pub rto_seconds: Option<f64>,
    /// Whether that was met.
    pub rto_met: Option<bool>,
    /// How old the data was when it began, in seconds.
    pub data_age_seconds: Option<f64>,
    /// The recovery point objective that it was held to, in seconds.
    pub rpo_seconds: Option<f64>,
    /// Whether that was met.
    pub rpo_met: Option<bool>,
}

//! What the diagnosis says: named findings with evidence, causes and consequences.

use std::{collections::BTreeMap, fmt, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AlertName, RecentChange, Said};

/// Says how bad, worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Look at it today.
    Warning,
    /// Wake someone.
    Critical,
}

impl Severity {
    /// Returns what the label `severity` of an alert says. Words that nobody agreed on count as a warning: neither lost
    /// nor waking anybody.
    pub fn of_label(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "critical" | "page" | "error" | "emergency" | "fatal" | "disaster" => Severity::Critical,
            "info" | "none" | "informational" | "notice" | "debug" => Severity::Info,
            _ => Severity::Warning,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        })
    }
}

/// Says what kind of incident a finding belongs to: findings of different topics never share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Topic {
    /// Something is broken.
    Outage,
    /// Certificates.
    Certificates,
    /// Our own credentials.
    Credentials,
    /// The watchdog's view.
    Vantage,
    /// The watchdog itself.
    Watchdog,
    /// Jobs that report in.
    Heartbeats,
    /// Alerts of rules and from outside, grouped as their route says.
    Alerts,
    /// A drill.
    Drill,
}

/// A finding's identity over time.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FindingKey {
    /// The cluster, or empty for the watchdog itself.
    pub cluster: Arc<str>,
    /// What.
    pub alert: AlertName,
    /// Of whom: an instance, a node, a certificate; empty where there is one per cluster.
    pub subject: String,
}

/// One thing that is wrong, said so that a person can act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Identity.
    pub key: FindingKey,
    /// How bad.
    pub severity: Severity,
    /// Which kind of incident.
    pub topic: Topic,
    /// The sentence, without the cluster's name: "etcd has lost quorum: 2 of 3 members down".
    pub headline: String,
    /// Since when.
    pub since: Timestamp,
    /// What was seen, a line each.
    pub evidence: Vec<String>,
    /// What still works, a line each.
    pub still_works: Vec<String>,
    /// What is broken because of it, a line each.
    pub consequences: Vec<String>,
    /// What to do first.
    pub first_step: String,
    /// The finding that explains this one; a finding with a cause is never told by itself.
    pub caused_by: Option<FindingKey>,
    /// Alert labels besides `alertname`, `cluster`, `severity`: `job`, `instance`, `node`, …
    pub labels: BTreeMap<String, String>,
    /// What a rule or somebody outside said of it, as it was said.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// Where a rule's or somebody else's alert comes from; empty for ours.
    #[serde(default)]
    pub generator_url: String,
    /// What sentences above were said with: by it they are said in another language. One that has none stays English.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub said: Vec<Said>,
}

impl Finding {
    /// Returns one with its sentence alone; evidence, labels and the rest are filled in by who has them.
    pub fn new(key: FindingKey, severity: Severity, topic: Topic, headline: String, since: Timestamp) -> Self {
        Self {
            key,
            severity,
            topic,
            headline,
            since,
            evidence: Vec::new(),
            still_works: Vec::new(),
            consequences: Vec::new(),
            first_step: String::new(),
            caused_by: None,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            generator_url: String::new(),
            said: Vec::new(),
        }
    }

    /// Returns it with what some of its sentences were said with, besides those known already.
    pub fn with_said(mut self, said: impl IntoIterator<Item = Said>) -> Self {
        self.said.extend(said);
        self
    }

    /// Returns the alert's name.
    pub fn name(&self) -> String {
        match self.key.alert {
            AlertName::Other => self.labels.get("alertname").cloned().unwrap_or_default(),
            known => known.to_string(),
        }
    }
}

/// All findings of one cluster (or of the watchdog itself) at one moment: one snapshot decides causes and consequences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// The cluster, or empty for the watchdog itself.
    pub cluster: Arc<str>,
    /// When.
    pub at: Timestamp,
    /// Findings, the one that explains most first.
    pub findings: Vec<Finding>,
    /// Targets are still being re-probed: the picture may change within seconds.
    pub unsettled: bool,
    /// Nothing could be judged (the watchdog is cut off): open findings stay as they are, none is resolved.
    pub blind: bool,
    /// What has changed in the cluster in the last hour, oldest first.
    pub changes: Arc<[Arc<RecentChange>]>,
}

//! An alert as Prometheus and Alertmanager know it: a label set that fires, from a rule, from outside, or from ourselves.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Severity;

/// Labels or annotations, sorted by name. Empty values are not kept: in Prometheus an empty label is none.
pub type Pairs = BTreeMap<String, String>;

/// The label that names an alert.
pub const ALERTNAME: &str = "alertname";

/// The annotation that links a runbook: the mixins' name.
pub const RUNBOOK_URL: &str = "runbook_url";

/// A label set that fires, or has fired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Its identity, `alertname` among them.
    pub labels: Pairs,
    /// What is said of it: `summary`, `description`, `runbook_url`, …
    pub annotations: Pairs,
    /// When it began to fire.
    pub starts_at: Timestamp,
    /// When it ended, or will count as ended unless it is said again; `None`: it fires until it is said to have ended.
    pub ends_at: Option<Timestamp>,
    /// Where it comes from: a link for people.
    pub generator_url: String,
}

impl Alert {
    /// Returns the value of `alertname`; empty where there is none.
    pub fn name(&self) -> &str {
        self.label(ALERTNAME)
    }

    /// Returns the value of a label; empty where there is none.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    /// Returns whether it has ended by `now`.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.ends_at.is_some_and(|end| end <= now)
    }

    /// Returns what the label `severity` says.
    pub fn severity(&self) -> Severity {
        Severity::of_label(self.label("severity"))
    }

    /// Sixteen hexadecimal digits that follow from the labels, the same for ever.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.labels)
    }
}

/// FNV-1a over the sorted labels, as Prometheus' `LabelSet.Fingerprint` has it (model/labelset.go).
pub fn fingerprint(labels: &Pairs) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut add = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    for text in labels.iter().flat_map(|(name, value)| [name, value]) {
        text.bytes().for_each(&mut add);
        add(0xff);
    }
    format!("{hash:016x}")
}

/// Holds what one evaluation of a rule group says: every alert of it that fires, and nothing else of it does.
#[derive(Clone, Debug, PartialEq)]
pub struct Firing {
    /// `file;group`: whose alerts these are.
    pub source: Arc<str>,
    /// When it was evaluated.
    pub at: Timestamp,
    /// What fires: without an end.
    pub alerts: Vec<RuleAlert>,
}

/// An alert of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleAlert {
    /// As it is told.
    pub alert: Alert,
    /// How long after something was over the rule may still speak of it: its ranges, `for` and `keep_firing_for`.
    pub looks_back: Duration,
}

/// One condition of a silence, in the words of Alertmanager's API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SilenceMatcher {
    /// The label.
    pub name: String,
    /// The value, or the expression.
    pub value: String,
    /// The value is a regular expression, anchored.
    pub is_regex: bool,
    /// False: what must not match.
    #[serde(default = "yes")]
    pub is_equal: bool,
}

fn yes() -> bool {
    true
}

/// Alerts that satisfy all matchers are not told between two moments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Silence {
    /// A UUID.
    pub id: String,
    /// All must hold.
    pub matchers: Vec<SilenceMatcher>,
    /// From when on.
    pub starts_at: Timestamp,
    /// Until when.
    pub ends_at: Timestamp,
    /// Last change.
    pub updated_at: Timestamp,
    /// Who.
    pub created_by: String,
    /// Why.
    pub comment: String,
}

impl Silence {
    /// Returns whether it is in force.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.starts_at <= now && now < self.ends_at
    }

    /// How the comment of a silence begins that is planned work, and no trouble that is known.
    pub const MAINTENANCE: &str = "maintenance";

    /// Returns whether it is planned work: its comment begins with the word, in small or capital letters. That time is
    /// taken out of what a target is held to (docs/availability.md).
    pub fn is_maintenance(&self) -> bool {
        let word = self.comment.trim_start().get(..Self::MAINTENANCE.len());
        word.is_some_and(|word| word.eq_ignore_ascii_case(Self::MAINTENANCE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_is_prometheus_own() {
        // From Prometheus' model: LabelSet{"alertname": "a"}.Fingerprint() hashes name, 0xff, value, 0xff.
        let of = |pairs: &[(&str, &str)]| {
            fingerprint(&pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
        };
        assert_eq!(of(&[]), "cbf29ce484222325");
        assert_ne!(of(&[("a", "bc")]), of(&[("ab", "c")]));
    }
}

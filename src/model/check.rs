//! What the rest of the house knows of a check: its name, how it is judged, and what it measured. How it is made is the
//! room `check`'s own.

use std::{
    collections::BTreeSet,
    fmt,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::Severity;

/// The group of the checks that belong to no cluster: it stands in their label `cluster`.
pub const CHECKS: &str = "checks";

/// The name of a check: the label `job` of its series. Small and `Copy` as the components' names are: each name is kept
/// once, for as long as the program runs. There are as many as configurations ever named and discovery ever found, some
/// [`CheckName::MAX`] bytes each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CheckName(&'static str);

static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

impl CheckName {
    /// The longest name, in bytes.
    pub const MAX: usize = 100;

    /// Returns the name; `None` where it is none: letters, digits, `.`, `_` and `-`.
    pub fn new(name: &str) -> Option<Self> {
        if !Self::fits(name) {
            return None;
        }
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&known) = names.get(name) {
            return Some(Self(known));
        }
        let kept: &'static str = Box::leak(name.to_owned().into_boxed_str());
        names.insert(kept);
        Some(Self(kept))
    }

    /// Returns whether this could be a name, without keeping it.
    pub fn fits(name: &str) -> bool {
        let is_short = !name.is_empty() && name.len() <= Self::MAX;
        is_short && name.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b))
    }

    /// Returns it as it is written.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for CheckName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl Serialize for CheckName {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.0)
    }
}

impl<'de> Deserialize<'de> for CheckName {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let name = String::deserialize(d)?;
        Self::new(&name).ok_or_else(|| D::Error::custom("this is no name: use letters, digits, '.', '_' and '-'"))
    }
}

/// How many failures of how many probes make a check `down`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// So many failures …
    pub failures: u32,
    /// … of the last so many probes.
    pub of: u32,
}

impl Default for Quota {
    /// Three in a row, as for all targets.
    fn default() -> Self {
        Self { failures: 3, of: 3 }
    }
}

/// At which port of each node a check is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AtNodes {
    /// At this one.
    Port(u16),
    /// Where the cluster's ingress controllers serve.
    Ingress {
        /// With TLS, or without.
        tls: bool,
        /// Of this one alone: `namespace/name` of its Service.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service: Option<String>,
    },
}

/// Says how a check is judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckTraits {
    /// What kind of check: `http`, `tcp`, …; of several that fail on one host, the plainest kind is told.
    pub kind: String,
    /// Where it asks, as people write it: a URL or `host:port`.
    pub at: String,
    /// The plainer, the lower: what asks less of a host explains what asks more of it.
    pub layer: u8,
    /// What makes it `down`.
    pub down: Quota,
    /// The checks that it can't work without.
    pub depends_on: Vec<CheckName>,
    /// Made there at every node, and judged together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<AtNodes>,
    /// Of its finding.
    pub severity: Severity,
    /// There are times in which it is not told: then nothing else tells of it either.
    #[serde(default)]
    pub has_quiet_times: bool,
    /// Its place in the configuration, as the last word on the order.
    pub place: u32,
}

/// One number that a check measured, under the name of its series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// The series' name (`telemetry::names`).
    pub name: String,
    /// Labels beside the target's own.
    pub labels: Vec<(String, String)>,
    /// The value.
    pub value: f64,
}

impl Measure {
    /// Returns a number without further labels.
    pub fn new(name: &str, value: f64) -> Self {
        Self { name: name.to_owned(), labels: Vec::new(), value }
    }

    /// Returns the same with a label more.
    pub fn with(mut self, label: &str, value: impl Into<String>) -> Self {
        self.labels.push((label.to_owned(), value.into()));
        self
    }

    /// Returns 1 or 0.
    pub fn flag(name: &str, value: bool) -> Self {
        Self::new(name, f64::from(u8::from(value)))
    }
}

/// Holds what a check found beside whether it is well.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CheckFacts {
    /// What it measured.
    pub measures: Vec<Measure>,
    /// The address that it asked; `None` where that is not known, or a proxy's.
    pub peer: Option<SocketAddr>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_once_and_odd_ones_are_none() {
        let (a, b) = (CheckName::new("registry").unwrap(), CheckName::new(&String::from("registry")).unwrap());
        assert!(a == b && std::ptr::eq(a.as_str(), b.as_str()));
        assert_eq!(serde_json::to_string(&a).unwrap(), "\"registry\"");
        assert_eq!(serde_json::from_str::<CheckName>("\"registry\"").unwrap(), a);
        for odd in ["", "a b", "é", "a/b", &"x".repeat(101)] {
            assert_eq!(CheckName::new(odd), None, "{odd:?}");
        }
    }
}

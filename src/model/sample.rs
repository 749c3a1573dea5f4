//! A measured value of a series at a time.

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The label under which PromQL and Prometheus' API keep the name.
pub const METRIC_NAME: &str = "__name__";

/// The value that says "this series has ended here": the one NaN that Prometheus keeps for it (model/value/value.go).
pub const STALE_BITS: u64 = 0x7ff0_0000_0000_0002;

/// Returns the stale marker.
pub fn stale() -> f64 {
    f64::from_bits(STALE_BITS)
}

/// Returns whether a value is the stale marker. Any other NaN is a value.
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_BITS
}

/// A metric name with its labels, sorted by label name, each name once. `__name__` is kept apart as `name`.
/// Cheap to clone; equal sets are equal whatever the order they were given in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Labels {
    /// The metric's name, e.g. `probe_success`.
    pub name: Arc<str>,
    /// `(label, value)`, sorted by label.
    pub pairs: Arc<[(Arc<str>, Arc<str>)]>,
}

impl Labels {
    /// Sorts the pairs; of a label given twice the last value counts; empty values are left out, as in Prometheus.
    pub fn new<K: Into<Arc<str>>, V: Into<Arc<str>>>(
        name: impl Into<Arc<str>>,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let map: std::collections::BTreeMap<Arc<str>, Arc<str>> =
            pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        Self { name: name.into(), pairs: map.into_iter().filter(|(_, v)| !v.is_empty()).collect() }
    }

    /// Returns whether both are one label set in memory: no text is compared.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.name, &other.name) && Arc::ptr_eq(&self.pairs, &other.pairs)
    }

    /// Returns the value of one label, `__name__` for the name; empty where there is none, as PromQL sees it.
    pub fn value(&self, label: &str) -> &str {
        if label == METRIC_NAME { &self.name } else { self.get(label).unwrap_or_default() }
    }

    /// Returns the value of one label, `None` where there is none; the name is not among them.
    pub fn get(&self, label: &str) -> Option<&str> {
        self.pairs.iter().find(|(k, _)| &**k == label).map(|(_, v)| &**v)
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{{", self.name)?;
        for (i, (k, v)) in self.pairs.iter().enumerate() {
            write!(f, "{}{k}={v:?}", if i > 0 { "," } else { "" })?;
        }
        f.write_str("}")
    }
}

/// One value of one series. Values are in the metric's base unit (seconds, bytes, 0/1).
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Which series.
    pub labels: Labels,
    /// Wall time, kept to the millisecond.
    pub at: Timestamp,
    /// The value.
    pub value: f64,
}

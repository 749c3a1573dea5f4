//! `key:` with nothing after it: for Go's YAML, which Prometheus and Alertmanager read with, that is an empty list or map.

use serde::{Deserialize, Deserializer};

/// Reads a value, or its default where there is none: `#[serde(default, deserialize_with = "null_as_default::deserialize")]`.
pub fn deserialize<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(d: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(d)?.unwrap_or_default())
}

//! Durations as people write them (`10s`, `1h30m`, `90d`), for serde: `#[serde(with = "crate::model::duration")]`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer, de::Error};

/// Writes `1h 30m`.
pub fn serialize<S: Serializer>(d: &Duration, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(&humantime::format_duration(*d))
}

/// Reads a duration; a bare number is refused, since nobody can tell its unit.
pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(d)
        .map_err(|e| D::Error::custom(format!("{e}; a duration has its unit: 10s, 5m, 24h or 90d")))?;
    humantime::parse_duration(&text)
        .map_err(|e| D::Error::custom(format!("{text:?} is not a duration ({e}); write it like 10s, 5m, 24h or 90d")))
}

/// The same for `Option<Duration>`: `#[serde(default, with = "crate::model::duration::option")]`.
pub mod option {
    use super::*;

    /// Writes the duration or nothing.
    pub fn serialize<S: Serializer>(d: &Option<Duration>, s: S) -> Result<S::Ok, S::Error> {
        match d {
            Some(d) => super::serialize(d, s),
            None => s.serialize_none(),
        }
    }

    /// Reads a duration where there is one.
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Duration>, D::Error> {
        super::deserialize(d).map(Some)
    }
}

//! `key:` with nothing after it: for Go's YAML, which Prometheus and Alertmanager read with, that is an empty list or map.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::Error as _};

use super::Pairs;

/// Reads a value, or its default where there is none: `#[serde(default, deserialize_with = "null_as_default::deserialize")]`.
pub fn deserialize<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(d: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(d)?.unwrap_or_default())
}

/// Reads texts by their names, where one that is not written, or all of them, may be missing.
pub fn pairs<'de, D: Deserializer<'de>>(d: D) -> Result<Pairs, D::Error> {
    let texts: Option<BTreeMap<String, Option<String>>> = Option::deserialize(d)?;
    Ok(texts.unwrap_or_default().into_iter().map(|(name, text)| (name, text.unwrap_or_default())).collect())
}

/// Reads regular expressions by their names: all of them may be missing, but a name without an expression is a mistake, as it
/// is for Alertmanager.
///
/// # Errors
/// For a name without an expression.
pub fn expressions<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<String, String>, D::Error> {
    let texts: Option<BTreeMap<String, Option<String>>> = Option::deserialize(d)?;
    let each = texts.unwrap_or_default().into_iter().map(|(name, text)| match text {
        Some(text) => Ok((name, text)),
        None => Err(D::Error::custom(format!("{name} has no expression: write one, like {name}: .+"))),
    });
    each.collect()
}

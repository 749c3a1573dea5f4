//! Functions of label sets.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use crate::{
    model::{Labels, MatchOp, Matcher, re2},
    promql::labels::{empty, is_metadata, with},
};

/// A label's value that a function makes is no longer, in bytes: functions in functions could double it each time.
const VALUE_MAX_BYTES: usize = 64 << 10;

/// A value is longer than so many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong(pub usize);

/// Sets `dst` to the expansion of `replacement` where `regex` matches the value of `source`; `$1`, `${1}`, `$name` and
/// `${name}` are the groups, as in Go.
///
/// # Errors
/// When the value would be too long.
pub fn label_replace(
    labels: &Labels,
    dst: &str,
    replacement: &str,
    source: &str,
    regex: &Regex,
) -> Result<Option<Labels>, TooLong> {
    let Some(groups) = regex.captures(labels.value(source)) else { return Ok(None) };
    let value = re2::expand(replacement, &groups, regex, VALUE_MAX_BYTES).ok_or(TooLong(VALUE_MAX_BYTES))?;
    Ok(Some(with(labels, dst, &value)))
}

/// Sets `dst` to the values of the sources with a separator between them.
///
/// # Errors
/// When the value would be too long.
pub fn label_join(labels: &Labels, dst: &str, separator: &str, sources: &[&str]) -> Result<Labels, TooLong> {
    let values: Vec<&str> = sources.iter().map(|source| labels.value(source)).collect();
    if values.iter().map(|value| value.len() + separator.len()).sum::<usize>() > VALUE_MAX_BYTES {
        return Err(TooLong(VALUE_MAX_BYTES));
    }
    Ok(with(labels, dst, &values.join(separator)))
}

/// Returns the labels of what is absent: those that the selector is sure of. A label with two conditions is not.
pub fn absent_labels(matchers: &[Matcher]) -> Labels {
    let mut seen = BTreeSet::new();
    let mut sure = BTreeMap::new();
    for m in matchers.iter().filter(|m| !is_metadata(&m.name)) {
        let is_equal = matches!(m.op, MatchOp::Equal);
        if is_equal && !seen.contains(&m.name) && !m.value.is_empty() {
            sure.insert(m.name.clone(), m.value.clone());
        } else {
            sure.remove(&m.name);
        }
        if is_equal {
            seen.insert(m.name.clone());
        }
    }
    Labels { pairs: sure.into_iter().collect(), ..empty() }
}

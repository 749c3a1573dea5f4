//! Functions of label sets.

use std::collections::BTreeSet;

use regex::Regex;

use crate::{
    model::{Labels, METRIC_NAME, MatchOp, Matcher, re2},
    promql::labels::{empty, with},
};

/// Sets `dst` to the expansion of `replacement` where `regex` matches the value of `source`; `$1`, `${1}`, `$name` and
/// `${name}` are the groups, as in Go.
pub fn label_replace(labels: &Labels, dst: &str, replacement: &str, source: &str, regex: &Regex) -> Labels {
    let Some(groups) = regex.captures(labels.value(source)) else { return labels.clone() };
    with(labels, dst, &re2::expand(replacement, &groups, regex))
}

/// Sets `dst` to the values of the sources with a separator between them.
pub fn label_join(labels: &Labels, dst: &str, separator: &str, sources: &[&str]) -> Labels {
    let values: Vec<&str> = sources.iter().map(|source| labels.value(source)).collect();
    with(labels, dst, &values.join(separator))
}

/// Returns the labels of what is absent: those that the selector is sure of. A label with two conditions is not.
pub fn absent_labels(matchers: &[Matcher]) -> Labels {
    let mut seen = BTreeSet::new();
    let mut labels = empty();
    for m in matchers.iter().filter(|m| *m.name != *METRIC_NAME) {
        let sure = matches!(m.op, MatchOp::Equal) && !seen.contains(&m.name);
        labels = with(&labels, &m.name, if sure { &m.value } else { "" });
        if matches!(m.op, MatchOp::Equal) {
            seen.insert(m.name.clone());
        }
    }
    labels
}

//! Functions of label sets.

use std::collections::BTreeSet;

use regex::{Captures, Regex};

use crate::{
    model::{Labels, METRIC_NAME, MatchOp, Matcher},
    promql::labels::{empty, with},
};

/// Sets `dst` to the expansion of `replacement` where `regex` matches the value of `source`; `$1`, `${1}`, `$name` and
/// `${name}` are the groups, as in Go.
pub fn label_replace(labels: &Labels, dst: &str, replacement: &str, source: &str, regex: &Regex) -> Labels {
    let Some(groups) = regex.captures(labels.value(source)) else { return labels.clone() };
    with(labels, dst, &expand(replacement, &groups, regex))
}

/// Go's `Regexp.Expand`: a name is the longest run of letters, digits and underscores, groups that are not there are
/// empty, `$$` is a dollar, and what is malformed stands for itself. (The crate's own has other names in braces.)
fn expand(template: &str, groups: &Captures<'_>, regex: &Regex) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = group_name(rest) {
            out.push_str(group(name, groups, regex));
            rest = after;
        } else {
            out.push('$');
        }
    }
    out + rest
}

/// `name` or `{name}` at the beginning of a text, and what follows.
fn group_name(text: &str) -> Option<(&str, &str)> {
    let (text, braced) = text.strip_prefix('{').map_or((text, false), |inner| (inner, true));
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, after) = text.split_at_checked(end).filter(|(name, _)| !name.is_empty())?;
    Some((name, if braced { after.strip_prefix('}')? } else { after }))
}

/// By number, which has no leading zeros, or by name.
fn group<'a>(name: &str, groups: &Captures<'a>, regex: &Regex) -> &'a str {
    let is_number = name.bytes().all(|b| b.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    let number = if is_number { name.parse().ok() } else { regex.capture_names().position(|n| n == Some(name)) };
    number.and_then(|n| groups.get(n)).map_or("", |m| m.as_str())
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

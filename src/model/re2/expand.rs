//! Replacements with groups in them, as Go writes them out.

use regex::{Captures, Regex};

/// Go's `Regexp.ReplaceAllString`.
pub fn replace_all(regex: &Regex, text: &str, replacement: &str) -> String {
    let expanded = |groups: &Captures<'_>| expand(replacement, groups, regex, usize::MAX).unwrap_or_default();
    regex.replace_all(text, expanded).into_owned()
}

/// Go's `Regexp.Expand`: a name is the longest run of letters, digits and underscores, groups that are not there are
/// empty, `$$` is a dollar, and what is malformed stands for itself. (The crate's own has other names in braces.) `None`:
/// it would be longer than `max` bytes.
pub fn expand(template: &str, groups: &Captures<'_>, regex: &Regex, max: usize) -> Option<String> {
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
        if out.len() > max {
            return None;
        }
    }
    out.push_str(rest);
    (out.len() <= max).then_some(out)
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

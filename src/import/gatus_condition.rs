//! One condition of Gatus in dogwatch's words. Pure.

use super::draft::{matches, quoted};

/// What a condition is about here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// Nothing: a check has it by itself.
    Nothing,
    /// The answer.
    Answer(String),
    /// The registration of its domain.
    Domain(String),
    /// It can't be said here, for this reason.
    Lost(&'static str),
}

/// Gatus' operators, longer ones first.
const OPERATORS: [&str; 6] = ["==", "!=", "<=", ">=", "<", ">"];

/// Carries over a condition of an endpoint of one kind.
pub(super) fn condition(text: &str, kind: &str) -> Of {
    let Some((left, op, right)) = parts(text) else { return Of::Lost("it has no operator") };
    match left {
        "[STATUS]" if kind == "http" => plain("status", op, right),
        "[RESPONSE_TIME]" => match right.parse::<u64>() {
            Ok(ms) => Of::Answer(format!("time {op} {ms}ms")),
            Err(_) => Of::Lost("this is no number of milliseconds"),
        },
        "[CONNECTED]" if (op, right) == ("==", "true") => Of::Nothing,
        "[CERTIFICATE_EXPIRATION]" => Of::Answer(format!("cert {op} {right}")),
        "[DOMAIN_EXPIRATION]" => Of::Domain(format!("expiry {op} {right}")),
        "[DNS_RCODE]" => Of::Answer(format!("rcode {op} {right}")),
        "[BODY]" if kind == "dns" => words("answer", op, right),
        "[BODY]" if kind == "tcp" => words("banner", op, right),
        "[BODY]" => words("body", op, right),
        _ => of_body(left, op, right),
    }
}

/// The first operator that does not stand in brackets: paths may have some.
fn parts(text: &str) -> Option<(&str, &str, &str)> {
    let found = text.char_indices().filter(|(_, c)| "=!<>".contains(*c)).find_map(|(at, _)| {
        let rest = text.get(at..)?;
        let op = OPERATORS.into_iter().find(|op| rest.starts_with(op))?;
        let outside = |before: &str| before.matches('[').count() == before.matches(']').count();
        text.get(..at).filter(|before| outside(before)).map(|before| (before, op))
    })?;
    let (before, op) = found;
    Some((before.trim(), op, text.get(before.len() + op.len()..)?.trim()))
}

/// `any(200, 429)`
fn any(right: &str) -> Option<Vec<&str>> {
    let inner = right.strip_prefix("any(")?.strip_suffix(')')?;
    Some(inner.split(',').map(str::trim).collect())
}

/// A number, or several.
fn plain(subject: &str, op: &str, right: &str) -> Of {
    match any(right) {
        Some(all) if op == "==" => Of::Answer(format!("{subject} in [{}]", all.join(", "))),
        Some(_) => Of::Lost("any() goes with == alone"),
        None => Of::Answer(format!("{subject} {op} {right}")),
    }
}

/// A text, several, or a pattern with stars.
fn words(subject: &str, op: &str, right: &str) -> Of {
    if let Some(all) = any(right) {
        let all: Vec<String> = all.into_iter().map(|one| format!("\"{}\"", quoted(one))).collect();
        return match op {
            "==" => Of::Answer(format!("{subject} in [{}]", all.join(", "))),
            _ => Of::Lost("any() goes with == alone"),
        };
    }
    if let Some(pattern) = right.strip_prefix("pat(").and_then(|rest| rest.strip_suffix(')')) {
        return match op {
            "==" => Of::Answer(matches(subject, "~", &of_pattern(pattern))),
            "!=" => Of::Answer(matches(subject, "!~", &of_pattern(pattern))),
            _ => Of::Lost("pat() goes with == and !="),
        };
    }
    match op {
        "==" | "!=" => Of::Answer(format!("{subject} {op} \"{}\"", quoted(right))),
        _ => Of::Lost("a text is not compared by size"),
    }
}

/// `*` stands for anything, `?` for one character; at both ends they need not be said.
fn of_pattern(pattern: &str) -> String {
    let inner = pattern.trim_matches('*');
    let (start, end) = (pattern.starts_with('*'), pattern.ends_with('*'));
    let middle = regex::escape(inner).replace("\\*", "(?s:.*)").replace("\\?", "(?s:.)");
    format!("{}{middle}{}", if start { "" } else { "^" }, if end { "" } else { "$" })
}

/// `[BODY].a.b`, `len(…)` and `has(…)`.
fn of_body(left: &str, op: &str, right: &str) -> Of {
    if left.starts_with("len(") {
        return Of::Lost("conditions have no length: ask for an item by its path, like json $.list[0] exists");
    }
    if let Some(inner) = left.strip_prefix("has(").and_then(|rest| rest.strip_suffix(')')) {
        let Some(path) = path(inner) else { return Of::Lost("this is no path into the body") };
        return match (op, right) {
            ("==", "true") | ("!=", "false") => Of::Answer(format!("json {path} exists")),
            // What is not there is all that no expression matches.
            ("==", "false") | ("!=", "true") => Of::Answer(format!("json {path} !~ \"\"")),
            _ => Of::Lost("has() is true or false"),
        };
    }
    let Some(path) = path(left) else { return Of::Lost("there is nothing like it") };
    let is_literal = right.parse::<f64>().is_ok() || matches!(right, "true" | "false" | "null");
    let subject = format!("json {path}");
    if is_literal { Of::Answer(format!("{subject} {op} {right}")) } else { words(&subject, op, right) }
}

/// `[BODY].items[0].id` as a JSONPath.
fn path(text: &str) -> Option<String> {
    let rest = text.strip_prefix("[BODY]")?;
    let mut path = "$".to_owned();
    for part in rest.split('.').filter(|part| !part.is_empty()) {
        let (name, index) = part.split_at(part.find('[').unwrap_or(part.len()));
        let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !name.starts_with(|c: char| c.is_ascii_digit());
        match name {
            "" => {}
            name if is_name => path.push_str(&format!(".{name}")),
            name => path.push_str(&format!("['{name}']")),
        }
        path.push_str(index);
    }
    Some(path)
}

//! Checks as YAML that people like to read: block style, comments where something was lost. Pure.

use std::fmt::Write;

use serde_json::Value;

use super::{Format, Imported, draft::Draft};

/// Lines are broken here in comments.
const WIDTH: usize = 110;

/// Writes all of them.
pub(super) fn all(source: &str, format: Format, drafts: Vec<Draft>, mut lost: Vec<String>) -> Imported {
    let mut body = String::new();
    let (mut checks, mut has_secrets) = (0, false);
    for draft in drafts {
        let off = draft.off.clone().or_else(|| draft.problem().map(|why| format!("dogwatch would not take it: {why}")));
        lost.extend(off.iter().map(|why| format!("{}: {why}", draft.name)));
        lost.extend(draft.lost.iter().map(|what| format!("{}: {what}", draft.name)));
        has_secrets |= draft.has_secret;
        checks += usize::from(off.is_none());
        body.push_str(&one(&draft, off.as_deref()));
    }
    let mut yaml = String::new();
    comment(&mut yaml, "", &format!("Carried over from {source} ({}) by dogwatch import.", format.name()));
    if lost.is_empty() {
        comment(&mut yaml, "", "Everything was carried over.");
    }
    yaml.push_str(if checks == 0 { "checks: []\n" } else { "checks:\n" });
    yaml.push_str(&body);
    Imported { yaml, lost, checks, has_secrets }
}

fn one(draft: &Draft, off: Option<&str>) -> String {
    let mut out = String::new();
    if let Some(why) = off {
        comment(&mut out, "  ", &format!("{} is not carried over: {why}", draft.name));
    }
    for what in &draft.lost {
        comment(&mut out, "  ", &format!("not carried over: {what}"));
    }
    for what in &draft.remarks {
        comment(&mut out, "  ", what);
    }
    let entries = draft.entries();
    if off.is_some() && entries.is_empty() {
        return out;
    }
    let mut text = format!("  - name: {}\n", scalar(&Value::String(draft.name.clone()), draft.has_environment));
    for (key, value) in &entries {
        let order = if *key == draft.kind { draft.order() } else { Vec::new() };
        node(&mut text, key, value, 4, &order, draft.has_environment);
    }
    match off {
        None => out.push_str(&text),
        Some(_) => text.lines().for_each(|line| {
            let _ = writeln!(out, "  #{}", line.strip_prefix("  ").unwrap_or(line));
        }),
    }
    out
}

/// A key with what stands below it.
fn node(out: &mut String, key: &str, value: &Value, indent: usize, order: &[&str], env: bool) {
    let pad = " ".repeat(indent);
    let key = scalar(&Value::String(key.to_owned()), true);
    match value {
        Value::Object(map) if !map.is_empty() => {
            let _ = writeln!(out, "{pad}{key}:");
            let place = |key: &String| order.iter().position(|o| o == key).unwrap_or(order.len());
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_by_key(|key| place(key));
            keys.into_iter().for_each(|key| {
                if let Some(value) = map.get(key) {
                    node(out, key, value, indent + 2, &[], env);
                }
            });
        }
        Value::Array(items) if items.iter().any(|item| matches!(item, Value::String(_))) => {
            let _ = writeln!(out, "{pad}{key}:");
            for item in items {
                let _ = writeln!(out, "{pad}  - {}", scalar(item, env));
            }
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| scalar(item, env)).collect();
            let _ = writeln!(out, "{pad}{key}: [{}]", items.join(", "));
        }
        value => {
            let _ = writeln!(out, "{pad}{key}: {}", scalar(value, env));
        }
    }
}

/// A scalar; with `env`, `${NAME}` in it is the environment's, else a dollar is one.
fn scalar(value: &Value, env: bool) -> String {
    let Value::String(text) = value else { return value.to_string() };
    let text = if env { text.clone() } else { text.replace("$$", "$$$$").replace("${", "$${") };
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(is_word)
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text.to_lowercase().as_str());
    let is_time = text.starts_with(|c: char| c.is_ascii_digit())
        && text.ends_with(['s', 'm', 'h', 'd'])
        && text.chars().all(|c| c.is_ascii_digit() || "smhdw".contains(c));
    match () {
        () if is_plain || is_time => text,
        // Control characters have no place between single quotes.
        () if text.contains(['"', '\\']) && !text.contains(char::is_control) => {
            format!("'{}'", text.replace('\'', "''"))
        }
        () => Value::String(text).to_string(),
    }
}

/// A comment, broken into lines; what others wrote must not end it.
fn comment(out: &mut String, pad: &str, text: &str) {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + word.chars().count() > WIDTH {
            let _ = writeln!(out, "{pad}# {line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(word.chars().filter(|c| !c.is_control()));
    }
    let _ = writeln!(out, "{pad}# {line}");
}

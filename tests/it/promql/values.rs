//! Values in scripts: `0+10x5`, `1 _ stale`, `{{…}}`.

use dogwatch::model::stale;

/// One step of a series.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Number(f64),
    Missing,
    /// A native histogram: not this evaluator's.
    Native,
    Text(String),
}

/// A line of a series: its name and labels, and its values.
pub fn series(line: &str) -> (String, Vec<Value>) {
    let mut quoted = None;
    let mut depth = 0;
    let mut chars = line.char_indices();
    while let Some((at, c)) = chars.next() {
        match (quoted, c) {
            (Some('"' | '\''), '\\') => drop(chars.next()),
            (Some(q), c) if q == c => quoted = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '`') => quoted = Some(c),
            (None, '{') => depth += 1,
            (None, '}') => depth -= 1,
            (None, c) if c.is_whitespace() && depth == 0 => {
                // `name {labels} values` is written too.
                let rest = line[at..].trim_start();
                if !rest.starts_with('{') || rest.starts_with("{{") {
                    return (line[..at].to_string(), sequence(rest));
                }
            }
            _ => {}
        }
    }
    (line.to_string(), Vec::new())
}

/// Values, separated by blanks.
pub fn sequence(text: &str) -> Vec<Value> {
    let mut values = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        if rest.starts_with("{{") {
            values.push(Value::Native);
            rest = after_native(rest);
            continue;
        }
        let (word, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        values.extend(one(word));
        rest = after.trim_start();
    }
    values
}

/// What follows `{{…}}`, `{{…}}x5` or `{{…}}+{{…}}x5`.
fn after_native(mut rest: &str) -> &str {
    loop {
        rest = rest.split_once("}}").map_or("", |(_, after)| after);
        let word =
            rest.split_whitespace().next().filter(|_| !rest.starts_with(char::is_whitespace)).unwrap_or_default();
        match word.find("{{") {
            Some(at) => rest = &rest[at..],
            None => return rest[word.len()..].trim_start(),
        }
    }
}

fn one(word: &str) -> Vec<Value> {
    let repeated = |value: &str, times: &str| (value.to_string(), times.parse::<usize>().unwrap());
    if let Some(times) = word.strip_prefix("_x") {
        return vec![Value::Missing; times.parse().unwrap()];
    }
    match word {
        "_" => return vec![Value::Missing],
        "stale" => return vec![Value::Number(stale())],
        _ => {}
    }
    let Some((value, times)) = word.split_once('x').map(|(v, t)| repeated(v, t)) else {
        return vec![Value::Number(number(word))];
    };
    // `a+bxn`; a sign may also be that of `a` or of an exponent.
    let bytes = value.as_bytes();
    let sign =
        (1..bytes.len()).rev().find(|i| matches!(bytes[*i], b'+' | b'-') && !matches!(bytes[*i - 1], b'e' | b'E'));
    let (start, step) = match sign {
        Some(i) => (number(&value[..i]), number(&value[i..])),
        None => (number(&value), 0.0),
    };
    let mut at = start;
    (0..=times)
        .map(|_| {
            let value = Value::Number(at);
            at += step;
            value
        })
        .collect()
}

/// A number as Go reads it.
pub fn number(text: &str) -> f64 {
    let plain = text.trim_start_matches('+');
    match plain.trim_start_matches('-') {
        "Inf" => return if plain.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY },
        hex if hex.starts_with("0x") => return i64::from_str_radix(&hex[2..], 16).unwrap() as f64,
        _ => {}
    }
    plain.parse().unwrap_or_else(|_| panic!("{text:?} is no number"))
}

/// `1h30m`, `50m`, `10s53ms`, `-5m`, or seconds.
pub fn duration_ms(text: &str) -> i64 {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix('-') {
        return -duration_ms(rest);
    }
    if let Ok(seconds) = text.parse::<f64>() {
        return (seconds * 1e3).round() as i64;
    }
    let mut total = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap();
        let n: i64 = rest[..digits].parse().unwrap();
        let unit = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |i| digits + i);
        total += n * match &rest[digits..unit] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            "y" => 31_536_000_000,
            other => panic!("{other:?} in {text:?}"),
        };
        rest = &rest[unit..];
    }
    total
}

/// A quoted text without its quotes.
pub fn unquoted(text: &str) -> String {
    let quote = text.chars().next().unwrap_or('"');
    let inner = text.trim_start_matches(quote).trim_end_matches(quote);
    if quote == '`' { inner.into() } else { inner.replace("\\\"", "\"").replace("\\\\", "\\") }
}

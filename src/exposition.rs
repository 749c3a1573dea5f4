//! The text format in which programs expose metrics (version 0.0.4), read line by line. Pure.
//!
//! What is no sample is left out and counted; nothing is refused as a whole.
//! Source: prometheus.io/docs/instrumenting/exposition_formats.

use jiff::Timestamp;

use crate::model::{Labels, Sample};

/// Labels of one sample: more are not a metric's but an attack's or a mistake's.
pub const LABELS_MAX: usize = 64;

/// What a text held.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Read {
    /// The samples, in their order. One that bears a time keeps it.
    pub samples: Vec<Sample>,
    /// Lines that are neither a sample nor a comment.
    pub odd_lines: usize,
}

/// Reads a text; samples without a time are of `at`. `more` labels are added where the sample has none of that name.
pub fn read(text: &str, at: Timestamp, more: &[(&str, &str)]) -> Read {
    let mut read = Read::default();
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        match sample(line, at, more) {
            Some(sample) => read.samples.push(sample),
            None => read.odd_lines += 1,
        }
    }
    read
}

fn sample(line: &str, at: Timestamp, more: &[(&str, &str)]) -> Option<Sample> {
    let end = line.find(|c: char| c == '{' || c.is_whitespace())?;
    let (name, rest) = line.split_at(end);
    let mut pairs: Vec<(String, String)> = Vec::new();
    let rest = match rest.strip_prefix('{') {
        Some(inner) => labels(inner, &mut pairs)?,
        None => rest,
    };
    let mut fields = rest.split_whitespace();
    let value = value(fields.next()?)?;
    let at = match fields.next() {
        Some(ms) => Timestamp::from_millisecond(ms.parse().ok()?).ok()?,
        None => at,
    };
    if name.is_empty() || fields.next().is_some() {
        return None;
    }
    for (label, value) in more {
        if !pairs.iter().any(|(l, _)| l == label) {
            pairs.push(((*label).into(), (*value).into()));
        }
    }
    Some(Sample { labels: Labels::new(name, pairs), at, value })
}

/// Reads up to the closing brace; gives what follows it.
fn labels<'a>(mut rest: &'a str, pairs: &mut Vec<(String, String)>) -> Option<&'a str> {
    loop {
        rest = rest.trim_start_matches([',', ' ', '\t']);
        if let Some(after) = rest.strip_prefix('}') {
            return Some(after);
        }
        let (label, quoted) = rest.split_once('=')?;
        let mut value = String::new();
        let mut chars = quoted.trim_start().strip_prefix('"')?.chars();
        loop {
            match chars.next()? {
                '"' => break,
                '\\' => match chars.next()? {
                    'n' => value.push('\n'),
                    other => value.push(other),
                },
                other => value.push(other),
            }
        }
        if pairs.len() >= LABELS_MAX {
            return None;
        }
        pairs.push((label.trim().into(), value));
        rest = chars.as_str();
    }
}

fn value(text: &str) -> Option<f64> {
    match text {
        "+Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        text => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_become_samples() {
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        let text = r#"
# HELP a_total Things.
# TYPE a_total counter
a_total{code="200",path="/a \"b\"\\\n"} 3 1700000001000
b 1e-3
c{le="+Inf",} +Inf
odd{x="y" 1
odd
odd nonsense
job{job="own"} NaN
"#;
        let read = read(text, at, &[("job", "dogwatch")]);
        let shown: Vec<String> =
            read.samples.iter().map(|s| format!("{} {} {}", s.labels, s.value, s.at.as_second())).collect();
        assert_eq!(
            shown,
            [
                r#"a_total{code="200",job="dogwatch",path="/a \"b\"\\\n"} 3 1700000001"#,
                r#"b{job="dogwatch"} 0.001 1700000000"#,
                r#"c{job="dogwatch",le="+Inf"} inf 1700000000"#,
                r#"job{job="own"} NaN 1700000000"#,
            ]
        );
        assert_eq!(read.odd_lines, 3);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_without_a_panic(text in "[a-z{}=\",\\\\ 0-9\n#.+]{0,200}") {
            let _ = read(&text, Timestamp::UNIX_EPOCH, &[]);
        }
    }
}

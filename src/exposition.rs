//! The formats in which programs expose metrics (text 0.0.4 and OpenMetrics 1.0), read line by line. Pure.
//!
//! What is no sample is left out and counted; nothing is refused as a whole.
//! Source: prometheus.io/docs/instrumenting/exposition_formats.

use std::sync::Arc;

use jiff::Timestamp;

use crate::model::{Labels, Sample};

/// Labels of one sample: more are not a metric's but an attack's or a mistake's.
pub const LABELS_MAX: usize = 64;

/// Holds what a text held.
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

/// A line's name, labels, value and time.
type Parts<'a> = (&'a str, Vec<(String, String)>, f64, Timestamp);

/// Reads a line. An exemplar follows the value in OpenMetrics; it is not kept.
fn parts(line: &str, format: Format, at: Timestamp) -> Option<Parts<'_>> {
    let end = line.find(|c: char| c == '{' || c.is_whitespace())?;
    let (name, rest) = line.split_at(end);
    let mut pairs: Vec<(String, String)> = Vec::new();
    let rest = match rest.strip_prefix('{') {
        Some(inner) => labels(inner, &mut pairs)?,
        None => rest,
    };
    let rest = if format == Format::OpenMetrics { rest.split(" # ").next()? } else { rest };
    let mut fields = rest.split_whitespace();
    let value = value(fields.next()?)?;
    let at = match (fields.next(), format) {
        (None, _) => at,
        (Some(ms), Format::Text) => Timestamp::from_millisecond(ms.parse().ok()?).ok()?,
        #[allow(clippy::cast_possible_truncation)] // Saturates, and is then out of range.
        (Some(s), Format::OpenMetrics) => Timestamp::from_millisecond((s.parse::<f64>().ok()? * 1e3) as i64).ok()?,
    };
    (!name.is_empty() && fields.next().is_none()).then_some((name, pairs, value, at))
}

fn sample(line: &str, at: Timestamp, more: &[(&str, &str)]) -> Option<Sample> {
    let (name, mut pairs, value, at) = parts(line, Format::Text, at)?;
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

/// Which format a text is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text 0.0.4: times are milliseconds.
    Text,
    /// OpenMetrics 1.0: times are seconds, values may have exemplars, the end is told.
    OpenMetrics,
}

/// Holds what a scrape gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scraped {
    /// What is kept.
    pub samples: Vec<Sample>,
    /// Samples in the text, kept or not.
    pub seen: usize,
}

/// Longer lines are no metric's.
const LINE_MAX: usize = 64 << 10;

/// Reads a text and keeps what `keep` takes by its name; what is not kept is not read any further. All series get the `base`
/// labels; their own of the same name become `exported_…`.
///
/// # Errors
/// When more than `max` series are kept, a kept line can't be read, or OpenMetrics' end is missing; in words.
pub fn scrape(
    text: &str,
    format: Format,
    at: Timestamp,
    base: &[(Arc<str>, Arc<str>)],
    max: usize,
    keep: &dyn Fn(&str) -> bool,
) -> Result<Scraped, String> {
    let mut scraped = Scraped::default();
    // Names come in runs: each is looked up once.
    let mut last = ("", false);
    for line in text.lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        scraped.seen += 1;
        let end = line.find(|c: char| c == '{' || c.is_whitespace()).unwrap_or(line.len());
        let name = &line[..end];
        if name != last.0 {
            last = (name, keep(name) && !(format == Format::OpenMetrics && name.ends_with("_created")));
        }
        if !last.1 {
            continue;
        }
        if scraped.samples.len() >= max {
            return Err(format!("more than {max} series are kept; shorten the keep-list or raise max_series"));
        }
        let clip = || line.chars().take(80).collect::<String>();
        if line.len() > LINE_MAX {
            return Err(format!("a line is longer than {LINE_MAX} bytes: {}", clip()));
        }
        scraped.samples.push(kept(line, format, at, base).ok_or_else(|| format!("a line can't be read: {}", clip()))?);
    }
    if format == Format::OpenMetrics && text.trim_end().lines().next_back() != Some("# EOF") {
        return Err("the text broke off: OpenMetrics ends with # EOF".into());
    }
    Ok(scraped)
}

fn kept(line: &str, format: Format, at: Timestamp, base: &[(Arc<str>, Arc<str>)]) -> Option<Sample> {
    let (name, pairs, value, at) = parts(line, format, at)?;
    let taken = |label: &str| base.iter().any(|(name, _)| **name == *label);
    let own = pairs.into_iter().map(|(label, value)| {
        let label = if taken(&label) { format!("exported_{label}") } else { label };
        (Arc::from(label), Arc::from(value))
    });
    let all: Vec<(Arc<str>, Arc<str>)> = base.iter().cloned().chain(own).collect();
    Some(Sample { labels: Labels::new(name, all), at, value })
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

    fn scraped(text: &str, format: Format) -> Result<Vec<String>, String> {
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        let base: Vec<(Arc<str>, Arc<str>)> = vec![("job".into(), "etcd".into())];
        let keep = |name: &str| name.starts_with("a_");
        let read = scrape(text, format, at, &base, 3, &keep)?;
        Ok(read.samples.iter().map(|s| format!("{} {} {}", s.labels, s.value, s.at.as_second())).collect())
    }

    #[test]
    fn a_scrape_keeps_what_is_asked_for() {
        let text = "# TYPE a_total counter\na_total{job=\"own\"} 3\nb nonsense nonsense nonsense\na_x 1\n";
        assert_eq!(
            scraped(text, Format::Text).unwrap(),
            [r#"a_total{exported_job="own",job="etcd"} 3 1700000000"#, r#"a_x{job="etcd"} 1 1700000000"#]
        );
        let open = "a_total 3 1600000000.5 # {trace_id=\"x\"} 1.0\na_total_created 1\na_c_created 2\n# EOF\n";
        assert_eq!(scraped(open, Format::OpenMetrics).unwrap(), [r#"a_total{job="etcd"} 3 1600000000"#]);
        assert!(scraped("a_total 3\n", Format::OpenMetrics).unwrap_err().contains("broke off"));
        assert!(scraped("a_1 1\na_2 1\na_3 1\na_4 1\n", Format::Text).unwrap_err().contains("more than 3 series"));
        assert!(scraped("a_1 x\n", Format::Text).unwrap_err().contains("can't be read"));
    }

    proptest! {
        #[test]
        fn whatever_is_scraped_is_read_without_a_panic(text in "[a-z{}=\",\\\\ 0-9\n#.+]{0,200}") {
            let _ = scraped(&text, Format::Text);
            let _ = scraped(&text, Format::OpenMetrics);
        }


        #[test]
        fn whatever_comes_is_read_without_a_panic(text in "[a-z{}=\",\\\\ 0-9\n#.+]{0,200}") {
            let _ = read(&text, Timestamp::UNIX_EPOCH, &[]);
        }
    }
}

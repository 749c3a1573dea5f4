//! What /metrics says, read.

use std::collections::BTreeMap;

/// Labels that a series has, perhaps among others.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

/// One line.
#[derive(Debug, PartialEq)]
struct Series {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// An exposition in Prometheus' text format.
#[derive(Debug, Default)]
pub struct Exposition(Vec<Series>);

impl Exposition {
    /// Reads it; a line that is not in that format is a reason to panic.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|l| !l.is_empty() && !l.starts_with('#'));
        Self(lines.map(|l| series(l).unwrap_or_else(|| panic!("not a series: {l:?}"))).collect())
    }

    /// The value of the one series that has these labels.
    pub fn value(&self, name: &str, labels: Labels<'_>) -> Option<f64> {
        let mut found = self.matching(name, labels);
        let first = found.next()?;
        assert!(found.next().is_none(), "several series {name} have {labels:?}");
        Some(first.value)
    }

    /// How many series with these labels are 1.
    pub fn count(&self, name: &str, labels: Labels<'_>) -> usize {
        self.matching(name, labels).filter(|s| s.value == 1.0).count()
    }

    /// How many series have these labels.
    pub fn len(&self, name: &str, labels: Labels<'_>) -> usize {
        self.matching(name, labels).count()
    }

    fn matching<'a>(&'a self, name: &'a str, labels: &'a [(&str, &str)]) -> impl Iterator<Item = &'a Series> {
        let has = |s: &Series, (k, v): &(&str, &str)| s.labels.get(*k).is_some_and(|found| found == v);
        self.0.iter().filter(move |s| s.name == name && labels.iter().all(|l| has(s, l)))
    }
}

/// `name{label="value",...} 1.5`
fn series(line: &str) -> Option<Series> {
    let name_end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(name_end);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"")?;
            let (value, after) = quoted(after)?;
            labels.insert(label.to_owned(), value);
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        rest = &rest[1..];
    }
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Series { name: name.to_owned(), labels, value })
}

/// The text up to the closing quote, and what comes after that.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[i + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[test]
fn an_exposition_is_read() {
    let text = "# HELP up Up.\nup{job=\"a\",subject=\"O=x, \\\"y\\\"\"} 1\nup{job=\"b\"} 0\nplain 1.5e3\nempty{} NaN\n";
    let metrics = Exposition::parse(text);
    assert_eq!(metrics.value("up", &[("job", "a")]), Some(1.0));
    assert_eq!(metrics.value("up", &[("subject", "O=x, \"y\"")]), Some(1.0));
    assert_eq!(metrics.value("up", &[("job", "c")]), None);
    assert_eq!(metrics.value("plain", &[]), Some(1500.0));
    assert_eq!((metrics.count("up", &[]), metrics.len("up", &[])), (1, 2));
}

//! Conditions that a check's answer has to meet, in one short language: `status in 200..299`, `json $.status == "ok"`,
//! `time < 800ms`, `cert > 14d`, `body ~ "ready"`, `header Content-Type ~ "^text/html"`. docs/checks.md has all of it.
//!
//! Pure: reads, judges and says, on whatever somebody wrote and whatever a server sent. A condition about something that the
//! answer does not have is not met.

mod lexer;
mod parse;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt, time::Duration};

use bytes::Bytes;
use http::HeaderMap;
use regex::Regex;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use serde_json_path::JsonPath;

pub use self::parse::ConditionError;
use crate::model::{Failure, Reason, text};

/// What a server sent is quoted up to so many characters.
const QUOTED_MAX: usize = 60;

/// How the values of a subject are written and compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `200`, `3.5`
    Number,
    /// `800ms`, `14d`; kept in seconds.
    Duration,
    /// `1MB`; kept in bytes.
    Size,
    /// `20%`
    Percent,
    /// `"text"`
    Text,
    /// As JSON has it: a number, `"text"`, `true`, `false`, `null`.
    Json,
}

/// The words that a condition may begin with, what follows them, and the reason of a failure.
const SUBJECTS: &[(&str, Kind, Reason)] = &[
    ("status", Kind::Number, Reason::HttpStatus),
    ("time", Kind::Duration, Reason::Slow),
    ("cert", Kind::Duration, Reason::Certificate),
    ("size", Kind::Size, Reason::Body),
    ("body", Kind::Text, Reason::Body),
    ("header", Kind::Text, Reason::Answer),
    ("json", Kind::Json, Reason::Body),
    ("banner", Kind::Text, Reason::Answer),
    ("version", Kind::Text, Reason::Answer),
    ("answer", Kind::Text, Reason::Answer),
    ("answers", Kind::Number, Reason::Answer),
    ("rcode", Kind::Text, Reason::Answer),
    ("flags", Kind::Text, Reason::Answer),
    ("ttl", Kind::Duration, Reason::Answer),
    ("serial", Kind::Number, Reason::Answer),
    ("serial_age", Kind::Duration, Reason::Answer),
    ("count", Kind::Number, Reason::Answer),
    ("value", Kind::Json, Reason::Answer),
    ("age", Kind::Duration, Reason::Answer),
    ("shrink", Kind::Percent, Reason::Answer),
    ("expiry", Kind::Duration, Reason::Certificate),
    ("loss", Kind::Percent, Reason::Slow),
    ("jitter", Kind::Duration, Reason::Slow),
    ("rtt", Kind::Duration, Reason::Slow),
    ("offset", Kind::Duration, Reason::Answer),
    ("stratum", Kind::Number, Reason::Answer),
    ("leap", Kind::Text, Reason::Answer),
    ("role", Kind::Text, Reason::Answer),
    ("lag", Kind::Duration, Reason::Answer),
    ("rows", Kind::Number, Reason::Answer),
    ("certificates", Kind::Number, Reason::Certificate),
    ("entries", Kind::Number, Reason::Answer),
];

/// What a condition is about.
#[derive(Clone, Debug)]
struct Subject {
    word: &'static str,
    kind: Kind,
    reason: Reason,
    /// A header's name, or a JSONPath as it is written.
    of: String,
    path: Option<JsonPath>,
}

/// A value to compare with, as it is written and as it counts.
#[derive(Clone, Debug, PartialEq)]
struct Value {
    written: String,
    is: Is,
}

#[derive(Clone, Debug, PartialEq)]
enum Is {
    Number(f64),
    Text(String),
    Bool(bool),
    Null,
}

/// One of several values, or a range with both its ends.
#[derive(Clone, Debug, PartialEq)]
enum Choice {
    One(Value),
    Range(Value, Value),
}

#[derive(Clone, Debug)]
enum Test {
    /// `==` (false) or `!=` (true).
    Equal(bool, Value),
    /// `<`, `<=`, `>`, `>=`.
    Order(&'static str, Value),
    /// `~` (false) or `!~` (true).
    Match(bool, Regex),
    /// `in`.
    Among(Vec<Choice>),
    /// `exists`.
    Exists,
}

/// A condition. Shown as it was written.
#[derive(Clone, Debug)]
pub struct Condition {
    text: String,
    subject: Subject,
    test: Test,
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Condition {}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

crate::model::written::written!(Condition, "Condition", {"type": "string"});

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::read(&String::deserialize(d)?).map_err(D::Error::custom)
    }
}

/// Holds what there is to judge.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    numbers: BTreeMap<&'static str, f64>,
    texts: BTreeMap<&'static str, Vec<String>>,
    /// HTTP headers.
    pub headers: HeaderMap,
    /// A body.
    pub body: Option<Bytes>,
}

impl Seen {
    /// Returns a body alone.
    pub fn of_body(body: Bytes) -> Self {
        Self { body: Some(body), ..Self::default() }
    }

    /// Notes a number; seconds and bytes are numbers.
    pub fn number(&mut self, word: &'static str, value: f64) {
        self.numbers.insert(word, value);
    }

    /// Notes a time.
    pub fn time(&mut self, word: &'static str, value: Duration) {
        self.number(word, value.as_secs_f64());
    }

    /// Notes a text; there may be several.
    pub fn text(&mut self, word: &'static str, value: impl Into<String>) {
        self.texts.entry(word).or_default().push(value.into());
    }

    /// Everything that there is under a subject.
    fn values(&self, subject: &Subject) -> Vec<Is> {
        match subject.word {
            "header" => {
                let all = self.headers.get_all(subject.of.as_str());
                all.iter().map(|v| Is::Text(String::from_utf8_lossy(v.as_bytes()).into_owned())).collect()
            }
            "body" => self.body.iter().map(|b| Is::Text(String::from_utf8_lossy(b).into_owned())).collect(),
            "json" => self.json(subject).unwrap_or_default(),
            word => {
                let number = self.numbers.get(word).map(|n| Is::Number(*n));
                let texts = self.texts.get(word).into_iter().flatten().cloned().map(Is::Text);
                number.into_iter().chain(texts).collect()
            }
        }
    }

    fn json(&self, subject: &Subject) -> Option<Vec<Is>> {
        let document: serde_json::Value = serde_json::from_slice(self.body.as_ref()?).ok()?;
        let nodes = subject.path.as_ref()?.query(&document).all();
        Some(nodes.into_iter().map(of_json).collect())
    }
}

/// Lists and objects count as the text that they are.
fn of_json(value: &serde_json::Value) -> Is {
    match value {
        serde_json::Value::Null => Is::Null,
        serde_json::Value::Bool(b) => Is::Bool(*b),
        serde_json::Value::Number(n) => n.as_f64().map_or(Is::Null, Is::Number),
        serde_json::Value::String(s) => Is::Text(s.clone()),
        other => Is::Text(other.to_string()),
    }
}

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    /// What is wrong with it, and in which column.
    pub fn read(text: &str) -> Result<Self, ConditionError> {
        parse::condition(text)
    }

    /// Returns the word that it begins with: what it is about.
    pub fn about(&self) -> &'static str {
        self.subject.word
    }

    /// Judges an answer. With several values under one subject, one of them has to do; to be none, all of them.
    ///
    /// # Errors
    /// The failure, in words: "was 503, should be 200..299".
    pub fn judge(&self, seen: &Seen) -> Result<(), Failure> {
        let values = seen.values(&self.subject);
        let is_met = match &self.test {
            Test::Exists => !values.is_empty(),
            Test::Equal(true, _) | Test::Match(true, _) => values.iter().all(|v| self.holds(v)),
            _ => values.iter().any(|v| self.holds(v)),
        };
        if is_met { Ok(()) } else { Err(Failure::new(self.subject.reason, self.words(&values))) }
    }

    fn holds(&self, is: &Is) -> bool {
        // What databases and programs say are texts; beside a number they count as the numbers that they are.
        let number = || plain(is).trim().parse().ok().filter(|n: &f64| n.is_finite()).map(Is::Number);
        let wants_number = match &self.test {
            Test::Equal(_, value) | Test::Order(_, value) => matches!(value.is, Is::Number(_)),
            Test::Among(choices) => choices.iter().any(|choice| match choice {
                Choice::One(value) | Choice::Range(value, _) => matches!(value.is, Is::Number(_)),
            }),
            Test::Match(..) | Test::Exists => false,
        };
        let as_number = (self.subject.word == "value" && wants_number).then(number).flatten();
        let is = as_number.as_ref().unwrap_or(is);
        match &self.test {
            Test::Exists => true,
            Test::Equal(not, value) => (*is == value.is) != *not,
            Test::Order(op, value) => ordered(is, op, &value.is),
            Test::Match(not, regex) => regex.is_match(&plain(is)) != *not,
            Test::Among(choices) => choices.iter().any(|choice| match choice {
                Choice::One(value) => *is == value.is,
                Choice::Range(from, to) => ordered(is, ">=", &from.is) && ordered(is, "<=", &to.is),
            }),
        }
    }

    fn words(&self, values: &[Is]) -> String {
        let Subject { word, kind, of, .. } = &self.subject;
        let should = match &self.test {
            Test::Exists => "be there".to_owned(),
            Test::Equal(false, value) => format!("be {}", value.written),
            Test::Equal(true, value) => format!("not be {}", value.written),
            Test::Order(op, value) => format!("be {op} {}", value.written),
            Test::Match(false, regex) => format!("match {:?}", regex.as_str()),
            Test::Match(true, regex) => format!("not match {:?}", regex.as_str()),
            Test::Among(choices) => format!("be {}", listed(choices)),
        };
        let shown: Vec<String> = values.iter().take(3).map(|v| shown(v, *kind)).collect();
        let shown = if shown.is_empty() { "not there".to_owned() } else { shown.join(", ") };
        match (*word, values.is_empty()) {
            ("status", false) => format!("was {shown}, should {should}"),
            ("time", false) => format!("took {shown}, should {should}"),
            ("cert", false) => format!("its certificate lasts {shown} more, should {should}"),
            _ if of.is_empty() => format!("{word} was {shown}, should {should}"),
            ("json", _) => format!("{of} was {shown}, should {should}"),
            _ => format!("{word} {of} was {shown}, should {should}"),
        }
    }
}

/// As what a regular expression sees.
fn plain(is: &Is) -> String {
    match is {
        Is::Number(n) => n.to_string(),
        Is::Text(text) => text.clone(),
        Is::Bool(b) => b.to_string(),
        Is::Null => "null".to_owned(),
    }
}

fn ordered(a: &Is, op: &str, b: &Is) -> bool {
    let (Is::Number(a), Is::Number(b)) = (a, b) else { return false };
    match op {
        "<" => a < b,
        "<=" => a <= b,
        ">" => a > b,
        _ => a >= b,
    }
}

/// `200 or 401`, `200..299`.
fn listed(choices: &[Choice]) -> String {
    let words: Vec<String> = choices
        .iter()
        .map(|choice| match choice {
            Choice::One(value) => value.written.clone(),
            Choice::Range(from, to) => format!("{}..{}", from.written, to.written),
        })
        .collect();
    text::any_of(&words)
}

fn shown(is: &Is, kind: Kind) -> String {
    match (is, kind) {
        (Is::Number(n), Kind::Duration) => seconds(*n),
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // A size that was measured.
        (Is::Number(n), Kind::Size) => text::size(n.max(0.0) as u64),
        (Is::Number(n), Kind::Percent) => format!("{}%", (n * 10.0).round() / 10.0),
        (Is::Text(text), _) => {
            let mut cut: String = text.chars().take(QUOTED_MAX).collect();
            if cut.len() < text.len() {
                cut.push('…');
            }
            format!("{cut:?}")
        }
        (other, _) => plain(other),
    }
}

/// `3d`, `1.2 s`, `-2h`: as fine as it matters.
fn seconds(n: f64) -> String {
    let sign = if n < 0.0 { "-" } else { "" };
    let n = n.abs();
    let one = |n: f64, unit: &str| format!("{sign}{}{unit}", (n * 10.0).round() / 10.0);
    match n {
        _ if n >= 86_400.0 => one(n / 86_400.0, "d"),
        _ if n >= 3_600.0 => one(n / 3_600.0, "h"),
        _ if n >= 120.0 => one(n / 60.0, "m"),
        _ if n >= 1.0 => one(n, "s"),
        _ => format!("{sign}{}ms", (n * 1_000.0).round()),
    }
}

//! A check on its way: options in the order in which people read them, conditions, and what was lost. Pure.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Map, Value, json};

use crate::{
    check::{self, condition::Condition, config::CheckConfig},
    model::{CheckName, duration},
};

/// A label's name may be so long; Prometheus has no limit, and nobody writes longer ones.
const LABEL_MAX: usize = 100;
/// Labels that dogwatch sets itself.
const OWN_LABELS: [&str; 6] = ["cluster", "job", "instance", "node", "severity", "alertname"];

/// A check that is made.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    /// As its tool calls it; `name` makes one of ours of it.
    pub(super) name: String,
    /// Its kind: a key of a check.
    pub(super) kind: &'static str,
    /// The kind's options.
    pub(super) options: Vec<(&'static str, Value)>,
    /// Conditions.
    pub(super) expect: Vec<String>,
    /// Time between two probes.
    pub(super) interval: Option<Duration>,
    /// Deadline of one.
    pub(super) timeout: Option<Duration>,
    /// So many failures in a row are an outage.
    pub(super) down: Option<u32>,
    /// Labels.
    pub(super) labels: BTreeMap<String, String>,
    /// What was not carried over, in words.
    pub(super) lost: Vec<String>,
    /// What to know about it.
    pub(super) remarks: Vec<String>,
    /// It stands there as a comment alone, for this reason.
    pub(super) off: Option<String>,
    /// A `${NAME}` in it is the environment's, as the other tool has it.
    pub(super) has_environment: bool,
    /// A password or a token stands in it.
    pub(super) has_secret: bool,
}

impl Draft {
    /// Nothing but name and kind.
    pub(super) fn new(name: impl Into<String>, kind: &'static str) -> Self {
        Self { name: name.into(), kind, ..Self::default() }
    }

    /// Returns one that can't be made.
    pub(super) fn none(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self { name: name.into(), off: Some(why.into()), ..Self::default() }
    }

    /// Adds an option.
    pub(super) fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        self.options.push((key, value.into()));
    }

    /// Notes that something was not carried over.
    pub(super) fn lose(&mut self, what: impl Into<String>) {
        self.lost.push(what.into());
    }

    /// Adds a condition, where it is one.
    pub(super) fn expect(&mut self, condition: String) {
        match Condition::read(&condition) {
            Ok(_) => self.expect.push(condition),
            Err(e) => self.lose(format!("{condition}: {}", e.message)),
        }
    }

    /// Adds a label, where it can be one.
    pub(super) fn label(&mut self, name: &str, value: &str) {
        let is_start = |c: char| c.is_ascii_alphabetic() || c == '_';
        let is_label = name.starts_with(is_start) && name.chars().all(|c| is_start(c) || c.is_ascii_digit());
        if !is_label || name.len() > LABEL_MAX || name.starts_with("__") || OWN_LABELS.contains(&name) {
            self.lose(format!("label {name}: can't be a label of a check"));
            return;
        }
        self.labels.insert(name.to_owned(), value.to_owned());
    }

    /// Returns it as the configuration has it, without its comments: key by key.
    pub(super) fn entries(&self) -> Vec<(&'static str, Value)> {
        let mut kind: Vec<(&'static str, Value)> = self.options.clone();
        if !self.expect.is_empty() {
            kind.push(("expect", json!(self.expect)));
        }
        let mut all = Vec::new();
        if !self.kind.is_empty() {
            all.push((self.kind, Value::Object(kind.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())));
        }
        let time = |d: Duration| Value::String(duration::to_prometheus(d));
        all.extend(self.interval.map(|d| ("interval", time(d))));
        all.extend(self.timeout.map(|d| ("timeout", time(d))));
        all.extend(self.down.filter(|n| *n != 3).map(|n| ("down", json!(n.to_string()))));
        if !self.labels.is_empty() {
            all.push(("labels", json!(self.labels)));
        }
        all
    }

    /// Returns the order of the kind's options.
    pub(super) fn order(&self) -> Vec<&'static str> {
        self.options.iter().map(|(key, _)| *key).chain(["expect"]).collect()
    }

    /// Returns why dogwatch would not take it.
    pub(super) fn problem(&self) -> Option<String> {
        let mut map: Map<String, Value> = self.entries().into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        map.insert("name".to_owned(), json!(self.name));
        let mut value = Value::Object(map);
        if self.has_environment {
            stand_in(&mut value);
        }
        match serde_json::from_value::<CheckConfig>(value) {
            Ok(check) => check::config::problems(&[check], &[]).into_iter().next().map(|(at, why)| {
                let at = at.trim_start_matches("checks[0]").trim_start_matches('.').to_owned();
                format!("{at}: {why}")
            }),
            Err(_) => Some("dogwatch has no check of this form".to_owned()),
        }
    }
}

/// What the environment will say can't be known: any word stands for it.
fn stand_in(value: &mut Value) {
    match value {
        Value::String(text) => {
            while let Some((before, rest)) = text.split_once("${")
                && let Some((_, after)) = rest.split_once('}')
            {
                *text = format!("{before}x{after}");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(stand_in),
        Value::Object(map) => map.values_mut().for_each(stand_in),
        _ => {}
    }
}

/// Returns a name that a check may have.
pub(super) fn name(text: &str) -> String {
    let mut name = String::new();
    for c in text.chars() {
        match c {
            c if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') => name.push(c),
            _ if name.ends_with('-') => {}
            _ => name.push('-'),
        }
    }
    let mut name = name.trim_matches('-').to_owned();
    // Room for a number behind it.
    name.truncate(CheckName::MAX - 8);
    if name.is_empty() {
        name.push_str("check");
    }
    if check::is_free(&name) { name } else { format!("{name}-check") }
}

/// Returns `subject ~ "expression"`; a quote in an expression is written with a backslash.
pub(super) fn matches(subject: &str, operator: &str, expression: &str) -> String {
    format!("{subject} {operator} \"{}\"", quoted(expression))
}

/// Returns what stands between the quotes of a condition.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(c) = letters.next() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => match letters.next() {
                // The lexer makes one quote of the two.
                Some('"') => out.push_str("\\\""),
                Some(next) => out.extend(['\\', next]),
                None => out.push('\\'),
            },
            c => out.push(c),
        }
    }
    out
}

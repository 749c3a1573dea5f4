//! The keys of a mapping, taken one by one: what nobody took is known at the end. Pure.

use serde_json::{Map, Value};

/// Holds the keys that were not taken yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// Returns the keys of a mapping; `None` where it is none.
    pub(super) fn of(value: Value) -> Option<Self> {
        match value {
            Value::Object(map) => Some(Self(map)),
            Value::Null => Some(Self::default()),
            _ => None,
        }
    }

    /// Takes a value; null is as good as absent.
    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        self.0.remove(key).filter(|value| !value.is_null())
    }

    /// Takes a text, or what reads as one.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        self.take(key).and_then(|value| plain(&value))
    }

    /// Takes a text that is not empty.
    pub(super) fn words(&mut self, key: &str) -> Option<String> {
        self.text(key).filter(|text| !text.trim().is_empty())
    }

    /// Takes a flag: `true`, or 1 as databases keep it.
    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        match self.take(key)? {
            Value::Bool(b) => Some(b),
            Value::Number(n) => Some(n.as_f64() != Some(0.0)),
            Value::String(s) => Some(s == "true"),
            _ => None,
        }
    }

    /// Takes a number, also one in quotes.
    pub(super) fn number(&mut self, key: &str) -> Option<f64> {
        match self.take(key)? {
            Value::Number(n) => n.as_f64(),
            Value::String(s) => s.trim().parse().ok(),
            _ => None,
        }
    }

    /// Takes a list; a value that is none counts as a list of one.
    pub(super) fn list(&mut self, key: &str) -> Vec<Value> {
        match self.take(key) {
            Some(Value::Array(items)) => items,
            Some(value) => vec![value],
            None => Vec::new(),
        }
    }

    /// Takes a list of texts.
    pub(super) fn texts(&mut self, key: &str) -> Vec<String> {
        self.list(key).iter().filter_map(plain).collect()
    }

    /// Takes a mapping; empty where there is none.
    pub(super) fn map(&mut self, key: &str) -> Fields {
        self.take(key).and_then(Fields::of).unwrap_or_default()
    }

    /// Takes the mappings of a list.
    pub(super) fn maps(&mut self, key: &str) -> Vec<Fields> {
        self.list(key).into_iter().filter_map(Fields::of).collect()
    }

    /// Returns whether there is nothing (any more).
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives all keys with their values, in order.
    pub(super) fn all(self) -> impl Iterator<Item = (String, Value)> {
        self.0.into_iter()
    }

    /// Gives the keys that nobody took and that say something.
    pub(super) fn left(self) -> Vec<String> {
        let says = |value: &Value| !matches!(value, Value::Null | Value::Bool(false));
        self.0.into_iter().filter(|(_, value)| says(value)).map(|(key, _)| key).collect()
    }
}

/// A scalar as a text.
pub(super) fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(s) => Some(s.clone()),
        Value::Number(n) => Some(n.to_string()),
        Value::Bool(b) => Some(b.to_string()),
        _ => None,
    }
}

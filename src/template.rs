//! Templates of rules and messages: the subset of Go's text/template that Prometheus rules and Alertmanager's receivers use.

use std::collections::BTreeMap;

/// What templates work on.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Nil,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A text.
    Str(String),
    /// A list.
    List(Vec<Value>),
    /// Fields or keys, sorted.
    Map(BTreeMap<String, Value>),
}

/// What a template asks of its surroundings.
pub trait Host {
    /// Evaluates PromQL at the template's time.
    ///
    /// # Errors
    /// In words.
    fn query(&mut self, promql: &str) -> Result<Vec<QuerySample>, String>;
}

/// One sample of a query's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct QuerySample {
    /// Its labels, `__name__` among them where it has one.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

/// Something in a template that can't work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct TemplateError {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong and what is known.
    pub message: String,
}

/// A template that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    text: String,
}

/// Named templates (`define`), used by `template`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Library {}

impl Library {
    /// Adds every `define` of a text.
    ///
    /// # Errors
    /// At the first thing that is not supported.
    pub fn add(&mut self, _text: &str) -> Result<(), TemplateError> {
        Ok(())
    }
}

impl Template {
    /// Reads a template of a rule's label or annotation: `$labels`, `$value`, `$externalLabels`, `$externalURL` are there.
    ///
    /// # Errors
    /// At the first thing that is not supported.
    pub fn of_rule(text: &str) -> Result<Self, TemplateError> {
        Ok(Self { text: text.into() })
    }

    /// Reads a template of a receiver's message.
    ///
    /// # Errors
    /// At the first thing that is not supported, or that the library does not define.
    pub fn of_message(text: &str, _library: &Library) -> Result<Self, TemplateError> {
        Ok(Self { text: text.into() })
    }

    /// Writes it out over `data` (`.`).
    ///
    /// # Errors
    /// In words, with the place.
    pub fn render(&self, _data: &Value, _host: &mut dyn Host) -> Result<String, TemplateError> {
        Ok(self.text.clone())
    }
}

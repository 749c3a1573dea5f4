//! Templates of rules and messages: the subset of Go's text/template that Prometheus' rules and Alertmanager's receivers use.
//!
//! `parse` reads (what is not supported is refused there, with its line and column), `eval` writes out, `functions` is one
//! table of names, `number` writes numbers as Go does. Pure: what a template asks of its surroundings goes through [`Host`].
//! Every template ends: text, nesting, steps, queries and output have limits.

mod doubts;
mod eval;
mod functions;
mod layout;
mod number;
mod parse;
mod printf;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use self::parse::Node;

/// A longer template is none that a person wrote: Alertmanager's own file has 20 kB.
pub const TEXT_MAX: usize = 256 << 10;

/// Blocks within blocks, brackets within brackets: reading and writing recurse into each.
pub const NESTING_MAX: usize = 50;

/// What a rendering may write: a message is no book.
pub const OUTPUT_MAX: usize = 1 << 20;

/// Nodes that a rendering may visit.
pub const STEPS_MAX: usize = 200_000;

/// Queries that a rendering may make.
pub const QUERIES_MAX: usize = 20;

/// Says what templates work on.
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
    /// A moment.
    Time(Timestamp),
    /// A list. Of alerts, `.Firing` and `.Resolved` are parts of it.
    List(Vec<Value>),
    /// Fields or keys, sorted. A key that is not there is empty.
    Map(BTreeMap<String, Value>),
}

/// Says what a template asks of its surroundings.
pub trait Host {
    /// Evaluates PromQL at the template's time.
    ///
    /// # Errors
    /// In words.
    fn query(&mut self, promql: &str) -> Result<Vec<QuerySample>, String>;

    /// The time, for `since` and `now`.
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// What `query` says in a message.
pub const NO_HISTORY: &str = "there is no history to ask in a message's template";

/// A host without history: messages have none.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHistory;

impl Host for NoHistory {
    fn query(&mut self, _promql: &str) -> Result<Vec<QuerySample>, String> {
        Err(NO_HISTORY.into())
    }
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

/// A template that was read. Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    text: Arc<str>,
    nodes: Arc<[Node]>,
    library: Library,
    audience: Audience,
}

/// Who reads what a template writes: what it has at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Audience {
    /// A rule's label or annotation.
    Rule,
    /// A receiver's message.
    Message,
}

impl Audience {
    /// The variables that are set before the template, and the fields they stand for (Prometheus, rules/alerting.go).
    fn variables(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Audience::Rule => &[
                ("labels", "Labels"),
                ("externalLabels", "ExternalLabels"),
                ("externalURL", "ExternalURL"),
                ("value", "Value"),
            ],
            Audience::Message => &[],
        }
    }
}

/// Named templates (`define`), used by `template`. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Library(Arc<BTreeMap<String, Defined>>);

/// The text that a template stands in, and what was read of it.
type Defined = (Arc<str>, Arc<[Node]>);

impl Library {
    /// Adds every `define` of a text; a later one replaces an earlier one of the same name.
    ///
    /// # Errors
    /// At the first thing that is not supported.
    pub fn add(&mut self, text: &str) -> Result<(), TemplateError> {
        let parsed = parse::parse(text, &[])?;
        self.put(&text.into(), parsed.defined);
        Ok(())
    }

    fn put(&mut self, text: &Arc<str>, defined: Vec<(String, Vec<Node>)>) {
        let mut all = (*self.0).clone();
        for (name, nodes) in defined {
            all.insert(name, (text.clone(), nodes.into()));
        }
        self.0 = Arc::new(all);
    }

    /// Checks that every `template` names one that is there.
    ///
    /// # Errors
    /// At the first that does not.
    pub fn check(&self) -> Result<(), TemplateError> {
        self.0.values().try_for_each(|(text, nodes)| parse::check_names(text, nodes, self))
    }

    /// What of its templates can't run, as [`Template::doubts`].
    pub fn doubts(&self) -> Vec<TemplateError> {
        let of = |(text, nodes): &Defined| doubts::of_defined(text, nodes, &|_| Err(NO_HISTORY.into()));
        self.0.values().flat_map(of).collect()
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl Template {
    /// Reads a template of a rule's label or annotation: `$labels`, `$value`, `$externalLabels`, `$externalURL` are there.
    ///
    /// # Errors
    /// At the first thing that is not supported.
    pub fn of_rule(text: &str) -> Result<Self, TemplateError> {
        Self::read(text, &Library::default(), Audience::Rule)
    }

    /// Reads a template of a receiver's message.
    ///
    /// # Errors
    /// At the first thing that is not supported, or that the library does not define.
    pub fn of_message(text: &str, library: &Library) -> Result<Self, TemplateError> {
        Self::read(text, library, Audience::Message)
    }

    /// A text that is written out as it stands, braces too.
    pub fn literal(text: &str) -> Self {
        let nodes = [Node::Text(text.to_owned())];
        Self { text: text.into(), nodes: nodes.into(), library: Library::default(), audience: Audience::Rule }
    }

    fn read(text: &str, library: &Library, audience: Audience) -> Result<Self, TemplateError> {
        let names: Vec<&str> = audience.variables().iter().map(|(name, _)| *name).collect();
        let parsed = parse::parse(text, &names)?;
        let source: Arc<str> = text.into();
        let mut library = library.clone();
        if !parsed.defined.is_empty() {
            library.put(&source, parsed.defined);
        }
        parse::check_names(text, &parsed.nodes, &library)?;
        Ok(Self { text: source, nodes: parsed.nodes.into(), library, audience })
    }

    /// What of it can't run, as far as that can be told beforehand: an error where Go finds it, which is when the alert
    /// fires. `query` says what is wrong with a text of PromQL.
    pub fn doubts(&self, query: &dyn Fn(&str) -> Result<(), String>) -> Vec<TemplateError> {
        doubts::of_template(&self.text, &self.nodes, self.audience, query)
    }

    /// Returns the text that it was read from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Writes it out over `data` (`.`).
    ///
    /// # Errors
    /// In words, with the place.
    pub fn render(&self, data: &Value, host: &mut dyn Host) -> Result<String, TemplateError> {
        eval::render(self, data, host)
    }
}

/// The place of a byte in a text: line and column from 1.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(at.min(text.len()))];
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |i| i + 1);
    (line, before[start..].chars().count() + 1)
}

/// An error at a byte of a text.
fn wrong(text: &str, at: usize, message: impl Into<String>) -> TemplateError {
    let (line, column) = place(text, at);
    TemplateError { line, column, message: message.into() }
}

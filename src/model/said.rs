//! What a sentence of ours was said with, so that it can be said again in another language.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A sentence by the name of its message and its parts. The English text stands beside it where it was made; the messages
/// are those of `words`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The message's name.
    pub id: Cow<'static, str>,
    /// Its variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<Cow<'static, str>, Part>,
}

/// What stands for a variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// A name, or words of somebody else: as they are.
    Text(String),
    /// How many.
    Number(u64),
    /// How long, in seconds.
    Seconds(u64),
    /// When.
    Moment(Timestamp),
    /// On which day.
    Date(Timestamp),
    /// A list, of which so many are left out.
    Names(Vec<Part>, usize),
    /// Another sentence.
    Said(Box<Said>),
}

impl Said {
    /// Returns one without variables.
    pub fn new(id: &'static str) -> Self {
        Self { id: Cow::Borrowed(id), with: BTreeMap::new() }
    }

    /// Returns the same with a variable.
    pub fn with(mut self, name: &'static str, part: impl Into<Part>) -> Self {
        self.with.insert(Cow::Borrowed(name), part.into());
        self
    }

    /// Returns the same with names, of which `max` are said where there are more.
    pub fn names<T: ToString>(self, name: &'static str, all: &[T], max: usize) -> Self {
        self.list(name, all.iter().map(|name| name.to_string().into()).collect(), max)
    }

    /// Returns the same with a list of parts.
    pub fn list(self, name: &'static str, mut all: Vec<Part>, max: usize) -> Self {
        let more = all.len().saturating_sub(max);
        all.truncate(max);
        self.with(name, Part::Names(all, more))
    }
}

impl From<Said> for Part {
    fn from(said: Said) -> Self {
        Self::Said(Box::new(said))
    }
}

impl From<&str> for Part {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&String> for Part {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<String> for Part {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<usize> for Part {
    fn from(n: usize) -> Self {
        Self::Number(n as u64)
    }
}

impl From<u64> for Part {
    fn from(n: u64) -> Self {
        Self::Number(n)
    }
}

impl From<u32> for Part {
    fn from(n: u32) -> Self {
        Self::Number(n.into())
    }
}

impl From<Duration> for Part {
    fn from(d: Duration) -> Self {
        Self::Seconds(d.as_secs())
    }
}

impl From<Timestamp> for Part {
    fn from(at: Timestamp) -> Self {
        Self::Moment(at)
    }
}

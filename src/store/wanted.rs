//! What is looked for among the label sets, its regular expressions answered beforehand: an expression may take long, and
//! nobody who writes samples waits for one under the head's lock.
//!
//! A value that comes while the expressions are answered is not found by them; whoever asks a moment later finds it.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use crate::model::{Labels, MatchOp, Matcher};

/// A condition on one label that takes no expression to check.
#[derive(Debug)]
pub enum Wanted<'a> {
    /// Equal, or not.
    Plain(&'a Matcher),
    /// All matchers of a label, where an expression is among them.
    Answered {
        /// The label.
        name: &'a str,
        /// Of its known values those that satisfy all.
        fitting: HashSet<Arc<str>>,
        /// A series without it does.
        empty: bool,
    },
}

impl Wanted<'_> {
    /// Returns the label.
    pub fn name(&self) -> &str {
        match self {
            Self::Plain(matcher) => &matcher.name,
            Self::Answered { name, .. } => name,
        }
    }

    /// Returns whether a value satisfies it.
    pub fn matches(&self, value: &str) -> bool {
        match self {
            Self::Plain(matcher) => matcher.matches(value),
            Self::Answered { empty, .. } if value.is_empty() => *empty,
            Self::Answered { fitting, .. } => fitting.contains(value),
        }
    }

    /// Returns whether a series satisfies it.
    pub fn matches_labels(&self, labels: &Labels) -> bool {
        self.matches(labels.value(self.name()))
    }
}

/// Answers the expressions: `values` gives those that a label is known to have.
pub fn answered<'a>(matchers: &'a [Matcher], values: impl Fn(&str) -> Vec<Arc<str>>) -> Vec<Wanted<'a>> {
    let mut by_label: BTreeMap<&str, Vec<&Matcher>> = BTreeMap::new();
    for matcher in matchers {
        by_label.entry(&matcher.name).or_default().push(matcher);
    }
    let is_expression = |m: &&Matcher| matches!(m.op, MatchOp::Regex(_) | MatchOp::NotRegex(_));
    let mut wanted = Vec::with_capacity(by_label.len());
    for (name, of_label) in by_label {
        if !of_label.iter().any(is_expression) {
            wanted.extend(of_label.into_iter().map(Wanted::Plain));
            continue;
        }
        let fits = |value: &str| of_label.iter().all(|m| m.matches(value));
        let fitting = values(name).into_iter().filter(|value| fits(value)).collect();
        wanted.push(Wanted::Answered { name, fitting, empty: fits("") });
    }
    wanted
}

//! Label matchers, as PromQL writes them between braces.

use std::{fmt, sync::Arc};

use regex::Regex;

use super::{Labels, re2};

/// Says how a matcher compares. Regular expressions match the whole value, as in Prometheus.
#[derive(Clone, Debug)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex(Regex),
    /// `!~`
    NotRegex(Regex),
}

/// One condition on one label. A label that a series does not have counts as empty.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// The label; `__name__` for the metric's name.
    pub name: Arc<str>,
    /// How.
    pub op: MatchOp,
    /// The value or the expression, as written.
    pub value: Arc<str>,
}

impl Matcher {
    /// Returns a matcher from its three parts; `op` is `=`, `!=`, `=~` or `!~`.
    ///
    /// # Errors
    /// When the expression is no regular expression, or the operator none of the four; in words.
    pub fn new(name: &str, op: &str, value: &str) -> Result<Self, String> {
        Self::weighed(name, op, value).map(|(matcher, _)| matcher)
    }

    /// Returns the same with the bytes that its regular expression takes, at most ([`re2::weighed`]); 0 for a plain value.
    ///
    /// # Errors
    /// As [`Matcher::new`].
    pub fn weighed(name: &str, op: &str, value: &str) -> Result<(Self, usize), String> {
        if name.is_empty() {
            return Err(format!("the label before {op} has no name"));
        }
        let (op, bytes) = match op {
            "=" => (MatchOp::Equal, 0),
            "!=" => (MatchOp::NotEqual, 0),
            "=~" => re2::weighed(value).map(|(regex, bytes)| (MatchOp::Regex(regex), bytes))?,
            "!~" => re2::weighed(value).map(|(regex, bytes)| (MatchOp::NotRegex(regex), bytes))?,
            other => return Err(format!("unknown match operator {other:?}")),
        };
        Ok((Self { name: name.into(), op, value: value.into() }, bytes))
    }

    /// Returns `name="value"`.
    pub fn equal(name: &str, value: &str) -> Self {
        Self { name: name.into(), op: MatchOp::Equal, value: value.into() }
    }

    /// Returns whether a value satisfies it.
    pub fn matches(&self, value: &str) -> bool {
        match &self.op {
            MatchOp::Equal => *self.value == *value,
            MatchOp::NotEqual => *self.value != *value,
            MatchOp::Regex(r) => r.is_match(value),
            MatchOp::NotRegex(r) => !r.is_match(value),
        }
    }

    /// Returns whether a series satisfies it.
    pub fn matches_labels(&self, labels: &Labels) -> bool {
        self.matches(labels.value(&self.name))
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let op = match self.op {
            MatchOp::Equal => "=",
            MatchOp::NotEqual => "!=",
            MatchOp::Regex(_) => "=~",
            MatchOp::NotRegex(_) => "!~",
        };
        write!(f, "{}{op}{:?}", self.name, self.value)
    }
}

/// Two matchers are the same condition when they are written the same.
impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        let same_op = std::mem::discriminant(&self.op) == std::mem::discriminant(&other.op);
        same_op && self.name == other.name && self.value == other.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matcher_compares_whole_values_and_takes_a_missing_label_for_empty() {
        let labels = Labels::new("up", [("job", "kubelet")]);
        let check = |name: &str, op: &str, value: &str, expected: bool| {
            let matcher = Matcher::new(name, op, value).unwrap();
            assert_eq!(matcher.matches_labels(&labels), expected, "{matcher}");
        };
        check("__name__", "=", "up", true);
        check("job", "=~", "kube", false);
        check("job", "=~", "kube.*|x", true);
        check("job", "=~", "x|kubelet", true);
        check("job", "!~", "x|kube", true);
        check("node", "=", "", true);
        check("node", "!=", "", false);
        check("node", "=~", ".*", true);
        check("node", "=~", ".+", false);
    }

    #[test]
    fn what_is_no_expression_is_an_error() {
        assert!(Matcher::new("a", "=~", "(").is_err());
        assert!(Matcher::new("a", "~", "x").is_err());
    }
}

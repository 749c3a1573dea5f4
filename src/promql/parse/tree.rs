//! A query as it is written: parentheses, places and lengths that are not yet known stay what they are.

use std::sync::Arc;

use crate::{
    model::Matcher,
    promql::expr::{At, Card, Fill},
};

/// An expression with its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// First byte.
    pub start: usize,
    /// After its last byte.
    pub end: usize,
    /// What it is.
    pub kind: Kind,
}

/// What is written.
#[derive(Clone, Debug)]
pub enum Kind {
    /// `1`, or `5m` as a number of seconds.
    Number {
        /// Seconds, if it is a duration.
        value: f64,
        /// It is written as one.
        duration: bool,
    },
    /// `"text"`
    Text(String),
    /// `(…)`
    Paren(Box<Node>),
    /// `-a`, `+a`
    Unary {
        /// Not `+`.
        minus: bool,
        /// Of what.
        of: Box<Node>,
    },
    /// `metric{label="x"}`
    Selector(Box<Selector>),
    /// `metric[5m]`
    Range(Box<Selector>, Length),
    /// `expr[1h:1m]`
    Subquery(Box<Subquery>),
    /// `f(…)`
    Call {
        /// As written.
        name: String,
        /// As written.
        args: Vec<Node>,
    },
    /// `sum by (…) (…)`
    Aggregate(Box<Aggregate>),
    /// `a + b`
    Binary(Box<Binary>),
}

/// Which series.
#[derive(Clone, Debug, Default)]
pub struct Selector {
    /// Before the braces.
    pub name: Option<String>,
    /// Within them.
    pub matchers: Vec<Matcher>,
    /// When.
    pub shift: Shift,
    /// `anchored` stands behind it.
    pub anchored: bool,
    /// `smoothed` stands behind it.
    pub smoothed: bool,
}

/// `offset` and `@`.
#[derive(Clone, Debug, Default)]
pub struct Shift {
    /// Into the past.
    pub offset: Option<Length>,
    /// `@`
    pub at: Option<At>,
}

/// `expr[1h:1m]`
#[derive(Clone, Debug)]
pub struct Subquery {
    /// What.
    pub expr: Node,
    /// How far back.
    pub range: Length,
    /// How often.
    pub step: Option<Length>,
    /// When.
    pub shift: Shift,
}

/// An aggregation.
#[derive(Clone, Debug)]
pub struct Aggregate {
    /// As written, in small letters.
    pub op: &'static str,
    /// Of `topk` and its like.
    pub param: Option<Node>,
    /// What is aggregated.
    pub expr: Node,
    /// The labels named.
    pub labels: Vec<Arc<str>>,
    /// They are left out instead of kept.
    pub without: bool,
}

/// A binary operation.
#[derive(Clone, Debug)]
pub struct Binary {
    /// As written, in small letters.
    pub op: &'static str,
    /// Left.
    pub lhs: Node,
    /// Right.
    pub rhs: Node,
    /// `bool`
    pub return_bool: bool,
    /// Which sides may have many.
    pub card: Card,
    /// The labels of `on` or `ignoring`.
    pub labels: Vec<Arc<str>>,
    /// They are `on`'s.
    pub on: bool,
    /// Of `group_left` and `group_right`.
    pub include: Vec<Arc<str>>,
    /// `fill`, `fill_left`, `fill_right`
    pub fill: Fill,
}

/// A length of time.
#[derive(Clone, Debug)]
pub struct Length {
    /// First byte.
    pub start: usize,
    /// After its last byte.
    pub end: usize,
    /// What it is.
    pub kind: LengthKind,
    /// In parentheses.
    pub wrapped: bool,
}

/// What a length is written as.
#[derive(Clone, Debug)]
pub enum LengthKind {
    /// `5m`, or `300`.
    Seconds {
        /// How many.
        value: f64,
        /// Written with units.
        duration: bool,
    },
    /// `step()` of the query.
    Step,
    /// `range()`: from the query's start to its end.
    Range,
    /// `-a`, `(a)` where `a` is a number.
    Unary {
        /// Not `+`.
        minus: bool,
        /// Of what.
        of: Box<Length>,
    },
    /// `a + b`; `max_of(a, b)` and `min_of(a, b)` are the same but for how they are written.
    Binary {
        /// As written.
        op: &'static str,
        /// Left.
        lhs: Box<Length>,
        /// Right.
        rhs: Box<Length>,
    },
}

impl Length {
    /// Returns the seconds of what needs no reckoning.
    pub fn literal(&self) -> Option<f64> {
        match self.kind {
            LengthKind::Seconds { value, .. } => Some(value),
            _ => None,
        }
    }

    /// Returns whether it depends on when the query is asked.
    pub fn of_window(&self) -> bool {
        match &self.kind {
            LengthKind::Seconds { .. } => false,
            LengthKind::Step | LengthKind::Range => true,
            LengthKind::Unary { of, .. } => of.of_window(),
            LengthKind::Binary { lhs, rhs, .. } => lhs.of_window() || rhs.of_window(),
        }
    }
}

impl Node {
    /// Returns what parentheses hold.
    pub fn bare(&self) -> &Node {
        match &self.kind {
            Kind::Paren(inner) => inner.bare(),
            _ => self,
        }
    }
}

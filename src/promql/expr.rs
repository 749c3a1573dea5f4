//! The expression as the evaluator walks it: `parse` makes it from the grammar's tree and has checked the types.

use std::sync::Arc;

use super::{ValueType, functions::Function};
use crate::model::Matcher;

/// An expression.
#[derive(Clone, Debug)]
pub enum Expr {
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// `metric{label="x"}`
    Selector(Selector),
    /// `metric[5m]`
    Range(Selector, i64),
    /// `expr[1h:1m]`
    Subquery(Box<Subquery>),
    /// `f(…)`
    Call(Call),
    /// `sum by (…) (…)`
    Aggregate(Box<Aggregate>),
    /// `a + b`
    Binary(Box<Binary>),
    /// `-a`
    Negate(Box<Expr>),
}

/// Says where a selector looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum At {
    /// Unix milliseconds.
    Time(i64),
    /// `start()` of the query.
    Start,
    /// `end()` of the query.
    End,
}

/// Times of an expression that can be moved.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shift {
    /// `offset`, milliseconds; positive: into the past.
    pub offset_ms: i64,
    /// `@`
    pub at: Option<At>,
}

/// Which series.
#[derive(Clone, Debug)]
pub struct Selector {
    /// Conditions, the name among them.
    pub matchers: Vec<Matcher>,
    /// When.
    pub shift: Shift,
    /// Its place among the query's selectors: the index of its data.
    pub index: usize,
    /// What it does at its ends.
    pub extended: Option<Extended>,
}

/// Says what a selector does where no sample is exactly at its ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extended {
    /// `anchored`: the last sample before an end stands for it.
    Anchored,
    /// `smoothed`: the value there is interpolated between the samples around it.
    Smoothed,
}

impl Extended {
    /// Returns its keyword.
    pub fn name(self) -> &'static str {
        match self {
            Extended::Anchored => "anchored",
            Extended::Smoothed => "smoothed",
        }
    }

    /// Returns the functions that take such a range, by name.
    pub fn functions(self) -> &'static [&'static str] {
        match self {
            Extended::Anchored => &["changes", "delta", "increase", "rate", "resets"],
            Extended::Smoothed => &["delta", "increase", "rate"],
        }
    }
}

/// An expression evaluated on a grid of its own.
#[derive(Clone, Debug)]
pub struct Subquery {
    /// What.
    pub expr: Expr,
    /// How far back, milliseconds.
    pub range_ms: i64,
    /// How often; `None`: the default interval.
    pub step_ms: Option<i64>,
    /// When.
    pub shift: Shift,
}

/// A function with its arguments.
#[derive(Clone, Debug)]
pub struct Call {
    /// Which.
    pub function: &'static Function,
    /// As written.
    pub args: Vec<Expr>,
    /// Where it stands in the text, bytes.
    pub at: usize,
    /// Where its arguments stand.
    pub args_at: Vec<usize>,
}

/// Aggregation operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Agg {
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Group,
    Stddev,
    Stdvar,
    Quantile,
    CountValues,
    Topk,
    Bottomk,
    Limitk,
    LimitRatio,
}

/// An aggregation.
#[derive(Clone, Debug)]
pub struct Aggregate {
    /// Which.
    pub op: Agg,
    /// Of `quantile`, `count_values`, `topk`, `bottomk`, `limitk`, `limit_ratio`.
    pub param: Option<Expr>,
    /// Where that stands in the text, bytes.
    pub param_at: usize,
    /// What is aggregated.
    pub expr: Expr,
    /// The labels named.
    pub labels: Vec<Arc<str>>,
    /// They are left out instead of kept.
    pub without: bool,
}

/// Binary operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Op {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    Eq,
    Ne,
    Gt,
    Lt,
    Ge,
    Le,
    TrimUpper,
    TrimLower,
    And,
    Or,
    Unless,
}

impl Op {
    /// Every operator as it is written.
    const WRITTEN: [(&'static str, Op); 18] = [
        ("+", Op::Add),
        ("-", Op::Sub),
        ("*", Op::Mul),
        ("/", Op::Div),
        ("%", Op::Mod),
        ("^", Op::Pow),
        ("atan2", Op::Atan2),
        ("==", Op::Eq),
        ("!=", Op::Ne),
        (">", Op::Gt),
        ("<", Op::Lt),
        (">=", Op::Ge),
        ("<=", Op::Le),
        ("</", Op::TrimUpper),
        (">/", Op::TrimLower),
        ("and", Op::And),
        ("or", Op::Or),
        ("unless", Op::Unless),
    ];

    /// Returns an operator from how it is written.
    pub fn written(text: &str) -> Option<Op> {
        Self::WRITTEN.into_iter().find(|(written, _)| *written == text).map(|(_, op)| op)
    }

    /// Returns how it is written.
    pub fn text(self) -> &'static str {
        Self::WRITTEN.into_iter().find(|(_, op)| *op == self).map_or("", |(written, _)| written)
    }

    /// Returns whether it cuts native histograms off, which numbers are not.
    pub fn trims(self) -> bool {
        matches!(self, Op::TrimUpper | Op::TrimLower)
    }

    /// Returns whether it is one of `==`, `!=`, `>`, `<`, `>=`, `<=`.
    pub fn is_comparison(self) -> bool {
        matches!(self, Op::Eq | Op::Ne | Op::Gt | Op::Lt | Op::Ge | Op::Le)
    }

    /// Returns whether it is one of `and`, `or`, `unless`.
    pub fn is_set(self) -> bool {
        matches!(self, Op::And | Op::Or | Op::Unless)
    }
}

/// Which sides may have many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Card {
    OneToOne,
    ManyToOne,
    OneToMany,
    ManyToMany,
}

/// Says how series of two sides find each other.
#[derive(Clone, Debug)]
pub struct Matching {
    /// Which sides may have many.
    pub card: Card,
    /// The labels named by `on` or `ignoring`.
    pub labels: Vec<Arc<str>>,
    /// They are `on`'s.
    pub on: bool,
    /// Labels that `group_left` and `group_right` bring from the other side.
    pub include: Vec<Arc<str>>,
    /// Values for series that one side does not have.
    pub fill: Fill,
}

/// `fill_left`, `fill_right`: `fill` is both.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Fill {
    /// Where the left side has nothing.
    pub left: Option<f64>,
    /// Where the right side has nothing.
    pub right: Option<f64>,
}

impl Fill {
    /// Returns it for the same operation with its sides exchanged.
    pub fn swapped(self) -> Self {
        Self { left: self.right, right: self.left }
    }
}

/// A binary operation.
#[derive(Clone, Debug)]
pub struct Binary {
    /// Which.
    pub op: Op,
    /// Left.
    pub lhs: Expr,
    /// Right.
    pub rhs: Expr,
    /// 0 or 1 instead of filtering.
    pub return_bool: bool,
    /// Between two vectors.
    pub matching: Matching,
    /// Where it stands in the text, bytes.
    pub at: usize,
}

impl Expr {
    /// Returns whether some elements are picked in the order in which they come: of equal ones, or of all.
    pub fn picks(&self) -> bool {
        match self {
            Expr::Number(_) | Expr::Text(_) | Expr::Selector(_) | Expr::Range(..) => false,
            Expr::Subquery(subquery) => subquery.expr.picks(),
            Expr::Call(call) => call.function.sorts() || call.args.iter().any(Expr::picks),
            Expr::Aggregate(a) => matches!(a.op, Agg::Topk | Agg::Bottomk | Agg::Limitk) || a.expr.picks(),
            Expr::Binary(b) => b.lhs.picks() || b.rhs.picks(),
            Expr::Negate(inner) => inner.picks(),
        }
    }

    /// Returns whether it is the same at every step, so that Prometheus evaluates it once.
    pub fn is_invariant(&self) -> bool {
        match self {
            Expr::Number(_) | Expr::Text(_) => true,
            Expr::Selector(selector) | Expr::Range(selector, _) => selector.shift.at.is_some(),
            Expr::Subquery(subquery) => subquery.shift.at.is_some(),
            Expr::Call(call) => !call.function.follows_time() && call.args.iter().all(Expr::is_invariant),
            Expr::Aggregate(a) => a.expr.is_invariant(),
            Expr::Binary(b) => b.lhs.is_invariant() && b.rhs.is_invariant(),
            Expr::Negate(inner) => inner.is_invariant(),
        }
    }

    /// Returns what it evaluates to.
    pub fn value_type(&self) -> ValueType {
        match self {
            Expr::Number(_) => ValueType::Scalar,
            Expr::Text(_) => ValueType::String,
            Expr::Selector(_) | Expr::Aggregate(_) => ValueType::Vector,
            Expr::Range(..) | Expr::Subquery(_) => ValueType::Matrix,
            Expr::Call(call) => call.function.value_type(),
            Expr::Negate(inner) => inner.value_type(),
            Expr::Binary(b) => match (b.lhs.value_type(), b.rhs.value_type()) {
                (ValueType::Scalar, ValueType::Scalar) => ValueType::Scalar,
                _ => ValueType::Vector,
            },
        }
    }
}

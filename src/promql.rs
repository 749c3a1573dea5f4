//! PromQL: text → query → selections → value. No IO, no clock, no store: the caller reads what [`Query::selections`]
//! asks for and hands it to [`evaluate`].
//!
//! The language is that of Prometheus 3.16 without native histograms. Functions, aggregations and `fill`, which Prometheus
//! has behind feature flags, are there without one.

mod aggregate;
mod annotations;
mod binary;
mod budget;
mod call;
mod eval;
mod expr;
pub mod functions;
mod grid;
mod info;
mod labels;
mod parse;
mod plan;
mod reach;
mod select;
#[cfg(test)]
mod tests;

pub use self::{
    budget::{Budget, Pool},
    labels::{all as label_pairs, compare},
    reach::{Reach, Recorded},
};
use self::{
    eval::Eval,
    expr::Expr,
    grid::{Grid, Row, Rows, is_some},
};
use crate::{
    model::{Labels, Matcher},
    pack::{Damaged, Packed, Points, Want},
};

/// Says what a text can't be read as, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: parse error: {message}")]
pub struct ParseError {
    /// Which class of error.
    pub kind: ParseErrorKind,
    /// In Prometheus' words where it has some.
    pub message: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

/// Classes of [`ParseError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseErrorKind {
    /// The text is no PromQL.
    Malformed,
    /// The text is larger than any that is read, in bytes, in words, in brackets, or in what its regular expressions weigh.
    TooLarge,
}

/// Says what a value is (`resultType` of the API).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// One number.
    Scalar,
    /// A text.
    String,
    /// One number a series.
    Vector,
    /// Numbers over time.
    Matrix,
}

/// Says when a query is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First evaluation, Unix milliseconds.
    pub start_ms: i64,
    /// Not after this, Unix milliseconds.
    pub end_ms: i64,
    /// Between evaluations, milliseconds; 0: an instant query, at `start_ms` only.
    pub step_ms: i64,
    /// A sample older than this is not the current one (Prometheus: 5 minutes). The interval is open at its left.
    pub lookback_ms: i64,
}

/// Holds what a selector needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// Conditions, the name among them.
    pub matchers: Vec<Matcher>,
    /// First time that may count, Unix milliseconds, inclusive. Reaches back far enough for rolled-up points too.
    pub from_ms: i64,
    /// Last time that may count, inclusive.
    pub to_ms: i64,
}

/// Holds what a query may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Samples held at once (Prometheus' `--query.max-samples`).
    pub max_samples: usize,
    /// Threads for one query's wide parts.
    pub threads: usize,
}

/// Says why an evaluation ended early.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// The query can't be answered; in Prometheus' words.
    #[error("{0}")]
    Execution(String),
    /// [`Limits::max_samples`].
    #[error("query processing would load too many samples into memory in query execution")]
    TooManySamples,
    /// What this evaluation, or all together, may hold, in bytes.
    #[error("query processing would take more memory than the {} MiB that it may have (query.max_memory)", .0 >> 20)]
    TooMuchMemory(usize),
    /// The caller's `stop` said so.
    #[error("query timed out in expression evaluation")]
    Stopped,
    /// A block of the store can't be read.
    #[error(transparent)]
    Damaged(#[from] Damaged),
}

/// A series of a range result.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The name is empty where the operation dropped it.
    pub labels: Labels,
    /// `(Unix milliseconds, value)`, ascending.
    pub points: Vec<(i64, f64)>,
}

/// Says what came out.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number at a time (instant queries).
    Scalar(i64, f64),
    /// A text at a time (instant queries).
    String(i64, String),
    /// Of instant queries; in the order of the result (sorted by `sort()` and friends).
    Vector(Vec<(Labels, i64, f64)>),
    /// Of range queries, sorted by labels; and of range selectors in instant queries.
    Matrix(Vec<Series>),
}

/// Holds what an evaluation cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// As Prometheus counts `totalQueryableSamples`.
    pub total_samples: u64,
    /// As Prometheus counts `peakSamples`.
    pub peak_samples: u64,
}

/// A value with what Prometheus would say beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The value.
    pub value: Value,
    /// Annotations that question the result.
    pub warnings: Vec<String>,
    /// Annotations that question the query.
    pub infos: Vec<String>,
    /// What it cost.
    pub stats: Stats,
}

/// A query that has been read.
#[derive(Clone, Debug)]
pub struct Query {
    text: String,
    expr: Expr,
    tree: parse::Node,
    selectors: usize,
    /// Lengths in it have to be reckoned once the window is known.
    reckons: bool,
}

/// Reads a text.
///
/// # Errors
/// When it is no PromQL, or PromQL that this evaluator does not have.
pub fn parse(text: &str) -> Result<Query, ParseError> {
    let parse::Parsed { expr, tree, selectors } = parse::parse(text)?;
    let reckons = parse::reckons(&tree);
    Ok(Query { text: text.into(), expr, tree, selectors, reckons })
}

/// Returns line and column of a place in a text, both from 1; columns are characters.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (before.matches('\n').count() + 1, column)
}

/// Reads the selector of `match[]`.
///
/// # Errors
/// When it is no plain selector.
pub fn parse_matchers(text: &str) -> Result<Vec<Matcher>, ParseError> {
    match parse(text)?.expr {
        Expr::Selector(selector) if selector.shift == expr::Shift::default() && selector.extended.is_none() => {
            Ok(selector.matchers)
        }
        _ => {
            let kind = ParseErrorKind::Malformed;
            Err(ParseError { kind, message: "expected a series selector".into(), line: 1, column: 1 })
        }
    }
}

impl Query {
    /// Returns what it evaluates to.
    pub fn value_type(&self) -> ValueType {
        self.expr.value_type()
    }

    /// Returns what it needs: one selection for each selector, in the order in which [`evaluate`] takes their series.
    pub fn selections(&self, window: &Window) -> Vec<Selection> {
        // What is no length is said by `evaluate`.
        match self.reckoned(window) {
            Ok(Some(expr)) => plan::selections(&expr, window),
            Ok(None) | Err(_) => plan::selections(&self.expr, window),
        }
    }

    /// Returns the expression with its lengths as they are in a window; `None`: they are known.
    fn reckoned(&self, window: &Window) -> Result<Option<Expr>, EvalError> {
        if !self.reckons {
            return Ok(None);
        }
        let range = if window.step_ms == 0 { 0 } else { window.end_ms.saturating_sub(window.start_ms) };
        let asked = parse::Asked { step: window.step_ms as f64 / 1e3, range: range as f64 / 1e3 };
        let (expr, _) = parse::lower(&self.tree, Some(asked)).map_err(EvalError::Execution)?;
        Ok(Some(expr))
    }

    /// Returns how far into the past it looks, through the recording rules whose series it reads.
    pub fn reach(&self, recorded: Recorded<'_>) -> Reach {
        reach::of(&self.expr, recorded)
    }

    /// Returns the query's tree, as Prometheus' `/api/v1/parse_query` shows it.
    pub fn tree(&self) -> serde_json::Value {
        parse::tree(&self.tree)
    }

    /// Returns the query, laid out for reading.
    pub fn pretty(&self) -> String {
        parse::pretty(&self.tree)
    }
}

/// Evaluates a query over the series of its selections. `stop` is asked now and then, and ends it by saying true. What the
/// answer weighs stays taken of the budget.
///
/// # Errors
/// When there is no answer, or a limit is met.
pub fn evaluate(
    query: &Query,
    window: &Window,
    data: &[Vec<Packed>],
    limits: &Limits,
    budget: &Budget,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Answer, EvalError> {
    if data.len() != query.selectors {
        return Err(EvalError::Execution(format!("{} selectors, series for {}", query.selectors, data.len())));
    }
    let window = Window { end_ms: window.end_ms.max(window.start_ms), ..*window };
    let grid = match window.step_ms {
        0 => Grid::new(window.start_ms, window.start_ms, 1),
        step => Grid::new(window.start_ms, window.end_ms, step),
    };
    let reckoned = query.reckoned(&window)?;
    let expr = reckoned.as_ref().unwrap_or(&query.expr);
    let eval = Eval::new(expr, window, *limits, budget, data, stop);
    let value = match (expr, window.step_ms) {
        (Expr::Range(..) | Expr::Subquery(_), 0) => top_matrix(&eval, expr, &grid)?,
        (expr, _) => {
            let value = eval.eval(expr, &grid)?;
            eval.budget.take(answered(&value))?;
            finish(value, &grid, expr, window.step_ms == 0)
        }
    };
    let (notes, stats) = eval.end();
    let (warnings, infos) = notes.told(&query.text);
    Ok(Answer { value, warnings, infos, stats })
}

/// What a value needs as an answer.
fn answered(value: &grid::Value) -> usize {
    match value {
        grid::Value::Text(text) => text.len(),
        grid::Value::Scalar(values) => values.len() * budget::ANSWERED_BYTES,
        grid::Value::Rows(rows) => {
            let points = |row: &Row| row.values.iter().filter(|v| is_some(**v)).count() * budget::ANSWERED_BYTES;
            rows.iter().map(|row| budget::of_row(&row.labels, 0) + points(row)).sum()
        }
    }
}

/// A range vector as the result of an instant query: its samples.
fn top_matrix(eval: &Eval<'_>, expr: &Expr, grid: &Grid) -> Result<Value, EvalError> {
    let mut matrix = Vec::new();
    let mut add = |labels: &Labels, points: &Points| {
        if !points.is_empty() {
            let points = points.at_ms.iter().copied().zip(points.values.iter().copied()).collect();
            matrix.push(Series { labels: labels.clone(), points });
        }
    };
    match expr {
        Expr::Range(selector, range_ms) => {
            let at = select::reference(eval, grid, &selector.shift, 0);
            let mut points = Points::default();
            let (before, behind) = select::beyond(eval.window.lookback_ms, selector.extended);
            let (from_ms, to_ms) = (at.saturating_sub(*range_ms), at);
            for packed in eval.series(selector) {
                eval.check()?;
                let first = from_ms.saturating_sub(before).saturating_add(1);
                packed.read(Want::Last, first, to_ms.saturating_add(behind), &mut points)?;
                select::drop_stale(&mut points);
                if let Some(how) = selector.extended {
                    let (at_ms, values) = (&points.at_ms[..], &points.values[..]);
                    let frame = functions::Frame { at_ms, values, counts: &[], from_ms, to_ms };
                    let (at_ms, values) = functions::extended::samples(&frame, how).into_iter().unzip();
                    points = Points { at_ms, values, ..Points::default() };
                }
                eval.hold(points.len())?;
                eval.budget.take_many(points.len(), budget::ANSWERED_BYTES)?;
                eval.count(points.len() as u64);
                add(&packed.labels, &points);
            }
        }
        Expr::Subquery(subquery) => {
            for (row, points) in eval.subquery(subquery, grid)? {
                eval.budget.take_many(points.len(), budget::ANSWERED_BYTES)?;
                add(&row.labels, &points);
            }
        }
        _ => {}
    }
    matrix.sort_by(|a, b| compare(&a.labels, &b.labels));
    Ok(Value::Matrix(matrix))
}

fn finish(value: grid::Value, grid: &Grid, expr: &Expr, instant: bool) -> Value {
    let at = grid.start_ms;
    match value {
        grid::Value::Text(text) => Value::String(at, text),
        grid::Value::Scalar(values) if instant => Value::Scalar(at, values.first().copied().unwrap_or(f64::NAN)),
        grid::Value::Scalar(values) => {
            let points = values.into_iter().enumerate().map(|(step, v)| (grid.at_ms(step), v)).collect();
            Value::Matrix(vec![Series { labels: labels::empty(), points }])
        }
        grid::Value::Rows(rows) if instant => {
            let first = |row: Row| row.values.first().copied().filter(|v| is_some(*v)).map(|v| (row.labels, at, v));
            let mut vector: Vec<_> = rows.into_iter().filter_map(first).collect();
            if !is_ordered(expr) {
                vector.sort_by(|a, b| compare(&a.0, &b.0));
            }
            Value::Vector(vector)
        }
        grid::Value::Rows(rows) => Value::Matrix(matrix(rows, grid)),
    }
}

fn matrix(rows: Rows, grid: &Grid) -> Vec<Series> {
    let series = |row: Row| {
        let there = row.values.iter().enumerate().filter(|(_, v)| is_some(**v));
        let points: Vec<(i64, f64)> = there.map(|(step, v)| (grid.at_ms(step), *v)).collect();
        (!points.is_empty()).then_some(Series { labels: row.labels, points })
    };
    let mut matrix: Vec<Series> = rows.into_iter().filter_map(series).collect();
    matrix.sort_by(|a, b| compare(&a.labels, &b.labels));
    matrix
}

/// Whether the order of the elements is part of the result.
fn is_ordered(expr: &Expr) -> bool {
    match expr {
        Expr::Call(call) => call.function.sorts(),
        Expr::Aggregate(a) => matches!(a.op, expr::Agg::Topk | expr::Agg::Bottomk),
        _ => false,
    }
}

/// Returns a number as Prometheus writes it.
pub fn format_float(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.into();
    }
    value.to_string()
}

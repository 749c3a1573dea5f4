//! Vectors over time: what every expression evaluates to, for all steps at once.

use std::collections::HashMap;

use super::{EvalError, labels};
use crate::model::{Labels, is_stale, stale};

/// The times at which an expression is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// First, Unix milliseconds.
    pub start_ms: i64,
    /// Between two; at least 1.
    pub step_ms: i64,
    /// How many; at least 1.
    pub steps: usize,
}

impl Grid {
    /// From a start to an end, inclusive.
    pub fn new(start_ms: i64, end_ms: i64, step_ms: i64) -> Self {
        let step_ms = step_ms.max(1);
        let more = end_ms.saturating_sub(start_ms).max(0) / step_ms;
        Self { start_ms, step_ms, steps: usize::try_from(more).unwrap_or(0) + 1 }
    }

    /// Returns the time of a step.
    pub fn at_ms(&self, step: usize) -> i64 {
        self.start_ms + i64::try_from(step).unwrap_or(i64::MAX / 2).saturating_mul(self.step_ms)
    }

    /// Returns the last time.
    pub fn end_ms(&self) -> i64 {
        self.at_ms(self.steps - 1)
    }
}

/// "No point here": the stale marker, which no operation can give.
pub fn none() -> f64 {
    stale()
}

/// Returns whether there is a point.
pub fn is_some(value: f64) -> bool {
    !is_stale(value)
}

/// One series: a value a step, [`none`] where there is no point.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which series.
    pub labels: Labels,
    /// As many as the grid has steps.
    pub values: Vec<f64>,
}

impl Row {
    /// Returns whether it has any point.
    pub fn has_points(&self) -> bool {
        self.values.iter().any(|v| is_some(*v))
    }
}

/// An instant vector over time.
pub type Rows = Vec<Row>;

/// Says what an expression evaluates to.
#[derive(Clone, Debug)]
pub enum Value {
    /// A number a step.
    Scalar(Vec<f64>),
    /// A text.
    Text(String),
    /// Series.
    Rows(Rows),
}

/// Joins rows that have become the same series.
///
/// # Errors
/// When two have a point at the same step: "vector cannot contain metrics with the same labelset".
pub fn joined(rows: Rows) -> Result<Rows, EvalError> {
    let mut places: HashMap<Labels, usize> = HashMap::with_capacity(rows.len());
    let mut out: Rows = Vec::with_capacity(rows.len());
    for row in rows {
        match places.get(&row.labels) {
            None => {
                places.insert(row.labels.clone(), out.len());
                out.push(row);
            }
            Some(place) => {
                for (into, value) in out[*place].values.iter_mut().zip(row.values) {
                    if is_some(value) {
                        if is_some(*into) {
                            return Err(EvalError::Execution(SAME_LABELSET.into()));
                        }
                        *into = value;
                    }
                }
            }
        }
    }
    Ok(out)
}

/// The words of Prometheus.
pub const SAME_LABELSET: &str = "vector cannot contain metrics with the same labelset";

/// Rows without their names, joined.
///
/// # Errors
/// As [`joined`].
pub fn unnamed(mut rows: Rows) -> Result<Rows, EvalError> {
    rows.iter_mut().for_each(|row| row.labels = labels::unnamed(&row.labels));
    joined(rows)
}

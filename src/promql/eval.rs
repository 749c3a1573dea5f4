//! The evaluator: every node for all steps at once.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use super::{
    EvalError, Limits, Stats, Window, aggregate,
    annotations::Annotations,
    binary,
    budget::{self, Budget},
    call,
    expr::{Expr, Extended, Selector, Subquery},
    grid::{Grid, Row, Rows, Value, is_some, unnamed},
    labels,
    select::{self, Take, references},
};
use crate::pack::{Packed, Points};

/// Between two evaluations of a subquery that does not say: Prometheus' default evaluation interval.
pub const SUBQUERY_STEP_MS: i64 = 60_000;
/// `stop` is asked once for so many series.
const STOP_EVERY: u64 = 16;

/// Holds what an evaluation works with.
pub struct Eval<'a> {
    /// When.
    pub window: Window,
    /// What it may use.
    pub limits: Limits,
    /// What it holds.
    pub budget: &'a Budget,
    /// Series of each selector; sorted by their labels where the query picks some of them.
    data: Vec<Vec<&'a Packed>>,
    stop: &'a (dyn Fn() -> bool + Sync),
    stopped: AtomicBool,
    checks: AtomicU64,
    held: AtomicUsize,
    peak: AtomicUsize,
    total: AtomicU64,
    weights: Mutex<Weights>,
    annotations: Mutex<Annotations>,
}

/// How often a step of the grid counts: one of a subquery as often as windows hold it. Empty: all once.
#[derive(Clone, Debug, Default)]
pub struct Weights(Arc<[u64]>);

impl Weights {
    /// Returns how often a step counts.
    pub fn of(&self, step: usize) -> u64 {
        if self.0.is_empty() { 1 } else { self.0.get(step).copied().unwrap_or_default() }
    }

    /// Returns how often so many first steps count together.
    pub fn all(&self, steps: usize) -> u64 {
        if self.0.is_empty() { steps as u64 } else { self.0.iter().fold(0, |sum, w| sum.saturating_add(*w)) }
    }
}

impl<'a> Eval<'a> {
    /// Over what was selected.
    pub fn new(
        expr: &Expr,
        window: Window,
        limits: Limits,
        budget: &'a Budget,
        data: &'a [Vec<Packed>],
        stop: &'a (dyn Fn() -> bool + Sync),
    ) -> Self {
        let picks = expr.picks();
        let sorted = |series: &'a Vec<Packed>| {
            let mut series: Vec<&Packed> = series.iter().collect();
            // Sorting thousands of label sets takes longer than an instant query: only where the order is the result's.
            if picks {
                series.sort_by(|a, b| labels::compare(&a.labels, &b.labels));
            }
            series
        };
        Self {
            window,
            limits,
            budget,
            data: data.iter().map(sorted).collect(),
            stop,
            stopped: AtomicBool::new(false),
            checks: AtomicU64::new(0),
            held: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            total: AtomicU64::new(0),
            weights: Mutex::default(),
            annotations: Mutex::default(),
        }
    }

    /// Returns whether the query is of one time.
    pub fn is_instant(&self) -> bool {
        self.window.step_ms == 0
    }

    /// Returns the series of a selector.
    pub fn series(&self, selector: &Selector) -> &[&'a Packed] {
        self.data.get(selector.index).map_or(&[], Vec::as_slice)
    }

    /// Ends the evaluation where the caller wants it.
    pub fn check(&self) -> Result<(), EvalError> {
        if self.checks.fetch_add(1, Ordering::Relaxed).is_multiple_of(STOP_EVERY) && (self.stop)() {
            self.stopped.store(true, Ordering::Relaxed);
        }
        if self.stopped.load(Ordering::Relaxed) { Err(EvalError::Stopped) } else { Ok(()) }
    }

    /// Asks the caller now, after much work at once.
    pub fn check_now(&self) -> Result<(), EvalError> {
        self.checks.store(0, Ordering::Relaxed);
        self.check()
    }

    /// Holds so many more points.
    pub fn hold(&self, points: usize) -> Result<(), EvalError> {
        let held = self.held.fetch_add(points, Ordering::Relaxed) + points;
        self.peak.fetch_max(held, Ordering::Relaxed);
        if held > self.limits.max_samples { Err(EvalError::TooManySamples) } else { Ok(()) }
    }

    /// Holds so many less.
    pub fn release(&self, points: usize) {
        let _ = self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| Some(held.saturating_sub(points)));
    }

    /// Rows that are not needed any more.
    pub fn release_rows(&self, rows: &Rows) {
        self.release(rows.iter().map(|row| row.values.len()).sum());
    }

    /// Samples that were looked at.
    pub fn count(&self, samples: u64) {
        self.total.fetch_add(samples, Ordering::Relaxed);
    }

    /// Returns how often the steps of the grid count that is evaluated on.
    pub fn weights(&self) -> Weights {
        self.weights.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets that; returns what it was.
    fn weigh(&self, weights: Weights) -> Weights {
        std::mem::replace(&mut *self.weights.lock().unwrap_or_else(PoisonError::into_inner), weights)
    }

    /// Says something beside the result.
    pub fn note(&self, note: impl FnOnce(&mut Annotations)) {
        note(&mut self.annotations.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Returns what was said, and what it cost.
    pub fn end(self) -> (Annotations, Stats) {
        let stats = Stats {
            total_samples: self.total.load(Ordering::Relaxed),
            peak_samples: self.peak.load(Ordering::Relaxed) as u64,
        };
        (self.annotations.into_inner().unwrap_or_else(PoisonError::into_inner), stats)
    }

    /// Evaluates a node on a grid. What the node took on its way is given back, save for what it gives.
    pub fn eval(&self, expr: &Expr, grid: &Grid) -> Result<Value, EvalError> {
        self.check()?;
        let before = self.budget.held();
        // Each node makes at least one row of it, or a number a step.
        self.budget.take_many(grid.steps, budget::VALUE_BYTES)?;
        let value = self.node(expr, grid)?;
        self.budget.settle(before.saturating_add(budget::of_value(&value)))?;
        Ok(value)
    }

    fn node(&self, expr: &Expr, grid: &Grid) -> Result<Value, EvalError> {
        match expr {
            Expr::Number(number) => Ok(Value::Scalar(vec![*number; grid.steps])),
            Expr::Text(text) => Ok(Value::Text(text.clone())),
            Expr::Selector(selector) if selector.extended == Some(Extended::Smoothed) => {
                select::smoothed(self, self.series(selector), &selector.shift, grid).map(Value::Rows)
            }
            Expr::Selector(selector) => {
                select::instant(self, self.series(selector), &selector.shift, grid, Take::Value).map(Value::Rows)
            }
            // The types were checked: these stand only where `call` takes them, or at the top.
            Expr::Range(..) | Expr::Subquery(_) => Err(EvalError::Execution("unexpected range vector".into())),
            Expr::Call(call) => call::eval(self, call, grid),
            Expr::Aggregate(aggregate) => aggregate::eval(self, aggregate, grid).map(Value::Rows),
            Expr::Binary(binary) => binary::eval(self, binary, grid),
            Expr::Negate(inner) => self.negate(inner, grid),
        }
    }

    /// Evaluates a node that is a vector.
    pub fn rows(&self, expr: &Expr, grid: &Grid) -> Result<Rows, EvalError> {
        match self.eval(expr, grid)? {
            Value::Rows(rows) => Ok(rows),
            _ => Err(EvalError::Execution("expected an instant vector".into())),
        }
    }

    /// Evaluates a node that is a scalar.
    pub fn scalar(&self, expr: &Expr, grid: &Grid) -> Result<Vec<f64>, EvalError> {
        match self.eval(expr, grid)? {
            Value::Scalar(values) => Ok(values),
            _ => Err(EvalError::Execution("expected a scalar".into())),
        }
    }

    /// Returns a node that is a text.
    pub fn text(expr: &Expr) -> Result<&str, EvalError> {
        match expr {
            Expr::Text(text) => Ok(text),
            _ => Err(EvalError::Execution("expected a string".into())),
        }
    }

    fn negate(&self, inner: &Expr, grid: &Grid) -> Result<Value, EvalError> {
        let negate = |values: &mut Vec<f64>| values.iter_mut().filter(|v| is_some(**v)).for_each(|v| *v = -*v);
        match self.eval(inner, grid)? {
            Value::Scalar(mut values) => {
                negate(&mut values);
                Ok(Value::Scalar(values))
            }
            Value::Rows(mut rows) => {
                rows.iter_mut().for_each(|row| negate(&mut row.values));
                unnamed(rows).map(Value::Rows)
            }
            text => Ok(text),
        }
    }

    /// Returns the points of a subquery: the rows of its expression on its own grid.
    pub fn subquery(&self, subquery: &Subquery, grid: &Grid) -> Result<Vec<(Row, Points)>, EvalError> {
        let (first, last) = references(self, grid, &subquery.shift);
        let Some(inner) = subquery_grid(subquery, first, last) else { return Ok(Vec::new()) };
        if inner.steps > self.limits.max_samples {
            return Err(EvalError::TooManySamples);
        }
        // What was selected for it counts, as often as it is looked at.
        self.budget.take_many(inner.steps, 2 * size_of::<u64>())?;
        let outer = self.weigh(self.inner_weights(subquery, grid, &inner));
        let value = self.eval(&subquery.expr, &inner);
        self.weigh(outer);
        self.budget.give(inner.steps.saturating_mul(2 * size_of::<u64>()));
        let rows = match value? {
            Value::Rows(rows) => rows,
            Value::Scalar(values) => vec![Row { labels: labels::empty(), values }],
            Value::Text(_) => return Err(EvalError::Execution("unexpected string in subquery".into())),
        };
        let points = |mut row: Row| {
            self.check()?;
            self.budget.take_many(row.values.len(), budget::POINT_BYTES)?;
            let mut points = Points::default();
            for (step, value) in std::mem::take(&mut row.values).into_iter().enumerate().filter(|(_, v)| is_some(*v)) {
                points.push(inner.at_ms(step), value);
            }
            Ok((row, points))
        };
        rows.into_iter().map(points).collect()
    }

    /// How often the steps of a subquery count on a grid: once for each window that holds them.
    fn inner_weights(&self, subquery: &Subquery, grid: &Grid, inner: &Grid) -> Weights {
        let outer = self.weights();
        // The first step that is later than a time.
        let after = |at: i64| {
            let steps = at.saturating_sub(inner.start_ms).div_euclid(inner.step_ms).saturating_add(1);
            usize::try_from(steps).unwrap_or(0).min(inner.steps)
        };
        let mut changes = vec![0u64; inner.steps + 1];
        for step in 0..grid.steps {
            let to = select::reference(self, grid, &subquery.shift, step);
            let (low, high) = (after(to.saturating_sub(subquery.range_ms)), after(to));
            changes[low] = changes[low].wrapping_add(outer.of(step));
            changes[high] = changes[high].wrapping_sub(outer.of(step));
        }
        let running = changes[..inner.steps].iter().scan(0u64, |sum, change| {
            *sum = sum.wrapping_add(*change);
            Some(*sum)
        });
        Weights(running.collect())
    }
}

/// Returns the grid of a subquery whose steps look at `first` to `last`: aligned to its own step, open at its left end
/// as all ranges (Prometheus 3). `None`: no time of it lies there.
pub fn subquery_grid(subquery: &Subquery, first: i64, last: i64) -> Option<Grid> {
    let step = subquery.step_ms.unwrap_or(SUBQUERY_STEP_MS).max(1);
    let left = first.saturating_sub(subquery.range_ms);
    let mut start = left / step * step;
    if start <= left {
        start = start.saturating_add(step);
    }
    (start <= last).then(|| Grid::new(start, last, step))
}

//! Functions of classic histograms: series of buckets, an upper bound each.

use std::collections::HashMap;

use super::{check_quantile, missing, place};
use crate::{
    model::Labels,
    promql::{
        EvalError,
        annotations::{Raised, shortest},
        budget,
        eval::Eval,
        expr::Call,
        functions::histogram,
        grid::{Grid, Row, Rows, Value, is_some, joined, none},
        labels,
    },
};

/// The label of a classic histogram's buckets.
const LE: &str = "le";

/// Evaluates `histogram_quantile`.
pub fn quantile(eval: &Eval<'_>, call: &Call, grid: &Grid) -> Result<Value, EvalError> {
    let [q, vector] = &call.args[..] else { return missing() };
    let q = eval.scalar(q, grid)?;
    let rows = eval.rows(vector, grid)?;
    q.iter().for_each(|q| check_quantile(eval, place(call, 0), *q));
    of_buckets(eval, place(call, 1), rows, grid, &q)
}

/// The quantiles of classic histograms.
fn of_buckets(eval: &Eval<'_>, at: usize, rows: Rows, grid: &Grid, q: &[f64]) -> Result<Value, EvalError> {
    buckets(eval, at, rows, grid, |step, buckets| {
        let found = histogram::bucket_quantile(q[step], buckets);
        if let Some(histogram::Raised { lowest, highest, missing }) = found.raised {
            let (first_ms, last_ms) = (grid.at_ms(step), grid.at_ms(step));
            eval.note(|n| n.raised(at, Raised { first_ms, last_ms, count: 1, lowest, highest, missing }));
        }
        found.value
    })
}

/// Evaluates `histogram_quantiles`: several quantiles, told apart by a label.
pub fn quantiles(eval: &Eval<'_>, call: &Call, grid: &Grid) -> Result<Value, EvalError> {
    let [vector, label, asked @ ..] = &call.args[..] else { return missing() };
    let label = Eval::text(label)?;
    let mut all = Vec::with_capacity(asked.len());
    for (i, q) in asked.iter().enumerate() {
        let q = eval.scalar(q, grid)?;
        q.iter().for_each(|q| check_quantile(eval, place(call, 2 + i), *q));
        all.push(q);
    }
    let rows = eval.rows(vector, grid)?;
    let mut out = Rows::new();
    for q in &all {
        eval.budget.take(budget::of_rows(&rows))?;
        let Value::Rows(found) = of_buckets(eval, place(call, 0), rows.clone(), grid, q)? else { return missing() };
        for row in found {
            labelled(eval, &row, label, q, &mut out)?;
        }
    }
    joined(out).map(Value::Rows)
}

/// Gives the points of a row the label that says which quantile they are: that may be another one at each step.
fn labelled(eval: &Eval<'_>, row: &Row, label: &str, q: &[f64], out: &mut Rows) -> Result<(), EvalError> {
    let mut places: HashMap<u64, usize> = HashMap::new();
    for (step, value) in row.values.iter().enumerate().filter(|(_, v)| is_some(**v)) {
        let place = match places.get(&q[step].to_bits()) {
            Some(place) => *place,
            None => {
                let labels = labels::with(&row.labels, label, &with_point(q[step]));
                eval.budget.take(budget::of_row(&labels, row.values.len()))?;
                places.insert(q[step].to_bits(), out.len());
                out.push(Row { labels, values: vec![none(); row.values.len()] });
                out.len() - 1
            }
        };
        out[place].values[step] = *value;
    }
    Ok(())
}

/// A number as OpenMetrics writes it: it is seen to be no integer.
fn with_point(value: f64) -> String {
    let text = shortest(value);
    let whole = value.is_finite() && !text.contains(['.', 'e']);
    if whole { format!("{text}.0") } else { text }
}

/// Evaluates `histogram_fraction`.
pub fn fraction(eval: &Eval<'_>, call: &Call, grid: &Grid) -> Result<Value, EvalError> {
    let [lower, upper, vector] = &call.args[..] else { return missing() };
    let (lower, upper) = (eval.scalar(lower, grid)?, eval.scalar(upper, grid)?);
    let rows = eval.rows(vector, grid)?;
    buckets(eval, place(call, 2), rows, grid, |step, buckets| {
        histogram::bucket_fraction(lower[step], upper[step], buckets)
    })
}

/// Classic histograms: a number of the buckets of each label set, at each step.
fn buckets(
    eval: &Eval<'_>,
    place: usize,
    rows: Rows,
    grid: &Grid,
    mut number: impl FnMut(usize, &mut Vec<histogram::Bucket>) -> f64,
) -> Result<Value, EvalError> {
    // As much again for the groups and what is made of them.
    eval.budget.take(budget::of_rows(&rows))?;
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut groups: Vec<(Labels, Vec<(f64, Row)>)> = Vec::new();
    for row in rows {
        let le = row.labels.get(LE).unwrap_or_default();
        let Some(upper) = le.parse::<f64>().ok().filter(|upper| !upper.is_nan()) else {
            let message = format!("bucket label \"le\" is missing or has a malformed value of {le:?}");
            eval.note(|n| n.warn(place, message));
            continue;
        };
        // Two histograms of different names are not one: they would be in conflict below.
        let key = labels::without(&row.labels, &[LE.into()]);
        let place = *places.entry(key.clone()).or_insert_with(|| {
            groups.push((key, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push((upper, row));
    }
    let mut out = Rows::with_capacity(groups.len());
    let mut at = Vec::new();
    for (labels, group) in groups {
        eval.check()?;
        let mut values = vec![none(); grid.steps];
        for (step, value) in values.iter_mut().enumerate() {
            at.clear();
            let present = group.iter().filter(|(_, row)| is_some(row.values[step]));
            at.extend(present.map(|(upper, row)| histogram::Bucket { upper: *upper, count: row.values[step] }));
            if !at.is_empty() {
                *value = number(step, &mut at);
            }
        }
        out.push(Row { labels: labels::unnamed(&labels), values });
    }
    joined(out).map(Value::Rows)
}

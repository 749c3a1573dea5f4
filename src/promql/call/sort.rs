//! `sort` and its kin: the order of an instant query's elements.

use std::cmp::Ordering;

use super::missing;
use crate::promql::{
    EvalError,
    eval::Eval,
    expr::Call,
    functions::Special,
    grid::{Grid, Row, Rows, Value},
    labels,
};

/// The words of Prometheus.
const SORT_OF_RANGE: &str = "sort is ineffective for range queries since results are always ordered by labels";

/// Evaluates one of them.
pub fn eval(eval: &Eval<'_>, call: &Call, special: Special, grid: &Grid) -> Result<Value, EvalError> {
    let Some((vector, names)) = call.args.split_first() else { return missing() };
    let names = names.iter().map(Eval::text).collect::<Result<Vec<_>, _>>()?;
    if grid.steps > 1 && !vector.is_invariant() {
        eval.note(|n| n.warn(call.at, SORT_OF_RANGE));
    }
    let mut rows = eval.rows(vector, grid)?;
    if eval.is_instant() {
        match special {
            Special::SortByLabel => rows.sort_by(|a, b| by_labels(a, b, &names)),
            Special::SortByLabelDesc => rows.sort_by(|a, b| by_labels(b, a, &names)),
            _ => by_value(&mut rows, special == Special::SortDesc),
        }
    }
    Ok(Value::Rows(rows))
}

/// By value, NaN last.
fn by_value(rows: &mut Rows, descending: bool) {
    let value = |row: &Row| row.values.first().copied().unwrap_or(f64::NAN);
    rows.sort_by(|a, b| {
        let (a, b) = (value(a), value(b));
        match (a.is_nan(), b.is_nan()) {
            (false, false) if descending => b.total_cmp(&a),
            (false, false) => a.total_cmp(&b),
            (a, b) => a.cmp(&b),
        }
    });
}

/// By the labels named, then by all.
fn by_labels(a: &Row, b: &Row, names: &[&str]) -> Ordering {
    let named = names.iter().map(|name| natural(a.labels.value(name), b.labels.value(name)));
    named.fold(Ordering::Equal, Ordering::then).then_with(|| labels::compare(&a.labels, &b.labels))
}

/// As people order: numbers within a text by their size. Prometheus' order (facette/natsort) is none where one value is
/// empty, or only leading zeros differ: here the shorter text comes first.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut rest_a, mut rest_b) = (a, b);
    loop {
        let (chunk_a, chunk_b);
        (chunk_a, rest_a) = chunk(rest_a);
        (chunk_b, rest_b) = chunk(rest_b);
        let number = |chunk: &str| chunk.starts_with(|c: char| c.is_ascii_digit());
        let order = if number(chunk_a) && number(chunk_b) {
            let (a, b) = (chunk_a.trim_start_matches('0'), chunk_b.trim_start_matches('0'));
            a.len().cmp(&b.len()).then_with(|| a.cmp(b))
        } else {
            chunk_a.cmp(chunk_b)
        };
        if order.is_ne() {
            return order;
        }
        if chunk_a.is_empty() {
            return a.len().cmp(&b.len()).then_with(|| a.cmp(b));
        }
    }
}

/// The digits, or what is none, that a text begins with, and the rest.
fn chunk(text: &str) -> (&str, &str) {
    let digits = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_within_a_text_are_ordered_by_their_size() {
        let order =
            ["", "1", "01", "2", "10", "99999999999999999999", "100000000000000000000", "a", "a1", "a2b", "a10", "ä"];
        for (i, a) in order.iter().enumerate() {
            for (j, b) in order.iter().enumerate() {
                assert_eq!(natural(a, b), i.cmp(&j), "{a:?} {b:?}");
            }
        }
    }
}

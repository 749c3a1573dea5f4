//! Aggregation operators.

use std::{collections::HashMap, sync::Arc};

use super::{
    EvalError,
    annotations::shortest,
    budget,
    call::check_quantile,
    eval::Eval,
    expr::{Agg, Aggregate},
    format_float,
    functions::{kahan, quantile},
    grid::{Grid, Row, Rows, is_some, joined, none},
    labels,
};
use crate::model::Labels;

/// Evaluates an aggregation on a grid.
pub fn eval(eval: &Eval<'_>, a: &Aggregate, grid: &Grid) -> Result<Rows, EvalError> {
    let missing = || EvalError::Execution("the aggregation's parameter is missing".into());
    match a.op {
        Agg::CountValues => {
            let label = Eval::text(a.param.as_ref().ok_or_else(missing)?)?;
            if label.is_empty() {
                return Err(EvalError::Execution(format!("invalid label name {label:?}")));
            }
            let rows = eval.rows(&a.expr, grid)?;
            eval.release_rows(&rows);
            count_values(eval, a, label, &rows, grid)
        }
        Agg::Topk | Agg::Bottomk | Agg::Limitk => {
            let k = eval.scalar(a.param.as_ref().ok_or_else(missing)?, grid)?;
            let k = k.into_iter().map(whole).collect::<Result<Vec<_>, _>>()?;
            let rows = again(eval, eval.rows(&a.expr, grid)?)?;
            Ok(pick(eval, a, &k, rows, grid))
        }
        Agg::LimitRatio => {
            let ratios = eval.scalar(a.param.as_ref().ok_or_else(missing)?, grid)?;
            check_ratios(eval, a.param_at, &ratios)?;
            Ok(sampled(eval.rows(&a.expr, grid)?, &ratios))
        }
        Agg::Quantile => {
            let q = eval.scalar(a.param.as_ref().ok_or_else(missing)?, grid)?;
            check_quantiles(eval, a.param_at, &q);
            let rows = again(eval, eval.rows(&a.expr, grid)?)?;
            eval.release_rows(&rows);
            Ok(quantiles(a, &q, &rows, grid))
        }
        op => {
            let rows = again(eval, eval.rows(&a.expr, grid)?)?;
            eval.release_rows(&rows);
            let out = fold(a, op, rows, grid);
            eval.hold(out.iter().map(|row| row.values.len()).sum())?;
            Ok(out)
        }
    }
}

/// What is made of rows is no larger than they are: as much is taken once more.
fn again(eval: &Eval<'_>, rows: Rows) -> Result<Rows, EvalError> {
    eval.budget.take(budget::of_rows(&rows))?;
    Ok(rows)
}

/// Warns of what is no quantile: of all steps, of the largest, the smallest and NaN.
fn check_quantiles(eval: &Eval<'_>, at: usize, q: &[f64]) {
    let numbers = || q.iter().copied().filter(|q| !q.is_nan());
    let largest = numbers().reduce(f64::max).filter(|q| *q > 1.0);
    let smallest = numbers().reduce(f64::min).filter(|q| *q < 0.0);
    let odd = [largest, smallest, q.iter().copied().find(|q| q.is_nan())];
    odd.into_iter().flatten().for_each(|q| check_quantile(eval, at, q));
}

/// Refuses what is no ratio, warns of what is a too large one.
fn check_ratios(eval: &Eval<'_>, at: usize, ratios: &[f64]) -> Result<(), EvalError> {
    if ratios.iter().any(|r| r.is_nan()) {
        return Err(EvalError::Execution("Ratio value is NaN".into()));
    }
    let largest = ratios.iter().copied().reduce(f64::max).filter(|r| *r > 1.0);
    let smallest = ratios.iter().copied().reduce(f64::min).filter(|r| *r < -1.0);
    for (ratio, most) in largest.map(|r| (r, 1)).into_iter().chain(smallest.map(|r| (r, -1))) {
        let words = "ratio value should be between -1 and 1";
        eval.note(|n| n.warn(at, format!("{words}, got {}, capping to {most}", shortest(ratio))));
    }
    Ok(())
}

/// `limit_ratio`: the series whose hash lies in that part of all hashes; below 0, in the other part. So that one series
/// is chosen always or never, as in Prometheus.
fn sampled(mut rows: Rows, ratios: &[f64]) -> Rows {
    for row in &mut rows {
        let offset = labels::hash(&row.labels) as f64 / u64::MAX as f64;
        let chosen = |ratio: f64| if ratio >= 0.0 { offset < ratio.min(1.0) } else { offset >= 1.0 + ratio.max(-1.0) };
        row.values.iter_mut().zip(ratios).filter(|(_, r)| **r == 0.0 || !chosen(**r)).for_each(|(v, _)| *v = none());
    }
    rows.retain(Row::has_points);
    rows
}

/// How many to pick; Prometheus takes a float and cuts it.
fn whole(k: f64) -> Result<usize, EvalError> {
    if k.is_nan() {
        return Err(EvalError::Execution("Parameter value is NaN".into()));
    }
    if k.abs() >= 9.223_372_036_854_775e18 {
        return Err(EvalError::Execution(format!("Scalar value {} overflows int64", format_float(k))));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Cut to what is there by whoever uses it.
    Ok(if k < 1.0 { 0 } else { k as usize })
}

/// The labels of a row's group.
fn group(a: &Aggregate, labels: &Labels) -> Labels {
    if a.without { labels::unnamed(&labels::without(labels, &a.labels)) } else { labels::only(labels, &a.labels) }
}

/// Groups in the order of their first member.
fn groups(a: &Aggregate, rows: &Rows) -> Vec<(Labels, Vec<usize>)> {
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut groups: Vec<(Labels, Vec<usize>)> = Vec::new();
    for (i, row) in rows.iter().enumerate() {
        let key = group(a, &row.labels);
        let place = *places.entry(key).or_insert_with_key(|key| {
            groups.push((key.clone(), Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(i);
    }
    groups
}

fn fold(a: &Aggregate, op: Agg, rows: Rows, grid: &Grid) -> Rows {
    let mut out = Rows::new();
    for (labels, members) in groups(a, &rows) {
        let members = || members.iter().map(|i| rows[*i].values.as_slice());
        let values = match op {
            Agg::Sum => sums(members(), grid),
            Agg::Avg => averages(members(), grid),
            Agg::Min => pairwise(members(), grid, |min, v| if min > v || min.is_nan() { v } else { min }),
            Agg::Max => pairwise(members(), grid, |max, v| if max < v || max.is_nan() { v } else { max }),
            Agg::Count => counts(members(), grid),
            Agg::Group => {
                pairwise(members(), grid, |_, _| 1.0).into_iter().map(|v| if is_some(v) { 1.0 } else { v }).collect()
            }
            op => variances(members(), grid, op == Agg::Stddev),
        };
        out.push(Row { labels, values });
    }
    out.retain(Row::has_points);
    out
}

/// Kahan's compensated sum.
fn sums<'a>(members: impl Iterator<Item = &'a [f64]>, grid: &Grid) -> Vec<f64> {
    let mut sums = vec![(none(), 0.0); grid.steps];
    for values in members {
        for ((sum, c), value) in sums.iter_mut().zip(values).filter(|(_, v)| is_some(**v)) {
            if is_some(*sum) {
                (*sum, *c) = kahan(*value, *sum, *c);
            } else {
                *sum = *value;
            }
        }
    }
    sums.into_iter().map(|(sum, c)| if is_some(sum) { sum + c } else { sum }).collect()
}

/// The sum by the number, and where the sum overflows, the mean kept along.
fn averages<'a>(members: impl Iterator<Item = &'a [f64]>, grid: &Grid) -> Vec<f64> {
    #[derive(Clone, Copy, Default)]
    struct Mean {
        sum: f64,
        c: f64,
        count: f64,
        incremental: bool,
    }
    let mut means = vec![Mean::default(); grid.steps];
    for values in members {
        for (m, value) in means.iter_mut().zip(values).filter(|(_, v)| is_some(**v)) {
            m.count += 1.0;
            if m.count == 1.0 {
                (m.sum, m.c) = (*value, 0.0);
                continue;
            }
            if !m.incremental {
                let (sum, c) = kahan(*value, m.sum, m.c);
                if !sum.is_infinite() {
                    (m.sum, m.c) = (sum, c);
                    continue;
                }
                m.incremental = true;
                m.sum /= m.count - 1.0;
                m.c /= m.count - 1.0;
            }
            let share = (m.count - 1.0) / m.count;
            (m.sum, m.c) = kahan(*value / m.count, share * m.sum, share * m.c);
        }
    }
    let mean = |m: Mean| match (m.count, m.incremental) {
        (0.0, _) => none(),
        (_, true) => m.sum + m.c,
        (n, false) => m.sum / n + m.c / n,
    };
    means.into_iter().map(mean).collect()
}

fn pairwise<'a>(members: impl Iterator<Item = &'a [f64]>, grid: &Grid, with: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    let mut all = vec![none(); grid.steps];
    for values in members {
        for (one, value) in all.iter_mut().zip(values).filter(|(_, v)| is_some(**v)) {
            *one = if is_some(*one) { with(*one, *value) } else { *value };
        }
    }
    all
}

fn counts<'a>(members: impl Iterator<Item = &'a [f64]>, grid: &Grid) -> Vec<f64> {
    let mut counts = vec![0u32; grid.steps];
    for values in members {
        counts.iter_mut().zip(values).filter(|(_, v)| is_some(**v)).for_each(|(n, _)| *n += 1);
    }
    counts.into_iter().map(|n| if n > 0 { f64::from(n) } else { none() }).collect()
}

/// Welford's method.
fn variances<'a>(members: impl Iterator<Item = &'a [f64]>, grid: &Grid, root: bool) -> Vec<f64> {
    let mut all = vec![(0.0, 0.0, 0.0); grid.steps];
    for values in members {
        for ((count, mean, m2), value) in all.iter_mut().zip(values).filter(|(_, v)| is_some(**v)) {
            *count += 1.0;
            if *count == 1.0 {
                *mean = *value;
                *m2 = if value.is_finite() { 0.0 } else { f64::NAN };
                continue;
            }
            let delta = value - *mean;
            *mean += delta / *count;
            *m2 += delta * (value - *mean);
        }
    }
    let one = |(count, _, m2): (f64, f64, f64)| match count {
        0.0 => none(),
        n if root => (m2 / n).sqrt(),
        n => m2 / n,
    };
    all.into_iter().map(one).collect()
}

fn quantiles(a: &Aggregate, q: &[f64], rows: &Rows, grid: &Grid) -> Rows {
    let mut at = Vec::new();
    let mut out = Rows::new();
    for (labels, members) in groups(a, rows) {
        let mut values = vec![none(); grid.steps];
        for (step, value) in values.iter_mut().enumerate() {
            at.clear();
            at.extend(members.iter().map(|i| rows[*i].values[step]).filter(|v| is_some(*v)));
            if !at.is_empty() {
                *value = quantile(q[step], &mut at);
            }
        }
        out.push(Row { labels, values });
    }
    out.retain(Row::has_points);
    out
}

fn count_values(eval: &Eval<'_>, a: &Aggregate, label: &str, rows: &Rows, grid: &Grid) -> Result<Rows, EvalError> {
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut out = Rows::new();
    // A label named in `by` that is the counted one is what the values are put into.
    let kept: Vec<Arc<str>> = a.labels.iter().filter(|l| a.without || ***l != *label).cloned().collect();
    let a = Aggregate { labels: kept, ..a.clone() };
    for row in rows {
        let key = group(&a, &row.labels);
        for (step, value) in row.values.iter().enumerate().filter(|(_, v)| is_some(**v)) {
            eval.check()?;
            let labels = labels::with(&key, label, &format_float(*value));
            let place = match places.get(&labels) {
                Some(place) => *place,
                None => {
                    eval.budget.take(budget::of_row(&labels, grid.steps))?;
                    places.insert(labels.clone(), out.len());
                    out.push(Row { labels, values: vec![none(); grid.steps] });
                    out.len() - 1
                }
            };
            let count = &mut out[place].values[step];
            *count = if is_some(*count) { *count + 1.0 } else { 1.0 };
        }
    }
    joined(out)
}

/// `topk`, `bottomk`, `limitk`: whole elements.
fn pick(eval: &Eval<'_>, a: &Aggregate, k: &[usize], rows: Rows, grid: &Grid) -> Rows {
    let mut kept: Vec<Vec<f64>> = rows.iter().map(|_| vec![none(); grid.steps]).collect();
    let mut order = Vec::new();
    for (_, members) in groups(a, &rows) {
        for (step, k) in k.iter().enumerate() {
            let mut there: Vec<usize> = members.iter().copied().filter(|i| is_some(rows[*i].values[step])).collect();
            if a.op != Agg::Limitk {
                let value = |i: &usize| rows[*i].values[step];
                // NaN is the last choice of both.
                there.sort_by(|x, y| match (value(x).is_nan(), value(y).is_nan()) {
                    (false, false) if a.op == Agg::Topk => value(y).total_cmp(&value(x)),
                    (false, false) => value(x).total_cmp(&value(y)),
                    (x, y) => x.cmp(&y),
                });
            }
            there.truncate(*k);
            there.iter().for_each(|i| kept[*i][step] = rows[*i].values[step]);
            if eval.is_instant() && step == 0 {
                order.append(&mut there);
            }
        }
    }
    let mut out: Vec<Option<Row>> =
        rows.into_iter().zip(kept).map(|(row, values)| Some(Row { labels: row.labels, values })).collect();
    if eval.is_instant() && grid.steps == 1 {
        return order.into_iter().filter_map(|i| out[i].take()).collect();
    }
    out.into_iter().flatten().filter(Row::has_points).collect()
}

//! Functions over a window that are no rates.

use std::cell::RefCell;

use super::{Frame, kahan};

thread_local! {
    /// Where quantiles are sorted for.
    static SCRATCH: RefCell<Vec<f64>> = const { RefCell::new(Vec::new()) };
}

/// Returns the mean; of rolled-up points that of their samples.
pub fn avg(f: &Frame<'_>, _: &[f64], _: i64) -> Option<f64> {
    if !f.counts.is_empty() {
        return Some(total(f.values) / total(f.counts));
    }
    let (first, rest) = f.values.split_first()?;
    let (mut sum, mut c) = (*first, 0.0);
    for (i, value) in rest.iter().enumerate() {
        let (next, next_c) = kahan(*value, sum, c);
        if next.is_infinite() {
            return Some(incremental(&f.values[i + 1..], (i + 1) as f64, sum, c));
        }
        (sum, c) = (next, next_c);
    }
    let n = f.values.len() as f64;
    Some(sum / n + c / n)
}

/// The mean where the sum overflows: from the sum of the first `count` on, the mean is kept along.
fn incremental(rest: &[f64], mut count: f64, sum: f64, c: f64) -> f64 {
    let (mut mean, mut c) = (sum / count, c / count);
    for value in rest {
        count += 1.0;
        let share = (count - 1.0) / count;
        (mean, c) = kahan(value / count, share * mean, share * c);
    }
    mean + c
}

/// Returns the sum.
pub fn sum(f: &Frame<'_>, _: &[f64], _: i64) -> Option<f64> {
    Some(total(f.values))
}

fn total(values: &[f64]) -> f64 {
    let (sum, c) = values.iter().fold((0.0, 0.0), |(sum, c), v| kahan(*v, sum, c));
    if sum.is_infinite() { sum } else { sum + c }
}

/// Returns how many samples.
pub fn count(f: &Frame<'_>, _: &[f64], _: i64) -> Option<f64> {
    Some(if f.counts.is_empty() { f.values.len() as f64 } else { total(f.counts) })
}

/// Returns the oldest value.
pub fn first(f: &Frame<'_>, _: &[f64], _: i64) -> Option<f64> {
    f.values.first().copied()
}

/// Returns the newest value.
pub fn last(f: &Frame<'_>, _: &[f64], _: i64) -> Option<f64> {
    f.values.last().copied()
}

/// Returns the smallest value; NaN only where there is nothing else.
pub fn min(f: &Frame<'_>, _: &[f64], _: i64) -> Option<f64> {
    f.values.iter().copied().reduce(|min, v| if v < min || min.is_nan() { v } else { min })
}

/// Returns the largest value; NaN only where there is nothing else.
pub fn max(f: &Frame<'_>, _: &[f64], _: i64) -> Option<f64> {
    f.values.iter().copied().reduce(|max, v| if v > max || max.is_nan() { v } else { max })
}

/// Returns when the oldest sample was, in Unix seconds.
pub fn ts_of_first(f: &Frame<'_>, _: &[f64], _: i64) -> Option<f64> {
    f.at_ms.first().map(|at| *at as f64 / 1e3)
}

/// Returns when the newest sample was, in Unix seconds.
pub fn ts_of_last(f: &Frame<'_>, _: &[f64], _: i64) -> Option<f64> {
    f.at_ms.last().map(|at| *at as f64 / 1e3)
}

/// Returns when the value was last at its smallest, in Unix seconds.
pub fn ts_of_min(f: &Frame<'_>, _: &[f64], _: i64) -> Option<f64> {
    ts_of(f, |v, least| v <= least)
}

/// Returns when the value was last at its largest, in Unix seconds.
pub fn ts_of_max(f: &Frame<'_>, _: &[f64], _: i64) -> Option<f64> {
    ts_of(f, |v, largest| v >= largest)
}

/// When the value was last ahead of all others; anything is ahead of NaN.
fn ts_of(f: &Frame<'_>, ahead: fn(f64, f64) -> bool) -> Option<f64> {
    let samples = f.values.iter().zip(f.at_ms);
    let (_, at) = samples.reduce(|best, v| if ahead(*v.0, *best.0) || best.0.is_nan() { v } else { best })?;
    Some(*at as f64 / 1e3)
}

/// Returns the median distance from the median; NaN where any value is.
pub fn mad(f: &Frame<'_>, _: &[f64], _: i64) -> Option<f64> {
    if f.values.iter().any(|v| v.is_nan()) {
        return Some(f64::NAN);
    }
    Some(SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        scratch.extend_from_slice(f.values);
        let median = super::quantile(0.5, scratch);
        scratch.iter_mut().for_each(|v| *v = (*v - median).abs());
        super::quantile(0.5, scratch)
    }))
}

/// Returns how often the value was another one than before.
pub fn changes(f: &Frame<'_>, _: &[f64], _: i64) -> Option<f64> {
    #[allow(clippy::float_cmp)] // Another value is another value.
    let changed = |w: &&[f64]| w[0] != w[1] && !(w[0].is_nan() && w[1].is_nan());
    Some(f.values.windows(2).filter(changed).count() as f64)
}

/// Returns how often a counter began anew.
pub fn resets(f: &Frame<'_>, _: &[f64], _: i64) -> Option<f64> {
    Some(f.values.windows(2).filter(|w| w[1] < w[0]).count() as f64)
}

/// Returns the φ-quantile.
pub fn quantile(f: &Frame<'_>, args: &[f64], _: i64) -> Option<f64> {
    let q = *args.first()?;
    Some(SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        scratch.extend_from_slice(f.values);
        super::quantile(q, scratch)
    }))
}

/// Population standard deviation.
pub fn stddev(f: &Frame<'_>, args: &[f64], eval_ms: i64) -> Option<f64> {
    stdvar(f, args, eval_ms).map(f64::sqrt)
}

/// Population variance: Welford's method, compensated.
pub fn stdvar(f: &Frame<'_>, _: &[f64], _: i64) -> Option<f64> {
    let (mut count, mut mean, mut c_mean, mut aux, mut c_aux) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for value in f.values {
        count += 1.0;
        let delta = value - (mean + c_mean);
        (mean, c_mean) = kahan(delta / count, mean, c_mean);
        (aux, c_aux) = kahan(delta * (value - (mean + c_mean)), aux, c_aux);
    }
    Some((aux + c_aux) / count)
}

//! How fast something changes.

use super::{Frame, kahan};

/// Per second, of a counter.
pub fn rate(f: &Frame<'_>, _: &[f64], _: i64) -> Option<f64> {
    extrapolated(f, true, true)
}

/// Over the range, of a counter.
pub fn increase(f: &Frame<'_>, _: &[f64], _: i64) -> Option<f64> {
    extrapolated(f, true, false)
}

/// Over the range, of a gauge.
pub fn delta(f: &Frame<'_>, _: &[f64], _: i64) -> Option<f64> {
    extrapolated(f, false, false)
}

/// The difference of the last and the first sample, stretched to the window's ends as far as it is likely that the series
/// was there (promql/functions.go, extrapolatedRate).
fn extrapolated(f: &Frame<'_>, counter: bool, per_second: bool) -> Option<f64> {
    let (first, last) = (*f.values.first()?, *f.values.last()?);
    let (first_ms, last_ms) = (*f.at_ms.first()?, *f.at_ms.last()?);
    if f.values.len() < 2 {
        return None;
    }
    let mut result = last - first;
    if counter {
        // What was counted before each reset, in Prometheus' order of additions.
        result = f.values.windows(2).filter(|w| w[1] < w[0]).fold(result, |sum, w| sum + w[0]);
    }
    let mut to_start = (first_ms - f.from_ms) as f64 / 1e3;
    let mut to_end = (f.to_ms - last_ms) as f64 / 1e3;
    let sampled = (last_ms - first_ms) as f64 / 1e3;
    let between = sampled / (f.values.len() - 1) as f64;
    let threshold = between * 1.1;
    if to_start >= threshold {
        to_start = between / 2.0;
    }
    if counter && result > 0.0 && first >= 0.0 {
        // A counter can't have been below zero.
        to_start = to_start.min(sampled * (first / result));
    }
    if to_end >= threshold {
        to_end = between / 2.0;
    }
    let mut factor = (sampled + to_start + to_end) / sampled;
    if per_second {
        factor /= (f.to_ms - f.from_ms) as f64 / 1e3;
    }
    Some(result * factor)
}

/// Per second, of the last two samples of a counter.
pub fn irate(f: &Frame<'_>, _: &[f64], _: i64) -> Option<f64> {
    instant(f, true)
}

/// Returns the difference of the last two samples.
pub fn idelta(f: &Frame<'_>, _: &[f64], _: i64) -> Option<f64> {
    instant(f, false)
}

fn instant(f: &Frame<'_>, per_second: bool) -> Option<f64> {
    let [.., before, last] = *f.values else { return None };
    let [.., before_ms, last_ms] = *f.at_ms else { return None };
    let change = if per_second && last < before { last } else { last - before };
    Some(if per_second { change / ((last_ms - before_ms) as f64 / 1e3) } else { change })
}

/// Slope per second.
pub fn deriv(f: &Frame<'_>, _: &[f64], _: i64) -> Option<f64> {
    // Times near zero keep the sums exact.
    (f.values.len() > 1).then(|| regression(f, f.at_ms[0]).0)
}

/// Returns where the line will be in so many seconds.
pub fn predict_linear(f: &Frame<'_>, args: &[f64], eval_ms: i64) -> Option<f64> {
    let ahead = args.first()?;
    (f.values.len() > 1).then(|| {
        let (slope, intercept) = regression(f, eval_ms);
        slope * ahead + intercept
    })
}

/// Least squares: slope, and the value at `zero_ms`.
fn regression(f: &Frame<'_>, zero_ms: i64) -> (f64, f64) {
    let y0 = f.values[0];
    #[allow(clippy::float_cmp)] // The same all along, bit for bit.
    if f.values.iter().all(|y| *y == y0) {
        return if y0.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, y0) };
    }
    let mut sums = [(0.0, 0.0); 4];
    for (at, y) in f.at_ms.iter().zip(f.values) {
        let x = (at - zero_ms) as f64 / 1e3;
        for ((sum, c), v) in sums.iter_mut().zip([x, *y, x * y, x * x]) {
            (*sum, *c) = kahan(v, *sum, *c);
        }
    }
    let [x, y, xy, x2] = sums.map(|(sum, c)| sum + c);
    let n = f.values.len() as f64;
    let slope = (xy - x * y / n) / (x2 - x * x / n);
    (slope, y / n - slope * x / n)
}

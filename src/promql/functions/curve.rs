//! Functions of the curve that samples draw: the area below it, and where it tends.

use super::{Frame, kahan};

/// How `integral` takes the value between two samples: the trapezoid, unless another one is asked for.
const TRAPEZOID: f64 = 2.0;

/// Returns whether a number names a way to integrate: 0 the left sample's value, 1 the right one's, 2 the line between.
pub fn is_strategy(strategy: f64) -> bool {
    [0.0, 1.0, TRAPEZOID].contains(&strategy)
}

/// Returns the area below the curve, in units of the value times seconds. NaN counts as 0.
pub fn integral(f: &Frame<'_>, args: &[f64], _: i64) -> Option<f64> {
    let strategy = args.first().copied().filter(|s| is_strategy(*s)).unwrap_or(TRAPEZOID);
    let number = |v: f64| if v.is_nan() { 0.0 } else { v };
    let (mut sum, mut c) = (0.0, 0.0);
    for (at, v) in f.at_ms.windows(2).zip(f.values.windows(2)) {
        let (left, right) = (number(v[0]), number(v[1]));
        let (value, rest) = if strategy == 0.0 {
            (left, 0.0)
        } else if strategy < TRAPEZOID {
            (right, 0.0)
        } else {
            middle(left, right)
        };
        if value != 0.0 || rest != 0.0 {
            let seconds = at[1].saturating_sub(at[0]) as f64 / 1e3;
            (sum, c) = kahan(value * seconds, sum, c + rest * seconds);
        }
    }
    Some(if sum.is_infinite() { sum } else { sum + c })
}

/// The mean of two numbers with what rounding takes of it; of finite ones it is finite.
fn middle(left: f64, right: f64) -> (f64, f64) {
    let (sum, rest) = kahan(right, left, 0.0);
    if sum.is_infinite() && left.is_finite() && right.is_finite() {
        return kahan(right / 2.0, left / 2.0, 0.0);
    }
    (sum / 2.0, rest / 2.0)
}

/// Returns whether a number can be a factor of [`double_exponential_smoothing`].
pub fn is_factor(factor: f64) -> bool {
    // NaN is none that could be refused, as in Prometheus.
    !(factor <= 0.0 || factor >= 1.0)
}

/// Returns the last value, smoothed together with its trend (Holt's linear method); the factors are those of smoothing
/// and of the trend. With factors that are none it gives any number wherever there is a sample.
pub fn double_exponential_smoothing(f: &Frame<'_>, args: &[f64], _: i64) -> Option<f64> {
    let [smoothing, trend, ..] = *args else { return None };
    if !is_factor(smoothing) || !is_factor(trend) {
        return Some(f64::NAN);
    }
    let [first, second, ..] = *f.values else { return None };
    let (mut before, mut level, mut slope) = (0.0, first, second - first);
    for (i, value) in f.values.iter().enumerate().skip(1) {
        if i > 1 {
            slope = trend * (level - before) + (1.0 - trend) * slope;
        }
        (before, level) = (level, smoothing * value + (1.0 - smoothing) * (level + slope));
    }
    Some(level)
}

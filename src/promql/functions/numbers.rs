//! Functions of one number.

use crate::promql::grid::none;

/// Go's `math.Min`: -Inf if either is, else NaN if either is.
fn least(a: f64, b: f64) -> f64 {
    let either = |is: fn(f64) -> bool| is(a) || is(b);
    if either(f64::is_nan) && !either(|v| v == f64::NEG_INFINITY) { f64::NAN } else { a.min(b) }
}

/// Go's `math.Max`: +Inf if either is, else NaN if either is.
fn greatest(a: f64, b: f64) -> f64 {
    let either = |is: fn(f64) -> bool| is(a) || is(b);
    if either(f64::is_nan) && !either(|v| v == f64::INFINITY) { f64::NAN } else { a.max(b) }
}

fn arg(args: &[f64], i: usize) -> f64 {
    args.get(i).copied().unwrap_or(f64::NAN)
}

/// Between two bounds; nothing where they are the wrong way round.
pub fn clamp(v: f64, args: &[f64]) -> f64 {
    let (low, high) = (arg(args, 0), arg(args, 1));
    if high < low { none() } else { greatest(low, least(high, v)) }
}

/// At most.
pub fn clamp_max(v: f64, args: &[f64]) -> f64 {
    least(arg(args, 0), v)
}

/// At least.
pub fn clamp_min(v: f64, args: &[f64]) -> f64 {
    greatest(arg(args, 0), v)
}

/// To the nearest multiple, halves up.
pub fn round(v: f64, args: &[f64]) -> f64 {
    let inverse = 1.0 / args.first().copied().unwrap_or(1.0);
    (v * inverse + 0.5).floor() / inverse
}

/// -1, 0 or 1; NaN stays.
pub fn sgn(v: f64, _: &[f64]) -> f64 {
    if v < 0.0 {
        -1.0
    } else if v > 0.0 {
        1.0
    } else {
        v
    }
}

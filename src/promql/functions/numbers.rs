//! Functions of one number.

use crate::promql::grid::none;

/// Returns the smaller number, as Go's `math.Min`: an infinity wins over NaN, NaN over all else; -0 is less than 0.
pub fn least(a: f64, b: f64) -> f64 {
    if a == f64::NEG_INFINITY || b == f64::NEG_INFINITY {
        f64::NEG_INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if b.total_cmp(&a).is_lt() {
        b
    } else {
        a
    }
}

/// Returns the larger number, as Go's `math.Max`: the mirror of [`least`].
pub fn greatest(a: f64, b: f64) -> f64 {
    -least(-a, -b)
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

/// From here on, `x * x + 1` is `x * x`.
const LARGE: f64 = (1_u64 << 28) as f64;

/// Returns the standard library's overflows where the result is far from it, and is inexact near 1; this is FreeBSD's
/// (e_acosh.c), which Go has too.
pub fn acosh(v: f64, _: &[f64]) -> f64 {
    if v >= LARGE {
        v.ln() + std::f64::consts::LN_2
    } else if v > 2.0 {
        (2.0 * v - 1.0 / (v + (v * v - 1.0).sqrt())).ln()
    } else {
        // NaN below 1.
        let t = v - 1.0;
        (t + (2.0 * t + t * t).sqrt()).ln_1p()
    }
}

/// As [`acosh`] (s_asinh.c).
pub fn asinh(v: f64, _: &[f64]) -> f64 {
    let x = v.abs();
    let result = if x > LARGE {
        x.ln() + std::f64::consts::LN_2
    } else if x > 2.0 {
        (2.0 * x + 1.0 / ((x * x + 1.0).sqrt() + x)).ln()
    } else {
        (x + x * x / (1.0 + (1.0 + x * x).sqrt())).ln_1p()
    };
    result.copysign(v)
}

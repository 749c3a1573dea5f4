//! Classic histograms: quantiles and fractions of their cumulative buckets (promql/quantile.go).

/// Differences below this share of the sum are the rounding of floating point numbers.
const TOLERANCE: f64 = 1e-12;

/// A bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Its `le`.
    pub upper: f64,
    /// Observations up to there.
    pub count: f64,
}

/// A quantile, and what had to be mended for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantile {
    /// The value.
    pub value: f64,
    /// A bucket held less than the one below it.
    pub raised: Option<Raised>,
}

/// The buckets that held less than the one below them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Raised {
    /// The lowest of them.
    pub lowest: f64,
    /// The highest of them.
    pub highest: f64,
    /// How much was missing at most.
    pub missing: f64,
}

/// Returns the φ-quantile, by linear interpolation within its bucket.
pub fn bucket_quantile(q: f64, buckets: &mut Vec<Bucket>) -> Quantile {
    let plain = |value| Quantile { value, raised: None };
    if q.is_nan() {
        return plain(f64::NAN);
    }
    if q < 0.0 {
        return plain(f64::NEG_INFINITY);
    }
    if q > 1.0 {
        return plain(f64::INFINITY);
    }
    if !arrange(buckets) {
        return plain(f64::NAN);
    }
    let raised = monotonic(buckets);
    let value = interpolated(q, buckets);
    Quantile { value, raised }
}

fn interpolated(q: f64, buckets: &[Bucket]) -> f64 {
    let [.., below, last] = buckets else { return f64::NAN };
    if last.count == 0.0 {
        return f64::NAN;
    }
    let mut rank = q * last.count;
    let b = buckets[..buckets.len() - 1].partition_point(|b| b.count < rank);
    if b == buckets.len() - 1 {
        return below.upper;
    }
    if b == 0 && buckets[0].upper <= 0.0 {
        return buckets[0].upper;
    }
    let (mut start, mut count) = (0.0, buckets[b].count);
    if b > 0 {
        start = buckets[b - 1].upper;
        count -= buckets[b - 1].count;
        rank -= buckets[b - 1].count;
    }
    start + (buckets[b].upper - start) * (rank / count)
}

/// Returns the share of observations between two values.
pub fn bucket_fraction(lower: f64, upper: f64, buckets: &mut Vec<Bucket>) -> f64 {
    if !arrange(buckets) {
        return f64::NAN;
    }
    let count = buckets.last().map_or(0.0, |b| b.count);
    if count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    // NaN stays NaN.
    let rank = |value: f64| rank(value, buckets).map_or(count, |r| if r > count { count } else { r });
    (rank(upper) - rank(lower)) / count
}

/// How many observations are below a value; `None`: the buckets end before it. The first bucket begins at 0, or without
/// a beginning where it ends at 0 or below: its observations are all counted then.
fn rank(value: f64, buckets: &[Bucket]) -> Option<f64> {
    let begins = |first: &Bucket| if first.upper <= 0.0 { f64::NEG_INFINITY } else { 0.0 };
    let (mut below, mut start) = (0.0, buckets.first().map_or(0.0, begins));
    for b in buckets {
        if start >= value {
            return Some(below);
        }
        if b.upper > value {
            let endless = start == f64::NEG_INFINITY;
            let within = || below + (b.count - below) * (value - start) / (b.upper - start);
            return Some(if endless { b.count } else { within() });
        }
        (below, start) = (b.count, b.upper);
    }
    None
}

/// Sorts, joins equal boundaries; false where the last bucket is not `+Inf`.
#[allow(clippy::float_cmp)] // Equal boundaries are one boundary.
fn arrange(buckets: &mut Vec<Bucket>) -> bool {
    buckets.sort_by(|a, b| a.upper.total_cmp(&b.upper));
    if buckets.last().is_none_or(|b| b.upper != f64::INFINITY) {
        return false;
    }
    buckets.dedup_by(|later, kept| {
        let same = later.upper == kept.upper;
        if same {
            kept.count += later.count;
        }
        same
    });
    true
}

/// Makes counts grow; tells of what was more than mending a rounding.
fn monotonic(buckets: &mut [Bucket]) -> Option<Raised> {
    let mut before = buckets.first()?.count;
    let mut raised: Option<Raised> = None;
    for bucket in &mut buckets[1..] {
        if almost_equal(before, bucket.count) {
            bucket.count = before;
        } else if bucket.count < before {
            let missing = before - bucket.count;
            bucket.count = before;
            let all = raised.get_or_insert(Raised { lowest: bucket.upper, highest: bucket.upper, missing });
            all.highest = bucket.upper;
            all.missing = all.missing.max(missing);
        } else {
            before = bucket.count;
        }
    }
    raised
}

#[allow(clippy::float_cmp)] // The quick case.
fn almost_equal(a: f64, b: f64) -> bool {
    if a == b || (a.is_nan() && b.is_nan()) {
        return true;
    }
    let (sum, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < TOLERANCE
}

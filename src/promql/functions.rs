//! Functions: one table from names to plain Rust functions. They see numbers, never series or the engine.
//!
//! The arithmetic is that of Prometheus 3.16 (promql/functions.go, promql/quantile.go), in its order of operations, so that
//! results are the same to the last bit wherever the machine's `pow`, `exp` and `sin` are.

mod calendar;
pub mod curve;
pub mod extended;
pub mod histogram;
pub mod labels;
pub mod numbers;
mod over_time;
mod rates;
mod signature;
#[cfg(test)]
mod tests;

pub use self::signature::signature;
use super::ValueType;
use crate::pack::Want;

/// The samples of one series inside one window of a range function; stale markers are left out.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Unix milliseconds, ascending, in `(from_ms, to_ms]`; at least one.
    pub at_ms: &'a [i64],
    /// As many values.
    pub values: &'a [f64],
    /// How many samples each value stands for (then `values` are sums); empty: one each.
    pub counts: &'a [f64],
    /// The window's left end, exclusive: evaluation time minus range (and offset).
    pub from_ms: i64,
    /// The window's right end, inclusive: evaluation time (minus offset).
    pub to_ms: i64,
}

/// Of the window, the scalar arguments, and the evaluation's time (Unix milliseconds); `None`: no point.
pub type OfRange = fn(&Frame<'_>, &[f64], i64) -> Option<f64>;

/// A function of a range vector.
#[derive(Clone, Copy, Debug)]
pub struct RangeFn {
    /// What it gives.
    pub eval: OfRange,
    /// What it needs of rolled-up history.
    pub want: Want,
    /// It makes sense of counters only, and says so of what is not called like one (`rate`, `increase`).
    pub counter: bool,
    /// It needs two points.
    pub rate_like: bool,
    /// The result is still that metric.
    pub keeps_name: bool,
}

/// Says what a function is a function of.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Of a range vector and scalars.
    Range(RangeFn),
    /// Of each element's value and scalars.
    Value(fn(f64, &[f64]) -> f64),
    /// Of a Unix time in seconds; without an argument, of the evaluation's.
    Calendar(fn(f64) -> f64),
    /// Of labels, of whole vectors, of the evaluation.
    Special(Special),
}

/// See [`Kind::Special`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Named as the functions are.
pub enum Special {
    Time,
    Pi,
    Start,
    End,
    Range,
    Step,
    MaxOf,
    MinOf,
    Vector,
    Scalar,
    Absent,
    AbsentOverTime,
    Timestamp,
    Sort,
    SortDesc,
    SortByLabel,
    SortByLabelDesc,
    Info,
    LabelReplace,
    LabelJoin,
    HistogramQuantile,
    HistogramQuantiles,
    HistogramFraction,
    /// Of what this history does not have, native histograms and start times: they give nothing.
    Nothing,
}

/// A function.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// As written.
    pub name: &'static str,
    /// What it is a function of.
    pub kind: Kind,
}

impl Function {
    /// Returns whether its value changes with the time of evaluation even where its arguments do not.
    pub fn follows_time(&self) -> bool {
        let special = matches!(self.kind, Kind::Special(Special::Time | Special::Timestamp));
        special || matches!(self.kind, Kind::Calendar(_)) || self.name == "predict_linear"
    }

    /// Returns whether the order of its elements is part of what it gives.
    pub fn sorts(&self) -> bool {
        use Special::{Sort, SortByLabel, SortByLabelDesc, SortDesc};
        matches!(self.kind, Kind::Special(Sort | SortDesc | SortByLabel | SortByLabelDesc))
    }

    /// Returns what it gives.
    pub fn value_type(&self) -> ValueType {
        match self.kind {
            Kind::Special(
                Special::Time
                | Special::Pi
                | Special::Scalar
                | Special::Start
                | Special::End
                | Special::Range
                | Special::Step
                | Special::MaxOf
                | Special::MinOf,
            ) => ValueType::Scalar,
            _ => ValueType::Vector,
        }
    }
}

const fn range(name: &'static str, want: Want, eval: OfRange) -> Function {
    let function = RangeFn { eval, want, counter: false, rate_like: false, keeps_name: false };
    Function { name, kind: Kind::Range(function) }
}

/// Gives one of the samples, which is still that metric's.
const fn of_metric(name: &'static str, eval: OfRange) -> Function {
    let function = RangeFn { eval, want: Want::Last, counter: false, rate_like: false, keeps_name: true };
    Function { name, kind: Kind::Range(function) }
}

const fn rate(name: &'static str, counter: bool, eval: OfRange) -> Function {
    let function = RangeFn { eval, want: Want::Last, counter, rate_like: true, keeps_name: false };
    Function { name, kind: Kind::Range(function) }
}

const fn value(name: &'static str, function: fn(f64, &[f64]) -> f64) -> Function {
    Function { name, kind: Kind::Value(function) }
}

const fn calendar(name: &'static str, function: fn(f64) -> f64) -> Function {
    Function { name, kind: Kind::Calendar(function) }
}

const fn special(name: &'static str, special: Special) -> Function {
    Function { name, kind: Kind::Special(special) }
}

/// Every function, by name.
const TABLE: &[Function] = &[
    value("abs", |v, _| v.abs()),
    special("absent", Special::Absent),
    special("absent_over_time", Special::AbsentOverTime),
    value("acos", |v, _| v.acos()),
    value("acosh", numbers::acosh),
    value("asin", |v, _| v.asin()),
    value("asinh", numbers::asinh),
    value("atan", |v, _| v.atan()),
    value("atanh", |v, _| v.atanh()),
    range("avg_over_time", Want::Sum, over_time::avg),
    value("ceil", |v, _| v.ceil()),
    range("changes", Want::Last, over_time::changes),
    value("clamp", numbers::clamp),
    value("clamp_max", numbers::clamp_max),
    value("clamp_min", numbers::clamp_min),
    value("cos", |v, _| v.cos()),
    value("cosh", |v, _| v.cosh()),
    range("count_over_time", Want::Sum, over_time::count),
    calendar("day_of_month", calendar::day_of_month),
    calendar("day_of_week", calendar::day_of_week),
    calendar("day_of_year", calendar::day_of_year),
    calendar("days_in_month", calendar::days_in_month),
    value("deg", |v, _| v * (180.0 / std::f64::consts::PI)),
    rate("delta", false, rates::delta),
    rate("deriv", false, rates::deriv),
    rate("double_exponential_smoothing", false, curve::double_exponential_smoothing),
    special("end", Special::End),
    value("exp", |v, _| v.exp()),
    of_metric("first_over_time", over_time::first),
    value("floor", |v, _| v.floor()),
    special("histogram_avg", Special::Nothing),
    special("histogram_count", Special::Nothing),
    special("histogram_fraction", Special::HistogramFraction),
    special("histogram_quantile", Special::HistogramQuantile),
    special("histogram_quantiles", Special::HistogramQuantiles),
    special("histogram_stddev", Special::Nothing),
    special("histogram_stdvar", Special::Nothing),
    special("histogram_sum", Special::Nothing),
    calendar("hour", calendar::hour),
    rate("idelta", false, rates::idelta),
    rate("increase", true, rates::increase),
    special("info", Special::Info),
    rate("integral", false, curve::integral),
    rate("irate", false, rates::irate),
    special("label_join", Special::LabelJoin),
    special("label_replace", Special::LabelReplace),
    of_metric("last_over_time", over_time::last),
    value("ln", |v, _| v.ln()),
    value("log10", |v, _| v.log10()),
    value("log2", |v, _| v.log2()),
    range("mad_over_time", Want::Last, over_time::mad),
    special("max_of", Special::MaxOf),
    range("max_over_time", Want::Max, over_time::max),
    special("min_of", Special::MinOf),
    range("min_over_time", Want::Min, over_time::min),
    calendar("minute", calendar::minute),
    calendar("month", calendar::month),
    special("pi", Special::Pi),
    rate("predict_linear", false, rates::predict_linear),
    range("present_over_time", Want::Last, |_, _, _| Some(1.0)),
    range("quantile_over_time", Want::Last, over_time::quantile),
    value("rad", |v, _| v * (std::f64::consts::PI / 180.0)),
    special("range", Special::Range),
    rate("rate", true, rates::rate),
    range("resets", Want::Last, over_time::resets),
    value("round", numbers::round),
    special("scalar", Special::Scalar),
    value("sgn", numbers::sgn),
    value("sin", |v, _| v.sin()),
    value("sinh", |v, _| v.sinh()),
    special("sort", Special::Sort),
    special("sort_by_label", Special::SortByLabel),
    special("sort_by_label_desc", Special::SortByLabelDesc),
    special("sort_desc", Special::SortDesc),
    value("sqrt", |v, _| v.sqrt()),
    special("start", Special::Start),
    special("start_timestamp", Special::Nothing),
    range("stddev_over_time", Want::Last, over_time::stddev),
    range("stdvar_over_time", Want::Last, over_time::stdvar),
    special("step", Special::Step),
    range("sum_over_time", Want::Sum, over_time::sum),
    value("tan", |v, _| v.tan()),
    value("tanh", |v, _| v.tanh()),
    special("time", Special::Time),
    special("timestamp", Special::Timestamp),
    range("ts_of_first_over_time", Want::Last, over_time::ts_of_first),
    range("ts_of_last_over_time", Want::Last, over_time::ts_of_last),
    range("ts_of_max_over_time", Want::Max, over_time::ts_of_max),
    range("ts_of_min_over_time", Want::Min, over_time::ts_of_min),
    special("vector", Special::Vector),
    calendar("year", calendar::year),
];

/// Returns a function by its name.
pub fn lookup(name: &str) -> Option<&'static Function> {
    TABLE.binary_search_by(|f| f.name.cmp(name)).ok().and_then(|i| TABLE.get(i))
}

/// Neumaier's form of Kahan's sum: the next sum and compensation.
pub fn kahan(value: f64, sum: f64, compensation: f64) -> (f64, f64) {
    let t = sum + value;
    if t.is_infinite() {
        return (t, 0.0);
    }
    let lost = if sum.abs() >= value.abs() { (sum - t) + value } else { (value - t) + sum };
    (t, compensation + lost)
}

/// Returns the φ-quantile of values, which are sorted by it: NaN first.
pub fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    let order = |a: &f64, b: &f64| match (a.is_nan(), b.is_nan()) {
        (false, false) => a.total_cmp(b),
        (a, b) => b.cmp(&a),
    };
    let rank = q * (values.len() - 1) as f64;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // From 0 to the last index.
    let lower = (rank.floor() as usize).min(values.len() - 1);
    let weight = rank - rank.floor();
    // Only two ranks are needed: what is above the lower one need not be sorted.
    let (_, low, above) = values.select_nth_unstable_by(lower, order);
    let low = *low;
    if weight == 0.0 {
        // Nothing of what may be infinite above it.
        return low;
    }
    let high = above.iter().copied().min_by(order).unwrap_or(low);
    low * (1.0 - weight) + high * weight
}

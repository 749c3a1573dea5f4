//! Annotations: what Prometheus says beside a result, in its words (util/annotations/annotations.go), with the place in
//! the query that it is about.

use std::collections::BTreeMap;

use super::place;

/// Annotations of one kind that are told; a query over thousands of metrics would tell of each.
const MAX: usize = 10;

/// Warnings question the result, infos the query. Each is told once, with the place at which it was said last.
#[derive(Clone, Debug, Default)]
pub struct Annotations {
    warnings: BTreeMap<String, usize>,
    infos: BTreeMap<String, usize>,
    raised: Option<(usize, Raised)>,
}

/// Holds what was done to the buckets of histograms whose counts fell, over all evaluations at which that was so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Raised {
    /// First evaluation, Unix milliseconds.
    pub first_ms: i64,
    /// Last evaluation, Unix milliseconds.
    pub last_ms: i64,
    /// How many histograms at how many evaluations.
    pub count: u64,
    /// The lowest bucket that was raised.
    pub lowest: f64,
    /// The highest bucket that was raised.
    pub highest: f64,
    /// How much was missing at most.
    pub missing: f64,
}

impl Annotations {
    /// The result may be wrong. `at`: the place in the query's text, bytes.
    pub fn warn(&mut self, at: usize, message: impl std::fmt::Display) {
        self.warnings.insert(format!("PromQL warning: {message}"), at);
    }

    /// The query may not be meant so.
    pub fn info(&mut self, at: usize, message: impl std::fmt::Display) {
        self.infos.insert(format!("PromQL info: {message}"), at);
    }

    /// Buckets were raised, so that counts grow. One annotation tells of all.
    pub fn raised(&mut self, at: usize, more: Raised) {
        let Some((_, all)) = &mut self.raised else {
            self.raised = Some((at, more));
            return;
        };
        all.first_ms = all.first_ms.min(more.first_ms);
        all.last_ms = all.last_ms.max(more.last_ms);
        all.count += more.count;
        all.lowest = all.lowest.min(more.lowest);
        all.highest = all.highest.max(more.highest);
        all.missing = all.missing.max(more.missing);
    }

    /// Returns warnings and infos, the first of each, with their places in the query.
    pub fn told(mut self, query: &str) -> (Vec<String>, Vec<String>) {
        let told = |all: BTreeMap<String, usize>, kind: &str| {
            let more = all.len().saturating_sub(MAX);
            let placed = |(message, at): (String, usize)| {
                let (line, column) = place(query, at);
                format!("{message} ({line}:{column})")
            };
            let mut told: Vec<String> = all.into_iter().take(MAX).map(placed).collect();
            if more > 0 {
                told.push(format!("{more} more {kind} annotations omitted"));
            }
            told
        };
        if let Some((at, raised)) = self.raised.take() {
            self.info(at, raised);
        }
        (told(self.warnings, "warning"), told(self.infos, "info"))
    }
}

impl std::fmt::Display for Raised {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let time = |ms: i64| jiff::Timestamp::from_second(ms.div_euclid(1_000)).unwrap_or_default();
        write!(
            f,
            "input to histogram_quantile needed to be fixed for monotonicity (see \
             https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile), from buckets {} to {}, \
             with a max diff of {}, over {} samples from {} to {}",
            shortest(self.lowest),
            shortest(self.highest),
            two_digits(self.missing),
            self.count,
            time(self.first_ms),
            time(self.last_ms),
        )
    }
}

/// A number as Go's `%g` writes it: as short as it can be, very large and very small ones with an exponent.
pub fn shortest(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() || size == 0.0 || (1e-4..1e6).contains(&size) {
        return super::format_float(value);
    }
    with_exponent(&format!("{value:e}"))
}

/// The same with two digits, as `%.2g`.
fn two_digits(value: f64) -> String {
    if !value.is_finite() || value == 0.0 {
        return super::format_float(value);
    }
    let scientific = format!("{value:.1e}");
    let exponent: i32 = scientific.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or_default();
    if (-4..2).contains(&exponent) {
        let decimals = usize::try_from(1 - exponent).unwrap_or_default();
        return without_zeros(&format!("{value:.decimals$}"));
    }
    with_exponent(&scientific)
}

/// Go's exponents have a sign and two digits.
fn with_exponent(scientific: &str) -> String {
    let (digits, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", without_zeros(digits), exponent.abs())
}

fn without_zeros(digits: &str) -> String {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.').into() } else { digits.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_go_does() {
        for (value, short, two) in [
            (0.0, "0", "0"),
            (5.0, "5", "5"),
            (0.25, "0.25", "0.25"),
            (123.456, "123.456", "1.2e+02"),
            (1e-5, "1e-05", "1e-05"),
            (999_999.0, "999999", "1e+06"),
            (1_767_228_420.0, "1.76722842e+09", "1.8e+09"),
            (1.5e22, "1.5e+22", "1.5e+22"),
            (f64::INFINITY, "+Inf", "+Inf"),
        ] {
            assert_eq!((shortest(value), two_digits(value)), (short.to_string(), two.to_string()));
        }
    }
}

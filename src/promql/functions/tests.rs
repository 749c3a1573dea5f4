use proptest::prelude::*;
use regex::Regex;

use super::*;
use crate::model::Labels;

/// One function of a window, of a number, or of a time.
fn call(name: &str, frame: &Frame<'_>, args: &[f64]) -> Option<f64> {
    match lookup(name).unwrap().kind {
        Kind::Range(f) => (f.eval)(frame, args, frame.to_ms),
        Kind::Value(f) => Some(f(*frame.values.first()?, args)),
        Kind::Calendar(f) => Some(f(*frame.values.first()?)),
        Kind::Special(_) => None,
    }
}

/// A function of one number.
fn of(name: &str, v: f64, args: &[f64]) -> f64 {
    call(name, &Frame { at_ms: &[0], values: &[v], counts: &[], from_ms: -1, to_ms: 0 }, args).unwrap()
}

/// A window over all of some samples, a second apart from 1 s on.
fn seconds(values: &[f64], check: impl FnOnce(&Frame<'_>)) {
    let at_ms: Vec<i64> = (1..=values.len() as i64).map(|s| s * 1000).collect();
    check(&Frame { at_ms: &at_ms, values, counts: &[], from_ms: 0, to_ms: values.len() as i64 * 1000 });
}

#[test]
fn the_table_is_sorted_and_says_no_name_twice() {
    assert!(TABLE.windows(2).all(|w| w[0].name < w[1].name));
    assert!(TABLE.iter().all(|f| lookup(f.name).is_some_and(|found| found.name == f.name)));
    assert!(lookup("nope").is_none());
}

#[test]
fn quantiles_are_between_their_neighbours() {
    let check = |q: f64, values: &[f64], want: f64| {
        let got = quantile(q, &mut values.to_vec());
        assert!(got == want || got.is_nan() && want.is_nan(), "{q} of {values:?}: {got}");
    };
    check(0.5, &[3.0, 1.0, 2.0], 2.0);
    check(0.75, &[4.0, 1.0, 3.0, 2.0], 3.25);
    check(1.0, &[1.0, 9.0], 9.0);
    check(0.0, &[5.0, 1.0], 1.0);
    check(-0.1, &[1.0], f64::NEG_INFINITY);
    check(1.1, &[1.0], f64::INFINITY);
    check(f64::NAN, &[1.0], f64::NAN);
    check(1.0, &[f64::NAN, 2.0, 1.0], 2.0);
}

#[test]
fn rolled_up_points_count_for_their_samples() {
    let frame = Frame { at_ms: &[1, 2], values: &[9.0, 1.0], counts: &[3.0, 1.0], from_ms: 0, to_ms: 2 };
    let got = ["avg_over_time", "count_over_time", "sum_over_time"].map(|name| call(name, &frame, &[]));
    assert_eq!(got, [Some(2.5), Some(4.0), Some(10.0)]);
}

/// Prometheus 3.5.3 was asked each of them.
#[test]
fn odd_numbers_are_taken_as_prometheus_takes_them() {
    const INF: f64 = f64::INFINITY;
    let check = |name: &str, v: f64, args: &[f64], want: f64| {
        let got = of(name, v, args);
        let same = got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan();
        assert!(same || ((got - want) / want).abs() < 1e-15, "{name}({v}, {args:?}): {got}");
    };
    check("clamp_max", f64::NAN, &[-INF], -INF);
    check("clamp_min", f64::NAN, &[INF], INF);
    check("clamp", -INF, &[0.0, f64::NAN], 0.0);
    check("clamp", -INF, &[-INF, f64::NAN], -INF);
    check("clamp", INF, &[f64::NAN, INF], INF);
    check("clamp", 1.0, &[f64::NAN, 0.0], f64::NAN);
    check("clamp_min", -0.0, &[0.0], 0.0);
    check("clamp_min", 0.0, &[-0.0], 0.0);
    check("clamp_max", 0.0, &[-0.0], -0.0);
    check("clamp_max", -0.0, &[0.0], -0.0);
    check("clamp", 5.0, &[3.0, 2.0], crate::model::stale());
    check("round", 5.0, &[0.0], f64::NAN);
    check("round", -2.5, &[], -2.0);
    check("round", 2.5, &[], 3.0);
    check("round", 1e308, &[1e-10], INF);
    check("sgn", -0.0, &[], -0.0);
    check("acosh", 1e308, &[], 709.889355822726);
    check("acosh", 1.0000001, &[], 0.0004472135919037347);
    check("acosh", 0.5, &[], f64::NAN);
    check("asinh", 1.7e308, &[], 710.4199840737881);
    check("asinh", -5.0, &[], -2.3124383412727525);
    check("asinh", -1e-10, &[], -1e-10);
    check("asinh", -0.0, &[], -0.0);
    check("asinh", -INF, &[], -INF);
}

#[test]
fn replacements_are_expanded_as_go_does() {
    let check = |pattern: &str, replacement: &str, want: &str| {
        let regex = Regex::new(&format!("^(?s:{pattern})$")).unwrap();
        let labels = labels::label_replace(&Labels::new("m", [("b", "v-w")]), "a", replacement, "b", &regex);
        let labels = labels.unwrap().unwrap_or_else(|| Labels::new("m", [("b", "v-w")]));
        assert_eq!(labels.value("a"), want, "{replacement} by {pattern}");
    };
    check("(.)-(.)", "$2-$1", "w-v");
    check("(.)-(.)", "${1}x$1x$$1$", "vx$1$");
    check("(.)-(.)", "$0 $00 $01 $3 $99999999999999999999", "v-w    ");
    check("(?P<x_y>.).*", "$x_y ${x_y} ${x_y $x-y ${} ${ x }", "v v ${x_y -y ${} ${ x }");
    check("(.).*", "$1é $é ${a-b}", "  ${a-b}");
}

#[test]
fn a_window_is_stretched_to_its_ends_only_where_the_series_was() {
    let check = |name: &str, at_ms: &[i64], values: &[f64], want: Option<f64>| {
        let frame = Frame { at_ms, values, counts: &[], from_ms: 0, to_ms: 60_000 };
        assert_eq!(call(name, &frame, &[60.0]), want, "{name} of {values:?}");
    };
    // Near both ends: as if the samples filled the window.
    check("increase", &[10_000, 30_000, 50_000], &[100.0, 110.0, 120.0], Some(30.0));
    check("delta", &[10_000, 30_000, 50_000], &[120.0, 110.0, 100.0], Some(-30.0));
    check("rate", &[10_000, 30_000, 50_000], &[100.0, 110.0, 120.0], Some(0.5));
    // Far from both: half an interval at each.
    check("increase", &[25_000, 30_000, 35_000], &[100.0, 110.0, 120.0], Some(30.0));
    // A counter that began at 0 a moment before.
    check("increase", &[10_000, 30_000, 50_000], &[1.0, 11.0, 21.0], Some(26.0));
    // A reset.
    check("increase", &[0, 30_000, 60_000], &[5.0, 2.0, 4.0], Some(4.0));
    check("irate", &[0, 30_000, 60_000], &[5.0, 7.0, 3.0], Some(0.1));
    check("idelta", &[0, 30_000, 60_000], &[5.0, 7.0, 3.0], Some(-4.0));
    check("deriv", &[0, 30_000, 60_000], &[1.0, 4.0, 7.0], Some(0.1));
    check("predict_linear", &[0, 30_000, 60_000], &[1.0, 4.0, 7.0], Some(13.0));
    for name in ["rate", "increase", "delta", "irate", "idelta", "deriv", "predict_linear"] {
        check(name, &[30_000], &[1.0], None);
    }
}

#[test]
fn windows_with_nan_and_infinities() {
    const NAN: f64 = f64::NAN;
    let check = |name: &str, values: &[f64], want: f64| {
        seconds(values, |frame| {
            let got = call(name, frame, &[0.5]).unwrap();
            assert!(got == want || got.is_nan() && want.is_nan(), "{name} of {values:?}: {got}");
        });
    };
    check("changes", &[NAN, NAN, 1.0, 1.0, NAN], 2.0);
    check("resets", &[3.0, NAN, 1.0, 0.0], 1.0);
    check("min_over_time", &[NAN, 2.0, NAN, 1.0], 1.0);
    check("max_over_time", &[NAN, NAN], NAN);
    // As Prometheus: the last bit is lost where the mean is kept along.
    check("avg_over_time", &[f64::MAX, f64::MAX, f64::MAX], 1.7976931348623155e308);
    check("avg_over_time", &[f64::INFINITY, f64::NEG_INFINITY], NAN);
    check("sum_over_time", &[1e100, 1.0, -1e100], 1.0);
    check("sum_over_time", &[f64::INFINITY, 1.0], f64::INFINITY);
    check("stdvar_over_time", &[1e9, 1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0], 1.25);
    check("quantile_over_time", &[NAN, 1.0, 2.0], 1.0);
    check("deriv", &[f64::INFINITY, f64::INFINITY], NAN);
    check("last_over_time", &[1.0, NAN], NAN);
    check("ts_of_min_over_time", &[NAN, 2.0, 1.0, 1.0, NAN], 4.0);
    check("ts_of_max_over_time", &[NAN, NAN], 2.0);
    check("mad_over_time", &[1.0, NAN], NAN);
    check("mad_over_time", &[4.0, 1.0, 9.0, 2.0], 1.5);
    check("integral", &[1.0, NAN, 3.0], 2.0);
    check("integral", &[f64::MAX, f64::MAX], f64::MAX);
    check("integral", &[f64::INFINITY, 1.0], f64::INFINITY);
    check("present_over_time", &[NAN], 1.0);
}

/// Prometheus 3.5.3 was asked: Go's clock wraps where a year has no meaning any more.
#[test]
fn what_is_no_time_has_gos_date() {
    let names = ["minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month", "year"];
    for v in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e20] {
        assert_eq!(names.map(|name| of(name, v, &[])), [30.0, 15.0, 0.0, 4.0, 339.0, 31.0, 12.0, 292_277_026_596.0]);
    }
    assert_eq!(of("year", 9e18, &[]), 285_198_648_531.0);
    assert_eq!(of("year", -9e18, &[]), -285_198_644_592.0);
    assert_eq!([of("minute", -0.5, &[]), of("minute", -1.5, &[])], [0.0, 59.0]);
}

#[test]
fn dates_are_those_of_the_calendar() {
    for (text, want) in [
        ("2024-02-29T23:59:59Z", [59, 23, 4, 29, 60, 29, 2, 2024]),
        ("1969-12-31T00:00:00Z", [0, 0, 3, 31, 365, 31, 12, 1969]),
    ] {
        let at = text.parse::<jiff::Timestamp>().unwrap().as_second() as f64;
        let names = ["minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month", "year"];
        assert_eq!(names.map(|name| of(name, at, &[]) as i64), want, "{text}");
    }
}

fn near(a: f64, b: f64, scale: f64) -> bool {
    (a - b).abs() <= 1e-9 * scale.abs().max(1e-9)
}

prop_compose! {
    /// Values of a size that measurements have.
    fn measured()(values in prop::collection::vec(-1e6..1e6_f64, 1..64)) -> Vec<f64> { values }
}

proptest! {
    #[test]
    fn a_steady_counter_has_its_slope_as_its_rate(
        slope in 0.001..1e4_f64, start in 1e7..1e9_f64, step_ms in 1..60_000_i64, n in 3..200_i64, skip in 0.0..1.0_f64,
    ) {
        let at_ms: Vec<i64> = (1..=n).map(|i| i * step_ms).collect();
        let values: Vec<f64> = at_ms.iter().map(|t| start + slope * (*t as f64 / 1e3)).collect();
        // The window ends within a step of the last sample, and begins where one would have been.
        let to_ms = n * step_ms + (skip * step_ms as f64) as i64;
        let frame = Frame { at_ms: &at_ms, values: &values, counts: &[], from_ms: 0, to_ms };
        let rate = call("rate", &frame, &[]).unwrap();
        // What subtraction leaves of the values' precision.
        let lost = start * 1e-15 / (n * step_ms) as f64 * 1e3;
        prop_assert!((rate - slope).abs() <= slope * 1e-9 + lost, "{} instead of {}", rate, slope);
        let increase = call("increase", &frame, &[]).unwrap();
        prop_assert!(near(increase, rate * to_ms as f64 / 1e3, increase));
    }

    #[test]
    fn a_counter_never_falls(values in prop::collection::vec(0.0..1e6_f64, 2..64)) {
        seconds(&values, |frame| {
            assert!(call("rate", frame, &[]).unwrap() >= 0.0);
            assert!(call("irate", frame, &[]).unwrap() >= 0.0);
            assert!(call("resets", frame, &[]).unwrap() <= call("changes", frame, &[]).unwrap());
        });
    }

    #[test]
    fn a_quantile_is_between_the_extremes_and_grows(values in measured(), a in 0.0..=1.0_f64, b in 0.0..=1.0_f64) {
        seconds(&values, |frame| {
            let [min, max] = ["min_over_time", "max_over_time"].map(|name| call(name, frame, &[]).unwrap());
            let at = |q: f64| call("quantile_over_time", frame, &[q]).unwrap();
            assert!(min <= at(a) * (1.0 + 1e-12 * at(a).signum()) && at(a) * (1.0 - 1e-12 * at(a).signum()) <= max);
            assert!(at(a.min(b)) <= at(a.max(b)) + 1e-9);
            assert_eq!([at(0.0), at(1.0)], [min, max]);
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            let rank = a * (sorted.len() - 1) as f64;
            let (low, weight) = (rank.floor() as usize, rank - rank.floor());
            let high = (low + 1).min(sorted.len() - 1);
            assert_eq!(at(a), sorted[low] * (1.0 - weight) + sorted[high] * weight);
        });
    }

    #[test]
    fn sums_means_counts_and_spreads_agree(values in measured()) {
        seconds(&values, |frame| {
            let [sum, avg, count, stddev, stdvar] =
                ["sum", "avg", "count", "stddev", "stdvar"].map(|f| call(&format!("{f}_over_time"), frame, &[]).unwrap());
            assert!(near(sum, avg * count, 1e6 * count));
            assert!(near(stddev * stddev, stdvar, stdvar));
            let plain = values.iter().map(|v| (v - avg) * (v - avg)).sum::<f64>() / count;
            assert!(near(stdvar, plain, 1e12));
        });
    }

    #[test]
    fn a_line_is_found(slope in -1e3..1e3_f64, start in -1e6..1e6_f64, n in 2..100_usize, ahead in -1e3..1e3_f64) {
        let values: Vec<f64> = (1..=n).map(|i| start + slope * i as f64).collect();
        seconds(&values, |frame| {
            assert!(near(call("deriv", frame, &[]).unwrap(), slope, 1e6));
            let want = start + slope * (n as f64 + ahead);
            assert!(near(call("predict_linear", frame, &[ahead]).unwrap(), want, 1e9));
        });
    }

    #[test]
    fn quantiles_of_buckets_and_their_fractions_are_inverse(
        counts in prop::collection::vec(1.0..1e6_f64, 2..12), q in 0.01..0.99_f64,
    ) {
        let mut total = 0.0;
        let mut buckets: Vec<_> = counts.iter().enumerate().map(|(i, count)| {
            total += count;
            let upper = if i + 1 == counts.len() { f64::INFINITY } else { (i + 1) as f64 };
            histogram::Bucket { upper, count: total }
        }).collect();
        let value = histogram::bucket_quantile(q, &mut buckets).value;
        prop_assert!((0.0..=(counts.len() - 1) as f64).contains(&value));
        // Within the first bucket Prometheus knows no fraction, beyond the last boundary no quantile.
        if value > 1.0 && value < (counts.len() - 1) as f64 {
            let fraction = histogram::bucket_fraction(f64::NEG_INFINITY, value, &mut buckets);
            prop_assert!(near(fraction, q, 1.0), "{} instead of {}", fraction, q);
        }
    }

    #[test]
    fn dates_are_jiffs(at in -377_705_000_000..253_402_000_000_i64) {
        let date = jiff::Timestamp::from_second(at).unwrap().to_zoned(jiff::tz::TimeZone::UTC);
        let want = [
            i64::from(date.minute()), i64::from(date.hour()), i64::from(date.weekday().to_sunday_zero_offset()),
            i64::from(date.day()), i64::from(date.day_of_year()), i64::from(date.days_in_month()),
            i64::from(date.month()), i64::from(date.year()),
        ];
        let names = ["minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month", "year"];
        prop_assert_eq!(names.map(|name| of(name, at as f64, &[]) as i64), want);
    }

    #[test]
    fn nothing_panics(values in prop::collection::vec(any::<f64>(), 1..8), args in prop::collection::vec(any::<f64>(), 0..3)) {
        seconds(&values, |frame| {
            for f in TABLE {
                let _ = call(f.name, frame, &args);
            }
        });
        let mut buckets: Vec<_> = values.iter().map(|v| histogram::Bucket { upper: *v, count: v.abs() }).collect();
        let q = args.first().copied().unwrap_or(0.5);
        let _ = histogram::bucket_quantile(q, &mut buckets.clone());
        let _ = histogram::bucket_fraction(q, 1.0, &mut buckets);
    }
}

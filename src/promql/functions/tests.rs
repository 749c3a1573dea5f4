use super::*;

#[test]
fn the_table_is_sorted_and_says_no_name_twice() {
    assert!(TABLE.windows(2).all(|w| w[0].name < w[1].name));
    assert!(TABLE.iter().all(|f| lookup(f.name).is_some_and(|found| found.name == f.name) && !is_experimental(f.name)));
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
    let call = |name: &str| match lookup(name).unwrap().kind {
        Kind::Range(f) => (f.eval)(&frame, &[], 2),
        _ => None,
    };
    assert_eq!(
        [call("avg_over_time"), call("count_over_time"), call("sum_over_time")],
        [Some(2.5), Some(4.0), Some(10.0)]
    );
}

#[test]
fn dates_are_those_of_the_calendar() {
    for (text, want) in [("2024-02-29T23:59:59Z", [59, 23, 4, 29, 60, 29, 2, 2024]), ("1969-12-31T00:00:00Z", [0, 0, 3, 31, 365, 31, 12, 1969])] {
        let at = text.parse::<jiff::Timestamp>().unwrap().as_second() as f64;
        let names = ["minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month", "year"];
        let got = names.map(|name| match lookup(name).unwrap().kind {
            Kind::Calendar(f) => f(at) as i64,
            _ => -1,
        });
        assert_eq!(got, want, "{text}");
    }
}

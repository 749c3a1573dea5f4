use proptest::prelude::*;

use super::*;
use crate::model::stale;

fn span(at_ms: &[i64], values: &[f64]) -> Span {
    Span {
        from_ms: at_ms[0],
        to_ms: at_ms[at_ms.len() - 1],
        resolution_ms: 0,
        times: Times::packed(Times::pack(at_ms)),
        values: Values::packed(pack_values(values)),
    }
}

fn rolled_span(rolled: &Rolled, resolution_ms: i64) -> Span {
    Span { resolution_ms, values: Values::packed(rolled.pack()), ..span(&rolled.at_ms, &rolled.last) }
}

fn packed(spans: Vec<Span>) -> Packed {
    Packed { labels: Labels::new("m", [("a", "b")]), spans, recent: Points::default() }
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|v| v.to_bits()).collect()
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(0.0),
        Just(-0.0),
        Just(1.0),
        Just(f64::NAN),
        Just(stale()),
        Just(f64::INFINITY),
        (0u32..5_000_000).prop_map(|us| (f64::from(us) / 1e6 * 1e6).round() / 1e6),
        (0i64..1 << 50).prop_map(|n| n as f64),
        any::<f64>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_goes_in_comes_out_bit_for_bit(
        steps in prop::collection::vec(1i64..40_000, 1..2_400),
        seed in prop::collection::vec(value(), 1..4),
        all in prop::collection::vec(value(), 2_400),
        few in any::<bool>(),
        cut in (0usize..2_400, 0usize..2_400),
    ) {
        let at_ms: Vec<i64> = steps.iter().scan(1_700_000_000_000, |t, s| { *t += s; Some(*t) }).collect();
        let values: Vec<f64> = (0..at_ms.len()).map(|i| if few { seed[i % seed.len()] } else { all[i] }).collect();
        let series = packed(vec![span(&at_ms, &values)]);
        let mut out = Points::default();
        series.read(Want::Last, i64::MIN, i64::MAX, &mut out).unwrap();
        prop_assert_eq!(&out.at_ms, &at_ms);
        prop_assert_eq!(bits(&out.values), bits(&values));
        let (a, b) = (cut.0.min(cut.1).min(at_ms.len() - 1), cut.0.max(cut.1).min(at_ms.len() - 1));
        series.read(Want::Max, at_ms[a], at_ms[b], &mut out).unwrap();
        prop_assert_eq!(bits(&out.values), bits(&values[a..=b]));
    }

    #[test]
    fn damaged_bytes_are_an_error_or_other_numbers_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), n in 1usize..600) {
        let mut out = Vec::new();
        let _ = number::unpack_part(&bytes, n, 0..n, &mut out);
        let _ = number::unpack_times(&bytes);
        let times: Vec<i64> = (0..n as i64).collect();
        let _ = Rolled::unpack(&times, &bytes);
    }
}

#[test]
fn what_a_probe_measures_takes_little() {
    let n = 960;
    let at_ms: Vec<i64> = (0..n).map(|i| 1_700_000_000_000 + i * 15_000).collect();
    let bytes_each = |bytes: Vec<u8>| bytes.len() as f64 / n as f64;
    let jitter = |i: i64| (i * 7_919 % 2_003) as f64;
    let micros: Vec<f64> = (0..n).map(|i| ((0.012 + jitter(i) / 1e6) * 1e6).round() / 1e6).collect();
    let growing: Vec<f64> = (0..n).map(|i| (100_000 + i * 37) as f64).collect();
    assert!(bytes_each(Times::pack(&at_ms)) < 0.07, "{}", bytes_each(Times::pack(&at_ms)));
    assert!(bytes_each(pack_values(&vec![1.0; n as usize])) < 0.03);
    assert!(bytes_each(pack_values(&micros)) < 2.0, "{}", bytes_each(pack_values(&micros)));
    assert!(bytes_each(pack_values(&growing)) < 0.15, "{}", bytes_each(pack_values(&growing)));
}

#[test]
fn a_rollup_keeps_five_columns_and_leaves_stale_markers_out() {
    let at_ms = [0, 100_000, 200_000, 300_000, 450_000, 900_000];
    let values = [1.0, 5.0, 3.0, 7.0, stale(), stale()];
    let rolled = Rolled::of_samples(&at_ms, &values, 300_000);
    assert_eq!(rolled.at_ms, [299_999, 599_999]);
    assert_eq!(
        (rolled.min[0], rolled.max[0], rolled.sum[0], rolled.count[0], rolled.last[0]),
        (1.0, 5.0, 9.0, 3.0, 3.0)
    );
    assert_eq!((rolled.min[1], rolled.last[1], rolled.count[1]), (7.0, 7.0, 1.0));
    let hour = rolled.coarser(3_600_000);
    assert_eq!((hour.at_ms[0], hour.sum[0], hour.count[0], hour.last[0]), (3_599_999, 16.0, 4.0, 7.0));
    assert_eq!(Rolled::unpack(&rolled.at_ms, &rolled.pack()).unwrap(), rolled);
}

#[test]
fn a_query_reads_each_column_and_samples_go_on_where_rollups_end() {
    let rolled = Rolled::of_samples(&[0, 100_000, 200_000, 300_000], &[1.0, 5.0, 3.0, 7.0], 300_000);
    let mut series = packed(vec![rolled_span(&rolled, 300_000), span(&[600_000, 615_000], &[2.0, 4.0])]);
    series.recent.push(630_000, 6.0);
    let check = |want, values: &[f64], counts: &[f64]| {
        let mut out = Points::default();
        series.read(want, 0, i64::MAX, &mut out).unwrap();
        assert_eq!((out.values.as_slice(), out.counts.as_slice()), (values, counts), "{want:?}");
        assert_eq!(out.at_ms, [299_999, 599_999, 600_000, 615_000, 630_000]);
        assert_eq!(out.coarse, [(599_999, 300_000)]);
        assert_eq!(
            (out.resolution_ms(10), out.resolution_ms(899_999), out.resolution_ms(900_000)),
            (300_000, 300_000, 0)
        );
    };
    check(Want::Last, &[3.0, 7.0, 2.0, 4.0, 6.0], &[]);
    check(Want::Min, &[1.0, 7.0, 2.0, 4.0, 6.0], &[]);
    check(Want::Max, &[5.0, 7.0, 2.0, 4.0, 6.0], &[]);
    check(Want::Sum, &[9.0, 7.0, 2.0, 4.0, 6.0], &[3.0, 1.0, 1.0, 1.0, 1.0]);
}

//! Where a series ends: what a source no longer tells gets a stale marker, so that queries stop showing its last value at
//! once instead of five minutes later (as Prometheus does after a scrape). Pure.

use std::collections::HashSet;

use jiff::Timestamp;

use super::{Labels, Sample, stale};

/// Returns markers at `at` for the series of `before` that are not in `now`.
pub fn ended(before: &[Sample], now: &[Sample], at: Timestamp) -> Vec<Sample> {
    // Nearly always the same series in the same order.
    if before.len() == now.len() && before.iter().zip(now).all(|(a, b)| a.labels == b.labels) {
        return Vec::new();
    }
    let told: HashSet<&Labels> = now.iter().map(|s| &s.labels).collect();
    let gone = before.iter().filter(|s| !told.contains(&s.labels));
    gone.map(|s| Sample { labels: s.labels.clone(), at, value: stale() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::is_stale;

    #[test]
    fn what_is_no_longer_told_ends() {
        let of = |names: &[&str]| {
            let sample =
                |n: &&str| Sample { labels: Labels::new(*n, [("a", "b")]), at: Timestamp::UNIX_EPOCH, value: 1.0 };
            names.iter().map(sample).collect::<Vec<_>>()
        };
        let check = |before: &[&str], now: &[&str], gone: &[&str]| {
            let at = Timestamp::from_second(7).unwrap();
            let markers = ended(&of(before), &of(now), at);
            assert_eq!(markers.iter().map(|s| &*s.labels.name).collect::<Vec<_>>(), gone);
            assert!(markers.iter().all(|s| is_stale(s.value) && s.at == at));
        };
        check(&["a", "b"], &["a", "b"], &[]);
        check(&["a", "b"], &["b", "a", "c"], &[]);
        check(&["a", "b"], &["a", "c"], &["b"]);
        check(&["a", "b"], &[], &["a", "b"]);
    }
}

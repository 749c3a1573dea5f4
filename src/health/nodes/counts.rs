//! Nodes that are gone from the API server's list, or many new ones, within minutes.

use std::time::Duration;

use jiff::Timestamp;

use crate::model::{ClusterSnapshot, NodeCount};

/// Changes are looked at over so long.
const WITHIN: Duration = Duration::from_secs(600);
/// So many workers must be gone …
const GONE_MIN: usize = 3;
/// … and so many in a hundred of those that there were.
const GONE_SHARE: usize = 25;
/// So many workers must be new …
const NEW_MIN: usize = 10;
/// … and as many as there were, in a hundred.
const NEW_SHARE: usize = 100;

/// Says how the number of workers has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::health) enum Change {
    /// None is left.
    NoneLeft { of: usize, since: Timestamp },
    /// Many are gone that were not seen off.
    Gone { count: usize, of: usize, since: Timestamp },
    /// Many are new.
    New { from: usize, to: usize, since: Timestamp },
}

/// Returns how the number of workers has changed lately, where that is worth a word. Those that were cordoned, drained
/// or scaled down before they went are not missed.
pub(in crate::health) fn change(snapshot: &ClusterSnapshot, now: Timestamp) -> Option<Change> {
    let counts = &snapshot.counts;
    let last = counts.last()?;
    let is_lately = |c: &&NodeCount| now.duration_since(c.at).unsigned_abs() <= WITHIN;
    // Where none is left, that there were some is remembered for longer.
    let lately = if last.workers == 0 { counts.len() } else { counts.iter().rev().take_while(is_lately).count() };
    // The one before says how many there were when the time began.
    let from = counts.len().saturating_sub(lately + 1);
    let window = counts.get(from..)?;
    let (peak_at, peak) = window.iter().enumerate().max_by_key(|(i, c)| (c.workers, *i))?;
    let after = window.get(peak_at + 1..)?;
    let missed = |c: &[NodeCount]| {
        peak.workers.saturating_sub(last.workers).saturating_sub(c.iter().map(|c| c.seen_off).sum::<usize>())
    };
    let gone = missed(after);
    if let Some(first) = after.first().filter(|_| gone > 0) {
        let since = first.at;
        if last.workers == 0 {
            return Some(Change::NoneLeft { of: peak.workers, since });
        }
        if gone >= GONE_MIN && gone * 100 >= peak.workers * GONE_SHARE {
            return Some(Change::Gone { count: gone, of: peak.workers, since });
        }
    }
    let low = window.iter().min_by_key(|c| c.workers)?;
    let new = last.workers.saturating_sub(low.workers);
    let many = new >= NEW_MIN && new * 100 >= low.workers * NEW_SHARE && low.workers > 0;
    many.then_some(Change::New { from: low.workers, to: last.workers, since: low.at })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts as `(minutes ago, workers, seen off)`, oldest first.
    fn check(counts: &[(i64, usize, usize)], expected: &str) {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let at = |ago: i64| now - Duration::from_secs(u64::try_from(ago * 60).unwrap());
        let count = |&(ago, workers, seen_off): &(i64, usize, usize)| NodeCount { at: at(ago), workers, seen_off };
        let counts = counts.iter().map(count).collect();
        let told = match change(&ClusterSnapshot { counts, ..ClusterSnapshot::default() }, now) {
            None => String::new(),
            Some(Change::NoneLeft { of, .. }) => format!("none of {of}"),
            Some(Change::Gone { count, of, .. }) => format!("{count} of {of} gone"),
            Some(Change::New { from, to, .. }) => format!("{from} to {to}"),
        };
        assert_eq!(told, expected);
    }

    #[test]
    fn a_fall_within_minutes_is_seen() {
        check(&[], "");
        check(&[(60, 40, 0)], "");
        check(&[(60, 40, 0), (5, 28, 0)], "12 of 40 gone");
        check(&[(60, 40, 0), (5, 34, 0), (2, 28, 0)], "12 of 40 gone");
        check(&[(60, 40, 0), (5, 38, 0)], "");
        check(&[(60, 40, 0), (20, 28, 0)], "");
        check(&[(60, 4, 0), (5, 2, 0)], "");
    }

    #[test]
    fn those_that_were_seen_off_are_not_missed() {
        check(&[(60, 40, 0), (5, 28, 12)], "");
        check(&[(60, 40, 0), (5, 28, 2)], "10 of 40 gone");
        check(&[(600, 3, 0), (5, 0, 3)], "");
    }

    #[test]
    fn none_left_is_told_as_long_as_it_is_so() {
        check(&[(60, 24, 0), (5, 0, 0)], "none of 24");
        check(&[(600, 24, 0), (500, 0, 0)], "none of 24");
        check(&[(600, 1, 0), (500, 0, 0)], "none of 1");
        check(&[(600, 0, 0)], "");
    }

    #[test]
    fn many_new_ones_are_seen() {
        check(&[(60, 10, 0), (5, 30, 0)], "10 to 30");
        check(&[(60, 10, 0), (5, 15, 0)], "");
        check(&[(60, 0, 0), (5, 30, 0)], "");
        check(&[(5, 30, 0)], "");
    }
}

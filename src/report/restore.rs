//! How restore drills went, by their records. Pure.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::RestoreLine;
use crate::model::{RestoreDrill, RestoreOutcome};

/// Makes the lines: of all that are asked for, and of those that ended within the span.
pub fn lines(drills: &[RestoreDrill], asked: &[String], (from, until): (Timestamp, Timestamp)) -> Vec<RestoreLine> {
    let mut by_name: BTreeMap<&str, Vec<&RestoreDrill>> =
        asked.iter().map(|name| (name.as_str(), Vec::new())).collect();
    for drill in drills.iter().filter(|d| d.ended_at.is_some_and(|at| at < until)) {
        let within = drill.ended_at.is_some_and(|at| at >= from);
        if within || by_name.contains_key(drill.name.as_str()) {
            by_name.entry(&drill.name).or_default().push(drill);
        }
    }
    by_name.into_iter().map(|(name, drills)| line(name, &drills, from)).collect()
}

fn line(name: &str, drills: &[&RestoreDrill], from: Timestamp) -> RestoreLine {
    let done = |d: &&&RestoreDrill| d.outcome == Some(RestoreOutcome::Done) && d.ended_at.is_some_and(|at| at >= from);
    let last = drills.iter().max_by_key(|d| d.ended_at);
    let seconds = |d: Duration| d.as_secs_f64();
    RestoreLine {
        name: name.to_owned(),
        done: drills.iter().filter(done).count(),
        last_ended: last.and_then(|d| d.ended_at),
        outcome: last.and_then(|d| d.outcome).map(RestoreOutcome::as_str),
        duration_seconds: last.and_then(|d| d.took()).map(seconds),
        rto_seconds: last.and_then(|d| d.rto).map(seconds),
        rto_met: last.and_then(|d| d.rto_met()),
        data_age_seconds: last.and_then(|d| d.data_age()).map(seconds),
        rpo_seconds: last.and_then(|d| d.rpo).map(seconds),
        rpo_met: last.and_then(|d| d.rpo_met()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn drill(name: &str, start: &str, end: &str, outcome: RestoreOutcome) -> RestoreDrill {
        let hours = |n: u64| Some(Duration::from_secs(n * 3_600));
        RestoreDrill {
            data_time: Some(at("2026-10-04T22:00:00Z")),
            ended_at: Some(at(end)),
            outcome: Some(outcome),
            ..RestoreDrill::open(name, "ada", (hours(4), hours(24)), at(start))
        }
    }

    #[test]
    fn the_last_one_until_the_end_of_the_month_is_told() {
        let drills = [
            drill("etcd", "2026-09-01T10:00:00Z", "2026-09-01T11:00:00Z", RestoreOutcome::Done),
            drill("etcd", "2026-10-05T10:00:00Z", "2026-10-05T14:00:01Z", RestoreOutcome::Done),
            drill("etcd", "2026-11-05T10:00:00Z", "2026-11-05T10:30:00Z", RestoreOutcome::Failed),
            drill("gone", "2026-09-01T10:00:00Z", "2026-09-01T11:00:00Z", RestoreOutcome::Done),
        ];
        let asked = ["etcd".to_owned(), "never".to_owned()];
        let lines = lines(&drills, &asked, (at("2026-10-01T00:00:00Z"), at("2026-11-01T00:00:00Z")));
        let [etcd, never] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!((etcd.done, etcd.last_ended, etcd.outcome), (1, Some(at("2026-10-05T14:00:01Z")), Some("done")));
        assert_eq!((etcd.duration_seconds, etcd.rto_met), (Some(14_401.0), Some(false)), "a second too long");
        assert_eq!((etcd.data_age_seconds, etcd.rpo_met), (Some(43_200.0), Some(true)));
        assert_eq!((never.name.as_str(), never.done, never.last_ended, never.rto_met), ("never", 0, None, None));
    }
}

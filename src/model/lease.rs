//! What reading a lease again and again shows of it. Pure.
//!
//! Whether a lease is alive is judged as client-go's leader election does it: by whether what is written changes while
//! we look, by our own clock. Comparing clocks would call every lease of a machine whose clock is off dead, or alive.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One lease as it was read, with what earlier readings add.
///
/// The last renewal lies between `after` and `seen_at`: neither is a guess.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedLease {
    /// What changes with every renewal, as its holder wrote it (`renewTime`, for leaders the holder too). Never parsed to
    /// judge: a holder's clock may be anywhere.
    pub mark: String,
    /// When this mark was first read, by our clock: the lease was renewed no later.
    pub seen_at: Timestamp,
    /// When another mark was last read: the lease was renewed later than that. `None`: it has not changed since we look.
    pub after: Option<Timestamp>,
    /// When it was last read.
    pub read_at: Timestamp,
    /// Its age at the last reading by the API server's clock (`Date` minus `renewTime`), where both could be read.
    pub told_age: Option<Duration>,
    /// How its holder's clock goes.
    #[serde(default)]
    pub clock: HolderClock,
}

/// How the clock of a lease's holder goes against ours, by the renewal that it wrote. Judges no renewal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HolderClock {
    /// It is surely off by so many seconds: ahead of ours, or (negative) behind.
    pub off_seconds: i64,
    /// Since when it has been off by [`CLOCK_OFF_SECONDS`] or more.
    pub since: Option<Timestamp>,
}

/// A clock that is off by less is no news: what renews, reads and writes leases takes its time.
pub const CLOCK_OFF_SECONDS: i64 = 5;

impl HolderClock {
    /// A renewal that was written after one moment and read at another, and what its holder's clock said.
    fn seen(before: Self, written: Timestamp, after: Timestamp, seen_at: Timestamp) -> Self {
        let (ahead, behind) = (written.duration_since(seen_at).as_secs(), written.duration_since(after).as_secs());
        let off_seconds = if ahead > 0 { ahead } else { behind.min(0) };
        let is_off = off_seconds.abs() >= CLOCK_OFF_SECONDS;
        Self { off_seconds, since: is_off.then(|| before.since.unwrap_or(seen_at)) }
    }
}

impl ObservedLease {
    /// Returns the lease as it is read now, after `before`.
    pub fn read(before: Option<&Self>, mark: &str, told_age: Option<Duration>, now: Timestamp) -> Self {
        let same = before.filter(|b| b.mark == mark);
        // A wall clock that was stepped back must not leave readings in the future.
        let (seen_at, after) = match same {
            Some(b) => (b.seen_at.min(now), b.after.map(|at| at.min(now))),
            None => (now, before.map(|b| b.read_at.min(now))),
        };
        let known = before.map(|b| b.clock).unwrap_or_default();
        let written = || mark.split_whitespace().next()?.parse::<Timestamp>().ok();
        let clock = match (same, after) {
            (None, Some(after)) => written().map_or(known, |written| HolderClock::seen(known, written, after, seen_at)),
            _ => known,
        };
        Self { mark: mark.to_owned(), seen_at, after, read_at: now, told_age, clock }
    }

    /// Returns whether it has changed while we looked: somebody renews it, or did.
    pub fn has_moved(&self) -> bool {
        self.after.is_some()
    }

    /// Returns whether it has surely been renewed later than this.
    pub fn renewed_after(&self, at: Timestamp) -> bool {
        self.after.is_some_and(|after| after >= at)
    }

    /// Returns how long, at the last reading, it had surely not been renewed.
    pub fn still_for(&self) -> Duration {
        span(self.seen_at, self.read_at)
    }

    /// Returns its age at the last reading: what the API server's clock says, held within what was seen. Of a lease
    /// that has not moved since we look, only what was seen counts.
    pub fn age(&self) -> Duration {
        let least = self.still_for();
        match (self.after, self.told_age) {
            (Some(after), Some(told)) => told.clamp(least, span(after, self.read_at).max(least)),
            _ => least,
        }
    }

    /// Returns when it was last renewed, by our clock, as near as is known.
    pub fn renewed_at(&self) -> Timestamp {
        self.read_at.checked_sub(self.age()).unwrap_or(Timestamp::MIN)
    }
}

fn span(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    /// Plays readings `(second, mark, told age)` and gives the last sight.
    fn play(readings: &[(i64, &str, Option<u64>)]) -> ObservedLease {
        let mut sight = None;
        for (second, mark, told) in readings {
            sight = Some(ObservedLease::read(sight.as_ref(), mark, told.map(Duration::from_secs), at(*second)));
        }
        sight.unwrap()
    }

    #[test]
    fn a_lease_is_as_old_as_was_seen_whatever_the_clocks_say() {
        let check = |readings: &[(i64, &str, Option<u64>)], moved, age| {
            let sight = play(readings);
            assert_eq!((sight.has_moved(), sight.age().as_secs()), (moved, age), "{readings:?}");
        };
        // Never seen to move: only what was watched counts, be it 30 days old by the clocks.
        check(&[(0, "a", Some(2_592_000))], false, 0);
        check(&[(0, "a", Some(2_592_000)), (50, "a", Some(2_592_050))], false, 50);
        // It moves: two minutes behind, or ahead, or without any clock.
        check(&[(0, "a", Some(123)), (10, "b", Some(124))], true, 10);
        check(&[(0, "a", Some(0)), (10, "b", Some(0)), (20, "b", Some(0))], true, 10);
        check(&[(0, "a", None), (10, "b", None), (13, "b", None)], true, 3);
        // Clocks that agree add what lies between two readings.
        check(&[(0, "a", Some(1)), (10, "b", Some(4)), (20, "b", Some(14))], true, 14);
    }

    #[test]
    fn a_clock_that_is_off_shows_in_what_its_holder_writes() {
        let play = |readings: &[(i64, i64)]| {
            let mut sight = None;
            for (second, written) in readings {
                sight = Some(ObservedLease::read(sight.as_ref(), &at(*written).to_string(), None, at(*second)));
            }
            sight.map(|s| (s.clock.off_seconds, s.clock.since)).unwrap()
        };
        assert_eq!(play(&[(0, -3)]), (0, None), "when it was written is not known");
        assert_eq!(play(&[(0, -3), (10, 7), (20, 17)]), (0, None));
        assert_eq!(play(&[(0, 40), (10, 50), (20, 60)]), (40, Some(at(10))), "ahead");
        assert_eq!(
            play(&[(0, -60), (10, -50), (20, -50), (30, -40)]),
            (-60, Some(at(10))),
            "behind, and once not renewed"
        );
        assert_eq!(play(&[(0, 40), (10, 50), (20, 18)]), (0, None), "set right");
    }

    #[test]
    fn a_renewal_is_proved_by_the_reading_before_it() {
        let sight = play(&[(0, "a", Some(1)), (10, "b", Some(4))]);
        assert!(sight.renewed_after(at(0)) && !sight.renewed_after(at(1)));
        assert_eq!(sight.renewed_at(), at(6));
        assert!(!play(&[(0, "a", Some(1))]).renewed_after(at(-100)));
    }

    #[test]
    fn a_clock_that_is_stepped_back_leaves_nothing_in_the_future() {
        let sight = play(&[(0, "a", None), (100, "b", None), (-50, "b", None)]);
        assert_eq!((sight.seen_at, sight.age()), (at(-50), Duration::ZERO));
    }
}

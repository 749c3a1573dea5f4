//! Where a shard stands, and what comes next. Pure.

use serde::{Deserialize, Serialize};

/// A live slice: how often a shard that has caught up sends.
const LIVE_MS: i64 = 5_000;
/// A slice where much is behind: a Prometheus takes samples that are up to an hour older than its newest one, and within a
/// slice one series comes after the other; smaller ones would unpack the same day too often.
const BEHIND_MS: i64 = 30 * 60_000;
/// A position so far ahead of the clock comes from a clock that was wrong: waiting for it would mean to send nothing until
/// then. Smaller steps back, as NTP makes them, are waited for.
const AHEAD_MS: i64 = 10 * 60_000;
/// Of a shard that has sent its part of the slice.
pub const DONE: i64 = i64::MAX;

/// Says how a slice is cut into requests. A slice that was begun is ended with the cut it began with, whatever the
/// configuration says since: a Prometheus refuses a whole request for one sample that it has already, so that one
/// which mixes what was sent with what was not would lose the latter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Shares of the series, each with a request of its own.
    pub shards: usize,
    /// Samples of one request.
    pub samples: usize,
}

/// All before `from_ms` is sent; of `[from_ms, to_ms)`, each shard's series up to `after` are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Unix milliseconds.
    pub from_ms: i64,
    /// Unix milliseconds; the same as `from_ms` between slices.
    pub to_ms: i64,
    /// A series' id for each shard, or [`DONE`].
    pub after: Vec<i64>,
    /// Samples of one request of this slice.
    #[serde(default)]
    pub samples: usize,
}

/// Says what to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slice {
    /// So many milliseconds.
    Wait(i64),
    /// Everything before this time.
    Send {
        /// Unix milliseconds, exclusive.
        to_ms: i64,
    },
    /// What was to be sent is not kept as samples any more.
    Lost {
        /// Unix milliseconds: where samples begin.
        until_ms: i64,
    },
    /// The position is in the future, since the clock was: go on from now.
    Ahead,
}

impl Position {
    /// Between two slices.
    pub fn at(from_ms: i64, cut: Cut) -> Self {
        Self { from_ms, to_ms: from_ms, after: vec![0; cut.shards], samples: cut.samples }
    }

    /// From its text. Between two slices the new cut counts at once, else from the next slice on.
    ///
    /// # Errors
    /// When it is no position.
    pub fn read(text: &str, cut: Cut) -> Result<Self, serde_json::Error> {
        let position: Self = serde_json::from_str(text)?;
        let usable = position.to_ms > position.from_ms && !position.after.is_empty() && position.samples > 0;
        Ok(if usable { position } else { Self::at(position.from_ms, cut) })
    }

    /// As a text.
    pub fn write(&self) -> String {
        serde_json::json!(self).to_string()
    }

    /// Returns the next slice. `oldest_ms` is the oldest sample that the store has.
    pub fn next(&self, now_ms: i64, grace_ms: i64, oldest_ms: Option<i64>) -> Slice {
        // A slice that was begun is ended as it was begun: its series are counted by it.
        if self.to_ms > self.from_ms {
            return Slice::Send { to_ms: self.to_ms };
        }
        if self.from_ms > now_ms + AHEAD_MS {
            return Slice::Ahead;
        }
        if let Some(oldest) = oldest_ms.filter(|oldest| self.from_ms < *oldest - BEHIND_MS) {
            return Slice::Lost { until_ms: oldest };
        }
        let complete = now_ms - grace_ms;
        let missing = self.from_ms + LIVE_MS - complete;
        if missing > 0 {
            // A clock that stepped far back is waited for in small steps.
            return Slice::Wait(missing.min(LIVE_MS));
        }
        Slice::Send { to_ms: complete.min(self.from_ms + BEHIND_MS) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUT: Cut = Cut { shards: 2, samples: 500 };

    #[test]
    fn slices_follow_each_other() {
        let check = |from: i64, oldest: Option<i64>, want: Slice| {
            assert_eq!(Position::at(from, CUT).next(100_000_000, 15_000, oldest), want);
        };
        check(99_990_000, None, Slice::Wait(5_000));
        check(99_983_000, None, Slice::Wait(3_000));
        check(99_980_000, None, Slice::Send { to_ms: 99_985_000 });
        check(90_000_000, None, Slice::Send { to_ms: 91_800_000 });
        check(100_500_000, None, Slice::Wait(5_000));
        check(200_000_000, None, Slice::Ahead);
        check(90_000_000, Some(95_000_000), Slice::Lost { until_ms: 95_000_000 });
        check(90_000_000, Some(91_000_000), Slice::Send { to_ms: 91_800_000 });
        let begun = Position { from_ms: 90_000_000, to_ms: 90_005_000, after: vec![7, DONE], samples: 500 };
        assert_eq!(begun.next(100_000_000, 15_000, None), Slice::Send { to_ms: 90_005_000 });
    }

    #[test]
    fn a_slice_ends_with_the_cut_that_it_began_with() {
        let new = Cut { shards: 3, samples: 100 };
        let begun = Position { from_ms: 90_000_000, to_ms: 90_005_000, after: vec![7, DONE], samples: 500 };
        assert_eq!(Position::read(&begun.write(), new).unwrap(), begun);
        let between = Position::at(90_000_000, CUT);
        assert_eq!(Position::read(&between.write(), new).unwrap(), Position::at(90_000_000, new));
        let nobody = r#"{"from_ms": 1, "to_ms": 5, "after": [], "samples": 0}"#;
        assert_eq!(Position::read(nobody, new).unwrap(), Position::at(1, new));
        assert!(Position::read("{", new).is_err());
    }
}

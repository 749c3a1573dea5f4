//! Where a shard stands, and what comes next. Pure.

use serde::{Deserialize, Serialize};

/// A live slice: how often a shard that has caught up sends.
const LIVE_MS: i64 = 5_000;
/// A slice where much is behind: a Prometheus takes samples that are up to an hour older than its newest one, and within a
/// slice one series comes after the other; smaller ones would unpack the same day too often.
const BEHIND_MS: i64 = 30 * 60_000;
/// Of a shard that has sent its part of the slice.
pub const DONE: i64 = i64::MAX;

/// All before `from_ms` is sent; of `[from_ms, to_ms)`, each shard's series up to `after` are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Unix milliseconds.
    pub from_ms: i64,
    /// Unix milliseconds; the same as `from_ms` between slices.
    pub to_ms: i64,
    /// A series' id for each shard, or [`DONE`].
    pub after: Vec<i64>,
}

/// What to do next.
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
}

impl Position {
    /// Between two slices.
    pub fn at(from_ms: i64, shards: usize) -> Self {
        Self { from_ms, to_ms: from_ms, after: vec![0; shards] }
    }

    /// From its text. With another number of shards the slice that was begun begins anew.
    pub fn read(text: &str, shards: usize) -> Option<Self> {
        let mut position: Self = serde_json::from_str(text).ok()?;
        if position.after.len() != shards {
            position.after = vec![0; shards];
        }
        Some(position)
    }

    /// As a text.
    pub fn write(&self) -> String {
        serde_json::json!(self).to_string()
    }

    /// The next slice. `oldest_ms` is the oldest sample that the store has.
    pub fn next(&self, now_ms: i64, grace_ms: i64, oldest_ms: Option<i64>) -> Slice {
        // A slice that was begun is ended as it was begun: its series are counted by it.
        if self.to_ms > self.from_ms {
            return Slice::Send { to_ms: self.to_ms };
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

    #[test]
    fn slices_follow_each_other() {
        let check = |from: i64, oldest: Option<i64>, want: Slice| {
            assert_eq!(Position::at(from, 2).next(100_000_000, 15_000, oldest), want);
        };
        check(99_990_000, None, Slice::Wait(5_000));
        check(99_983_000, None, Slice::Wait(3_000));
        check(99_980_000, None, Slice::Send { to_ms: 99_985_000 });
        check(90_000_000, None, Slice::Send { to_ms: 91_800_000 });
        check(200_000_000, None, Slice::Wait(5_000));
        check(90_000_000, Some(95_000_000), Slice::Lost { until_ms: 95_000_000 });
        check(90_000_000, Some(91_000_000), Slice::Send { to_ms: 91_800_000 });
        let begun = Position { from_ms: 90_000_000, to_ms: 90_005_000, after: vec![7, DONE] };
        assert_eq!(begun.next(100_000_000, 15_000, None), Slice::Send { to_ms: 90_005_000 });
        assert_eq!(Position::read(&begun.write(), 2), Some(begun.clone()));
        assert_eq!(Position::read(&begun.write(), 3), Some(Position { after: vec![0; 3], ..begun }));
        assert_eq!(Position::read("{", 2), None);
    }
}

//! That the watchdog was there and looked, written down every few seconds: of what happened while it did not run, or its
//! machine slept, nobody is accused later. Pure.

use std::time::Duration;

use jiff::Timestamp;

/// A mark is written this often: what a crash loses of it counts as not seen.
const MARK_EVERY: Duration = Duration::from_secs(10);
/// Two looks that lie further apart than this have a gap between them: the machine slept, or stood still.
const GAP: Duration = Duration::from_secs(60);

/// From when on it has been there without a gap.
#[derive(Debug, Default)]
pub struct Presence {
    begun: Option<Timestamp>,
    last: Timestamp,
    marked: Timestamp,
}

impl Presence {
    /// Takes a look at the time; returns what is to be written down, from when until when.
    pub fn look(&mut self, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let since = |at: Timestamp| now.duration_since(at);
        match self.begun {
            Some(begun) if now >= begun && since(self.last).unsigned_abs() <= GAP => {
                self.last = now;
                if since(self.marked).unsigned_abs() < MARK_EVERY {
                    return None;
                }
                self.marked = now;
                Some((begun, now))
            }
            before => {
                let ended = before.map(|begun| (begun, self.last)).filter(|(begun, last)| begun <= last);
                *self = Self { begun: Some(now), last: now, marked: now };
                // The new one is written with its first mark.
                ended
            }
        }
    }

    /// Returns what is to be written down at the end.
    pub fn end(&self, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let last = if now.duration_since(self.last).unsigned_abs() <= GAP { now } else { self.last };
        self.begun.map(|begun| (begun, last.max(begun)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_grow_until_there_is_a_gap() {
        let at = |s: i64| Timestamp::from_second(1_700_000_000 + s).unwrap();
        let mut presence = Presence::default();
        let mut check = |now: i64, expected: Option<(i64, i64)>| {
            assert_eq!(presence.look(at(now)), expected.map(|(from, to)| (at(from), at(to))), "at {now}");
        };
        check(0, None);
        check(9, None);
        check(10, Some((0, 10)));
        check(19, None);
        check(70, Some((0, 70)));
        check(75, None);
        // It slept: what was before ended with its last look.
        check(600, Some((0, 75)));
        check(610, Some((600, 610)));
        // The clock was set back.
        check(500, Some((600, 610)));
        check(510, Some((500, 510)));
        assert_eq!(presence.end(at(514)), Some((at(500), at(514))));
        assert_eq!(presence.end(at(9_999)), Some((at(500), at(510))));
        assert_eq!(Presence::default().end(at(0)), None);
    }
}

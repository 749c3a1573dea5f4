//! When the watchdog did not listen: it was down, its machine stood still or its clock was stepped forward, or it was cut
//! off. What may have been said in such a time is unknown, and unknown is not silence. Pure; stored as JSON, whose fields
//! may only grow.

use std::{collections::VecDeque, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// A pause in listening no longer than this loses nothing: `curl --retry 5` goes on trying for 31 seconds.
pub const RETRIED: Duration = Duration::from_secs(30);

/// Times remembered: a month in which the watchdog was cut off every day. The oldest goes first.
const TIMES_MAX: usize = 32;

/// Woken later than this after the last look, the watchdog stood still, or its clock was stepped.
const GAP: SignedDuration = SignedDuration::from_secs(5);

/// A time in which the watchdog did not listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blind {
    /// Its beginning.
    pub from: Timestamp,
    /// Its end; now, where it lasts.
    pub to: Timestamp,
}

impl Blind {
    /// Returns whether reports may have been lost in it: nobody tries again for so long.
    pub fn loses(&self) -> bool {
        self.to.duration_since(self.from) > SignedDuration::try_from(RETRIED).unwrap_or_default()
    }
}

/// Remembers when the watchdog did not listen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Listening {
    /// When it last listened, and wrote so.
    alive_at: Option<Timestamp>,
    /// Since when it has been cut off.
    cut_off: Option<Timestamp>,
    /// Times that have ended, in their order.
    times: VecDeque<Blind>,
    /// The last look.
    #[serde(skip)]
    looked: Option<(Timestamp, Instant)>,
}

impl Listening {
    /// Goes on after a start: between then and now nobody listened.
    pub fn resume(&mut self, now: Timestamp) {
        if let Some(from) = self.cut_off.take().or(self.alive_at).filter(|from| *from < now) {
            self.add(Blind { from, to: now });
        }
        self.alive_at = Some(now);
    }

    /// Looks at the clocks, and at whether the watchdog is cut off (since when). Returns true where something
    /// ended that must be written.
    pub fn look(&mut self, now: Timestamp, mono: Instant, cut_off: Option<Timestamp>) -> bool {
        let mut news = false;
        if let Some((wall, at)) = self.looked {
            let stood = now.duration_since(wall).max(mono.duration_since(at).try_into().unwrap_or_default());
            // A clock that was set back tells nothing of how long it stood.
            if stood > GAP && wall < now {
                self.add(Blind { from: wall, to: now });
                news = true;
            }
        }
        if let (Some(from), None) = (self.cut_off, cut_off) {
            self.add(Blind { from: from.min(now), to: now });
            news = true;
        }
        self.cut_off = cut_off.map(|since| self.cut_off.unwrap_or(since).min(now));
        (self.looked, self.alive_at) = (Some((now, mono)), Some(now));
        news
    }

    fn add(&mut self, mut time: Blind) {
        while let Some(last) = self.times.back().copied().filter(|last| last.to >= time.from) {
            time = Blind { from: time.from.min(last.from), to: time.to.max(last.to) };
            self.times.pop_back();
        }
        self.times.push_back(time);
        while self.times.len() > TIMES_MAX {
            self.times.pop_front();
        }
    }

    /// Returns the times in which it did not listen, in their order; one that lasts ends now.
    pub fn times(&self, now: Timestamp) -> Vec<Blind> {
        // After the clock was set back, no time reaches into the future.
        let past = |b: &Blind| (b.from < now).then_some(Blind { from: b.from, to: b.to.min(now) });
        let lasting = self.cut_off.filter(|from| *from < now).map(|from| Blind { from, to: now });
        self.times.iter().filter_map(past).chain(lasting).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    fn times(listening: &Listening, now: i64) -> Vec<(i64, i64)> {
        let shown = |t: Timestamp| t.as_second() - 1_000_000;
        listening.times(at(now)).iter().map(|b| (shown(b.from), shown(b.to))).collect()
    }

    #[test]
    fn down_cut_off_and_standing_still_are_remembered() {
        let begin = Instant::now();
        let mono = |second: u64| begin + Duration::from_secs(second);
        let mut l = Listening::default();
        l.resume(at(0));
        assert!(times(&l, 0).is_empty(), "the first start");
        assert!(!l.look(at(1), mono(1), None) && !l.look(at(2), mono(2), None));
        // Suspended: the wall clock went on, the other did not.
        assert!(l.look(at(602), mono(3), None));
        // Starved: both went on.
        assert!(l.look(at(702), mono(103), None));
        assert_eq!(times(&l, 702), [(2, 702)]);
        // The clock is set back: no time of its own, and nothing reaches into the future.
        assert!(!l.look(at(500), mono(104), None));
        assert_eq!(times(&l, 500), [(2, 500)]);
        assert!(l.look(at(800), mono(105), None), "set right");
        // Cut off, and killed while it is.
        assert!(!l.look(at(801), mono(106), Some(at(790))));
        assert_eq!(times(&l, 805), [(2, 800), (790, 805)]);
        let mut l: Listening = serde_json::from_str(&serde_json::to_string(&l).unwrap()).unwrap();
        l.resume(at(900));
        assert_eq!(times(&l, 900), [(2, 900)]);
        assert!(!l.look(at(901), mono(0), Some(at(901))));
        assert!(l.look(at(1000), mono(99), None));
        assert_eq!(times(&l, 1000), [(2, 900), (901, 1000)]);
    }

    #[test]
    fn the_oldest_go_first() {
        let mut l = Listening::default();
        for i in 0..100 {
            l.add(Blind { from: at(i * 10), to: at(i * 10 + 5) });
        }
        assert_eq!(times(&l, 2000).len(), TIMES_MAX);
        assert_eq!(times(&l, 2000).last(), Some(&(990, 995)));
        assert!(!Blind { from: at(0), to: at(30) }.loses() && Blind { from: at(0), to: at(31) }.loses());
    }
}

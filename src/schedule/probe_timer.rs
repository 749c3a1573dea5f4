//! When a target is probed next: the regular interval, the quick repeats while in doubt, and what "late" means for it.
//!
//! Pure: time is an argument. A probe never loops; all repetition is decided here.

use std::time::Duration;

use tokio::time::Instant;

/// Between the probes that settle a doubt. Short enough for a verdict within `interval` + 3 s, long enough that one lost
/// packet (TCP retransmits after 1 s) does not fail all of them.
pub const QUICK: Duration = Duration::from_secs(1);
/// Failures in a row that end the doubt, and probes of one target that may overlap. Equal to `health`'s threshold.
pub const SETTLED: u32 = 3;
/// A probe is never called late before this: scheduling noise on a busy machine.
const LATE_MIN: Duration = Duration::from_millis(750);
/// A probe is late past this multiple of the slowest recent success.
const LATE_FACTOR: u32 = 3;
/// How fast the memory of a slow success fades, per success: a habit is forgotten after some dozens of probes.
const FADE: f64 = 0.95;
/// A guess that never answered is looked at this many times less often: it costs little and raises no doubt.
const GUESS_FACTOR: u32 = 6;

/// Decides when one target is probed.
#[derive(Clone, Debug)]
pub struct ProbeTimer {
    interval: Duration,
    timeout: Duration,
    guess: bool,
    /// The next regular tick.
    tick: Instant,
    /// A probe out of turn, while in doubt or hurried.
    extra: Option<Instant>,
    last_start: Option<Instant>,
    failures: u32,
    /// So many of them in a row end the doubt.
    settled: u32,
    /// Down, and one success seen: another settles it.
    rising: bool,
    /// Seconds of the slowest recent success, fading.
    habit: f64,
}

/// Says how punctual the start of a probe is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// How late the probe starts.
    pub lateness: Duration,
    /// Regular ticks that were skipped.
    pub missed: u64,
}

impl ProbeTimer {
    /// Returns the timer of a target whose first probe is due at `first`.
    pub fn new(interval: Duration, timeout: Duration, guess: bool, first: Instant) -> Self {
        Self {
            interval,
            timeout,
            guess,
            tick: first,
            extra: None,
            last_start: None,
            failures: 0,
            settled: SETTLED,
            rising: false,
            habit: 0.0,
        }
    }

    /// Takes so many failures in a row for what ends the doubt, instead of [`SETTLED`].
    pub fn settle_by(&mut self, failures: u32) {
        self.settled = failures.max(1);
    }

    /// Takes new settings; the phase stays.
    pub fn adjust(&mut self, interval: Duration, timeout: Duration, guess: bool) {
        if self.guess && !guess {
            // What has just been adopted is a target like any other: back to its regular interval.
            self.tick = self.last_start.map_or(self.tick, |s| (s + interval).min(self.tick));
        }
        (self.interval, self.timeout, self.guess) = (interval, timeout, guess);
    }

    /// Returns when the next probe is due.
    pub fn next(&self) -> Instant {
        self.extra.map_or(self.tick, |e| e.min(self.tick))
    }

    /// Returns whether the probe that is due is one on its tick, not only one out of turn.
    pub fn is_regular(&self, now: Instant) -> bool {
        self.tick <= now
    }

    /// Leaves out the probe out of turn that is planned.
    pub fn withhold(&mut self) {
        self.extra = None;
    }

    /// Notes that a probe starts now. `spread` in 0..1 places the second tick, so that targets found together part ways.
    pub fn start(&mut self, now: Instant, spread: f64) -> Due {
        let first = self.last_start.is_none();
        let lateness = now.saturating_duration_since(self.next());
        self.last_start = Some(now);
        if first {
            // Thousands that are found at once wait for each other: none has a tick to miss before its first probe.
            self.tick = self.tick.max(now);
        }
        Due { lateness, missed: self.advance(now, if first { 0.5 + spread.clamp(0.0, 1.0) / 2.0 } else { 1.0 }) }
    }

    /// Skips the tick of a probe that is due while enough of them are still running. Returns the ticks skipped.
    pub fn skip(&mut self, now: Instant) -> u64 {
        let regular = u64::from(self.tick <= now);
        regular + self.advance(now, 1.0)
    }

    fn advance(&mut self, now: Instant, first_step: f64) -> u64 {
        if self.extra.is_some_and(|e| e <= now) {
            self.extra = None;
        }
        let mut missed = 0;
        if self.tick <= now {
            let every = self.every();
            self.tick += every.mul_f64(first_step);
            while self.tick <= now {
                self.tick += every;
                missed += 1;
            }
        }
        missed
    }

    /// Notes that a probe that started at `started` has ended while `in_flight` others run.
    /// Returns true where this is news: the first failure of a healthy target, and the one that settles it, since what others know
    /// of it is then wanted.
    pub fn finish(&mut self, ok: bool, in_flight: usize, started: Instant, now: Instant) -> bool {
        if ok {
            let took = now.saturating_duration_since(started).as_secs_f64();
            self.habit = (self.habit * FADE).max(took);
            self.rising = self.failures >= self.settled && !self.rising;
            if !self.rising {
                // What was planned to confirm failures is not needed; a neighbour's doubt still wants its answer.
                if self.failures > 0 {
                    self.extra = None;
                }
                self.failures = 0;
            } else {
                self.hurry(now + QUICK);
            }
            return false;
        }
        self.rising = false;
        self.failures = self.failures.saturating_add(1);
        if self.failures as usize + in_flight < self.settled as usize && !self.guess {
            self.hurry(self.last_start.unwrap_or(started).max(started) + QUICK);
        } else {
            self.extra = None;
        }
        self.failures == 1 || self.failures == self.settled
    }

    /// Notes that the running probe is late: the probes that confirm it overlap with it instead of waiting for its timeout.
    pub fn late(&mut self, now: Instant) {
        self.hurry(now);
    }

    /// Plans a probe at `at`, if none is due before.
    pub fn hurry(&mut self, at: Instant) {
        self.extra = Some(self.extra.map_or(at, |e| e.min(at)));
    }

    /// Plans a probe since a neighbour is in doubt: now, or [`QUICK`] after the last start. What that one saw may have been the moment
    /// before both went down.
    pub fn bring_forward(&mut self, now: Instant) {
        self.hurry(self.last_start.map_or(now, |s| now.max(s + QUICK)));
    }

    /// Returns how long a probe may run before it is called late; `None` where lateness says nothing (a guess, or known down).
    pub fn late_after(&self) -> Option<Duration> {
        (!self.guess && self.failures < self.settled)
            .then(|| (Duration::from_secs_f64(self.habit) * LATE_FACTOR).max(LATE_MIN).min(self.timeout / 2))
    }

    /// Returns whether another probe may overlap with those in flight.
    pub fn may_overlap(&self, in_flight: usize) -> bool {
        in_flight == 0 || (in_flight < SETTLED as usize && self.failures < self.settled)
    }

    /// Returns the time between two regular probes; a guess has a longer one.
    pub fn every(&self) -> Duration {
        if self.guess { self.interval * GUESS_FACTOR } else { self.interval }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn timer(now: Instant) -> ProbeTimer {
        ProbeTimer::new(10 * S, 5 * S, false, now)
    }

    #[test]
    fn ticks_do_not_drift_and_missed_ones_are_counted() {
        let t0 = Instant::now();
        let mut b = timer(t0);
        b.start(t0, 1.0);
        b.finish(true, 0, t0, t0 + S / 100);
        assert_eq!(b.next(), t0 + 10 * S);
        assert_eq!(b.start(t0 + 10 * S + S / 2, 0.3), Due { lateness: S / 2, missed: 0 });
        assert_eq!(b.next(), t0 + 20 * S, "a late start moves no later tick");
        assert_eq!(b.start(t0 + 45 * S, 0.3), Due { lateness: 25 * S, missed: 2 });
        assert_eq!(b.next(), t0 + 50 * S);
    }

    #[test]
    fn a_first_probe_that_waited_has_missed_nothing_and_begins_the_rhythm() {
        let t0 = Instant::now();
        let mut b = timer(t0);
        assert_eq!(b.start(t0 + 25 * S, 1.0), Due { lateness: 25 * S, missed: 0 });
        assert_eq!(b.next(), t0 + 35 * S);
    }

    #[test]
    fn quick_failures_settle_within_two_seconds() {
        let t0 = Instant::now();
        let mut b = timer(t0);
        b.start(t0, 1.0);
        assert!(b.finish(false, 0, t0, t0 + S / 100), "the first failure is news");
        for k in 1..3 {
            assert_eq!(b.next(), t0 + k * S);
            b.start(t0 + k * S, 0.0);
            assert_eq!(b.finish(false, 0, t0 + k * S, t0 + k * S + S / 100), k == 2, "and so is what settles it");
        }
        assert_eq!(b.next(), t0 + 10 * S, "down: back to its regular interval");
    }

    #[test]
    fn a_neighbour_that_was_well_a_moment_ago_is_asked_again() {
        let t0 = Instant::now();
        let mut b = timer(t0);
        b.start(t0, 1.0);
        b.bring_forward(t0 + S / 5);
        b.finish(true, 0, t0, t0 + S / 4);
        assert_eq!(b.next(), t0 + S, "its success may be of the moment before");
        b.start(t0 + S, 0.0);
        b.finish(true, 0, t0 + S, t0 + S + S / 100);
        assert_eq!(b.next(), t0 + 10 * S);
        b.bring_forward(t0 + 3 * S);
        assert_eq!(b.next(), t0 + 3 * S);
    }

    #[test]
    fn silence_is_confirmed_by_overlapping_probes() {
        let t0 = Instant::now();
        let mut b = timer(t0);
        b.start(t0, 1.0);
        let late = t0 + b.late_after().unwrap();
        b.late(late);
        assert_eq!(b.next(), late);
        b.start(late, 0.0);
        let later = late + b.late_after().unwrap();
        b.late(later);
        b.start(later, 0.0);
        assert!(!b.may_overlap(3), "three probes are enough");
        assert!(later + 5 * S <= t0 + 8 * S, "confirmed within timeout + 3 s");
    }

    #[test]
    fn a_slow_habit_is_not_late() {
        let t0 = Instant::now();
        let mut b = timer(t0);
        b.start(t0, 1.0);
        b.finish(true, 0, t0, t0 + S / 2);
        assert_eq!(b.late_after(), Some(S + S / 2));
        for k in 1..200 {
            b.start(t0 + k * 10 * S, 0.0);
            b.finish(true, 0, t0 + k * 10 * S, t0 + k * 10 * S + S / 100);
        }
        assert_eq!(b.late_after(), Some(LATE_MIN), "the habit fades");
    }

    #[test]
    fn recovery_is_settled_quickly() {
        let t0 = Instant::now();
        let mut b = timer(t0);
        for _ in 0..3 {
            b.start(t0, 1.0);
            b.finish(false, 0, t0, t0);
        }
        b.start(t0 + 10 * S, 0.0);
        b.finish(true, 0, t0 + 10 * S, t0 + 10 * S);
        assert_eq!(b.next(), t0 + 11 * S);
        b.start(t0 + 11 * S, 0.0);
        b.finish(true, 0, t0 + 11 * S, t0 + 11 * S);
        assert_eq!(b.next(), t0 + 20 * S);
    }

    #[test]
    fn a_guess_is_looked_at_rarely_and_never_doubted() {
        let t0 = Instant::now();
        let mut b = ProbeTimer::new(10 * S, 5 * S, true, t0);
        b.start(t0, 1.0);
        assert_eq!(b.late_after(), None);
        b.finish(false, 0, t0, t0);
        assert_eq!(b.next(), t0 + 60 * S);
        b.adjust(10 * S, 5 * S, false);
        assert_eq!(b.next(), t0 + 10 * S);
    }
}

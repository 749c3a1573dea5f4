//! Whether we are the slow ones, and how many probes out of turn we afford. Pure: time is an argument.
//!
//! A probe that takes long on a machine that is full tells of the machine. While the schedule itself is late with what it
//! has to do, no probe is called late, and hardly any node is probed out of turn: else the work that could not be done
//! would make more of it. The control plane's few probes in doubt are always afforded: what most depends on is known.

use std::time::Duration;

use tokio::time::Instant;

/// The schedule is late when what it has to do is done this much after its time, on average. A probe waits for its turn
/// some ten times as often, so that this alone makes a probe of milliseconds late (750 ms).
const SLOW: Duration = Duration::from_millis(50);
/// It has caught up when it is below this.
const CAUGHT_UP: Duration = Duration::from_millis(15);
/// And then for so long: probes that began before are still under way.
const RECOVERS: Duration = Duration::from_secs(5);
/// What one look weighs in the average: a dozen of them show a change.
const WEIGHT: f64 = 1.0 / 16.0;
/// One look counts for this much at the most: a machine that stood still once is not slow.
const LOOK_MAX: Duration = Duration::from_millis(500);

/// Probes in doubt for each regular one, in the long run.
const SHARE: f64 = 0.5;
/// So many of them at once, and as many as there are targets: an outage is confirmed at full speed.
const BURST: f64 = 256.0;
/// While we are slow, so many a second all the same, and at once: nothing to a machine that probes hundreds, and all that
/// is wanted where a few nodes die.
const FEW: f64 = 2.0;

/// Watches the schedule's own lateness, and rations probes in doubt.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Seconds.
    lateness: f64,
    slow: bool,
    slow_until: Option<Instant>,
    afforded: f64,
    /// Of [`FEW`], and since when it has grown.
    few: (f64, Option<Instant>),
}

impl Default for Pace {
    fn default() -> Self {
        Self { lateness: 0.0, slow: false, slow_until: None, afforded: BURST, few: (FEW, None) }
    }
}

impl Pace {
    /// Notes how long after its time something was done.
    pub fn note(&mut self, lateness: Duration, now: Instant) {
        self.lateness += (lateness.min(LOOK_MAX).as_secs_f64() - self.lateness) * WEIGHT;
        if self.lateness > SLOW.as_secs_f64() {
            self.slow = true;
        } else if self.slow && self.lateness < CAUGHT_UP.as_secs_f64() {
            self.slow = false;
            self.slow_until = Some(now + RECOVERS);
        }
    }

    /// Returns whether slowness is ours now.
    pub fn is_slow(&self, now: Instant) -> bool {
        self.slow || self.slow_until.is_some_and(|until| now < until)
    }

    /// Notes that a probe has started on its tick, of so many targets.
    pub fn regular(&mut self, targets: usize) {
        #[allow(clippy::cast_precision_loss)] // Thousands.
        let most = BURST + targets as f64;
        self.afforded = (self.afforded + SHARE).min(most);
    }

    /// Returns whether a node may be probed out of turn now; that it is counts.
    pub fn affords(&mut self, now: Instant) -> bool {
        let left = if self.is_slow(now) {
            let grown = self.few.1.map_or(0.0, |since| now.saturating_duration_since(since).as_secs_f64() * FEW);
            self.few = ((self.few.0 + grown).min(FEW), Some(now));
            &mut self.few.0
        } else {
            &mut self.afforded
        };
        let affords = *left >= 1.0;
        if affords {
            *left -= 1.0;
        }
        affords
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn one_pause_is_not_slowness_and_lateness_that_lasts_is() {
        let now = Instant::now();
        let mut pace = Pace::default();
        pace.note(Duration::from_secs(30), now);
        assert!(!pace.is_slow(now), "the machine stood still once");
        (0..200).for_each(|_| pace.note(5 * MS, now));
        assert!(!pace.is_slow(now));
        (0..200).for_each(|_| pace.note(80 * MS, now));
        assert!(pace.is_slow(now));
    }

    #[test]
    fn it_is_slow_until_what_began_then_has_ended() {
        let now = Instant::now();
        let mut pace = Pace::default();
        (0..200).for_each(|_| pace.note(100 * MS, now));
        (0..20).for_each(|_| pace.note(30 * MS, now));
        assert!(pace.is_slow(now + RECOVERS * 2), "better, not well");
        (0..200).for_each(|_| pace.note(MS, now));
        assert!(pace.is_slow(now + RECOVERS / 2) && !pace.is_slow(now + RECOVERS));
    }

    #[test]
    fn probes_in_doubt_are_a_share_of_the_regular_ones() {
        let now = Instant::now();
        let mut pace = Pace::default();
        (0..10_000).for_each(|_| pace.regular(500));
        let burst = (0..10_000).filter(|_| pace.affords(now)).count();
        assert_eq!(burst, 756, "all of a cluster at once, and some");
        (0..100).for_each(|_| pace.regular(500));
        assert_eq!((0..100).filter(|_| pace.affords(now)).count(), 50);
        (0..100).for_each(|_| pace.regular(500));
        (0..200).for_each(|_| pace.note(100 * MS, now));
        let second = Duration::from_secs(1);
        for at in [now, now + second, now + 30 * second] {
            assert_eq!((0..100).filter(|_| pace.affords(at)).count(), 2, "hardly any while we are the slow ones");
        }
    }
}

//! When to try again: exponential backoff with jitter. Pure; time and chance are arguments.

use std::time::Duration;

use jiff::Timestamp;

/// After the first failure: most are over at once.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);

/// The longest pause: a receiver that is back is told within this.
pub const BACKOFF_MAX: Duration = Duration::from_secs(300);

/// The longest pause that a receiver may ask for (`Retry-After`).
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// Returns when the attempt after `attempts` failed ones may start: 1 s, doubling to 5 min, less up to half of it by
/// chance, so that a receiver that returns is not met by everybody at once. `asked` is the receiver's own wish.
pub fn next_attempt(attempts: u32, asked: Option<Duration>, now: Timestamp, rng: &mut fastrand::Rng) -> Timestamp {
    let doublings = attempts.saturating_sub(1).min(16);
    let full = BACKOFF_FIRST.saturating_mul(1 << doublings).min(BACKOFF_MAX);
    let jittered = full.mul_f64(0.5 + rng.f64() / 2.0);
    now + jittered.max(asked.unwrap_or_default().min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(attempts: u32, asked: Option<u64>, at_least_ms: u64, at_most_ms: u64) {
        let now = Timestamp::UNIX_EPOCH;
        for seed in 0..200 {
            let at = next_attempt(attempts, asked.map(Duration::from_secs), now, &mut fastrand::Rng::with_seed(seed));
            let ms = at.as_millisecond() as u64;
            assert!((at_least_ms..=at_most_ms).contains(&ms), "attempt {attempts}: {ms} ms");
        }
    }

    #[test]
    fn backs_off_with_jitter_up_to_five_minutes() {
        check(1, None, 500, 1_000);
        check(2, None, 1_000, 2_000);
        check(5, None, 8_000, 16_000);
        check(10, None, 150_000, 300_000);
        check(u32::MAX, None, 150_000, 300_000);
    }

    #[test]
    fn a_receivers_wish_is_honoured_within_reason() {
        check(1, Some(30), 30_000, 30_000);
        check(1, Some(0), 500, 1_000);
        check(1, Some(u64::MAX), 3_600_000, 3_600_000);
    }
}

//! How moments are compared: with the slack that clocks and probes need, and without failing on absurd input.

use std::time::Duration;

use jiff::Timestamp;

use crate::model::{CertificateFact, TokenFact};

/// Two targets probed every 10 s may notice the same event so far apart, and a bit: a cause may seem younger than its
/// consequence by as much.
const SLACK: Duration = Duration::from_secs(15);

/// By then a process that is restarted serves again: a static pod that is upgraded takes 10 to 15 s.
pub(super) const PROCESS_RESTART: Duration = Duration::from_secs(20);

/// Returns whether `a` is later than `b` by more than a margin.
pub(super) fn later(a: Timestamp, b: Timestamp, margin: Duration) -> bool {
    a > b && a.duration_since(b).unsigned_abs() > margin
}

/// A clock that is ahead of ours by more than this tells nothing that can be waited for.
const AHEAD: Duration = Duration::from_secs(60);

/// Returns a moment that somebody else's clock tells; `None` where it lies ahead of ours.
pub(super) fn past(at: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    at.filter(|at| !later(*at, now, AHEAD))
}

/// A subtraction that can't fail on absurd ages.
pub(super) trait SaturatingAge {
    /// So long before.
    fn saturating_sub_age(self, age: Duration) -> Self;
}

impl SaturatingAge for Timestamp {
    fn saturating_sub_age(self, age: Duration) -> Self {
        self.checked_sub(age).unwrap_or(Timestamp::MIN)
    }
}

/// Returns whether what began at `since` may be a consequence of what began at `cause`.
pub(super) fn follows(since: Timestamp, cause: Timestamp) -> bool {
    !later(cause, since, SLACK)
}

/// A warning this long before a certificate's end…
const WARN: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// …and never earlier than in the last sixth of its life.
const WARN_SHARE: u32 = 6;
/// Critical in the last quarter of the warning: a week of a month.
const CRITICAL_SHARE: u32 = 4;

/// Returns how long before its end the warning begins, and when it turns critical.
pub(super) fn expiry_windows(c: &CertificateFact) -> (Duration, Duration) {
    let lifetime = c.not_after.duration_since(c.not_before);
    let lifetime = if lifetime.is_negative() { Duration::ZERO } else { lifetime.unsigned_abs() };
    let warn = WARN.min(lifetime / WARN_SHARE);
    (warn, warn / CRITICAL_SHARE)
}

/// A token that we renew ourselves is told of in the last third of its life: half of it is there for renewing it…
const RENEWED_SHARE: u32 = 3;
/// …and one that others replace in the last tenth: whoever replaces them does so long before…
const REPLACED_SHARE: u32 = 10;

/// …but neither earlier than a certificate. Returns how long before its end the warning begins, and when it turns critical.
pub(super) fn token_windows(token: &TokenFact) -> (Duration, Duration) {
    let share = if token.is_renewed { RENEWED_SHARE } else { REPLACED_SHARE };
    let warn = WARN.min(token.lifetime() / share);
    (warn, warn / CRITICAL_SHARE)
}

/// Returns whether it is time to warn of a token's end, or past it.
pub fn token_ends_soon(token: &TokenFact, now: Timestamp) -> bool {
    now >= token.ends.saturating_sub_age(token_windows(token).0)
}

/// Returns whether it is time to warn of a certificate's end, or past it.
pub fn expires_soon(c: &CertificateFact, now: Timestamp) -> bool {
    now >= c.not_after.saturating_sub_age(expiry_windows(c).0)
}

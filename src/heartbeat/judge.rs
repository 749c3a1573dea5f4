//! How a heartbeat stands. Pure; the time is an argument.
//!
//! One standing at a time, the most certain first: it is **paused**; it said itself that it **failed**; it runs **too long**; it is
//! **late**; else it runs, is well, or is new. It follows from what was pinged alone, so that a restart judges as before.
//!
//! Never held against a job:
//! - *Time in which the watchdog did not listen* ([`Blind`]). Where a report may have been lost in it, the next one is
//!   waited for; but once only, since of two reports in a row that nobody heard there were rather none, unless the
//!   watchdog was away all the while.
//! - *Clocks a little apart*: a report up to [`CLOCKS_APART`] before its scheduled minute is that minute's.
//! - *A run under way* that began in time: with a `max_duration` it has so long, whatever the deadline of its success
//!   says. Without one it runs too long, rather than being late, from that deadline on.

#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    config::{Expect, Terms},
    listening::{Blind, RETRIED},
    state::State,
};

/// A report so long before its scheduled minute is taken for that minute's: half of the finest schedule.
const CLOCKS_APART: Duration = Duration::from_secs(30);

/// Says how a heartbeat stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It has never succeeded, and need not have.
    New,
    /// In time.
    Ok,
    /// It has begun.
    Running,
    /// A success is missing.
    Late,
    /// It said so.
    Failed,
    /// It has begun and does not end.
    TooLong,
    /// Nobody waits for it.
    Paused,
}

impl Standing {
    /// Every one.
    pub const ALL: [Standing; 7] = [
        Standing::New,
        Standing::Ok,
        Standing::Running,
        Standing::Late,
        Standing::Failed,
        Standing::TooLong,
        Standing::Paused,
    ];

    /// Returns the label `state`.
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::New => "new",
            Standing::Ok => "ok",
            Standing::Running => "running",
            Standing::Late => "late",
            Standing::Failed => "failed",
            Standing::TooLong => "too_long",
            Standing::Paused => "paused",
        }
    }

    /// Returns whether somebody should look.
    pub fn is_bad(self) -> bool {
        matches!(self, Standing::Late | Standing::Failed | Standing::TooLong)
    }
}

impl Terms {
    /// The first moment after `at` at which a success is due.
    fn after(&self, at: Timestamp) -> Timestamp {
        match &self.expect {
            Expect::Every(every) => plus(at, *every),
            Expect::Schedules(schedules, zone) => {
                schedules.iter().filter_map(|s| s.after(at, zone)).min().unwrap_or(Timestamp::MAX)
            }
        }
    }

    /// A success that was due then is missing after this.
    fn overdue(&self, due: Timestamp) -> Timestamp {
        plus(due, self.grace)
    }
}

/// A judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// How it stands.
    pub standing: Standing,
    /// When the next success is missing; grace is in it.
    pub due_by: Timestamp,
    /// When it began to stand so.
    pub since: Timestamp,
    /// A report may have been lost in this time: the one after it is waited for.
    pub excused: Option<Blind>,
}

/// Judges one. `blind` is in the order of time, and no time in it ends after `now`.
pub fn judge(terms: &Terms, state: &State, now: Timestamp, blind: &[Blind]) -> Judged {
    let base = state.last_success.unwrap_or(state.since).max(state.since);
    let (mut due_by, excused) = due_by(terms, base, blind);
    let in_time = |start: &Timestamp| *start <= due_by;
    let (began, started) = (state.began_at.filter(in_time), state.started_at.filter(in_time));
    if let (Some(began), Some(longest)) = (began, terms.max_duration) {
        due_by = due_by.max(plus(began, longest));
    }
    let judged = |standing, since| Judged { standing, due_by, since, excused };
    if let Some(paused) = &state.paused {
        return judged(Standing::Paused, paused.at);
    }
    if let Some(at) = state.failed_at {
        return judged(Standing::Failed, at);
    }
    let limit = match terms.max_duration {
        Some(longest) => state.started_at.map(|start| (start, plus(start, longest))),
        None => started.map(|start| (start, due_by)),
    };
    if let Some((start, limit)) = limit {
        let limit = after_short(limit, blind);
        // Its end may have been told to nobody.
        let lost = blind.iter().any(|b| b.loses() && b.to > start && b.from <= limit);
        if now > limit && !lost {
            return judged(Standing::TooLong, limit);
        }
    }
    match (state.started_at, state.last_success) {
        _ if now > due_by => judged(Standing::Late, due_by),
        (Some(start), _) => judged(Standing::Running, start),
        (None, Some(success)) if success >= state.since => judged(Standing::Ok, success),
        _ => judged(Standing::New, state.since),
    }
}

/// When a success after `base` is missing, and the blind time that moved this.
fn due_by(terms: &Terms, base: Timestamp, blind: &[Blind]) -> (Timestamp, Option<Blind>) {
    // A report comes around its due time: before it as much as after it; at a scheduled minute not before.
    let (due, early) = match terms.expect {
        Expect::Every(_) => (terms.after(base), terms.grace),
        Expect::Schedules(..) => (terms.after(plus(base, CLOCKS_APART)), CLOCKS_APART),
    };
    let earliest = due.checked_sub(early).unwrap_or(Timestamp::MIN);
    let second = terms.overdue(terms.after(plus(due, early)));
    let (mut at, mut at_most, mut excused) = (due, second, None);
    for b in blind.iter().filter(|b| b.loses() && b.to > base) {
        if b.from <= terms.overdue(at) && b.to >= earliest {
            (at, excused) = (at.max(terms.after(b.to)), Some(*b));
        }
        if b.from <= at_most {
            // Still away when the second was overdue: whoever reports can be heard only now.
            let heard = if b.to >= second { terms.after(b.to) } else { b.to };
            at_most = at_most.max(terms.overdue(heard));
        }
    }
    (after_short(terms.overdue(at).min(at_most), blind), excused)
}

/// A short pause in listening around a deadline: who tries again gets through soon after it.
fn after_short(deadline: Timestamp, blind: &[Blind]) -> Timestamp {
    let around = |b: &&Blind| !b.loses() && b.from <= deadline;
    blind.iter().filter(around).map(|b| plus(b.to, RETRIED)).fold(deadline, Timestamp::max)
}

/// Returns since when the monitoring inside a cluster is silent: it speaks all the time, so that it has `silent_after`
/// from when it was last heard, or could first be heard again.
pub fn silence(silent_after: Duration, state: &State, now: Timestamp, blind: &[Blind]) -> Option<Timestamp> {
    let heard = state.last_success.unwrap_or(state.since).max(state.since);
    let mut silent = plus(heard, silent_after);
    for b in blind.iter().filter(|b| b.to > heard) {
        if b.from <= silent {
            silent = silent.max(plus(b.to, silent_after));
        }
    }
    (now > silent).then_some(silent)
}

/// Saturates, since a configured duration may be absurd.
fn plus(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

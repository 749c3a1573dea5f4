//! Times of a day as a clock on the wall shows them, and the moments that they are: for schedules of every kind. Pure.
//!
//! What would be in an hour that is skipped is left out. Of an hour that comes twice, what follows the passing of time is in
//! both passes, anything else in the first alone.

use jiff::{
    Timestamp,
    civil::{Date, Time},
    tz::{AmbiguousOffset, AmbiguousTimestamp, TimeZone},
};

/// Clocks are set back by an hour, on one island by half; more has not been seen since time zones are kept by law.
const SET_BACK_HOURS_MAX: i8 = 3;

/// Times of a day. Bit `n` of a field is set where the value `n` matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WallTimes {
    pub(super) hours: u64,
    pub(super) minutes: u64,
    pub(super) seconds: u64,
    /// It is about every hour, or every minute: the job follows the passing of time, not the clock on the wall.
    pub(super) follows_time: bool,
}

impl WallTimes {
    /// The earliest moment of a day after `at`.
    pub(super) fn within(&self, date: Date, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        // In the first passes of what is shown twice, time follows the wall clock; so it does in the second passes.
        let first = self.pass(date, at, zone, |shown| {
            let skipped = matches!(shown.offset(), AmbiguousOffset::Gap { .. });
            if skipped { None } else { shown.earlier().ok() }
        });
        let second = self.pass(date, at, zone, |shown| {
            let doubled = matches!(shown.offset(), AmbiguousOffset::Fold { .. });
            if doubled && self.follows_time { shown.later().ok() } else { None }
        });
        first.into_iter().chain(second).min()
    }

    /// The first of a day's clock times that becomes a moment after `at`.
    fn pass(
        &self,
        date: Date,
        at: Timestamp,
        zone: &TimeZone,
        moment: impl Fn(AmbiguousTimestamp) -> Option<Timestamp>,
    ) -> Option<Timestamp> {
        let bits = |set: u64| (0..60_i8).filter(move |n| set >> n & 1 == 1);
        // Times long before need no look: no clock is ever set back further.
        let shown = at.to_zoned(zone.clone());
        let from = if shown.date() == date { shown.hour() - SET_BACK_HOURS_MAX } else { 0 };
        let minutes = bits(self.hours)
            .filter(|hour| *hour >= from)
            .flat_map(|hour| bits(self.minutes).map(move |minute| (hour, minute)));
        minutes
            .flat_map(|(hour, minute)| bits(self.seconds).map(move |second| (hour, minute, second)))
            .filter_map(|(hour, minute, second)| Time::new(hour, minute, second, 0).ok())
            .filter_map(|time| moment(zone.to_ambiguous_timestamp(date.to_datetime(time))))
            .find(|found| *found > at)
    }
}

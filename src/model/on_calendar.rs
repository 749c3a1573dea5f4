//! Schedules as systemd's timers have them (`OnCalendar=`, systemd.time(7)). Pure.
//!
//! `[weekdays] [year-]month-day hour:minute[:second] [time zone]`, each part `*`, `a`, `a..b`, `a/n`, `a..b/n` or a list of those
//! with commas; `~` before the day counts from the month's end; also `minutely`, `hourly`, `daily`, `weekly`, `monthly`,
//! `quarterly`, `semiannually`, `yearly`. Fractions of a second are refused: nobody reports in as finely. So is `@` with a
//! Unix time, which is one moment and no schedule. When clocks are set, the rules are those of `cron`.
//!

mod parse;
#[cfg(test)]
mod tests;

use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};

use super::wall_times::WallTimes;

/// The last year of which systemd knows.
const YEAR_MAX: i32 = 2199;

/// A value, a range, or values at a distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    start: i32,
    stop: Option<i32>,
    /// 0: only `start`.
    step: i32,
}

/// What matches: any of its parts, or everything where there is none.
type Parts = Vec<Part>;

/// A schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnCalendar {
    /// Bit 0 is Monday.
    weekdays: u64,
    years: Parts,
    /// Bit `n` is month `n`.
    months: u64,
    days: Parts,
    /// Days count from the month's end: 1 is the last.
    from_end: bool,
    times: WallTimes,
    zone: Option<TimeZone>,
}

impl Part {
    /// Whether it has a value.
    fn has(&self, value: i32) -> bool {
        match self.step {
            0 => value == self.start,
            step => {
                let within = value >= self.start && self.stop.is_none_or(|stop| value <= stop);
                within && (value - self.start) % step == 0
            }
        }
    }

    /// The same in days of a month that has so many, where it counts from its end.
    fn in_month(self, last: i32) -> Self {
        let day = |n: i32| last - (n - 1);
        match self.stop {
            Some(stop) => Self { start: day(stop), stop: Some(day(self.start)), ..self },
            None => Self { start: day(self.start), ..self },
        }
    }
}

/// Whether parts have a value; none have all.
fn has(parts: &[Part], value: i32) -> bool {
    parts.is_empty() || parts.iter().any(|part| part.has(value))
}

impl OnCalendar {
    /// Reads a schedule.
    ///
    /// # Errors
    /// What is wrong with it, in words; also where it matches no day at all, like 31 February.
    pub fn parse(text: &str) -> Result<Self, String> {
        let calendar = parse::calendar(text.trim()).map_err(|why| format!("{text:?}: {why}"))?;
        if calendar.after(Timestamp::UNIX_EPOCH - 2.hours(), &TimeZone::UTC).is_none() {
            return Err(format!("{text:?} matches no day that there is"));
        }
        Ok(calendar)
    }

    /// Returns the first occurrence after `at`, that moment itself not included, in the zone that it names itself, else in
    /// this one; `None`: there is none any more.
    pub fn after(&self, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let zone = self.zone.as_ref().unwrap_or(zone);
        let mut day = at.to_zoned(zone.clone()).date();
        while i32::from(day.year()) <= YEAR_MAX {
            let next = if !has(&self.years, i32::from(day.year())) {
                day.last_of_year().tomorrow()
            } else if self.months >> day.month() & 1 == 0 {
                day.last_of_month().tomorrow()
            } else {
                if self.is_on(day)
                    && let Some(found) = self.times.within(day, at, zone)
                {
                    return Some(found);
                }
                day.tomorrow()
            };
            day = next.ok()?;
        }
        None
    }

    fn is_on(&self, date: Date) -> bool {
        let (day, last) = (i32::from(date.day()), i32::from(date.days_in_month()));
        let on_day = if self.from_end {
            self.days.iter().any(|part| part.in_month(last).has(day))
        } else {
            has(&self.days, day)
        };
        on_day && self.weekdays >> date.weekday().to_monday_zero_offset() & 1 == 1
    }
}

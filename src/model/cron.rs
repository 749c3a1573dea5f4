//! Schedules in cron's five fields, as Kubernetes and Debian's cron(8) read them. Pure.
//!
//! `minute hour day-of-month month day-of-week`, each `*`, `*/n`, `a`, `a-b`, `a-b/n`, `a/n` or a list of those with
//! commas; months and weekdays also by their English names; `?` is `*`; `@hourly`, `@daily`, `@weekly`, `@monthly`,
//! `@yearly`. Where both days are restricted, either suffices; in both dialects.
//!
//! When clocks are set back, what runs at every hour runs in both passes of the doubled hour, anything else is expected
//! in the first alone (Kubernetes runs it twice, cron(8) once; the second run is no harm). When clocks are set forward,
//! what would run in the skipped hour is not expected: Kubernetes leaves it out, cron(8) runs it right afterwards, and an
//! alarm about a job that was never started by design would be a false one.

#[cfg(test)]
mod tests;

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::wall_times::WallTimes;

/// Days looked at for the next occurrence: 29 February may be eight years away (1896 to 1904, 2096 to 2104).
const DAYS_MAX: usize = 8 * 366 + 1;

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// A schedule. Bit `n` of a field is set where the value `n` matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    times: WallTimes,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Both days are restricted: either suffices.
    either_day: bool,
}

/// A field's name, its least and greatest value, and the names that its values have.
struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", min: 0, max: 59, names: &[] },
    Field { name: "hour", min: 0, max: 23, names: &[] },
    Field { name: "day of the month", min: 1, max: 31, names: &[] },
    Field { name: "month", min: 1, max: 12, names: &MONTHS },
    // 7 is Sunday too.
    Field { name: "day of the week", min: 0, max: 7, names: &WEEKDAYS },
];

/// Returns a time zone by its IANA name; UTC where none is given.
///
/// # Errors
/// Where there is no such zone, in words.
pub fn zone(name: Option<&str>) -> Result<TimeZone, String> {
    let get = |name| TimeZone::get(name).map_err(|_| format!("unknown time zone {name}; write it like Europe/Paris"));
    name.map_or(Ok(TimeZone::UTC), get)
}

impl Cron {
    /// Reads a schedule.
    ///
    /// # Errors
    /// What is wrong with it, in words; also where it matches no day at all, like 31 February.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let text = match text {
            "@hourly" => "0 * * * *",
            "@daily" | "@midnight" => "0 0 * * *",
            "@weekly" => "0 0 * * 0",
            "@monthly" => "0 0 1 * *",
            "@yearly" | "@annually" => "0 0 1 1 *",
            _ => text,
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = words[..] else {
            return Err(format!(
                "{text:?} has {} fields; a schedule has 5: minute hour day month weekday",
                words.len()
            ));
        };
        let [in_minute, in_hour, in_day, in_month, in_weekday] = &FIELDS;
        let weekdays = in_weekday.parse(weekday)?;
        let is_open = |field: &str| field.starts_with(['*', '?']);
        let cron = Self {
            times: WallTimes {
                minutes: in_minute.parse(minute)?,
                hours: in_hour.parse(hour)?,
                seconds: 1,
                follows_time: is_open(minute) || is_open(hour),
            },
            days: in_day.parse(day)?,
            months: in_month.parse(month)?,
            weekdays: (weekdays | (weekdays >> 7)) & 0x7f,
            either_day: !is_open(day) && !is_open(weekday),
        };
        // Any start will do: the span that is searched holds every date that there is.
        let some_day = Timestamp::UNIX_EPOCH;
        if cron.after(some_day, &TimeZone::UTC).is_none() {
            return Err(format!("{text:?} matches no day that there is"));
        }
        Ok(cron)
    }

    /// Returns the first occurrence after `at`, that moment itself not included; `None` only at the end of time.
    pub fn after(&self, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let first = at.to_zoned(zone.clone()).date();
        let mut day = first;
        for _ in 0..DAYS_MAX {
            if self.is_on(day)
                && let Some(found) = self.times.within(day, at, zone)
            {
                return Some(found);
            }
            day = day.tomorrow().ok()?;
        }
        None
    }

    fn is_on(&self, date: Date) -> bool {
        let has = |set: u64, value: i8| set >> value & 1 == 1;
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        has(self.months, date.month()) && if self.either_day { day || weekday } else { day && weekday }
    }
}

impl Field {
    fn parse(&self, text: &str) -> Result<u64, String> {
        let mut set = 0;
        for part in text.split(',') {
            set |= self.part(part).map_err(|why| format!("{}: {why} in {text:?}", self.name))?;
        }
        Ok(set)
    }

    fn part(&self, part: &str) -> Result<u64, String> {
        let (range, step) = match part.split_once('/') {
            None => (part, None),
            Some((range, step)) => match step.parse() {
                Ok(step @ 1..=59) => (range, Some(step)),
                _ => return Err(format!("{step:?} is no step")),
            },
        };
        let (from, to) = match (range, range.split_once('-')) {
            ("*" | "?", _) => (self.min, if self.max == 7 { 6 } else { self.max }),
            (_, Some((from, to))) => (self.value(from)?, self.value(to)?),
            // As in both dialects, `a/n` runs to the end.
            (_, None) => (self.value(range)?, if step.is_some() { self.max } else { self.value(range)? }),
        };
        if from > to {
            return Err(format!("{range} runs backwards"));
        }
        Ok((from..=to).step_by(step.unwrap_or(1)).fold(0, |set, n| set | 1 << n))
    }

    fn value(&self, text: &str) -> Result<u32, String> {
        if let Some(at) = self.names.iter().position(|n| n.eq_ignore_ascii_case(text)) {
            return Ok(u32::try_from(at).unwrap_or_default() + self.min);
        }
        match text.parse() {
            Ok(n) if (self.min..=self.max).contains(&n) && text.bytes().all(|b| b.is_ascii_digit()) => Ok(n),
            _ => Err(format!("{text:?} is not from {} to {}", self.min, self.max)),
        }
    }
}

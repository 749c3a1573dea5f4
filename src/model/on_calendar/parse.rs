//! From a text to a schedule, as systemd reads it (systemd.time(7), "Calendar Events"). Pure.

use jiff::tz::TimeZone;

use super::{OnCalendar, Part, Parts, YEAR_MAX};
use crate::model::wall_times::WallTimes;

/// Parts of one list, as systemd has it.
const PARTS_MAX: usize = 240;

/// All days of the week.
const EVERY_DAY: u64 = 0x7f;

/// The first year of which systemd knows.
const YEAR_MIN: i32 = 1970;

const WEEKDAYS: [(&str, &str); 7] = [
    ("monday", "mon"),
    ("tuesday", "tue"),
    ("wednesday", "wed"),
    ("thursday", "thu"),
    ("friday", "fri"),
    ("saturday", "sat"),
    ("sunday", "sun"),
];

/// Short words, and what they stand for.
const WORDS: [(&str, &str); 13] = [
    ("minutely", "*-*-* *:*:00"),
    ("hourly", "*-*-* *:00:00"),
    ("daily", "*-*-* 00:00:00"),
    ("monthly", "*-*-01 00:00:00"),
    ("weekly", "Mon *-*-* 00:00:00"),
    ("yearly", "*-01-01 00:00:00"),
    ("annually", "*-01-01 00:00:00"),
    ("anually", "*-01-01 00:00:00"),
    ("quarterly", "*-01,04,07,10-01 00:00:00"),
    ("semiannually", "*-01,07-01 00:00:00"),
    ("semi-annually", "*-01,07-01 00:00:00"),
    ("biannually", "*-01,07-01 00:00:00"),
    ("bi-annually", "*-01,07-01 00:00:00"),
];

/// Reads a schedule.
pub(super) fn calendar(text: &str) -> Result<OnCalendar, String> {
    let (rest, zone) = zone_of(text);
    if rest.is_empty() {
        return Err("this is empty; write it like Mon..Fri 03:00".into());
    }
    let rest = match WORDS.iter().find(|(word, _)| rest.eq_ignore_ascii_case(word)) {
        Some((_, meaning)) => meaning,
        None => rest,
    };
    let mut cursor = Cursor { rest };
    let weekdays = cursor.weekdays()?;
    let date = cursor.date()?;
    let times = cursor.times()?;
    let (years, months, days, from_end) = date;
    let months = bits(&months, (1, 12), "month", false)?;
    valid(&years, (YEAR_MIN, YEAR_MAX), "year", false)?;
    valid(&days, (1, 31), "day", from_end)?;
    // `~*` is every day.
    let from_end = from_end && !days.is_empty();
    Ok(OnCalendar { weekdays, years, months, days, from_end, times, zone })
}

/// The time zone at the end, and what is before it.
fn zone_of(text: &str) -> (&str, Option<TimeZone>) {
    let named = text.rsplit_once(' ').and_then(|(before, name)| {
        let starts_as_name = name.starts_with(|c: char| c.is_ascii_alphabetic());
        let zone = if name.eq_ignore_ascii_case("UTC") { Some(TimeZone::UTC) } else { TimeZone::get(name).ok() };
        Some((before.trim_end(), zone.filter(|_| starts_as_name)?))
    });
    match named {
        Some((before, zone)) => (before, Some(zone)),
        None => (text, None),
    }
}

struct Cursor<'a> {
    rest: &'a str,
}

/// Years, months, days, and whether days count from the month's end.
type DateParts = (Parts, Parts, Parts, bool);

impl Cursor<'_> {
    fn eat(&mut self, prefix: &str) -> bool {
        let after = self.rest.strip_prefix(prefix);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn spaces(&mut self) {
        self.rest = self.rest.trim_start_matches(' ');
    }

    /// Whether here is the end, or what parts it from the next.
    fn ends(&self) -> bool {
        self.rest.is_empty() || self.rest.starts_with(' ')
    }

    /// A weekday's number from Monday, and what is taken of the text.
    fn weekday(&mut self) -> Option<usize> {
        let lower = self.rest.to_ascii_lowercase();
        let (at, length) = WEEKDAYS.iter().enumerate().find_map(|(at, (long, short))| {
            let name = [long, short].into_iter().find(|name| lower.starts_with(**name))?;
            Some((at, name.len()))
        })?;
        self.rest = &self.rest[length..];
        Some(at)
    }

    fn weekdays(&mut self) -> Result<u64, String> {
        let (mut set, mut from, mut first) = (0_u64, None, true);
        loop {
            let Some(day) = self.weekday() else {
                return if first { Ok(EVERY_DAY) } else { Err(format!("{:?} is no weekday", self.rest)) };
            };
            match from {
                Some(from) if from > day => return Err("a range of weekdays runs from Mon to Sun".into()),
                Some(from) => (from..=day).for_each(|n| set |= 1 << n),
                None => set |= 1 << day,
            }
            if self.ends() {
                break;
            }
            let opens = self.eat("..") || self.eat("-");
            match (opens, from.take()) {
                (true, None) => from = Some(day),
                (true, Some(_)) => return Err("a range of weekdays has two ends".into()),
                (false, _) if self.eat(",") => {}
                (false, _) => return Err(format!("{:?} can't follow a weekday", self.rest)),
            }
            if self.ends() {
                if from.is_some() {
                    return Err("a range of weekdays has no end".into());
                }
                break;
            }
            first = false;
        }
        self.spaces();
        Ok(set)
    }

    /// The date, where there is one; else nothing is taken.
    fn date(&mut self) -> Result<DateParts, String> {
        let any = (Parts::new(), Parts::new(), Parts::new(), false);
        if self.rest.is_empty() {
            return Ok(any);
        }
        if self.rest.starts_with('@') {
            return Err("a Unix time is one moment, no schedule".into());
        }
        let begin = self.rest;
        let first = self.chain("date")?;
        // A time, then.
        if self.rest.is_empty() || self.rest.starts_with(':') {
            self.rest = begin;
            return Ok(any);
        }
        let from_end = self.separator()?;
        let second = self.chain("date")?;
        if self.ends() {
            self.spaces();
            return Ok((Parts::new(), first, second, from_end));
        }
        if from_end {
            return Err("after ~ comes the day, and nothing more of the date".into());
        }
        let from_end = self.separator()?;
        let third = self.chain("date")?;
        if !self.ends() {
            return Err(format!("{:?} can't follow a date", self.rest));
        }
        self.spaces();
        Ok((fixed(first), second, third, from_end))
    }

    /// Between two parts of a date; true where the day counts from the month's end.
    fn separator(&mut self) -> Result<bool, String> {
        if self.eat("~") {
            return Ok(true);
        }
        if self.eat("-") { Ok(false) } else { Err(format!("{:?} is neither a date nor a time", self.rest)) }
    }

    fn times(&mut self) -> Result<WallTimes, String> {
        if self.rest.is_empty() {
            return Ok(WallTimes { hours: 1, minutes: 1, seconds: 1, follows_time: false });
        }
        let hours = self.chain("hour")?;
        if !self.eat(":") {
            return Err("a time has hour and minute, like 03:00".into());
        }
        let minutes = self.chain("minute")?;
        let zero = vec![Part { start: 0, stop: None, step: 0 }];
        let seconds = if self.eat(":") { self.chain("second")? } else { zero };
        if !self.rest.is_empty() {
            return Err(format!("{:?} can't follow a time", self.rest));
        }
        let open = |parts: &Parts| parts.is_empty() || parts.iter().any(|p| p.step > 0 && p.stop.is_none());
        Ok(WallTimes {
            follows_time: open(&hours) || open(&minutes),
            hours: bits(&hours, (0, 23), "hour", false)?,
            minutes: bits(&minutes, (0, 59), "minute", false)?,
            seconds: bits(&seconds, (0, 59), "second", false)?,
        })
    }

    /// `*`, or a list of values, ranges and steps.
    fn chain(&mut self, what: &str) -> Result<Parts, String> {
        if self.eat("*") {
            return Ok(Parts::new());
        }
        let mut parts = Parts::new();
        loop {
            let start = self.number(what)?;
            let stop = if self.eat("..") { Some(self.number(what)?) } else { None };
            // A range with one value in it is that value.
            let step = match self.eat("/") {
                true => Some(self.number(what)?).filter(|n| *n > 0).ok_or("a step of 0 leads nowhere")?,
                false => i32::from(stop.is_some()),
            };
            // A range with one value in it is that value.
            let is_one = stop.is_some_and(|stop| (0..step).contains(&(stop - start)));
            let (stop, step) = if is_one { (None, 0) } else { (stop, step) };
            if !(self.rest.is_empty() || self.rest.starts_with([' ', ',', '-', '~', ':'])) {
                return Err(format!("{:?} can't follow a number", self.rest));
            }
            parts.push(Part { start, stop, step });
            if parts.len() > PARTS_MAX {
                return Err(format!("a list has more than {PARTS_MAX} parts"));
            }
            if !self.eat(",") {
                return Ok(parts);
            }
        }
    }

    fn number(&mut self, what: &str) -> Result<i32, String> {
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, after) = self.rest.split_at(end);
        if what == "second" && after.starts_with('.') && !after.starts_with("..") {
            return Err("fractions of a second are finer than anybody reports in".into());
        }
        let number =
            digits.parse().map_err(|_| format!("here should be a number of the {what}, not {:?}", self.rest))?;
        self.rest = after;
        Ok(number)
    }
}

/// Years of two digits.
fn fixed(years: Parts) -> Parts {
    let year = |n: i32| match n {
        0..70 => n + 2000,
        70..100 => n + 1900,
        _ => n,
    };
    years.into_iter().map(|p| Part { start: year(p.start), stop: p.stop.map(year), ..p }).collect()
}

/// Whether parts are within what there is, as systemd has it.
fn valid(parts: &[Part], (from, to): (i32, i32), what: &str, from_end: bool) -> Result<(), String> {
    // A day further from the month's end than 28 is in no February.
    let to = if from_end { to - 3 } else { to };
    let wrong = |n: i32| Err(format!("{what} {n} is not from {from} to {to}"));
    for part in parts {
        let Part { start, stop, step } = *part;
        if !(from..=to).contains(&start) {
            return wrong(start);
        }
        if step > to - from {
            return Err(format!("a step of {step} is too long for the {what}"));
        }
        match stop {
            Some(stop) if !(from..=to).contains(&stop) => return wrong(stop),
            Some(stop) if stop < start => return Err(format!("{start}..{stop} runs backwards")),
            None if from_end && start - step < from => return Err(format!("{start}/{step} is past the month's end")),
            None if !from_end && start + step > to => return Err(format!("{start}/{step} is past the last {what}")),
            _ => {}
        }
    }
    Ok(())
}

/// The values of parts as bits.
fn bits(parts: &[Part], (from, to): (i32, i32), what: &str, from_end: bool) -> Result<u64, String> {
    valid(parts, (from, to), what, from_end)?;
    Ok((from..=to).filter(|n| super::has(parts, *n)).fold(0, |set, n| set | 1 << n))
}

//! Time intervals: when a route is muted or active. Pure; the time is an argument.
//!
//! As Alertmanager's timeinterval/timeinterval.go: of every kind of range that is given one must hold.

use std::collections::BTreeMap;

use jiff::{Timestamp, Zoned, tz::TimeZone};

use super::config::{IntervalConfig, NamedIntervals, TimesConfig};

const WEEKDAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// A range, both ends included.
type Range = (i32, i32);

#[derive(Clone, Debug)]
struct Interval {
    /// Minutes of the day, the end not included.
    times: Option<Vec<Range>>,
    weekdays: Option<Vec<Range>>,
    days: Option<Vec<Range>>,
    months: Option<Vec<Range>>,
    years: Option<Vec<Range>>,
    zone: TimeZone,
}

/// All intervals, by name.
#[derive(Clone, Debug, Default)]
pub struct Intervals(BTreeMap<String, Vec<Interval>>);

impl Intervals {
    /// Checks a configuration; `key` is its path.
    ///
    /// # Errors
    /// `(path, what is wrong)`.
    pub fn new(configs: &[NamedIntervals], key: &str) -> Result<Self, (String, String)> {
        let mut all = BTreeMap::new();
        for (i, named) in configs.iter().enumerate() {
            let at = format!("{key}[{i}]");
            if named.name.is_empty() {
                return Err((at, "missing name in time interval".into()));
            }
            let mut intervals = Vec::new();
            for (j, config) in named.time_intervals.iter().enumerate() {
                intervals
                    .push(interval(config).map_err(|(below, e)| (format!("{at}.time_intervals[{j}].{below}"), e))?);
            }
            if all.insert(named.name.clone(), intervals).is_some() {
                return Err((format!("{at}.name"), format!("time interval {:?} is not unique", named.name)));
            }
        }
        Ok(Self(all))
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Adds others.
    ///
    /// # Errors
    /// The name that is there already.
    pub fn join(&mut self, other: Self) -> Result<(), String> {
        for (name, intervals) in other.0 {
            if self.0.insert(name.clone(), intervals).is_some() {
                return Err(name);
            }
        }
        Ok(())
    }

    /// Returns the first of the named intervals in which a moment lies.
    pub fn holding<'a>(&self, names: &'a [String], at: Timestamp) -> Option<&'a str> {
        let holds = |name: &&String| self.0.get(*name).is_some_and(|all| all.iter().any(|i| i.contains(at)));
        names.iter().find(holds).map(String::as_str)
    }
}

impl Interval {
    fn contains(&self, at: Timestamp) -> bool {
        let local = at.to_zoned(self.zone.clone());
        let minute = i32::from(local.hour()) * 60 + i32::from(local.minute());
        let within = |ranges: &Option<Vec<Range>>, value: i32| {
            ranges.as_ref().is_none_or(|r| r.iter().any(|(from, to)| (*from..=*to).contains(&value)))
        };
        within(&self.times, minute)
            && self.days.as_ref().is_none_or(|days| days.iter().any(|d| day_within(*d, &local)))
            && within(&self.weekdays, i32::from(local.weekday().to_sunday_zero_offset()))
            && within(&self.months, i32::from(local.month()))
            && within(&self.years, i32::from(local.year()))
    }
}

/// Days count from the end where they are negative; a range never reaches into another month.
fn day_within((from, to): Range, at: &Zoned) -> bool {
    let last = i32::from(at.days_in_month());
    let day = |d: i32| if d < 0 { last + d + 1 } else { d };
    let (from, to) = (day(from), day(to).min(last));
    from <= last && (from..=to).contains(&i32::from(at.day()))
}

/// Reads an interval; what is wrong comes with its place in it.
fn interval(config: &IntervalConfig) -> Result<Interval, (String, String)> {
    let ranges = |key: &str, texts: &Option<Vec<String>>, read: &dyn Fn(&str) -> Result<Range, String>| {
        texts
            .as_ref()
            .map(|t| t.iter().map(|t| read(t)).collect::<Result<Vec<_>, _>>())
            .transpose()
            .map_err(|e| (key.to_owned(), e))
    };
    let times = config.times.as_ref().map(|all| all.iter().enumerate().map(|(i, t)| span(i, t)).collect());
    let zone = match &config.location {
        None => TimeZone::UTC,
        Some(name) if name.is_empty() => TimeZone::UTC,
        Some(name) if name == "Local" => TimeZone::system(),
        Some(name) => TimeZone::get(name)
            .map_err(|_| ("location".to_owned(), format!("unknown time zone {name}; write it like Europe/Paris")))?,
    };
    Ok(Interval {
        times: times.transpose()?,
        weekdays: ranges("weekdays", &config.weekdays, &|t| range(t, &|w| named(w, &WEEKDAYS, 0, "weekday")))?,
        days: ranges("days_of_month", &config.days_of_month, &days)?,
        months: ranges("months", &config.months, &|t| range(t, &|m| month(m)))?,
        years: ranges("years", &config.years, &|t| range(t, &number))?,
        zone,
    })
}

/// Reads the `i`th span of times of day.
fn span(i: usize, t: &TimesConfig) -> Result<Range, (String, String)> {
    let of = |key: &str, text: &str| minute(text).map_err(|e| (format!("times[{i}].{key}"), e));
    let (from, to) = (of("start_time", &t.start_time)?, of("end_time", &t.end_time)?);
    if from >= to {
        let words = format!(
            "start time {} is not before end time {}; a span over midnight is two entries",
            t.start_time, t.end_time
        );
        return Err((format!("times[{i}]"), words));
    }
    Ok((from, to - 1))
}

fn number(text: &str) -> Result<i32, String> {
    text.parse().map_err(|_| format!("{text:?} is not a number"))
}

fn named(text: &str, names: &[&str], first: i32, what: &str) -> Result<i32, String> {
    let at = names.iter().position(|n| n.eq_ignore_ascii_case(text));
    at.and_then(|at| i32::try_from(at).ok()).map(|at| at + first).ok_or_else(|| format!("{text} is not a valid {what}"))
}

fn month(text: &str) -> Result<i32, String> {
    match text.parse::<i32>() {
        Ok(n @ 1..=12) => Ok(n),
        Ok(n) => Err(format!("{n} is not a valid month: out of range")),
        Err(_) => named(text, &MONTHS, 1, "month"),
    }
}

/// `a` or `a:b`.
fn range(text: &str, read: &dyn Fn(&str) -> Result<i32, String>) -> Result<Range, String> {
    let (from, to) = text.split_once(':').unwrap_or((text, text));
    let (from, to) = (read(from.trim())?, read(to.trim())?);
    if from > to { Err(format!("start of {text:?} is after its end")) } else { Ok((from, to)) }
}

fn days(text: &str) -> Result<Range, String> {
    let (from, to) = text.split_once(':').unwrap_or((text, text));
    let (from, to) = (number(from.trim())?, number(to.trim())?);
    let valid = |d: i32| d != 0 && (-31..=31).contains(&d);
    if !valid(from) || !valid(to) {
        return Err(format!("{text:?} is not a valid day of the month: out of range"));
    }
    if from < 0 && to > 0 {
        return Err(format!("{text:?}: the end must be negative if the start is"));
    }
    // In the longest month, in which every valid range is one.
    let in_month = |d: i32| if d < 0 { 31 + d + 1 } else { d };
    if in_month(from) > in_month(to) { Err(format!("{text:?}: the end is before the start")) } else { Ok((from, to)) }
}

/// `HH:MM`, up to `24:00`.
fn minute(text: &str) -> Result<i32, String> {
    let wrong =
        || format!("{text:?} is no time of day; write it like 09:00, from 00:00 to 24:00, which is the end of the day");
    let two = |digits: &str| match digits.as_bytes() {
        [a @ b'0'..=b'9', b @ b'0'..=b'9'] => Some(i32::from(a - b'0') * 10 + i32::from(b - b'0')),
        _ => None,
    };
    let read = text.split_once(':').and_then(|(hour, minute)| Some((two(hour)?, two(minute)?)));
    let (hour, minute) = read.ok_or_else(wrong)?;
    let valid = (0..24).contains(&hour) && (0..60).contains(&minute) || (hour, minute) == (24, 0);
    if valid { Ok(hour * 60 + minute) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intervals(yaml: &str) -> Result<Intervals, (String, String)> {
        let text = format!("- name: x\n  time_intervals:\n  - {yaml}\n");
        Intervals::new(&serde_saphyr::from_str::<Vec<NamedIntervals>>(&text).unwrap(), "time_intervals")
    }

    fn check(yaml: &str, at: &str, expected: bool) {
        let names = ["x".to_owned()];
        let holds = intervals(yaml).unwrap().holding(&names, at.parse().unwrap()).is_some();
        assert_eq!(holds, expected, "{yaml} at {at}");
    }

    #[test]
    fn every_kind_of_range_must_hold() {
        let office = "{times: [{start_time: '09:00', end_time: '17:00'}], weekdays: ['monday:friday']}";
        check(office, "2026-11-23T09:00:00Z", true);
        check(office, "2026-11-23T16:59:59Z", true);
        check(office, "2026-11-23T17:00:00Z", false);
        check(office, "2026-11-22T12:00:00Z", false);
        check("{times: [{start_time: '00:00', end_time: '24:00'}]}", "2026-11-23T23:59:59Z", true);
        check("{days_of_month: ['-3:-1']}", "2026-02-26T00:00:00Z", true);
        check("{days_of_month: ['-3:-1']}", "2026-02-25T00:00:00Z", false);
        check("{days_of_month: [31]}", "2026-04-30T00:00:00Z", false);
        check("{days_of_month: ['28:31']}", "2026-02-28T00:00:00Z", true);
        check("{months: ['may:august', '12']}", "2026-12-01T00:00:00Z", true);
        check("{months: [may]}", "2026-06-01T00:00:00Z", false);
        check("{years: ['2020:2022']}", "2026-06-01T00:00:00Z", false);
        check("{}", "2026-06-01T00:00:00Z", true);
    }

    #[test]
    fn the_time_is_that_of_the_place() {
        let paris = "{times: [{start_time: '02:00', end_time: '04:00'}], location: Europe/Paris}";
        check(paris, "2026-07-01T01:00:00Z", true);
        check(paris, "2026-12-01T01:30:00Z", true);
        check(paris, "2026-12-01T03:30:00Z", false);
    }

    #[test]
    fn what_is_none_is_refused() {
        let check = |yaml: &str, below: &str, words: &str| {
            let (path, message) = intervals(yaml).unwrap_err();
            assert!(path.ends_with(below) && message.contains(words), "{path}: {message}");
        };
        check("{times: [{start_time: '9:00', end_time: '17:00'}]}", ".times[0].start_time", "write it like 09:00");
        for wrong in ["25:00", "24:01", "12:60", "12", "ab:cd", "-1:00", "+9:00"] {
            let entry = "{start_time: '09:00', end_time: '10:00'}";
            let yaml = format!("{{times: [{entry}, {{start_time: '00:00', end_time: '{wrong}'}}]}}");
            check(&yaml, ".times[1].end_time", &format!("{wrong:?} is no time of day; write it like 09:00"));
        }
        check("{times: [{start_time: '22:00', end_time: '06:00'}]}", ".times[0]", "over midnight");
        check("{weekdays: [funday]}", ".weekdays", "not a valid weekday");
        check("{weekdays: ['friday:monday']}", ".weekdays", "after its end");
        check("{days_of_month: [0]}", ".days_of_month", "out of range");
        check("{days_of_month: ['-1:5']}", ".days_of_month", "must be negative");
        check("{months: [13]}", ".months", "out of range");
        check("{location: Mars/Base}", ".location", "unknown time zone");
    }
}

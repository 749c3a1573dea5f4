//! What all formats say in the same words.

use std::time::Duration;

use jiff::Timestamp;

use super::{Line, Report};
use crate::words::Voice;

/// Targets that a report for people lists.
pub const WORST: usize = 10;

/// Says a share: `99.987 %`; never 100 where a second is missing.
pub fn share(share: Option<f64>, voice: &Voice) -> String {
    match share {
        None => voice.word("report-nothing-known"),
        // Cut, not rounded: what was down for a second was not up all of the time.
        Some(share) => voice.decimal(&format!("{:.4} %", (share * 1e6 + 1e-6).floor() / 1e4)),
    }
}

/// Says seconds to the second: `0 s`, `41 s`, `3 h 0 min 12 s`.
pub fn seconds(seconds: u64, voice: &Voice) -> String {
    let (days, hours, minutes, rest) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let parts =
        [(days, "report-days"), (hours, "duration-hours"), (minutes, "duration-minutes"), (rest, "duration-seconds")];
    let first = parts.iter().position(|(n, _)| *n > 0).unwrap_or(3);
    parts[first..].iter().map(|(n, unit)| voice.say(unit, &[("n", (*n).into())])).collect::<Vec<_>>().join(" ")
}

/// Says seconds that may be missing.
pub fn some_seconds(value: Option<u64>, voice: &Voice) -> String {
    value.map_or_else(|| "–".to_owned(), |s| voice.duration(Duration::from_secs(s)))
}

/// Says a mean of seconds that may be missing.
pub fn mean(value: Option<f64>, voice: &Voice) -> String {
    let words = value.and_then(|s| Duration::try_from_secs_f64(s).ok()).map(|d| voice.duration(d));
    words.unwrap_or_else(|| "–".to_owned())
}

/// Says a moment in the report's time zone: `2026-10-03 02:11:07 CEST`.
pub fn moment(at: Timestamp, report: &Report) -> String {
    report.voice.moment(at)
}

/// Says what it is: `Availability: October 2026`.
pub fn title(report: &Report, escaped: fn(&str) -> String) -> String {
    report.voice.say("report-title", &[("what", escaped(&report.title).into())])
}

/// Says from when to when it goes, when it was made, and how it is to be read.
pub fn span(report: &Report, escaped: fn(&str) -> String) -> String {
    let at = |at: Timestamp| moment(at, report).into();
    let (zone, made) = (escaped(&report.time_zone), at(report.made_at));
    let vars = [("from", at(report.from)), ("to", at(report.to)), ("made", made), ("zone", zone.into())];
    report.voice.say("report-span", &vars)
}

/// Says where something was: what is of no cluster is the watchdog's own.
pub fn place(cluster: &str) -> &str {
    if cluster.is_empty() { "dogwatch" } else { cluster }
}

/// Returns the targets that a report for people lists: those that were down longest.
pub fn worst(report: &Report) -> impl Iterator<Item = &Line> {
    report.targets.iter().filter(|line| line.seconds.down > 0).take(WORST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_rounded_up_to_always() {
        assert_eq!(share(Some(1.0), &Voice::default()), "100.0000 %");
        assert_eq!(share(Some(2_678_399.0 / 2_678_400.0), &Voice::default()), "99.9999 %");
        assert_eq!(share(Some(0.99987), &Voice::default()), "99.9870 %");
        assert_eq!(share(None, &Voice::default()), "nothing is known");
    }

    #[test]
    fn seconds_are_said_in_full() {
        for (n, words) in
            [(0, "0 s"), (41, "41 s"), (60, "1 min 0 s"), (10_812, "3 h 0 min 12 s"), (86_400, "1 d 0 h 0 min 0 s")]
        {
            assert_eq!(seconds(n, &Voice::default()), words);
        }
    }
}

//! Durations and moments in somebody's words and time zone. In English and UTC they read as `model::text` says them, which a
//! test holds.

use std::time::Duration;

use jiff::{Timestamp, civil::Date};

use super::Voice;
use crate::model::text;

impl Voice {
    /// Says a duration in its two largest units: `4 min 12 s`, `3 days 4 h`.
    pub fn duration(&self, d: Duration) -> String {
        let s = d.as_secs();
        let one = |id: &'static str, n: u64| self.say(id, &[("n", n.into())]);
        let two = |large: String, id: &'static str, n: u64| match n {
            0 => large,
            n => self.say("duration-two", &[("large", large.into()), ("small", one(id, n).into())]),
        };
        match s {
            0 if d.as_millis() >= 100 => self.decimal(&format!("0.{} s", d.as_millis() / 100)),
            0 => self.word("duration-none"),
            1..60 => one("duration-seconds", s),
            60..3_600 => two(one("duration-minutes", s / 60), "duration-seconds", s % 60),
            3_600..86_400 => two(one("duration-hours", s / 3_600), "duration-minutes", s % 3_600 / 60),
            _ => two(one("duration-days", s / 86_400), "duration-hours", s % 86_400 / 3_600),
        }
    }

    /// Says how long ago `then` was; nothing is ever in the future, whatever the clocks say.
    pub fn between(&self, then: Timestamp, now: Timestamp) -> String {
        self.duration(Duration::try_from(now.duration_since(then)).unwrap_or_default())
    }

    /// Says a moment with its date: `2026-11-23 14:02:11 UTC`.
    pub fn moment(&self, at: Timestamp) -> String {
        self.written(at, "moment-format")
    }

    /// Says a moment, with the date only where it is not today's.
    pub fn moment_today(&self, at: Timestamp, now: Timestamp) -> String {
        let day = |at: Timestamp| at.to_zoned(self.zone.clone()).date();
        self.written(at, if day(at) == day(now) { "time-format" } else { "moment-format" })
    }

    /// Says a date: `2026-11-23`.
    pub fn date(&self, at: Timestamp) -> String {
        self.written(at, "date-format")
    }

    /// Says the time of day: `14:02:11 UTC`.
    pub fn time(&self, at: Timestamp) -> String {
        self.written(at, "time-format")
    }

    fn written(&self, at: Timestamp, format: &str) -> String {
        at.to_zoned(self.zone.clone()).strftime(&self.word(format)).to_string()
    }

    /// Says a latency: `12 ms`, `2.03 s`.
    pub fn latency(&self, d: Duration) -> String {
        self.decimal(&text::latency(d))
    }
}

/// Says a month: `October 2026`.
pub fn month_title(voice: &Voice, month: Date) -> String {
    let (number, year) = (u64::from(month.month().unsigned_abs()), month.year().to_string());
    voice.say("month-title", &[("month", number.into()), ("year", year.into())])
}

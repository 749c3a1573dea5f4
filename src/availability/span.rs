//! Spans of time in whole seconds, months of a calendar among them.

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::Serialize;

/// From one second to another, in Unix time; the end is not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Span {
    /// The first second.
    pub from: i64,
    /// The first second behind it.
    pub to: i64,
}

impl Span {
    /// Returns the span between two moments, each taken to the full second before it.
    pub fn between(from: Timestamp, to: Timestamp) -> Self {
        Self { from: floor(from), to: floor(to) }
    }

    /// Returns how many seconds it has; an end before the beginning makes it empty.
    pub fn seconds(self) -> u64 {
        u64::try_from(self.to.saturating_sub(self.from)).unwrap_or(0)
    }

    /// Returns the part that it shares with another.
    pub fn within(self, other: Self) -> Self {
        Self { from: self.from.max(other.from), to: self.to.min(other.to) }
    }
}

/// Returns the full second before a moment, as Unix time.
pub fn floor(at: Timestamp) -> i64 {
    at.as_microsecond().div_euclid(1_000_000)
}

/// Returns spans in their order, joined where they overlap or touch; empty ones are left out.
pub fn joined(spans: impl IntoIterator<Item = Span>) -> Vec<Span> {
    let mut all: Vec<Span> = spans.into_iter().filter(|s| s.seconds() > 0).collect();
    all.sort_unstable();
    let mut out: Vec<Span> = Vec::new();
    for span in all {
        match out.last_mut() {
            Some(last) if span.from <= last.to => last.to = last.to.max(span.to),
            _ => out.push(span),
        }
    }
    out
}

/// Reads a month as people write it: `2026-10`. Returns its first day.
///
/// # Errors
/// When it is none, in words.
pub fn parse_month(text: &str) -> Result<Date, String> {
    let wrong = || format!("{text:?} is no month: write it like 2026-10");
    let day: Date = format!("{text}-01").parse().map_err(|_| wrong())?;
    // `2026-10-01T…-01` and the like would be read, too.
    if day.strftime("%Y-%m").to_string() == text { Ok(day) } else { Err(wrong()) }
}

/// Returns the month of the calendar that begins with a day, and as many as are asked for behind it, each with its first
/// day, as a time zone has them: summer time makes one of them an hour shorter, another longer.
pub fn months(first: Date, count: usize, zone: &TimeZone) -> Vec<(Date, Span)> {
    let second = |day: Date| day.to_zoned(zone.clone()).ok().map(|z| floor(z.timestamp()));
    let mut out = Vec::new();
    let mut day = first.first_of_month();
    while out.len() < count {
        let Ok(next) = day.checked_add(jiff::Span::new().months(1)) else { break };
        let Some((from, to)) = second(day).zip(second(next)) else { break };
        out.push((day, Span { from, to }));
        day = next;
    }
    out
}

//! Times, durations and counts as people read them. Pure; the moment is an argument.

use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};

/// A duration in its two largest units: `0.4 s`, `12 s`, `3 min 10 s`, `2 h 5 min`, `3 d 4 h`.
pub fn lasting(duration: Duration) -> String {
    let s = duration.as_secs();
    let two = |big: u64, big_unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{big} {big_unit}"),
        _ => format!("{big} {big_unit} {small} {small_unit}"),
    };
    match s {
        0 if duration.as_millis() >= 100 => format!("0.{} s", duration.as_millis() / 100),
        0..60 => format!("{s} s"),
        60..600 => two(s / 60, "min", s % 60, "s"),
        600..3600 => format!("{} min", s / 60),
        3600..86_400 => two(s / 3600, "h", s % 3600 / 60, "min"),
        _ => two(s / 86_400, "d", s % 86_400 / 3600, "h"),
    }
}

/// How long ago `then` was; nothing is ever in the future, whatever the clocks say.
pub fn between(then: Timestamp, now: Timestamp) -> String {
    lasting(Duration::try_from(now.duration_since(then)).unwrap_or_default())
}

/// The time of day in UTC, with the date where it is not today's: `06:55:59 UTC`, `2026-11-22 23:10:00 UTC`.
pub fn moment(at: Timestamp, now: Timestamp) -> String {
    let (at, now) = (at.to_zoned(TimeZone::UTC), now.to_zoned(TimeZone::UTC));
    let format = if at.date() == now.date() { "%H:%M:%S UTC" } else { "%Y-%m-%d %H:%M:%S UTC" };
    at.strftime(format).to_string()
}

/// The date in UTC: `2026-11-22`.
pub fn date(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).date().to_string()
}

/// A latency: `0.4 ms`, `12 ms`, `2.03 s`.
pub fn latency(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1000.0;
    match ms {
        ..1.0 => format!("{ms:.1} ms"),
        1.0..999.5 => format!("{ms:.0} ms"),
        _ => format!("{:.2} s", ms / 1000.0),
    }
}

/// A number with its thousands apart: `4,987`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A size: `512 B`, `491.5 kB`, `2.1 GB` (powers of 1000).
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// `1 target`, `14 targets`.
pub fn plural(n: usize, one: &str, many: &str) -> String {
    format!("{} {}", count(n as u64), if n == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_keep_their_two_largest_units() {
        let check = |seconds: f64, expected: &str| assert_eq!(lasting(Duration::from_secs_f64(seconds)), expected);
        check(0.0, "0 s");
        check(0.43, "0.4 s");
        check(12.9, "12 s");
        check(60.0, "1 min");
        check(190.0, "3 min 10 s");
        check(845.0, "14 min");
        check(7500.0, "2 h 5 min");
        check(86_400.0 * 3.0 + 4.0 * 3600.0 + 59.0, "3 d 4 h");
        check(86_400.0 * 400.0, "400 d");
    }

    #[test]
    fn moments_carry_their_date_when_it_is_another_day() {
        let now: Timestamp = "2026-11-23T06:55:59Z".parse().unwrap();
        assert_eq!(moment(now, now), "06:55:59 UTC");
        assert_eq!(moment("2026-11-22T23:10:00Z".parse().unwrap(), now), "2026-11-22 23:10:00 UTC");
        assert_eq!(between("2026-11-23T06:52:49Z".parse().unwrap(), now), "3 min 10 s");
        assert_eq!(between("2026-11-23T07:52:49Z".parse().unwrap(), now), "0 s", "from a clock ahead of ours");
        assert_eq!(date(Timestamp::MAX), "9999-12-30");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!([count(0), count(999), count(1000), count(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([size(0), size(999), size(491_520), size(2_147_483_648)], ["0 B", "999 B", "491.5 kB", "2.1 GB"]);
        let ms = |n| latency(Duration::from_micros(n));
        assert_eq!([ms(400), ms(12_300), ms(999_400), ms(2_032_619)], ["0.4 ms", "12 ms", "999 ms", "2.03 s"]);
        assert_eq!([plural(1, "target", "targets"), plural(5000, "target", "targets")], ["1 target", "5,000 targets"]);
    }
}

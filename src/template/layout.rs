//! Times in Go's layouts (`2006-01-02 15:04:05`). Pure.

use jiff::{Timestamp, Zoned, tz::TimeZone};

/// Go's reference parts, longer ones first, with strftime's.
const PARTS: [(&str, &str); 25] = [
    ("January", "%B"),
    ("Monday", "%A"),
    ("Jan", "%b"),
    ("Mon", "%a"),
    ("MST", "%Z"),
    ("2006", "%Y"),
    ("Z07:00", "%:z"),
    ("-07:00", "%:z"),
    ("-0700", "%z"),
    ("000000000", "%9f"),
    ("000000", "%6f"),
    ("000", "%3f"),
    ("_2", "%e"),
    ("01", "%m"),
    ("02", "%d"),
    ("15", "%H"),
    ("03", "%I"),
    ("04", "%M"),
    ("05", "%S"),
    ("06", "%y"),
    ("PM", "%p"),
    ("pm", "%P"),
    ("1", "%-m"),
    ("2", "%-d"),
    ("3", "%-I"),
];

/// Go's zero time: year 1.
pub const ZERO: Timestamp = Timestamp::constant(-62_135_596_800, 0);

/// Formats a time by a layout.
pub fn format(at: &Zoned, layout: &str) -> String {
    at.strftime(&pattern(layout)).to_string()
}

/// Reads a time that is written by a layout; where it names no zone, UTC.
///
/// # Errors
/// When it is not written so.
pub fn read(layout: &str, text: &str) -> Result<Timestamp, String> {
    let wrong = |_| format!("cannot parse {text:?} as {layout:?}");
    let parts = jiff::fmt::strtime::parse(pattern(layout), text).map_err(wrong)?;
    if let Ok(at) = parts.to_timestamp() {
        return Ok(at);
    }
    let time = parts.to_time().unwrap_or_default();
    let zoned = parts.to_date().and_then(|date| date.to_datetime(time).to_zoned(TimeZone::UTC)).map_err(wrong)?;
    Ok(zoned.timestamp())
}

/// A layout as strftime has it.
fn pattern(layout: &str) -> String {
    let mut pattern = String::new();
    let mut rest = layout;
    'next: while let Some(c) = rest.chars().next() {
        for (go, ours) in PARTS {
            if let Some(after) = rest.strip_prefix(go) {
                pattern.push_str(ours);
                rest = after;
                continue 'next;
            }
        }
        if c == '%' {
            pattern.push('%');
        }
        pattern.push(c);
        rest = &rest[c.len_utf8()..];
    }
    pattern
}

/// As Go prints a time: `2009-02-13 23:31:30 +0000 UTC`.
pub fn plain(at: Timestamp) -> String {
    let zoned = at.to_zoned(TimeZone::UTC);
    let fraction = match at.subsec_nanosecond() {
        0 => String::new(),
        n => format!(".{n:09}").trim_end_matches('0').to_owned(),
    };
    format!("{}{fraction} +0000 UTC", zoned.strftime("%Y-%m-%d %H:%M:%S"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_of_go() {
        let at: Timestamp = "2026-11-03T09:05:07.25Z".parse().unwrap();
        let check = |layout: &str, expected: &str| assert_eq!(format(&at.to_zoned(TimeZone::UTC), layout), expected);
        check("2006-01-02T15:04:05Z07:00", "2026-11-03T09:05:07+00:00");
        check("Mon, 2 Jan 2006 15:04 MST", "Tue, 3 Nov 2026 09:05 UTC");
        check("03:04 PM, %", "09:05 AM, %");
        assert_eq!(read("2006-01-02 15:04", "2026-11-03 09:05").unwrap(), "2026-11-03T09:05:00Z".parse().unwrap());
        assert_eq!(read("2006-01-02T15:04:05Z07:00", "2026-11-03T09:05:07+01:00").unwrap().as_second() % 60, 7);
        assert!(read("2006-01-02", "tomorrow").is_err());
        assert_eq!(plain(at), "2026-11-03 09:05:07.25 +0000 UTC");
    }
}

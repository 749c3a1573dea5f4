//! Times and durations as people type them.

use jiff::Timestamp;

/// `2026-01-02T03:04:05Z`, Unix seconds, `now`, or so long ago: `-1h30m`. Unix milliseconds.
///
/// # Errors
/// When it is none of these, in words.
pub fn parse(text: &str, now_ms: i64) -> Result<i64, String> {
    if text == "now" {
        return Ok(now_ms);
    }
    if let Ok(seconds) = text.parse::<f64>()
        && seconds >= 0.0
    {
        #[allow(clippy::cast_possible_truncation)] // Saturates; the range check of the query says what is wrong then.
        return Ok((seconds * 1e3) as i64);
    }
    if let Some(ago) = text.strip_prefix('-') {
        return duration_ms(ago).map(|ms| now_ms - ms);
    }
    let time = text.parse::<Timestamp>().map(Timestamp::as_millisecond);
    time.map_err(|_| {
        format!("{text:?} is no time: write 2026-01-02T03:04:05Z, Unix seconds, now, or -1h (an hour ago)")
    })
}

/// `15s`, `1h30m`, `90` (seconds). Milliseconds, above 0.
///
/// # Errors
/// When it is neither, in words.
pub fn duration_ms(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text:?} is no duration: write 15s, 5m, 1h30m, 7d");
    let duration = match text.parse::<f64>() {
        Ok(seconds) => std::time::Duration::try_from_secs_f64(seconds).map_err(|_| wrong())?,
        Err(_) => humantime::parse_duration(text).map_err(|_| wrong())?,
    };
    i64::try_from(duration.as_millis()).ok().filter(|ms| *ms > 0).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_type_them() {
        let now = 1_700_000_000_000;
        let check = |text: &str, want: Option<i64>| assert_eq!(parse(text, now).ok(), want, "{text}");
        check("now", Some(now));
        check("1700000000.5", Some(now + 500));
        check("-1h30m", Some(now - 5_400_000));
        check("2023-11-14T22:13:20Z", Some(now));
        check("yesterday", None);
        check("-yesterday", None);
        check("-0s", None);
    }
}

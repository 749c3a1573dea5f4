//! Parts of a date, in UTC, of a Unix time in seconds.
//!
//! By days since 1970 (Howard Hinnant's civil_from_days), since PromQL's times reach beyond every calendar library's years.
//! What is no time at all has the date that Go gives it, so that answers are Prometheus' own.

const DAY: i64 = 86_400;

/// The first second of Go's calendar, 1 January of the year -292277022399 (time.absoluteZeroYear): its clock wraps there.
const GO_ZERO: i64 = -9_223_372_028_715_321_600;

/// Whole days since 1970, and seconds into the day.
fn split(v: f64) -> (i64, i64) {
    // Go cuts towards zero; NaN and what is out of range become the smallest number, as on amd64. From 2^63 on is out.
    #[allow(clippy::cast_possible_truncation)] // In range, by the condition.
    let seconds = if (-TWO_63..TWO_63).contains(&v) { v as i64 } else { i64::MIN };
    let wrapped = i128::from(seconds) + if seconds < GO_ZERO { 1 << 64 } else { 0 };
    let day = i128::from(DAY);
    // Both are far inside: 2^64 seconds are 2 * 10^14 days.
    let small = |n: i128| i64::try_from(n).unwrap_or_default();
    (small(wrapped.div_euclid(day)), small(wrapped.rem_euclid(day)))
}

const TWO_63: f64 = 9_223_372_036_854_775_808.0;

/// Year, month from 1, day from 1.
fn civil(v: f64) -> (i64, i64, i64) {
    let z = split(v).0 + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn month_length(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// 0 to 59.
pub fn minute(v: f64) -> f64 {
    (split(v).1 % 3_600 / 60) as f64
}

/// 0 to 23.
pub fn hour(v: f64) -> f64 {
    (split(v).1 / 3_600) as f64
}

/// 0 (Sunday) to 6.
pub fn day_of_week(v: f64) -> f64 {
    (split(v).0 + 4).rem_euclid(7) as f64
}

/// 1 to 31.
pub fn day_of_month(v: f64) -> f64 {
    civil(v).2 as f64
}

/// 1 to 366.
pub fn day_of_year(v: f64) -> f64 {
    let (year, month, day) = civil(v);
    ((1..month).map(|m| month_length(year, m)).sum::<i64>() + day) as f64
}

/// 28 to 31.
pub fn days_in_month(v: f64) -> f64 {
    let (year, month, _) = civil(v);
    month_length(year, month) as f64
}

/// 1 to 12.
pub fn month(v: f64) -> f64 {
    civil(v).1 as f64
}

/// Returns the year.
pub fn year(v: f64) -> f64 {
    civil(v).0 as f64
}

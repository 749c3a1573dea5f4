//! Numbers as Go writes them (strconv.FormatFloat, fmt). Pure.

/// Returns `%v` of a float64: the shortest digits, with an exponent below -4 and from 6 on.
pub fn shortest(v: f64) -> String {
    general(v, None)
}

/// Returns `%g`, `%.4g`.
pub fn general(v: f64, precision: Option<usize>) -> String {
    if let Some(text) = special(v) {
        return text;
    }
    let scientific = match precision {
        None => format!("{v:e}"),
        Some(p) => format!("{:.*e}", p.max(1) - 1, v),
    };
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let negative = mantissa.starts_with('-');
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = match digits.trim_end_matches('0') {
        "" => "0",
        some => some,
    };
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    // As strconv decides: the shortest form counts as six digits, any other as its precision.
    let limit = match precision {
        None => 6,
        Some(p) => {
            let p = i32::try_from(p.max(1)).unwrap_or(i32::MAX);
            if p > count && count > exponent { count } else { p }
        }
    };
    let body = if exponent < -4 || exponent >= limit {
        let rest = if digits.len() > 1 { format!(".{}", &digits[1..]) } else { String::new() };
        format!("{}{rest}e{}{:02}", &digits[..1], if exponent < 0 { '-' } else { '+' }, exponent.abs())
    } else if exponent < 0 {
        format!("0.{}{digits}", "0".repeat(usize::try_from(-exponent - 1).unwrap_or(0)))
    } else {
        let whole = usize::try_from(exponent).unwrap_or(0) + 1;
        if digits.len() <= whole {
            format!("{digits}{}", "0".repeat(whole - digits.len()))
        } else {
            format!("{}.{}", &digits[..whole], &digits[whole..])
        }
    };
    if negative { format!("-{body}") } else { body }
}

/// Returns `%e`.
pub fn exponential(v: f64, precision: usize) -> String {
    if let Some(text) = special(v) {
        return text;
    }
    let text = format!("{v:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

/// Returns `%f`.
pub fn fixed(v: f64, precision: usize) -> String {
    special(v).unwrap_or_else(|| format!("{v:.precision$}"))
}

fn special(v: f64) -> Option<String> {
    if v.is_nan() {
        return Some("NaN".into());
    }
    v.is_infinite().then(|| if v > 0.0 { "+Inf".into() } else { "-Inf".into() })
}

const LARGE: [&str; 8] = ["k", "M", "G", "T", "P", "E", "Z", "Y"];
const LARGE_1024: [&str; 8] = ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"];
const SMALL: [&str; 8] = ["m", "u", "n", "p", "f", "a", "z", "y"];

fn four(v: f64) -> String {
    general(v, Some(4))
}

/// Prometheus' `humanize` (template/template.go).
pub fn humanize(mut v: f64) -> String {
    if v == 0.0 || !v.is_finite() {
        return four(v);
    }
    let mut prefix = "";
    if v.abs() >= 1.0 {
        for p in LARGE {
            if v.abs() < 1000.0 {
                break;
            }
            prefix = p;
            v /= 1000.0;
        }
    } else {
        (v, prefix) = smaller(v);
    }
    format!("{}{prefix}", four(v))
}

fn smaller(mut v: f64) -> (f64, &'static str) {
    let mut prefix = "";
    for p in SMALL {
        if v.abs() >= 1.0 {
            break;
        }
        prefix = p;
        v *= 1000.0;
    }
    (v, prefix)
}

/// Prometheus' `humanize1024`.
pub fn humanize_1024(mut v: f64) -> String {
    if v.abs() <= 1.0 || !v.is_finite() {
        return four(v);
    }
    let mut prefix = "";
    for p in LARGE_1024 {
        if v.abs() < 1024.0 {
            break;
        }
        prefix = p;
        v /= 1024.0;
    }
    format!("{}{prefix}", four(v))
}

/// Prometheus' `humanizeDuration`; seconds.
pub fn humanize_duration(v: f64) -> String {
    if !v.is_finite() {
        return four(v);
    }
    if v == 0.0 {
        return format!("{}s", four(v));
    }
    if v.abs() < 1.0 {
        let (v, prefix) = smaller(v);
        return format!("{}{prefix}s", four(v));
    }
    let (sign, v) = if v < 0.0 { ("-", -v) } else { ("", v) };
    #[allow(clippy::cast_possible_truncation)] // Saturates; nobody waits so long.
    let whole = v as i64;
    let (s, m, h, d) = (whole % 60, whole / 60 % 60, whole / 3_600 % 24, whole / 86_400);
    match (d, h, m) {
        (0, 0, 0) => format!("{sign}{}s", four(v)),
        (0, 0, m) => format!("{sign}{m}m {s}s"),
        (0, h, m) => format!("{sign}{h}h {m}m {s}s"),
        (d, h, m) => format!("{sign}{d}d {h}h {m}m {s}s"),
    }
}

/// Prometheus' `humanizePercentage`.
pub fn humanize_percentage(v: f64) -> String {
    format!("{}%", four(v * 100.0))
}

/// Seconds as Go prints a `time.Duration`: `1h30m0s`, `1.5s`, `20ms`.
pub fn go_duration(seconds: f64) -> String {
    const SECOND: u64 = 1_000_000_000;
    #[allow(clippy::cast_possible_truncation)] // Saturates, as Go's conversion nearly does.
    let nanos = (seconds * 1e9) as i64;
    let size = nanos.unsigned_abs();
    let sign = if nanos < 0 { "-" } else { "" };
    // Whole units, and the rest without the zeros at its end.
    let with_rest = |n: u64, unit: u64, digits: usize| {
        let rest = format!("{:0digits$}", n % unit);
        let rest = rest.trim_end_matches('0');
        format!("{}{}{rest}", n / unit, if rest.is_empty() { "" } else { "." })
    };
    match size {
        0 => "0s".into(),
        1..1_000 => format!("{sign}{size}ns"),
        1_000..1_000_000 => format!("{sign}{}µs", with_rest(size, 1_000, 3)),
        1_000_000..SECOND => format!("{sign}{}ms", with_rest(size, 1_000_000, 6)),
        _ => {
            let minutes = size / (60 * SECOND);
            let seconds = with_rest(size % (60 * SECOND), SECOND, 9);
            let hours = if minutes >= 60 { format!("{}h", minutes / 60) } else { String::new() };
            let minutes = if minutes > 0 { format!("{}m", minutes % 60) } else { String::new() };
            format!("{sign}{hours}{minutes}{seconds}s")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_go_does() {
        let check = |v: f64, expected: &str| assert_eq!(shortest(v), expected);
        check(0.1 + 0.2, "0.30000000000000004");
        check(0.0, "0");
        check(-2.5, "-2.5");
        check(100_000.0, "100000");
        check(1e-5, "1e-05");
        check(0.0001, "0.0001");
        check(f64::NAN, "NaN");
        check(f64::NEG_INFINITY, "-Inf");
        let four = |v: f64, expected: &str| assert_eq!(general(v, Some(4)), expected);
        four(1000.0, "1000");
        four(10_000.0, "1e+04");
        four(0.000_123_45, "0.0001234");
        four(99.999, "100");
        four(12.3456, "12.35");
    }

    #[test]
    fn people_read_this() {
        assert_eq!(
            [humanize(1_234_567.0), humanize(-0.0012), humanize(0.0), humanize(999.0)],
            ["1.235M", "-1.2m", "0", "999"]
        );
        assert_eq!([humanize_1024(1_073_741_824.0), humanize_1024(0.5)], ["1Gi", "0.5"]);
        assert_eq!(
            [humanize_duration(93_784.0), humanize_duration(0.0012), humanize_duration(-61.0), humanize_duration(1.25)],
            ["1d 2h 3m 4s", "1.2ms", "-1m 1s", "1.25s"]
        );
        assert_eq!(humanize_percentage(0.123_456), "12.35%");
    }
}

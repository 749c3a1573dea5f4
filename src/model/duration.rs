//! Durations as people write them (`10s`, `1h30m`, `90d`), for serde: `#[serde(with = "crate::model::duration")]`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer, de::Error};

/// Writes `1h 30m`.
pub fn serialize<S: Serializer>(d: &Duration, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(&humantime::format_duration(*d))
}

/// Reads a duration; a bare number is refused, since nobody can tell its unit.
pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(d)
        .map_err(|e| D::Error::custom(format!("{e}; a duration has its unit: 10s, 5m, 24h or 90d")))?;
    written(&text)
        .map_err(|_| D::Error::custom("this is not a duration; write it with its unit, like 10s, 5m, 24h or 90d"))
}

/// As Prometheus writes it (a year has 365 days), or as people and Go do (`1h 30m`, `1.5s`).
fn written(text: &str) -> Result<Duration, humantime::DurationError> {
    prometheus(text).or_else(|_| humantime::parse_duration(text))
}

/// How a duration is written, for the schema.
pub struct Written;

super::written::written!(Written, "Duration", {
    "type": "string",
    "pattern": r"^\s*(0|([0-9]+(\.[0-9]+)?\s*[a-zA-Zµ]+\s*)+|.*\$\{.*)$",
});

/// The same for `Option<Duration>`: `#[serde(default, with = "crate::model::duration::option")]`.
pub mod option {
    use super::*;

    /// Writes the duration or nothing.
    pub fn serialize<S: Serializer>(d: &Option<Duration>, s: S) -> Result<S::Ok, S::Error> {
        match d {
            Some(d) => super::serialize(d, s),
            None => s.serialize_none(),
        }
    }

    /// Reads a duration where there is one.
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Duration>, D::Error> {
        super::deserialize(d).map(Some)
    }
}

/// Reads a duration as Prometheus writes it (model/time.go): `1h30m`, `5m`, `1d`, `1w`, `1y` (365 days), `500ms`, `0`; units
/// from the largest to the smallest, each once.
///
/// # Errors
/// When it is none; in words.
pub fn prometheus(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, u64); 7] = [
        ("y", 31_536_000_000),
        ("w", 604_800_000),
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ];
    let wrong = || format!("{text:?} is not a duration; write it like 30s, 5m, 1h30m or 7d");
    let (mut total, mut rest, mut from) = (0u64, text, 0);
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let n: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        let end = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |i| digits + i);
        let unit = &rest[digits..end];
        let at = UNITS.iter().skip(from).position(|(name, _)| *name == unit).ok_or_else(wrong)? + from;
        total = n.checked_mul(UNITS[at].1).and_then(|ms| total.checked_add(ms)).ok_or_else(wrong)?;
        (rest, from) = (&rest[end..], at + 1);
    }
    if text.is_empty() { Err(wrong()) } else { Ok(Duration::from_millis(total)) }
}

/// Writes a duration as Prometheus does: `1h30m`, `5m`, `0s`.
pub fn to_prometheus(d: Duration) -> String {
    let mut ms = d.as_millis();
    if ms == 0 {
        return "0s".into();
    }
    let mut text = String::new();
    for (unit, size, exact) in [
        ("y", 31_536_000_000, true),
        ("w", 604_800_000, true),
        ("d", 86_400_000, true),
        ("h", 3_600_000, false),
        ("m", 60_000, false),
        ("s", 1_000, false),
        ("ms", 1, false),
    ] {
        // Years and weeks are written only where nothing is left over, days too (model/time.go).
        if ms >= size && (!exact || ms.is_multiple_of(size)) {
            text.push_str(&format!("{}{unit}", ms / size));
            ms %= size;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_prometheus() {
        let check = |text: &str, seconds: Option<f64>| {
            assert_eq!(prometheus(text).ok().map(|d| d.as_secs_f64()), seconds, "{text}");
        };
        check("0", Some(0.0));
        check("0s", Some(0.0));
        check("1h30m", Some(5_400.0));
        check("1y1w1d1h1m1s1ms", Some(31_536_000.0 + 604_800.0 + 86_400.0 + 3_661.001));
        for bad in ["", "5", "5x", "m", "1m1h", "1m1m", "-1m", "1.5h", "99999999999999999999s"] {
            check(bad, None);
        }
        for text in ["0s", "1h30m", "1w", "90d", "500ms", "1m", "1d"] {
            assert_eq!(to_prometheus(prometheus(text).unwrap()), text);
        }
        assert_eq!(to_prometheus(Duration::from_secs(90_000)), "25h");
    }

    #[test]
    fn durations_of_a_configuration() {
        let check = |text: &str, expected: Option<f64>| {
            assert_eq!(written(text).ok().map(|d| d.as_secs_f64()), expected, "{text}");
        };
        check("0", Some(0.0));
        check("1h 30m", Some(5_400.0));
        check("1y", Some(31_536_000.0));
        check("1.5s", Some(1.5));
        check("0.5m", Some(30.0));
        for bad in ["", "10", "soon", "1.5", "-1.5s", "NaNs"] {
            check(bad, None);
        }
    }
}

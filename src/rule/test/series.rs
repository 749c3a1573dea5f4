//! Series as tests write them: `up{job="a"}` and `0+1x10 _ stale` (promql/promqltest, parser of series descriptions).

use crate::{
    model::{Labels, METRIC_NAME, MatchOp, stale},
    promql,
};

/// The most values of one series that count: of 10,000,000 s, four months.
const VALUES_MAX: usize = 10_000_000;

/// Reads a series' name and labels.
///
/// # Errors
/// When it is none; in words.
pub fn labels(text: &str) -> Result<Labels, String> {
    if matches!(text.trim(), "" | "{}") {
        return Ok(Labels::new("", [("", "")]));
    }
    let matchers = promql::parse_matchers(text).map_err(|e| format!("{text}: {e}"))?;
    let mut name = String::new();
    let mut pairs = Vec::new();
    for m in &matchers {
        if !matches!(m.op, MatchOp::Equal) {
            return Err(format!("{text}: a series has labels, not conditions"));
        }
        if &*m.name == METRIC_NAME { name = m.value.to_string() } else { pairs.push((m.name.clone(), m.value.clone())) }
    }
    Ok(Labels::new(name, pairs))
}

/// Reads a series' values; `None` where it has none. Those past `most` are of no use to the test: of `0x10000000` are made
/// as many as it looks at.
///
/// # Errors
/// When it is no sequence of values; in words.
pub fn values(text: &str, most: usize) -> Result<Vec<Option<f64>>, String> {
    if text.contains("{{") {
        return Err("native histograms are not supported".into());
    }
    if most > VALUES_MAX {
        return Err(format!("the test looks at more than {VALUES_MAX} values: use a longer interval"));
    }
    let mut all = Vec::new();
    for word in text.split_whitespace() {
        let item = Item::read(word)?;
        let room = most.saturating_sub(all.len());
        let count = usize::try_from(item.count).unwrap_or(usize::MAX).min(room);
        // Added up, not multiplied, for equal roundings.
        let mut at = item.start;
        for _ in 0..count {
            all.push(at);
            at = at.map(|at| if item.step == 0.0 { at } else { at + item.step });
        }
    }
    Ok(all)
}

/// A value, or several in a row.
struct Item {
    /// The first; `None`: a gap.
    start: Option<f64>,
    step: f64,
    count: u64,
}

impl Item {
    fn read(word: &str) -> Result<Self, String> {
        let wrong = || format!("{word:?} is not a value; write 1, 1+2x3, 1x3, _, _x3 or stale");
        let (value, times) = match word.split_once('x') {
            Some((value, times)) => (value, Some(repetition(times).map_err(|e| e.unwrap_or_else(wrong))?)),
            None => (word, None),
        };
        if value == "_" {
            return Ok(Self { start: None, step: 0.0, count: times.unwrap_or(1) });
        }
        let read = |text: Option<&str>| text.and_then(number).ok_or_else(wrong);
        let (start, step) = match (times, sign(value)) {
            (None, _) if value == "stale" => (stale(), 0.0),
            (Some(_), Some(at)) => (read(value.get(..at))?, read(value.get(at..))?),
            _ => (read(Some(value))?, 0.0),
        };
        // As Prometheus counts: the first value, and then so many more.
        Ok(Self { start: Some(start), step, count: times.unwrap_or(0).saturating_add(1) })
    }
}

/// How often; an error without words is no count at all.
fn repetition(times: &str) -> Result<u64, Option<String>> {
    if times.is_empty() || !times.bytes().all(|b| b.is_ascii_digit()) {
        return Err(None);
    }
    let too_many =
        format!("invalid repetition in series values: strconv.ParseUint: parsing {times:?}: value out of range");
    times.parse().map_err(|_| Some(too_many))
}

/// Where the step begins in `a+b`; a sign may also be that of `a` or of an exponent.
fn sign(value: &str) -> Option<usize> {
    let bytes = value.as_bytes();
    (1..bytes.len()).rev().find(|i| matches!(bytes[*i], b'+' | b'-') && !matches!(bytes[*i - 1], b'e' | b'E'))
}

/// Returns a number as series are written: `0x6` is a zero, repeated, so that there are no hexadecimal ones.
pub fn number(text: &str) -> Option<f64> {
    let plain = text.strip_prefix('+').unwrap_or(text);
    let unsigned = plain.strip_prefix('-').unwrap_or(plain);
    let negative = unsigned.len() < plain.len();
    let size = match unsigned.to_ascii_lowercase().as_str() {
        "inf" => f64::INFINITY,
        "nan" => f64::NAN,
        other if other.starts_with(['+', '-']) => return None,
        other => other.parse().ok()?,
    };
    Some(if negative { -size } else { size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_as_prometheus_does() {
        let check = |text: &str, expected: &[f64]| {
            let read: Vec<f64> = values(text, 100).unwrap().into_iter().map(|v| v.unwrap_or(-999.0)).collect();
            assert_eq!(read, expected, "{text}");
        };
        check("1 2 3", &[1.0, 2.0, 3.0]);
        check("0+10x3", &[0.0, 10.0, 20.0, 30.0]);
        check("1-1x2 5", &[1.0, 0.0, -1.0, 5.0]);
        check("-2x1 0x1", &[-2.0, -2.0, 0.0, 0.0]);
        check("1e3+1e-1x1", &[1e3, 1e3 + 0.1]);
        check("_ 1 _x2", &[-999.0, 1.0, -999.0, -999.0]);
        assert!(values("stale", 9).unwrap()[0].is_some_and(crate::model::is_stale));
        assert!(values("Inf -Inf", 9).unwrap()[1].is_some_and(|v| v == f64::NEG_INFINITY));
        for bad in ["x", "1x", "1xx", "a", "1+x3", "{{schema:1}}", "1x0x5", "1+0x10x3", "stalex2", "1x-3"] {
            assert!(values(bad, 9).is_err(), "{bad}");
        }
        assert_eq!(values("0x10000000 1", 3).unwrap(), [Some(0.0); 3]);
        assert_eq!(values("_x18446744073709551615", 2).unwrap(), [None; 2]);
        assert_eq!(
            values("1x18446744073709551616", 2).unwrap_err(),
            "invalid repetition in series values: strconv.ParseUint: parsing \"18446744073709551616\": value out of range"
        );
        assert!(values("1", VALUES_MAX + 1).is_err());
    }

    #[test]
    fn series_have_labels_and_no_conditions() {
        assert_eq!(
            labels(r#"up{job="a", instance='b'}"#).unwrap(),
            Labels::new("up", [("job", "a"), ("instance", "b")])
        );
        assert!(labels(r#"up{job=~"a"}"#).is_err());
        assert!(labels("up{").is_err());
    }
}

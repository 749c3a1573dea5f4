//! Series as tests write them: `up{job="a"}` and `0+1x10 _ stale` (promql/promqltest, parser of series descriptions).

use crate::{
    model::{Labels, METRIC_NAME, MatchOp, stale},
    promql,
};

/// The most values of one series: what a mistyped `x1000000000` would ask for.
const VALUES_MAX: usize = 10_000_000;

/// Reads a series' name and labels.
///
/// # Errors
/// When it is none; in words.
pub fn labels(text: &str) -> Result<Labels, String> {
    if text.trim() == "{}" {
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

/// Reads a series' values; `None` where it has none.
///
/// # Errors
/// When it is no sequence of values; in words.
pub fn values(text: &str) -> Result<Vec<Option<f64>>, String> {
    if text.contains("{{") {
        return Err("native histograms are not supported".into());
    }
    let mut all = Vec::new();
    for word in text.split_whitespace() {
        one(word, &mut all).ok_or_else(|| format!("{word:?} is not a value; write 1, 1+2x3, 1x3, _, _x3 or stale"))?;
        if all.len() > VALUES_MAX {
            return Err(format!("more than {VALUES_MAX} values"));
        }
    }
    Ok(all)
}

fn one(word: &str, all: &mut Vec<Option<f64>>) -> Option<()> {
    match word {
        "_" => all.push(None),
        "stale" => all.push(Some(stale())),
        _ => {
            let (value, times) = match word.split_once('x') {
                Some((value, times)) => (value, Some(times.parse::<usize>().ok().filter(|n| *n <= VALUES_MAX)?)),
                None => (word, None),
            };
            if value == "_" {
                all.extend(std::iter::repeat_n(None, times?));
                return Some(());
            }
            let (start, step) = match (times, sign(value)) {
                (Some(_), Some(at)) => (number(value.get(..at)?)?, number(value.get(at..)?)?),
                _ => (number(value)?, 0.0),
            };
            // As Prometheus counts: the first value, and then so many more. Added up, not multiplied, for equal roundings.
            let mut at = start;
            for _ in 0..=times.unwrap_or(0) {
                all.push(Some(at));
                at += step;
            }
        }
    }
    Some(())
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
            let read: Vec<f64> = values(text).unwrap().into_iter().map(|v| v.unwrap_or(-999.0)).collect();
            assert_eq!(read, expected, "{text}");
        };
        check("1 2 3", &[1.0, 2.0, 3.0]);
        check("0+10x3", &[0.0, 10.0, 20.0, 30.0]);
        check("1-1x2 5", &[1.0, 0.0, -1.0, 5.0]);
        check("-2x1 0x1", &[-2.0, -2.0, 0.0, 0.0]);
        check("1e3+1e-1x1", &[1e3, 1e3 + 0.1]);
        check("_ 1 _x2", &[-999.0, 1.0, -999.0, -999.0]);
        assert!(values("stale").unwrap()[0].is_some_and(crate::model::is_stale));
        assert!(values("Inf -Inf").unwrap()[1].is_some_and(|v| v == f64::NEG_INFINITY));
        for bad in ["x", "1x", "1xx", "a", "1+x3", "{{schema:1}}", "1x99999999999"] {
            assert!(values(bad).is_err(), "{bad}");
        }
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

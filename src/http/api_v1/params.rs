//! Parameters: of the URL, and of a POSTed form.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{Method, header},
};
use url::form_urlencoded;

use super::Failed;
use crate::model::duration;

/// A form of at most a megabyte has arrived by then; who sends slower holds a connection for nothing.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Names and values in their order, the form's first (as Go's `r.Form` has them).
#[derive(Clone, Debug, Default)]
pub struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = Failed;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failed> {
        let read = |bytes: &[u8]| form_urlencoded::parse(bytes).into_owned().collect::<Vec<_>>();
        let mut url = read(request.uri().query().unwrap_or_default().as_bytes());
        let is_form = request
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|t| t.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
        if request.method() == Method::POST && is_form {
            let body = tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, state)).await;
            let late = |_| Failed::bad(format!("error parsing form values: it took over {} s", BODY_TIMEOUT.as_secs()));
            let body = body.map_err(late)?.map_err(|e| Failed::bad(format!("error parsing form values: {e}")))?;
            let mut form = read(&body);
            form.append(&mut url);
            url = form;
        }
        Ok(Self(url))
    }
}

impl Params {
    /// Returns all of them.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// Returns one value; empty where there is none.
    pub fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// Returns every value of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Returns a time in Unix milliseconds that may be left out.
    pub fn time(&self, name: &str, otherwise: i64) -> Result<i64, Failed> {
        match self.text(name) {
            "" => Ok(otherwise),
            text => time_ms(text).ok_or_else(|| {
                Failed::bad(format!(
                    "invalid parameter {name:?}: invalid time value for '{name}': cannot parse {text:?} to a valid timestamp"
                ))
            }),
        }
    }

    /// Returns a time that must be given.
    pub fn required_time(&self, name: &str) -> Result<i64, Failed> {
        let text = self.text(name);
        time_ms(text).ok_or_else(|| {
            Failed::bad(format!("invalid parameter {name:?}: cannot parse {text:?} to a valid timestamp"))
        })
    }

    /// Returns a duration in milliseconds.
    pub fn duration_ms(&self, name: &str) -> Result<Option<i64>, Failed> {
        match self.text(name) {
            "" => Ok(None),
            text => duration_ms(text).map(Some).ok_or_else(|| {
                Failed::bad(format!("invalid parameter {name:?}: cannot parse {text:?} to a valid duration"))
            }),
        }
    }

    /// Returns `limit`: 0 is none.
    pub fn limit(&self) -> Result<Option<usize>, Failed> {
        let text = self.text("limit");
        if text.is_empty() {
            return Ok(None);
        }
        let wrong = |why: String| Failed::bad(format!("invalid parameter \"limit\": {why}"));
        let limit: i64 = text.parse().map_err(|_| wrong(format!("strconv.Atoi: parsing {text:?}: invalid syntax")))?;
        let limit = usize::try_from(limit).map_err(|_| wrong("limit must be non-negative".into()))?;
        Ok(Some(limit).filter(|l| *l > 0))
    }

    /// Returns the limits of metadata, where 0 is none at all and a negative number every one.
    pub fn number(&self, name: &str) -> Result<Option<usize>, Failed> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(None);
        }
        let number: i64 = text.parse().map_err(|_| Failed::bad(format!("{name} must be a number")))?;
        Ok(usize::try_from(number).ok())
    }

    /// Returns a switch, as Go's `strconv.ParseBool` reads it.
    pub fn flag(&self, name: &str) -> Result<bool, Failed> {
        match self.text(name) {
            "" | "0" | "f" | "F" | "false" | "False" | "FALSE" => Ok(false),
            "1" | "t" | "T" | "true" | "True" | "TRUE" => Ok(true),
            text => Err(Failed::bad(format!(
                "invalid parameter {name:?}: error converting {name}: strconv.ParseBool: parsing {text:?}: invalid syntax"
            ))),
        }
    }

    /// Returns whether there is `stats` with any value.
    pub fn wants_stats(&self) -> bool {
        !self.text("stats").is_empty()
    }
}

/// Unix seconds with a fraction, or RFC 3339.
fn time_ms(text: &str) -> Option<i64> {
    match text.parse::<f64>() {
        Ok(seconds) => milliseconds(seconds),
        Err(_) => text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond),
    }
}

/// Seconds with a fraction, or as in PromQL: `1h30m`.
fn duration_ms(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<f64>() {
        return milliseconds(seconds);
    }
    i64::try_from(duration::prometheus(text).ok()?.as_millis()).ok()
}

fn milliseconds(seconds: f64) -> Option<i64> {
    let ms = (seconds * 1e3).round();
    #[allow(clippy::cast_possible_truncation)] // In range.
    (ms.is_finite() && ms.abs() < 9e15).then_some(ms as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_durations_are_read_as_prometheus_does() {
        let check = |text: &str, want: Option<i64>| assert_eq!(duration_ms(text), want, "{text}");
        check("15", Some(15_000));
        check("0.5", Some(500));
        check("1h30m", Some(5_400_000));
        check("1d500ms", Some(86_400_500));
        check("30m1h", None);
        check("1m1m", None);
        check("-1m", None);
        check("m", None);
        check("99999999999999y", None);
        assert_eq!(time_ms("1435781430.781"), Some(1_435_781_430_781));
        assert_eq!(time_ms("2015-07-01T20:10:30.781Z"), Some(1_435_781_430_781));
        assert_eq!((time_ms("soon"), time_ms("inf")), (None, None));
    }
}

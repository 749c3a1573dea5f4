//! What a service answers, and what the status alone makes of it.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use reqwest::Response;

use crate::{model::text, notify::Outcome};

/// The most that is read of an answer: far more than any service says.
const REPLY_MAX: usize = 16 << 10;

/// An answer.
#[derive(Debug)]
pub(in crate::notify) struct Reply {
    /// Status.
    pub status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Reply {
    /// Reads one, to its end or to what is kept of it.
    pub(super) async fn read(mut response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() > REPLY_MAX {
                break;
            }
        }
        Self { status, headers, body }
    }

    /// Returns one that was heard, in tests.
    #[cfg(test)]
    pub fn of(body: &serde_json::Value) -> Self {
        Self { status: StatusCode::OK, headers: HeaderMap::new(), body: body.to_string().into_bytes() }
    }

    /// Returns a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the body as JSON; null where it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Returns the body on one line.
    pub fn said(&self) -> String {
        text::one_line(String::from_utf8_lossy(&self.body).trim()).into_owned()
    }

    /// Returns `429 Too Many Requests: slow down`.
    pub fn answer(&self) -> String {
        let said = self.said();
        if said.is_empty() { self.status.to_string() } else { format!("{}: {said}", self.status) }
    }

    /// Taken, with the proof: `202 Accepted, dedup_key x`. Without a value the answer itself is the proof.
    pub fn delivered(&self, what: &str, proof: Option<&str>) -> Outcome {
        Outcome::Delivered(match proof {
            Some(proof) => text::one_line(&format!("{}, {what} {proof}", self.status)).into_owned(),
            None => self.answer(),
        })
    }

    /// To be tried again, after what was asked for: by the header, or else by the service's own field.
    pub fn again(&self, after: Option<Duration>) -> Outcome {
        Outcome::Retry { why: self.answer(), after: retry_after(&self.headers).or(after) }
    }

    /// 2xx is delivered. What time or an operator can mend (5xx, 429, 408, 425, refused credentials, a redirect that can't
    /// be followed) is tried again; any other answer says that this message will never be taken.
    pub fn judge(&self) -> Outcome {
        match self.status.as_u16() {
            200..=299 => Outcome::Delivered(self.answer()),
            300..=399 | 401 | 403 | 407 | 408 | 425 | 429 | 500.. => self.again(None),
            _ => Outcome::Drop(self.answer()),
        }
    }
}

/// Seconds, some services' with a fraction, rounded up; the other form, a date, is rare and not worth trusting a clock for.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    seconds_up(seconds)
}

/// Returns a pause of so many seconds, rounded up; `None`: that is none.
pub(in crate::notify) fn seconds_up(seconds: f64) -> Option<Duration> {
    (seconds >= 0.0 && seconds.is_finite()).then(|| Duration::from_secs(seconds.ceil() as u64))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn pauses_that_services_ask_for() {
        let check = |text: &str, expected: Option<u64>| {
            let map = HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_str(text).unwrap())]);
            assert_eq!(retry_after(&map), expected.map(Duration::from_secs), "{text}");
        };
        check("120", Some(120));
        check("0.65", Some(1));
        check("-1", None);
        check("inf", None);
        check("Wed, 21 Oct 2026 07:28:00 GMT", None);
    }
}

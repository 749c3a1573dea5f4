//! One POST, judged: what webhooks and every service share. The URL is a secret (many services put their token there):
//! neither it nor a proxy's is ever in an answer. A client is made for each attempt, so that rotated files count at once
//! and no idle connection is ever trusted.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use reqwest::{Response, Url};

use super::{ANSWER_MAX, Outcome, client::HttpClient, words};

/// What is posted.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where.
    pub url: Url,
    /// Besides those of `http_config`.
    pub headers: HeaderMap,
    /// What.
    pub body: Vec<u8>,
}

impl Request {
    /// JSON.
    pub fn json(url: Url, body: &serde_json::Value) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        Self { url, headers, body: body.to_string().into_bytes() }
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// The pause that was asked for.
    pub after: Option<Duration>,
    /// The beginning of the body.
    pub said: String,
    url: Url,
}

/// Posts once, within `limit`.
///
/// # Errors
/// Why there is no answer, in words that hold no secret.
pub async fn send(http: &HttpClient, request: Request, limit: Duration) -> Result<Answer, String> {
    let client = http.client(limit).await?;
    let Request { url, headers, body } = request;
    let built = http.post(&client, url.clone()).await?.headers(headers).body(body);
    match built.send().await {
        Ok(response) => Ok(read(response, url).await),
        Err(e) if e.is_timeout() => Err("no answer in time".into()),
        Err(e) => {
            let what = if e.is_connect() { "cannot connect" } else { "the request broke off" };
            let host = url.host_str().unwrap_or_default();
            Err(hide(&format!("{what} ({host}): {}", innermost(&e.without_url())), &url))
        }
    }
}

async fn read(mut response: Response, url: Url) -> Answer {
    let (status, after) = (response.status(), retry_after(response.headers()));
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend_from_slice(&chunk);
        // Twice what is kept: services say their wishes in JSON.
        if bytes.len() > ANSWER_MAX * 2 {
            break;
        }
    }
    let said = words::one_line(String::from_utf8_lossy(&bytes).trim()).into_owned();
    Answer { status, after, said, url }
}

impl Answer {
    /// Status and words, without secrets.
    pub fn text(&self) -> String {
        let text =
            if self.said.is_empty() { self.status.to_string() } else { format!("{}: {}", self.status, self.said) };
        words::clip(&hide(&text, &self.url), ANSWER_MAX).to_owned()
    }

    /// 2xx is delivered. What time or an operator can mend (5xx, 429, 408, 425, refused credentials, a redirect that can't
    /// be followed) is tried again; any other answer says that this message will never be taken.
    pub fn judge(&self) -> Outcome {
        let answer = self.text();
        match self.status.as_u16() {
            200..=299 => Outcome::Delivered(answer),
            300..=399 | 401 | 403 | 407 | 408 | 425 | 429 | 500.. => {
                Outcome::Retry { why: answer, after: self.after.or_else(|| self.wish()) }
            }
            _ => Outcome::Drop(answer),
        }
    }

    /// The pause that Discord and Telegram ask for in their JSON.
    fn wish(&self) -> Option<Duration> {
        let json: serde_json::Value = serde_json::from_str(&self.said).ok()?;
        let seconds = json.get("retry_after").or_else(|| json.pointer("/parameters/retry_after"))?.as_f64()?;
        Duration::try_from_secs_f64(seconds).ok()
    }
}

/// The cause itself, without the layers of HTTP client around it.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut at = error;
    while let Some(cause) = at.source() {
        at = cause;
    }
    at.to_string()
}

/// Seconds; the other form, a date, is rare and not worth trusting a clock for.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// Takes everything of the URL that may be a secret out of a text.
pub(super) fn hide(text: &str, url: &Url) -> String {
    const SHORTEST_SECRET: usize = 8;
    let whole = [Some(url.as_str()), Some(url.path()), url.query(), url.password(), Some(url.username())];
    let segments = url.path_segments().into_iter().flatten();
    let secrets = whole.into_iter().flatten().chain(segments).filter(|s| s.len() >= SHORTEST_SECRET);
    secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "<secret>"))
}

//! Webhook: Alertmanager's version-4 JSON by HTTP POST, with credentials, headers and a signature where configured.
//!
//! The URL is a secret (many services put their token there): neither it nor a proxy's is ever in an answer. A client is
//! made for each attempt, so that rotated files count at once and no idle connection is ever trusted.

pub mod body;

use std::{path::PathBuf, time::Duration};

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use reqwest::{Response, Url};
use sha2::Sha256;
use tokio::time::Instant;

use super::{
    ANSWER_MAX, NotifyConfigError, Outcome,
    client::{HttpClient, header_name, parse_url, secret_value},
    config::WebhookConfig,
    credential::Credential,
    words,
};
use crate::model::{Notification, Secret};

/// A checked entry of `webhook_configs:`.
#[derive(Debug)]
pub(super) struct Webhook {
    receiver: String,
    url: Credential,
    max_alerts: usize,
    timeout: Option<Duration>,
    http: HttpClient,
    signature: Option<(HeaderName, PathBuf)>,
}

impl Webhook {
    /// Checks the entry at `at` of the configuration.
    pub(super) fn new(receiver: &str, config: &WebhookConfig, at: &str) -> Result<Self, NotifyConfigError> {
        let error = |key: &'static str| move |message: String| NotifyConfigError::new(format!("{at}.{key}"), message);
        let url = Credential::from_either(config.url.as_ref(), config.url_file.as_ref())
            .and_then(|found| found.ok_or("a webhook needs url or url_file"))
            .map_err(|e| error("url")(e.into()))?;
        if let Credential::Inline(url) = &url {
            parse_url(url).map_err(error("url"))?;
        }
        let http = HttpClient::new(&config.http_config)
            .map_err(|(key, message)| NotifyConfigError::new(format!("{at}.http_config{key}"), message))?;
        let signature = config.hmac.as_ref().map(|h| Ok((header_name(&h.header)?, h.secret_file.clone())));
        Ok(Self {
            receiver: receiver.to_owned(),
            url,
            max_alerts: config.max_alerts,
            timeout: config.timeout.filter(|t| !t.is_zero()),
            http,
            signature: signature.transpose().map_err(error("hmac.header"))?,
        })
    }

    /// Makes one attempt.
    pub(super) async fn send(&self, notification: &Notification, deadline: Instant) -> Outcome {
        let body = match serde_json::to_vec(&body::of(notification, &self.receiver, self.max_alerts)) {
            Ok(body) => body,
            Err(e) => return Outcome::Drop(format!("the message could not be written: {e}")),
        };
        let left = deadline.saturating_duration_since(Instant::now());
        self.post(body, self.timeout.map_or(left, |t| t.min(left))).await.unwrap_or_else(Outcome::retry)
    }

    /// `Err` is a reason to try again.
    async fn post(&self, body: Vec<u8>, limit: Duration) -> Result<Outcome, String> {
        let url = parse_url(&self.url.read().await?)?;
        let headers = self.request_headers(&body).await?;
        let client = self.http.client(limit).await?;
        let request = self.http.post(&client, url.clone()).await?.headers(headers).body(body);
        match request.send().await {
            Ok(response) => Ok(judge(response, &url).await),
            Err(e) if e.is_timeout() => Err("no answer in time".into()),
            Err(e) => {
                let what = if e.is_connect() { "cannot connect" } else { "the request broke off" };
                let host = url.host_str().unwrap_or_default();
                Err(hide(&format!("{what} ({host}): {}", innermost(&e.without_url())), &url))
            }
        }
    }

    async fn request_headers(&self, body: &[u8]) -> Result<HeaderMap, String> {
        let mut map = HeaderMap::new();
        map.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some((name, file)) = &self.signature {
            let key = Credential::File(file.clone()).read().await?;
            map.insert(name, secret_value(name.as_str(), &sign(&key, body)?)?);
        }
        Ok(map)
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

/// 2xx is delivered. What time or an operator can mend (5xx, 429, 408, 425, refused credentials, a redirect that can't
/// be followed) is tried again; any other answer says that this message will never be taken.
async fn judge(mut response: Response, url: &Url) -> Outcome {
    let status = response.status();
    let after = retry_after(response.headers());
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > ANSWER_MAX {
            break;
        }
    }
    let said = words::one_line(String::from_utf8_lossy(&bytes).trim()).into_owned();
    let answer = if said.is_empty() { status.to_string() } else { format!("{status}: {said}") };
    let answer = words::clip(&hide(&answer, url), ANSWER_MAX).to_owned();
    match status.as_u16() {
        200..=299 => Outcome::Delivered(answer),
        300..=399 | 401 | 403 | 407 | 408 | 425 | 429 | 500.. => Outcome::Retry { why: answer, after },
        _ => Outcome::Drop(answer),
    }
}

/// Seconds; the other form, a date, is rare and not worth trusting a clock for.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// Takes everything of the URL that may be a secret out of a text.
fn hide(text: &str, url: &Url) -> String {
    const SHORTEST_SECRET: usize = 8;
    let whole = [Some(url.as_str()), Some(url.path()), url.query(), url.password(), Some(url.username())];
    let segments = url.path_segments().into_iter().flatten();
    let secrets = whole.into_iter().flatten().chain(segments).filter(|s| s.len() >= SHORTEST_SECRET);
    secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "<secret>"))
}

fn sign(key: &Secret, body: &[u8]) -> Result<String, String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.reveal().as_bytes()).map_err(|e| e.to_string())?;
    mac.update(body);
    Ok(mac.finalize().into_bytes().iter().fold("sha256=".to_owned(), |hex, byte| format!("{hex}{byte:02x}")))
}

#[cfg(test)]
mod tests;

//! Webhook: Alertmanager's version-4 JSON by HTTP POST, with credentials, headers and a signature where configured.
//!
//! The POST itself, and what becomes of its answer, is `post`'s.

pub mod body;

use std::{path::PathBuf, time::Duration};

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use sha2::Sha256;
use tokio::time::Instant;

use super::{
    NotifyConfigError, Outcome,
    client::{HttpClient, header_name, parse_url, secret_value},
    config::WebhookConfig,
    credential::Credential,
    post::{self, Request},
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

    /// The message as it would be posted.
    pub(super) fn preview(&self, notification: &Notification) -> serde_json::Value {
        serde_json::to_value(body::of(notification, &self.receiver, self.max_alerts)).unwrap_or_default()
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
        let answer = post::send(&self.http, Request { url, headers, body }, limit).await?;
        Ok(answer.judge())
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

fn sign(key: &Secret, body: &[u8]) -> Result<String, String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.reveal().as_bytes()).map_err(|e| e.to_string())?;
    mac.update(body);
    Ok(mac.finalize().into_bytes().iter().fold("sha256=".to_owned(), |hex, byte| format!("{hex}{byte:02x}")))
}

#[cfg(test)]
mod tests;

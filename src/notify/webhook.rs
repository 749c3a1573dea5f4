//! Webhook: Alertmanager's version-4 JSON by HTTP POST, with credentials, headers and a signature where configured.
//!
//! The URL is a secret (many services put their token there): neither it nor a proxy's is ever in an answer. A client is
//! made for each attempt, so that rotated files count at once and no idle connection is ever trusted.

pub mod body;

use std::{path::PathBuf, time::Duration};

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use reqwest::{Certificate, Client, Identity, Proxy, Response, Url, redirect};
use sha2::Sha256;
use tokio::time::Instant;

use super::{
    ANSWER_MAX, NotifyConfigError, Outcome,
    config::{HttpConfig, WebhookConfig, WebhookTlsConfig},
    credential::{Credential, read_file},
    with_causes, words,
};
use crate::model::{Notification, Secret};

/// Redirects followed in one attempt.
const REDIRECTS_MAX: usize = 5;

/// A checked entry of `webhook_configs:`.
#[derive(Debug)]
pub(super) struct Webhook {
    receiver: String,
    url: Credential,
    max_alerts: usize,
    timeout: Option<Duration>,
    authorization: Option<Authorization>,
    headers: Vec<(HeaderName, Credential)>,
    tls: WebhookTlsConfig,
    proxy: Option<Url>,
    follow_redirects: bool,
    signature: Option<(HeaderName, PathBuf)>,
}

#[derive(Debug)]
enum Authorization {
    Scheme(String, Credential),
    Basic(String, Option<Credential>),
}

impl Webhook {
    /// Checks the entry at `at` of the configuration.
    pub(super) fn new(receiver: &str, config: &WebhookConfig, at: &str) -> Result<Self, NotifyConfigError> {
        let error = |key: &'static str| move |message: String| NotifyConfigError::new(format!("{at}.{key}"), message);
        let http = &config.http_config;
        let url = Credential::from_either(config.url.as_ref(), config.url_file.as_ref())
            .and_then(|found| found.ok_or("a webhook needs url or url_file"))
            .map_err(|e| error("url")(e.into()))?;
        if let Credential::Inline(url) = &url {
            parse_url(url).map_err(error("url"))?;
        }
        let tls = http.tls_config.clone();
        if tls.cert_file.is_some() != tls.key_file.is_some() {
            return Err(error("http_config.tls_config")("cert_file and key_file go together".into()));
        }
        let proxy = http.proxy_url.as_ref().map(parse_url).transpose().map_err(error("http_config.proxy_url"))?;
        let signature = config.hmac.as_ref().map(|h| Ok((header_name(&h.header)?, h.secret_file.clone())));
        Ok(Self {
            receiver: receiver.to_owned(),
            url,
            max_alerts: config.max_alerts,
            timeout: config.timeout.filter(|t| !t.is_zero()),
            authorization: authorization(http).map_err(error("http_config"))?,
            headers: headers(http).map_err(error("http_config.http_headers"))?,
            tls,
            proxy,
            follow_redirects: http.follow_redirects,
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
        let client = self.client(limit).await?;
        let mut request = client.post(url.clone()).headers(headers).body(body);
        if let Some(Authorization::Basic(user, password)) = &self.authorization {
            let password = match password {
                Some(password) => Some(password.read().await?),
                None => None,
            };
            request = request.basic_auth(user, password.as_ref().map(Secret::reveal));
        }
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

    async fn client(&self, limit: Duration) -> Result<Client, String> {
        let mut builder = Client::builder()
            .user_agent(concat!("dogwatch/", env!("CARGO_PKG_VERSION")))
            .referer(false)
            .timeout(limit)
            .tls_danger_accept_invalid_certs(self.tls.insecure_skip_verify)
            .redirect(if self.follow_redirects { same_host() } else { redirect::Policy::none() });
        if let Some(path) = &self.tls.ca_file {
            let pem = read_file(path).await?;
            let cas =
                Certificate::from_pem_bundle(&pem).map_err(|e| format!("{}: {}", path.display(), with_causes(&e)))?;
            builder = builder.tls_certs_merge(cas);
        }
        if let (Some(cert), Some(key)) = (&self.tls.cert_file, &self.tls.key_file) {
            let mut pem = read_file(cert).await?;
            pem.push(b'\n');
            pem.extend(read_file(key).await?);
            let identity = Identity::from_pem(&pem).map_err(|e| format!("{}: {}", cert.display(), with_causes(&e)))?;
            builder = builder.identity(identity);
        }
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(Proxy::all(proxy.clone()).map_err(|_| "proxy_url cannot be used".to_owned())?);
        }
        builder.build().map_err(|e| with_causes(&e.without_url()))
    }

    async fn request_headers(&self, body: &[u8]) -> Result<HeaderMap, String> {
        let mut map = HeaderMap::new();
        map.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(Authorization::Scheme(scheme, credentials)) = &self.authorization {
            let value = format!("{scheme} {}", credentials.read().await?.reveal());
            map.insert(header::AUTHORIZATION, secret_value("Authorization", &value)?);
        }
        for (name, value) in &self.headers {
            map.append(name, secret_value(name.as_str(), value.read().await?.reveal())?);
        }
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

/// Only redirects that keep the method, so that a GET's 200 never passes for a delivery, and only on the same host, so
/// that secret headers stay where they belong.
fn same_host() -> redirect::Policy {
    redirect::Policy::custom(|attempt| {
        let keeps_post = matches!(attempt.status(), StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
        let from = attempt.previous().last();
        let downgrade = from.is_some_and(|f| f.scheme() == "https") && attempt.url().scheme() != "https";
        let stays = from.is_some_and(|f| f.host() == attempt.url().host()) && !downgrade;
        if keeps_post && stays && attempt.previous().len() <= REDIRECTS_MAX { attempt.follow() } else { attempt.stop() }
    })
}

/// Takes everything of the URL that may be a secret out of a text.
fn hide(text: &str, url: &Url) -> String {
    const SHORTEST_SECRET: usize = 8;
    let whole = [Some(url.as_str()), Some(url.path()), url.query(), url.password(), Some(url.username())];
    let segments = url.path_segments().into_iter().flatten();
    let secrets = whole.into_iter().flatten().chain(segments).filter(|s| s.len() >= SHORTEST_SECRET);
    secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "<secret>"))
}

/// The error never shows the URL.
fn parse_url(url: &Secret) -> Result<Url, String> {
    let parsed = Url::parse(url.reveal()).map_err(|e| format!("not a URL: {e}"))?;
    match parsed.scheme() {
        "http" | "https" => Ok(parsed),
        other => Err(format!("the URL's scheme is {other}; it must be http or https")),
    }
}

fn sign(key: &Secret, body: &[u8]) -> Result<String, String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.reveal().as_bytes()).map_err(|e| e.to_string())?;
    mac.update(body);
    Ok(mac.finalize().into_bytes().iter().fold("sha256=".to_owned(), |hex, byte| format!("{hex}{byte:02x}")))
}

fn secret_value(name: &str, value: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(value).map_err(|_| format!("the value of {name} is not fit for a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn header_name(name: &str) -> Result<HeaderName, String> {
    name.parse().map_err(|_| format!("{name:?} is not a header's name"))
}

fn authorization(http: &HttpConfig) -> Result<Option<Authorization>, String> {
    match (&http.authorization, &http.basic_auth) {
        (Some(_), Some(_)) => Err("authorization and basic_auth exclude each other".into()),
        (Some(a), None) => {
            let credentials = Credential::from_either(a.credentials.as_ref(), a.credentials_file.as_ref())?;
            let credentials = credentials.ok_or("authorization needs credentials or credentials_file")?;
            Ok(Some(Authorization::Scheme(a.kind.clone(), credentials)))
        }
        (None, Some(b)) => {
            let password = Credential::from_either(b.password.as_ref(), b.password_file.as_ref())?;
            Ok(Some(Authorization::Basic(b.username.clone(), password)))
        }
        (None, None) => Ok(None),
    }
}

fn headers(http: &HttpConfig) -> Result<Vec<(HeaderName, Credential)>, String> {
    let mut all = Vec::new();
    for (name, config) in &http.http_headers {
        let name = header_name(name)?;
        if name == header::AUTHORIZATION {
            return Err("use authorization or basic_auth for the Authorization header".into());
        }
        let values = config.values.iter().map(|v| Credential::Inline(Secret::new(v)));
        let secrets = config.secrets.iter().cloned().map(Credential::Inline);
        let files = config.files.iter().cloned().map(Credential::File);
        all.extend(values.chain(secrets).chain(files).map(|value| (name.clone(), value)));
    }
    Ok(all)
}

#[cfg(test)]
mod tests;

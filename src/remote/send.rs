//! One request, until it is taken or refused.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use http::{HeaderMap, StatusCode, header};
use url::Url;

use super::{config::RemoteWriteConfig, message};
use crate::{
    model::{Labels, text},
    notify::client::{HttpClient, Session},
    pack::Points,
    telemetry::{Metrics, RemoteLabels},
};

/// A client is made anew this often, so that rotated certificates count.
const CLIENT_KEPT: Duration = Duration::from_secs(300);
/// The longest pause that a receiver may ask for (`Retry-After`).
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);
/// What is kept of a receiver's answer.
const ANSWER_MAX_BYTES: usize = 300;
/// The same trouble is told this often.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// Says how a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The receiver has it.
    Taken,
    /// It will never take it.
    Refused,
}

/// Says what an answer means (remote-write specification, "Retries & Backoff").
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// 2xx.
    Taken,
    /// 5xx, 429, no answer: again, not before so long.
    Again(Option<Duration>),
    /// Any other status.
    Refused,
}

/// Judges an answer. Pure.
pub fn judge(status: StatusCode, headers: &HeaderMap) -> Verdict {
    let after = headers.get(header::RETRY_AFTER).and_then(|v| v.to_str().ok()?.trim().parse().ok());
    match status.as_u16() {
        200..=299 => Verdict::Taken,
        429 | 500.. => Verdict::Again(after.map(Duration::from_secs).map(|d| d.min(RETRY_AFTER_MAX))),
        _ => Verdict::Refused,
    }
}

/// Returns what a receiver said, in one line. Pure.
pub fn words(said: &[u8]) -> String {
    let said = said.get(..ANSWER_MAX_BYTES).unwrap_or(said);
    text::one_line(String::from_utf8_lossy(said).trim()).into_owned()
}

/// Returns the pause before the attempt after `failures`; half of it by chance. Pure.
pub fn pause(failures: u32, min: Duration, max: Duration, chance: f64) -> Duration {
    let full = min.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(max);
    full.mul_f64(0.5 + chance / 2.0)
}

/// To one remote, for one shard.
pub struct Sender {
    url: Url,
    http: HttpClient,
    timeout: Duration,
    backoff: (Duration, Duration),
    metrics: Arc<Metrics>,
    labels: RemoteLabels,
    kept: Mutex<Option<(Session, Instant)>>,
    told_at: Mutex<Option<Instant>>,
}

impl Sender {
    /// # Errors
    /// When the configuration can't work, in words.
    pub fn new(config: &RemoteWriteConfig, metrics: Arc<Metrics>) -> Result<Self, String> {
        Ok(Self {
            url: config.url.clone(),
            http: HttpClient::new(&config.http()).map_err(|(_, why)| why)?,
            timeout: config.remote_timeout,
            backoff: (config.queue_config.min_backoff, config.queue_config.max_backoff),
            metrics,
            labels: RemoteLabels { remote: config.name() },
            kept: Mutex::default(),
            told_at: Mutex::default(),
        })
    }

    /// Tries until the receiver has taken or refused it.
    pub async fn deliver(&self, batch: &[(Labels, Points)]) -> Sent {
        let body = match message::encode(batch) {
            Ok(body) => bytes::Bytes::from(body),
            Err(error) => {
                self.tell(&format!("a request can't be written: {error}"));
                return Sent::Refused;
            }
        };
        let mut failures = 0;
        loop {
            let (verdict, why) = match self.attempt(body.clone()).await {
                Ok(judged) => judged,
                Err(why) => {
                    *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = None;
                    (Verdict::Again(None), why)
                }
            };
            match verdict {
                Verdict::Taken => return Sent::Taken,
                Verdict::Refused => {
                    self.tell(&format!("the receiver refuses samples for good, they are dropped: {why}"));
                    return Sent::Refused;
                }
                Verdict::Again(after) => {
                    failures += 1;
                    self.metrics.remote_retries.get_or_create(&self.labels).inc();
                    self.tell(&format!("the receiver does not take samples now, nothing is lost: {why}"));
                    let pause = pause(failures, self.backoff.0, self.backoff.1, fastrand::f64());
                    tokio::time::sleep(pause.max(after.unwrap_or_default())).await;
                }
            }
        }
    }

    /// `Err`: no answer, in words.
    async fn attempt(&self, body: bytes::Bytes) -> Result<(Verdict, String), String> {
        let client = self.client().await?;
        let request = self
            .http
            .post(&client, self.url.clone())
            .await?
            .header(header::CONTENT_ENCODING, "snappy")
            .header(header::CONTENT_TYPE, "application/x-protobuf")
            .header("X-Prometheus-Remote-Write-Version", "0.1.0")
            .body(body);
        let mut response = request.send().await.map_err(|e| innermost(&e.without_url()))?;
        let (status, verdict) = (response.status(), judge(response.status(), response.headers()));
        let mut said = Vec::new();
        while said.len() < ANSWER_MAX_BYTES
            && let Ok(Some(chunk)) = response.chunk().await
        {
            said.extend_from_slice(&chunk);
        }
        let said = self.http.without_secrets(&words(&said)).await;
        Ok((verdict, format!("{status} {said}")))
    }

    async fn client(&self) -> Result<Session, String> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((client, made_at)) = &*kept()
            && made_at.elapsed() < CLIENT_KEPT
        {
            return Ok(client.clone());
        }
        let client = self.http.client(self.timeout).await?;
        *kept() = Some((client.clone(), Instant::now()));
        Ok(client)
    }

    fn tell(&self, why: &str) {
        let mut told_at = self.told_at.lock().unwrap_or_else(PoisonError::into_inner);
        if told_at.is_none_or(|at| at.elapsed() >= TOLD_EVERY) {
            *told_at = Some(Instant::now());
            tracing::warn!(remote = self.labels.remote, "{why}");
        }
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

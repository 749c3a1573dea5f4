//! Delivery by HTTP, one way for all services: a service says what to send and what the answers mean, both without IO;
//! this reads the secrets, sends, and keeps them out of every answer.
//!
//! A client is made for each attempt, so that rotated files count at once and no idle connection is ever trusted.

mod reach;
mod reply;

use std::{fmt, time::Duration};

use futures_util::future::join_all;
use http::{HeaderMap, Method};
use jiff::Timestamp;
use reqwest::Url;
use serde::Serialize;
use tokio::time::Instant;

pub(super) use self::reply::{Reply, seconds_up};
use super::{
    ANSWER_MAX, Outcome,
    client::{HttpClient, Session, header_name, secret_value},
    credential::{Credential, HIDDEN, hide_all, parse_url},
    message::Message,
};
use crate::{
    model::{Notification, Secret, sigv4::Signer, text},
    template::Library,
    words::Voice,
};

/// Requests for one message; no service asks for more than five.
const CALLS_MAX: usize = 10;

/// A service that is reached by HTTP.
pub(super) trait Service: fmt::Debug + Send + Sync {
    /// What must be read before a message can be written.
    fn secrets(&self) -> Vec<&Credential>;

    /// What to do where they can't be read, if it does not follow from the file's name.
    fn remedy(&self) -> &'static str {
        ""
    }

    /// The requests that tell a message, in their order.
    ///
    /// # Errors
    /// In words, when it can't be written.
    fn calls(&self, message: &Message<'_>, vault: &Vault) -> Result<Vec<Call>, String>;

    /// What more there is to send once the answers so far are there; all were taken. The last round's are the last ones.
    ///
    /// # Errors
    /// In words, when it can't be written.
    fn then(&self, _message: &Message<'_>, _vault: &Vault, _replies: &[Reply]) -> Result<Vec<Call>, String> {
        Ok(Vec::new())
    }

    /// The requests as a preview shows them: those that say something, where others come before.
    ///
    /// # Errors
    /// As [`Service::calls`].
    fn preview(&self, message: &Message<'_>, vault: &Vault) -> Result<Vec<Call>, String> {
        self.calls(message, vault)
    }

    /// What an answer means.
    fn judge(&self, reply: &Reply) -> Outcome {
        reply.judge()
    }

    /// A simpler form of a request that was refused for its form.
    fn simpler(&self, _refused: &Call, _reply: &Reply) -> Option<Call> {
        None
    }

    /// All requests are made at once, and one that is taken is enough; else one after the other, each must be taken.
    fn one_suffices(&self) -> bool {
        false
    }
}

/// The secrets of one attempt, as they were read; in a preview none was.
#[derive(Debug, Default)]
pub(super) struct Vault(Vec<(Credential, Secret)>);

impl Vault {
    async fn open(credentials: Vec<&Credential>) -> Result<Self, String> {
        let mut all = Vec::new();
        for credential in credentials {
            all.push((credential.clone(), credential.read().await?));
        }
        Ok(Self(all))
    }

    /// Returns a secret, or `<secret>` in a preview.
    pub fn get(&self, credential: &Credential) -> &str {
        self.0.iter().find(|(c, _)| c == credential).map_or(HIDDEN, |(_, secret)| secret.reveal())
    }

    /// Takes every secret out of a text.
    fn hide(&self, text: &str) -> String {
        hide_all(text, self.0.iter().map(|(_, secret)| secret))
    }
}

fn unwritten(why: &str) -> Outcome {
    Outcome::Drop(format!("the message could not be written: {why}"))
}

/// A request.
#[derive(Clone)]
pub(super) struct Call {
    method: Method,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// What no answer may show, besides what the configuration keeps secret.
    hidden: Vec<Secret>,
    signer: Option<Signer>,
}

impl Call {
    /// Returns a POST of JSON.
    pub fn json(url: impl Into<String>, body: &impl Serialize) -> Result<Self, String> {
        let body = serde_json::to_vec(body).map_err(|e| e.to_string())?;
        Ok(Self::post(url.into(), "application/json", body))
    }

    /// Returns a POST of a form.
    pub fn form(url: impl Into<String>, fields: &[(&str, String)]) -> Self {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into_bytes();
        Self::post(url.into(), "application/x-www-form-urlencoded", body)
    }

    fn post(url: String, kind: &str, body: Vec<u8>) -> Self {
        let headers = vec![("Content-Type".to_owned(), kind.to_owned())];
        Self { method: Method::POST, url, headers, body, hidden: Vec::new(), signer: None }
    }

    /// Returns a GET.
    pub fn get(url: impl Into<String>) -> Self {
        let (method, headers, body) = (Method::GET, Vec::new(), Vec::new());
        Self { method, url: url.into(), headers, body, hidden: Vec::new(), signer: None }
    }

    /// Adds a secret that the call holds, so that no answer shows it.
    pub fn hiding(mut self, secret: Secret) -> Self {
        self.hidden.push(secret);
        self
    }

    /// Signed when it is sent.
    pub fn signed(mut self, signer: Signer) -> Self {
        self.signer = Some(signer);
        self
    }

    /// Makes it a PUT.
    pub fn put(mut self) -> Self {
        self.method = Method::PUT;
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Returns the body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Returns the same with another body.
    pub fn with_json(&self, body: &serde_json::Value) -> Self {
        Self { body: body.to_string().into_bytes(), ..self.clone() }
    }

    fn headers(&self, url: &Url, now: Timestamp) -> Result<HeaderMap, String> {
        let mut map = HeaderMap::new();
        let signature = self.signer.as_ref().map(|signer| signer.headers("POST", url, &self.headers, &self.body, now));
        for (name, value) in self.headers.iter().chain(signature.iter().flatten()) {
            map.insert(header_name(name)?, secret_value(name, value)?);
        }
        Ok(map)
    }

    /// For people: method, URL, headers, body.
    pub fn shown(&self) -> String {
        let mut out = format!("{} {}\n", self.method, self.url);
        for (name, value) in &self.headers {
            out.push_str(&format!("{name}: {value}\n"));
        }
        if self.body.is_empty() {
            return out;
        }
        let body = match serde_json::from_slice::<serde_json::Value>(&self.body) {
            Ok(json) => serde_json::to_string_pretty(&json).unwrap_or_default(),
            Err(_) => {
                let fields = url::form_urlencoded::parse(&self.body).map(|(k, v)| format!("{k}={v}"));
                fields.collect::<Vec<_>>().join("\n")
            }
        };
        format!("{out}\n{body}\n")
    }

    /// Where it goes, without what may be secret.
    fn host(&self) -> String {
        let url = Url::parse(&self.url).ok();
        let host = url.as_ref().and_then(|u| Some((u.host_str()?, u.port())));
        host.map_or_else(String::new, |(h, p)| p.map_or_else(|| h.to_owned(), |p| format!("{h}:{p}")))
    }
}

/// A service with its way of being reached.
#[derive(Debug)]
pub(super) struct Post {
    /// What is said, and what answers mean.
    pub service: Box<dyn Service>,
    /// How it is reached.
    pub http: HttpClient,
    /// Of one attempt; `None`: as long as dispatch allows.
    pub timeout: Option<Duration>,
    /// The receiver's name, for templates.
    pub receiver: String,
    /// What templates may name.
    pub library: Library,
    /// In which words it is told.
    pub voice: Voice,
}

impl Post {
    /// Makes one attempt.
    pub async fn send(&self, n: &Notification, deadline: Instant) -> Outcome {
        let vault = match Vault::open(self.service.secrets()).await {
            Ok(vault) => vault,
            Err(why) => return Outcome::retry(why),
        };
        let (calls, problems) = self.written(n, |m| self.service.calls(m, &vault));
        let outcome = match calls {
            Ok(calls) => self.deliver(n, calls, &vault, deadline).await,
            Err(why) => unwritten(&why),
        };
        let of_requests = self.http.secrets().await;
        outcome.map(|text| {
            let text = [vec![text], problems].concat().join("; ");
            let hidden = hide_all(&vault.hide(&text), &of_requests);
            text::clip(&hidden, ANSWER_MAX).to_owned()
        })
    }

    /// Reads every file that an attempt needs.
    pub async fn check_files(&self) -> Result<(), String> {
        Vault::open(self.service.secrets()).await.map_err(|why| format!("{why}{}", self.service.remedy()))?;
        self.http.check_files().await
    }

    /// Returns what would be sent, without its secrets.
    pub fn preview(&self, n: &Notification) -> String {
        let vault = Vault::default();
        let (calls, problems) = self.written(n, |m| self.service.preview(m, &vault));
        let notes = problems.into_iter().map(|p| format!("{p}\n"));
        match calls {
            Ok(calls) => notes.chain(calls.iter().map(Call::shown)).collect::<Vec<_>>().join("\n"),
            Err(why) => format!("the message could not be written: {why}\n"),
        }
    }

    fn written<T>(&self, n: &Notification, write: impl FnOnce(&Message<'_>) -> T) -> (T, Vec<String>) {
        let n = self.voice.notification(n);
        let message = Message::new(&n, &self.receiver, &self.library, &self.voice);
        let written = write(&message);
        (written, message.problems())
    }

    async fn deliver(&self, n: &Notification, mut calls: Vec<Call>, vault: &Vault, deadline: Instant) -> Outcome {
        let left = deadline.saturating_duration_since(Instant::now());
        let limit = self.timeout.map_or(left, |t| t.min(left));
        let client = match self.http.client(limit).await {
            Ok(client) => client,
            Err(why) => return Outcome::retry(why),
        };
        if self.service.one_suffices() {
            let outcomes = join_all(calls.iter().map(async |call| self.attempt(&client, call).await.0)).await;
            return any(calls.iter().map(Call::host).zip(outcomes).collect());
        }
        let mut last = Outcome::Drop("there is nothing to send".into());
        let mut replies = Vec::new();
        while !calls.is_empty() {
            if replies.len() + calls.len() > CALLS_MAX {
                return Outcome::Drop(format!("more than {CALLS_MAX} requests for one message"));
            }
            for call in &calls {
                let (outcome, reply) = self.attempt(&client, call).await;
                last = outcome;
                match reply {
                    Some(reply) if matches!(last, Outcome::Delivered(_)) => replies.push(reply),
                    _ => return last,
                }
            }
            calls = match self.written(n, |m| self.service.then(m, vault, &replies)).0 {
                Ok(calls) => calls,
                Err(why) => return unwritten(&why),
            };
        }
        last
    }

    async fn attempt(&self, client: &Session, call: &Call) -> (Outcome, Option<Reply>) {
        let mut reply = match self.exchange(client, call).await {
            Ok(reply) => reply,
            Err(why) => return (Outcome::retry(why), None),
        };
        if let Some(simpler) = self.service.simpler(call, &reply) {
            reply = match self.exchange(client, &simpler).await {
                Ok(reply) => reply,
                Err(why) => return (Outcome::retry(why), None),
            };
        }
        let hidden = |text: String| hide_all(&text, &call.hidden);
        (self.service.judge(&reply).map(hidden), Some(reply))
    }

    /// `Err` is a reason to try again.
    async fn exchange(&self, client: &Session, call: &Call) -> Result<Reply, String> {
        let url = parse_url(&Secret::new(call.url.as_str()))?;
        let headers = call.headers(&url, Timestamp::now())?;
        let request = self.http.request(client, call.method.clone(), url).await?;
        match request.headers(headers).body(call.body.clone()).send().await {
            Ok(response) => {
                self.http.heard(response.status());
                Ok(Reply::read(response).await)
            }
            Err(e) if e.is_timeout() => Err("no answer in time".into()),
            Err(e) => {
                let what = if e.is_connect() { "cannot connect" } else { "the request broke off" };
                Err(format!("{what} ({}): {}", call.host(), innermost(&e.without_url())))
            }
        }
    }
}

/// One that was taken is enough; who did not take it is said. Without any, a reason to try again counts more than a refusal.
fn any(outcomes: Vec<(String, Outcome)>) -> Outcome {
    let words = |taken: bool| {
        let some = outcomes.iter().filter(|(_, o)| matches!(o, Outcome::Delivered(_)) == taken);
        some.map(|(host, o)| format!("{host}: {}", o.answer())).collect::<Vec<_>>().join("; ")
    };
    let (taken, failed) = (words(true), words(false));
    if !taken.is_empty() {
        return Outcome::Delivered(if failed.is_empty() { taken } else { format!("{taken}; not taken by {failed}") });
    }
    let asked = outcomes.iter().filter_map(|(_, o)| match o {
        Outcome::Retry { after, .. } => Some(*after),
        _ => None,
    });
    match asked.reduce(|a, b| a.max(b)) {
        Some(after) => Outcome::Retry { why: failed, after },
        None => Outcome::Drop(failed),
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

#[cfg(test)]
mod tests;

//! What all services have in common: texts that are templates or ours, secrets that stand here or in a file, one attempt.

use std::{future::Future, pin::Pin, time::Duration};

use serde_json::Value;
use tokio::time::Instant;

use super::{
    NotifyConfigError, Outcome,
    client::{HttpClient, parse_url},
    config::HttpConfig,
    credential::Credential,
    data,
    post::{self, Answer, Request},
    words,
};
use crate::{
    model::{Notification, Secret, Severity, Told},
    template::{Library, NoHistory, Template},
};

/// A request that has yet to be made: secrets are read on the way.
pub type Making<'a> = Pin<Box<dyn Future<Output = Result<Vec<Request>, String>> + Send + 'a>>;

/// One service: what is posted, and what an answer means.
pub trait Service: std::fmt::Debug + Send + Sync {
    /// What to post about a notification; several to several servers, of which one must take it.
    fn requests<'a>(&'a self, n: &'a Notification) -> Making<'a>;

    /// The body as it would be posted, without secrets: for previews.
    fn preview(&self, n: &Notification) -> Value;

    /// What an answer means.
    fn judge(&self, answer: &Answer) -> Outcome {
        answer.judge()
    }
}

/// Posts what a service says.
pub async fn send(service: &dyn Service, http: &HttpClient, n: &Notification, deadline: Instant) -> Outcome {
    let requests = match service.requests(n).await {
        Ok(requests) => requests,
        Err(why) => return Outcome::retry(why),
    };
    let several = requests.len() > 1;
    let mut best: Option<Outcome> = None;
    let mut said = Vec::new();
    for request in requests {
        let left: Duration = deadline.saturating_duration_since(Instant::now());
        let host = request.url.host_str().unwrap_or_default().to_owned();
        let outcome = match post::send(http, request, left).await {
            Ok(answer) => service.judge(&answer),
            Err(why) => Outcome::retry(why),
        };
        said.push(format!("{host}: {}", outcome.answer()));
        let better = matches!(
            (&best, &outcome),
            (None, _) | (_, Outcome::Delivered(_)) | (Some(Outcome::Drop(_)), Outcome::Retry { .. })
        );
        if better {
            best = Some(outcome);
        }
    }
    match best {
        Some(Outcome::Delivered(_)) if several => Outcome::Delivered(said.join("; ")),
        Some(outcome) => outcome,
        None => Outcome::Drop("there is nowhere to send it to".into()),
    }
}

/// A text of the configuration.
#[derive(Debug)]
pub struct Text(Option<Template>);

/// Where a receiver's entry stands, and the templates that it may use.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// `receivers[0].slack_configs[1]`.
    pub at: &'a str,
    /// The receiver's name.
    pub receiver: &'a str,
    /// Named templates.
    pub library: &'a Library,
}

impl Place<'_> {
    /// An error at one of its keys.
    pub fn wrong(&self, key: &str, message: impl Into<String>) -> NotifyConfigError {
        NotifyConfigError::new(format!("{}.{key}", self.at), message)
    }

    /// Reads a text.
    ///
    /// # Errors
    /// When it is a template that is not supported.
    pub fn text(&self, key: &str, text: Option<&String>) -> Result<Text, NotifyConfigError> {
        let read = |t: &String| Template::of_message(t, self.library);
        let template = text.map(read).transpose().map_err(|e| {
            self.wrong(key, format!("line {}, column {} of the template: {}", e.line, e.column, e.message))
        })?;
        Ok(Text(template))
    }

    /// A secret in one of its two forms.
    ///
    /// # Errors
    /// When both are given, or none.
    pub fn secret(
        &self,
        key: &str,
        inline: Option<&Secret>,
        file: Option<&std::path::PathBuf>,
    ) -> Result<Credential, NotifyConfigError> {
        let found = Credential::from_either(inline, file).map_err(|e| self.wrong(key, e))?;
        found.ok_or_else(|| self.wrong(key, format!("give {key} or {key}_file")))
    }

    /// The HTTP client.
    ///
    /// # Errors
    /// When `http_config` can't work.
    pub fn http(&self, config: &HttpConfig) -> Result<HttpClient, NotifyConfigError> {
        HttpClient::new(config)
            .map_err(|(key, message)| NotifyConfigError::new(format!("{}.http_config{key}", self.at), message))
    }

    /// A URL that is no secret.
    ///
    /// # Errors
    /// When it is none.
    pub fn url(&self, key: &str, text: &str) -> Result<reqwest::Url, NotifyConfigError> {
        parse_url(&Secret::new(text)).map_err(|e| self.wrong(key, e))
    }
}

impl Text {
    /// The text, or ours where none is configured. What a template can't write is said in its place: a message with a gap
    /// is better than none.
    pub fn of(&self, n: &Notification, receiver: &str, ours: impl FnOnce() -> String) -> String {
        match &self.0 {
            None => ours(),
            Some(template) => template
                .render(&data::of(n, receiver), &mut NoHistory)
                .unwrap_or_else(|e| format!("{} <error in the template: {}>", words::subject(n), e.message)),
        }
    }

    /// The text; `None` where none is configured.
    pub fn configured(&self, n: &Notification, receiver: &str) -> Option<String> {
        self.0.as_ref().map(|_| self.of(n, receiver, String::new)).filter(|t| !t.is_empty())
    }
}

/// Whether a notification tells the end.
pub fn is_over(n: &Notification) -> bool {
    n.told == Told::Resolved
}

/// Red, orange, blue, green.
pub fn colour(n: &Notification) -> &'static str {
    match (is_over(n), n.incident.severity) {
        (true, _) => "#2e7d32",
        (false, Severity::Critical) => "#c62828",
        (false, Severity::Warning) => "#e07b00",
        (false, Severity::Info) => "#1565c0",
    }
}

/// The same for ever for an incident: what services dedupe by.
pub fn dedup_key(n: &Notification) -> String {
    format!("dogwatch-{}-{}", n.origin, n.incident.id)
}

/// The beginning of a text, at most `max` characters, with an ellipsis where it is cut.
pub fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    text.chars().take(max.saturating_sub(1)).chain(['…']).collect()
}

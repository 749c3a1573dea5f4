//! Receivers: one file each (`email`, `webhook`), one attempt at a time, answered with [`Outcome`].
//!
//! Never decides whether, when or how often a message is sent (that is `dispatch`'s), never keeps a connection, and never
//! lets a secret into an answer. Files with secrets are read at each attempt. Invariant: a message is rendered from its
//! [`Notification`] alone, so that one sent an hour late, or twice, says the same under the same `Message-ID`.

mod alertmanager;
pub mod client;
pub mod config;
mod credential;
mod data;
mod discord;
pub mod email;
mod ntfy;
mod opsgenie;
mod pagerduty;
mod post;
mod pushover;
pub mod retry;
mod service;
mod slack;
mod teams;
mod telegram;
pub mod webhook;
pub mod words;

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    model::{Notification, Told},
    template::{Library, TemplateError},
};
use config::{GlobalConfig, ReceiverConfig};
use service::{Place, Service};

/// The most that is kept of a receiver's answer, in bytes; it is stored with every delivery.
pub const ANSWER_MAX: usize = 500;

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver took it; its own words.
    Delivered(String),
    /// It may work later.
    Retry {
        /// What went wrong, in words.
        why: String,
        /// The pause that the receiver asked for.
        after: Option<Duration>,
    },
    /// It never will.
    Drop(String),
}

impl Outcome {
    /// A retry without a wish.
    pub(crate) fn retry(why: impl Into<String>) -> Self {
        Self::Retry { why: why.into(), after: None }
    }

    /// The receiver's words or ours, within [`ANSWER_MAX`].
    pub fn answer(&self) -> &str {
        match self {
            Self::Delivered(text) | Self::Drop(text) | Self::Retry { why: text, .. } => words::clip(text, ANSWER_MAX),
        }
    }
}

/// Something in the receivers' configuration that can't work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {message}")]
pub struct NotifyConfigError {
    /// Where, e.g. `receivers[0].email_configs[1].to`.
    pub at: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl NotifyConfigError {
    fn new(at: impl Into<String>, message: impl Into<String>) -> Self {
        Self { at: at.into(), message: message.into() }
    }
}

/// One way to reach a receiver. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Integration {
    /// `receiver/kind[index]`, e.g. `ops/email[0]`: names the queue, metrics and delivery records.
    pub name: Arc<str>,
    send_resolved: bool,
    way: Arc<Way>,
}

#[derive(Debug)]
enum Way {
    Email(email::Email),
    Webhook(webhook::Webhook),
    Service(Box<dyn Service>, client::HttpClient),
}

impl Integration {
    /// The receiver that it belongs to.
    pub fn receiver(&self) -> &str {
        receiver_of(&self.name)
    }

    /// Whether this kind of message is wanted here.
    pub fn wants(&self, told: Told) -> bool {
        told != Told::Resolved || self.send_resolved
    }

    /// What would be sent, without secrets.
    pub fn preview(&self, notification: &Notification) -> String {
        let json = |v: serde_json::Value| serde_json::to_string_pretty(&v).unwrap_or_default();
        match &*self.way {
            Way::Email(email) => email.preview(notification),
            Way::Webhook(webhook) => json(webhook.preview(notification)),
            Way::Service(service, _) => json(service.preview(notification)),
        }
    }

    /// Makes one attempt, which ends by `deadline`.
    pub async fn send(&self, notification: &Notification, deadline: Instant) -> Outcome {
        let attempt = async {
            match &*self.way {
                Way::Email(email) => email.send(notification, deadline).await,
                Way::Webhook(webhook) => webhook.send(notification, deadline).await,
                Way::Service(service, http) => service::send(&**service, http, notification, deadline).await,
            }
        };
        tokio::time::timeout_at(deadline, attempt).await.unwrap_or_else(|_| Outcome::retry("no answer in time"))
    }
}

/// The receiver in an integration's name: `ops` of `ops/email[0]`.
pub fn receiver_of(integration: &str) -> &str {
    integration.rsplit_once('/').map_or(integration, |(receiver, _)| receiver)
}

/// Chooses ring as the process's TLS provider, which reqwest asks for. Call once before the first message is sent;
/// calling it again changes nothing.
pub fn init() {
    // An error says that a provider is installed already, which is just as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Checks every receiver and flattens them to their integrations.
///
/// # Errors
/// For the first thing that can't work. No secret file is read yet: it may come later, and rotate.
pub fn integrations(
    global: &GlobalConfig,
    receivers: &[ReceiverConfig],
    library: &Library,
) -> Result<Vec<Integration>, NotifyConfigError> {
    let mut all = Vec::new();
    for (i, receiver) in receivers.iter().enumerate() {
        if receivers[..i].iter().any(|r| r.name == receiver.name) {
            let message = format!("there are two receivers called {:?}; give each its own name", receiver.name);
            return Err(NotifyConfigError::new(format!("receivers[{i}].name"), message));
        }
        all.extend(flatten(global, receiver, &format!("receivers[{i}]"), library)?);
    }
    Ok(all)
}

/// The templates that every message may name; Alertmanager's own names are among them.
///
/// # Errors
/// Never for what passed the tests.
pub fn default_library() -> Result<Library, TemplateError> {
    let mut library = Library::default();
    library.add(include_str!("notify/default.tmpl"))?;
    Ok(library)
}

fn flatten(
    global: &GlobalConfig,
    receiver: &ReceiverConfig,
    at: &str,
    library: &Library,
) -> Result<Vec<Integration>, NotifyConfigError> {
    if receiver.name.trim().is_empty() {
        return Err(NotifyConfigError::new(format!("{at}.name"), "a receiver needs a name"));
    }
    let mut all = Vec::new();
    let mut add = |kind: &str, i: usize, send_resolved: bool, way: Way| {
        let name = format!("{}/{kind}[{i}]", receiver.name).into();
        all.push(Integration { name, send_resolved, way: Arc::new(way) });
    };
    for (i, config) in receiver.email_configs.iter().enumerate() {
        let at = format!("{at}.email_configs[{i}]");
        let place = Place { at: &at, receiver: &receiver.name, library };
        add("email", i, config.send_resolved, Way::Email(email::Email::new(global, config, &place)?));
    }
    for (i, config) in receiver.webhook_configs.iter().enumerate() {
        let at = format!("{at}.webhook_configs[{i}]");
        add("webhook", i, config.send_resolved, Way::Webhook(webhook::Webhook::new(&receiver.name, config, &at)?));
    }
    macro_rules! services {
        ($($configs:ident $kind:literal $make:expr;)*) => {$(
            for (i, config) in receiver.$configs.iter().enumerate() {
                let at = format!("{at}.{}[{i}]", stringify!($configs));
                let place = Place { at: &at, receiver: &receiver.name, library };
                let service = $make(config, &place)?;
                let http = place.http(&config.http_config)?;
                add($kind, i, config.send_resolved, Way::Service(Box::new(service), http));
            }
        )*};
    }
    services! {
        slack_configs "slack" |c, p: &Place<'_>| slack::Slack::new(global, c, p);
        msteams_configs "msteams" |c, p: &Place<'_>| teams::Teams::new(c, p);
        msteamsv2_configs "msteamsv2" |c, p: &Place<'_>| teams::Teams::new(c, p);
        discord_configs "discord" |c, p: &Place<'_>| discord::Discord::new(c, p);
        telegram_configs "telegram" |c, p: &Place<'_>| telegram::Telegram::new(global, c, p);
        pagerduty_configs "pagerduty" |c, p: &Place<'_>| pagerduty::Pagerduty::new(global, c, p);
        opsgenie_configs "opsgenie" |c, p: &Place<'_>| opsgenie::Opsgenie::new(global, c, p);
        pushover_configs "pushover" |c, p: &Place<'_>| pushover::Pushover::new(c, p);
        ntfy_configs "ntfy" |c, p: &Place<'_>| ntfy::Ntfy::new(c, p);
        alertmanager_configs "alertmanager" |c, p: &Place<'_>| alertmanager::Alertmanager::new(c, p);
    }
    Ok(all)
}

/// An error with its causes, each said once.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        let words = e.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = e.source();
    }
    text
}

pub mod example;
#[cfg(test)]
mod tests;

//! Receivers: one file each, one attempt at a time, answered with [`Outcome`].
//!
//! Email speaks SMTP; all others are a `post::Service`: what to send and what answers mean, without IO, delivered by the
//! one `post`. Never decides whether, when or how often a message is sent (that is `dispatch`'s), never keeps a
//! connection, and never lets a secret into an answer. Files with secrets are read at each attempt. Invariant: a message
//! is rendered from its [`Notification`] alone, so that one sent an hour late, or twice, says the same under the same
//! `Message-ID`; a template that fails costs its text, never the message.

mod alertmanager;
pub mod client;
pub mod config;
pub(crate) mod credential;
mod data;
mod discord;
pub mod email;
mod incidentio;
mod jira;
mod markup;
mod mattermost;
mod message;
mod msteams;
mod ntfy;
mod opsgenie;
mod pagerduty;
mod post;
mod pushover;
pub mod retry;
mod rocketchat;
mod slack;
mod sns;
pub mod summary;
mod telegram;
mod victorops;
mod view;
mod webex;
pub mod webhook;
mod wechat;

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::Instant};

pub use self::data::default_library;
use self::{
    client::HttpClient,
    config::{ByHttp, GlobalConfig, HttpConfig, ReceiverConfig},
    message::Check,
    post::{Post, Service},
};
use crate::{
    model::{AlertContext, Notification, NotificationKind, Pairs, text},
    runbook,
    template::Library,
    words::Voice,
};

/// Returns what a configuration adds to every alert: the same for routes, silences, both APIs and every receiver.
pub fn alert_context(external_labels: &Pairs, external_url: &str, drill: bool) -> AlertContext {
    AlertContext {
        external_labels: external_labels.clone(),
        external_url: external_url.trim_end_matches('/').to_owned(),
        drill,
        runbook: runbook::link,
    }
}

/// The most that is kept of a receiver's answer, in bytes; it is stored with every delivery.
pub const ANSWER_MAX: usize = 500;

/// Says how an attempt ended.
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
    /// Returns a retry without a wish.
    pub(crate) fn retry(why: impl Into<String>) -> Self {
        Self::Retry { why: why.into(), after: None }
    }

    /// Returns the same with other words.
    pub(crate) fn map(self, f: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Delivered(text) => Self::Delivered(f(text)),
            Self::Retry { why, after } => Self::Retry { why: f(why), after },
            Self::Drop(text) => Self::Drop(f(text)),
        }
    }

    /// Returns the receiver's words or ours, within [`ANSWER_MAX`].
    pub fn answer(&self) -> &str {
        match self {
            Self::Delivered(text) | Self::Drop(text) | Self::Retry { why: text, .. } => text::clip(text, ANSWER_MAX),
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
    Email(Box<email::Email>),
    Http(Box<Post>),
    /// Nothing is sent: what would be is kept.
    Rehearsed(Arc<Way>, mpsc::Sender<Rehearsed>),
}

impl Way {
    fn preview(&self, notification: &Notification) -> String {
        match self {
            Way::Email(email) => email.preview(notification),
            Way::Http(post) => post.preview(notification),
            Way::Rehearsed(way, _) => way.preview(notification),
        }
    }
}

/// A message that was not sent: what the receiver would have got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rehearsed {
    /// The integration, `receiver/kind[index]`.
    pub integration: String,
    /// What it tells.
    pub told: NotificationKind,
    /// The message as it would be sent, without secrets.
    pub text: String,
}

impl Integration {
    /// Returns the receiver that it belongs to.
    pub fn receiver(&self) -> &str {
        receiver_of(&self.name)
    }

    /// Returns how it is reached: `email`, `webhook`, `slack`, …
    pub fn kind(&self) -> &str {
        let kind = self.name.rsplit_once('/').map_or(&*self.name, |(_, kind)| kind);
        kind.split('[').next().unwrap_or(kind)
    }

    /// Returns what would be sent, as it would be sent, without its secrets. Reads no file and sends nothing.
    pub fn preview(&self, notification: &Notification) -> String {
        self.way.preview(notification)
    }

    /// Reads every file that an attempt needs: one that can't be read now makes each attempt wait until it can.
    ///
    /// # Errors
    /// In words, with the file's name and never what is in it.
    pub async fn check_files(&self) -> Result<(), String> {
        let mut way = &*self.way;
        while let Way::Rehearsed(real, _) = way {
            way = real;
        }
        match way {
            Way::Email(email) => email.check_files().await,
            Way::Http(post) => post.check_files().await,
            Way::Rehearsed(..) => Ok(()),
        }
    }

    /// Finds out whether the receiver can be reached, without telling it anything: a mail server as far as our login, a service as
    /// far as its host's answer.
    ///
    /// # Errors
    /// In words, without secrets.
    pub async fn reach(&self, deadline: Instant) -> Result<String, String> {
        let asking = async {
            match &*self.way {
                Way::Email(email) => email.reach(deadline).await,
                Way::Http(post) => post.reach(deadline).await,
                Way::Rehearsed(..) => Ok("rehearsed: nothing is sent".into()),
            }
        };
        tokio::time::timeout_at(deadline, asking).await.unwrap_or_else(|_| Err("no answer in time".into()))
    }

    /// Returns the same integration, which keeps each message in `kept` instead of sending it.
    pub fn rehearsed(&self, kept: mpsc::Sender<Rehearsed>) -> Self {
        Self { way: Arc::new(Way::Rehearsed(self.way.clone(), kept)), ..self.clone() }
    }

    /// Returns whether this kind of message is wanted here.
    pub fn wants(&self, told: NotificationKind) -> bool {
        told != NotificationKind::Resolved || self.send_resolved
    }

    /// Makes one attempt, which ends by `deadline`.
    pub async fn send(&self, notification: &Notification, deadline: Instant) -> Outcome {
        let attempt = async {
            match &*self.way {
                Way::Email(email) => email.send(notification, deadline).await,
                Way::Http(post) => post.send(notification, deadline).await,
                Way::Rehearsed(way, kept) => {
                    let (integration, text) = (self.name.to_string(), way.preview(notification));
                    match kept.try_send(Rehearsed { integration, told: notification.told, text }) {
                        Ok(()) => Outcome::Delivered("rehearsed: nothing is sent".into()),
                        Err(_) => Outcome::Drop("more messages than a rehearsal keeps".into()),
                    }
                }
            }
        };
        tokio::time::timeout_at(deadline, attempt).await.unwrap_or_else(|_| Outcome::retry("no answer in time"))
    }
}

/// Returns the receiver in an integration's name: `ops` of `ops/email[0]`.
pub fn receiver_of(integration: &str) -> &str {
    integration.rsplit_once('/').map_or(integration, |(receiver, _)| receiver)
}

/// Chooses ring as the process's TLS provider, which reqwest asks for. Call once before the first message is sent;
/// calling it again changes nothing.
pub fn init() {
    // An error says that a provider is installed already, which is just as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Checks what all receivers may use, whether one does or not.
fn check_global(global: &GlobalConfig) -> Result<(), NotifyConfigError> {
    let error = |key: &str, why: &str| NotifyConfigError::new(format!("global.{key}"), why);
    global.check().map_err(|(key, why)| error(key, why))?;
    if let Some(host) = global.smtp_smarthost.as_deref().filter(|host| !host.is_empty()) {
        email::host_port(host)
            .ok_or_else(|| error("smtp_smarthost", &format!("{host:?} is not host:port, e.g. mail.example.org:587")))?;
    }
    http_client(&global.http_config, "global").map(drop)
}

/// Returns the client of the `http_config` that stands at `at`.
fn http_client(http: &HttpConfig, at: &str) -> Result<HttpClient, NotifyConfigError> {
    HttpClient::new(http).map_err(|(key, message)| NotifyConfigError::new(format!("{at}.http_config{key}"), message))
}

/// Checks every receiver and flattens them to their integrations. Texts may use the templates of `library`.
///
/// # Errors
/// For the first thing that can't work. No secret file is read yet: it may come later, and rotate.
pub fn integrations(
    global: &GlobalConfig,
    receivers: &[ReceiverConfig],
    library: &Library,
) -> Result<Vec<Integration>, NotifyConfigError> {
    let mut all = Vec::new();
    check_global(global)?;
    for (i, receiver) in receivers.iter().enumerate() {
        if receivers[..i].iter().any(|r| r.name == receiver.name) {
            let message = format!("there are two receivers called {:?}; give each its own name", receiver.name);
            return Err(NotifyConfigError::new(format!("receivers[{i}].name"), message));
        }
        let at = format!("receivers[{i}]");
        if receiver.name.trim().is_empty() {
            return Err(NotifyConfigError::new(format!("{at}.name"), "a receiver needs a name"));
        }
        if receiver.labels.get("name").is_some_and(|name| *name != receiver.name) {
            let message = format!("the label name is the receiver's name, {:?}: leave it out", receiver.name);
            return Err(NotifyConfigError::new(format!("{at}.labels.name"), message));
        }
        let voice = receiver.voice().map_err(|why| NotifyConfigError::new(format!("{at}.timezone"), why))?;
        Flatten { global, receiver, at, library, voice, all: &mut all }.flatten()?;
    }
    Ok(all)
}

/// One receiver on its way to integrations.
struct Flatten<'a> {
    global: &'a GlobalConfig,
    receiver: &'a ReceiverConfig,
    at: String,
    library: &'a Library,
    voice: Voice,
    all: &'a mut Vec<Integration>,
}

impl Flatten<'_> {
    fn flatten(&mut self) -> Result<(), NotifyConfigError> {
        let (global, receiver) = (self.global, self.receiver);
        for (i, config) in receiver.email_configs.iter().enumerate() {
            let at = format!("{}.email_configs[{i}]", self.at);
            let check = Check { at: &at, library: self.library };
            let email = email::Email::new(global, config, &receiver.name, check)?.told_in(self.voice.clone());
            let way = Way::Email(Box::new(email));
            self.push("email", i, config.send_resolved, way);
        }
        self.http("webhook", &receiver.webhook_configs, webhook::Webhook::new)?;
        self.http("slack", &receiver.slack_configs, |c, check| slack::Slack::new(global, c, check))?;
        self.http("msteams", &receiver.msteams_configs, msteams::Teams::new)?;
        self.http("msteamsv2", &receiver.msteamsv2_configs, msteams::Teams::new)?;
        self.http("discord", &receiver.discord_configs, discord::Discord::new)?;
        self.http("telegram", &receiver.telegram_configs, |c, check| telegram::Telegram::new(global, c, check))?;
        self.http("pagerduty", &receiver.pagerduty_configs, |c, check| pagerduty::PagerDuty::new(global, c, check))?;
        self.http("opsgenie", &receiver.opsgenie_configs, |c, check| opsgenie::Opsgenie::new(global, c, check))?;
        self.http("pushover", &receiver.pushover_configs, pushover::Pushover::new)?;
        self.http("victorops", &receiver.victorops_configs, |c, check| victorops::VictorOps::new(global, c, check))?;
        self.http("webex", &receiver.webex_configs, |c, check| webex::Webex::new(global, c, check))?;
        self.http("sns", &receiver.sns_configs, sns::Sns::new)?;
        self.http("wechat", &receiver.wechat_configs, |c, check| wechat::Wechat::new(global, c, check))?;
        self.http("jira", &receiver.jira_configs, |c, check| jira::Jira::new(global, c, check))?;
        self.http("rocketchat", &receiver.rocketchat_configs, |c, check| {
            rocketchat::Rocketchat::new(global, c, check)
        })?;
        self.http("mattermost", &receiver.mattermost_configs, |c, check| {
            mattermost::Mattermost::new(global, c, check)
        })?;
        self.http("incidentio", &receiver.incidentio_configs, |c, check| {
            incidentio::IncidentIo::new(global, c, check)
        })?;
        self.http("ntfy", &receiver.ntfy_configs, ntfy::Ntfy::new)?;
        self.http("alertmanager", &receiver.alertmanager_configs, alertmanager::Alertmanager::new)
    }

    fn http<C: ByHttp, S: Service + 'static>(
        &mut self,
        kind: &str,
        configs: &[C],
        build: impl Fn(&C, Check<'_>) -> Result<S, NotifyConfigError>,
    ) -> Result<(), NotifyConfigError> {
        for (i, config) in configs.iter().enumerate() {
            let at = format!("{}.{kind}_configs[{i}]", self.at);
            let service = Box::new(build(config, Check { at: &at, library: self.library })?);
            let (http, from) = match config.http_config() {
                Some(own) => (own, at.as_str()),
                None => (&self.global.http_config, "global"),
            };
            let http = http_client(http, from)?;
            let (receiver, library) = (self.receiver.name.clone(), self.library.clone());
            let post = Post { service, http, timeout: config.timeout(), receiver, library, voice: self.voice.clone() };
            self.push(kind, i, config.send_resolved(), Way::Http(Box::new(post)));
        }
        Ok(())
    }

    fn push(&mut self, kind: &str, i: usize, send_resolved: bool, way: Way) {
        let name = format!("{}/{kind}[{i}]", self.receiver.name).into();
        self.all.push(Integration { name, send_resolved, way: Arc::new(way) });
    }
}

/// Returns an error with its causes, each said once.
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

//! `global:`, `receivers:` and `notifications:` of the configuration, in Alertmanager's own schema, so that the
//! parts of an existing file can be pasted. A key that we don't act on is not accepted.
//!
//! Relative paths are made absolute by `resolve_paths` before anything here is used; files that hold secrets are
//! read when a message is sent, so that a rotated secret needs no reload.

mod chat;
mod direct;
mod http;
mod paging;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use url::Url;

pub use self::{
    chat::{DiscordConfig, SlackAction, SlackConfig, SlackConfirm, SlackField, TeamsConfig, TelegramConfig},
    direct::{EmailConfig, EmailTlsConfig, HmacConfig, WebhookConfig},
    http::{AuthorizationConfig, BasicAuthConfig, HeaderConfig, HttpConfig, WebhookTlsConfig},
    paging::{
        AlertmanagerConfig, NtfyConfig, OpsgenieConfig, OpsgenieResponder, PagerDutyConfig, PagerDutyImage,
        PagerDutyLink, PushoverConfig,
    },
};
use crate::model::{Secret, duration};

/// `global:`, what receivers fall back on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GlobalConfig {
    /// Sender's address.
    pub smtp_from: Option<String>,
    /// Mail server, `host:port`.
    pub smtp_smarthost: Option<String>,
    /// Name said in EHLO.
    pub smtp_hello: String,
    /// User.
    pub smtp_auth_username: Option<String>,
    /// Password.
    pub smtp_auth_password: Option<Secret>,
    /// File with the password.
    pub smtp_auth_password_file: Option<PathBuf>,
    /// STARTTLS must be had.
    pub smtp_require_tls: bool,
    /// TLS from the first byte; default: where the port is 465.
    pub smtp_force_implicit_tls: Option<bool>,
    /// How mail servers' certificates are judged.
    pub smtp_tls_config: EmailTlsConfig,
    /// How everything but mail is reached.
    pub http_config: HttpConfig,
    /// Slack's incoming webhook.
    pub slack_api_url: Option<Secret>,
    /// File with it.
    pub slack_api_url_file: Option<PathBuf>,
    /// PagerDuty's Events API v2; default: the public one.
    pub pagerduty_url: Option<Url>,
    /// Opsgenie's API; default: the public one.
    pub opsgenie_api_url: Option<Url>,
    /// Opsgenie's key.
    pub opsgenie_api_key: Option<Secret>,
    /// File with it.
    pub opsgenie_api_key_file: Option<PathBuf>,
    /// Telegram's Bot API; default: the public one.
    pub telegram_api_url: Option<Url>,
    /// A posted alert without an end ends after this.
    #[serde(with = "duration")]
    pub resolve_timeout: Duration,
}

impl Default for GlobalConfig {
    fn default() -> Self {
        Self {
            smtp_from: None,
            smtp_smarthost: None,
            smtp_hello: "localhost".into(),
            smtp_auth_username: None,
            smtp_auth_password: None,
            smtp_auth_password_file: None,
            smtp_require_tls: true,
            smtp_force_implicit_tls: None,
            smtp_tls_config: EmailTlsConfig::default(),
            http_config: HttpConfig::default(),
            slack_api_url: None,
            slack_api_url_file: None,
            pagerduty_url: None,
            opsgenie_api_url: None,
            opsgenie_api_key: None,
            opsgenie_api_key_file: None,
            telegram_api_url: None,
            resolve_timeout: Duration::from_secs(5 * 60),
        }
    }
}

/// One entry of `receivers:`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiverConfig {
    /// Its name, which `route.receiver` says.
    pub name: String,
    /// Emails.
    #[serde(default)]
    pub email_configs: Vec<EmailConfig>,
    /// Webhooks.
    #[serde(default)]
    pub webhook_configs: Vec<WebhookConfig>,
    /// Slack.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slack_configs: Vec<SlackConfig>,
    /// Microsoft Teams.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub msteams_configs: Vec<TeamsConfig>,
    /// Microsoft Teams by Power Automate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub msteamsv2_configs: Vec<TeamsConfig>,
    /// Discord.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub discord_configs: Vec<DiscordConfig>,
    /// Telegram.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub telegram_configs: Vec<TelegramConfig>,
    /// PagerDuty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pagerduty_configs: Vec<PagerDutyConfig>,
    /// Opsgenie.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub opsgenie_configs: Vec<OpsgenieConfig>,
    /// Pushover.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pushover_configs: Vec<PushoverConfig>,
    /// ntfy (ours).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ntfy_configs: Vec<NtfyConfig>,
    /// Other Alertmanagers (ours).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alertmanager_configs: Vec<AlertmanagerConfig>,
    /// Updates and reminders beyond this are not sent; what begins, gets worse or ends always is (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
}

/// How many messages a receiver takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// So many …
    pub messages: u32,
    /// … in so long.
    #[serde(with = "duration")]
    pub per: Duration,
}

/// `notifications:`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NotificationsConfig {
    /// A message that its receiver has not taken for so long is given up. Three days: a weekend with its Monday.
    #[serde(with = "duration")]
    pub give_up_after: Duration,
}

impl Default for NotificationsConfig {
    fn default() -> Self {
        Self { give_up_after: Duration::from_secs(72 * 3600) }
    }
}

impl GlobalConfig {
    /// Makes relative paths absolute.
    pub fn resolve_paths(&mut self, base: &Path) {
        resolve(base, [&mut self.smtp_auth_password_file, &mut self.smtp_tls_config.ca_file]);
        resolve(base, [&mut self.slack_api_url_file, &mut self.opsgenie_api_key_file]);
        self.http_config.resolve_paths(base);
    }
}

impl ReceiverConfig {
    /// Makes relative paths absolute.
    pub fn resolve_paths(&mut self, base: &Path) {
        for email in &mut self.email_configs {
            resolve(base, [&mut email.auth_password_file]);
            resolve(base, email.tls_config.as_mut().map(|t| &mut t.ca_file));
        }
        for hook in &mut self.webhook_configs {
            if let Some(hmac) = &mut hook.hmac {
                hmac.secret_file = base.join(&hmac.secret_file);
            }
        }
        resolve_all(&mut self.webhook_configs, base);
        resolve_all(&mut self.slack_configs, base);
        resolve_all(&mut self.msteams_configs, base);
        resolve_all(&mut self.msteamsv2_configs, base);
        resolve_all(&mut self.discord_configs, base);
        resolve_all(&mut self.telegram_configs, base);
        resolve_all(&mut self.pagerduty_configs, base);
        resolve_all(&mut self.opsgenie_configs, base);
        resolve_all(&mut self.pushover_configs, base);
        resolve_all(&mut self.ntfy_configs, base);
        resolve_all(&mut self.alertmanager_configs, base);
    }
}

/// What all entries have that are delivered by HTTP.
pub(super) trait ByHttp {
    /// `send_resolved`.
    fn send_resolved(&self) -> bool;
    /// Of one attempt; `None`: as long as dispatch allows.
    fn timeout(&self) -> Option<Duration>;
    /// Its own, instead of the global one.
    fn http_config(&self) -> Option<&HttpConfig>;
    /// The same, and every other file that it names.
    fn files(&mut self) -> (Option<&mut HttpConfig>, Vec<&mut Option<PathBuf>>);
}

macro_rules! by_http {
    ($($config:ty: [$($file:ident),*]),* $(,)?) => {$(
        impl ByHttp for $config {
            fn send_resolved(&self) -> bool {
                // True here, false for some in Alertmanager: who was woken wants to know that it is over.
                self.send_resolved.unwrap_or(true)
            }
            fn timeout(&self) -> Option<Duration> {
                self.timeout.filter(|t| !t.is_zero())
            }
            fn http_config(&self) -> Option<&HttpConfig> {
                self.http_config.as_ref()
            }
            fn files(&mut self) -> (Option<&mut HttpConfig>, Vec<&mut Option<PathBuf>>) {
                (self.http_config.as_mut(), vec![$(&mut self.$file),*])
            }
        }
    )*};
}

by_http! {
    WebhookConfig: [url_file],
    SlackConfig: [api_url_file],
    TeamsConfig: [webhook_url_file],
    DiscordConfig: [webhook_url_file],
    TelegramConfig: [bot_token_file, chat_id_file],
    PagerDutyConfig: [routing_key_file],
    OpsgenieConfig: [api_key_file],
    PushoverConfig: [user_key_file, token_file],
    NtfyConfig: [topic_file, token_file],
    AlertmanagerConfig: [],
}

fn resolve_all(entries: &mut [impl ByHttp], base: &Path) {
    for entry in entries {
        let (http, files) = entry.files();
        resolve(base, files);
        if let Some(http) = http {
            http.resolve_paths(base);
        }
    }
}

fn resolve<'a>(base: &Path, paths: impl IntoIterator<Item = &'a mut Option<PathBuf>>) {
    for path in paths.into_iter().flatten() {
        *path = base.join(&*path);
    }
}

fn yes() -> bool {
    true
}

//! `global:`, `receivers:` and `notifications:` of the configuration, in Alertmanager's own schema, so that the
//! parts of an existing file can be pasted. A key that we don't act on is not accepted.
//!
//! Relative paths are made absolute by `resolve_paths` before anything here is used; files that hold secrets are
//! read when a message is sent, so that a rotated secret needs no reload.

mod services;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

pub use self::services::{
    AlertmanagerConfig, DiscordConfig, NtfyConfig, OpsgenieConfig, PagerdutyConfig, PushoverConfig, SlackConfig,
    TeamsConfig, TelegramConfig,
};
use crate::model::{Secret, duration};

/// `global:`, what every email receiver falls back on.
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
    /// A posted alert without an end ends after this.
    #[serde(with = "duration")]
    pub resolve_timeout: Duration,
    /// Slack's incoming webhook.
    pub slack_api_url: Option<Secret>,
    /// File with it.
    pub slack_api_url_file: Option<PathBuf>,
    /// PagerDuty's Events API.
    pub pagerduty_url: Option<String>,
    /// Opsgenie's API.
    pub opsgenie_api_url: Option<String>,
    /// Key of it.
    pub opsgenie_api_key: Option<Secret>,
    /// File with it.
    pub opsgenie_api_key_file: Option<PathBuf>,
    /// Telegram's API.
    pub telegram_api_url: Option<String>,
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
            resolve_timeout: Duration::from_secs(5 * 60),
            slack_api_url: None,
            slack_api_url_file: None,
            pagerduty_url: None,
            opsgenie_api_url: None,
            opsgenie_api_key: None,
            opsgenie_api_key_file: None,
            telegram_api_url: None,
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
    #[serde(default)]
    pub slack_configs: Vec<SlackConfig>,
    /// Microsoft Teams.
    #[serde(default)]
    pub msteams_configs: Vec<TeamsConfig>,
    /// Microsoft Teams, by its newer name.
    #[serde(default)]
    pub msteamsv2_configs: Vec<TeamsConfig>,
    /// Discord.
    #[serde(default)]
    pub discord_configs: Vec<DiscordConfig>,
    /// Telegram.
    #[serde(default)]
    pub telegram_configs: Vec<TelegramConfig>,
    /// PagerDuty.
    #[serde(default)]
    pub pagerduty_configs: Vec<PagerdutyConfig>,
    /// Opsgenie.
    #[serde(default)]
    pub opsgenie_configs: Vec<OpsgenieConfig>,
    /// Pushover.
    #[serde(default)]
    pub pushover_configs: Vec<PushoverConfig>,
    /// ntfy (ours).
    #[serde(default)]
    pub ntfy_configs: Vec<NtfyConfig>,
    /// Other Alertmanagers (ours).
    #[serde(default)]
    pub alertmanager_configs: Vec<AlertmanagerConfig>,
    /// Updates and reminders beyond this are not sent; what begins, gets worse or ends always is (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
}

/// One entry of `email_configs:`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmailConfig {
    /// Recipients, separated by commas.
    pub to: String,
    /// Instead of `global.smtp_from`.
    #[serde(default)]
    pub from: Option<String>,
    /// Instead of `global.smtp_smarthost`.
    #[serde(default)]
    pub smarthost: Option<String>,
    /// Instead of `global.smtp_hello`.
    #[serde(default)]
    pub hello: Option<String>,
    /// Instead of `global.smtp_auth_username`.
    #[serde(default)]
    pub auth_username: Option<String>,
    /// Instead of `global.smtp_auth_password`.
    #[serde(default)]
    pub auth_password: Option<Secret>,
    /// Instead of `global.smtp_auth_password_file`.
    #[serde(default)]
    pub auth_password_file: Option<PathBuf>,
    /// Instead of `global.smtp_require_tls`. A password never goes in the clear to another machine, whatever this says.
    #[serde(default)]
    pub require_tls: Option<bool>,
    /// Instead of `global.smtp_force_implicit_tls`.
    #[serde(default)]
    pub force_implicit_tls: Option<bool>,
    /// How the mail server's certificate is judged.
    #[serde(default)]
    pub tls_config: EmailTlsConfig,
    /// Further headers, and the subject; templates.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Instead of our HTML part; a template.
    #[serde(default)]
    pub html: Option<String>,
    /// Instead of our text part; a template.
    #[serde(default)]
    pub text: Option<String>,
    /// Tell the end as well. True here, false in Alertmanager: who was woken wants to know that it is over.
    #[serde(default = "yes")]
    pub send_resolved: bool,
}

/// How a mail server's certificate is judged. No client certificate: lettre can't present one from a PEM file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmailTlsConfig {
    /// Trusted besides the machine's own CAs.
    pub ca_file: Option<PathBuf>,
    /// The name expected in the certificate; default: the smarthost's.
    pub server_name: Option<String>,
    /// Accept any certificate.
    pub insecure_skip_verify: bool,
}

/// One entry of `webhook_configs:`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Where to POST. A secret, since many services put their token there.
    #[serde(default)]
    pub url: Option<Secret>,
    /// File with the URL.
    #[serde(default)]
    pub url_file: Option<PathBuf>,
    /// Tell the end as well.
    #[serde(default = "yes")]
    pub send_resolved: bool,
    /// No more alerts than this in one message, the rest is counted; 0: all.
    #[serde(default)]
    pub max_alerts: usize,
    /// Of one attempt; an attempt never takes longer than dispatch allows.
    #[serde(default, with = "duration::option", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Credentials, headers, TLS, proxy.
    #[serde(default)]
    pub http_config: HttpConfig,
    /// Sign the body (ours, not in Alertmanager).
    #[serde(default)]
    pub hmac: Option<HmacConfig>,
}

/// Signature of the body, as GitHub makes it: `sha256=<hex of HMAC-SHA256>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HmacConfig {
    /// File with the key; white space at its end is no part of the key.
    pub secret_file: PathBuf,
    /// The header that carries the signature.
    #[serde(default = "hmac_header")]
    pub header: String,
}

/// `http_config:` of a webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// `Authorization: <type> <credentials>`.
    pub authorization: Option<AuthorizationConfig>,
    /// Basic authentication.
    pub basic_auth: Option<BasicAuthConfig>,
    /// Further headers.
    pub http_headers: BTreeMap<String, HeaderConfig>,
    /// How the server's certificate is judged, and our own.
    pub tls_config: WebhookTlsConfig,
    /// Proxy; without it the environment's (`HTTPS_PROXY`, `NO_PROXY`, …) counts.
    pub proxy_url: Option<Secret>,
    /// Follow redirects that keep the POST (307, 308) and the host; any other is a failure.
    pub follow_redirects: bool,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            authorization: None,
            basic_auth: None,
            http_headers: BTreeMap::new(),
            tls_config: WebhookTlsConfig::default(),
            proxy_url: None,
            follow_redirects: true,
        }
    }
}

/// `authorization:`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorizationConfig {
    /// The scheme.
    #[serde(default = "bearer", rename = "type")]
    pub kind: String,
    /// Credentials.
    #[serde(default)]
    pub credentials: Option<Secret>,
    /// File with them.
    #[serde(default)]
    pub credentials_file: Option<PathBuf>,
}

/// `basic_auth:`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BasicAuthConfig {
    /// User.
    pub username: String,
    /// Password.
    #[serde(default)]
    pub password: Option<Secret>,
    /// File with it.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
}

/// One entry of `http_headers:`; every value is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HeaderConfig {
    /// Values.
    pub values: Vec<String>,
    /// Values that are never shown.
    pub secrets: Vec<Secret>,
    /// Files with values.
    pub files: Vec<PathBuf>,
}

/// TLS of a webhook. The name in the certificate is always checked against the URL's host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookTlsConfig {
    /// Trusted besides the machine's own CAs.
    pub ca_file: Option<PathBuf>,
    /// Client certificate.
    pub cert_file: Option<PathBuf>,
    /// Its key.
    pub key_file: Option<PathBuf>,
    /// Accept any certificate.
    pub insecure_skip_verify: bool,
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
        resolve(
            base,
            [&mut self.smtp_auth_password_file, &mut self.slack_api_url_file, &mut self.opsgenie_api_key_file],
        );
    }
}

impl HttpConfig {
    /// Makes relative paths absolute.
    pub fn resolve_paths(&mut self, base: &Path) {
        let tls = &mut self.tls_config;
        resolve(base, [&mut tls.ca_file, &mut tls.cert_file, &mut tls.key_file]);
        resolve(base, self.authorization.as_mut().map(|a| &mut a.credentials_file));
        resolve(base, self.basic_auth.as_mut().map(|b| &mut b.password_file));
        for path in self.http_headers.values_mut().flat_map(|h| &mut h.files) {
            *path = base.join(&*path);
        }
    }
}

impl ReceiverConfig {
    /// Makes relative paths absolute.
    pub fn resolve_paths(&mut self, base: &Path) {
        for email in &mut self.email_configs {
            resolve(base, [&mut email.auth_password_file, &mut email.tls_config.ca_file]);
        }
        for hook in &mut self.webhook_configs {
            resolve(base, [&mut hook.url_file]);
            hook.http_config.resolve_paths(base);
            if let Some(hmac) = &mut hook.hmac {
                hmac.secret_file = base.join(&hmac.secret_file);
            }
        }
        self.slack_configs.iter_mut().for_each(|c| c.resolve_paths(base));
        let teams = self.msteams_configs.iter_mut().chain(&mut self.msteamsv2_configs);
        teams.for_each(|c| c.resolve_paths(base));
        self.discord_configs.iter_mut().for_each(|c| c.resolve_paths(base));
        self.telegram_configs.iter_mut().for_each(|c| c.resolve_paths(base));
        self.pagerduty_configs.iter_mut().for_each(|c| c.resolve_paths(base));
        self.opsgenie_configs.iter_mut().for_each(|c| c.resolve_paths(base));
        self.pushover_configs.iter_mut().for_each(|c| c.resolve_paths(base));
        self.ntfy_configs.iter_mut().for_each(|c| c.resolve_paths(base));
        self.alertmanager_configs.iter_mut().for_each(|c| c.resolve_paths(base));
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

fn bearer() -> String {
    "Bearer".into()
}

fn hmac_header() -> String {
    "X-Dogwatch-Signature-256".into()
}

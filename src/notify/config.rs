//! `global:`, `receivers:` and `notifications:` of the configuration, in Alertmanager's own schema, so that the
//! parts of an existing file can be pasted. A key that we don't act on is not accepted.
//!
//! Relative paths are made absolute by `resolve_paths` before anything here is used; files that hold secrets are
//! read when a message is sent, so that a rotated secret needs no reload.

mod by_http;
mod chat;
mod direct;
mod http;
mod messengers;
mod paging;
mod tickets;
mod tls;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use url::Url;

pub(super) use self::by_http::ByHttp;
use self::by_http::{resolve, resolve_all};
pub use self::{
    chat::{DiscordConfig, SlackAction, SlackConfig, SlackConfirm, SlackField, TeamsConfig, TelegramConfig},
    direct::{EmailConfig, HmacConfig, ThreadByDate, ThreadingConfig, WebhookConfig},
    http::{AuthorizationConfig, BasicAuthConfig, HeaderConfig, HttpConfig, OAuth2Config},
    messengers::{
        MattermostAttachment, MattermostConfig, MattermostPriority, MattermostProps, RocketchatAction,
        RocketchatConfig, RocketchatField, WebexConfig, WechatConfig,
    },
    paging::{
        AlertmanagerConfig, NtfyConfig, OpsgenieConfig, OpsgenieResponder, PagerDutyConfig, PagerDutyImage,
        PagerDutyLink, PushoverConfig,
    },
    tickets::{IncidentIoConfig, JiraConfig, JiraField, SigV4Config, SnsConfig, VictorOpsConfig},
    tls::{TlsConfig, TlsVersion},
};
use crate::{
    model::{Secret, cron, duration},
    words::{Language, Voice},
};

/// `global:`, what receivers fall back on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
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
    /// Secret of CRAM-MD5.
    pub smtp_auth_secret: Option<Secret>,
    /// File with it.
    pub smtp_auth_secret_file: Option<PathBuf>,
    /// On whose behalf, in PLAIN.
    pub smtp_auth_identity: Option<String>,
    /// STARTTLS must be had.
    pub smtp_require_tls: bool,
    /// TLS from the first byte; default: where the port is 465.
    pub smtp_force_implicit_tls: Option<bool>,
    /// How mail servers' certificates are judged.
    pub smtp_tls_config: TlsConfig,
    /// How everything but mail is reached.
    pub http_config: HttpConfig,
    /// Slack's incoming webhook.
    pub slack_api_url: Option<Secret>,
    /// File with it.
    pub slack_api_url_file: Option<PathBuf>,
    /// Token of a Slack app, instead of a webhook.
    pub slack_app_token: Option<Secret>,
    /// File with it.
    pub slack_app_token_file: Option<PathBuf>,
    /// Where a Slack app posts; default: `https://slack.com/api/chat.postMessage`.
    #[serde(deserialize_with = "http::web_url")]
    pub slack_app_url: Option<Url>,
    /// PagerDuty's Events API v2; default: the public one.
    #[serde(deserialize_with = "http::web_url")]
    pub pagerduty_url: Option<Url>,
    /// Opsgenie's API; default: the public one.
    #[serde(deserialize_with = "http::web_url")]
    pub opsgenie_api_url: Option<Url>,
    /// Opsgenie's key.
    pub opsgenie_api_key: Option<Secret>,
    /// File with it.
    pub opsgenie_api_key_file: Option<PathBuf>,
    /// Telegram's Bot API; default: the public one.
    #[serde(deserialize_with = "http::web_url")]
    pub telegram_api_url: Option<Url>,
    /// Token of the bot.
    pub telegram_bot_token: Option<Secret>,
    /// File with it.
    pub telegram_bot_token_file: Option<PathBuf>,
    /// Splunk On-Call's (VictorOps') REST endpoint; default: the public one.
    #[serde(deserialize_with = "http::web_url")]
    pub victorops_api_url: Option<Url>,
    /// Its key.
    pub victorops_api_key: Option<Secret>,
    /// File with it.
    pub victorops_api_key_file: Option<PathBuf>,
    /// Webex' messages API; default: the public one.
    #[serde(deserialize_with = "http::web_url")]
    pub webex_api_url: Option<Url>,
    /// WeChat Work's API; default: the public one.
    #[serde(deserialize_with = "http::web_url")]
    pub wechat_api_url: Option<Url>,
    /// Secret of the application.
    pub wechat_api_secret: Option<Secret>,
    /// File with it.
    pub wechat_api_secret_file: Option<PathBuf>,
    /// Whose it is.
    pub wechat_api_corp_id: Option<String>,
    /// Jira's REST API, e.g. `https://example.atlassian.net/rest/api/2/`.
    #[serde(deserialize_with = "http::web_url")]
    pub jira_api_url: Option<Url>,
    /// The Rocket.Chat server; default: `https://open.rocket.chat/`.
    #[serde(deserialize_with = "http::web_url")]
    pub rocketchat_api_url: Option<Url>,
    /// Token of the user that posts.
    pub rocketchat_token: Option<Secret>,
    /// File with it.
    pub rocketchat_token_file: Option<PathBuf>,
    /// Id of that user.
    pub rocketchat_token_id: Option<Secret>,
    /// File with it.
    pub rocketchat_token_id_file: Option<PathBuf>,
    /// Mattermost's incoming webhook.
    pub mattermost_webhook_url: Option<Secret>,
    /// File with it.
    pub mattermost_webhook_url_file: Option<PathBuf>,
    /// A posted alert without an end ends after this.
    #[serde(with = "duration")]
    #[schemars(with = "crate::model::duration::Written")]
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
            smtp_auth_secret: None,
            smtp_auth_secret_file: None,
            smtp_auth_identity: None,
            smtp_require_tls: true,
            smtp_force_implicit_tls: None,
            smtp_tls_config: TlsConfig::default(),
            http_config: HttpConfig::default(),
            slack_api_url: None,
            slack_api_url_file: None,
            slack_app_token: None,
            slack_app_token_file: None,
            slack_app_url: None,
            pagerduty_url: None,
            opsgenie_api_url: None,
            opsgenie_api_key: None,
            opsgenie_api_key_file: None,
            telegram_api_url: None,
            telegram_bot_token: None,
            telegram_bot_token_file: None,
            victorops_api_url: None,
            victorops_api_key: None,
            victorops_api_key_file: None,
            webex_api_url: None,
            wechat_api_url: None,
            wechat_api_secret: None,
            wechat_api_secret_file: None,
            wechat_api_corp_id: None,
            jira_api_url: None,
            rocketchat_api_url: None,
            rocketchat_token: None,
            rocketchat_token_file: None,
            rocketchat_token_id: None,
            rocketchat_token_id_file: None,
            mattermost_webhook_url: None,
            mattermost_webhook_url_file: None,
            resolve_timeout: Duration::from_secs(5 * 60),
        }
    }
}

/// One entry of `receivers:`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReceiverConfig {
    /// Its name, which `route.receiver` says.
    pub name: String,
    /// For those who read the file; `name` may only say the name again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
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
    /// Splunk On-Call (VictorOps).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub victorops_configs: Vec<VictorOpsConfig>,
    /// Webex.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub webex_configs: Vec<WebexConfig>,
    /// Amazon SNS.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sns_configs: Vec<SnsConfig>,
    /// WeChat Work.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wechat_configs: Vec<WechatConfig>,
    /// Jira.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jira_configs: Vec<JiraConfig>,
    /// Rocket.Chat.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rocketchat_configs: Vec<RocketchatConfig>,
    /// Mattermost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mattermost_configs: Vec<MattermostConfig>,
    /// incident.io.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incidentio_configs: Vec<IncidentIoConfig>,
    /// ntfy (ours).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ntfy_configs: Vec<NtfyConfig>,
    /// Other Alertmanagers (ours).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alertmanager_configs: Vec<AlertmanagerConfig>,
    /// In which language it is told; default: that of the whole configuration (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// In which time zone, by its IANA name; default: that of the whole configuration (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Updates and reminders beyond this are not sent; what begins, gets worse or ends always is (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
}

/// Says how many messages a receiver takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// So many …
    pub messages: u32,
    /// … in so long.
    #[serde(with = "duration")]
    #[schemars(with = "crate::model::duration::Written")]
    pub per: Duration,
}

/// `notifications:`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NotificationsConfig {
    /// A message that its receiver has not taken for so long is given up. Three days: a weekend with its Monday.
    #[serde(with = "duration")]
    #[schemars(with = "crate::model::duration::Written")]
    pub give_up_after: Duration,
}

impl Default for NotificationsConfig {
    fn default() -> Self {
        Self { give_up_after: Duration::from_secs(72 * 3600) }
    }
}

impl GlobalConfig {
    /// Returns what can't work: the key, and why.
    ///
    /// # Errors
    /// For the first secret that is given twice, and for Slack's two ways to be reached at once.
    pub(super) fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let secrets = [
            ("smtp_auth_password", self.smtp_auth_password.is_some(), self.smtp_auth_password_file.is_some()),
            ("smtp_auth_secret", self.smtp_auth_secret.is_some(), self.smtp_auth_secret_file.is_some()),
            ("slack_api_url", self.slack_api_url.is_some(), self.slack_api_url_file.is_some()),
            ("slack_app_token", self.slack_app_token.is_some(), self.slack_app_token_file.is_some()),
            ("opsgenie_api_key", self.opsgenie_api_key.is_some(), self.opsgenie_api_key_file.is_some()),
            ("victorops_api_key", self.victorops_api_key.is_some(), self.victorops_api_key_file.is_some()),
            ("telegram_bot_token", self.telegram_bot_token.is_some(), self.telegram_bot_token_file.is_some()),
            ("wechat_api_secret", self.wechat_api_secret.is_some(), self.wechat_api_secret_file.is_some()),
            ("rocketchat_token", self.rocketchat_token.is_some(), self.rocketchat_token_file.is_some()),
            ("rocketchat_token_id", self.rocketchat_token_id.is_some(), self.rocketchat_token_id_file.is_some()),
            (
                "mattermost_webhook_url",
                self.mattermost_webhook_url.is_some(),
                self.mattermost_webhook_url_file.is_some(),
            ),
        ];
        if let Some((key, ..)) = secrets.iter().find(|(_, inline, file)| *inline && *file) {
            return Err((key, "give the value or the file (…_file), not both"));
        }
        let given = |wanted: &str| secrets.iter().any(|(key, inline, file)| *key == wanted && (*inline || *file));
        if given("slack_api_url") && given("slack_app_token") {
            return Err(("slack_app_token", "give a webhook's URL (slack_api_url) or an app's token, not both"));
        }
        Ok(())
    }

    /// Makes relative paths absolute.
    pub fn resolve_paths(&mut self, base: &Path) {
        resolve(base, [&mut self.smtp_auth_password_file, &mut self.smtp_auth_secret_file]);
        resolve(base, [&mut self.slack_api_url_file, &mut self.slack_app_token_file, &mut self.opsgenie_api_key_file]);
        resolve(base, [&mut self.telegram_bot_token_file, &mut self.victorops_api_key_file]);
        resolve(base, [&mut self.wechat_api_secret_file, &mut self.mattermost_webhook_url_file]);
        resolve(base, [&mut self.rocketchat_token_file, &mut self.rocketchat_token_id_file]);
        self.smtp_tls_config.resolve_paths(base);
        self.http_config.resolve_paths(base);
    }
}

impl ReceiverConfig {
    /// Returns the same, told in these where it does not say otherwise.
    pub fn or_told_in(self, language: Option<Language>, timezone: Option<&str>) -> Self {
        let timezone = self.timezone.or_else(|| timezone.map(str::to_owned));
        Self { language: self.language.or(language), timezone, ..self }
    }

    /// Returns how it is told.
    ///
    /// # Errors
    /// For a time zone that there is not.
    pub fn voice(&self) -> Result<Voice, String> {
        Ok(Voice::new(self.language.unwrap_or_default(), cron::zone(self.timezone.as_deref())?))
    }

    /// Makes relative paths absolute.
    pub fn resolve_paths(&mut self, base: &Path) {
        for email in &mut self.email_configs {
            resolve(base, [&mut email.auth_password_file, &mut email.auth_secret_file]);
            if let Some(tls) = &mut email.tls_config {
                tls.resolve_paths(base);
            }
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
        resolve_all(&mut self.victorops_configs, base);
        resolve_all(&mut self.webex_configs, base);
        resolve_all(&mut self.sns_configs, base);
        resolve_all(&mut self.wechat_configs, base);
        resolve_all(&mut self.jira_configs, base);
        resolve_all(&mut self.rocketchat_configs, base);
        resolve_all(&mut self.mattermost_configs, base);
        resolve_all(&mut self.incidentio_configs, base);
        resolve_all(&mut self.ntfy_configs, base);
        resolve_all(&mut self.alertmanager_configs, base);
    }
}

fn yes() -> bool {
    true
}

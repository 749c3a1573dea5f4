//! Receivers that are somebody's service, in Alertmanager's schema (ntfy and alertmanager are ours). Texts are templates;
//! what is not given is written by dogwatch itself. A key that we don't act on is not accepted.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{HttpConfig, yes};
use crate::model::Secret;

/// One entry of `slack_configs:`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlackConfig {
    /// Incoming webhook; default `global.slack_api_url`.
    #[serde(default)]
    pub api_url: Option<Secret>,
    /// File with it.
    #[serde(default)]
    pub api_url_file: Option<PathBuf>,
    /// Channel or user.
    #[serde(default)]
    pub channel: Option<String>,
    /// Sender's name.
    #[serde(default)]
    pub username: Option<String>,
    /// Bar beside the text; default: by severity.
    #[serde(default)]
    pub color: Option<String>,
    /// First line.
    #[serde(default)]
    pub title: Option<String>,
    /// Where the first line leads.
    #[serde(default)]
    pub title_link: Option<String>,
    /// Before the text.
    #[serde(default)]
    pub pretext: Option<String>,
    /// The text.
    #[serde(default)]
    pub text: Option<String>,
    /// For clients that show no formatting.
    #[serde(default)]
    pub fallback: Option<String>,
    /// Last line.
    #[serde(default)]
    pub footer: Option<String>,
    /// Emoji beside the sender.
    #[serde(default)]
    pub icon_emoji: Option<String>,
    /// Picture beside the sender.
    #[serde(default)]
    pub icon_url: Option<String>,
    /// Credentials, TLS, proxy.
    #[serde(default)]
    pub http_config: HttpConfig,
    /// Tell the end as well.
    #[serde(default = "yes")]
    pub send_resolved: bool,
}

/// One entry of `msteams_configs:` and `msteamsv2_configs:`; both are sent as an Adaptive Card.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeamsConfig {
    /// The workflow's URL.
    #[serde(default)]
    pub webhook_url: Option<Secret>,
    /// File with it.
    #[serde(default)]
    pub webhook_url_file: Option<PathBuf>,
    /// First line.
    #[serde(default)]
    pub title: Option<String>,
    /// What the notification on the phone says.
    #[serde(default)]
    pub summary: Option<String>,
    /// The text.
    #[serde(default)]
    pub text: Option<String>,
    /// Credentials, TLS, proxy.
    #[serde(default)]
    pub http_config: HttpConfig,
    /// Tell the end as well.
    #[serde(default = "yes")]
    pub send_resolved: bool,
}

/// One entry of `discord_configs:`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiscordConfig {
    /// Webhook.
    #[serde(default)]
    pub webhook_url: Option<Secret>,
    /// File with it.
    #[serde(default)]
    pub webhook_url_file: Option<PathBuf>,
    /// First line.
    #[serde(default)]
    pub title: Option<String>,
    /// The text.
    #[serde(default)]
    pub message: Option<String>,
    /// Before the card: a mention, say.
    #[serde(default)]
    pub content: Option<String>,
    /// Sender's name.
    #[serde(default)]
    pub username: Option<String>,
    /// Picture of the sender.
    #[serde(default)]
    pub avatar_url: Option<String>,
    /// Credentials, TLS, proxy.
    #[serde(default)]
    pub http_config: HttpConfig,
    /// Tell the end as well.
    #[serde(default = "yes")]
    pub send_resolved: bool,
}

/// One entry of `telegram_configs:`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelegramConfig {
    /// Instead of `https://api.telegram.org`.
    #[serde(default)]
    pub api_url: Option<String>,
    /// The bot's token.
    #[serde(default)]
    pub bot_token: Option<Secret>,
    /// File with it.
    #[serde(default)]
    pub bot_token_file: Option<PathBuf>,
    /// Chat.
    #[serde(default)]
    pub chat_id: i64,
    /// Topic in a group.
    #[serde(default)]
    pub message_thread_id: Option<i64>,
    /// The text, HTML.
    #[serde(default)]
    pub message: Option<String>,
    /// Without a sound.
    #[serde(default)]
    pub disable_notifications: bool,
    /// `HTML`, `MarkdownV2`, or empty for none; of our own text it is HTML.
    #[serde(default)]
    pub parse_mode: Option<String>,
    /// Credentials, TLS, proxy.
    #[serde(default)]
    pub http_config: HttpConfig,
    /// Tell the end as well.
    #[serde(default = "yes")]
    pub send_resolved: bool,
}

/// One entry of `pagerduty_configs:` (Events API v2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PagerdutyConfig {
    /// The integration's key.
    #[serde(default)]
    pub routing_key: Option<Secret>,
    /// File with it.
    #[serde(default)]
    pub routing_key_file: Option<PathBuf>,
    /// Instead of `global.pagerduty_url`.
    #[serde(default)]
    pub url: Option<String>,
    /// Who tells.
    #[serde(default)]
    pub client: Option<String>,
    /// Where that is.
    #[serde(default)]
    pub client_url: Option<String>,
    /// One line.
    #[serde(default)]
    pub description: Option<String>,
    /// `critical`, `error`, `warning`, `info`.
    #[serde(default)]
    pub severity: Option<String>,
    /// What is affected.
    #[serde(default)]
    pub source: Option<String>,
    /// Kind of event.
    #[serde(default)]
    pub class: Option<String>,
    /// Part of the machine.
    #[serde(default)]
    pub component: Option<String>,
    /// Logical grouping.
    #[serde(default)]
    pub group: Option<String>,
    /// Further facts.
    #[serde(default)]
    pub details: BTreeMap<String, String>,
    /// Credentials, TLS, proxy.
    #[serde(default)]
    pub http_config: HttpConfig,
    /// Tell the end as well.
    #[serde(default = "yes")]
    pub send_resolved: bool,
}

/// One entry of `opsgenie_configs:`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpsgenieConfig {
    /// Default `global.opsgenie_api_key`.
    #[serde(default)]
    pub api_key: Option<Secret>,
    /// File with it.
    #[serde(default)]
    pub api_key_file: Option<PathBuf>,
    /// Instead of `global.opsgenie_api_url`.
    #[serde(default)]
    pub api_url: Option<String>,
    /// One line.
    #[serde(default)]
    pub message: Option<String>,
    /// The text.
    #[serde(default)]
    pub description: Option<String>,
    /// Who tells.
    #[serde(default)]
    pub source: Option<String>,
    /// Further facts.
    #[serde(default)]
    pub details: BTreeMap<String, String>,
    /// Who answers.
    #[serde(default)]
    pub responders: Vec<BTreeMap<String, String>>,
    /// Separated by commas.
    #[serde(default)]
    pub tags: Option<String>,
    /// `P1` to `P5`; default by severity.
    #[serde(default)]
    pub priority: Option<String>,
    /// What it is about.
    #[serde(default)]
    pub entity: Option<String>,
    /// Credentials, TLS, proxy.
    #[serde(default)]
    pub http_config: HttpConfig,
    /// Tell the end as well.
    #[serde(default = "yes")]
    pub send_resolved: bool,
}

/// One entry of `pushover_configs:`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PushoverConfig {
    /// Whom.
    #[serde(default)]
    pub user_key: Option<Secret>,
    /// File with it.
    #[serde(default)]
    pub user_key_file: Option<PathBuf>,
    /// The application's token.
    #[serde(default)]
    pub token: Option<Secret>,
    /// File with it.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// First line.
    #[serde(default)]
    pub title: Option<String>,
    /// The text.
    #[serde(default)]
    pub message: Option<String>,
    /// Where it leads.
    #[serde(default)]
    pub url: Option<String>,
    /// -2 to 2; default by severity. 2 is repeated until somebody acknowledges.
    #[serde(default)]
    pub priority: Option<String>,
    /// Sound.
    #[serde(default)]
    pub sound: Option<String>,
    /// Device.
    #[serde(default)]
    pub device: Option<String>,
    /// Credentials, TLS, proxy.
    #[serde(default)]
    pub http_config: HttpConfig,
    /// Tell the end as well.
    #[serde(default = "yes")]
    pub send_resolved: bool,
}

/// One entry of `ntfy_configs:` (ours).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NtfyConfig {
    /// Instead of `https://ntfy.sh`; credentials are in `http_config`.
    #[serde(default)]
    pub url: Option<String>,
    /// Where; whoever knows it can read it.
    #[serde(default)]
    pub topic: Option<Secret>,
    /// File with it.
    #[serde(default)]
    pub topic_file: Option<PathBuf>,
    /// First line.
    #[serde(default)]
    pub title: Option<String>,
    /// The text.
    #[serde(default)]
    pub message: Option<String>,
    /// 1 to 5; default by severity.
    #[serde(default)]
    pub priority: Option<u8>,
    /// Tags, some of which are shown as emojis.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Credentials, TLS, proxy.
    #[serde(default)]
    pub http_config: HttpConfig,
    /// Tell the end as well.
    #[serde(default = "yes")]
    pub send_resolved: bool,
}

/// One entry of `alertmanager_configs:` (ours): forward to one or several Alertmanagers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertmanagerConfig {
    /// Each gets every alert; a cluster of them tells each once.
    pub urls: Vec<String>,
    /// Credentials, TLS, proxy.
    #[serde(default)]
    pub http_config: HttpConfig,
    /// Tell the end as well.
    #[serde(default = "yes")]
    pub send_resolved: bool,
}

macro_rules! files {
    ($($config:ty: $($file:ident),*;)*) => {$(
        impl $config {
            /// Makes relative paths absolute.
            pub fn resolve_paths(&mut self, base: &Path) {
                super::resolve(base, [$(&mut self.$file),*]);
                self.http_config.resolve_paths(base);
            }
        }
    )*};
}

files! {
    SlackConfig: api_url_file;
    TeamsConfig: webhook_url_file;
    DiscordConfig: webhook_url_file;
    TelegramConfig: bot_token_file;
    PagerdutyConfig: routing_key_file;
    OpsgenieConfig: api_key_file;
    PushoverConfig: user_key_file, token_file;
    NtfyConfig: topic_file;
    AlertmanagerConfig:;
}

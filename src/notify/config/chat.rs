//! Services where people talk: `slack_configs:`, `msteams_configs:`, `msteamsv2_configs:`, `discord_configs:`,
//! `telegram_configs:`. Texts are templates; what is not given has a default that says what the email says.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use url::Url;

use super::HttpConfig;
use crate::model::{Secret, duration};

/// One entry of `slack_configs:`, an incoming webhook or `chat.postMessage`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SlackConfig {
    /// Tell the end as well; default: true.
    pub send_resolved: Option<bool>,
    /// Of one attempt.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub timeout: Option<Duration>,
    /// Instead of `global.http_config`.
    pub http_config: Option<HttpConfig>,
    /// Instead of `global.slack_api_url`.
    pub api_url: Option<Secret>,
    /// File with it.
    pub api_url_file: Option<PathBuf>,
    /// Token of a Slack app, instead of `api_url`; instead of `global.slack_app_token`.
    pub app_token: Option<Secret>,
    /// File with it.
    pub app_token_file: Option<PathBuf>,
    /// Instead of `global.slack_app_url`.
    #[serde(deserialize_with = "super::http::web_url")]
    pub app_url: Option<Url>,
    /// Another channel than the webhook's own.
    pub channel: Option<String>,
    /// Who says it.
    pub username: Option<String>,
    /// `good`, `warning`, `danger` or `#rrggbb`; default: by severity.
    pub color: Option<String>,
    /// First line; default: the subject.
    pub title: Option<String>,
    /// Where it leads; default: the incident's page.
    pub title_link: Option<String>,
    /// Above the attachment.
    pub pretext: Option<String>,
    /// The text.
    pub text: Option<String>,
    /// The text above everything, outside of the attachment.
    pub message_text: Option<String>,
    /// Small tables.
    pub fields: Vec<SlackField>,
    /// Fields are side by side where they do not say.
    pub short_fields: bool,
    /// Last line; default: incident, message, labels.
    pub footer: Option<String>,
    /// For notifications on small screens; default: the title.
    pub fallback: Option<String>,
    /// Of the attachment.
    pub callback_id: Option<String>,
    /// `:name:`.
    pub icon_emoji: Option<String>,
    /// Instead of it.
    pub icon_url: Option<String>,
    /// A picture below.
    pub image_url: Option<String>,
    /// A picture beside.
    pub thumb_url: Option<String>,
    /// `@name` and `#channel` become links.
    pub link_names: bool,
    /// Which parts are formatted; default: fallback, pretext, text.
    pub mrkdwn_in: Vec<String>,
    /// Buttons.
    pub actions: Vec<SlackAction>,
    /// Later messages of an incident change its first; asks for an app's token.
    pub update_message: bool,
    /// Later messages of an incident answer its first; asks for an app's token.
    pub post_updates_to_thread: bool,
}

/// One of `fields:`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlackField {
    /// Its name.
    pub title: String,
    /// Its value.
    pub value: String,
    /// Beside the next one.
    #[serde(default)]
    pub short: Option<bool>,
}

/// One of `actions:`: a button that opens a page, or one that a Slack app answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlackAction {
    /// `button`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it says.
    pub text: String,
    /// The page.
    #[serde(default)]
    pub url: Option<String>,
    /// `default`, `primary`, `danger`.
    #[serde(default)]
    pub style: Option<String>,
    /// For the app.
    #[serde(default)]
    pub name: Option<String>,
    /// For the app.
    #[serde(default)]
    pub value: Option<String>,
    /// Asked before.
    #[serde(default)]
    pub confirm: Option<SlackConfirm>,
}

/// `confirm:`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlackConfirm {
    /// The question.
    pub text: String,
    /// Its title.
    #[serde(default)]
    pub title: Option<String>,
    /// Yes.
    #[serde(default)]
    pub ok_text: Option<String>,
    /// No.
    #[serde(default)]
    pub dismiss_text: Option<String>,
}

/// One entry of `msteams_configs:` or `msteamsv2_configs:`. Both send an Adaptive Card, which connectors and Power
/// Automate's workflows take.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TeamsConfig {
    /// Tell the end as well; default: true.
    pub send_resolved: Option<bool>,
    /// Of one attempt.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub timeout: Option<Duration>,
    /// Instead of `global.http_config`.
    pub http_config: Option<HttpConfig>,
    /// The workflow's URL, which is its key.
    pub webhook_url: Option<Secret>,
    /// File with it.
    pub webhook_url_file: Option<PathBuf>,
    /// First line; default: the subject.
    pub title: Option<String>,
    /// What the notification says; default: the title.
    pub summary: Option<String>,
    /// The text.
    pub text: Option<String>,
}

/// One entry of `discord_configs:`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DiscordConfig {
    /// Tell the end as well; default: true.
    pub send_resolved: Option<bool>,
    /// Of one attempt.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub timeout: Option<Duration>,
    /// Instead of `global.http_config`.
    pub http_config: Option<HttpConfig>,
    /// The webhook's URL, which is its key.
    pub webhook_url: Option<Secret>,
    /// File with it.
    pub webhook_url_file: Option<PathBuf>,
    /// Plain text above; the place for mentions.
    pub content: Option<String>,
    /// First line; default: the subject.
    pub title: Option<String>,
    /// The text.
    pub message: Option<String>,
    /// Who says it.
    pub username: Option<String>,
    /// Their picture.
    pub avatar_url: Option<String>,
}

/// One entry of `telegram_configs:`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TelegramConfig {
    /// Tell the end as well; default: true.
    pub send_resolved: Option<bool>,
    /// Of one attempt.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub timeout: Option<Duration>,
    /// Instead of `global.http_config`.
    pub http_config: Option<HttpConfig>,
    /// Instead of `global.telegram_api_url`.
    #[serde(deserialize_with = "super::http::web_url")]
    pub api_url: Option<Url>,
    /// The bot's token.
    pub bot_token: Option<Secret>,
    /// File with it.
    pub bot_token_file: Option<PathBuf>,
    /// Whom to tell.
    pub chat_id: Option<i64>,
    /// File with it.
    pub chat_id_file: Option<PathBuf>,
    /// The topic in a group.
    pub message_thread_id: Option<i64>,
    /// The text, its first line included.
    pub message: Option<String>,
    /// Without a sound.
    pub disable_notifications: bool,
    /// Of `message`: `HTML`, `MarkdownV2`, `Markdown`, or empty for plain text; default: `HTML`.
    pub parse_mode: Option<String>,
}

//! More services where people talk: `webex_configs:`, `wechat_configs:`, `rocketchat_configs:`, `mattermost_configs:`.
//! Texts are templates; what is not given has a default that says what the email says.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use url::Url;

use super::{HttpConfig, SlackField};
use crate::model::{Secret, duration};

/// One entry of `webex_configs:`. The bot's token is `http_config.authorization`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WebexConfig {
    /// Tell the end as well; default: true.
    pub send_resolved: Option<bool>,
    /// Of one attempt.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub timeout: Option<Duration>,
    /// Instead of `global.http_config`.
    pub http_config: Option<HttpConfig>,
    /// Instead of `global.webex_api_url`.
    #[serde(deserialize_with = "super::http::web_url")]
    pub api_url: Option<Url>,
    /// Whom to tell: a template.
    pub room_id: Option<String>,
    /// The text, its first line included: Markdown.
    pub message: Option<String>,
}

/// One entry of `wechat_configs:`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WechatConfig {
    /// Tell the end as well; default: true.
    pub send_resolved: Option<bool>,
    /// Of one attempt.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub timeout: Option<Duration>,
    /// Instead of `global.http_config`.
    pub http_config: Option<HttpConfig>,
    /// Instead of `global.wechat_api_url`.
    #[serde(deserialize_with = "super::http::web_url")]
    pub api_url: Option<Url>,
    /// Instead of `global.wechat_api_secret`.
    pub api_secret: Option<Secret>,
    /// File with it.
    pub api_secret_file: Option<PathBuf>,
    /// Instead of `global.wechat_api_corp_id`.
    pub corp_id: Option<String>,
    /// The application that says it.
    pub agent_id: Option<String>,
    /// Users, separated by `|`; `@all`: everybody.
    pub to_user: Option<String>,
    /// Departments, separated by `|`.
    pub to_party: Option<String>,
    /// Tags, separated by `|`.
    pub to_tag: Option<String>,
    /// The text, its first line included.
    pub message: Option<String>,
    /// `text` (default) or `markdown`.
    pub message_type: Option<String>,
}

/// One entry of `rocketchat_configs:`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RocketchatConfig {
    /// Tell the end as well; default: true.
    pub send_resolved: Option<bool>,
    /// Of one attempt.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub timeout: Option<Duration>,
    /// Instead of `global.http_config`.
    pub http_config: Option<HttpConfig>,
    /// Instead of `global.rocketchat_api_url`.
    #[serde(deserialize_with = "super::http::web_url")]
    pub api_url: Option<Url>,
    /// Instead of `global.rocketchat_token`.
    pub token: Option<Secret>,
    /// File with it.
    pub token_file: Option<PathBuf>,
    /// Instead of `global.rocketchat_token_id`.
    pub token_id: Option<Secret>,
    /// File with it.
    pub token_id_file: Option<PathBuf>,
    /// Whom to tell: `#channel`, `@user` or an id.
    pub channel: Option<String>,
    /// Of the attachment; default: by severity.
    pub color: Option<String>,
    /// First line; default: the subject.
    pub title: Option<String>,
    /// Where it leads; default: the incident's page.
    pub title_link: Option<String>,
    /// The text.
    pub text: Option<String>,
    /// The text above everything, outside of the attachment.
    pub message_text: Option<String>,
    /// Small tables.
    pub fields: Vec<RocketchatField>,
    /// Fields are side by side where they do not say.
    pub short_fields: bool,
    /// `:name:`.
    pub emoji: Option<String>,
    /// Instead of it.
    pub icon_url: Option<String>,
    /// A picture below.
    pub image_url: Option<String>,
    /// A picture beside.
    pub thumb_url: Option<String>,
    /// Accepted as there, where it does nothing either: Rocket.Chat finds names itself.
    pub link_names: bool,
    /// Buttons.
    pub actions: Vec<RocketchatAction>,
}

/// One of `fields:`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RocketchatField {
    /// Its name.
    pub title: String,
    /// Its value.
    pub value: String,
    /// Beside the next one.
    pub short: Option<bool>,
}

/// One of `actions:`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RocketchatAction {
    /// `button`, which is all that there is.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// What it says.
    pub text: Option<String>,
    /// The page that it opens.
    pub url: Option<String>,
    /// What it says in the channel.
    pub msg: Option<String>,
}

/// One entry of `mattermost_configs:`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MattermostConfig {
    /// Tell the end as well; default: true.
    pub send_resolved: Option<bool>,
    /// Of one attempt.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub timeout: Option<Duration>,
    /// Instead of `global.http_config`.
    pub http_config: Option<HttpConfig>,
    /// Instead of `global.mattermost_webhook_url`.
    pub webhook_url: Option<Secret>,
    /// File with it.
    pub webhook_url_file: Option<PathBuf>,
    /// Another channel than the webhook's own.
    pub channel: Option<String>,
    /// Who says it.
    pub username: Option<String>,
    /// Their picture.
    pub icon_url: Option<String>,
    /// Instead of it.
    pub icon_emoji: Option<String>,
    /// Of the attachment; default: by severity.
    pub color: Option<String>,
    /// Above the attachment.
    pub pretext: Option<String>,
    /// First line; default: the subject.
    pub title: Option<String>,
    /// Where it leads; default: the incident's page.
    pub title_link: Option<String>,
    /// The text; with `attachments` the text above them.
    pub text: Option<String>,
    /// For notifications on small screens; default: the title.
    pub fallback: Option<String>,
    /// Who wrote it.
    pub author_name: Option<String>,
    /// Their page.
    pub author_link: Option<String>,
    /// Their picture.
    pub author_icon: Option<String>,
    /// Small tables.
    pub fields: Vec<SlackField>,
    /// A picture beside.
    pub thumb_url: Option<String>,
    /// Last line; default: incident, message, labels.
    pub footer: Option<String>,
    /// A picture beside it.
    pub footer_icon: Option<String>,
    /// A picture below.
    pub image_url: Option<String>,
    /// Instead of the one attachment that the keys above describe.
    pub attachments: Vec<MattermostAttachment>,
    /// `custom_…`, for plugins.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// What the side bar shows.
    pub props: Option<MattermostProps>,
    /// How urgent.
    pub priority: Option<MattermostPriority>,
}

/// One of `attachments:`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MattermostAttachment {
    /// For notifications on small screens.
    pub fallback: Option<String>,
    /// `#rrggbb`.
    pub color: Option<String>,
    /// Above it.
    pub pretext: Option<String>,
    /// The text.
    pub text: Option<String>,
    /// Who wrote it.
    pub author_name: Option<String>,
    /// Their page.
    pub author_link: Option<String>,
    /// Their picture.
    pub author_icon: Option<String>,
    /// First line.
    pub title: Option<String>,
    /// Where it leads.
    pub title_link: Option<String>,
    /// Small tables.
    pub fields: Vec<SlackField>,
    /// A picture beside.
    pub thumb_url: Option<String>,
    /// Last line.
    pub footer: Option<String>,
    /// A picture beside it.
    pub footer_icon: Option<String>,
    /// A picture below.
    pub image_url: Option<String>,
}

/// `props:`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MattermostProps {
    /// Markdown in the side bar.
    pub card: Option<String>,
}

/// `priority:`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MattermostPriority {
    /// `standard`, `important`, `urgent`; any other is `standard`.
    pub priority: Option<String>,
    /// Readers are asked to acknowledge; not with `standard`.
    pub requested_ack: bool,
    /// Said again until somebody does; with `urgent` alone.
    pub persistent_notifications: bool,
}

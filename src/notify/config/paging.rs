//! Services that wake people: `pagerduty_configs:`, `opsgenie_configs:`, `pushover_configs:`, `ntfy_configs:`; and
//! `alertmanager_configs:`, which hands on. Texts are templates; what is not given has a default.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use url::Url;

use super::HttpConfig;
use crate::model::{Secret, duration};

/// One entry of `pagerduty_configs:`, by the Events API v2.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PagerDutyConfig {
    /// Tell the end as well; default: true.
    pub send_resolved: Option<bool>,
    /// Of one attempt.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub timeout: Option<Duration>,
    /// Instead of `global.http_config`.
    pub http_config: Option<HttpConfig>,
    /// Key of an "Events API v2" integration.
    pub routing_key: Option<Secret>,
    /// File with it.
    pub routing_key_file: Option<PathBuf>,
    /// Key of an integration by the Events API v1, instead of `routing_key`.
    pub service_key: Option<Secret>,
    /// File with it.
    pub service_key_file: Option<PathBuf>,
    /// Instead of `global.pagerduty_url`.
    #[serde(deserialize_with = "super::http::web_url")]
    pub url: Option<Url>,
    /// Who says it; default: dogwatch.
    pub client: Option<String>,
    /// Where it leads; default: the incident's page.
    pub client_url: Option<String>,
    /// The summary; default: the subject.
    pub description: Option<String>,
    /// Besides our own details: any structure, whose texts are templates; with null one of ours is left out.
    pub details: BTreeMap<String, serde_json::Value>,
    /// Pictures.
    pub images: Vec<PagerDutyImage>,
    /// Links.
    pub links: Vec<PagerDutyLink>,
    /// Of what; default: the cluster.
    pub source: Option<String>,
    /// `critical`, `error`, `warning`, `info`; default: the incident's.
    pub severity: Option<String>,
    /// Kind of event; default: the alert's name.
    pub class: Option<String>,
    /// Part; default: the root alert's job.
    pub component: Option<String>,
    /// Logical group; default: the cluster.
    pub group: Option<String>,
}

/// One of `images:`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PagerDutyImage {
    /// Where it is.
    pub src: String,
    /// Instead of it.
    pub alt: String,
    /// Where it leads.
    pub href: String,
}

/// One of `links:`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PagerDutyLink {
    /// Where it leads.
    pub href: String,
    /// What it says.
    pub text: String,
}

/// One entry of `opsgenie_configs:`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OpsgenieConfig {
    /// Tell the end as well; default: true.
    pub send_resolved: Option<bool>,
    /// Of one attempt.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub timeout: Option<Duration>,
    /// Instead of `global.http_config`.
    pub http_config: Option<HttpConfig>,
    /// Instead of `global.opsgenie_api_key`.
    pub api_key: Option<Secret>,
    /// File with it.
    pub api_key_file: Option<PathBuf>,
    /// Instead of `global.opsgenie_api_url`.
    #[serde(deserialize_with = "super::http::web_url")]
    pub api_url: Option<Url>,
    /// First line; default: the subject.
    pub message: Option<String>,
    /// The text.
    pub description: Option<String>,
    /// Of what; default: the incident's page.
    pub source: Option<String>,
    /// Besides the alerts' common labels.
    pub details: BTreeMap<String, String>,
    /// What it is about; default: the cluster.
    pub entity: Option<String>,
    /// Who is told.
    pub responders: Vec<OpsgenieResponder>,
    /// Names, separated by commas.
    pub actions: Option<String>,
    /// Names, separated by commas.
    pub tags: Option<String>,
    /// A note.
    pub note: Option<String>,
    /// `P1` to `P5`; default: by severity.
    pub priority: Option<String>,
    /// Later messages change the alert's message and description.
    pub update_alerts: bool,
}

/// One of `responders:`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OpsgenieResponder {
    /// Its id, or …
    pub id: Option<String>,
    /// … its name (of `teams`: names, separated by commas), or …
    pub name: Option<String>,
    /// … a user's name.
    pub username: Option<String>,
    /// `team`, `teams`, `user`, `escalation`, `schedule`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// One entry of `pushover_configs:`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PushoverConfig {
    /// Tell the end as well; default: true.
    pub send_resolved: Option<bool>,
    /// Of one attempt.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub timeout: Option<Duration>,
    /// Instead of `global.http_config`.
    pub http_config: Option<HttpConfig>,
    /// Where to POST (ours, for gateways); default: Pushover's own.
    #[serde(deserialize_with = "super::http::web_url")]
    pub api_url: Option<Url>,
    /// Whom to tell: a user or a group.
    pub user_key: Option<Secret>,
    /// File with it.
    pub user_key_file: Option<PathBuf>,
    /// The application's token.
    pub token: Option<Secret>,
    /// File with it.
    pub token_file: Option<PathBuf>,
    /// First line; default: the subject.
    pub title: Option<String>,
    /// The text.
    pub message: Option<String>,
    /// A link; default: the incident's page.
    pub url: Option<String>,
    /// What it says.
    pub url_title: Option<String>,
    /// Only this device.
    pub device: Option<String>,
    /// Which sound.
    pub sound: Option<String>,
    /// From -2 to 2; default: by severity.
    pub priority: Option<String>,
    /// Of priority 2: said again after this, until somebody acknowledges; default: 1m.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub retry: Option<Duration>,
    /// Of priority 2: said again for so long; default: 1h.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub expire: Option<Duration>,
    /// Deleted after this; default: never.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub ttl: Option<Duration>,
    /// `message` is HTML.
    pub html: bool,
    /// `message` is shown in letters of one width.
    pub monospace: bool,
}

/// One entry of `ntfy_configs:` (ours, not in Alertmanager).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NtfyConfig {
    /// Tell the end as well; default: true.
    pub send_resolved: Option<bool>,
    /// Of one attempt.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub timeout: Option<Duration>,
    /// Instead of `global.http_config`; `basic_auth` for a server with users.
    pub http_config: Option<HttpConfig>,
    /// The server; default: `https://ntfy.sh`.
    #[serde(deserialize_with = "super::http::web_url")]
    pub url: Option<Url>,
    /// Who knows the topic of a public server reads it: a secret.
    pub topic: Option<Secret>,
    /// File with it.
    pub topic_file: Option<PathBuf>,
    /// Access token.
    pub token: Option<Secret>,
    /// File with it.
    pub token_file: Option<PathBuf>,
    /// First line; default: the subject.
    pub title: Option<String>,
    /// The text.
    pub message: Option<String>,
    /// From 1 to 5, or `min`, `low`, `default`, `high`, `max`; default: by severity.
    pub priority: Option<String>,
    /// Names, separated by commas; default: cluster and severity.
    pub tags: Option<String>,
    /// A link; default: the incident's page.
    pub click: Option<String>,
}

/// One entry of `alertmanager_configs:` (ours): hand the alerts on to one or several Alertmanagers of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AlertmanagerConfig {
    /// Tell the end as well; default: true.
    pub send_resolved: Option<bool>,
    /// Of one attempt.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub timeout: Option<Duration>,
    /// Instead of `global.http_config`.
    pub http_config: Option<HttpConfig>,
    /// Each Alertmanager, without `/api/v2/alerts`. All are told each time.
    pub urls: Vec<Url>,
    /// The alerts end by themselves so long after the last message about them: longer than the route's
    /// `repeat_interval`, whose reminders renew them; default: 25h.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub ends_after: Option<Duration>,
}

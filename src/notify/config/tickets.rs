//! Services that keep records: `victorops_configs:`, `jira_configs:`, `incidentio_configs:`, and `sns_configs:`, which hands
//! on. Texts are templates; what is not given has a default.

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use url::Url;

use super::HttpConfig;
use crate::model::{Secret, duration};

/// One entry of `victorops_configs:` (Splunk On-Call).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VictorOpsConfig {
    /// Tell the end as well; default: true.
    pub send_resolved: Option<bool>,
    /// Of one attempt.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub timeout: Option<Duration>,
    /// Instead of `global.http_config`.
    pub http_config: Option<HttpConfig>,
    /// Instead of `global.victorops_api_url`.
    #[serde(deserialize_with = "super::http::web_url")]
    pub api_url: Option<Url>,
    /// Instead of `global.victorops_api_key`.
    pub api_key: Option<Secret>,
    /// File with it.
    pub api_key_file: Option<PathBuf>,
    /// Which team: a template.
    pub routing_key: Option<String>,
    /// `CRITICAL`, `WARNING`, `INFO`; default: by severity.
    pub message_type: Option<String>,
    /// The text.
    pub state_message: Option<String>,
    /// First line; default: the subject.
    pub entity_display_name: Option<String>,
    /// Who says it; default: dogwatch.
    pub monitoring_tool: Option<String>,
    /// Further fields.
    pub custom_fields: BTreeMap<String, String>,
}

/// One entry of `sns_configs:`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SnsConfig {
    /// Tell the end as well; default: true.
    pub send_resolved: Option<bool>,
    /// Of one attempt.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub timeout: Option<Duration>,
    /// Instead of `global.http_config`.
    pub http_config: Option<HttpConfig>,
    /// Instead of the region's own endpoint: a template.
    pub api_url: Option<String>,
    /// Who signs.
    pub sigv4: SigV4Config,
    /// Whom to tell: a topic, or …
    pub topic_arn: Option<String>,
    /// … a telephone, or …
    pub phone_number: Option<String>,
    /// … an endpoint of a mobile application.
    pub target_arn: Option<String>,
    /// First line; default: the subject.
    pub subject: Option<String>,
    /// The text.
    pub message: Option<String>,
    /// Of the message: names and values are templates.
    pub attributes: BTreeMap<String, String>,
    /// Accepted: one client is used in any case.
    pub use_aws_http_client: bool,
}

/// `sigv4:`. Without `access_key` the environment's (`AWS_ACCESS_KEY_ID`, …) counts, or else the shared credentials file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SigV4Config {
    /// Default: `AWS_REGION`, or else the one in the ARN.
    pub region: Option<String>,
    /// Who asks.
    pub access_key: Option<String>,
    /// Their key.
    pub secret_key: Option<Secret>,
    /// In the shared credentials file; default: `AWS_PROFILE`, or `default`.
    pub profile: Option<String>,
    /// The role to take on.
    pub role_arn: Option<String>,
    /// Which the role asks for.
    pub external_id: Option<String>,
    /// What the role's session is called; default: dogwatch.
    pub session_name: Option<String>,
    /// Of that session.
    pub tags: BTreeMap<String, String>,
    /// The role is asked for at the FIPS endpoint.
    pub use_fips_sts_endpoint: bool,
    /// Accepted as there, where it does nothing either: the service is `sns`.
    pub service_name: Option<String>,
}

/// One entry of `jira_configs:`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JiraConfig {
    /// Tell the end as well; default: true.
    pub send_resolved: Option<bool>,
    /// Of one attempt.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub timeout: Option<Duration>,
    /// Instead of `global.http_config`.
    pub http_config: Option<HttpConfig>,
    /// Instead of `global.jira_api_url`.
    #[serde(deserialize_with = "super::http::web_url")]
    pub api_url: Option<Url>,
    /// `auto` (default), `cloud`, `datacenter`.
    pub api_type: Option<String>,
    /// Key of the project: a template.
    pub project: String,
    /// First line; default: the subject.
    pub summary: JiraField,
    /// The text.
    pub description: JiraField,
    /// Labels: templates.
    pub labels: Vec<String>,
    /// Default: `High`, `Medium`, `Low` by severity; empty: none.
    pub priority: Option<String>,
    /// A template.
    pub issue_type: String,
    /// How a closed issue is opened again.
    pub reopen_transition: Option<String>,
    /// How it is closed.
    pub resolve_transition: Option<String>,
    /// Issues closed with this are left alone.
    pub wont_fix_resolution: Option<String>,
    /// Issues that were closed so recently are opened again.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub reopen_duration: Option<Duration>,
    /// Further fields: any structure, whose texts are templates.
    pub fields: BTreeMap<String, serde_json::Value>,
}

/// A text, or a text with `enable_update:`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct JiraField {
    /// What it says.
    pub template: Option<String>,
    /// Whether later messages change it; default: true.
    pub enable_update: Option<bool>,
}

crate::model::written::written!(JiraField, "JiraField", {
    "anyOf": [
        {"type": ["string", "boolean", "number"]},
        {
            "type": "object",
            "additionalProperties": false,
            "properties": {"template": {"type": "string"}, "enable_update": {"type": "boolean"}},
        },
    ],
});

impl<'de> Deserialize<'de> for JiraField {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(JiraFieldVisitor)
    }
}

struct JiraFieldVisitor;

impl<'de> Visitor<'de> for JiraFieldVisitor {
    type Value = JiraField;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, or a mapping with template and enable_update")
    }

    fn visit_str<E>(self, text: &str) -> Result<JiraField, E> {
        Ok(JiraField { template: Some(text.to_owned()), enable_update: None })
    }

    fn visit_bool<E: serde::de::Error>(self, v: bool) -> Result<JiraField, E> {
        self.visit_str(&v.to_string())
    }

    fn visit_i64<E: serde::de::Error>(self, v: i64) -> Result<JiraField, E> {
        self.visit_str(&v.to_string())
    }

    fn visit_u64<E: serde::de::Error>(self, v: u64) -> Result<JiraField, E> {
        self.visit_str(&v.to_string())
    }

    fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<JiraField, E> {
        self.visit_str(&v.to_string())
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<JiraField, A::Error> {
        #[derive(Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        struct Whole {
            template: Option<String>,
            enable_update: Option<bool>,
        }
        let Whole { template, enable_update } = Whole::deserialize(MapAccessDeserializer::new(entries))?;
        Ok(JiraField { template, enable_update })
    }
}

/// One entry of `incidentio_configs:`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IncidentIoConfig {
    /// Tell the end as well; default: true.
    pub send_resolved: Option<bool>,
    /// Of one attempt.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub timeout: Option<Duration>,
    /// Instead of `global.http_config`.
    pub http_config: Option<HttpConfig>,
    /// Of the alert source.
    #[serde(deserialize_with = "super::http::web_url")]
    pub url: Option<Url>,
    /// File with it.
    pub url_file: Option<PathBuf>,
    /// Its token, instead of `http_config.authorization`.
    pub alert_source_token: Option<Secret>,
    /// File with it.
    pub alert_source_token_file: Option<PathBuf>,
    /// No more alerts than this in one message, the rest is counted; 0: all.
    pub max_alerts: usize,
    /// Names with templates.
    pub metadata: BTreeMap<String, String>,
}

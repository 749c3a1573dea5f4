//! `email_configs:` and `webhook_configs:`.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{HttpConfig, TlsConfig, yes};
use crate::model::{Secret, duration};

/// One entry of `email_configs:`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailConfig {
    /// Recipients, separated by commas: a template.
    pub to: String,
    /// Instead of `global.smtp_from`: a template.
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
    /// Instead of `global.smtp_auth_secret`.
    #[serde(default)]
    pub auth_secret: Option<Secret>,
    /// Instead of `global.smtp_auth_secret_file`.
    #[serde(default)]
    pub auth_secret_file: Option<PathBuf>,
    /// Instead of `global.smtp_auth_identity`.
    #[serde(default)]
    pub auth_identity: Option<String>,
    /// Instead of `global.smtp_require_tls`. A password never goes in the clear to another machine, whatever this says.
    #[serde(default)]
    pub require_tls: Option<bool>,
    /// Instead of `global.smtp_force_implicit_tls`.
    #[serde(default)]
    pub force_implicit_tls: Option<bool>,
    /// How the mail server's certificate is judged; instead of `global.smtp_tls_config`.
    #[serde(default)]
    pub tls_config: Option<TlsConfig>,
    /// One thread for all incidents of a group.
    #[serde(default)]
    pub threading: ThreadingConfig,
    /// Further headers, `Subject` among them where it is to be another one: templates.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The HTML part, a template; empty: none. Default: dogwatch's own.
    #[serde(default)]
    pub html: Option<String>,
    /// The text part, a template; empty: none. Default: dogwatch's own, as in the HTML part.
    #[serde(default)]
    pub text: Option<String>,
    /// Tell the end as well. True here, false in Alertmanager: who was woken wants to know that it is over.
    #[serde(default = "yes")]
    pub send_resolved: bool,
}

/// `threading:`. The messages of one incident are a thread in any case; with this, those of later incidents of the same
/// group belong to it too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ThreadingConfig {
    /// Whether so.
    pub enabled: bool,
    /// How long one thread goes on.
    pub thread_by_date: Option<ThreadByDate>,
}

/// `thread_by_date:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ThreadByDate {
    /// For ever.
    None,
    /// For a day (UTC).
    Daily,
}

/// One entry of `webhook_configs:`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Where to POST: a template. A secret, since many services put their token there.
    #[serde(default)]
    pub url: Option<Secret>,
    /// File with the URL.
    #[serde(default)]
    pub url_file: Option<PathBuf>,
    /// Tell the end as well; default: true.
    #[serde(default)]
    pub send_resolved: Option<bool>,
    /// No more alerts than this in one message, the rest is counted; 0: all.
    #[serde(default)]
    pub max_alerts: usize,
    /// Of one attempt; an attempt never takes longer than dispatch allows.
    #[serde(default, with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub timeout: Option<Duration>,
    /// Credentials, headers, TLS, proxy; instead of `global.http_config`.
    #[serde(default)]
    pub http_config: Option<HttpConfig>,
    /// What to send instead of Alertmanager's JSON: any structure, whose texts are templates.
    #[serde(default)]
    pub payload: Option<serde_json::Value>,
    /// Sign the body (ours, not in Alertmanager).
    #[serde(default)]
    pub hmac: Option<HmacConfig>,
}

/// Signature of the body, as GitHub makes it: `sha256=<hex of HMAC-SHA256>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HmacConfig {
    /// File with the key; white space at its end is no part of the key.
    pub secret_file: PathBuf,
    /// The header that carries the signature.
    #[serde(default = "hmac_header")]
    pub header: String,
}

fn hmac_header() -> String {
    "X-Dogwatch-Signature-256".into()
}

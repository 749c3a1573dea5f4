//! `http_config:`, how a receiver (or a remote) is reached by HTTP.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::resolve;
use crate::model::Secret;

/// `http_config:`.
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

/// TLS by HTTP. The name in the certificate is always checked against the URL's host.
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

fn bearer() -> String {
    "Bearer".into()
}

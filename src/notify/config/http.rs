//! `http_config:`, how a receiver (or a remote) is reached by HTTP.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use url::Url;

use super::{TlsConfig, resolve};
use crate::model::Secret;

/// `http_config:`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// `Authorization: <type> <credentials>`.
    pub authorization: Option<AuthorizationConfig>,
    /// Basic authentication.
    pub basic_auth: Option<BasicAuthConfig>,
    /// A token of an OAuth 2.0 server.
    pub oauth2: Option<Box<OAuth2Config>>,
    /// The old form of `authorization`.
    pub bearer_token: Option<Secret>,
    /// File with it.
    pub bearer_token_file: Option<PathBuf>,
    /// Further headers.
    pub http_headers: BTreeMap<String, HeaderConfig>,
    /// How the server's certificate is judged, and our own.
    pub tls_config: TlsConfig,
    /// Follow redirects that keep the POST (307, 308) and the host; any other is a failure.
    pub follow_redirects: bool,
    /// Accepted, since servers that speak HTTP/2 speak HTTP/1.1 as well, which is used in any case.
    pub enable_http2: bool,
    /// Proxy; without it the environment's (`HTTPS_PROXY`, `NO_PROXY`, …) counts.
    pub proxy_url: Option<Secret>,
    /// Hosts, domains, addresses and networks that are reached without `proxy_url`, separated by commas.
    pub no_proxy: Option<String>,
    /// Whether the environment's proxy counts; default: it does, false in Alertmanager.
    pub proxy_from_environment: Option<bool>,
    /// Headers for the proxy alone.
    pub proxy_connect_header: BTreeMap<String, Vec<Secret>>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            authorization: None,
            basic_auth: None,
            oauth2: None,
            bearer_token: None,
            bearer_token_file: None,
            http_headers: BTreeMap::new(),
            tls_config: TlsConfig::default(),
            follow_redirects: true,
            enable_http2: true,
            proxy_url: None,
            no_proxy: None,
            proxy_from_environment: None,
            proxy_connect_header: BTreeMap::new(),
        }
    }
}

/// `authorization:`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BasicAuthConfig {
    /// User.
    pub username: String,
    /// File with the user's name.
    pub username_file: Option<PathBuf>,
    /// Password.
    pub password: Option<Secret>,
    /// File with it.
    pub password_file: Option<PathBuf>,
}

/// One entry of `http_headers:`; every value is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HeaderConfig {
    /// Values.
    pub values: Vec<String>,
    /// Values that are never shown.
    pub secrets: Vec<Secret>,
    /// Files with values.
    pub files: Vec<PathBuf>,
}

/// `oauth2:`, the client credentials grant or a signed assertion (RFC 7523).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OAuth2Config {
    /// Who asks.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Option<Secret>,
    /// File with it.
    pub client_secret_file: Option<PathBuf>,
    /// Of an assertion: name of the key.
    pub client_certificate_key_id: Option<String>,
    /// Of an assertion: RSA key, PEM.
    pub client_certificate_key: Option<Secret>,
    /// File with it.
    pub client_certificate_key_file: Option<PathBuf>,
    /// `client_credentials` (default) or `urn:ietf:params:oauth:grant-type:jwt-bearer`.
    pub grant_type: Option<String>,
    /// Of an assertion: `RS256` (default), `RS384`, `RS512`.
    pub signature_algorithm: Option<String>,
    /// Of an assertion: who says it; default: `client_id`.
    pub iss: Option<String>,
    /// Of an assertion: whom it is for; default: `token_url`.
    pub audience: Option<String>,
    /// Of an assertion: further claims.
    pub claims: BTreeMap<String, serde_json::Value>,
    /// What for.
    pub scopes: Vec<String>,
    /// Where tokens are given.
    pub token_url: Option<Secret>,
    /// Further parameters of the request.
    pub endpoint_params: BTreeMap<String, String>,
    /// TLS of `token_url`.
    pub tls_config: TlsConfig,
    /// As in `http_config`.
    pub proxy_url: Option<Secret>,
    /// As in `http_config`.
    pub no_proxy: Option<String>,
    /// As in `http_config`.
    pub proxy_from_environment: Option<bool>,
    /// As in `http_config`.
    pub proxy_connect_header: BTreeMap<String, Vec<Secret>>,
}

impl OAuth2Config {
    /// Returns how `token_url` is reached.
    pub(in crate::notify) fn http(&self) -> HttpConfig {
        HttpConfig {
            tls_config: self.tls_config.clone(),
            proxy_url: self.proxy_url.clone(),
            no_proxy: self.no_proxy.clone(),
            proxy_from_environment: self.proxy_from_environment,
            proxy_connect_header: self.proxy_connect_header.clone(),
            ..HttpConfig::default()
        }
    }
}

impl HttpConfig {
    /// Makes relative paths absolute.
    pub fn resolve_paths(&mut self, base: &Path) {
        self.tls_config.resolve_paths(base);
        resolve(base, [&mut self.bearer_token_file]);
        resolve(base, self.authorization.as_mut().map(|a| &mut a.credentials_file));
        if let Some(basic) = &mut self.basic_auth {
            resolve(base, [&mut basic.username_file, &mut basic.password_file]);
        }
        if let Some(oauth2) = &mut self.oauth2 {
            resolve(base, [&mut oauth2.client_secret_file, &mut oauth2.client_certificate_key_file]);
            oauth2.tls_config.resolve_paths(base);
        }
        for path in self.http_headers.values_mut().flat_map(|h| &mut h.files) {
            *path = base.join(&*path);
        }
    }
}

fn bearer() -> String {
    "Bearer".into()
}

/// Reads the URL of a service, where one is given: http or https, with a host.
///
/// # Errors
/// For a text that is no such URL.
pub(super) fn web_url<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Url>, D::Error> {
    let url: Option<Url> = Option::deserialize(d)?;
    match &url {
        Some(url) if !matches!(url.scheme(), "http" | "https") => {
            Err(D::Error::custom(format!("the URL's scheme is {}; it must be http or https", url.scheme())))
        }
        _ => Ok(url),
    }
}

//! `remote_write:` of the configuration, in Prometheus' words.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use url::Url;

use super::position::Cut;
use crate::{
    model::{Secret, duration},
    notify::{
        client::HttpClient,
        config::{AuthorizationConfig, BasicAuthConfig, HeaderConfig, HttpConfig, TlsConfig},
    },
};

/// Shards of one remote: each holds a connection and a request.
const SHARDS_MAX: usize = 64;
/// Samples of one request: some megabytes; receivers refuse more.
const SAMPLES_MAX: usize = 100_000;

/// Headers that the protocol sets.
const OWN_HEADERS: [&str; 8] = [
    "Connection",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "Host",
    "Transfer-Encoding",
    "User-Agent",
    "X-Prometheus-Remote-Write-Version",
];

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoteWriteConfig {
    /// Where to; without credentials, which have their own keys.
    pub url: Url,
    /// Tells remotes apart in metrics and positions; default: host and path of the URL.
    #[serde(default)]
    pub name: Option<String>,
    /// Of one request.
    #[serde(default = "remote_timeout", with = "duration")]
    #[schemars(with = "crate::model::duration::Written")]
    pub remote_timeout: Duration,
    /// Further headers.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
    /// `Authorization: <type> <credentials>`.
    #[serde(default)]
    pub authorization: Option<AuthorizationConfig>,
    /// Basic authentication.
    #[serde(default)]
    pub basic_auth: Option<BasicAuthConfig>,
    /// How the server's certificate is judged, and our own.
    #[serde(default)]
    pub tls_config: TlsConfig,
    /// Proxy; without it the environment's counts.
    #[serde(default)]
    pub proxy_url: Option<Secret>,
    /// Pace.
    #[serde(default)]
    pub queue_config: QueueConfig,
}

/// `queue_config:`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QueueConfig {
    /// Requests in flight at once, each for its share of the series.
    pub shards: usize,
    /// Samples of one request.
    pub max_samples_per_send: usize,
    /// The first pause after a failure; it doubles.
    #[serde(with = "duration")]
    #[schemars(with = "crate::model::duration::Written")]
    pub min_backoff: Duration,
    /// The longest pause.
    #[serde(with = "duration")]
    #[schemars(with = "crate::model::duration::Written")]
    pub max_backoff: Duration,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            shards: 4,
            max_samples_per_send: 2_000,
            min_backoff: Duration::from_millis(30),
            max_backoff: Duration::from_secs(5),
        }
    }
}

impl QueueConfig {
    /// Returns how slices are cut.
    pub fn cut(&self) -> Cut {
        Cut { shards: self.shards.max(1), samples: self.max_samples_per_send.max(1) }
    }
}

fn remote_timeout() -> Duration {
    Duration::from_secs(30)
}

impl RemoteWriteConfig {
    /// Returns what it is called.
    pub fn name(&self) -> String {
        let host = || format!("{}{}", self.url.host_str().unwrap_or_default(), self.url.path());
        self.name.clone().unwrap_or_else(host)
    }

    /// As the client takes it. Redirects are never followed: a POST would become a GET.
    pub fn http(&self) -> HttpConfig {
        let header = |value: &Secret| HeaderConfig { secrets: vec![value.clone()], ..HeaderConfig::default() };
        HttpConfig {
            authorization: self.authorization.clone(),
            basic_auth: self.basic_auth.clone(),
            http_headers: self.headers.iter().map(|(name, value)| (name.clone(), header(value))).collect(),
            tls_config: self.tls_config.clone(),
            proxy_url: self.proxy_url.clone(),
            follow_redirects: false,
            ..HttpConfig::default()
        }
    }

    /// Reads every file that a request needs.
    ///
    /// # Errors
    /// In words, with the file's name and never what is in it.
    pub async fn check_files(&self) -> Result<(), String> {
        HttpClient::new(&self.http()).map_err(|(_, why)| why)?.check_files().await
    }

    /// Makes relative paths absolute.
    pub fn resolve_paths(&mut self, base: &Path) {
        self.tls_config.resolve_paths(base);
        let credentials = self.authorization.as_mut().and_then(|a| a.credentials_file.as_mut());
        let basic = self.basic_auth.as_mut().map(|b| [b.username_file.as_mut(), b.password_file.as_mut()]);
        let files: Vec<Option<&mut PathBuf>> = basic.into_iter().flatten().chain([credentials]).collect();
        files.into_iter().flatten().for_each(|path| *path = base.join(&*path));
    }

    /// Returns what can't work: `(key, why)`.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if !matches!(self.url.scheme(), "http" | "https") {
            problems.push((".url", "must begin with http:// or https://".into()));
        }
        if !self.url.username().is_empty() || self.url.password().is_some() {
            problems.push((".url", "must not hold credentials: use basic_auth".into()));
        }
        for name in self.headers.keys().filter(|n| OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(n))) {
            problems.push((".headers", format!("{name} is set by the protocol: leave it out")));
        }
        let queue = &self.queue_config;
        if !(1..=SHARDS_MAX).contains(&queue.shards) {
            problems.push((".queue_config.shards", format!("must be from 1 to {SHARDS_MAX}")));
        }
        if !(1..=SAMPLES_MAX).contains(&queue.max_samples_per_send) {
            problems.push((".queue_config.max_samples_per_send", format!("must be from 1 to {SAMPLES_MAX}")));
        }
        if queue.min_backoff.is_zero() || queue.max_backoff < queue.min_backoff {
            problems
                .push((".queue_config", "min_backoff must be longer than nothing, max_backoff at least that".into()));
        }
        if self.remote_timeout.is_zero() {
            problems.push((".remote_timeout", "must be longer than nothing".into()));
        }
        if let Err((_, why)) = HttpClient::new(&self.http())
            && problems.iter().all(|(key, _)| *key != ".headers")
        {
            problems.push(("", why));
        }
        problems
    }
}

//! `discover:` of a cluster: what of it becomes checks by itself.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    dial::TlsFiles,
    model::{Severity, duration},
};

/// Patterns of one cluster: more are a list that nobody keeps.
const EXCLUDE_MAX: usize = 100;

/// `discover:`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DiscoverConfig {
    /// Each host of an Ingress, and of an HTTPRoute of the Gateway API, is asked by HTTP.
    pub ingress: bool,
    /// Hosts that are not: `intern.example.org`, `*.preview.example.org`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Instead of `defaults.interval`.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub interval: Option<Duration>,
    /// Instead of `defaults.timeout`.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::model::duration::Written>")]
    pub timeout: Option<Duration>,
    /// Of their alarms.
    pub severity: Severity,
    /// Who must have signed their certificates.
    pub tls_config: TlsFiles,
}

impl Default for DiscoverConfig {
    fn default() -> Self {
        Self {
            ingress: false,
            exclude: Vec::new(),
            interval: None,
            timeout: None,
            severity: Severity::Critical,
            tls_config: TlsFiles::default(),
        }
    }
}

impl DiscoverConfig {
    /// Returns what is wrong with it: `(key, why)`.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut all = Vec::new();
        if self.severity == Severity::Info {
            all.push((".severity", "must be critical or warning: what nobody is told of needs no check".to_owned()));
        }
        if self.exclude.len() > EXCLUDE_MAX {
            all.push((".exclude", format!("has more than {EXCLUDE_MAX} patterns")));
        }
        let is_pattern = |text: &String| !text.trim_start_matches("*.").contains('*') && !text.is_empty();
        if !self.exclude.iter().all(is_pattern) {
            all.push((".exclude", "write hosts, or all below a domain: `*.preview.example.org`".to_owned()));
        }
        all.extend(self.tls_config.problem().map(|(_, why)| (".tls_config", why)));
        all
    }

    /// Returns whether this host is left out.
    pub fn leaves_out(&self, host: &str) -> bool {
        self.exclude.iter().any(|pattern| match pattern.strip_prefix("*.") {
            Some(domain) => host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')),
            None => host.eq_ignore_ascii_case(pattern),
        })
    }
}

//! `tls_config:`, the same for mail and for HTTP.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::resolve;
use crate::model::Secret;

/// `tls_config:`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// Trusted besides the machine's own CAs: PEM.
    pub ca: Option<String>,
    /// File with them.
    pub ca_file: Option<PathBuf>,
    /// Client certificate: PEM.
    pub cert: Option<String>,
    /// File with it.
    pub cert_file: Option<PathBuf>,
    /// Its key: PEM.
    pub key: Option<Secret>,
    /// File with it.
    pub key_file: Option<PathBuf>,
    /// The name that is asked for and expected in the certificate; default: the host's.
    pub server_name: Option<String>,
    /// Accept any certificate.
    pub insecure_skip_verify: bool,
    /// The oldest version that is spoken; never older than TLS 1.2.
    pub min_version: Option<TlsVersion>,
    /// The newest version that is spoken.
    pub max_version: Option<TlsVersion>,
}

/// `min_version:`, `max_version:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
pub enum TlsVersion {
    /// 1.0
    #[serde(rename = "TLS10")]
    Tls10,
    /// 1.1
    #[serde(rename = "TLS11")]
    Tls11,
    /// 1.2
    #[serde(rename = "TLS12")]
    Tls12,
    /// 1.3
    #[serde(rename = "TLS13")]
    Tls13,
}

impl TlsConfig {
    /// Makes relative paths absolute.
    pub fn resolve_paths(&mut self, base: &Path) {
        resolve(base, [&mut self.ca_file, &mut self.cert_file, &mut self.key_file]);
    }

    /// Returns what can't work.
    ///
    /// # Errors
    /// In words.
    pub fn check(&self) -> Result<(), String> {
        let (cert, key) = (self.cert.is_some(), self.key.is_some());
        let pairs = [
            (self.ca.is_some(), self.ca_file.is_some(), "ca"),
            (cert, self.cert_file.is_some(), "cert"),
            (key, self.key_file.is_some(), "key"),
        ];
        if let Some((.., name)) = pairs.iter().find(|(inline, file, _)| *inline && *file) {
            return Err(format!("give {name} or {name}_file, not both"));
        }
        if (cert || self.cert_file.is_some()) != (key || self.key_file.is_some()) {
            return Err("a client certificate (cert, cert_file) and its key (key, key_file) go together".into());
        }
        if self.max_version.is_some_and(|max| max < TlsVersion::Tls12) {
            return Err("TLS 1.2 is the oldest version that dogwatch speaks: set max_version to TLS12 or TLS13, or \
                        leave it out"
                .into());
        }
        if let (Some(min), Some(max)) = (self.min_version, self.max_version)
            && min > max
        {
            return Err("min_version is newer than max_version".into());
        }
        Ok(())
    }
}

//! The keys of a `web_config`, as the exporter-toolkit has them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use http::{HeaderName, HeaderValue};
use serde::Deserialize;

use super::Wrong;
use crate::model::Secret;

/// The headers that the toolkit lets be set, with the values that it takes; none: any.
const HEADERS: [(&str, &[&str]); 5] = [
    ("strict-transport-security", &[]),
    ("x-content-type-options", &["nosniff"]),
    ("x-frame-options", &["deny", "sameorigin"]),
    ("x-xss-protection", &[]),
    ("content-security-policy", &[]),
];

/// The whole file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebConfig {
    /// TLS; without it, plain HTTP.
    pub tls_server_config: Option<TlsServerConfig>,
    /// Headers of answers.
    pub http_server_config: HttpServerConfig,
    /// Names, and the bcrypt hashes of their passwords.
    pub basic_auth_users: BTreeMap<String, Secret>,
}

/// How TLS is spoken. A text or a file for each certificate and key.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct TlsServerConfig {
    pub cert: Option<String>,
    pub cert_file: Option<PathBuf>,
    pub key: Option<Secret>,
    pub key_file: Option<PathBuf>,
    pub client_auth_type: ClientAuth,
    pub client_ca: Option<String>,
    pub client_ca_file: Option<PathBuf>,
    /// Of a client's names (DNS, IP, e-mail, URI), one has to be among these.
    pub client_allowed_sans: Vec<String>,
    pub min_version: Option<Version>,
    pub max_version: Option<Version>,
    /// As Go names them; those of TLS 1.3 can't be chosen.
    pub cipher_suites: Vec<String>,
    pub curve_preferences: Vec<String>,
    pub prefer_server_cipher_suites: Option<bool>,
}

/// What is asked of clients, as Go's crypto/tls names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum ClientAuth {
    /// No certificate.
    #[default]
    #[serde(rename = "NoClientCert", alias = "")]
    No,
    /// One is asked for, and may be any or missing.
    #[serde(rename = "RequestClientCert")]
    Request,
    /// Any.
    #[serde(rename = "RequireAnyClientCert", alias = "RequireClientCert")]
    RequireAny,
    /// One of the client CA, where there is one.
    #[serde(rename = "VerifyClientCertIfGiven")]
    VerifyIfGiven,
    /// One of the client CA.
    #[serde(rename = "RequireAndVerifyClientCert")]
    RequireAndVerify,
}

/// Versions of TLS. The first two are not spoken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[allow(missing_docs)]
pub enum Version {
    #[serde(rename = "TLS10")]
    Tls10,
    #[serde(rename = "TLS11")]
    Tls11,
    #[serde(rename = "TLS12")]
    Tls12,
    #[serde(rename = "TLS13")]
    Tls13,
}

/// How HTTP is spoken.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpServerConfig {
    /// Taken for what it allows, not asks for: HTTP/1.1 is spoken.
    pub http2: Option<bool>,
    /// Of every answer.
    pub headers: BTreeMap<String, String>,
}

impl HttpServerConfig {
    /// The headers, ready.
    pub(super) fn read(&self) -> Result<Vec<(HeaderName, HeaderValue)>, Vec<Wrong>> {
        let (mut headers, mut wrong) = (Vec::new(), Vec::new());
        for (name, value) in self.headers.iter().filter(|(_, value)| !value.is_empty()) {
            let at = format!("http_server_config.headers.{name}");
            let known = HEADERS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            let Some((known, values)) = known else {
                let all = HEADERS.map(|(known, _)| known).join(", ");
                wrong.push((at, format!("this header can't be set; these can: {all}")));
                continue;
            };
            if !values.is_empty() && !values.iter().any(|v| v.eq_ignore_ascii_case(value)) {
                wrong.push((at, format!("must be one of {}", values.join(", "))));
                continue;
            }
            match HeaderValue::from_str(value) {
                Ok(value) => headers.push((HeaderName::from_static(known), value)),
                Err(_) => wrong.push((at, "is no value of a header: write it in one line".into())),
            }
        }
        if wrong.is_empty() { Ok(headers) } else { Err(wrong) }
    }
}

impl WebConfig {
    /// How TLS is spoken; a section without a certificate and without clients' certificates is none, as in the toolkit.
    pub fn tls(&self) -> Option<&TlsServerConfig> {
        let tls = self.tls_server_config.as_ref()?;
        let files = [&tls.cert_file, &tls.key_file, &tls.client_ca_file];
        let texts = [&tls.cert, &tls.client_ca];
        let says = files.iter().any(|f| f.is_some()) || texts.iter().any(|t| t.is_some()) || tls.key.is_some();
        (says || tls.client_auth_type != ClientAuth::No).then_some(tls)
    }

    /// Files are relative to the one that names them.
    pub fn resolve_paths(&mut self, base: &Path) {
        let Some(tls) = &mut self.tls_server_config else { return };
        for file in [&mut tls.cert_file, &mut tls.key_file, &mut tls.client_ca_file].into_iter().flatten() {
            *file = base.join(&*file);
        }
    }
}

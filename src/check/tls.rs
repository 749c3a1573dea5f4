//! A TLS handshake, at once or after what a protocol says before it: the certificates are what it asks for.

use serde::{Deserialize, Serialize};

use super::{
    condition::Condition,
    found::Found,
    starttls::{self, StartTls},
};
use crate::{
    dial::{Place, Security, TlsFiles},
    model::Failure,
};

/// The port that a check without one means.
const USUAL: u16 = 443;

/// `tls:` of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// `host:port`; empty at nodes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// The protocol that begins TLS by a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starttls: Option<StartTls>,
    /// What the handshake must show.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Condition>,
    /// Certificates.
    #[serde(default)]
    pub tls_config: TlsFiles,
}

impl TlsConfig {
    /// Returns where it connects to.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn place(&self) -> Result<Place, String> {
        Place::read(&self.address, Some(USUAL))
    }

    /// Returns what is wrong with it: `(key, why)`.
    pub(super) fn problems(&self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        if let Some((key, why)) = self.tls_config.problem() {
            let dot = if key.is_empty() { "" } else { "." };
            all.push((format!(".tls_config{dot}{key}"), why));
        }
        for (i, condition) in self.expect.iter().enumerate() {
            if !["time", "cert", "version"].contains(&condition.about()) {
                all.push((format!(".expect[{i}]"), "a handshake has nothing of this kind".to_owned()));
            }
        }
        all
    }
}

/// Shakes hands.
pub(super) async fn probe(c: &TlsConfig, found: &mut Found) -> Result<(), Failure> {
    let place = c.place().map_err(|why| Failure::new(crate::model::Reason::Dns, why))?;
    let mut stream = found.line.connect(&place, true, None).await?;
    if let Some(protocol) = c.starttls {
        stream = starttls::begin(protocol, stream, &place, found).await?;
    }
    let security = Security::read(&c.tls_config, &[]).await?;
    found.line.secure(stream, &place, &security).await?;
    found.answered = true;
    Ok(())
}

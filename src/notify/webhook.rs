//! Webhook: Alertmanager's version-4 JSON by HTTP POST, with a signature where configured.
//!
//! The URL is a secret (many services put their token there): it is never in an answer.

pub mod body;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{
    NotifyConfigError,
    client::header_name,
    config::WebhookConfig,
    credential::Credential,
    message::{Check, Message, is_template},
    post::{Call, Service, Vault},
};
use crate::model::{Secret, text};

/// A checked entry of `webhook_configs:`.
#[derive(Debug)]
pub(super) struct Webhook {
    url: Credential,
    max_alerts: usize,
    /// Instead of Alertmanager's JSON.
    payload: Option<serde_json::Value>,
    /// Header and key.
    signature: Option<(String, Credential)>,
}

impl Webhook {
    /// Checks an entry.
    pub fn new(config: &WebhookConfig, check: Check<'_>) -> Result<Self, NotifyConfigError> {
        let url = Credential::from_either(config.url.as_ref(), config.url_file.as_ref())
            .and_then(|found| found.ok_or("a webhook needs url or url_file"))
            .map_err(|e| check.error("url", e))?;
        match &url {
            Credential::Inline(text) if is_template(text.reveal()) => check.template("url", text.reveal())?,
            _ => url.check_url().map_err(|e| check.error("url", e))?,
        }
        config.payload.iter().try_for_each(|payload| check.structure("payload", payload))?;
        if let Some(hmac) = &config.hmac {
            header_name(&hmac.header).map_err(|e| check.error("hmac.header", e))?;
        }
        let signature = config.hmac.as_ref().map(|h| (h.header.clone(), Credential::File(h.secret_file.clone())));
        Ok(Self { url, max_alerts: config.max_alerts, payload: config.payload.clone(), signature })
    }
}

impl Service for Webhook {
    fn secrets(&self) -> Vec<&Credential> {
        std::iter::once(&self.url).chain(self.signature.as_ref().map(|(_, key)| key)).collect()
    }

    fn calls(&self, m: &Message<'_>, vault: &Vault) -> Result<Vec<Call>, String> {
        let url = m.url("url", vault.get(&self.url))?;
        let call = match &self.payload {
            Some(payload) => Call::json(&url, &m.structure("payload", payload)),
            None => Call::json(&url, &body::of(m.n, m.receiver, self.max_alerts, m.voice)),
        };
        let call = call?.hiding(Secret::new(url));
        let Some((header, key)) = &self.signature else { return Ok(vec![call]) };
        let signature = sign(vault.get(key), call.body())?;
        Ok(vec![call.header(header, signature)])
    }
}

/// As GitHub signs.
fn sign(key: &str, body: &[u8]) -> Result<String, String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).map_err(|e| e.to_string())?;
    mac.update(body);
    Ok(format!("sha256={}", text::hex(&mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests;

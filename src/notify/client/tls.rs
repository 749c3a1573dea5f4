//! What `tls_config:` names, read when it is used.

use crate::notify::{config::TlsConfig, credential::read_file};

/// CAs, and a client certificate with its key: PEM.
#[derive(Debug, Default)]
pub(in crate::notify) struct Material {
    /// CAs, with what they are called in errors.
    pub ca: Option<(Vec<u8>, String)>,
    /// Certificate and key, with what they are called in errors.
    pub identity: Option<(Vec<u8>, Vec<u8>, String)>,
}

impl Material {
    /// Reads it.
    ///
    /// # Errors
    /// When a file can't be read; in words.
    pub async fn read(tls: &TlsConfig) -> Result<Self, String> {
        let ca = match (&tls.ca, &tls.ca_file) {
            (Some(pem), _) => Some((pem.clone().into_bytes(), "tls_config.ca".to_owned())),
            (None, Some(path)) => Some((read_file(path).await?, path.display().to_string())),
            (None, None) => None,
        };
        let cert = match (&tls.cert, &tls.cert_file) {
            (Some(pem), _) => Some((pem.clone().into_bytes(), "tls_config.cert".to_owned())),
            (None, Some(path)) => Some((read_file(path).await?, path.display().to_string())),
            (None, None) => None,
        };
        let key = match (&tls.key, &tls.key_file) {
            (Some(pem), _) => Some(pem.reveal().as_bytes().to_vec()),
            (None, Some(path)) => Some(read_file(path).await?),
            (None, None) => None,
        };
        let identity = cert.zip(key).map(|((cert, name), key)| (cert, key, name));
        Ok(Self { ca, identity })
    }
}

//! A client certificate with its key, from PEM, as Go's `tls.X509KeyPair` takes them. Errors say what to do, and never
//! anything of the key.

use std::sync::Arc;

use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer},
    sign::CertifiedKey,
};

use super::{algorithms, pem};

/// A chain with its key.
///
/// # Errors
/// When there is none, the key is encrypted or of a kind that we don't know, or they don't belong together.
pub(super) fn certified(certificates: &[u8], key: &[u8]) -> Result<Arc<CertifiedKey>, String> {
    let chain = pem::blocks(certificates).into_iter().filter(|b| b.label == "CERTIFICATE");
    let chain: Vec<_> = chain.filter_map(|b| Some(CertificateDer::from(b.der?))).collect();
    let leaf = chain.first().ok_or("the certificate is not PEM, or holds no certificate")?;
    let is_key = |b: &pem::Block| b.label == "PRIVATE KEY" || b.label.ends_with(" PRIVATE KEY");
    let block = pem::blocks(key).into_iter().find(is_key).ok_or("there is no PEM key")?;
    if block.label == "ENCRYPTED PRIVATE KEY" || block.has_headers {
        return Err("its key is encrypted, and a watchdog has nobody to ask for the passphrase: store it without \
                    (`openssl pkey -in KEY -out NEW`)"
            .to_owned());
    }
    let der = block.der.ok_or("the key is not PEM")?;
    let der = PrivateKeyDer::try_from(der).map_err(|_| "the key is none that TLS knows")?;
    let key = algorithms::signing_key(der).map_err(|_| match algorithms::lacking(leaf) {
        Some(what) => format!("dogwatch's TLS library does not know {what}; use another kind of key"),
        None => "the key can't be used: it is neither RSA nor ECDSA nor Ed25519".to_owned(),
    })?;
    let pair = CertifiedKey::new(chain, key);
    match pair.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(Arc::new(pair)),
        Err(_) => Err("the key does not belong to the certificate".to_owned()),
    }
}

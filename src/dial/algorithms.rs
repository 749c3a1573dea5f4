//! What our TLS can sign and verify, and what it lacks in words. ring, named explicitly, and what it lacks of ECDSA:
//! nothing here depends on the process's default provider.

use std::sync::{Arc, LazyLock};

use rustls::{
    SignatureScheme,
    crypto::{CryptoProvider, KeyProvider, WebPkiSupportedAlgorithms},
    pki_types::{CertificateDer, PrivateKeyDer, SignatureVerificationAlgorithm},
    sign::SigningKey,
};
use x509_parser::{
    prelude::{FromDer, X509Certificate},
    public_key::PublicKey,
};

use super::ecdsa::{self, P521Key};

/// The smallest RSA key that ring verifies and signs with, in bits.
const RSA_MIN: usize = 2048;

/// Returns the provider of all our handshakes: ring, and what it lacks of ECDSA.
pub(super) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
        let ring = rustls::crypto::ring::default_provider();
        Arc::new(CryptoProvider {
            signature_verification_algorithms: VERIFIED.supported(),
            key_provider: &Keys,
            ..ring
        })
    });
    PROVIDER.clone()
}

/// Returns a key to sign handshakes with.
pub(super) fn signing_key(der: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, rustls::Error> {
    provider().key_provider.load_private_key(der)
}

/// ring's keys, and P-521.
#[derive(Debug)]
struct Keys;

impl KeyProvider for Keys {
    fn load_private_key(&self, der: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        match P521Key::from_der(&der) {
            Some(key) => Ok(Arc::new(key)),
            None => rustls::crypto::ring::default_provider().key_provider.load_private_key(der),
        }
    }
}

/// rustls wants lists that live for ever.
struct Verified {
    all: Vec<&'static dyn SignatureVerificationAlgorithm>,
    mapping: Vec<(SignatureScheme, &'static [&'static dyn SignatureVerificationAlgorithm])>,
}

static VERIFIED: LazyLock<Verified> = LazyLock::new(|| {
    // The first is what TLS 1.3 means by it, the others are TLS 1.2's, where only the hash is agreed on.
    const SHA512: &[&dyn SignatureVerificationAlgorithm] =
        &[&ecdsa::P521_SHA512, &ecdsa::P384_SHA512, &ecdsa::P256_SHA512];
    let ring = rustls::crypto::ring::default_provider().signature_verification_algorithms;
    let more: [&dyn SignatureVerificationAlgorithm; 2] = [&ecdsa::P521_SHA384, &ecdsa::P521_SHA256];
    Verified {
        all: ring.all.iter().chain(SHA512).chain(&more).copied().collect(),
        mapping: ring.mapping.iter().copied().chain([(SignatureScheme::ECDSA_NISTP521_SHA512, SHA512)]).collect(),
    }
});

impl Verified {
    fn supported(&'static self) -> WebPkiSupportedAlgorithms {
        WebPkiSupportedAlgorithms { all: &self.all, mapping: &self.mapping }
    }
}

/// Returns what of a certificate's key our TLS library does not know, as in "does not know …"; `None` where it should
/// know it, and where others (Go's) don't know it either.
pub(super) fn lacking(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    match certificate.public_key().parsed().ok()? {
        PublicKey::RSA(key) if key.key_size() < RSA_MIN => {
            Some(format!("RSA keys of {} bits ({RSA_MIN} and more work)", key.key_size()))
        }
        _ => None,
    }
}

/// Returns how a certificate is signed, where our TLS library does not know that and others do.
pub(super) fn lacking_signature(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let algorithm = certificate.signature_algorithm.algorithm.to_id_string();
    // SHA-1 and MD5 are refused by Go as well.
    const REFUSED: [&str; 3] = ["1.2.840.113549.1.1.4", "1.2.840.113549.1.1.5", "1.2.840.10045.4.1"];
    (!REFUSED.contains(&algorithm.as_str()))
        .then(|| format!("the signature algorithm {algorithm} with a key of this kind"))
}

/// Returns a certificate's public key, as it stands in it (SubjectPublicKeyInfo), whatever the version of the
/// certificate.
pub(super) fn public_key(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    X509Certificate::from_der(certificate).ok().map(|(_, certificate)| certificate.public_key().raw.to_vec())
}

/// Returns whether a certificate may sign others.
pub(super) fn is_ca(certificate: &CertificateDer<'_>) -> bool {
    X509Certificate::from_der(certificate).is_ok_and(|(_, certificate)| certificate.is_ca())
}

//! Certificates as facts: who, by whom, until when. Bad input gives fewer facts, never an error.

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::model::CertificateFact;

/// The most certificates of one chain that are looked at; real chains have two to four.
const CHAIN_MAX: usize = 10;
/// The longest subject or issuer kept, in characters: it becomes a label.
const NAME_MAX: usize = 256;

/// Returns the facts of each certificate that can be parsed, in the order given.
pub(super) fn facts<'a>(chain: impl IntoIterator<Item = &'a CertificateDer<'a>>, source: &str) -> Vec<CertificateFact> {
    chain.into_iter().take(CHAIN_MAX).filter_map(|der| fact(der, source)).collect()
}

fn fact(der: &[u8], source: &str) -> Option<CertificateFact> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let validity = certificate.validity();
    Some(CertificateFact {
        subject: shorten(&certificate.subject().to_string()),
        issuer: shorten(&certificate.issuer().to_string()),
        not_after: Timestamp::from_second(validity.not_after.timestamp()).ok()?,
        not_before: Timestamp::from_second(validity.not_before.timestamp()).ok()?,
        source: source.to_owned(),
    })
}

fn shorten(name: &str) -> String {
    name.chars().take(NAME_MAX).collect()
}

//! The recording verifier: what a server presented is kept whether or not it is trusted.

use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
};

use crate::model::CertificateFact;

/// Certificates kept of one chain: a real one has two to four.
const CHAIN_MAX: usize = 10;

/// What a handshake showed.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The chain, leaf first.
    pub chain: Vec<CertificateFact>,
    /// It verified (or the kubeconfig asks not to verify).
    pub verified: bool,
    /// Why it did not, in words.
    pub problem: Option<String>,
}

/// Verifies against a CA and any of several names; records all; enforces only where asked to.
#[derive(Debug)]
pub struct Recorder {
    verifier: Option<Arc<WebPkiServerVerifier>>,
    /// Accepted names, the first is the one that is dialled.
    names: Vec<ServerName<'static>>,
    enforce: bool,
    /// Whose CA it is, for the words: "the CA in the kubeconfig".
    authority: &'static str,
    provider: Arc<CryptoProvider>,
    seen: Mutex<Seen>,
}

impl Recorder {
    /// `verifier: None` accepts everything as verified (`insecure-skip-tls-verify`).
    pub fn new(
        verifier: Option<Arc<WebPkiServerVerifier>>,
        names: Vec<ServerName<'static>>,
        enforce: bool,
        authority: &'static str,
        provider: Arc<CryptoProvider>,
    ) -> Self {
        Self { verifier, names, enforce, authority, provider, seen: Mutex::default() }
    }

    /// What was seen so far.
    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<(), Error> {
        let Some(verifier) = &self.verifier else { return Ok(()) };
        let mut first = None;
        for name in &self.names {
            match verifier.verify_server_cert(leaf, intermediates, name, ocsp, now) {
                Ok(_) => return Ok(()),
                Err(error) => drop(first.get_or_insert(error)),
            }
        }
        Err(first.unwrap_or(Error::InvalidCertificate(CertificateError::NotValidForName)))
    }

    fn words(&self, error: &Error, leaf: &CertificateDer<'_>) -> String {
        let Error::InvalidCertificate(kind) = error else { return error.to_string() };
        let parsed = X509Certificate::from_der(leaf).ok().map(|(_, c)| c);
        let fact = parsed.as_ref().and_then(|c| fact(c, "serving"));
        match kind {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => match fact {
                Some(c) => format!("the server's certificate expired on {}", day(c.not_after)),
                None => "the server's certificate has expired".into(),
            },
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => match fact {
                Some(c) => format!("the server's certificate is not valid before {}", day(c.not_before)),
                None => "the server's certificate is not valid yet".into(),
            },
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                let wanted = self.names.first().map(|n| n.to_str().into_owned()).unwrap_or_default();
                let names = parsed.as_ref().map(alternative_names).unwrap_or_default();
                format!("the server's certificate is for {}, not for {wanted}", some_of(&names))
            }
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                let issuer = fact.map(|c| format!(" (its issuer is {})", c.issuer)).unwrap_or_default();
                format!("the server's certificate is not signed by {}{issuer}", self.authority)
            }
            other => format!("the server's certificate can't be trusted: {other:?}"),
        }
    }
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 6;
    match names {
        [] => "no name at all".into(),
        few if few.len() <= SHOWN => few.join(", "),
        many => format!("{} and {} more", many[..SHOWN].join(", "), many.len() - SHOWN),
    }
}

fn alternative_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let name = |n: &GeneralName<'_>| match n {
        GeneralName::DNSName(name) => Some((*name).to_string()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|b| std::net::Ipv4Addr::from(b).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|b| std::net::Ipv6Addr::from(b).to_string()),
        },
        _ => None,
    };
    extension.value.general_names.iter().filter_map(name).collect()
}

fn fact(certificate: &X509Certificate<'_>, source: &str) -> Option<CertificateFact> {
    Some(CertificateFact {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        not_after: Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()?,
        not_before: Timestamp::from_second(certificate.validity().not_before.timestamp()).ok()?,
        source: source.to_string(),
    })
}

/// The facts of DER certificates, leaf first; what does not parse is left out.
pub fn facts<'a>(chain: impl IntoIterator<Item = &'a CertificateDer<'a>>, source: &str) -> Vec<CertificateFact> {
    chain
        .into_iter()
        .take(CHAIN_MAX)
        .filter_map(|der| X509Certificate::from_der(der).ok().and_then(|(_, c)| fact(&c, source)))
        .collect()
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.verify(leaf, intermediates, ocsp, now);
        let chain = facts(std::iter::once(leaf).chain(intermediates), "serving");
        let problem = verdict.as_ref().err().map(|e| self.words(e, leaf));
        *self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
            Seen { chain, verified: verdict.is_ok(), problem };
        match verdict {
            Err(error) if self.enforce => Err(error),
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

//! TLS that remembers what it saw: each handshake has its own verifier, which records the chain as presented and the
//! verdict, whether or not the verdict may fail the handshake.
//!
//! Sessions are never resumed and no protocol is negotiated (etcd before 3.5.5 offers only `h2` and refuses an explicit
//! `http/1.1`), so every handshake shows the certificates and ends in HTTP/1.1.

use std::sync::{
    Arc, Mutex, OnceLock, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use jiff::Timestamp;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, ProtocolVersion, RootCertStore, SignatureScheme,
    client::{
        ResolvesClientCert, Resumption, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    sign::CertifiedKey,
};
use tokio::time::timeout_at;
use tokio_rustls::TlsConnector;

use super::{
    certificate,
    endpoint::Endpoint,
    failure::{self, ClientAuth},
    steps::Steps,
    stream::{BoxedStream, Stream},
};
use crate::model::{CertificateFact, Failure, Reason, TlsFacts};

/// ring, named explicitly: nothing here depends on the process's default provider.
pub(super) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider())).clone()
}

/// The certificates that a server's certificate is judged by.
#[derive(Clone, Debug)]
pub(super) struct Ca {
    verifier: Option<Arc<WebPkiServerVerifier>>,
    /// In words: "the kubeconfig's CA".
    name: Arc<str>,
}

impl Ca {
    /// From DER certificates; `name` says in words whose CA it is.
    ///
    /// # Errors
    /// When a certificate can't be used; the message does not name the file.
    pub(super) fn new(certificates: Vec<CertificateDer<'static>>, name: &str) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            roots.add(certificate).map_err(|e| format!("a certificate in it can't be used: {e}"))?;
        }
        Self::of_store(roots, name)
    }

    /// The certificates that this machine trusts; perhaps none, then nothing verifies.
    pub(super) fn system() -> Self {
        static SYSTEM: OnceLock<Ca> = OnceLock::new();
        let load = || {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            let name = "a CA that this machine trusts";
            Self::of_store(roots, name).unwrap_or(Self { verifier: None, name: name.into() })
        };
        SYSTEM.get_or_init(load).clone()
    }

    fn of_store(roots: RootCertStore, name: &str) -> Result<Self, String> {
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(|_| "it holds no certificate".to_owned())?;
        Ok(Self { verifier: Some(verifier), name: name.into() })
    }
}

/// One handshake to make.
#[derive(Debug)]
pub(super) struct Handshake {
    /// Whom.
    pub(super) endpoint: Endpoint,
    /// What is sent as SNI; an IP address sends none.
    pub(super) sni: ServerName<'static>,
    /// The certificate must carry one of these.
    pub(super) names: Vec<ServerName<'static>>,
    /// Who must have signed it.
    pub(super) ca: Ca,
    /// An unverified certificate fails the handshake.
    pub(super) must_verify: bool,
    /// What is presented if the server asks.
    pub(super) identity: Option<Arc<CertifiedKey>>,
}

/// A stream over TLS with what the handshake told.
pub(super) struct Secured {
    /// The stream.
    pub(super) stream: BoxedStream,
    /// The facts.
    pub(super) facts: TlsFacts,
    /// Client certificates.
    pub(super) auth: ClientAuth,
}

impl Handshake {
    /// Shakes hands within the deadline; chain and verdict are in `steps.tls` also where it fails.
    pub(super) async fn run(self, stream: impl Stream, steps: &mut Steps) -> Result<Secured, Failure> {
        let began = tokio::time::Instant::now();
        let recorder = Arc::new(Recorder {
            endpoint: self.endpoint.clone(),
            names: self.names,
            ca: self.ca,
            must_verify: self.must_verify,
            seen: Mutex::default(),
        });
        let identity = Arc::new(Identity { key: self.identity, asked: AtomicBool::new(false) });
        let config = config(recorder.clone(), identity.clone())
            .map_err(|e| Failure::new(Reason::Tls, format!("TLS can't be set up: {e}")))?;
        let connecting = TlsConnector::from(Arc::new(config)).connect(self.sni, stream);
        let result = timeout_at(steps.deadline(), connecting).await;
        let Seen { chain, verified, problem } = recorder.seen();
        let mut facts = TlsFacts { version: None, chain, verified };
        let auth = identity.state();
        let failure = match result {
            Ok(Ok(stream)) => {
                facts.version = stream.get_ref().1.protocol_version().map(version);
                steps.phases.tls = Some(began.elapsed());
                steps.note(described(&facts, problem.as_deref()));
                steps.tls = Some(facts.clone());
                return Ok(Secured { stream: Box::new(stream), facts, auth });
            }
            Ok(Err(error)) => match problem {
                Some(words) if self.must_verify => Failure::new(Reason::Tls, words),
                _ => failure::handshake(&error, &self.endpoint, auth),
            },
            Err(_) => Failure::new(
                Reason::Timeout,
                format!(
                    "{} accepted the connection, but the TLS handshake got no answer within {}",
                    self.endpoint,
                    steps.allowed()
                ),
            ),
        };
        if !facts.chain.is_empty() {
            steps.tls = Some(facts);
        }
        Err(failure)
    }
}

fn config(recorder: Arc<Recorder>, identity: Arc<Identity>) -> Result<ClientConfig, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(recorder)
        .with_client_cert_resolver(identity);
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn version(version: ProtocolVersion) -> String {
    match version {
        ProtocolVersion::TLSv1_2 => "TLS 1.2".to_owned(),
        ProtocolVersion::TLSv1_3 => "TLS 1.3".to_owned(),
        other => format!("{other:?}"),
    }
}

fn described(facts: &TlsFacts, problem: Option<&str>) -> String {
    let version = facts.version.as_deref().unwrap_or("TLS");
    match (problem, facts.chain.first()) {
        (Some(problem), _) => format!("{version}, not verified: {problem}"),
        (None, Some(leaf)) => format!("{version}, verified: {} until {}", leaf.subject, day(leaf.not_after)),
        (None, None) => version.to_owned(),
    }
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// Our side's certificate, and whether it was asked for.
#[derive(Debug)]
struct Identity {
    key: Option<Arc<CertifiedKey>>,
    asked: AtomicBool,
}

impl Identity {
    fn state(&self) -> ClientAuth {
        ClientAuth { asked: self.asked.load(Ordering::Relaxed), presented: self.key.is_some() }
    }
}

impl ResolvesClientCert for Identity {
    fn resolve(&self, _issuers: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.key.clone()
    }

    fn has_certs(&self) -> bool {
        self.key.is_some()
    }
}

#[derive(Clone, Debug, Default)]
struct Seen {
    chain: Vec<CertificateFact>,
    verified: bool,
    problem: Option<String>,
}

/// The verifier of one handshake.
#[derive(Debug)]
struct Recorder {
    endpoint: Endpoint,
    names: Vec<ServerName<'static>>,
    ca: Ca,
    must_verify: bool,
    seen: Mutex<Seen>,
}

impl Recorder {
    fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The certificate verifies for any of the accepted names.
    fn judge(&self, leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>], now: UnixTime) -> Result<(), JudgeError> {
        let Some(verifier) = &self.ca.verifier else { return Err(JudgeError::NoCa) };
        let mut first = None;
        for name in &self.names {
            match verifier.verify_server_cert(leaf, others, name, &[], now) {
                Ok(_) => return Ok(()),
                Err(e) if is_name(&e) => _ = first.get_or_insert(e),
                Err(e) => return Err(JudgeError::Tls(e)),
            }
        }
        Err(first.map_or(JudgeError::NoCa, JudgeError::Tls))
    }

    fn words(&self, error: &JudgeError, chain: &[CertificateFact]) -> String {
        use CertificateError as C;
        let of = format!("the certificate of {}", self.endpoint);
        let who = chain.first().map_or("unreadable".to_owned(), |c| format!("{}, issued by {}", c.subject, c.issuer));
        let JudgeError::Tls(rustls::Error::InvalidCertificate(error)) = error else {
            return match error {
                JudgeError::NoCa => format!("{of} can't be checked: there is no CA to check it against"),
                JudgeError::Tls(e) => format!("{of} ({who}) can't be trusted: {e}"),
            };
        };
        match error {
            C::UnknownIssuer => format!("{of} ({who}) is not signed by {}", self.ca.name),
            C::BadSignature => {
                format!("{of} ({who}) is not signed by {}: the CA's name is the same, its key is another", self.ca.name)
            }
            C::Expired | C::ExpiredContext { .. } => match chain.iter().min_by_key(|c| c.not_after) {
                Some(c) => format!("{of} expired on {} ({})", minute(c.not_after), c.subject),
                None => format!("{of} has expired"),
            },
            C::NotValidYet | C::NotValidYetContext { .. } => match chain.iter().max_by_key(|c| c.not_before) {
                Some(c) => format!("{of} is not valid before {} ({})", minute(c.not_before), c.subject),
                None => format!("{of} is not valid yet"),
            },
            C::NotValidForNameContext { presented, .. } => {
                let wanted: Vec<_> = self.names.iter().map(|n| n.to_str()).collect();
                format!("{of} is for {}, not for {}", listed(presented), wanted.join(" or "))
            }
            C::InvalidPurpose | C::InvalidPurposeContext { .. } => {
                format!("{of} ({who}) is not meant for servers (extended key usage)")
            }
            other => format!("{of} ({who}) can't be trusted: {other}"),
        }
    }
}

fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// The first names of a certificate; webpki writes `DnsName("a")` and `IpAddress(10.0.0.1)`.
fn listed(presented: &[String]) -> String {
    const SHOWN: usize = 6;
    if presented.is_empty() {
        return "no name at all".to_owned();
    }
    let bare = |s: &String| {
        let inner = s.split_once('(').map_or(s.as_str(), |(_, rest)| rest.trim_end_matches(')'));
        inner.trim_matches('"').to_owned()
    };
    let more = if presented.len() > SHOWN { ", …" } else { "" };
    presented.iter().take(SHOWN).map(bare).collect::<Vec<_>>().join(", ") + more
}

fn is_name(error: &rustls::Error) -> bool {
    use CertificateError as C;
    matches!(error, rustls::Error::InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. }))
}

enum JudgeError {
    NoCa,
    Tls(rustls::Error),
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = certificate::facts(std::iter::once(leaf).chain(others), "serving");
        let verdict = self.judge(leaf, others, now);
        let problem = verdict.as_ref().err().map(|e| self.words(e, &chain));
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Seen { chain, verified: verdict.is_ok(), problem };
        match verdict {
            Err(JudgeError::Tls(e)) if self.must_verify => Err(e),
            Err(JudgeError::NoCa) if self.must_verify => Err(CertificateError::UnknownIssuer.into()),
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &provider().signature_verification_algorithms;
        self.observe(verify_tls12_signature(message, certificate, signature, algorithms))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &provider().signature_verification_algorithms;
        self.observe(verify_tls13_signature(message, certificate, signature, algorithms))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

impl Recorder {
    /// A signature that does not fit fails the handshake, or where the certificate is only observed makes it unverified.
    fn observe(
        &self,
        checked: Result<HandshakeSignatureValid, rustls::Error>,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let Err(error) = checked else { return checked };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.verified = false;
        seen.problem = Some(format!("the signature of {} in the handshake is wrong: {error}", self.endpoint));
        if self.must_verify { Err(error) } else { Ok(HandshakeSignatureValid::assertion()) }
    }
}

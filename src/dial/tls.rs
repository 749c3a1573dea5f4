//! TLS that remembers what it saw: each handshake has its own verifier, which records the chain as presented and the
//! verdict, whether or not the verdict may fail the handshake.
//!
//! Sessions are never resumed, and with clusters no protocol is negotiated (etcd before 3.5.5 offers only `h2` and refuses
//! an explicit `http/1.1`), so every handshake shows the certificates and ends in HTTP/1.1.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use jiff::Timestamp;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, ProtocolVersion, SignatureScheme,
    client::{
        ResolvesClientCert, Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    sign::CertifiedKey,
};
use tokio::time::timeout_at;
use tokio_rustls::TlsConnector;

use super::{
    algorithms::{self, provider},
    ca::{Ca, Distrust},
    certificate,
    endpoint::Endpoint,
    failure::{self, ClientAuth},
    known::{self, Judged, Seen},
    steps::Steps,
    stream::{BoxedStream, Stream},
};
use crate::model::{CertificateFact, Failure, Ours, Reason, TlsFacts};

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
    /// The protocols that are offered, best first; none: nothing is negotiated.
    pub(super) alpn: &'static [&'static [u8]],
}

/// A stream over TLS with what the handshake told.
pub(super) struct Secured {
    /// The stream.
    pub(super) stream: BoxedStream,
    /// The facts.
    pub(super) facts: TlsFacts,
    /// Client certificates.
    pub(super) auth: ClientAuth,
    /// The protocol that was agreed on.
    pub(super) alpn: Option<Vec<u8>>,
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
        let config = config(recorder.clone(), identity.clone(), self.alpn)
            .map_err(|e| Failure::new(Reason::Tls, format!("TLS can't be set up: {e}")))?;
        let connecting = TlsConnector::from(Arc::new(config)).connect(self.sni, stream);
        let result = timeout_at(steps.deadline(), connecting).await;
        let Seen { chain, anchor, verified, problem, lacking } = recorder.seen();
        let mut facts = TlsFacts { version: None, chain, anchor, verified };
        let auth = identity.state();
        let failure = match result {
            Ok(Ok(stream)) => {
                facts.version = stream.get_ref().1.protocol_version().map(version);
                let alpn = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
                steps.phases.tls = Some(began.elapsed());
                steps.note(described(&facts, problem.as_deref()));
                steps.tls = Some(facts.clone());
                return Ok(Secured { stream: Box::new(stream), facts, auth, alpn });
            }
            Ok(Err(error)) => match problem {
                Some(words) if self.must_verify => match lacking {
                    Some(what) => Failure::ours(Ours::Tls(what), words),
                    None => Failure::new(Reason::Tls, words),
                },
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

fn config(recorder: Arc<Recorder>, identity: Arc<Identity>, alpn: &[&[u8]]) -> Result<ClientConfig, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(recorder)
        .with_client_cert_resolver(identity);
    config.resumption = Resumption::disabled();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
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
        let leaf = self.key.iter().flat_map(|key| key.cert.first());
        let ends = certificate::facts(leaf, "kubeconfig").first().map(|c| c.not_after);
        ClientAuth {
            asked: self.asked.load(Ordering::Relaxed),
            presented: self.key.is_some(),
            ended: ends.filter(|at| *at <= Timestamp::now()),
            others: false,
        }
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

    fn words(&self, error: &Distrust, chain: &[CertificateFact]) -> String {
        use CertificateError as C;
        let of = format!("the certificate of {}", self.endpoint);
        let who = chain.first().map_or("unreadable".to_owned(), |c| format!("{}, issued by {}", c.subject, c.issuer));
        let error = match error {
            Distrust::Tls(rustls::Error::InvalidCertificate(error)) => error,
            Distrust::NoCa => return format!("{of} can't be checked: there is no CA to check it against"),
            Distrust::CaNotInForce(ca) => {
                let ended = ca.not_after < Timestamp::now();
                let (when, at) =
                    if ended { ("expired on", ca.not_after) } else { ("is not valid before", ca.not_before) };
                return format!("{of} is signed by {} ({}), which {when} {}", self.ca.name(), ca.subject, minute(at));
            }
            Distrust::Tls(e) => return format!("{of} ({who}) can't be trusted: {e}"),
        };
        match error {
            C::UnknownIssuer => format!("{of} ({who}) is not signed by {}", self.ca.name()),
            C::BadSignature => {
                format!(
                    "{of} ({who}) is not signed by {}: the CA's name is the same, its key is another",
                    self.ca.name()
                )
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

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let key = known::key(&self.endpoint, &self.names, leaf, others);
        let judged = self.ca.known().get(&key, now.as_secs()).unwrap_or_else(|| {
            let judged = self.judge(leaf, others, now);
            let dates = judged.seen.chain.iter().chain(self.ca.facts()).flat_map(|c| [c.not_before, c.not_after]);
            let dates = dates.filter_map(|at| u64::try_from(at.as_second()).ok());
            self.ca.known().put(key, now.as_secs(), dates, judged.clone());
            judged
        });
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = judged.seen;
        match judged.refusal {
            Some(error) if self.must_verify => Err(error),
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
        self.observe(verify_tls12_signature(message, certificate, signature, algorithms), certificate)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &provider().signature_verification_algorithms;
        self.observe(verify_tls13_signature(message, certificate, signature, algorithms), certificate)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

impl Recorder {
    fn judge(&self, leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>], now: UnixTime) -> Judged {
        let chain = certificate::facts(std::iter::once(leaf).chain(others), "serving");
        let verdict = self.ca.judge(leaf, others, &self.names, now);
        let lacking = verdict.as_ref().err().and_then(|e| self.lacking(e, leaf, others));
        let problem = verdict.as_ref().err().map(|e| match &lacking {
            Some(what) => self.beyond_us(what),
            None => self.words(e, &chain),
        });
        let anchor = match &verdict {
            Ok(anchor) => anchor.clone(),
            Err(Distrust::CaNotInForce(ca)) => Some(ca.clone()),
            Err(_) => None,
        };
        let seen = Seen { chain: chain.into(), anchor, verified: verdict.is_ok(), problem, lacking };
        let refusal = match verdict {
            Ok(_) => None,
            Err(Distrust::Tls(error)) => Some(error),
            Err(Distrust::NoCa) => Some(CertificateError::UnknownIssuer.into()),
            Err(Distrust::CaNotInForce(_)) => Some(CertificateError::Expired.into()),
        };
        Judged { seen, refusal }
    }

    /// A signature that does not fit fails the handshake, or where the certificate is only observed makes it unverified.
    fn observe(
        &self,
        checked: Result<HandshakeSignatureValid, rustls::Error>,
        certificate: &CertificateDer<'_>,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let Err(error) = checked else { return checked };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.verified = false;
        seen.lacking = algorithms::lacking(certificate);
        seen.problem = Some(match &seen.lacking {
            Some(what) => self.beyond_us(what),
            None => format!("the signature of {} in the handshake is wrong: {error}", self.endpoint),
        });
        if self.must_verify { Err(error) } else { Ok(HandshakeSignatureValid::assertion()) }
    }

    /// What others understand, and our TLS library does not.
    fn beyond_us(&self, what: &str) -> String {
        format!("dogwatch's TLS library does not know {what}: it can't check {}, which is not at fault", self.endpoint)
    }

    /// Whether a certificate was not understood rather than found wrong.
    fn lacking(&self, error: &Distrust, leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Option<String> {
        use CertificateError as C;
        let Distrust::Tls(rustls::Error::InvalidCertificate(error)) = error else { return None };
        let unsupported = matches!(
            error,
            C::UnsupportedSignatureAlgorithmContext { .. } | C::UnsupportedSignatureAlgorithmForPublicKeyContext { .. }
        );
        if matches!(error, C::Other(_)) && algorithms::is_ca(leaf) {
            return Some("certificates of CAs as a server's own".to_owned());
        }
        if !unsupported && !matches!(error, C::BadSignature | C::BadEncoding) {
            return None;
        }
        let mut chain = std::iter::once(leaf).chain(others);
        let key = chain.clone().find_map(algorithms::lacking).or_else(|| self.ca.lacking());
        key.or_else(|| unsupported.then(|| chain.find_map(algorithms::lacking_signature)).flatten())
    }
}

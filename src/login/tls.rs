//! TLS as `tls_server_config` has it. Files are looked at anew with the connections that come; what is then wrong with them
//! is said in the log, and those before stay in use.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig, SignatureScheme,
    SupportedProtocolVersion,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    version::{TLS12, TLS13},
};
use tokio::time::Instant;
use x509_parser::{extensions::GeneralName, parse_x509_certificate};

use super::{
    Wrong,
    config::{ClientAuth, TlsServerConfig, Version},
    suites,
};
use crate::model::text;

/// Files are looked at no more often than this.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Larger than this is no certificate.
const FILE_MAX: u64 = 1 << 20;

/// How TLS is spoken, now. Cheap to clone.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    config: TlsServerConfig,
    state: Mutex<State>,
}

struct State {
    server: Arc<ServerConfig>,
    seen: Vec<Option<(SystemTime, u64)>>,
    looked: Instant,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Tls").field(&self.0.config).finish()
    }
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// What is wrong, with its path below `tls_server_config`.
    pub(super) fn new(config: &TlsServerConfig) -> Result<Self, Wrong> {
        let seen = seen(config);
        let state = State { server: Arc::new(build(config)?), seen, looked: Instant::now() };
        Ok(Self(Arc::new(Inner { config: config.clone(), state: Mutex::new(state) })))
    }

    /// Whether clients need a certificate of a CA that we know.
    pub fn asks_for_proof(&self) -> bool {
        self.0.config.client_auth_type == ClientAuth::RequireAndVerify
    }

    /// What the next connection speaks.
    pub async fn current(&self) -> Arc<ServerConfig> {
        let (server, due) = {
            let mut state = self.state();
            let due = state.looked.elapsed() >= LOOK_EVERY;
            if due {
                state.looked = Instant::now();
            }
            (state.server.clone(), due)
        };
        if !due {
            return server;
        }
        let this = self.clone();
        // A disk that hangs holds up nobody but who comes now.
        tokio::task::spawn_blocking(move || this.look()).await.unwrap_or(server)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self) -> Arc<ServerConfig> {
        let now = seen(&self.0.config);
        if self.state().seen == now {
            return self.state().server.clone();
        }
        let built = build(&self.0.config);
        let mut state = self.state();
        state.seen = now;
        match built {
            Ok(server) => {
                tracing::info!("the certificate of web_config has changed and is in use");
                state.server = Arc::new(server);
            }
            Err((at, why)) => {
                tracing::error!("web_config: tls_server_config{at}: {why}; the certificate before stays in use");
            }
        }
        state.server.clone()
    }
}

/// When each file was written, and how long it is.
fn seen(config: &TlsServerConfig) -> Vec<Option<(SystemTime, u64)>> {
    let files = [&config.cert_file, &config.key_file, &config.client_ca_file];
    files
        .into_iter()
        .map(|file| {
            let found = std::fs::metadata(file.as_deref()?).ok()?;
            Some((found.modified().ok()?, found.len()))
        })
        .collect()
}

fn build(config: &TlsServerConfig) -> Result<ServerConfig, Wrong> {
    let mut provider = rustls::crypto::ring::default_provider();
    suites::choose(&mut provider, &config.cipher_suites, &config.curve_preferences)?;
    let provider = Arc::new(provider);
    let chain = read("cert", config.cert.as_deref(), config.cert_file.as_deref())?;
    let key = read("key", config.key.as_ref().map(crate::model::Secret::reveal), config.key_file.as_deref())?;
    let place = |name: &str, is_file: bool| if is_file { format!(".{name}_file") } else { format!(".{name}") };
    let at_cert = place("cert", config.cert_file.is_some());
    let chain = certificates(&chain).map_err(|why| (at_cert.clone(), why))?;
    let at_key = place("key", config.key_file.is_some());
    let key =
        PrivateKeyDer::from_pem_slice(&key).map_err(|_| (at_key.clone(), "there is no PEM key in it".to_owned()))?;
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&versions(config)?)
        .map_err(|e| (String::new(), format!("these settings leave nothing to speak: {e}")))?;
    let builder = match clients(config, &provider)? {
        None => builder.with_no_client_auth(),
        Some(verifier) => builder.with_client_cert_verifier(verifier),
    };
    let mut server = builder.with_single_cert(chain, key).map_err(|e| match e {
        Error::InconsistentKeys(_) => (at_key, "the key does not belong to the certificate".to_owned()),
        other => (at_cert, format!("certificate and key can't be used: {other}")),
    })?;
    server.ignore_client_order = config.prefer_server_cipher_suites.unwrap_or(true);
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(server)
}

fn versions(config: &TlsServerConfig) -> Result<Vec<&'static SupportedProtocolVersion>, Wrong> {
    let (min, max) = (config.min_version.unwrap_or(Version::Tls12), config.max_version.unwrap_or(Version::Tls13));
    let all = [(Version::Tls13, &TLS13), (Version::Tls12, &TLS12)];
    let spoken: Vec<_> = all.into_iter().filter(|(v, _)| (min..=max).contains(v)).map(|(_, v)| v).collect();
    if spoken.is_empty() {
        return Err((".max_version".into(), "leaves nothing to speak: TLS12 and TLS13 are spoken here".into()));
    }
    Ok(spoken)
}

/// A text, or what stands in a file.
fn read(name: &str, text: Option<&str>, file: Option<&Path>) -> Result<Vec<u8>, Wrong> {
    match (text.filter(|t| !t.is_empty()), file) {
        (Some(_), Some(_)) => Err((format!(".{name}"), format!("give either {name} or {name}_file"))),
        (None, None) => Err((String::new(), format!("{name}_file is missing"))),
        (Some(text), None) => Ok(text.as_bytes().to_vec()),
        (None, Some(file)) => {
            let wrong = |why: String| (format!(".{name}_file"), format!("{}: {why}", file.display()));
            let found = std::fs::metadata(file).map_err(|e| wrong(text::unreadable(&e)))?;
            if found.len() > FILE_MAX {
                return Err(wrong("is too large for a certificate or a key".into()));
            }
            std::fs::read(file).map_err(|e| wrong(text::unreadable(&e)))
        }
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|_| "a PEM block in it can't be read".to_owned())?;
    if found.is_empty() { Err("there is no PEM certificate in it".into()) } else { Ok(found) }
}

/// How clients are asked for certificates; `None`: not at all.
fn clients(
    config: &TlsServerConfig,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, Wrong> {
    let asked = config.client_auth_type;
    let has_ca = config.client_ca.is_some() || config.client_ca_file.is_some();
    let verifies = matches!(asked, ClientAuth::VerifyIfGiven | ClientAuth::RequireAndVerify);
    if !verifies && (has_ca || !config.client_allowed_sans.is_empty()) {
        let why = "client CAs and names count only with RequireAndVerifyClientCert or VerifyClientCertIfGiven";
        return Err((".client_auth_type".into(), why.into()));
    }
    if asked == ClientAuth::No {
        return Ok(None);
    }
    let authority = if verifies {
        let pem = read("client_ca", config.client_ca.as_deref(), config.client_ca_file.as_deref())?;
        let at = if config.client_ca_file.is_some() { ".client_ca_file" } else { ".client_ca" };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&pem).map_err(|why| (at.to_owned(), why))? {
            roots.add(certificate).map_err(|e| (at.to_owned(), format!("a certificate can't be used: {e}")))?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
        Some(verifier.map_err(|e| (at.to_owned(), format!("can't be used: {e}")))?)
    } else {
        None
    };
    let mandatory = matches!(asked, ClientAuth::RequireAny | ClientAuth::RequireAndVerify);
    let (names, provider) = (config.client_allowed_sans.clone(), provider.clone());
    Ok(Some(Arc::new(Clients { authority, mandatory, names, provider })))
}

/// Who is let in by certificate.
#[derive(Debug)]
struct Clients {
    /// `None`: whoever has one.
    authority: Option<Arc<dyn ClientCertVerifier>>,
    mandatory: bool,
    /// One of these has to be in the certificate; none: any.
    names: Vec<String>,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.authority.as_ref().map_or(&[], |authority| authority.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if let Some(authority) = &self.authority {
            authority.verify_client_cert(certificate, others, now)?;
        }
        if !self.names.is_empty() && !names(certificate).iter().any(|name| self.names.contains(name)) {
            return Err(Error::General("none of the certificate's names is among client_allowed_sans".into()));
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What a certificate calls who has it: the common name of its subject, else the first of its other names.
pub fn named(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = parse_x509_certificate(certificate).ok()?;
    let common = parsed.subject().iter_common_name().find_map(|name| name.as_str().ok()).map(str::to_owned);
    common.or_else(|| names(certificate).into_iter().next()).filter(|name| !name.is_empty())
}

/// A certificate's alternative names, as the toolkit compares them: DNS, e-mail, IP, URI.
fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, certificate)) = parse_x509_certificate(certificate) else { return Vec::new() };
    let Ok(Some(found)) = certificate.subject_alternative_name() else { return Vec::new() };
    let shown = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|ip| std::net::IpAddr::from(ip).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|ip| std::net::IpAddr::from(ip).to_string()),
        },
        _ => None,
    };
    found.value.general_names.iter().filter_map(shown).collect()
}

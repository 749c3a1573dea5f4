//! For tests: certificates made on the spot, an HTTP(S) server on loopback that remembers what it was asked, and
//! kubeconfigs that lead to it.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, header::AUTHORIZATION};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    time::Instant,
};
use tokio_rustls::TlsAcceptor;

use super::{Ask, Auth, DialConfig, Dialer, Exchange, Trust, algorithms::provider};
use crate::clock::Clock;

/// A certificate with its key, PEM.
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// A certificate authority.
pub(crate) struct Authority {
    pub(crate) certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        Self::until(name, 4096)
    }

    /// Returns one that ends with this year.
    pub(crate) fn until(name: &str, last_year: i32) -> Self {
        Self::with(name, last_year, IsCa::Ca(BasicConstraints::Unconstrained), Vec::new())
    }

    /// Returns what signs others whether it may or not.
    pub(crate) fn with(name: &str, last_year: i32, is_ca: IsCa, key_usages: Vec<KeyUsagePurpose>) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.not_after = rcgen::date_time_ymd(last_year, 12, 31);
        params.distinguished_name.push(DnType::CommonName, name);
        (params.is_ca, params.key_usages) = (is_ca, key_usages);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// Returns a leaf for these names and addresses, valid until the end of `last_year`.
    pub(crate) fn issue(&self, subject: &str, names: &[&str], last_year: i32) -> Pair {
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, subject);
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(last_year, 12, 31);
        let key = KeyPair::generate().unwrap();
        Pair { certificate: params.signed_by(&key, &self.issuer).unwrap().pem(), key: key.serialize_pem() }
    }
}

/// Returns a certificate that signs itself, as CA or not: what `openssl req -x509` makes.
pub(crate) fn self_signed(names: &[&str], is_ca: bool, last_year: i32) -> Pair {
    let mut params = CertificateParams::new(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "its own");
    params.not_before = rcgen::date_time_ymd(2001, 1, 1);
    params.not_after = rcgen::date_time_ymd(last_year, 12, 31);
    if is_ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let key = KeyPair::generate().unwrap();
    Pair { certificate: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}

/// A request as the server saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    pub(crate) client_certificate: bool,
}

type Answerer = dyn Fn(&Seen) -> Response<Full<Bytes>> + Send + Sync;

/// A server on loopback; ends with the test's runtime.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
}

/// Says how the server treats client certificates.
pub(crate) enum Clients<'a> {
    /// Asks for none.
    Ignored,
    /// Asks, and goes on without.
    Welcome(&'a Authority),
    /// Insists.
    Required(&'a Authority),
}

pub(crate) fn tls_config(pair: &Pair, clients: Clients<'_>) -> ServerConfig {
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let verifier = |authority: &Authority| {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.certificate.as_bytes()).unwrap()).unwrap();
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
    };
    let builder = match clients {
        Clients::Ignored => builder.with_no_client_auth(),
        Clients::Welcome(a) => builder.with_client_cert_verifier(verifier(a).allow_unauthenticated().build().unwrap()),
        Clients::Required(a) => builder.with_client_cert_verifier(verifier(a).build().unwrap()),
    };
    let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()];
    builder.with_single_cert(chain, PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap()).unwrap()
}

impl Server {
    /// Serves TLS where there is a configuration for it, else plain HTTP.
    pub(crate) async fn start(
        tls: Option<ServerConfig>,
        answer: impl Fn(&Seen) -> Response<Full<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let server =
            Self { address: listener.local_addr().unwrap(), seen: Arc::default(), connections: Arc::default() };
        let acceptor = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        let answer: Arc<Answerer> = Arc::new(answer);
        let this = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                this.connections.fetch_add(1, Ordering::SeqCst);
                let (this, acceptor, answer) = (this.clone(), acceptor.clone(), answer.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => this.serve(stream, false, answer).await,
                        Some(acceptor) => {
                            let Ok(stream) = acceptor.accept(stream).await else { return };
                            let certified = stream.get_ref().1.peer_certificates().is_some();
                            this.serve(stream, certified, answer).await;
                        }
                    }
                });
            }
        });
        server
    }

    async fn serve(&self, stream: impl AsyncRead + AsyncWrite + Unpin, certified: bool, answer: Arc<Answerer>) {
        let service = service_fn(|request: Request<Incoming>| {
            let authorization = request.headers().get(AUTHORIZATION).map(|v| v.to_str().unwrap().to_owned());
            let path = request.uri().path_and_query().unwrap().to_string();
            let seen = Seen { path, authorization, client_certificate: certified };
            self.seen.lock().unwrap().push(seen.clone());
            std::future::ready(Ok::<_, std::convert::Infallible>(answer(&seen)))
        });
        _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }

    pub(crate) fn url(&self, scheme: &str, path: &str) -> url::Url {
        format!("{scheme}://{}{path}", self.address).parse().unwrap()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Returns a 200 with this body.
pub(crate) fn ok(body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    status(200, body)
}

/// Returns an answer with this status and body.
pub(crate) fn status(code: u16, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    Response::builder().status(code).body(Full::new(body.into())).unwrap()
}

/// Writes a file and gives its path.
pub(crate) fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, text).unwrap();
    path
}

/// Writes a kubeconfig; `cluster` and `user` are YAML flow content, e.g. `certificate-authority: ca.crt`.
pub(crate) fn kubeconfig(dir: &Path, server: &url::Url, cluster: &str, user: &str) -> DialConfig {
    let comma = if cluster.is_empty() { "" } else { "," };
    let text = format!(
        "apiVersion: v1\nkind: Config\nclusters: [{{name: c, cluster: {{server: \"{server}\"{comma} {cluster}}}}}]\n\
         users: [{{name: u, user: {{{user}}}}}]\ncontexts: [{{name: test, context: {{cluster: c, user: u}}}}]\n\
         current-context: test\n"
    );
    DialConfig { kubeconfig: Some(write(dir, "kubeconfig", &text)), ..DialConfig::default() }
}

/// Returns a dialer for plain HTTP servers.
pub(crate) async fn plain_dialer(dir: &Path, server: &url::Url) -> Dialer {
    Dialer::load(kubeconfig(dir, server, "", ""), Clock::system()).await.unwrap()
}

/// Returns one exchange on a fresh connection, within 5 s.
pub(crate) async fn get(dialer: &Dialer, url: url::Url, trust: Trust, auth: Auth) -> Exchange {
    ask(dialer, Ask::get(url, trust, auth)).await
}

/// Returns one exchange, within 5 s.
pub(crate) async fn ask(dialer: &Dialer, ask: Ask) -> Exchange {
    dialer.exchange(ask, Instant::now() + Duration::from_secs(5)).await
}

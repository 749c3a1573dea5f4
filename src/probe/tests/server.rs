//! A server that answers as a table says, over TLS or plain, and a dialer that has credentials for it.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;
use url::Url;

use crate::{
    clock::Clock,
    dial::{DialConfig, Dialer, install_crypto},
};

/// What is done with a request.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// Status and body.
    Say(u16, String),
    /// The same, but the connection ends before the body does.
    Cut(u16, String),
    /// The same with headers, each line ended.
    With(u16, String, String),
    /// A 429 that says to come again in a second, so many times, and then the same as without.
    Throttle(Arc<AtomicUsize>, String),
    /// The same, after so long.
    After(Duration, Box<Act>),
    /// Nothing, for ever.
    Hang,
}

/// From path and query to what is done; the last entry that is a prefix counts, so that a case overrides the defaults.
pub(super) type Table = Vec<(&'static str, Act)>;

/// How connections are secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Security {
    /// Not at all.
    Plain,
    /// A certificate of the cluster's CA (which is etcd's too here).
    Tls,
    /// The same, and a client certificate of that CA is wanted, as etcd does.
    Mutual,
}

/// Two authorities: the one that everything trusts, and a stranger.
pub(super) struct Pki {
    dir: tempfile::TempDir,
    ca: CertifiedIssuer<'static, KeyPair>,
}

/// Whose client certificate for etcd the dialer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EtcdCertificate {
    None,
    Good,
    Stranger,
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn write_signed(dir: &Path, name: &str, ca: &CertifiedIssuer<'static, KeyPair>) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::default().signed_by(&key, ca).unwrap();
    fs::write(dir.join(format!("{name}.crt")), certificate.pem()).unwrap();
    fs::write(dir.join(format!("{name}.key")), key.serialize_pem()).unwrap();
}

impl Pki {
    pub(super) fn make() -> Self {
        install_crypto();
        let (dir, ca) = (tempfile::tempdir().unwrap(), authority());
        fs::write(dir.path().join("ca.crt"), ca.pem()).unwrap();
        write_signed(dir.path(), "client", &ca);
        write_signed(dir.path(), "stranger", &authority());
        let config = "apiVersion: v1\nkind: Config\ncurrent-context: t\n\
            clusters: [{name: t, cluster: {server: 'https://127.0.0.1:1', certificate-authority: ca.crt}}]\n\
            users: [{name: t, user: {client-certificate: client.crt, client-key: client.key}}]\n\
            contexts: [{name: t, context: {cluster: t, user: t}}]\n";
        fs::write(dir.path().join("kubeconfig"), config).unwrap();
        Self { dir, ca }
    }

    pub(super) async fn dialer(&self, etcd: EtcdCertificate) -> Dialer {
        let file = |name: &str| Some(self.dir.path().join(name));
        let name = match etcd {
            EtcdCertificate::None => None,
            EtcdCertificate::Good => Some("client"),
            EtcdCertificate::Stranger => Some("stranger"),
        };
        let config = DialConfig {
            kubeconfig: file("kubeconfig"),
            etcd_ca_file: file("ca.crt"),
            etcd_cert_file: name.and_then(|n| file(&format!("{n}.crt"))),
            etcd_key_file: name.and_then(|n| file(&format!("{n}.key"))),
            ..DialConfig::default()
        };
        Dialer::load(config, Clock::system()).await.unwrap()
    }

    fn server_config(&self, security: Security) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_string()]).unwrap();
        let certificate = params.signed_by(&key, &self.ca).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut roots = RootCertStore::empty();
        roots.add(self.ca.der().clone()).unwrap();
        let builder = match security {
            Security::Mutual => {
                let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
                ServerConfig::builder().with_client_cert_verifier(verifier)
            }
            Security::Plain | Security::Tls => ServerConfig::builder().with_no_client_auth(),
        };
        builder.with_single_cert(vec![certificate.der().clone()], key).unwrap()
    }

    /// Starts a server; it ends with the value.
    pub(super) async fn serve(&self, security: Security, table: Table) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if security == Security::Plain { "http" } else { "https" };
        let url = Url::parse(&format!("{scheme}://{}", listener.local_addr().unwrap())).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(self.server_config(security)));
        let table = Arc::new(table);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, table) = (acceptor.clone(), table.clone());
                connections.spawn(async move {
                    if security == Security::Plain {
                        answer(tcp, &table).await;
                    } else if let Ok(tls) = acceptor.accept(tcp).await {
                        answer(tls, &table).await;
                    }
                });
            }
        });
        Server { url, _tasks: tasks }
    }
}

/// A running server.
pub(super) struct Server {
    pub(super) url: Url,
    _tasks: JoinSet<()>,
}

/// Accepts connections in the kernel and never says a word, as a stopped process does.
pub(super) async fn stopped() -> (Url, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (Url::parse(&format!("https://{}", listener.local_addr().unwrap())).unwrap(), listener)
}

/// Nothing listens there.
pub(super) async fn nobody() -> Url {
    stopped().await.0
}

/// One request, one answer. A client that goes away ends it.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, table: &Table) {
    let mut request = Vec::new();
    while !request.windows(4).any(|w| w == b"\r\n\r\n") {
        let Ok(1..) = stream.read_buf(&mut request).await else { return };
    }
    let text = String::from_utf8_lossy(&request);
    let path = text.split_whitespace().nth(1).unwrap_or_default();
    let act = table.iter().rev().find(|(prefix, _)| path.starts_with(prefix)).map(|(_, act)| act);
    let missing = Act::Say(404, "404 page not found\n".into());
    let mut act = act.unwrap_or(&missing);
    if let Act::After(wait, then) = act {
        tokio::time::sleep(*wait).await;
        act = then;
    }
    let mut none_left = |n: usize| n.checked_sub(1);
    let (status, headers, body, more) = match act {
        Act::Say(status, body) => (*status, "", body.as_str(), 0),
        Act::Cut(status, body) => (*status, "", body.as_str(), 100),
        Act::With(status, headers, body) => (*status, headers.as_str(), body.as_str(), 0),
        Act::Throttle(left, _) if left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, &mut none_left).is_ok() => {
            (429, "retry-after: 1\r\n", "Too many requests, please try again later.\n", 0)
        }
        Act::Throttle(_, body) => (200, "", body.as_str(), 0),
        Act::Hang | Act::After(..) => return std::future::pending().await,
    };
    let length = body.len() + more;
    let reply =
        format!("HTTP/1.1 {status} Said\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}");
    if stream.write_all(reply.as_bytes()).await.is_ok() {
        let _ = stream.shutdown().await;
    }
}

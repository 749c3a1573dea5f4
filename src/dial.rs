//! Connections to clusters: kubeconfig credentials, TLS that remembers what it saw, and one HTTP exchange with the
//! duration of every phase. The only room that opens sockets to a cluster; `probe` and `discover` ask it.
//!
//! Never follows a redirect, never sends credentials to a server whose certificate did not verify (a client certificate
//! excepted: its key never leaves), never reads past a cap, never outlives a deadline.

mod exchange;
mod identity;
mod pool;
#[cfg(test)]
mod tests;
mod tls;
mod words;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, RwLock},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method};
use rustls::{crypto::CryptoProvider, pki_types::ServerName};
use tokio::time::Instant;
use url::Url;

use self::{
    exchange::{Log, Secure},
    identity::Identity,
    pool::{Lease, Pool},
    tls::Recorder,
};
use crate::model::{CertificateFact, Failure, Phases, Reason, TlsFacts, TraceLine};

/// How the server's certificate is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trust {
    /// Against the kubeconfig's CA and the names that an API server may carry; a mismatch is a `tls` failure.
    Cluster,
    /// Against etcd's CA.
    Etcd,
    /// Recorded with its verdict in `TlsFacts::verified`, but no reason to fail: kubelets, schedulers and
    /// controller-managers sign their own certificates by default.
    Observe,
}

/// Which credentials are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Auth {
    /// None at all.
    None,
    /// The kubeconfig's: bearer token only over a verified connection, client certificate always.
    Cluster,
    /// Etcd's client certificate.
    Etcd,
}

/// One HTTP exchange to make.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Where. Plain `http` is dialled without TLS.
    pub url: Url,
    /// `GET`, or `POST` with a JSON body for etcd's gateway.
    pub method: Method,
    /// JSON body, empty for none.
    pub body: Bytes,
    /// Certificate check.
    pub trust: Trust,
    /// Credentials.
    pub auth: Auth,
    /// A connection kept alive may be used; false: accepting a connection is part of what is asked.
    pub reuse: bool,
    /// Read no more than this.
    pub max_bytes: usize,
}

/// The cap on a body for probes: 1 MiB, far more than any health page.
pub const PROBE_BODY_MAX: usize = 1 << 20;

impl Ask {
    /// A `GET` on a fresh connection with the probe's cap.
    pub fn get(url: Url, trust: Trust, auth: Auth) -> Self {
        Self { url, method: Method::GET, body: Bytes::new(), trust, auth, reuse: false, max_bytes: PROBE_BODY_MAX }
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, at most `max_bytes`.
    pub body: Bytes,
    /// The body was longer than the cap, or the connection broke before its end.
    pub cut: bool,
}

/// An exchange, finished or failed, with all that was seen on the way.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The answer, or why there is none.
    pub outcome: Result<Answer, Failure>,
    /// Phases reached.
    pub phases: Phases,
    /// The handshake, kept where verification failed too.
    pub tls: Option<TlsFacts>,
    /// The steps.
    pub trace: Vec<TraceLine>,
    /// In all.
    pub duration: Duration,
}

/// What a `Dialer` is made from.
#[derive(Clone, Debug, Default)]
pub struct DialConfig {
    /// Kubeconfig file; `None`: `$KUBECONFIG` (its list of files merged), then `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// Context; `None`: current-context.
    pub context: Option<String>,
    /// CA of etcd's serving certificates.
    pub etcd_ca_file: Option<PathBuf>,
    /// Client certificate for etcd.
    pub etcd_cert_file: Option<PathBuf>,
    /// Its key.
    pub etcd_key_file: Option<PathBuf>,
}

/// Everything that is needed to talk to one cluster. Cheap to clone; credentials behind it are refreshed as they rotate.
#[derive(Clone, Debug)]
pub struct Dialer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: DialConfig,
    provider: Arc<CryptoProvider>,
    identity: RwLock<Arc<Identity>>,
    pool: Pool,
    /// When the credentials' files were last looked at.
    looked: Mutex<Instant>,
    /// When the credentials were last loaded anew because they were refused.
    reloaded: Mutex<Instant>,
    /// Why they could not be loaded anew, in words.
    problem: Mutex<Option<String>>,
}

/// Files are looked at this often for a change.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Refused credentials are loaded anew at most this often: an exec plugin may ask a cloud.
const RELOAD_EVERY: Duration = Duration::from_secs(30);

/// Makes ring the process's default cryptography; rustls needs one, and asks which.
pub fn install_crypto() {
    // An error says that there is one already: ours, from an earlier call.
    drop(rustls::crypto::ring::default_provider().install_default());
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Dialer {
    /// Reads the kubeconfig and the certificates.
    ///
    /// # Errors
    /// When a file can't be read or says something that can't be used; the message names the file and what to do.
    pub async fn load(config: DialConfig, _clock: crate::clock::Clock) -> Result<Self, DialError> {
        install_crypto();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let identity = Identity::load(config.clone(), provider.clone()).await?;
        let now = Instant::now();
        Ok(Self(Arc::new(Inner {
            config,
            provider,
            identity: RwLock::new(Arc::new(identity)),
            pool: Pool::default(),
            looked: Mutex::new(now),
            reloaded: Mutex::new(now),
            problem: Mutex::default(),
        })))
    }

    fn identity(&self) -> Arc<Identity> {
        self.0.identity.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// The advertised URL of the kubeconfig (scheme, host, port).
    pub fn server(&self) -> Url {
        self.identity().server.clone()
    }

    /// The name of the context in use.
    pub fn context(&self) -> String {
        self.identity().context.clone()
    }

    /// Whether a client certificate for etcd is configured.
    pub fn has_etcd_certificate(&self) -> bool {
        self.identity().etcd_certificate
    }

    /// Our own client certificates, as now loaded: source `kubeconfig` and `etcd-client`.
    pub fn own_certificates(&self) -> Vec<CertificateFact> {
        self.identity().own.clone()
    }

    /// Makes one exchange; all that goes wrong is in `Exchange::outcome`.
    pub async fn exchange(&self, ask: Ask, deadline: Instant) -> Exchange {
        self.look_at_files();
        let mut log = Log::new(deadline);
        let outcome = self.try_exchange(&ask, &mut log).await;
        if ask.auth != Auth::None
            && let Ok(answer) = &outcome
            && matches!(answer.status, 401 | 403)
        {
            self.reload_refused();
        }
        let duration = log.elapsed();
        Exchange { outcome, phases: log.phases, tls: log.tls, trace: log.trace, duration }
    }

    async fn try_exchange(&self, ask: &Ask, log: &mut Log) -> Result<Answer, Failure> {
        let identity = self.identity();
        let key = (ask.url[..url::Position::BeforePath].to_string(), ask.trust, ask.auth);
        if ask.reuse
            && let Some(mut lease) = self.0.pool.take(&key)
        {
            log.say("over a connection kept alive");
            log.tls.clone_from(&lease.connection.tls);
            let headers = self.headers(&identity, ask, lease.connection.tls.as_ref()).await?;
            if let Ok(answer) = exchange::exchange(&mut lease.connection, ask, headers, log).await {
                self.0.pool.give(key, lease);
                return Ok(answer);
            }
            // It may have been closed while it was idle: only a fresh one tells.
            log.say("it did not hold: once more over a fresh one");
            (log.phases, log.tls) = (Phases::default(), None);
        }
        let proxy = identity.proxy.as_ref().filter(|_| ask.trust == Trust::Cluster);
        let secure = if ask.url.scheme() == "https" { Some(self.secure(&identity, ask)?) } else { None };
        let mut connection = exchange::connect(ask, secure, proxy, log).await?;
        let headers = self.headers(&identity, ask, connection.tls.as_ref()).await?;
        let answer = exchange::exchange(&mut connection, ask, headers, log).await?;
        if ask.reuse && !answer.cut {
            self.0.pool.give(key, Lease::fresh(connection));
        }
        Ok(answer)
    }

    /// Which certificate to show, which CA and names to accept.
    fn secure(&self, identity: &Identity, ask: &Ask) -> Result<Secure, Failure> {
        let side = if ask.trust == Trust::Etcd || ask.auth == Auth::Etcd { &identity.etcd } else { &identity.cluster };
        let mut client = side.client.clone();
        if ask.auth == Auth::None {
            client.client_auth_cert_resolver = Arc::new(NoClientCertificate);
        }
        let unusable =
            |host: &str| Failure::new(Reason::Tls, format!("{host:?} is not a name that a certificate can be for"));
        let host = ask.url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_string();
        let dialled = ServerName::try_from(host.clone()).map_err(|_| unusable(&host))?;
        let mut names = vec![dialled.clone()];
        let mut sni = dialled;
        if ask.trust == Trust::Cluster {
            let advertised = identity.server.host_str().unwrap_or_default().trim_matches(['[', ']']).to_string();
            let more = [identity.tls_server_name.clone(), Some(advertised), Some(IN_CLUSTER_NAME.to_string())];
            names.extend(more.into_iter().flatten().filter_map(|n| ServerName::try_from(n).ok()));
            let wanted = match &identity.tls_server_name {
                Some(name) => Some(ServerName::try_from(name.clone()).map_err(|_| unusable(name))?),
                None => None,
            };
            let dns = names.iter().take(names.len() - 1).find(|n| matches!(n, ServerName::DnsName(_))).cloned();
            sni = wanted.or(dns).unwrap_or(sni);
        }
        let authority = match ask.trust {
            Trust::Etcd => "etcd's CA (etcd.ca_file)",
            Trust::Cluster | Trust::Observe => "the CA in our kubeconfig",
        };
        let enforce = ask.trust != Trust::Observe;
        let recorder = Recorder::new(side.verifier.clone(), names, enforce, authority, self.0.provider.clone());
        Ok(Secure { client, recorder: Arc::new(recorder), name: sni })
    }

    /// Credentials as headers: a token goes only to a server that has proved who it is.
    async fn headers(&self, identity: &Identity, ask: &Ask, tls: Option<&TlsFacts>) -> Result<HeaderMap, Failure> {
        if ask.auth != Auth::Cluster || !tls.is_some_and(|t| t.verified) {
            return Ok(HeaderMap::new());
        }
        let mut headers = identity.headers.clone();
        match identity.authorization().await {
            Ok(Some(value)) => drop(headers.insert(http::header::AUTHORIZATION, value)),
            Ok(None) => {}
            Err(error) => return Err(Failure::new(Reason::Auth, error.message)),
        }
        Ok(headers)
    }

    /// Loads everything anew, beside the exchanges, when a file has changed.
    fn look_at_files(&self) {
        {
            let mut looked = lock(&self.0.looked);
            if looked.elapsed() < LOOK_EVERY {
                return;
            }
            *looked = Instant::now();
        }
        let this = self.clone();
        tokio::spawn(async move {
            let identity = this.identity();
            if tokio::task::spawn_blocking(move || identity.is_stale()).await.unwrap_or(false) {
                this.reload("a file of theirs has changed").await;
            }
        });
    }

    fn reload_refused(&self) {
        {
            let mut reloaded = lock(&self.0.reloaded);
            if reloaded.elapsed() < RELOAD_EVERY {
                return;
            }
            *reloaded = Instant::now();
        }
        let this = self.clone();
        tokio::spawn(async move { this.reload("they were refused").await });
    }

    /// Replaces the credentials; where they can't be loaded, the old ones stay in use.
    async fn reload(&self, why: &str) {
        match Identity::load(self.0.config.clone(), self.0.provider.clone()).await {
            Ok(identity) => {
                tracing::debug!(context = identity.context, why, "credentials loaded anew");
                *self.0.identity.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(identity);
                self.0.pool.clear();
                *lock(&self.0.problem) = None;
            }
            Err(error) => {
                let mut problem = lock(&self.0.problem);
                if problem.as_deref() != Some(&error.message) {
                    tracing::error!(%error, why, "the credentials can't be loaded anew; the old ones stay in use");
                    *problem = Some(error.message);
                }
            }
        }
    }

    /// Why the credentials could not be loaded anew when they should have been, in words.
    pub fn problem(&self) -> Option<String> {
        lock(&self.0.problem).clone()
    }
}

/// Every API server's certificate carries it: clients inside the cluster dial the discovered endpoints by IP under it.
const IN_CLUSTER_NAME: &str = "kubernetes.default.svc";

/// Shows no client certificate.
#[derive(Debug)]
struct NoClientCertificate;

impl rustls::client::ResolvesClientCert for NoClientCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<rustls::sign::CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// Why a `Dialer` could not be made, or its credentials not be refreshed.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct DialError {
    /// What was wrong, where, and what to do. Never a secret.
    pub message: String,
}

impl DialError {
    fn new(message: String) -> Self {
        Self { message }
    }
}

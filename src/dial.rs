//! Connections to clusters: kubeconfig credentials, TLS that remembers what it saw, and one HTTP exchange with the
//! duration of every phase. The only room that opens sockets to a cluster; `probe` and `discover` ask it.
//!
//! Follows redirects on the same host only, never sends credentials to a server whose certificate did not verify (a client
//! certificate excepted: its key never leaves), never reads past a cap, never outlives a deadline.

mod access;
mod again;
mod algorithms;
mod bearer;
mod ca;
mod certificate;
mod connect;
mod credentials;
mod ecdsa;
mod endpoint;
mod exchange;
mod exec;
mod failure;
mod feed;
mod http1;
mod identity;
mod kept;
mod known;
mod kubeconfig;
mod line;
mod lookup;
mod pem;
mod pool;
mod proxy;
pub mod renewal;
mod resolve;
mod shape;
mod steps;
mod stream;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod tls;
mod unpack;
mod user;
mod witness;

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::time::Instant;
use url::Url;

pub use self::again::Throttled;
use self::credentials::Credentials;
pub use self::{
    feed::{Fed, Feed},
    line::{Line, Place, Security, TlsFiles, spoken},
    shape::Shape,
    stream::{BoxedStream, Stream},
};
use crate::{
    clock::Clock,
    model::{CertificateFact, Failure, Phases, TlsFacts, TokenFact, TraceLine},
};

/// Says how the server's certificate is judged.
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
    /// `GET`; `POST` with a JSON body for etcd's gateway; what the canary writes and deletes.
    pub method: Method,
    /// JSON body, empty for none.
    pub body: Bytes,
    /// Certificate check.
    pub trust: Trust,
    /// Credentials.
    pub auth: Auth,
    /// A connection kept alive may be used; false: accepting a connection is part of what is asked.
    pub reuse: bool,
    /// Read no more than this, packed or not.
    pub max_bytes: usize,
    /// The media types that are wanted.
    pub accept: &'static str,
    /// Asks for a body packed by gzip; it is unpacked before it is given, whoever asked for it.
    pub gzip: bool,
    /// What throttling has cost so far. Shared by all clones.
    pub throttled: Throttled,
    /// Takes the lines of an answer with status 200 as they come.
    pub feed: Option<Feed>,
}

/// What a health page or an API may answer in.
const PROBE_ACCEPT: &str = "application/json, */*";

/// The cap on a body for probes: 1 MiB, far more than any health page.
pub const PROBE_BODY_MAX: usize = 1 << 20;

impl Ask {
    /// Returns a `GET` on a fresh connection with the probe's cap.
    pub fn get(url: Url, trust: Trust, auth: Auth) -> Self {
        let (accept, max_bytes) = (PROBE_ACCEPT, PROBE_BODY_MAX);
        let (method, body, throttled) = (Method::GET, Bytes::new(), Throttled::default());
        Self { url, method, body, trust, auth, reuse: false, max_bytes, accept, gzip: false, throttled, feed: None }
    }
}

/// Holds what came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, unpacked, at most `max_bytes`.
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

/// Holds what a `Dialer` is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    /// Where a token that was renewed is kept; `None`: ours is not renewed.
    pub kept_token: Option<PathBuf>,
    /// A person waits for the answer: an exec plugin is waited for less.
    pub person_waits: bool,
}

/// Says why there are no credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// In words.
    pub why: String,
    /// What the exec plugin said on stderr, line by line: for the user's own terminal only, it may hold secrets.
    pub said: Vec<String>,
}

/// Makes ring the process's default TLS provider, for reqwest; calling it again changes nothing.
pub fn install_crypto() {
    // An error only says that there is one already.
    _ = rustls::crypto::ring::default_provider().install_default();
}

/// Everything that is needed to talk to one cluster. Cheap to clone; credentials behind it are refreshed as they rotate.
#[derive(Clone, Debug)]
pub struct Dialer {
    credentials: Arc<Credentials>,
    has_etcd_certificate: bool,
}

impl Dialer {
    /// Reads the kubeconfig and the certificates, and runs the exec plugin if there is one (30 s at most, 10 s where a
    /// person waits; its failure is not an error here, but the reason of each exchange that is refused because of it).
    ///
    /// # Errors
    /// When a file can't be read or says something that can't be used; the message names the file and what to do.
    pub async fn load(config: DialConfig, clock: Clock) -> Result<Self, DialError> {
        install_crypto();
        let has_etcd_certificate = config.etcd_cert_file.is_some();
        Ok(Self { credentials: Credentials::load(config, clock).await?, has_etcd_certificate })
    }

    /// Returns the advertised URL of the kubeconfig (scheme, host, port). A path that the kubeconfig has after it is
    /// put before every request to that host and port.
    pub fn server(&self) -> Url {
        self.credentials.access().server().clone()
    }

    /// Returns the name of the context in use.
    pub fn context(&self) -> String {
        self.credentials.access().context().to_owned()
    }

    /// Returns whether a client certificate for etcd is configured.
    pub fn has_etcd_certificate(&self) -> bool {
        self.has_etcd_certificate
    }

    /// Our own client certificates, as now loaded: source `kubeconfig` and `etcd-client`.
    pub fn own_certificates(&self) -> Vec<CertificateFact> {
        self.credentials.access().own_certificates().to_vec()
    }

    /// Returns what is known of our bearer token, where it ends and is no plugin's.
    pub fn own_token(&self) -> Option<TokenFact> {
        self.credentials.own_token()
    }

    /// Renews our ServiceAccount token whenever half of its life is over, where a place to keep it is configured; never ends.
    pub async fn renew_token(&self) {
        renewal::run(self).await;
    }

    /// Returns the CAs by which servers are judged, of each bundle the one that lasts longest: source `ca`, and whose
    /// it is in words. None where the machine's own are trusted.
    pub fn authorities(&self) -> Vec<(CertificateFact, String)> {
        let access = self.credentials.access();
        let bundles = [access.cluster_ca(), access.etcd_ca()];
        bundles.into_iter().filter_map(|ca| Some((ca.lasting()?.clone(), ca.name().to_owned()))).collect()
    }

    /// Returns why we have no credentials: the exec plugin gave none, or the context names no user.
    pub fn missing(&self) -> Option<Missing> {
        let access = self.credentials.access();
        let plugin = access.missing().map(|e| Missing { why: e.why.clone(), said: e.said.clone() });
        plugin.or_else(|| access.anonymous().map(|why| Missing { why: why.to_owned(), said: Vec::new() }))
    }

    /// Asks the kubeconfig's API server with the cluster's credentials, on a connection that may be kept: `path` may have a
    /// query, `body` is sent as JSON.
    ///
    /// # Errors
    /// Why there is no answer, in words.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
        deadline: Instant,
    ) -> Result<Answer, String> {
        let mut url = self.server();
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        url.set_path(path);
        url.set_query(query);
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let ask = Ask { method, body, reuse: true, ..Ask::get(url, Trust::Cluster, Auth::Cluster) };
        self.exchange(ask, deadline).await.outcome.map_err(|failure| failure.message)
    }

    /// Makes one exchange; all that goes wrong is in `Exchange::outcome`.
    pub async fn exchange(&self, ask: Ask, deadline: Instant) -> Exchange {
        // In a place of its own: else each probe that waits is as large as all that any exchange may need.
        Box::pin(exchange::run(&self.credentials, ask, deadline)).await
    }
}

/// Returns the name of the context that a kubeconfig chooses; runs no plugin and reads none of the files that it refers
/// to.
///
/// # Errors
/// When the kubeconfig can't be read or chooses none.
pub fn context(config: &DialConfig) -> Result<String, DialError> {
    kubeconfig::read(config).map(|chosen| chosen.context)
}

/// Says why a `Dialer` could not be made, or its credentials not be refreshed.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct DialError {
    /// What was wrong, where, and what to do. Never a secret.
    pub message: String,
}

impl DialError {
    fn new(message: impl fmt::Display) -> Self {
        Self { message: message.to_string() }
    }
}

//! One generation of all that is needed to talk to a cluster, as its files were when they were read. Never changes;
//! `credentials` replaces it as a whole.

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::Empty;
use jiff::{SignedDuration, Timestamp};
use kube::{Config, client::ConfigExt, config::AuthInfo};
use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    sign::CertifiedKey,
};
use secrecy::ExposeSecret;
use tower::{BoxError, Layer, ServiceExt, service_fn, util::BoxCloneSyncService};
use url::Url;

use super::{
    DialConfig, DialError, Trust, certificate,
    connect::Proxies,
    exec,
    kubeconfig::{self, Chosen, Stamp, stamp},
    tls::{self, Ca},
};
use crate::model::{CertificateFact, Failure, Reason, TlsFacts};

/// The name under which clients inside a cluster reach its API server: every API server's certificate carries it.
const IN_CLUSTER_NAME: &str = "kubernetes.default.svc";
/// Credentials are renewed so long before they end.
const RENEW_BEFORE: SignedDuration = SignedDuration::from_secs(60);

type HeaderService = BoxCloneSyncService<Request<Empty<Bytes>>, Response<()>, BoxError>;

/// Everything, read once.
pub(super) struct Access {
    context: String,
    server: Url,
    /// Path before every request to the server (Rancher has one), without a slash at its end.
    prefix: String,
    tls_server_name: Option<ServerName<'static>>,
    insecure: bool,
    cluster_ca: Ca,
    etcd_ca: Ca,
    identity: Option<Arc<CertifiedKey>>,
    etcd_identity: Option<Arc<CertifiedKey>>,
    headers: HeaderService,
    proxies: Proxies,
    own_certificates: Vec<CertificateFact>,
    /// Why the user's credentials are missing: an exec plugin that failed.
    missing: Option<String>,
    expires: Option<Timestamp>,
    has_exec: bool,
    stamps: Vec<(PathBuf, Stamp)>,
}

impl Access {
    /// Reads all files and runs the exec plugin; blocks the thread while it reads.
    ///
    /// # Errors
    /// When something can't be used. A failed exec plugin is no error but [`Access::missing`]: a cluster's outage may
    /// well be the cause, and the cluster must be watched all the same.
    pub(super) async fn read(config: &DialConfig) -> Result<Self, DialError> {
        // Stamps are older than what is read, so that a change in between is seen as one.
        let mut stamps: Vec<_> = kubeconfig::paths(config).into_iter().map(stamped).collect();
        let etcd_files = [&config.etcd_ca_file, &config.etcd_cert_file, &config.etcd_key_file];
        stamps.extend(etcd_files.into_iter().flatten().cloned().map(stamped));
        let Chosen { config: mut kube, context, place, files } = kubeconfig::read(config).await?;
        stamps.extend(files.into_iter().map(stamped));
        let bad = |what: &str, why: &dyn std::fmt::Display| {
            DialError::new(format!("{what} of the kubeconfig {place} can't be used: {why}"))
        };

        let (server, prefix) = server(&kube).map_err(|why| bad("the server", &why))?;
        let has_exec = kube.auth_info.exec.is_some();
        let user = user(&mut kube.auth_info).await?;
        let identity = match user.identity {
            Some(identity) => Some(identity),
            None => kubeconfig_identity(&kube).map_err(|why| bad("the client certificate", &why))?,
        };
        let etcd_identity = etcd_identity(config)?;
        let own_certificates = [(&identity, "kubeconfig"), (&etcd_identity, "etcd-client")]
            .into_iter()
            .filter_map(|(key, source)| Some((key.as_ref()?, source)))
            .flat_map(|(key, source)| certificate::facts(&key.cert, source))
            .collect();
        let tls_server_name = match kube.tls_server_name.as_deref().filter(|n| !n.is_empty()) {
            Some(name) => Some(ServerName::try_from(name.to_owned()).map_err(|e| bad("tls-server-name", &e))?),
            None => None,
        };
        Ok(Self {
            context,
            server,
            prefix,
            tls_server_name,
            insecure: kube.accept_invalid_certs,
            cluster_ca: cluster_ca(&kube).map_err(|why| bad("the certificate-authority", &why))?,
            etcd_ca: etcd_ca(config)?,
            identity,
            etcd_identity,
            headers: header_service(&kube).map_err(|why| bad("the user", &why))?,
            proxies: Proxies::new(kube.proxy_url.as_ref().map(ToString::to_string).as_deref())
                .map_err(|why| bad("the proxy", &why))?,
            own_certificates,
            missing: user.missing,
            expires: user.expires,
            has_exec,
            stamps,
        })
    }

    pub(super) fn context(&self) -> &str {
        &self.context
    }

    pub(super) fn server(&self) -> &Url {
        &self.server
    }

    pub(super) fn insecure(&self) -> bool {
        self.insecure
    }

    /// Whether what can be replayed, a token, may go over a connection with this handshake: the server proved who it is,
    /// or the kubeconfig says that its API server is to be believed without.
    pub(super) fn believes(&self, tls: Option<&TlsFacts>, trust: Trust) -> bool {
        tls.is_some_and(|t| t.verified || (self.insecure && trust == Trust::Cluster))
    }

    pub(super) fn cluster_ca(&self) -> &Ca {
        &self.cluster_ca
    }

    pub(super) fn etcd_ca(&self) -> &Ca {
        &self.etcd_ca
    }

    pub(super) fn identity(&self) -> Option<&Arc<CertifiedKey>> {
        self.identity.as_ref()
    }

    pub(super) fn etcd_identity(&self) -> Option<&Arc<CertifiedKey>> {
        self.etcd_identity.as_ref()
    }

    pub(super) fn proxies(&self) -> &Proxies {
        &self.proxies
    }

    pub(super) fn own_certificates(&self) -> &[CertificateFact] {
        &self.own_certificates
    }

    /// Why there are no credentials, where an exec plugin gave none.
    pub(super) fn missing(&self) -> Option<&str> {
        self.missing.as_deref()
    }

    /// The plugin's credentials have ended, or it never gave any.
    pub(super) fn is_spent(&self, now: Timestamp) -> bool {
        self.missing.is_some() || self.expires.is_some_and(|at| now >= at)
    }

    /// The plugin should be asked again.
    pub(super) fn wants_renewal(&self, now: Timestamp) -> bool {
        self.missing.is_some() || self.expires.is_some_and(|at| now + RENEW_BEFORE >= at)
    }

    /// Whether asking again can help when a server refuses the credentials.
    pub(super) fn has_exec(&self) -> bool {
        self.has_exec
    }

    /// Whether a file is not what it was; looks at the disk.
    pub(super) fn files_changed(&self) -> bool {
        self.stamps.iter().any(|(path, then)| stamp(path) != *then)
    }

    /// A URL as it is asked: with the path prefix of the advertised server, where it is that one's.
    pub(super) fn full(&self, url: &Url) -> Url {
        let same =
            url.host() == self.server.host() && url.port_or_known_default() == self.server.port_or_known_default();
        let mut url = url.clone();
        if same && !self.prefix.is_empty() {
            url.set_path(&format!("{}{}", self.prefix, url.path()));
        }
        url
    }

    /// SNI for an API server dialled as `dialled`, and the names that its certificate may carry: endpoints found by
    /// discovery are dialled by IP, while certificates often name only the balancer or the service.
    pub(super) fn names(&self, dialled: ServerName<'static>) -> (ServerName<'static>, Vec<ServerName<'static>>) {
        let server = self.server.host_str().map(|h| h.trim_matches(['[', ']']).to_owned());
        let server = server.and_then(|h| ServerName::try_from(h).ok());
        let is_dns = |name: &&ServerName<'static>| matches!(name, ServerName::DnsName(_));
        let sni = self
            .tls_server_name
            .as_ref()
            .or(Some(&dialled).filter(is_dns))
            .or(server.as_ref().filter(is_dns))
            .unwrap_or(&dialled)
            .clone();
        let mut names: Vec<ServerName<'static>> = Vec::with_capacity(4);
        let in_cluster = ServerName::try_from(IN_CLUSTER_NAME).ok();
        for name in self.tls_server_name.clone().into_iter().chain([dialled]).chain(server).chain(in_cluster) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        (sni, names)
    }

    /// `Authorization` and, where the kubeconfig impersonates, those headers.
    pub(super) async fn headers(&self) -> Result<HeaderMap, Failure> {
        let service = self.headers.clone();
        match service.oneshot(Request::new(Empty::new())).await {
            Ok(echoed) => Ok(echoed.into_parts().0.headers),
            Err(_) => {
                let words = format!("the auth-provider of context {} gives no token", self.context);
                Err(Failure::new(Reason::Auth, words))
            }
        }
    }
}

fn stamped(path: PathBuf) -> (PathBuf, Stamp) {
    let stamp = stamp(&path);
    (path, stamp)
}

/// The server without its path, and the path.
fn server(kube: &Config) -> Result<(Url, String), String> {
    let mut url = Url::parse(&kube.cluster_url.to_string()).map_err(|e| e.to_string())?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err("it must be https://host:port".to_owned());
    }
    let prefix = url.path().trim_end_matches('/').to_owned();
    url.set_path("");
    url.set_query(None);
    Ok((url, prefix))
}

/// Where no CA is given, this machine's CAs decide, as with kubectl.
fn cluster_ca(kube: &Config) -> Result<Ca, String> {
    match &kube.root_cert {
        Some(certificates) => {
            let certificates = certificates.iter().cloned().map(CertificateDer::from).collect();
            Ca::new(certificates, "the CA of the kubeconfig")
        }
        None => Ok(Ca::system()),
    }
}

fn etcd_ca(config: &DialConfig) -> Result<Ca, DialError> {
    let Some(path) = &config.etcd_ca_file else { return Ok(Ca::system()) };
    let bad = |why: &dyn std::fmt::Display| DialError::new(format!("etcd's ca_file {}: {why}", path.display()));
    let pem = std::fs::read(path).map_err(|e| bad(&format_args!("it can't be read: {e}")))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.map_err(|_| bad(&"it is not PEM"))?;
    Ca::new(certificates, "etcd's CA").map_err(|why| bad(&why))
}

fn etcd_identity(config: &DialConfig) -> Result<Option<Arc<CertifiedKey>>, DialError> {
    let (certificate, key) = match (&config.etcd_cert_file, &config.etcd_key_file) {
        (None, None) => return Ok(None),
        (Some(certificate), Some(key)) => (certificate, key),
        _ => return Err(DialError::new("etcd: cert_file and key_file belong together, one of them is missing")),
    };
    let read = |path: &PathBuf| {
        std::fs::read(path).map_err(|e| DialError::new(format!("etcd: {} can't be read: {e}", path.display())))
    };
    let (pem, key_pem) = (read(certificate)?, read(key)?);
    certified(&pem, &key_pem).map(Some).map_err(|why| {
        DialError::new(format!("etcd: {} with its key {} can't be used: {why}", certificate.display(), key.display()))
    })
}

/// A chain with its key; the key must fit.
fn certified(certificates: &[u8], key: &[u8]) -> Result<Arc<CertifiedKey>, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates).collect();
    let chain = chain.map_err(|_| "the certificate is not PEM")?;
    if chain.is_empty() {
        return Err("it holds no certificate".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| "there is no PEM key")?;
    CertifiedKey::from_der(chain, key, &tls::provider()).map(Arc::new).map_err(|e| e.to_string())
}

/// kube's own reading of `client-certificate(-data)` and `client-key(-data)`.
fn kubeconfig_identity(kube: &Config) -> Result<Option<Arc<CertifiedKey>>, kube::Error> {
    let mut bare = kube.clone();
    // Only the identity is asked for: no roots to load, no plugin or provider to run.
    bare.root_cert = Some(Vec::new());
    bare.auth_info.auth_provider = None;
    let config = bare.rustls_client_config()?;
    Ok(config.client_auth_cert_resolver.resolve(&[], &[]))
}

/// What the user's exec plugin and token file give.
#[derive(Default)]
struct User {
    identity: Option<Arc<CertifiedKey>>,
    missing: Option<String>,
    expires: Option<Timestamp>,
}

/// Follows `exec` and `tokenFile`, so that what is left in `auth` is static.
async fn user(auth: &mut AuthInfo) -> Result<User, DialError> {
    let mut user = User::default();
    if let (None, Some(file)) = (&auth.token, auth.token_file.take()) {
        let token = std::fs::read_to_string(&file)
            .map_err(|e| DialError::new(format!("the token file {file} can't be read: {e}")))?;
        auth.token = Some(token.into());
    }
    // Static credentials come first, as in client-go and kube.
    let is_static = auth.token.is_some() || auth.username.is_some() || auth.auth_provider.is_some();
    let Some(exec) = auth.exec.take().filter(|_| !is_static) else { return Ok(user) };
    match exec::run(&exec).await {
        Ok(credential) => {
            user.expires = credential.expires;
            auth.token = credential.token.map(|t| t.reveal().to_owned().into());
            if let Some((certificate, key)) = credential.certificate {
                match certified(certificate.as_bytes(), key.reveal().as_bytes()) {
                    Ok(identity) => user.identity = Some(identity),
                    Err(why) => {
                        let name = exec.command.as_deref().unwrap_or_default();
                        user.missing = Some(format!("the client certificate of the exec plugin {name} is bad: {why}"));
                    }
                }
            }
        }
        Err(why) => user.missing = Some(why),
    }
    Ok(user)
}

/// kube's layers for `Authorization` and impersonation, over a service that gives the headers back.
fn header_service(kube: &Config) -> Result<HeaderService, String> {
    let mut kube = kube.clone();
    if let Some(token) = &kube.auth_info.token {
        let trimmed = token.expose_secret().trim().to_owned();
        // kube panics on a token that can't be a header.
        HeaderValue::try_from(&trimmed).map_err(|_| "its token has characters that no token has")?;
        kube.auth_info.token = Some(trimmed.into());
    }
    let echo = service_fn(|request: Request<Empty<Bytes>>| {
        let mut response = Response::new(());
        *response.headers_mut() = request.into_parts().0.headers;
        std::future::ready(Ok::<_, BoxError>(response))
    });
    let extra = kube.extra_headers_layer().map_err(|_| "an impersonation header can't be sent")?;
    // kube's errors of a provider may quote its output.
    let auth = kube.auth_layer().map_err(|_| "its auth-provider fails: use an exec plugin instead")?;
    Ok(match auth {
        Some(auth) => BoxCloneSyncService::new(auth.layer(extra.layer(echo))),
        None => BoxCloneSyncService::new(extra.layer(echo)),
    })
}

//! One generation of all that is needed to talk to a cluster, as its files were when they were read. Never changes;
//! `credentials` replaces it as a whole.

use std::{path::PathBuf, sync::Arc};

use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use rustls::{pki_types::ServerName, sign::CertifiedKey};
use url::Url;

use super::{
    DialConfig, DialError, Trust,
    bearer::Claims,
    ca::{self, Ca},
    certificate,
    exec::{self, PluginError},
    identity, kept,
    kubeconfig::{self, Cluster, Stamp, User, stamp},
    pem,
    proxy::Proxies,
    user::{self, Renewed},
};
use crate::model::{CertificateFact, Secret, TlsFacts, text};

/// The name under which clients inside a cluster reach its API server: every API server's certificate carries it.
const IN_CLUSTER_NAME: &str = "kubernetes.default.svc";
/// Credentials are renewed so long before they end.
const RENEW_BEFORE: SignedDuration = SignedDuration::from_secs(60);

/// Everything, read once.
pub(super) struct Access {
    context: String,
    server: Url,
    /// Path before every request to the server (Rancher has one), without a slash at its end.
    prefix: String,
    tls_server_name: Option<ServerName<'static>>,
    insecure: bool,
    cluster_ca: Ca,
    /// It comes from the kubeconfig, not from this machine.
    has_own_ca: bool,
    etcd_ca: Ca,
    identity: Option<Arc<CertifiedKey>>,
    etcd_identity: Option<Arc<CertifiedKey>>,
    headers: HeaderMap,
    proxies: Proxies,
    own_certificates: Vec<CertificateFact>,
    /// Why the user's credentials are missing: an exec plugin that failed.
    missing: Option<PluginError>,
    /// Why there is no user at all.
    anonymous: Option<String>,
    expires: Option<Timestamp>,
    has_exec: bool,
    /// What our token says of itself, where it ends and is no plugin's.
    claims: Option<Claims>,
    /// Why the token that was kept is not used.
    not_kept: Option<String>,
    stamps: Vec<(PathBuf, Stamp)>,
}

impl Access {
    /// Reads all files and runs the exec plugin; blocks the thread while it reads. `renewed` is the token that was renewed last in
    /// this run, which may be nowhere else.
    ///
    /// # Errors
    /// When something can't be used. A failed exec plugin is no error but [`Access::missing`]: a cluster's outage may
    /// well be the cause, and the cluster must be watched all the same.
    pub(super) async fn read(config: &DialConfig, renewed: Option<Secret>, now: Timestamp) -> Result<Self, DialError> {
        // Stamps are older than what is read, so that a change in between is seen as one.
        let mut stamps: Vec<_> = kubeconfig::paths(config).into_iter().map(stamped).collect();
        let etcd_files = [&config.etcd_ca_file, &config.etcd_cert_file, &config.etcd_key_file];
        stamps.extend(etcd_files.into_iter().flatten().chain(&config.kept_token).cloned().map(stamped));
        let chosen = kubeconfig::read(config)?;
        let place = &chosen.place;
        stamps.extend(chosen.cluster.files().chain(chosen.user.files()).cloned().map(stamped));
        // What this machine trusts is read again when it changes, as any other file.
        stamps.extend(ca::system_stamps());
        let bad = |what: &str, why: &dyn std::fmt::Display| {
            DialError::new(format!("{what} of the kubeconfig {place} can't be used: {why}"))
        };

        let (server, prefix) = server(&chosen.cluster, &chosen.user).map_err(|why| bad("the server", &why))?;
        let limit = if config.person_waits { exec::TIME_MAX_FOR_A_PERSON } else { exec::TIME_MAX };
        let kept = config.kept_token.as_deref().map(kept::read);
        let (kept, not_kept) = match kept {
            Some(Ok(token)) => (token, None),
            Some(Err(why)) => (None, Some(why)),
            None => (None, None),
        };
        let renewed = Renewed { tokens: kept.into_iter().chain(renewed).collect(), now };
        let user = user::identify(&chosen, renewed, limit).await.map_err(|why| bad("the user", &why))?;
        let etcd_identity = etcd_identity(config)?;
        let own_certificates = [(&user.identity, "kubeconfig"), (&etcd_identity, "etcd-client")]
            .into_iter()
            .filter_map(|(key, source)| Some((key.as_ref()?, source)))
            .flat_map(|(key, source)| certificate::facts(&key.cert, source))
            .collect();
        let tls_server_name = match chosen.cluster.tls_server_name.as_deref().filter(|n| !n.is_empty()) {
            Some(name) => Some(ServerName::try_from(name.to_owned()).map_err(|e| bad("tls-server-name", &e))?),
            None => None,
        };
        let cluster_ca = cluster_ca(&chosen.cluster).map_err(|why| bad("the certificate-authority", &why))?;
        let has_own_ca = cluster_ca.is_some();
        let cluster_ca = cluster_ca.unwrap_or_else(Ca::system);
        Ok(Self {
            server,
            prefix,
            tls_server_name,
            insecure: chosen.cluster.insecure_skip_tls_verify.unwrap_or(false),
            has_own_ca,
            cluster_ca,
            etcd_ca: etcd_ca(config)?,
            identity: user.identity,
            etcd_identity,
            headers: user.headers,
            proxies: Proxies::new(chosen.cluster.proxy_url.as_ref().map(Secret::reveal))
                .map_err(|why| bad("the proxy", &why))?,
            own_certificates,
            missing: user.missing,
            anonymous: chosen.anonymous.clone(),
            expires: user.expires,
            has_exec: chosen.user.exec.is_some(),
            claims: user.claims,
            not_kept,
            stamps,
            context: chosen.context,
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

    /// Returns whether what can be replayed, a token, may go over a connection with this handshake: the server proved
    /// who it is, or the kubeconfig says that its API server is to be believed without. Where the kubeconfig has no CA, anybody can
    /// have a certificate that this machine trusts: then only its own server is believed.
    pub(super) fn believes(&self, tls: Option<&TlsFacts>, trust: Trust, url: &Url) -> bool {
        let proved = |t: &TlsFacts| t.verified && (self.has_own_ca || self.is_server(url));
        tls.is_some_and(|t| proved(t) || (self.insecure && trust == Trust::Cluster))
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

    /// Returns why there are no credentials, where an exec plugin gave none.
    pub(super) fn missing(&self) -> Option<&PluginError> {
        self.missing.as_ref()
    }

    /// Returns why we come without credentials, where the context names no user.
    pub(super) fn anonymous(&self) -> Option<&str> {
        self.anonymous.as_deref()
    }

    /// Returns whether the plugin's credentials have ended, or it never gave any.
    pub(super) fn is_spent(&self, now: Timestamp) -> bool {
        self.missing.is_some() || self.expires.is_some_and(|at| now >= at)
    }

    /// Returns whether the plugin should be asked again.
    pub(super) fn wants_renewal(&self, now: Timestamp) -> bool {
        self.missing.is_some() || self.expires.is_some_and(|at| now + RENEW_BEFORE >= at)
    }

    /// Returns whether asking again can help when a server refuses the credentials.
    pub(super) fn has_exec(&self) -> bool {
        self.has_exec
    }

    /// Returns what our token says of itself, where it ends and is no plugin's.
    pub(super) fn claims(&self) -> Option<&Claims> {
        self.claims.as_ref()
    }

    /// Returns why the token that was kept is not used.
    pub(super) fn not_kept(&self) -> Option<&str> {
        self.not_kept.as_deref()
    }

    /// Returns whether a file is not what it was; looks at the disk.
    pub(super) fn files_changed(&self) -> bool {
        self.stamps.iter().any(|(path, then)| stamp(path) != *then)
    }

    fn is_server(&self, url: &Url) -> bool {
        url.host() == self.server.host() && url.port_or_known_default() == self.server.port_or_known_default()
    }

    /// Returns a URL as it is asked: with the path prefix of the advertised server, where it is that one's.
    pub(super) fn full(&self, url: &Url) -> Url {
        let is_server = self.is_server(url);
        let mut url = url.clone();
        if is_server && !self.prefix.is_empty() {
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

    /// Returns `Authorization` and, where the kubeconfig impersonates, those headers.
    pub(super) fn headers(&self) -> &HeaderMap {
        &self.headers
    }
}

fn stamped(path: PathBuf) -> (PathBuf, Stamp) {
    let stamp = stamp(&path);
    (path, stamp)
}

/// The server without its path, and the path. Without a scheme it is client-go's default: https where the kubeconfig has
/// anything that TLS needs, else http.
fn server(cluster: &Cluster, user: &User) -> Result<(Url, String), String> {
    let given = cluster.server.as_deref().unwrap_or_default().trim();
    if given.is_empty() {
        return Err("there is none: give its cluster a `server`".to_owned());
    }
    let mut url = Url::parse(given).ok().filter(Url::has_host);
    if url.is_none() && !given.contains("://") {
        let file = |path: &Option<PathBuf>| path.as_ref().is_some_and(|p| !p.as_os_str().is_empty());
        let data = |data: &Option<String>| data.as_ref().is_some_and(|d| !d.is_empty());
        let has_tls = file(&cluster.certificate_authority)
            || data(&cluster.certificate_authority_data)
            || file(&user.client_certificate)
            || data(&user.client_certificate_data)
            || cluster.insecure_skip_tls_verify == Some(true);
        let scheme = if has_tls { "https" } else { "http" };
        url = Url::parse(&format!("{scheme}://{given}")).ok().filter(|u| matches!(u.path(), "" | "/"));
    }
    let mut url = url
        .filter(|u| matches!(u.scheme(), "http" | "https") && u.has_host())
        .ok_or("it must be https://host:port, or host:port")?;
    let prefix = url.path().trim_end_matches('/').to_owned();
    url.set_path("");
    url.set_query(None);
    Ok((url, prefix))
}

/// Where no CA is given, this machine's CAs decide, as with kubectl.
/// The kubeconfig's own; `None`: it has none, and this machine's count.
fn cluster_ca(cluster: &Cluster) -> Result<Option<Ca>, String> {
    let (data, file) = (&cluster.certificate_authority_data, &cluster.certificate_authority);
    match pem::material(data.as_deref(), file.as_deref(), "certificate-authority")? {
        Some(pem) => Ca::from_pem(&pem, "the CA of the kubeconfig").map(Some),
        None => Ok(None),
    }
}

fn etcd_ca(config: &DialConfig) -> Result<Ca, DialError> {
    let Some(path) = &config.etcd_ca_file else { return Ok(Ca::system()) };
    let bad = |why: &dyn std::fmt::Display| DialError::new(format!("etcd's ca_file {}: {why}", path.display()));
    let pem = std::fs::read(path).map_err(|e| bad(&format_args!("it can't be read: {}", text::unreadable(&e))))?;
    Ca::from_pem(&pem, "etcd's CA").map_err(|why| bad(&why))
}

fn etcd_identity(config: &DialConfig) -> Result<Option<Arc<CertifiedKey>>, DialError> {
    let (certificate, key) = match (&config.etcd_cert_file, &config.etcd_key_file) {
        (None, None) => return Ok(None),
        (Some(certificate), Some(key)) => (certificate, key),
        _ => return Err(DialError::new("etcd: cert_file and key_file belong together, one of them is missing")),
    };
    let read = |path: &PathBuf| {
        let why = |e| format!("etcd: {} can't be read: {}", path.display(), text::unreadable(&e));
        std::fs::read(path).map_err(|e| DialError::new(why(e)))
    };
    let (pem, key_pem) = (read(certificate)?, read(key)?);
    identity::certified(&pem, &key_pem).map(Some).map_err(|why| {
        DialError::new(format!("etcd: {} with its key {} can't be used: {why}", certificate.display(), key.display()))
    })
}

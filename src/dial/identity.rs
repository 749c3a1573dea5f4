//! Who we are to a cluster: what the kubeconfig and etcd's files say, loaded as a whole and replaced as a whole.
//!
//! The kubeconfig is read and its credentials are refreshed (token files, exec plugins, auth providers) by the `kube`
//! crate. Loading may run an exec plugin, so it happens on the blocking pool under a time limit.

use std::{
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderValue, Request, Response, header::AUTHORIZATION};
use http_body_util::Empty;
use kube::{
    Config,
    client::{ConfigExt, middleware::AuthLayer},
    config::{KubeConfigOptions, Kubeconfig},
};
use rustls::{
    ClientConfig, RootCertStore,
    client::WebPkiServerVerifier,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tower::{Layer, ServiceExt, service_fn};
use url::Url;

use super::{DialConfig, DialError, tls};
use crate::model::CertificateFact;

/// An exec plugin (cloud logins) may take this long; more, and the watchdog would wait for it instead of watching.
const LOAD_LIMIT: Duration = Duration::from_secs(20);
/// The current `Authorization` header must be there within this; refreshing a token may ask a cloud.
const TOKEN_LIMIT: Duration = Duration::from_secs(10);

/// A TLS client configuration and the verifier that goes with it.
#[derive(Clone, Debug)]
pub struct TlsSide {
    /// With our client certificate, if there is one; its verifier is replaced for every connection.
    pub client: ClientConfig,
    /// `None`: everything is accepted as verified (`insecure-skip-tls-verify`).
    pub verifier: Option<Arc<WebPkiServerVerifier>>,
}

/// A request on its way through `kube`'s auth layer.
type Asked = Pin<Box<dyn Future<Output = Result<Response<()>, tower::BoxError>> + Send>>;

/// See the module.
pub struct Identity {
    /// Advertised URL.
    pub server: Url,
    /// Name of the context in use.
    pub context: String,
    /// `tls-server-name`.
    pub tls_server_name: Option<String>,
    /// `proxy-url`.
    pub proxy: Option<http::Uri>,
    /// Impersonation headers.
    pub headers: HeaderMap,
    /// Towards API servers, and everything that the cluster's CA signs.
    pub cluster: TlsSide,
    /// Towards etcd.
    pub etcd: TlsSide,
    /// Etcd has a client certificate.
    pub etcd_certificate: bool,
    /// Our own client certificates.
    pub own: Vec<CertificateFact>,
    /// Files that it was made from, with their times.
    pub files: Vec<(PathBuf, Option<SystemTime>)>,
    auth: Option<AuthLayer>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("server", &self.server.as_str()).field("context", &self.context).finish()
    }
}

impl Identity {
    /// Loads everything.
    ///
    /// # Errors
    /// With the file and what to do, when something can't be used.
    pub async fn load(config: DialConfig, provider: Arc<CryptoProvider>) -> Result<Self, DialError> {
        let handle = tokio::runtime::Handle::current();
        let loading = tokio::task::spawn_blocking(move || handle.block_on(load(&config, &provider)));
        match tokio::time::timeout(LOAD_LIMIT, loading).await {
            Ok(Ok(loaded)) => loaded,
            Ok(Err(error)) => Err(DialError::new(format!("the credentials could not be loaded: {error}"))),
            Err(_) => Err(DialError::new(format!(
                "the kubeconfig's credential plugin did not answer within {} s: run it by hand to see why",
                LOAD_LIMIT.as_secs()
            ))),
        }
    }

    /// The current `Authorization` header, refreshed where it has to be; `None` where the credentials are a certificate.
    ///
    /// # Errors
    /// When the token can't be had: the plugin or file is named by the error.
    pub async fn authorization(&self) -> Result<Option<HeaderValue>, DialError> {
        let Some(layer) = &self.auth else { return Ok(None) };
        let echo = service_fn(|request: Request<Empty<bytes::Bytes>>| async move {
            let mut response = Response::new(());
            *response.headers_mut() = request.headers().clone();
            Ok::<_, tower::BoxError>(response)
        });
        // Boxed under its own name: the compiler can't see through the layers that it is `Send`.
        let asked: Asked = Box::pin(layer.layer(echo).oneshot(Request::new(Empty::new())));
        match tokio::time::timeout(TOKEN_LIMIT, asked).await {
            Ok(Ok(echoed)) => Ok(echoed.headers().get(AUTHORIZATION).cloned().map(|mut header| {
                header.set_sensitive(true);
                header
            })),
            Ok(Err(error)) => Err(DialError::new(format!("our token could not be refreshed: {error}"))),
            Err(_) => Err(DialError::new("our token could not be refreshed in time".to_string())),
        }
    }

    /// Whether a file that it was made from has changed.
    pub fn is_stale(&self) -> bool {
        self.files.iter().any(|(path, at)| modified(path) != *at)
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|m| m.modified()).ok()
}

async fn load(config: &DialConfig, provider: &Arc<CryptoProvider>) -> Result<Identity, DialError> {
    let (kubeconfig, mut files) = read_kubeconfig(config.kubeconfig.as_deref())?;
    let context =
        config.context.clone().or_else(|| kubeconfig.current_context.clone()).ok_or_else(|| {
            DialError::new(format!("{} has no current-context: name one with `context:`", name(config)))
        })?;
    let options = KubeConfigOptions { context: Some(context.clone()), ..Default::default() };
    let kube = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|e| DialError::new(format!("{}, context {context}: {}", name(config), chain(&e))))?;
    let named =
        |e: &dyn std::error::Error| DialError::new(format!("{}, context {context}: {}", name(config), chain(e)));
    let mut client = kube.rustls_client_config().map_err(|e| named(&e))?;
    forget_sessions(&mut client);
    let roots = match &kube.root_cert {
        Some(ders) => roots_of(ders.iter().map(|d| CertificateDer::from(d.as_slice()))),
        None => system_roots(),
    };
    let verifier = match kube.accept_invalid_certs {
        true => None,
        false => Some(verifier(roots, provider, &format!("the CA of context {context} in {}", name(config)))?),
    };
    let user = &kube.auth_info;
    files.extend(
        [&user.client_certificate, &user.client_key, &user.token_file].into_iter().flatten().map(PathBuf::from),
    );
    files.extend([&config.etcd_ca_file, &config.etcd_cert_file, &config.etcd_key_file].into_iter().flatten().cloned());
    let mut own = own_certificate(user)?;
    let (etcd, etcd_own) = etcd_side(config, provider)?;
    own.extend(etcd_own);
    let server = Url::parse(&kube.cluster_url.to_string())
        .map_err(|e| DialError::new(format!("{}: the server's URL can't be used: {e}", name(config))))?;
    Ok(Identity {
        server,
        context: context.clone(),
        tls_server_name: kube.tls_server_name.clone(),
        proxy: supported_proxy(kube.proxy_url.clone())?,
        headers: impersonation(&kube),
        cluster: TlsSide { client, verifier },
        etcd,
        etcd_certificate: config.etcd_cert_file.is_some(),
        own,
        files: files.into_iter().map(|f| (modified(&f), f)).map(|(at, f)| (f, at)).collect(),
        auth: kube.auth_layer().map_err(|e| named(&e))?,
    })
}

/// Headers for `as:`, `as-groups:` of the kubeconfig.
fn impersonation(kube: &Config) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let user = &kube.auth_info;
    if let Some(value) = user.impersonate.as_ref().and_then(|v| HeaderValue::from_str(v).ok()) {
        headers.insert("impersonate-user", value);
    }
    for group in user.impersonate_groups.iter().flatten() {
        if let Ok(value) = HeaderValue::from_str(group) {
            headers.append("impersonate-group", value);
        }
    }
    headers
}

fn supported_proxy(proxy: Option<http::Uri>) -> Result<Option<http::Uri>, DialError> {
    match proxy {
        Some(uri) if !matches!(uri.scheme_str(), Some("http" | "socks5")) => Err(DialError::new(format!(
            "proxy-url must begin with http:// or socks5://, not with {}://",
            uri.scheme_str().unwrap_or_default()
        ))),
        other => Ok(other),
    }
}

fn name(config: &DialConfig) -> String {
    config.kubeconfig.as_ref().map_or_else(|| "the kubeconfig".into(), |p| p.display().to_string())
}

/// An error with its causes, each said once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        next = cause.source();
    }
    text
}

fn read_kubeconfig(path: Option<&Path>) -> Result<(Kubeconfig, Vec<PathBuf>), DialError> {
    match path {
        Some(path) => {
            let read = Kubeconfig::read_from(path)
                .map_err(|e| DialError::new(format!("{}: {}", path.display(), chain(&e))))?;
            Ok((read, vec![path.to_path_buf()]))
        }
        None => {
            let read = Kubeconfig::read().map_err(|e| {
                DialError::new(format!(
                    "no kubeconfig: {} (set `kubeconfig:` of the cluster, or $KUBECONFIG)",
                    chain(&e)
                ))
            })?;
            let files = match std::env::var_os("KUBECONFIG").filter(|v| !v.is_empty()) {
                Some(list) => std::env::split_paths(&list).collect(),
                None => std::env::home_dir().map(|h| h.join(".kube/config")).into_iter().collect(),
            };
            Ok((read, files))
        }
    }
}

fn own_certificate(user: &kube::config::AuthInfo) -> Result<Vec<CertificateFact>, DialError> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let pem = match (&user.client_certificate_data, &user.client_certificate) {
        (Some(data), _) => STANDARD
            .decode(data.trim())
            .map_err(|e| DialError::new(format!("client-certificate-data of the kubeconfig is not base64: {e}")))?,
        (None, Some(path)) => std::fs::read(path)
            .map_err(|e| DialError::new(format!("client-certificate {path} of the kubeconfig can't be read: {e}")))?,
        (None, None) => return Ok(Vec::new()),
    };
    let chain: Vec<CertificateDer<'_>> = CertificateDer::pem_slice_iter(&pem).flatten().collect();
    Ok(tls::facts(&chain, "kubeconfig"))
}

fn read(path: &Path) -> Result<Vec<u8>, DialError> {
    std::fs::read(path).map_err(|e| DialError::new(format!("{} can't be read: {e}", path.display())))
}

fn etcd_side(
    config: &DialConfig,
    provider: &Arc<CryptoProvider>,
) -> Result<(TlsSide, Vec<CertificateFact>), DialError> {
    let roots = match &config.etcd_ca_file {
        Some(path) => {
            let pem = read(path)?;
            let ders: Vec<CertificateDer<'_>> = CertificateDer::pem_slice_iter(&pem).flatten().collect();
            roots_of(ders)
        }
        None => system_roots(),
    };
    let named = config.etcd_ca_file.as_ref().map_or_else(|| "the system's CAs".into(), |p| p.display().to_string());
    let verifier = verifier(roots, provider, &named)?;
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| DialError::new(e.to_string()))?
        .with_webpki_verifier(verifier.clone());
    let (mut client, own) = match (&config.etcd_cert_file, &config.etcd_key_file) {
        (Some(cert), Some(key)) => {
            let chain: Vec<CertificateDer<'static>> =
                CertificateDer::pem_slice_iter(&read(cert)?).flatten().map(CertificateDer::into_owned).collect();
            let own = tls::facts(&chain, "etcd-client");
            let key_der = PrivateKeyDer::from_pem_slice(&read(key)?)
                .map_err(|e| DialError::new(format!("{} holds no private key: {e}", key.display())))?;
            let client = builder.with_client_auth_cert(chain, key_der).map_err(|e| {
                DialError::new(format!("{} and {} do not go together: {e}", cert.display(), key.display()))
            })?;
            (client, own)
        }
        (None, None) => (builder.with_no_client_auth(), Vec::new()),
        _ => return Err(DialError::new("etcd.cert_file and etcd.key_file belong together: give both or none".into())),
    };
    forget_sessions(&mut client);
    Ok((TlsSide { client, verifier: Some(verifier) }, own))
}

/// A resumed session shows no certificates: every handshake must be a whole one.
fn forget_sessions(client: &mut ClientConfig) {
    client.resumption = rustls::client::Resumption::disabled();
    client.alpn_protocols = vec![b"http/1.1".to_vec()];
}

fn roots_of<'a>(ders: impl IntoIterator<Item = CertificateDer<'a>>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(ders);
    roots
}

fn system_roots() -> RootCertStore {
    roots_of(rustls_native_certs::load_native_certs().certs)
}

fn verifier(
    roots: RootCertStore,
    provider: &Arc<CryptoProvider>,
    named: &str,
) -> Result<Arc<WebPkiServerVerifier>, DialError> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|e| DialError::new(format!("{named} can't be used to verify servers: {e}")))
}

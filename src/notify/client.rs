//! An HTTP client as `http_config:` describes it: credentials, headers, TLS, proxy, redirects. Of receivers, of
//! remote_write and of dead man's switches.
//!
//! Secrets and certificates are read when they are used, so that files can rotate.

mod oauth2;
mod proxy;
pub(super) mod tls;

use std::{net::SocketAddr, time::Duration};

use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use reqwest::{Certificate, Client, ClientBuilder, Identity, RequestBuilder, Url, redirect, tls::Version};

use self::{oauth2::OAuth2, proxy::ProxySettings, tls::Material};
use super::{
    config::{HeaderConfig, HttpConfig, TlsConfig, TlsVersion},
    credential::{Credential, basic_pair, hide_all, parse_url},
    with_causes,
};
use crate::model::Secret;

/// Redirects followed in one attempt.
const REDIRECTS_MAX: usize = 5;

/// Headers that are not for `http_headers:` (prometheus/common, config/headers.go).
const RESERVED: [&str; 11] = [
    "authorization",
    "host",
    "content-encoding",
    "content-length",
    "content-type",
    "user-agent",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "www-authenticate",
];

/// A checked `http_config:`.
#[derive(Debug)]
pub struct HttpClient {
    authorization: Option<Authorization>,
    headers: Vec<(HeaderName, Credential)>,
    /// Those of their values that are not to be shown.
    secret_headers: Vec<Credential>,
    tls: TlsConfig,
    proxy: ProxySettings,
    follow_redirects: bool,
}

/// Connections of one [`HttpClient`], with the time that a request may take.
#[derive(Clone, Debug)]
pub struct Session {
    client: Client,
    limit: Duration,
}

#[derive(Debug)]
enum Authorization {
    Scheme(String, Credential),
    Basic(Option<Credential>, Option<Credential>),
    OAuth2(Box<OAuth2>),
}

impl HttpClient {
    /// Checks a configuration.
    ///
    /// # Errors
    /// What is wrong, and the key at which (with its dot, or empty).
    pub fn new(http: &HttpConfig) -> Result<Self, (&'static str, String)> {
        let tls = http.tls_config.clone();
        tls.check().map_err(|e| (".tls_config", e))?;
        let proxy = ProxySettings::new(http)?;
        if tls.server_name.is_some() && proxy.is_asked_for(http) {
            let why = "can't be had through a proxy: put this name into the URL and let the proxy find its address";
            return Err((".tls_config.server_name", why.into()));
        }
        Ok(Self {
            authorization: authorization(http).map_err(|e| ("", e))?,
            headers: headers(http).map_err(|e| (".http_headers", e))?,
            secret_headers: http.http_headers.values().flat_map(secrets_of).collect(),
            tls,
            proxy,
            follow_redirects: http.follow_redirects,
        })
    }

    /// Returns whether requests carry an `Authorization` header.
    pub fn is_authorized(&self) -> bool {
        self.authorization.is_some()
    }

    /// Returns a POST with credentials and headers.
    ///
    /// # Errors
    /// When a secret can't be read; in words that do not hold it.
    pub async fn post(&self, session: &Session, url: Url) -> Result<RequestBuilder, String> {
        self.request(session, Method::POST, url).await
    }

    /// Returns a GET with credentials and headers.
    ///
    /// # Errors
    /// As [`HttpClient::post`].
    pub async fn get(&self, session: &Session, url: Url) -> Result<RequestBuilder, String> {
        self.request(session, Method::GET, url).await
    }

    /// Returns a request with credentials and headers.
    ///
    /// # Errors
    /// As [`HttpClient::post`].
    pub async fn request(&self, session: &Session, method: Method, url: Url) -> Result<RequestBuilder, String> {
        let mut request = self.plain(session, method, url).await?;
        match &self.authorization {
            None => {}
            Some(Authorization::Scheme(scheme, credentials)) => {
                let value = format!("{scheme} {}", credentials.read().await?.reveal());
                request = request.header(header::AUTHORIZATION, secret_value("Authorization", &value)?);
            }
            Some(Authorization::Basic(user, password)) => {
                let (user, password) = (read(user).await?, read(password).await?);
                let user = user.as_ref().map(Secret::reveal).unwrap_or_default();
                request = request.basic_auth(user, password.as_ref().map(Secret::reveal));
            }
            Some(Authorization::OAuth2(oauth2)) => {
                let token = oauth2.token(session.limit).await?;
                request = request.header(header::AUTHORIZATION, oauth2::header_value(&token)?);
            }
        }
        for (name, value) in &self.headers {
            request = request.header(name, secret_value(name.as_str(), value.read().await?.reveal())?);
        }
        Ok(request)
    }

    /// Reads every file that a request needs.
    ///
    /// # Errors
    /// When one can't be read or used; in words that do not hold what is in it.
    pub async fn check_files(&self) -> Result<(), String> {
        match &self.authorization {
            None => {}
            Some(Authorization::Scheme(_, credentials)) => drop(credentials.read().await?),
            Some(Authorization::Basic(user, password)) => drop((read(user).await?, read(password).await?)),
            Some(Authorization::OAuth2(oauth2)) => oauth2.check_files().await?,
        }
        for (_, value) in &self.headers {
            value.read().await?;
        }
        self.check_tls_files().await
    }

    /// Reads CAs and the client's certificate.
    async fn check_tls_files(&self) -> Result<(), String> {
        // Nothing is sent by it: any limit will do.
        self.builder(Duration::ZERO).await.map(drop)
    }

    /// Returns what requests carry and no answer may show: credentials, and values of headers that are kept secret.
    /// What can't be read was not sent.
    pub async fn secrets(&self) -> Vec<Secret> {
        let credentials: Vec<&Credential> = match &self.authorization {
            Some(Authorization::Scheme(_, credentials)) => vec![credentials],
            Some(Authorization::Basic(_, password)) => password.iter().collect(),
            // A token is asked for anew; of the client's secret only its own server hears.
            Some(Authorization::OAuth2(_)) | None => Vec::new(),
        };
        let mut all = Vec::new();
        for credential in credentials.into_iter().chain(&self.secret_headers) {
            all.extend(credential.read().await);
        }
        if let Some(Authorization::Basic(user, password)) = &self.authorization {
            let read = async |part: &Option<Credential>| match part {
                Some(credential) => credential.read().await.map(|s| s.reveal().to_owned()).unwrap_or_default(),
                None => String::new(),
            };
            all.push(Secret::new(basic_pair(&read(user).await, &read(password).await)));
        }
        all
    }

    /// Takes out of an answer what no log may show.
    pub async fn without_secrets(&self, answer: &str) -> String {
        hide_all(answer, &self.secrets().await)
    }

    /// Takes note of an answer: a token that was refused is not used again.
    pub fn heard(&self, status: StatusCode) {
        if let (Some(Authorization::OAuth2(oauth2)), StatusCode::UNAUTHORIZED) = (&self.authorization, status) {
            oauth2.forget();
        }
    }

    /// A request without credentials and headers.
    /// Returns a request without credentials.
    ///
    /// # Errors
    /// When the TLS files can't be read.
    pub async fn plain(&self, session: &Session, method: Method, url: Url) -> Result<RequestBuilder, String> {
        match &self.tls.server_name {
            Some(name) if url.scheme() == "https" && url.host_str() != Some(name) => {
                self.by_another_name(session.limit, method, url, name).await
            }
            _ => Ok(session.client.request(method, url)),
        }
    }

    /// A request to the URL's host that asks, in TLS, for a server with another name, as `server_name` has it.
    async fn by_another_name(
        &self,
        limit: Duration,
        method: Method,
        mut url: Url,
        name: &str,
    ) -> Result<RequestBuilder, String> {
        let host = url.host().ok_or("the URL has no host")?.to_owned();
        let port = url.port_or_known_default().unwrap_or_default();
        let authority = url.port().map_or_else(|| host.to_string(), |port| format!("{host}:{port}"));
        let addresses: Vec<SocketAddr> = match &host {
            url::Host::Ipv4(ip) => vec![(*ip, port).into()],
            url::Host::Ipv6(ip) => vec![(*ip, port).into()],
            url::Host::Domain(domain) => {
                let found = tokio::net::lookup_host((domain.as_str(), port)).await;
                found.map_err(|e| format!("cannot find the address of {domain}: {e}"))?.collect()
            }
        };
        url.set_host(Some(name)).map_err(|e| format!("tls_config.server_name: {name:?} is not a host's name: {e}"))?;
        let builder = self.builder(limit).await?.no_proxy().resolve_to_addrs(name, &addresses);
        let client = builder.build().map_err(|e| with_causes(&e.without_url()))?;
        Ok(client.request(method, url).header(header::HOST, authority))
    }

    /// Returns a client whose requests end within `limit`.
    ///
    /// # Errors
    /// When a certificate can't be read or used.
    pub async fn client(&self, limit: Duration) -> Result<Session, String> {
        let builder = self.proxy.apply(self.builder(limit).await?)?;
        let client = builder.build().map_err(|e| with_causes(&e.without_url()))?;
        Ok(Session { client, limit })
    }

    /// All but the proxy.
    async fn builder(&self, limit: Duration) -> Result<ClientBuilder, String> {
        let mut builder = Client::builder()
            .user_agent(concat!("dogwatch/", env!("CARGO_PKG_VERSION")))
            .referer(false)
            .timeout(limit)
            .tls_danger_accept_invalid_certs(self.tls.insecure_skip_verify)
            .redirect(if self.follow_redirects { same_host() } else { redirect::Policy::none() });
        if self.tls.min_version == Some(TlsVersion::Tls13) {
            builder = builder.tls_version_min(Version::TLS_1_3);
        }
        if self.tls.max_version == Some(TlsVersion::Tls12) {
            builder = builder.tls_version_max(Version::TLS_1_2);
        }
        let material = Material::read(&self.tls).await?;
        if let Some((pem, name)) = material.ca {
            let cas = Certificate::from_pem_bundle(&pem).map_err(|e| format!("{name}: {}", with_causes(&e)))?;
            builder = builder.tls_certs_merge(cas);
        }
        if let Some((cert, key, name)) = material.identity {
            let pem = [cert, key].join(&b'\n');
            let identity = Identity::from_pem(&pem).map_err(|e| format!("{name}: {}", with_causes(&e)))?;
            builder = builder.identity(identity);
        }
        Ok(builder)
    }
}

async fn read(credential: &Option<Credential>) -> Result<Option<Secret>, String> {
    match credential {
        Some(credential) => credential.read().await.map(Some),
        None => Ok(None),
    }
}

/// Only redirects that keep the method, so that a GET's 200 never passes for a delivery, and only on the same host, so
/// that secret headers stay where they belong.
fn same_host() -> redirect::Policy {
    redirect::Policy::custom(|attempt| {
        let keeps_post = matches!(attempt.status(), StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
        let from = attempt.previous().last();
        let downgrade = from.is_some_and(|f| f.scheme() == "https") && attempt.url().scheme() != "https";
        let stays = from.is_some_and(|f| f.host() == attempt.url().host()) && !downgrade;
        if keeps_post && stays && attempt.previous().len() <= REDIRECTS_MAX { attempt.follow() } else { attempt.stop() }
    })
}

/// Returns a secret URL that stands in the configuration or in a file.
///
/// # Errors
/// When it can't be read or is none; in words that do not hold it.
pub async fn read_url(url: Option<&Secret>, file: Option<&std::path::PathBuf>) -> Result<Url, String> {
    let credential = Credential::from_either(url, file)?.ok_or("url or url_file is missing")?;
    parse_url(&credential.read().await?)
}

/// Returns whether a secret URL is one.
///
/// # Errors
/// Why not, in words that do not hold it.
pub fn check_url(url: &Secret) -> Result<(), String> {
    parse_url(url).map(drop)
}

pub(super) fn secret_value(name: &str, value: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(value).map_err(|_| format!("the value of {name} is not fit for a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

pub(super) fn header_name(name: &str) -> Result<HeaderName, String> {
    name.parse().map_err(|_| format!("{name:?} is not a header's name"))
}

fn secrets_of(header: &HeaderConfig) -> impl Iterator<Item = Credential> {
    let inline = header.secrets.iter().cloned().map(Credential::Inline);
    inline.chain(header.files.iter().cloned().map(Credential::File))
}

/// At most one of the ways to say who we are.
fn authorization(http: &HttpConfig) -> Result<Option<Authorization>, String> {
    let bearer = Credential::from_either(http.bearer_token.as_ref(), http.bearer_token_file.as_ref())?;
    let given = [
        (http.authorization.is_some(), "authorization"),
        (http.basic_auth.is_some(), "basic_auth"),
        (http.oauth2.is_some(), "oauth2"),
        (bearer.is_some(), "bearer_token"),
    ];
    let given: Vec<&str> = given.iter().filter(|(is_given, _)| *is_given).map(|(_, name)| *name).collect();
    if given.len() > 1 {
        return Err(format!("{} exclude each other", given.join(" and ")));
    }
    if let Some(a) = &http.authorization {
        let kind = if a.kind.trim().is_empty() { "Bearer" } else { a.kind.trim() };
        if kind.eq_ignore_ascii_case("basic") {
            return Err("authorization.type can't be Basic: use basic_auth, with username and password".into());
        }
        let credentials = Credential::from_either(a.credentials.as_ref(), a.credentials_file.as_ref())?;
        return Ok(credentials.map(|credentials| Authorization::Scheme(kind.to_owned(), credentials)));
    }
    if let Some(b) = &http.basic_auth {
        let name = Some(Secret::new(&b.username)).filter(|_| !b.username.is_empty());
        let user = Credential::from_either(name.as_ref(), b.username_file.as_ref())?;
        let password = Credential::from_either(b.password.as_ref(), b.password_file.as_ref())?;
        return Ok(Some(Authorization::Basic(user, password)));
    }
    if let Some(oauth2) = &http.oauth2 {
        return OAuth2::new(oauth2).map(|oauth2| Some(Authorization::OAuth2(Box::new(oauth2))));
    }
    Ok(bearer.map(|token| Authorization::Scheme("Bearer".to_owned(), token)))
}

fn headers(http: &HttpConfig) -> Result<Vec<(HeaderName, Credential)>, String> {
    let mut all = Vec::new();
    for (name, config) in &http.http_headers {
        let name = header_name(name)?;
        if name == header::AUTHORIZATION {
            return Err("use authorization or basic_auth for the Authorization header".into());
        }
        if RESERVED.contains(&name.as_str()) {
            return Err(format!("{name} is set by dogwatch itself"));
        }
        let values = config.values.iter().map(|v| Credential::Inline(Secret::new(v)));
        all.extend(values.chain(secrets_of(config)).map(|value| (name.clone(), value)));
    }
    Ok(all)
}

//! An HTTP client as `http_config:` describes it: credentials, headers, TLS, proxy, redirects. Of receivers, of
//! remote_write and of dead man's switches.
//!
//! Secrets and certificates are read when they are used, so that files can rotate.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use reqwest::{Certificate, Client, Identity, Proxy, RequestBuilder, Url, redirect};

use super::{
    config::{HttpConfig, WebhookTlsConfig},
    credential::{Credential, parse_url, read_file},
    with_causes,
};
use crate::model::Secret;

/// Redirects followed in one attempt.
const REDIRECTS_MAX: usize = 5;

/// A checked `http_config:`.
#[derive(Debug)]
pub struct HttpClient {
    authorization: Option<Authorization>,
    headers: Vec<(HeaderName, Credential)>,
    tls: WebhookTlsConfig,
    proxy: Option<Url>,
    follow_redirects: bool,
}

#[derive(Debug)]
enum Authorization {
    Scheme(String, Credential),
    Basic(String, Option<Credential>),
}

impl HttpClient {
    /// Checks a configuration.
    ///
    /// # Errors
    /// What is wrong, and the key at which (with its dot, or empty).
    pub fn new(http: &HttpConfig) -> Result<Self, (&'static str, String)> {
        let tls = http.tls_config.clone();
        if tls.cert_file.is_some() != tls.key_file.is_some() {
            return Err((".tls_config", "cert_file and key_file go together".into()));
        }
        Ok(Self {
            authorization: authorization(http).map_err(|e| ("", e))?,
            headers: headers(http).map_err(|e| (".http_headers", e))?,
            tls,
            proxy: http.proxy_url.as_ref().map(parse_url).transpose().map_err(|e| (".proxy_url", e))?,
            follow_redirects: http.follow_redirects,
        })
    }

    /// A POST with credentials and headers.
    ///
    /// # Errors
    /// When a secret can't be read; in words that do not hold it.
    pub async fn post(&self, client: &Client, url: Url) -> Result<RequestBuilder, String> {
        self.request(client, Method::POST, url).await
    }

    /// A GET with credentials and headers.
    ///
    /// # Errors
    /// As [`HttpClient::post`].
    pub async fn get(&self, client: &Client, url: Url) -> Result<RequestBuilder, String> {
        self.request(client, Method::GET, url).await
    }

    /// A request with credentials and headers.
    ///
    /// # Errors
    /// As [`HttpClient::post`].
    pub async fn request(&self, client: &Client, method: Method, url: Url) -> Result<RequestBuilder, String> {
        let mut request = client.request(method, url);
        match &self.authorization {
            None => {}
            Some(Authorization::Scheme(scheme, credentials)) => {
                let value = format!("{scheme} {}", credentials.read().await?.reveal());
                request = request.header(header::AUTHORIZATION, secret_value("Authorization", &value)?);
            }
            Some(Authorization::Basic(user, password)) => {
                let password = match password {
                    Some(password) => Some(password.read().await?),
                    None => None,
                };
                request = request.basic_auth(user, password.as_ref().map(Secret::reveal));
            }
        }
        for (name, value) in &self.headers {
            request = request.header(name, secret_value(name.as_str(), value.read().await?.reveal())?);
        }
        Ok(request)
    }

    /// A client whose requests end within `limit`.
    ///
    /// # Errors
    /// When a certificate can't be read or used.
    pub async fn client(&self, limit: Duration) -> Result<Client, String> {
        let mut builder = Client::builder()
            .user_agent(concat!("dogwatch/", env!("CARGO_PKG_VERSION")))
            .referer(false)
            .timeout(limit)
            .tls_danger_accept_invalid_certs(self.tls.insecure_skip_verify)
            .redirect(if self.follow_redirects { same_host() } else { redirect::Policy::none() });
        if let Some(path) = &self.tls.ca_file {
            let pem = read_file(path).await?;
            let cas =
                Certificate::from_pem_bundle(&pem).map_err(|e| format!("{}: {}", path.display(), with_causes(&e)))?;
            builder = builder.tls_certs_merge(cas);
        }
        if let (Some(cert), Some(key)) = (&self.tls.cert_file, &self.tls.key_file) {
            let mut pem = read_file(cert).await?;
            pem.push(b'\n');
            pem.extend(read_file(key).await?);
            let identity = Identity::from_pem(&pem).map_err(|e| format!("{}: {}", cert.display(), with_causes(&e)))?;
            builder = builder.identity(identity);
        }
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(Proxy::all(proxy.clone()).map_err(|_| "proxy_url cannot be used".to_owned())?);
        }
        builder.build().map_err(|e| with_causes(&e.without_url()))
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

/// A secret URL that stands in the configuration or in a file.
///
/// # Errors
/// When it can't be read or is none; in words that do not hold it.
pub async fn read_url(url: Option<&Secret>, file: Option<&std::path::PathBuf>) -> Result<Url, String> {
    let credential = Credential::from_either(url, file)?.ok_or("url or url_file is missing")?;
    parse_url(&credential.read().await?)
}

/// Whether a secret URL is one.
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

fn authorization(http: &HttpConfig) -> Result<Option<Authorization>, String> {
    match (&http.authorization, &http.basic_auth) {
        (Some(_), Some(_)) => Err("authorization and basic_auth exclude each other".into()),
        (Some(a), None) => {
            let credentials = Credential::from_either(a.credentials.as_ref(), a.credentials_file.as_ref())?;
            let credentials = credentials.ok_or("authorization needs credentials or credentials_file")?;
            Ok(Some(Authorization::Scheme(a.kind.clone(), credentials)))
        }
        (None, Some(b)) => {
            let password = Credential::from_either(b.password.as_ref(), b.password_file.as_ref())?;
            Ok(Some(Authorization::Basic(b.username.clone(), password)))
        }
        (None, None) => Ok(None),
    }
}

fn headers(http: &HttpConfig) -> Result<Vec<(HeaderName, Credential)>, String> {
    let mut all = Vec::new();
    for (name, config) in &http.http_headers {
        let name = header_name(name)?;
        if name == header::AUTHORIZATION {
            return Err("use authorization or basic_auth for the Authorization header".into());
        }
        let values = config.values.iter().map(|v| Credential::Inline(Secret::new(v)));
        let secrets = config.secrets.iter().cloned().map(Credential::Inline);
        let files = config.files.iter().cloned().map(Credential::File);
        all.extend(values.chain(secrets).chain(files).map(|value| (name.clone(), value)));
    }
    Ok(all)
}

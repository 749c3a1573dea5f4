//! By which proxy a request goes.

use http::{HeaderMap, HeaderName, HeaderValue};
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{ClientBuilder, NoProxy, Proxy, Url};

use super::{header_name, secret_value};
use crate::{model::Secret, notify::config::HttpConfig};

/// The checked proxy settings of an `http_config:`.
#[derive(Debug)]
pub(super) struct ProxySettings {
    url: Option<Url>,
    no_proxy: Option<String>,
    /// Whether the environment's counts.
    from_environment: bool,
    headers: HeaderMap,
}

impl ProxySettings {
    /// Checks them.
    ///
    /// # Errors
    /// What is wrong, and the key at which.
    pub fn new(http: &HttpConfig) -> Result<Self, (&'static str, String)> {
        let url = http.proxy_url.as_ref().filter(|url| !url.reveal().is_empty());
        let url = url.map(parse_proxy_url).transpose().map_err(|e| (".proxy_url", e))?;
        let no_proxy = http.no_proxy.clone().filter(|hosts| !hosts.is_empty());
        let environment = http.proxy_from_environment;
        if environment == Some(true) && (url.is_some() || no_proxy.is_some()) {
            let why = "the environment says which proxy and for whom: leave out proxy_url and no_proxy, or this";
            return Err((".proxy_from_environment", why.into()));
        }
        if url.is_none() && no_proxy.is_some() {
            return Err((".no_proxy", "names exceptions from proxy_url, which is missing".into()));
        }
        let headers = headers(http).map_err(|e| (".proxy_connect_header", e))?;
        if !headers.is_empty() && url.is_none() && environment != Some(true) {
            let why = "headers for a proxy need one: set proxy_url or proxy_from_environment: true";
            return Err((".proxy_connect_header", why.into()));
        }
        Ok(Self { url, no_proxy, from_environment: environment.unwrap_or(true), headers })
    }

    /// Returns whether one is asked for by the configuration.
    pub fn is_asked_for(&self, http: &HttpConfig) -> bool {
        self.url.is_some() || http.proxy_from_environment == Some(true)
    }

    /// Adds them to a client.
    ///
    /// # Errors
    /// In words.
    pub fn apply(&self, builder: ClientBuilder) -> Result<ClientBuilder, String> {
        if let Some(url) = &self.url {
            let proxy = Proxy::all(url.clone()).map_err(|_| "proxy_url cannot be used".to_owned())?;
            let proxy = proxy.no_proxy(self.no_proxy.as_deref().and_then(NoProxy::from_string));
            return Ok(builder.proxy(proxy.headers(self.headers.clone())));
        }
        if !self.from_environment {
            return Ok(builder.no_proxy());
        }
        if self.headers.is_empty() {
            return Ok(builder);
        }
        let environment = Matcher::from_env();
        let proxy = Proxy::custom(move |url| {
            let found = environment.intercept(&url.as_str().parse().ok()?)?;
            Url::parse(&found.uri().to_string()).ok()
        });
        Ok(builder.proxy(proxy.headers(self.headers.clone())))
    }
}

/// The schemes that Go's HTTP client knows for a proxy; with `socks5h`, names are looked up by the proxy. Go does that with
/// `socks5` too, so here it is the same.
fn parse_proxy_url(url: &Secret) -> Result<Url, String> {
    let text = url.reveal();
    let text = text.strip_prefix("socks5://").map_or_else(|| text.to_owned(), |rest| format!("socks5h://{rest}"));
    let parsed = Url::parse(&text).map_err(|e| format!("not a URL: {e}"))?;
    match parsed.scheme() {
        "http" | "https" | "socks5h" => Ok(parsed),
        other => Err(format!("the URL's scheme is {other}; it must be http, https or socks5")),
    }
}

fn headers(http: &HttpConfig) -> Result<HeaderMap<HeaderValue>, String> {
    let mut all = HeaderMap::new();
    for (name, values) in &http.proxy_connect_header {
        let header: HeaderName = header_name(name)?;
        for value in values {
            all.append(header.clone(), secret_value(name, value.reveal())?);
        }
    }
    Ok(all)
}

//! What the kinds share that speak HTTP to a known API: their login and certificates, requests, and what an answer's status
//! says.

#[cfg(test)]
mod tests;

use http::{HeaderName, HeaderValue, Method, header};
use url::Url;

use super::{
    found::Found,
    http::{HttpConfig, Request, fetch},
};
use crate::{
    dial::Answer,
    model::{Failure, Reason},
};

/// Adds what all of them have to the options of a kind: `basic_auth`, `authorization`, `proxy_url`, `tls_config`, `expect`.
macro_rules! web_kind {
    ($(#[$about:meta])* pub struct $name:ident { $($(#[$of:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$of])* pub $field: $type,)*
            /// User and password.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub basic_auth: Option<crate::check::http::BasicAuth>,
            /// A token.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub authorization: Option<crate::check::http::Authorization>,
            /// Through this proxy.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub proxy_url: Option<crate::model::Secret>,
            /// Certificates.
            #[serde(default)]
            pub tls_config: crate::dial::TlsFiles,
            /// What the answer must be.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            pub expect: Vec<crate::check::condition::Condition>,
        }

        impl $name {
            /// How a server of it is asked; our login goes to the host of `home` alone.
            fn web(&self, home: url::Url) -> crate::check::http::HttpConfig {
                crate::check::http::HttpConfig {
                    basic_auth: self.basic_auth.clone(),
                    authorization: self.authorization.clone(),
                    proxy_url: self.proxy_url.clone(),
                    tls_config: self.tls_config.clone(),
                    ..crate::check::http::HttpConfig::get(home)
                }
            }

            /// The files with a secret.
            fn secret_files(&mut self) -> Vec<&mut std::path::PathBuf> {
                let password = self.basic_auth.as_mut().and_then(|auth| auth.password_file.as_mut());
                let token = self.authorization.as_mut().and_then(|auth| auth.credentials_file.as_mut());
                password.into_iter().chain(token).collect()
            }
        }
    };
}
pub(super) use web_kind;

/// Asks for a URL; redirects are followed.
///
/// # Errors
/// Why there is no answer, or why it is none that is well.
pub(super) async fn get(
    c: &HttpConfig,
    url: Url,
    accept: &'static str,
    max: usize,
    found: &mut Found,
) -> Result<Answer, Failure> {
    let what = url.path().to_owned();
    well(fetch(c, request(url, accept, max), found).await?, &what, max)
}

/// Returns a GET.
pub(super) fn request(url: Url, accept: &'static str, max: usize) -> Request {
    let headers: Vec<(HeaderName, HeaderValue)> = vec![(header::ACCEPT, HeaderValue::from_static(accept))];
    Request { url, method: Method::GET, body: bytes::Bytes::new(), headers, max }
}

/// Returns the answer where its status is well and it is whole.
///
/// # Errors
/// Where it is not.
pub(super) fn well(answer: Answer, what: &str, max: usize) -> Result<Answer, Failure> {
    let wrong = |words: String| Err(Failure::new(Reason::HttpStatus, words));
    match answer.status {
        200..=299 if answer.cut => Err(Failure::new(Reason::Body, format!("{what} is longer than {} MiB", max >> 20))),
        200..=299 => Ok(answer),
        status @ (401 | 403) => wrong(format!("{what}: HTTP {status}: it refuses us, as we log in (or do not)")),
        status => wrong(format!("{what}: was {status}, should be 200")),
    }
}

/// Returns a URL below another, whether that ends with a slash or not.
pub(super) fn below(base: &Url, path: &[&str]) -> Url {
    let mut url = base.clone();
    url.set_query(None);
    url.set_fragment(None);
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}

/// Reads JSON.
///
/// # Errors
/// Where it is none of this form; never with what stands in it.
pub(super) fn json<T: for<'de> serde::Deserialize<'de>>(answer: &Answer, what: &str) -> Result<T, Failure> {
    serde_json::from_slice(&answer.body).map_err(|e| {
        Failure::new(
            Reason::Body,
            format!("{what} is not what it should be (line {}, column {})", e.line(), e.column()),
        )
    })
}

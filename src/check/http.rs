//! A request by HTTP/1.1 or HTTP/2, as a user's program would send it; redirects are followed as far as they lead.
//!
//! Credentials go to the host that the check names and to no other, whatever an answer says.

mod exchange;

use std::{collections::BTreeMap, path::PathBuf};

use ::http::{HeaderName, HeaderValue, Method, header};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use jiff::fmt::rfc2822;
use serde::{Deserialize, Serialize};
use url::Url;

pub(super) use self::exchange::Request;
use super::{
    condition::Condition,
    found::Found,
    options::{StatusSet, secret},
    prober::{Asking, Prober, Problems},
};
use crate::{
    dial::{Answer, Place, TlsFiles},
    model::{Failure, Measure, Reason, Secret},
};

/// Redirects that are followed: more lead nowhere.
const REDIRECTS_MAX: usize = 10;
/// Of a body so much is read and judged: conditions look at pages, not at downloads.
const BODY_MAX: usize = 4 << 20;
/// The longest body that is sent: a check asks, it does not upload.
const BODY_SENT_MAX: usize = 64 << 10;

/// `http:` of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Where.
    pub url: Url,
    /// `GET`, `HEAD`, `POST`, …
    #[serde(default = "get")]
    pub method: String,
    /// Headers to send.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Secret>,
    /// A body to send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// User and password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<BasicAuth>,
    /// A token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization: Option<Authorization>,
    /// The statuses that are well; without them, and without a condition on the status, 200..299.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusSet>,
    /// What else the answer must be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Condition>,
    /// Go where the answer sends us.
    #[serde(default = "yes")]
    pub follow_redirects: bool,
    /// Speak only this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_version: Option<HttpVersion>,
    /// Ask for a body packed by gzip.
    #[serde(default)]
    pub compression: bool,
    /// Through this proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_url: Option<Secret>,
    /// Certificates.
    #[serde(default)]
    pub tls_config: TlsFiles,
    /// Where to connect in place of the URL's host: a node.
    #[serde(skip)]
    pub connect_to: Option<String>,
}

fn get() -> String {
    "GET".to_owned()
}

fn yes() -> bool {
    true
}

/// `basic_auth:`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BasicAuth {
    /// The user.
    pub username: String,
    /// The password …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// … or the file that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
}

/// `authorization:`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Authorization {
    /// The scheme.
    #[serde(rename = "type", default = "bearer")]
    pub kind: String,
    /// The token …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Secret>,
    /// … or the file that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_file: Option<PathBuf>,
}

fn bearer() -> String {
    "Bearer".to_owned()
}

/// A version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum HttpVersion {
    /// HTTP/1.1
    #[serde(rename = "1.1")]
    Http11,
    /// HTTP/2; without TLS by prior knowledge.
    #[serde(rename = "2")]
    Http2,
}

impl HttpConfig {
    /// Returns a GET of a place, with every default.
    pub(super) fn get(url: Url) -> Self {
        Self {
            url,
            method: get(),
            headers: BTreeMap::new(),
            body: None,
            basic_auth: None,
            authorization: None,
            status: None,
            expect: Vec::new(),
            follow_redirects: true,
            http_version: None,
            compression: true,
            proxy_url: None,
            tls_config: TlsFiles::default(),
            connect_to: None,
        }
    }

    /// Returns whether nothing is said of the status: then it has to be 200..299.
    fn takes_success(&self) -> bool {
        self.status.is_none() && !self.expect.iter().any(|c| c.about() == "status")
    }

    /// Headers with secrets, for the host that the check names alone.
    async fn credentials(&self) -> Result<Vec<(HeaderName, HeaderValue)>, Failure> {
        let ours = |why: String| Failure::new(Reason::Tls, format!("our credentials can't be had: {why}"));
        let mut all = Vec::new();
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value.reveal()))
            {
                all.push((name, value));
            }
        }
        let words = match (&self.basic_auth, &self.authorization) {
            (Some(auth), _) => {
                let password = secret(auth.password.as_ref(), auth.password_file.as_ref()).await.map_err(ours)?;
                let pair = format!("{}:{}", auth.username, password.unwrap_or_default());
                format!("Basic {}", BASE64_STANDARD.encode(pair))
            }
            (None, Some(auth)) => {
                let token = secret(auth.credentials.as_ref(), auth.credentials_file.as_ref()).await.map_err(ours)?;
                format!("{} {}", auth.kind, token.unwrap_or_default())
            }
            (None, None) => return Ok(all),
        };
        let mut value =
            HeaderValue::from_str(&words).map_err(|_| ours("what the file holds is no header's value".to_owned()))?;
        value.set_sensitive(true);
        all.push((header::AUTHORIZATION, value));
        Ok(all)
    }
}

impl Prober for HttpConfig {
    fn at(&self) -> String {
        self.url.to_string()
    }

    fn instance(&self) -> String {
        place_of(&self.url).map_or_else(|_| self.url.to_string(), |place| place.to_string())
    }

    fn expect(&self) -> &[Condition] {
        &self.expect
    }

    fn conditions(&self) -> Vec<&Condition> {
        self.status.iter().map(|set| &set.0).chain(&self.expect).collect()
    }

    fn subjects(&self) -> (&'static [&'static str], &'static str) {
        (&["status", "cert", "size", "body", "header", "json", "version"], "an answer by HTTP")
    }

    fn problems(&self) -> Problems {
        let mut all = Vec::new();
        let mut say = |key: &str, why: &str| all.push((key.to_owned(), why.to_owned()));
        if let Err(why) = place_of(&self.url) {
            say(".url", &why);
        }
        if !self.url.username().is_empty() || self.url.password().is_some() {
            say(".url", "user and password go into basic_auth: a URL is shown");
        }
        if Method::from_bytes(self.method.as_bytes()).is_err() || self.method == "CONNECT" {
            say(".method", "this is no method: write it like GET, HEAD or POST");
        }
        for (name, value) in &self.headers {
            let is_header =
                HeaderName::from_bytes(name.as_bytes()).is_ok() && HeaderValue::from_str(value.reveal()).is_ok();
            if !is_header {
                say(".headers", "one of them is no header: a name has letters, digits and '-', a value one line");
            }
        }
        if self.body.as_ref().is_some_and(|body| body.len() > BODY_SENT_MAX) {
            say(".body", "is longer than 64 KiB");
        }
        if self.basic_auth.is_some() && self.authorization.is_some() {
            say("", "give basic_auth or authorization, not both");
        }
        if self.basic_auth.as_ref().is_some_and(|a| a.password.is_some() == a.password_file.is_some()) {
            say(".basic_auth", "give password or password_file");
        }
        if self.authorization.as_ref().is_some_and(|a| a.credentials.is_some() == a.credentials_file.is_some()) {
            say(".authorization", "give credentials or credentials_file");
        }
        let schemes = ["http://", "https://", "socks5://", "socks5h://"];
        if self.proxy_url.as_ref().is_some_and(|url| !schemes.iter().any(|s| url.reveal().starts_with(s))) {
            say(".proxy_url", "must be http://, https:// or socks5://host:port");
        }
        all
    }

    fn tls_files(&mut self) -> Option<&mut TlsFiles> {
        Some(&mut self.tls_config)
    }

    fn files(&mut self) -> Vec<&mut PathBuf> {
        let password = self.basic_auth.as_mut().and_then(|auth| auth.password_file.as_mut());
        let token = self.authorization.as_mut().and_then(|auth| auth.credentials_file.as_mut());
        password.into_iter().chain(token).collect()
    }

    fn goes_to_nodes(&self) -> bool {
        true
    }

    fn ingress_tls(&self) -> Option<bool> {
        Some(self.url.scheme() == "https")
    }

    fn move_to(&mut self, instance: &str) {
        self.connect_to = Some(instance.to_owned());
    }

    fn probe<'a>(&'a self, found: &'a mut Found) -> Asking<'a> {
        Box::pin(probe(self, found))
    }
}

fn place_of(url: &Url) -> Result<Place, String> {
    let wrong = || "must begin with http:// or https://, like https://registry.example.org/v2/".to_owned();
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong());
    }
    let host = url.host_str().ok_or_else(wrong)?.trim_matches(['[', ']']).to_owned();
    Ok(Place { host, port: url.port_or_known_default().ok_or_else(wrong)? })
}

/// Asks, and goes on where the answer sends us.
async fn probe(c: &HttpConfig, found: &mut Found) -> Result<(), Failure> {
    let credentials = c.credentials().await?;
    let method = Method::from_bytes(c.method.as_bytes()).unwrap_or(Method::GET);
    let body = Bytes::from(c.body.clone().unwrap_or_default());
    let mut request = Request { url: c.url.clone(), method, body, headers: Vec::new(), max: BODY_MAX };
    let mut redirects = 0;
    let answer = loop {
        let at_home = request.url.origin() == c.url.origin();
        let answer = exchange::run(c, &request, if at_home { &credentials[..] } else { &[] }, found).await?;
        found.answered = true;
        found.http_status = Some(answer.status);
        let Some(next) = c.follow_redirects.then(|| redirect(&answer, &request)).flatten() else { break answer };
        if redirects == REDIRECTS_MAX {
            let words = format!("it sends us on and on: more than {REDIRECTS_MAX} redirects, last to {}", next.url);
            return Err(Failure::new(Reason::Answer, words));
        }
        redirects += 1;
        found.line.note(format_args!("it sends us to {}", next.url));
        found.line.anew();
        request = next;
    };
    let kept = answer.body.len();
    let length = answer.headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    #[allow(clippy::cast_precision_loss)] // Sizes below 2^53 are exact.
    {
        found.measure("probe_http_redirects", f64::from(u32::try_from(redirects).unwrap_or(u32::MAX)));
        found.measure("probe_http_content_length", length.map_or(-1.0, |n| n as f64));
        found.measure("probe_http_uncompressed_body_length", kept as f64);
        found.seen.number("size", length.map_or(kept as f64, |n| if answer.cut { n as f64 } else { kept as f64 }));
    }
    found.measures.push(Measure::flag("probe_http_ssl", request.url.scheme() == "https"));
    let modified = answer.headers.get(header::LAST_MODIFIED).and_then(|v| v.to_str().ok());
    if let Some(at) = modified.and_then(|text| rfc2822::parse(text).ok()) {
        found.measure("probe_http_last_modified_timestamp_seconds", at.timestamp().as_second() as f64);
    }
    found.seen.number("status", f64::from(answer.status));
    found.seen.headers = answer.headers;
    found.seen.body = Some(answer.body);
    if c.takes_success() && !(200..300).contains(&answer.status) {
        let words = format!("was {}, should be 200..299", answer.status);
        return Err(Failure::new(Reason::HttpStatus, words));
    }
    Ok(())
}

/// Asks for what a kind of its own asks, and goes where the answer sends us; the last exchange stands for the probe.
pub(super) async fn fetch(c: &HttpConfig, mut request: Request, found: &mut Found) -> Result<Answer, Failure> {
    let credentials = c.credentials().await?;
    for _ in 0..=REDIRECTS_MAX {
        let own: &[_] = if request.url.origin() == c.url.origin() { &credentials[..] } else { &[] };
        // What was asked for by name counts more than the check's own login.
        let is_given = |name: &HeaderName| request.headers.iter().any(|(given, _)| given == name);
        let mut headers: Vec<_> = own.iter().filter(|(name, _)| !is_given(name)).cloned().collect();
        headers.extend(request.headers.iter().cloned());
        found.line.anew();
        let answer = exchange::run(c, &request, &headers, found).await?;
        found.http_status = Some(answer.status);
        let Some(mut next) = redirect(&answer, &request) else { return Ok(answer) };
        if next.url.origin() != request.url.origin() {
            next.headers.retain(|(name, _)| name != header::AUTHORIZATION);
        }
        found.line.note(format_args!("it sends us to {}", shown(&next.url)));
        request = next;
    }
    let words = format!("it sends us on and on: more than {REDIRECTS_MAX} redirects");
    Err(Failure::new(Reason::Answer, words))
}

/// A URL without its query, which may have a signature in it.
fn shown(url: &Url) -> &str {
    &url[..url::Position::AfterPath]
}

/// Where an answer sends us, and with what: as browsers and curl have it (RFC 9110, section 15.4).
fn redirect(answer: &Answer, asked: &Request) -> Option<Request> {
    let keeps_method = match answer.status {
        301..=303 => false,
        307 | 308 => true,
        _ => return None,
    };
    let url = asked.url.join(answer.headers.get(header::LOCATION)?.to_str().ok()?).ok()?;
    place_of(&url).ok()?;
    let (method, body) = match keeps_method || matches!(asked.method, Method::GET | Method::HEAD) {
        true => (asked.method.clone(), asked.body.clone()),
        false => (Method::GET, Bytes::new()),
    };
    Some(Request { url, method, body, headers: asked.headers.clone(), max: asked.max })
}

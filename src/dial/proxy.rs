//! Through a proxy: CONNECT or SOCKS 5. A proxy is on our side: where it is down, refuses us, or opens no way to anybody, no
//! cluster is at fault.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use http::Uri;
use hyper_util::{
    client::{
        legacy::connect::proxy::SocksV5,
        proxy::matcher::{Intercept, Matcher},
    },
    rt::TokioIo,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout_at},
};
use tower::{Service, service_fn};

use super::{ca::Ca, connect, endpoint::Endpoint, steps::Steps, stream::BoxedStream, tls::Handshake, witness::Served};
use crate::model::{Failure, Ours, Reason};

/// The most bytes of a proxy's answer to CONNECT before it must have ended its headers.
const ANSWER_MAX: usize = 16 << 10;
/// How much of its status line is told, in characters.
const STATUS_SHOWN: usize = 80;

/// Says whether and by which proxy an endpoint is dialled.
#[derive(Debug)]
pub(super) struct Proxies {
    matcher: Matcher,
    from_environment: bool,
}

impl Proxies {
    /// Returns the kubeconfig's `proxy-url` is used for all of the cluster, whatever NO_PROXY says (as kubectl does);
    /// without one the environment decides (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY).
    ///
    /// # Errors
    /// When the URL's scheme is not one of http, https, socks5 and socks5h.
    pub(super) fn new(proxy_url: Option<&str>) -> Result<Self, String> {
        let Some(url) = proxy_url.filter(|u| !u.is_empty()) else {
            return Ok(Self { matcher: Matcher::from_env(), from_environment: true });
        };
        let known = ["http://", "https://", "socks5://", "socks5h://"].iter().any(|s| url.starts_with(s));
        let matcher = Matcher::builder().all(url.to_owned()).build();
        if !known || matcher.intercept(&Uri::from_static("https://example.org")).is_none() {
            return Err("proxy-url must be http://, https:// or socks5://host:port".to_owned());
        }
        Ok(Self { matcher, from_environment: false })
    }

    /// Opens a stream to the endpoint, through a proxy where one is to be used.
    pub(super) async fn open(&self, endpoint: &Endpoint, steps: &mut Steps) -> Result<BoxedStream, Failure> {
        match self.of(endpoint) {
            None => Ok(Box::new(connect::tcp(endpoint, steps).await?)),
            Some(proxy) => proxy.open(endpoint, steps).await,
        }
    }

    /// Returns the proxy for an endpoint.
    pub(super) fn of(&self, endpoint: &Endpoint) -> Option<Proxy> {
        // As in Go: a proxy of the environment is never asked for this machine itself.
        let local = endpoint.host == "localhost" || endpoint.ip().is_some_and(|ip| ip.is_loopback());
        if self.from_environment && local {
            return None;
        }
        self.matcher.intercept(&uri(endpoint)?).map(Proxy::new)
    }
}

fn uri(endpoint: &Endpoint) -> Option<Uri> {
    let scheme = if endpoint.tls { "https" } else { "http" };
    format!("{scheme}://{endpoint}/").parse().ok()
}

/// One proxy.
pub(super) struct Proxy {
    intercept: Intercept,
    scheme: String,
    place: Endpoint,
}

/// Why a proxy opened no way.
enum Closed {
    /// It can't be reached, or does not want us.
    Ours(Failure),
    /// It opened none; whose fault that is depends on whether it opens others.
    NoWay(String),
}

impl Proxy {
    fn new(intercept: Intercept) -> Self {
        let scheme = intercept.uri().scheme_str().unwrap_or("http").to_owned();
        let default = match scheme.as_str() {
            "https" => 443,
            "http" => 80,
            _ => 1080,
        };
        let place = Endpoint {
            tls: scheme == "https",
            host: intercept.uri().host().unwrap_or_default().trim_matches(['[', ']']).to_owned(),
            port: intercept.uri().port_u16().unwrap_or(default),
        };
        Self { intercept, scheme, place }
    }

    /// What this proxy opened lately, for all clusters that share it.
    fn served(&self) -> Arc<Served<Endpoint>> {
        static SERVED: LazyLock<Mutex<HashMap<Endpoint, Arc<Served<Endpoint>>>>> = LazyLock::new(Mutex::default);
        let mut served = SERVED.lock().unwrap_or_else(PoisonError::into_inner);
        served.entry(self.place.clone()).or_insert_with(|| Arc::new(Served::new())).clone()
    }

    /// Opens a way.
    ///
    /// # Errors
    /// `Local` where the proxy is at fault, else `Unreachable` or `Timeout`: it opens ways to others.
    pub(super) async fn open(&self, endpoint: &Endpoint, steps: &mut Steps) -> Result<BoxedStream, Failure> {
        steps.note(format_args!("through the {} proxy {}", self.scheme, self.place));
        // What is left then is for a witness.
        let patience = Instant::now() + steps.left() * 3 / 4;
        let why = match self.attempt(endpoint, patience, steps).await {
            Ok(stream) => {
                self.served().note(endpoint);
                return Ok(stream);
            }
            Err(Closed::Ours(failure)) => return Err(failure),
            Err(Closed::NoWay(why)) => why,
        };
        steps.note(&why);
        let others = self.served().witnesses(endpoint);
        for other in &others {
            let mut aside = Steps::start(Instant::now() + steps.left() / 2);
            let until = aside.deadline();
            if self.attempt(other, until, &mut aside).await.is_ok() {
                return Err(Failure::new(Reason::Unreachable, why));
            }
        }
        let named: Vec<String> = others.iter().map(ToString::to_string).collect();
        let named = if named.is_empty() { String::new() } else { format!(", nor to {}", named.join(" and ")) };
        Err(Failure::ours(Ours::Proxy(self.place.to_string()), format!("{why}{named}")))
    }

    async fn attempt(&self, endpoint: &Endpoint, until: Instant, steps: &mut Steps) -> Result<BoxedStream, Closed> {
        let place = &self.place;
        let ours = |f: Failure| match f.ours {
            Some(Ours::Resolver) | None => {
                let words = format!("the proxy {place} that we use can't be reached: {}", f.message);
                Closed::Ours(Failure::ours(Ours::Proxy(place.to_string()), words))
            }
            Some(_) => Closed::Ours(f),
        };
        let tcp = connect::tcp(place, steps).await.map_err(ours)?;
        let stream: BoxedStream = if place.tls { self.secure(tcp, steps).await.map_err(ours)? } else { Box::new(tcp) };
        let began = Instant::now();
        let opened = timeout_at(until, async {
            if self.scheme.starts_with("socks5") {
                self.socks(endpoint, stream).await
            } else {
                self.tunnel(endpoint, stream).await
            }
        });
        match opened.await {
            Ok(Ok(stream)) => {
                steps.phases.connect = steps.phases.connect.map(|c| c + began.elapsed());
                steps.note(format_args!("the proxy opened a way to {endpoint}"));
                Ok(stream)
            }
            Ok(Err(closed)) => Err(closed),
            Err(_) => {
                let patience = super::failure::Spoken(until.saturating_duration_since(began));
                Err(Closed::NoWay(format!("the proxy {place} opened no way to {endpoint} within {patience}")))
            }
        }
    }

    /// TLS to the proxy itself, which this machine's CAs must vouch for.
    async fn secure(&self, tcp: tokio::net::TcpStream, steps: &mut Steps) -> Result<BoxedStream, Failure> {
        let place = &self.place;
        let Some(name) = place.server_name() else {
            return Err(Failure::new(Reason::Tls, format!("{} is no name for a certificate", place.host)));
        };
        let handshake = Handshake {
            endpoint: place.clone(),
            sni: name.clone(),
            names: vec![name],
            ca: Ca::system(),
            must_verify: true,
            identity: None,
            alpn: &[],
        };
        let secured = handshake.run(tcp, steps).await;
        // Phases and facts of TLS are the target's, not the proxy's.
        steps.phases.tls = None;
        steps.tls = None;
        Ok(secured?.stream)
    }

    /// CONNECT (RFC 9110, section 9.3.6).
    async fn tunnel(&self, endpoint: &Endpoint, mut stream: BoxedStream) -> Result<BoxedStream, Closed> {
        let place = &self.place;
        let no_way = |why: &str| Closed::NoWay(format!("the proxy {place} opens no way to {endpoint}: {why}"));
        let mut request = format!("CONNECT {endpoint} HTTP/1.1\r\nHost: {endpoint}\r\n").into_bytes();
        if let Some(auth) = self.intercept.basic_auth() {
            request.extend_from_slice(b"Proxy-Authorization: ");
            request.extend_from_slice(auth.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        stream.write_all(&request).await.map_err(|e| no_way(&e.to_string()))?;
        let mut answer = Vec::new();
        // Byte by byte at the end of the headers: what follows them is the target's.
        while !answer.ends_with(b"\r\n\r\n") {
            if answer.len() >= ANSWER_MAX {
                return Err(no_way("its answer has no end"));
            }
            match stream.read_u8().await {
                Ok(byte) => answer.push(byte),
                Err(_) => return Err(no_way("it closed the connection")),
            }
        }
        let line = String::from_utf8_lossy(answer.split(|b| *b == b'\r').next().unwrap_or_default()).into_owned();
        let status = line.strip_prefix("HTTP/1.").and_then(|l| l.get(2..5)).and_then(|code| code.parse::<u16>().ok());
        let said: String = line.chars().take(STATUS_SHOWN).collect();
        match status {
            Some(200..=299) => Ok(stream),
            // Not the target's word: it wants other credentials of us, or does not allow this.
            Some(407) => Err(self.refuses(&format!("wants other credentials of us ({said})"))),
            Some(400..=499) => Err(self.refuses(&format!("does not let us connect to {endpoint} ({said})"))),
            _ => Err(no_way(&said)),
        }
    }

    fn refuses(&self, why: &str) -> Closed {
        let words = format!("the proxy {} that we use {why}", self.place);
        Closed::Ours(Failure::ours(Ours::Proxy(self.place.to_string()), words))
    }

    /// Names are resolved by the proxy, as Go does for both socks5 and socks5h.
    async fn socks(&self, endpoint: &Endpoint, stream: BoxedStream) -> Result<BoxedStream, Closed> {
        let no_way = |why: String| Closed::NoWay(format!("the proxy {} opens no way to {endpoint}: {why}", self.place));
        let target = uri(endpoint).ok_or_else(|| no_way("its address can't be written as a URI".to_owned()))?;
        let mut ready = Some(TokioIo::new(stream));
        let connected = service_fn(move |_: Uri| {
            std::future::ready(ready.take().ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)))
        });
        let mut socks = SocksV5::new(self.intercept.uri().clone(), connected);
        if let Some((user, password)) = self.intercept.raw_auth() {
            socks = socks.with_auth(user.to_owned(), password.to_owned());
        }
        Ok(socks.call(target).await.map_err(|e| no_way(e.to_string()))?.into_inner())
    }
}

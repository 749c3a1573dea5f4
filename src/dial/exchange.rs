//! One connection and one HTTP exchange over it, phase by phase, every phase under the one deadline.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;
use tower::Service;

use super::{Answer, Ask, tls::Recorder, words};
use crate::model::{Failure, Observation, Phases, Reason, TlsFacts, TraceLine};

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;

/// Either kind of stream, boxed: one exchange more or less does not feel it.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection, ready for a request.
pub struct Connection {
    /// Sends requests.
    pub sender: SendRequest<Full<Bytes>>,
    /// What the handshake told; `None` for plain HTTP.
    pub tls: Option<TlsFacts>,
    /// Drives the connection; ends with it.
    _driver: Driver,
}

struct Driver(tokio::task::JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What is seen on the way.
pub struct Log {
    start: Instant,
    deadline: Instant,
    /// Phases so far.
    pub phases: Phases,
    /// The handshake so far.
    pub tls: Option<TlsFacts>,
    /// Steps so far.
    pub trace: Vec<TraceLine>,
}

impl Log {
    /// Begins now.
    pub fn new(deadline: Instant) -> Self {
        Self { start: Instant::now(), deadline, phases: Phases::default(), tls: None, trace: Vec::new() }
    }

    /// Since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Adds a step.
    pub fn say(&mut self, text: impl Into<String>) {
        if self.trace.len() < Observation::TRACE_MAX {
            self.trace.push(TraceLine { after: self.elapsed(), text: text.into() });
        }
    }

    fn patience(&self) -> String {
        words::seconds(self.deadline.saturating_duration_since(self.start))
    }

    fn timeout(&self, what: &str) -> Failure {
        Failure::new(Reason::Timeout, format!("{what} within {}", self.patience()))
    }
}

/// How to secure a connection.
pub struct Secure {
    /// With our client certificate.
    pub client: rustls::ClientConfig,
    /// Judges and records.
    pub recorder: Arc<Recorder>,
    /// Sent as SNI where it is a DNS name.
    pub name: ServerName<'static>,
}

/// Connects, and shakes hands where `secure` says so.
pub async fn connect(
    ask: &Ask,
    secure: Option<Secure>,
    proxy: Option<&http::Uri>,
    log: &mut Log,
) -> Result<Connection, Failure> {
    let place = place(ask);
    let tcp = match proxy {
        Some(proxy) => through(proxy, ask, &place, log).await?,
        None => directly(ask, &place, log).await?,
    };
    let stream: Box<dyn Stream> = match secure {
        None => Box::new(tcp),
        Some(secure) => shake_hands(tcp, secure, &place, log).await?,
    };
    let (sender, connection) = match timeout_at(log.deadline, http1::handshake(TokioIo::new(stream))).await {
        Ok(Ok(pair)) => pair,
        Ok(Err(error)) => return Err(words::broken(&error, &place, "HTTP began")),
        Err(_) => return Err(log.timeout(&format!("{place} gave no answer"))),
    };
    // How the connection ends is told by the exchange over it.
    let driver = Driver(tokio::spawn(async move { drop(connection.await) }));
    Ok(Connection { sender, tls: log.tls.clone(), _driver: driver })
}

fn place(ask: &Ask) -> String {
    let port = ask.url.port_or_known_default().unwrap_or(0);
    format!("{}:{port}", ask.url.host_str().unwrap_or_default())
}

async fn directly(ask: &Ask, place: &str, log: &mut Log) -> Result<TcpStream, Failure> {
    let addresses = resolve(ask, place, log).await?;
    let begun = Instant::now();
    let mut last = None;
    for (i, address) in addresses.iter().enumerate() {
        // The first address may not eat the time of the others.
        let left = log.deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - i).unwrap_or(1);
        match timeout_at(Instant::now() + share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Small requests must not wait for Nagle; a refusal to set it changes nothing else.
                let _ = stream.set_nodelay(true);
                log.phases.connect = Some(begun.elapsed());
                log.say(format!("connected to {address}"));
                return Ok(stream);
            }
            Ok(Err(error)) => {
                log.say(format!("{address}: {error}"));
                last = Some(words::connect(&error, place));
            }
            Err(_) => {
                log.say(format!("{address}: no answer to the connection request"));
                last = Some(log.timeout(&format!("no TCP answer from {place}")));
            }
        }
    }
    Err(last.unwrap_or_else(|| Failure::new(Reason::Dns, format!("{place} has no address"))))
}

async fn resolve(ask: &Ask, place: &str, log: &mut Log) -> Result<Vec<SocketAddr>, Failure> {
    let host = ask.url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = ask.url.port_or_known_default().unwrap_or(0);
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![(ip, port).into()]);
    }
    let begun = Instant::now();
    match timeout_at(log.deadline, lookup_host((host, port))).await {
        Ok(Ok(found)) => {
            let addresses: Vec<SocketAddr> = found.take(ADDRESSES_MAX).collect();
            log.phases.resolve = Some(begun.elapsed());
            log.say(format!(
                "{host} is {}",
                addresses.iter().map(|a| a.ip().to_string()).collect::<Vec<_>>().join(", ")
            ));
            Ok(addresses)
        }
        Ok(Err(error)) => Err(Failure::new(Reason::Dns, format!("the name {host} does not resolve: {error}"))),
        Err(_) => Err(Failure::new(
            Reason::Dns,
            format!("the name {host} of {place} did not resolve within {}", log.patience()),
        )),
    }
}

/// Through an HTTP proxy (CONNECT) or a SOCKS5 proxy.
async fn through(proxy: &http::Uri, ask: &Ask, place: &str, log: &mut Log) -> Result<TcpStream, Failure> {
    use hyper_util::client::legacy::connect::{
        HttpConnector,
        proxy::{SocksV5, Tunnel},
    };
    let begun = Instant::now();
    let target: http::Uri = ask
        .url
        .as_str()
        .parse()
        .map_err(|e| Failure::new(Reason::Unreachable, format!("{place} can't be asked of a proxy: {e}")))?;
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    let shown = format!("{}:{}", proxy.host().unwrap_or_default(), proxy.port_u16().unwrap_or(0));
    let said = |e: &(dyn std::error::Error + 'static)| {
        let cause = std::iter::successors(Some(e), |e| e.source()).last().map(ToString::to_string);
        Failure::new(
            Reason::Unreachable,
            format!("the proxy {shown} gave no way to {place}: {}", cause.unwrap_or_default()),
        )
    };
    let connected = if proxy.scheme_str() == Some("socks5") {
        let mut socks = SocksV5::new(proxy.clone(), http);
        timeout_at(log.deadline, socks.call(target)).await.map(|r| r.map_err(|e| said(&e)))
    } else {
        let mut tunnel = Tunnel::new(proxy.clone(), http);
        timeout_at(log.deadline, tunnel.call(target)).await.map(|r| r.map_err(|e| said(&e)))
    };
    match connected {
        Ok(Ok(stream)) => {
            log.phases.connect = Some(begun.elapsed());
            log.say(format!("connected to {place} through the proxy {shown}"));
            Ok(stream.into_inner())
        }
        Ok(Err(failure)) => Err(failure),
        Err(_) => Err(log.timeout(&format!("no answer from the proxy {shown}"))),
    }
}

async fn shake_hands(tcp: TcpStream, secure: Secure, place: &str, log: &mut Log) -> Result<Box<dyn Stream>, Failure> {
    let begun = Instant::now();
    let mut client = secure.client;
    client.dangerous().set_certificate_verifier(secure.recorder.clone());
    let connector = TlsConnector::from(Arc::new(client));
    let shaken = timeout_at(log.deadline, connector.connect(secure.name, tcp)).await;
    let seen = secure.recorder.seen();
    let mut facts = TlsFacts { version: None, chain: seen.chain, verified: seen.verified };
    match shaken {
        Ok(Ok(stream)) => {
            log.phases.tls = Some(begun.elapsed());
            facts.version = stream.get_ref().1.protocol_version().map(version);
            let trusted = match (&facts.verified, &seen.problem) {
                (false, Some(problem)) => format!(", not verified: {problem}"),
                _ => String::new(),
            };
            log.say(format!("{} handshake done{trusted}", facts.version.as_deref().unwrap_or("TLS")));
            log.tls = Some(facts);
            Ok(Box::new(stream))
        }
        Ok(Err(error)) => {
            if !facts.chain.is_empty() {
                log.tls = Some(facts);
            }
            let failure = match seen.problem {
                Some(problem) => Failure::new(Reason::Tls, problem),
                None => words::broken(&error, place, "the TLS handshake was under way"),
            };
            log.say(failure.message.clone());
            Err(failure)
        }
        Err(_) => Err(log.timeout(&format!("{place} accepted the connection, but did not answer the TLS handshake"))),
    }
}

fn version(v: rustls::ProtocolVersion) -> String {
    match v {
        rustls::ProtocolVersion::TLSv1_2 => "TLS 1.2".into(),
        rustls::ProtocolVersion::TLSv1_3 => "TLS 1.3".into(),
        other => format!("{other:?}"),
    }
}

/// One request and its answer.
pub async fn exchange(
    connection: &mut Connection,
    ask: &Ask,
    headers: http::HeaderMap,
    log: &mut Log,
) -> Result<Answer, Failure> {
    let place = place(ask);
    let path = ask.url.path();
    let doing = format!("it was asked for {path}");
    let request = request(ask, headers)
        .map_err(|e| Failure::new(Reason::Body, format!("no request can be made of {}: {e}", ask.url)))?;
    let begun = Instant::now();
    let response = match timeout_at(log.deadline, connection.sender.send_request(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(words::broken(&error, &place, &doing)),
        Err(_) => {
            return Err(log.timeout(&format!("{place} accepted the connection, but gave no answer to {path}")));
        }
    };
    log.phases.processing = Some(begun.elapsed());
    let (parts, mut body) = response.into_parts();
    let read = Instant::now();
    let mut bytes = BytesMut::new();
    let mut cut = false;
    loop {
        match timeout_at(log.deadline, body.frame()).await {
            Ok(None) => break,
            Ok(Some(Ok(frame))) => {
                let Some(data) = frame.data_ref() else { continue };
                let room = ask.max_bytes.saturating_sub(bytes.len());
                bytes.extend_from_slice(&data[..data.len().min(room)]);
                if data.len() > room {
                    cut = true;
                    break;
                }
            }
            Ok(Some(Err(_))) => {
                cut = true;
                break;
            }
            Err(_) => return Err(log.timeout(&format!("{place} began to answer {path}, but did not finish"))),
        }
    }
    log.phases.transfer = Some(read.elapsed());
    let note = if cut { ", cut" } else { "" };
    log.say(format!("{path}: HTTP {}, {} bytes{note}", parts.status.as_u16(), bytes.len()));
    Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body: bytes.freeze(), cut })
}

fn request(ask: &Ask, headers: http::HeaderMap) -> Result<Request<Full<Bytes>>, http::Error> {
    let path = match ask.url.query() {
        Some(query) => format!("{}?{query}", ask.url.path()),
        None => ask.url.path().to_string(),
    };
    let host = match ask.url.port() {
        Some(port) => format!("{}:{port}", ask.url.host_str().unwrap_or_default()),
        None => ask.url.host_str().unwrap_or_default().to_string(),
    };
    let mut request = Request::builder().method(ask.method.clone()).uri(path).body(Full::new(ask.body.clone()))?;
    *request.headers_mut() = headers;
    let own = request.headers_mut();
    own.insert(header::HOST, HeaderValue::from_str(&host)?);
    own.insert(header::USER_AGENT, HeaderValue::from_static(concat!("dogwatch/", env!("CARGO_PKG_VERSION"))));
    own.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    if !ask.body.is_empty() {
        own.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    Ok(request)
}

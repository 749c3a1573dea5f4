//! One request and its answer, on a connection of its own.

use ::http::{HeaderName, HeaderValue, Method, Uri, Version, header};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::time::{Instant, timeout_at};
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use super::{HttpConfig, HttpVersion, place_of};
use crate::{
    check::found::Found,
    dial::{Answer, BoxedStream, Place, Security},
    model::{Failure, Reason},
};

/// How we name ourselves; logs of servers show it.
const AGENT: &str = concat!("dogwatch/", env!("CARGO_PKG_VERSION"));
/// Protocols by name, best first.
const EITHER: &[&[u8]] = &[b"h2", b"http/1.1"];
const ONLY_1: &[&[u8]] = &[b"http/1.1"];
const ONLY_2: &[&[u8]] = &[b"h2"];

/// What is asked.
pub(in crate::check) struct Request {
    pub(in crate::check) url: Url,
    pub(in crate::check) method: Method,
    pub(in crate::check) body: Bytes,
    /// Headers beside the check's own.
    pub(in crate::check) headers: Vec<(HeaderName, HeaderValue)>,
    /// Of the answer's body so much is read.
    pub(in crate::check) max: usize,
}

/// Asks once; `more` are headers of the check's own.
pub(super) async fn run(
    c: &HttpConfig,
    request: &Request,
    more: &[(HeaderName, HeaderValue)],
    found: &mut Found,
) -> Result<Answer, Failure> {
    let place = place_of(&request.url).map_err(|why| Failure::new(Reason::Answer, why))?;
    let is_tls = request.url.scheme() == "https";
    let proxy = c.proxy_url.as_ref().map(|url| url.reveal());
    let elsewhere = c.connect_to.as_ref().filter(|_| request.url.origin() == c.url.origin());
    let elsewhere = elsewhere.and_then(|at| Place::read(at, None).ok());
    let mut stream = found.line.connect(elsewhere.as_ref().unwrap_or(&place), is_tls, proxy).await?;
    let mut by_2 = c.http_version == Some(HttpVersion::Http2);
    if is_tls {
        let offered = match c.http_version {
            None => EITHER,
            Some(HttpVersion::Http11) => ONLY_1,
            Some(HttpVersion::Http2) => ONLY_2,
        };
        let security = Security::read(&c.tls_config, offered).await?;
        let (secured, agreed) = found.line.secure(stream, &place, &security).await?;
        if by_2 && agreed.as_deref() != Some(b"h2") {
            return Err(Failure::new(Reason::Answer, format!("{place} does not speak HTTP/2 (ALPN)")));
        }
        by_2 = agreed.as_deref() == Some(b"h2");
        stream = secured;
    }
    // A query may have a secret in it.
    let what = format!("{} {}", request.method, request.url.path());
    let message = message(c, request, more, by_2)
        .map_err(|e| Failure::new(Reason::Answer, format!("{place} can't be asked for {what}: {e}")))?;
    let began = Instant::now();
    found.line.note(format_args!("{what} sent"));
    let sending = async { if by_2 { send_2(stream, message).await } else { send_1(stream, message).await } };
    let deadline = found.line.deadline();
    let (response, _driver) = match timeout_at(deadline, sending).await {
        Err(_) => {
            let words =
                format!("{place} accepted the connection, but did not answer {what} within {}", found.line.allowed());
            return Err(Failure::new(Reason::Timeout, words));
        }
        Ok(Err(error)) => return Err(found.line.answering(&error, &place)),
        Ok(Ok(sent)) => sent,
    };
    found.line.phases().processing = Some(began.elapsed());
    let version = response.version();
    found.line.note(format_args!("{what}: HTTP {} by {version:?}", response.status().as_u16()));
    let first_byte = Instant::now();
    let answer = read(response, &place, &what, request.max, found).await?;
    found.line.phases().transfer = Some(first_byte.elapsed());
    found.measures.retain(|m| m.name != "probe_http_version");
    found.measure("probe_http_version", if version == Version::HTTP_2 { 2.0 } else { 1.1 });
    found.line.unpack(answer, request.max).await
}

type Message = ::http::Request<Full<Bytes>>;
type Sent = (::http::Response<Incoming>, AbortOnDropHandle<()>);

async fn send_1(stream: BoxedStream, message: Message) -> Result<Sent, hyper::Error> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // What ends the connection is told by the request that waits on it.
    let driver = AbortOnDropHandle::new(tokio::spawn(async move { drop(connection.await) }));
    Ok((sender.send_request(message).await?, driver))
}

async fn send_2(stream: BoxedStream, message: Message) -> Result<Sent, hyper::Error> {
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    let driver = AbortOnDropHandle::new(tokio::spawn(async move { drop(connection.await) }));
    Ok((sender.send_request(message).await?, driver))
}

fn message(
    c: &HttpConfig,
    request: &Request,
    more: &[(HeaderName, HeaderValue)],
    by_2: bool,
) -> Result<Message, ::http::Error> {
    let url = &request.url;
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let uri: Uri = if by_2 { format!("{}://{host}{path}", url.scheme()).parse()? } else { path.parse()? };
    let mut message = ::http::Request::builder().method(request.method.clone()).uri(uri);
    if let Some(headers) = message.headers_mut() {
        headers.insert(header::USER_AGENT, HeaderValue::from_static(AGENT));
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        if c.compression {
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if !by_2 {
            headers.insert(header::HOST, HeaderValue::from_str(host)?);
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        for (name, value) in more {
            // HTTP/2 has no Host and no Connection.
            if !(by_2 && (name == header::HOST || name == header::CONNECTION)) {
                headers.insert(name.clone(), value.clone());
            }
        }
    }
    message.body(Full::new(request.body.clone()))
}

/// The body, as far as it is judged.
async fn read(
    response: ::http::Response<Incoming>,
    place: &Place,
    what: &str,
    max: usize,
    found: &mut Found,
) -> Result<Answer, Failure> {
    let (parts, mut incoming) = response.into_parts();
    let (mut body, mut cut) = (BytesMut::new(), false);
    let status = parts.status.as_u16();
    loop {
        match timeout_at(found.line.deadline(), incoming.frame()).await {
            Err(_) => {
                let words = format!(
                    "{place} began its answer to {what} (HTTP {status}), but had not ended it within {}",
                    found.line.allowed()
                );
                return Err(Failure::new(Reason::Timeout, words));
            }
            Ok(None) => break,
            Ok(Some(Err(_))) => {
                let words =
                    format!("the connection to {place} broke after {} bytes of its answer (HTTP {status})", body.len());
                return Err(Failure::new(Reason::Body, words));
            }
            Ok(Some(Ok(frame))) => {
                let Ok(data) = frame.into_data() else { continue };
                let room = max.saturating_sub(body.len());
                body.extend_from_slice(data.get(..data.len().min(room)).unwrap_or_default());
                if data.len() > room {
                    found.line.note(format_args!("of the body {max} bytes were read"));
                    cut = true;
                    break;
                }
            }
        }
    }
    Ok(Answer { status, headers: parts.headers, body: body.freeze(), cut })
}

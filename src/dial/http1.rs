//! One HTTP/1.1 connection, and one request with its answer on it.
//!
//! hyper has the stream for as long as an exchange takes: its buffers and its state, some 20 KiB, are not kept with each
//! of thousands of idle connections, and no task of its own waits beside them.

use std::{pin::Pin, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use http::{HeaderMap, Request, Version, header, response};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::http1::{Parts, handshake},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::AsyncReadExt as _,
    time::{Instant, timeout, timeout_at},
};

use super::{
    Answer, Ask,
    endpoint::Endpoint,
    failure::{self, ClientAuth, Spoken},
    steps::Steps,
    stream::{BoxedStream, FirstBytes},
};
use crate::model::{Failure, Reason, TlsFacts};

/// How long the connection may take to say why it ended, once hyper has told that it did.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// The longest life of a connection, before jitter.
const AGE_MAX: Duration = Duration::from_secs(300);

/// An open connection; closed when dropped.
pub(super) struct Connection {
    endpoint: Endpoint,
    /// `None`: it has ended, or an exchange broke off.
    stream: Option<BoxedStream>,
    tls: Option<TlsFacts>,
    auth: ClientAuth,
    first: FirstBytes,
    opened: Instant,
    use_until: Instant,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("endpoint", &self.endpoint)
            .field("opened", &self.opened)
            .finish_non_exhaustive()
    }
}

type Io = TokioIo<BoxedStream>;
type Ended = hyper::Result<Parts<Io>>;

/// hyper's side of an exchange: it moves only while it is waited for together with something.
struct Driver {
    connection: Pin<Box<dyn Future<Output = Ended> + Send>>,
    ended: Option<Ended>,
}

impl Driver {
    async fn until<T>(&mut self, done: impl Future<Output = T>) -> T {
        tokio::pin!(done);
        loop {
            if self.ended.is_some() {
                return done.await;
            }
            tokio::select! {
                biased;
                value = &mut done => return value,
                ended = &mut self.connection => self.ended = Some(ended),
            }
        }
    }

    /// Waits for its end, not for long.
    async fn end(self) -> Option<Ended> {
        match self.ended {
            Some(ended) => Some(ended),
            None => timeout(LAST_WORDS, self.connection).await.ok(),
        }
    }
}

impl Connection {
    /// Makes a stream an HTTP connection.
    pub(super) fn new(endpoint: Endpoint, stream: BoxedStream, tls: Option<TlsFacts>, auth: ClientAuth) -> Self {
        let first = FirstBytes::default();
        let stream = Some(first.of(stream));
        Self { endpoint, stream, tls, auth, first, opened: Instant::now(), use_until: use_until() }
    }

    /// Returns what its handshake told.
    pub(super) fn tls(&self) -> Option<&TlsFacts> {
        self.tls.as_ref()
    }

    /// Returns how long it has been open.
    pub(super) fn age(&self) -> Spoken {
        Spoken(self.opened.elapsed())
    }

    /// Returns whether the other side or an error ended it, or something came that nobody asked for.
    pub(super) fn is_closed(&mut self) -> bool {
        self.stream.as_mut().is_none_or(|stream| stream.read_u8().now_or_never().is_some())
    }

    /// After that it must not be used again.
    pub(super) fn use_until(&self) -> Instant {
        self.use_until
    }

    /// Sends the request and reads the answer, as much of its body as `ask` allows, within `limit`.
    pub(super) async fn ask(
        &mut self,
        request: Request<Full<Bytes>>,
        ask: &Ask,
        limit: Instant,
        steps: &mut Steps,
    ) -> Result<Answer, Failure> {
        let what = format!("{} {}", request.method(), request.uri().path());
        let is_last = closes(request.headers());
        let began = Instant::now();
        let Some(stream) = self.stream.take() else {
            return Err(Failure::new(Reason::Body, format!("the connection to {} has ended", self.endpoint)));
        };
        let (mut sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|e| failure::answering(&e, &self.endpoint, self.auth))?;
        let mut driver = Driver { connection: Box::pin(connection.without_shutdown()), ended: None };
        let sent = driver.until(timeout_at(limit, async {
            sender.ready().await?;
            sender.send_request(request).await
        }));
        let response = match sent.await {
            Err(_) => {
                let peer = &self.endpoint;
                let words =
                    format!("{peer} accepted the connection, but gave no answer to {what} within {}", steps.allowed());
                return Err(Failure::new(Reason::Timeout, words));
            }
            Ok(Err(error)) => {
                let why = last_words(error, driver).await;
                return Err(self.answering(&why));
            }
            Ok(Ok(response)) => response,
        };
        steps.phases.processing = Some(began.elapsed());
        steps.note(format_args!("{what}: HTTP {}", response.status().as_u16()));
        let first_byte = Instant::now();
        let (parts, body) = response.into_parts();
        let stays = !is_last && parts.version == Version::HTTP_11 && !closes(&parts.headers);
        let answer = driver.until(read(&self.endpoint, (parts, body), ask, limit, steps, &what)).await?;
        steps.phases.transfer = Some(first_byte.elapsed());
        drop(sender);
        if stays && !answer.cut {
            self.stream = take_back(driver).await;
        }
        Ok(answer)
    }

    fn answering(&self, error: &hyper::Error) -> Failure {
        if self.first.is_http2() {
            return failure::http2_only(&self.endpoint);
        }
        failure::answering(error, &self.endpoint, self.auth)
    }
}

/// The stream after an exchange, where nothing is left on it.
async fn take_back(driver: Driver) -> Option<BoxedStream> {
    let parts = driver.end().await?.ok()?;
    parts.read_buf.is_empty().then(|| parts.io.into_inner())
}

/// The body after the head, at most `ask.max_bytes` of it, within `limit`.
async fn read(
    endpoint: &Endpoint,
    (parts, mut incoming): (response::Parts, Incoming),
    ask: &Ask,
    limit: Instant,
    steps: &mut Steps,
    what: &str,
) -> Result<Answer, Failure> {
    let (mut body, mut line) = (BytesMut::new(), BytesMut::new());
    let mut cut = false;
    let (max_bytes, feed) = (ask.max_bytes, ask.feed.as_ref().filter(|_| parts.status.as_u16() == 200));
    if let Some(feed) = feed {
        feed.open();
    }
    loop {
        match timeout_at(limit, incoming.frame()).await {
            Err(_) => {
                let words = format!(
                    "{} began its answer to {what} (HTTP {}), but had not ended it within {}",
                    endpoint,
                    parts.status.as_u16(),
                    steps.allowed()
                );
                return Err(Failure::new(Reason::Timeout, words));
            }
            Ok(None) => break,
            Ok(Some(Err(_))) => {
                steps.note(format_args!("the connection broke after {} bytes of the body", body.len()));
                cut = true;
                break;
            }
            Ok(Some(Ok(frame))) => {
                let Ok(data) = frame.into_data() else { continue };
                if let Some(feed) = feed {
                    let is_read = feed.take(&mut line, &data).await;
                    if feed.is_patient() {
                        if is_read && line.len() <= max_bytes {
                            continue;
                        }
                        cut = true;
                        break;
                    }
                }
                let room = max_bytes.saturating_sub(body.len());
                body.extend_from_slice(&data[..data.len().min(room)]);
                if data.len() > room {
                    steps.note(format_args!("the body is longer than {max_bytes} bytes: the rest was not read"));
                    cut = true;
                    break;
                }
            }
        }
    }
    Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body: body.freeze(), cut })
}

/// Why there was no answer: the connection's own last words where the request never got to it.
async fn last_words(error: hyper::Error, driver: Driver) -> hyper::Error {
    if (error.is_canceled() || error.is_closed())
        && let Some(Err(why)) = driver.end().await
    {
        return why;
    }
    error
}

/// Whether the side that says this closes the connection afterwards.
fn closes(headers: &HeaderMap) -> bool {
    let words = headers.get_all(header::CONNECTION).iter().filter_map(|v| v.to_str().ok());
    words.flat_map(|v| v.split(',')).any(|word| word.trim().eq_ignore_ascii_case("close"))
}

/// When a connection opened now should be closed: the age limit, less up to a fifth by chance, so that handshakes
/// of connections that began together drift apart.
fn use_until() -> Instant {
    Instant::now() + AGE_MAX.mul_f64(fastrand::f64().mul_add(-0.2, 1.0))
}

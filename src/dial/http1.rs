//! One HTTP/1.1 connection, and one request with its answer on it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use super::{
    Answer,
    endpoint::Endpoint,
    failure::{self, ClientAuth, Spoken},
    steps::Steps,
    stream::{BoxedStream, FirstBytes},
};
use crate::model::{Failure, Reason, TlsFacts};

/// How long the connection's task may take to say why it ended, once hyper has told that it did.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// The longest life of a connection, before jitter.
const AGE_MAX: Duration = Duration::from_secs(300);

/// An open connection; closed when dropped.
#[derive(Debug)]
pub(super) struct Connection {
    endpoint: Endpoint,
    sender: SendRequest<Full<Bytes>>,
    driver: AbortOnDropHandle<Result<(), hyper::Error>>,
    tls: Option<TlsFacts>,
    auth: ClientAuth,
    first: FirstBytes,
    opened: Instant,
    use_until: Instant,
}

impl Connection {
    /// Makes a stream an HTTP connection.
    pub(super) async fn new(
        endpoint: Endpoint,
        stream: BoxedStream,
        tls: Option<TlsFacts>,
        auth: ClientAuth,
    ) -> Result<Self, Failure> {
        let first = FirstBytes::default();
        let (sender, connection) =
            handshake(TokioIo::new(first.of(stream))).await.map_err(|e| failure::answering(&e, &endpoint, auth))?;
        let driver = AbortOnDropHandle::new(tokio::spawn(connection));
        Ok(Self { endpoint, sender, driver, tls, auth, first, opened: Instant::now(), use_until: use_until() })
    }

    /// Returns what its handshake told.
    pub(super) fn tls(&self) -> Option<&TlsFacts> {
        self.tls.as_ref()
    }

    /// Returns how long it has been open.
    pub(super) fn age(&self) -> Spoken {
        Spoken(self.opened.elapsed())
    }

    /// Returns whether the other side or an error ended it.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// After that it must not be used again.
    pub(super) fn use_until(&self) -> Instant {
        self.use_until
    }

    /// Sends the request and reads the answer, at most `max_bytes` of its body, within `limit`.
    pub(super) async fn ask(
        &mut self,
        request: Request<Full<Bytes>>,
        max_bytes: usize,
        limit: Instant,
        steps: &mut Steps,
    ) -> Result<Answer, Failure> {
        let what = format!("{} {}", request.method(), request.uri().path());
        let began = Instant::now();
        let silent = |steps: &Steps, peer: &Endpoint, what: &str| {
            let words =
                format!("{peer} accepted the connection, but gave no answer to {what} within {}", steps.allowed());
            Failure::new(Reason::Timeout, words)
        };
        let sent = async {
            self.sender.ready().await?;
            self.sender.send_request(request).await
        };
        let response = match timeout_at(limit, sent).await {
            Err(_) => return Err(silent(steps, &self.endpoint, &what)),
            Ok(Err(error)) => return Err(self.broken(error).await),
            Ok(Ok(response)) => response,
        };
        steps.phases.processing = Some(began.elapsed());
        steps.note(format_args!("{what}: HTTP {}", response.status().as_u16()));
        let first_byte = Instant::now();
        let answer = self.read(response, max_bytes, limit, steps, &what).await?;
        steps.phases.transfer = Some(first_byte.elapsed());
        Ok(answer)
    }

    async fn read(
        &self,
        response: Response<Incoming>,
        max_bytes: usize,
        limit: Instant,
        steps: &mut Steps,
        what: &str,
    ) -> Result<Answer, Failure> {
        let (parts, mut incoming) = response.into_parts();
        let mut body = BytesMut::new();
        let mut cut = false;
        loop {
            match timeout_at(limit, incoming.frame()).await {
                Err(_) => {
                    let words = format!(
                        "{} began its answer to {what} (HTTP {}), but had not ended it within {}",
                        self.endpoint,
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
    async fn broken(&mut self, error: hyper::Error) -> Failure {
        if (error.is_canceled() || error.is_closed())
            && let Ok(Ok(Err(why))) = timeout(LAST_WORDS, &mut self.driver).await
        {
            return self.answering(&why);
        }
        self.answering(&error)
    }

    fn answering(&self, error: &hyper::Error) -> Failure {
        if self.first.is_http2() {
            return failure::http2_only(&self.endpoint);
        }
        failure::answering(error, &self.endpoint, self.auth)
    }
}

/// When a connection opened now should be closed: the age limit, less up to a fifth by chance, so that handshakes
/// of connections that began together drift apart.
fn use_until() -> Instant {
    Instant::now() + AGE_MAX.mul_f64(fastrand::f64().mul_add(-0.2, 1.0))
}

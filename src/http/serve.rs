//! Accepting connections, under limits, until told to stop.
//!
//! A client has so long for its handshake, for a request's line and headers, for a body (`guard`, `api_v1::params`,
//! `ping`), and for reading on; who takes longer is cut off, and sooner where others want the place (`connections`).

use std::{
    convert::Infallible,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, HttpBody},
    extract::Request,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{StatusCode, header};
use hyper::{
    body::{Frame, Incoming, SizeHint},
    server::conn::http1,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::timeout,
};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::{ServiceExt as _, service_fn};

use super::connections::{Connections, Place, Share, Weight};
use crate::login::{Peer, Tls, named};

/// A request's line and headers have to come within this; it bounds idle kept-alive connections too.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(15);

/// A client that reads nothing of its answer for so long is gone, or means harm.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);

/// The most bytes of a request's line and headers.
const HEADERS_MAX_BYTES: usize = 16 << 10;

/// The most headers of a request.
const HEADERS_MAX: usize = 64;

/// The longest that a connection takes requests. Then the browser makes a new one.
const CONNECTION_MAX: Duration = Duration::from_secs(600);

/// The request under way at that moment may still take this long: a query its default timeout, and some more to be read.
const LAST_REQUEST: Duration = Duration::from_secs(150);

/// After being told to stop, requests under way may still take this long.
const GRACE: Duration = Duration::from_secs(2);

/// A pause after a failed accept (out of file descriptors): trying at once would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A TLS handshake has to end within this.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The first byte of every TLS connection (RFC 8446 5.1).
const TLS_HANDSHAKE: u8 = 22;

/// For those who speak plain HTTP where TLS is spoken.
const SPEAK_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 42\r\n\
    connection: close\r\n\r\ndogwatch speaks TLS here: ask by https://\n";

/// Serves until `stop`; then accepts nothing more, lets requests under way end, and returns within two seconds.
/// Only the API's forms are ever read as a body, up to a limit and in a limited time.
pub async fn serve(listener: TcpListener, router: Router, connections: Connections, stop: CancellationToken) {
    serve_until(listener.into(), router, watch::channel(None).1, connections, (stop.clone(), stop)).await;
}

/// The same, where another listener may take its place: from `leave` on, which comes with `stop` at the latest, it accepts
/// nothing more, and requests under way have the time that they need. Each connection speaks TLS as `tls` has it then.
pub async fn serve_until(
    listener: Arc<TcpListener>,
    router: Router,
    tls: watch::Receiver<Option<Tls>>,
    connections: Connections,
    (leave, stop): (CancellationToken, CancellationToken),
) {
    let tasks = TaskTracker::new();
    let spawn = |stream: TcpStream, place| {
        let (tls, until) = (tls.borrow().clone(), (leave.clone(), stop.clone()));
        tasks.spawn(connection(stream, tls, router.clone(), until, place));
    };
    while let Some((stream, from)) = accept(&listener, &connections, &leave).await {
        // Accepted is accepted: also when another listener takes over meanwhile.
        let Some(place) = stop.run_until_cancelled(connections.place(from)).await else { break };
        spawn(stream, place);
    }
    // Who has a connection in the kernel's queue believes to be connected.
    while let Some(Ok((stream, from))) = listener.accept().now_or_never() {
        let Some(place) = connections.try_place(from.ip()) else { break };
        spawn(stream, place);
    }
    drop(listener);
    tasks.close();
    let stopped = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        () = tasks.wait() => {}
        () = stopped => {
            tracing::warn!(connections = tasks.len(), "HTTP connections were cut after {} s", GRACE.as_secs());
        }
    }
}

/// The next connection, and from where; `None` when it is time to stop.
async fn accept(
    listener: &TcpListener,
    connections: &Connections,
    stop: &CancellationToken,
) -> Option<(TcpStream, IpAddr)> {
    let next = async {
        loop {
            match listener.accept().await {
                Ok((stream, from)) => return (stream, from.ip()),
                Err(e) => {
                    tracing::debug!(error = %e, "a connection could not be accepted");
                    connections.spare_a_file();
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    stop.run_until_cancelled(next).await
}

async fn connection(
    stream: TcpStream,
    tls: Option<Tls>,
    router: Router,
    until: (CancellationToken, CancellationToken),
    place: Place,
) {
    let Ok(address) = stream.peer_addr() else { return };
    let peer = |certificate: Option<String>| Peer { address: address.ip(), certificate: certificate.map(Into::into) };
    let place = Arc::new(place);
    let served = async {
        let Some(tls) = tls else { return speak(stream, router, peer(None), until, place.clone()).await };
        let handshake = timeout(HANDSHAKE_TIMEOUT, handshake(stream, &tls));
        if let Some(Ok(Some(stream))) = until.1.run_until_cancelled(handshake).await {
            let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
            let peer = peer(certificates.first().and_then(named));
            speak(stream, router, peer, until.clone(), place.clone()).await;
        }
    };
    if place.leave().run_until_cancelled(served).await.is_none() {
        tracing::debug!("a connection that waited for its client was closed, to make room");
    }
}

async fn handshake(mut stream: TcpStream, tls: &Tls) -> Option<TlsStream<TcpStream>> {
    let mut first = [TLS_HANDSHAKE];
    stream.peek(&mut first).await.ok()?;
    if first != [TLS_HANDSHAKE] {
        // What is not read would have the kernel break the connection off before the answer is there.
        let mut request = vec![0; HEADERS_MAX_BYTES];
        if stream.read(&mut request).await.ok()? == 0 {
            return None;
        }
        stream.write_all(SPEAK_TLS).await.ok()?;
        return None;
    }
    match TlsAcceptor::from(tls.current().await).accept(stream).await {
        Ok(stream) => Some(stream),
        Err(e) => {
            tracing::debug!(error = %e, "a TLS handshake failed");
            None
        }
    }
}

/// An answer, or the word that too many requests of its kind are worked on.
async fn answer(request: hyper::Request<Incoming>, peer: Peer, router: Router, place: Arc<Place>) -> Response {
    let response = match place.begin(Share::of(request.uri().path())) {
        Ok(()) => {
            let place = place.clone();
            let mut request: Request = request.map(|body| Body::new(Watched { body, place }));
            request.extensions_mut().insert(peer);
            router.oneshot(request).await.unwrap_or_else(|never| match never {})
        }
        Err(_) => {
            let text = "dogwatch answers as many requests of this kind as it can: try again.\n";
            (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], text).into_response()
        }
    };
    let weight = response.extensions().get::<Weight>().map_or_else(|| response.body().size_hint().lower(), |w| w.0);
    place.answered(weight);
    response
}

/// A request's body; while its rest is waited for, so it is said.
struct Watched {
    body: Incoming,
    place: Arc<Place>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Pending => self.place.waits(),
            // Who sends a byte now and then is waited for all the same.
            Poll::Ready(Some(Ok(_))) if !self.body.is_end_stream() => {}
            Poll::Ready(_) => self.place.works(),
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    router: Router,
    peer: Peer,
    (leave, stop): (CancellationToken, CancellationToken),
    place: Arc<Place>,
) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let answer = answer(request, peer.clone(), router.clone(), place.clone());
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_TIMEOUT)
        .max_buf_size(HEADERS_MAX_BYTES)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(service));
    let mut connection = std::pin::pin!(connection);
    let serving = async {
        if let Ok(ended) = timeout(CONNECTION_MAX, connection.as_mut()).await {
            return Ok(ended);
        }
        connection.as_mut().graceful_shutdown();
        timeout(LAST_REQUEST, connection.as_mut()).await
    };
    let ended = if let Some(ended) = leave.run_until_cancelled(serving).await {
        ended
    } else {
        connection.as_mut().graceful_shutdown();
        match stop.run_until_cancelled(timeout(LAST_REQUEST, connection.as_mut())).await {
            Some(ended) => ended,
            None => timeout(GRACE, connection).await,
        }
    };
    if let Ok(Err(e)) = ended {
        tracing::debug!(error = %e, "an HTTP connection ended badly");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;

    #[tokio::test(start_paused = true)]
    async fn a_connection_too_old_ends_after_its_request() {
        let slow = || tokio::time::sleep(CONNECTION_MAX + Duration::from_secs(60));
        let router = Router::new().route("/", get(async move || (slow().await, "made").1));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let connections = Connections::new(Arc::default());
        let served = tokio::spawn(serve(listener, router, connections, stop.clone()));
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: watch\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("made"), "{answer}");
        stop.cancel();
        served.await.unwrap();
    }
}

//! Accepting connections, under limits, until told to stop.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::Request};
use futures_util::FutureExt as _;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use nix::sys::resource::{Resource, getrlimit};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::{ServiceExt as _, service_fn};

use crate::login::Tls;

/// The most connections at a time: the page reloads on a short connection, a scraper holds one. More wait in the
/// kernel's queue.
const CONNECTIONS_MAX: usize = 256;

/// Of the file descriptors, this part at most is for those who ask us: the rest is for watching.
const FILES_SHARE: u64 = 4;

/// A request's line and headers have to come within this; it bounds idle kept-alive connections too.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(15);

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
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    serve_until(listener.into(), router, watch::channel(None).1, stop.clone(), stop).await;
}

/// The same, where another listener may take its place: from `leave` on, which comes with `stop` at the latest, it accepts
/// nothing more, and requests under way have the time that they need. Each connection speaks TLS as `tls` has it then.
pub async fn serve_until(
    listener: Arc<TcpListener>,
    router: Router,
    tls: watch::Receiver<Option<Tls>>,
    leave: CancellationToken,
    stop: CancellationToken,
) {
    let room = Arc::new(Semaphore::new(room()));
    let connections = TaskTracker::new();
    let spawn = |stream, permit| {
        let (tls, until) = (tls.borrow().clone(), (leave.clone(), stop.clone()));
        connections.spawn(connection(stream, tls, router.clone(), until, permit));
    };
    while let Some((stream, permit)) = accept(&listener, &room, &leave).await {
        spawn(stream, permit);
    }
    // Who has a connection in the kernel's queue believes to be connected.
    while let (Ok(permit), Some(Ok((stream, _)))) = (room.clone().try_acquire_owned(), listener.accept().now_or_never())
    {
        spawn(stream, permit);
    }
    drop(listener);
    connections.close();
    let stopped = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        () = connections.wait() => {}
        () = stopped => {
            tracing::warn!(connections = connections.len(), "HTTP connections were cut after {} s", GRACE.as_secs());
        }
    }
}

/// How many connections are taken at a time.
fn room() -> usize {
    let files = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft);
    usize::try_from(files / FILES_SHARE).unwrap_or(usize::MAX).clamp(1, CONNECTIONS_MAX)
}

/// The next connection with its place among [`room`]; `None` when it is time to stop.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let next = async {
        let permit = room.clone().acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return Some((stream, permit)),
                Err(e) => {
                    tracing::debug!(error = %e, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    stop.run_until_cancelled(next).await.flatten()
}

async fn connection(
    stream: TcpStream,
    tls: Option<Tls>,
    router: Router,
    until: (CancellationToken, CancellationToken),
    _permit: OwnedSemaphorePermit,
) {
    let Some(tls) = tls else { return speak(stream, router, until).await };
    let handshake = timeout(HANDSHAKE_TIMEOUT, handshake(stream, &tls));
    if let Some(Ok(Some(stream))) = until.1.run_until_cancelled(handshake).await {
        speak(stream, router, until.clone()).await;
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

async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    router: Router,
    (leave, stop): (CancellationToken, CancellationToken),
) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let request: Request = request.map(Body::new);
        let router = router.clone();
        async move { Ok::<_, Infallible>(router.oneshot(request).await.unwrap_or_else(|never| match never {})) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_TIMEOUT)
        .max_buf_size(HEADERS_MAX_BYTES)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
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
        let served = tokio::spawn(serve(listener, router, stop.clone()));
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: watch\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("made"), "{answer}");
        stop.cancel();
        served.await.unwrap();
    }
}

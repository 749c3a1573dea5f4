//! What bytes flow through, whatever carries them.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Anything that bytes flow through.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// A stream of any kind: TCP, through a proxy, TLS.
pub type BoxedStream = Box<dyn Stream>;

/// The first bytes that came, for telling what was spoken where it was not HTTP/1.1.
#[derive(Clone, Debug, Default)]
pub(super) struct FirstBytes(Arc<Mutex<Vec<u8>>>);

/// A frame's header in HTTP/2 (RFC 9113, section 4.1).
const FRAME_HEADER: usize = 9;

impl FirstBytes {
    /// Listens to what comes over a stream.
    pub(super) fn of(&self, stream: BoxedStream) -> BoxedStream {
        Box::new(Overheard { stream, first: self.clone() })
    }

    /// Returns whether a connection of HTTP/2 begins with a SETTINGS frame, or ends at once with GOAWAY; both belong to
    /// stream 0.
    pub(super) fn is_http2(&self) -> bool {
        const SETTINGS: u8 = 4;
        const GOAWAY: u8 = 7;
        matches!(self.lock()[..], [0, _, _, SETTINGS | GOAWAY, _, 0, 0, 0, 0])
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, bytes: &[u8]) {
        let mut first = self.lock();
        let room = FRAME_HEADER - first.len();
        first.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

struct Overheard {
    stream: BoxedStream,
    first: FirstBytes,
}

impl AsyncRead for Overheard {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if polled.is_ready() {
            self.first.hear(&buf.filled()[before..]);
        }
        polled
    }
}

impl AsyncWrite for Overheard {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

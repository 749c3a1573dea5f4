//! What bytes flow through, whatever carries them.

use tokio::io::{AsyncRead, AsyncWrite};

/// Anything that bytes flow through.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// A stream of any kind: TCP, through a proxy, TLS.
pub(super) type BoxedStream = Box<dyn Stream>;

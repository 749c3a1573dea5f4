//! A question by UDP and its answer: asked again where it is lost, and nothing taken that answers something else, since
//! anybody can send a datagram.

use std::net::SocketAddr;

use tokio::{
    net::UdpSocket,
    time::{Duration, Instant, timeout_at},
};

use super::found::Found;
use crate::{
    dial::{Line, Place},
    model::{Failure, Reason},
};

/// A datagram that is lost is asked for again after this: within a usual timeout twice.
pub(super) const AGAIN: Duration = Duration::from_millis(1_500);

/// What is asked.
pub(super) trait Question: Send {
    /// What an answer tells.
    type Answer: Send;

    /// Returns the datagram, each time that it is sent.
    fn datagram(&mut self) -> Vec<u8>;

    /// Reads one that came; `None`: it answers something else.
    fn read(&mut self, datagram: &[u8]) -> Option<Self::Answer>;
}

/// Returns a socket that hears of one place alone, and of what the network says on the way to it.
///
/// # Errors
/// Why there is none.
pub(super) async fn socket(place: &Place, found: &mut Found) -> Result<(UdpSocket, SocketAddr), Failure> {
    let address = found.line.resolve(place).await?.first().copied();
    let address = address.ok_or_else(|| Failure::new(Reason::Dns, format!("{place} has no address")))?;
    found.line.asks(address);
    let any: SocketAddr = if address.is_ipv4() { ([0u8; 4], 0).into() } else { ([0u16; 8], 0).into() };
    let failed = |e: std::io::Error| Line::failed(&e, place);
    let socket = UdpSocket::bind(any).await.map_err(failed)?;
    socket.connect(address).await.map_err(failed)?;
    Ok((socket, address))
}

/// Asks until there is an answer.
///
/// # Errors
/// Why there is none.
pub(super) async fn ask<Q: Question>(question: &mut Q, place: &Place, found: &mut Found) -> Result<Q::Answer, Failure> {
    let (socket, address) = socket(place, found).await?;
    let failed = |e: std::io::Error| Line::failed(&e, place);
    let mut datagram = vec![0; usize::from(u16::MAX)];
    let deadline = found.line.deadline();
    while Instant::now() < deadline {
        socket.send(&question.datagram()).await.map_err(failed)?;
        found.line.note(format_args!("asked {address} by UDP"));
        let until = deadline.min(Instant::now() + AGAIN);
        while let Ok(came) = timeout_at(until, socket.recv(&mut datagram)).await {
            let n = came.map_err(failed)?;
            match question.read(datagram.get(..n).unwrap_or_default()) {
                Some(answer) => return Ok(answer),
                None => found.line.note("a datagram came that answers something else"),
            }
        }
    }
    Err(Failure::new(Reason::Timeout, format!("{place} did not answer by UDP within {}", found.line.allowed())))
}

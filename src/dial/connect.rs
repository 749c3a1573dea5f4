//! From a name to a TCP stream: every address in turn.

use std::{io, net::SocketAddr, os::fd::AsRawFd};

use nix::sys::resource::{Resource, getrlimit};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};

use super::{endpoint::Endpoint, failure, resolve, shape, steps::Steps};
use crate::model::{Failure, Reason};

/// Returns a TCP connection to the endpoint itself.
pub(super) async fn tcp(endpoint: &Endpoint, steps: &mut Steps) -> Result<TcpStream, Failure> {
    let addresses = resolve::addresses(endpoint, steps).await?;
    let stream = first_of(&addresses, TcpStream::connect, steps).await?;
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft);
    match room(u64::try_from(stream.as_raw_fd()).unwrap_or_default(), limit) {
        Room::None => return Err(failure::no_files(endpoint)),
        Room::Scarce => steps.crowded = true,
        Room::Enough => {}
    }
    // A request is one small write: waiting for more to send would be measured as the server's slowness.
    _ = stream.set_nodelay(true);
    Ok(stream)
}

/// The last file descriptors, at most this many and an eighth of all, are not for probes: the word that there are none
/// left must still get out, and the store must be written.
const RESERVED: u64 = 32;

/// Beyond half of the file descriptors, no connection is kept for later: those that are asked now need them.
const KEPT_SHARE: u64 = 2;

/// How much room there is for probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    Enough,
    /// For what is asked now.
    Scarce,
    /// The last descriptors are not for probes.
    None,
}

/// How much is left, by the number of the newest descriptor: the kernel gives the lowest that is free.
fn room(fd: u64, limit: u64) -> Room {
    match fd {
        _ if fd >= limit - RESERVED.min(limit / 8) => Room::None,
        _ if fd >= limit / KEPT_SHARE => Room::Scarce,
        _ => Room::Enough,
    }
}

/// Tries each address with its share of the time that is left; of several failures the one that says most is told.
async fn first_of<S, F>(
    addresses: &[SocketAddr],
    connect: impl Fn(SocketAddr) -> F,
    steps: &mut Steps,
) -> Result<S, Failure>
where
    F: Future<Output = io::Result<S>>,
{
    let began = Instant::now();
    let mut told: Option<Failure> = None;
    let mut silent = Vec::new();
    for (i, address) in addresses.iter().enumerate() {
        let share = steps.left() / u32::try_from(addresses.len() - i).unwrap_or(1);
        steps.peer = Some(*address);
        let asked = Instant::now();
        match timeout(share, connect(*address)).await {
            Ok(Ok(stream)) => {
                steps.phases.connect = Some(began.elapsed());
                steps.note(format_args!("connected to {address}"));
                let shape = shape::of(addresses.get(..i).unwrap_or_default(), *address, asked.elapsed());
                shape.words.iter().for_each(|words| steps.note(words));
                steps.shape = Some(shape);
                return Ok(stream);
            }
            Ok(Err(e)) => {
                let failure = failure::connecting(&e, address);
                steps.note(&failure.message);
                // What fails on our side (IPv6 that this machine lacks) says less than what another address answers.
                if told.as_ref().is_none_or(|t| t.ours.is_some() && failure.ours.is_none()) {
                    told = Some(failure);
                }
            }
            Err(_) => {
                steps.note(format_args!("no TCP answer from {address}"));
                silent.push(address.to_string());
            }
        }
    }
    let told = told.filter(|t| t.ours.is_none() || silent.is_empty());
    Err(told.unwrap_or_else(|| {
        let words = format!("no TCP answer from {} within {}", silent.join(", "), steps.allowed());
        Failure::new(Reason::Timeout, words)
    }))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_last_descriptors_are_not_for_probes_and_the_upper_half_is_not_kept() {
        let check = |fd, limit, expected| assert_eq!(room(fd, limit), expected, "{fd} of {limit}");
        check(31, 64, Room::Enough);
        check(32, 64, Room::Scarce);
        check(55, 64, Room::Scarce);
        check(56, 64, Room::None);
        check(511, 1024, Room::Enough);
        check(991, 1024, Room::Scarce);
        check(992, 1024, Room::None);
        check(9_000, u64::MAX, Room::Enough);
    }

    #[derive(Clone, Copy)]
    enum Host {
        BlackHole,
        Fails(io::ErrorKind),
        Answers,
    }

    async fn check(hosts: &[Host], expected: Result<(), (Reason, &str)>) {
        let addresses: Vec<SocketAddr> =
            (1..=hosts.len()).map(|i| format!("10.0.0.{i}:6443").parse().unwrap()).collect();
        let connect = |address: SocketAddr| {
            let host = hosts[addresses.iter().position(|a| *a == address).unwrap()];
            async move {
                match host {
                    Host::BlackHole => std::future::pending().await,
                    Host::Fails(kind) => Err(kind.into()),
                    Host::Answers => Ok(()),
                }
            }
        };
        let mut steps = Steps::start(Instant::now() + Duration::from_millis(200));
        let seen = first_of(&addresses, connect, &mut steps).await;
        let seen = seen.map_err(|f| (f.reason, f.message));
        assert_eq!(seen, expected.map_err(|(reason, words)| (reason, words.to_owned())));
    }

    #[tokio::test]
    async fn every_address_has_its_share_of_the_time() {
        use Host::*;
        let refused = Fails(io::ErrorKind::ConnectionRefused);
        check(&[Answers], Ok(())).await;
        check(&[refused, Answers], Ok(())).await;
        check(&[BlackHole, Answers], Ok(())).await;
        check(&[BlackHole, BlackHole, Answers], Ok(())).await;
        check(&[BlackHole], Err((Reason::Timeout, "no TCP answer from 10.0.0.1:6443 within 200 ms"))).await;
        let both = "no TCP answer from 10.0.0.1:6443, 10.0.0.2:6443 within 200 ms";
        check(&[BlackHole, BlackHole], Err((Reason::Timeout, both))).await;
        let words = "connection refused by 10.0.0.2:6443: nothing listens there";
        check(&[BlackHole, refused], Err((Reason::Refused, words))).await;
        let unreachable = Fails(io::ErrorKind::HostUnreachable);
        check(&[unreachable], Err((Reason::Unreachable, "no route to the host 10.0.0.1:6443"))).await;
        let no_ipv6 = Fails(io::ErrorKind::AddrNotAvailable);
        let words = "no local address or port is left to reach 10.0.0.1:6443 from";
        check(&[no_ipv6], Err((Reason::Local, words))).await;
        check(
            &[no_ipv6, refused],
            Err((Reason::Refused, "connection refused by 10.0.0.2:6443: nothing listens there")),
        )
        .await;
        check(&[no_ipv6, Answers], Ok(())).await;
        let silent = "no TCP answer from 10.0.0.2:6443 within 200 ms";
        check(&[no_ipv6, BlackHole], Err((Reason::Timeout, silent))).await;
    }
}

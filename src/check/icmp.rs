//! Echo requests by ICMP: whether a host answers, how long the way takes, how much of it is lost.
//!
//! By the kernel's own unprivileged sockets for it (`net.ipv4.ping_group_range`), else by a raw socket (CAP_NET_RAW), else the
//! failure says what to do. Every request has a token that nobody can guess.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::UdpSocket,
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    condition::Condition,
    found::Found,
    prober::{Address, Asking, Prober, Problems},
};
use crate::{
    dial::{Line, Place, spoken},
    model::{Failure, Measure, Ours, Reason},
};

/// More are a load, and tell no more within one probe.
const PACKETS_MAX: u16 = 50;
/// Requests go out so far apart, or closer where the probe's time is short.
const GAP: Duration = Duration::from_millis(200);
/// Where some answered, the last one is waited for this long, or twice the longest time so far.
const LATE: Duration = Duration::from_secs(1);
/// So long a payload fits on every network without being cut.
const SIZE_MAX: u16 = 1_400;
/// The token in each payload.
const TOKEN: usize = 16;
/// The header of an echo message.
const HEADER: usize = 8;

/// `icmp:` of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IcmpConfig {
    /// A name or an address.
    pub host: String,
    /// Echo requests in one probe.
    #[serde(default = "three")]
    pub packets: u16,
    /// Bytes of payload in each.
    #[serde(default = "usual")]
    pub payload_size: u16,
    /// The kind of address that is asked where the name has both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_protocol: Option<IpProtocol>,
    /// What the answers must be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Condition>,
}

fn three() -> u16 {
    3
}

/// What ping sends.
fn usual() -> u16 {
    56
}

/// A version of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IpProtocol {
    /// IPv4
    Ip4,
    /// IPv6
    Ip6,
}

impl IcmpConfig {
    fn place(&self) -> Place {
        Place { host: self.host.trim_start_matches('[').trim_end_matches(']').to_owned(), port: 0 }
    }
}

impl Prober for IcmpConfig {
    fn layer(&self) -> u8 {
        0
    }

    fn at(&self) -> String {
        self.host.clone()
    }

    fn address(&self) -> Option<Address<'_>> {
        let is_name = !self.host.contains(|c: char| c.is_whitespace() || c == '/' || c == '@');
        let place = is_name.then(|| self.place()).ok_or_else(|| "write a name or an address, no URL".to_owned());
        Some(Address { key: ".host", text: &self.host, place, at_nodes: false })
    }

    fn instance(&self) -> String {
        self.host.clone()
    }

    fn expect(&self) -> &[Condition] {
        &self.expect
    }

    fn subjects(&self) -> (&'static [&'static str], &'static str) {
        (&["loss", "jitter", "rtt"], "a ping")
    }

    fn problems(&self) -> Problems {
        let mut all = Vec::new();
        if !(1..=PACKETS_MAX).contains(&self.packets) {
            all.push((".packets".to_owned(), format!("must be from 1 to {PACKETS_MAX}")));
        }
        if !(TOKEN..=usize::from(SIZE_MAX)).contains(&usize::from(self.payload_size)) {
            let why =
                format!("must be from {TOKEN} to {SIZE_MAX}: the token of a request, and what fits into one packet");
            all.push((".payload_size".to_owned(), why));
        }
        all
    }

    fn probe<'a>(&'a self, found: &'a mut Found) -> Asking<'a> {
        Box::pin(probe(self, found))
    }
}

/// A socket for echo messages.
struct Pinger {
    socket: UdpSocket,
    is_v4: bool,
    /// A raw socket hears of all ICMP, with IPv4's header before it.
    is_raw: bool,
    id: u16,
    token: [u8; TOKEN],
    size: usize,
}

impl Pinger {
    fn open(ip: IpAddr, size: u16) -> Result<Self, Failure> {
        let is_v4 = ip.is_ipv4();
        let (domain, protocol) =
            if is_v4 { (Domain::IPV4, Protocol::ICMPV4) } else { (Domain::IPV6, Protocol::ICMPV6) };
        let may_not = |e: &io::Error| {
            matches!(e.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported)
                || e.raw_os_error() == Some(nix::errno::Errno::EPROTONOSUPPORT as i32)
        };
        let failed = |e: io::Error| Line::failed(&e, &ip);
        let (socket, is_raw) = match Socket::new(domain, Type::DGRAM, Some(protocol)) {
            Ok(socket) => (socket, false),
            Err(e) if may_not(&e) => match Socket::new(domain, Type::RAW, Some(protocol)) {
                Ok(socket) => (socket, true),
                Err(e) if may_not(&e) => return Err(forbidden()),
                Err(e) => return Err(failed(e)),
            },
            Err(e) => return Err(failed(e)),
        };
        socket.set_nonblocking(true).map_err(failed)?;
        socket.connect(&SocketAddr::new(ip, 0).into()).map_err(failed)?;
        let socket = UdpSocket::from_std(socket.into()).map_err(failed)?;
        let mut token = [0; TOKEN];
        token.fill_with(|| fastrand::u8(..));
        Ok(Self { socket, is_v4, is_raw, id: fastrand::u16(..), token, size: usize::from(size) })
    }

    /// RFC 792 and RFC 4443, section 4.1. The kernel writes the id of an unprivileged socket and the checksums of it and of
    /// ICMPv6.
    fn request(&self, sequence: u16) -> Vec<u8> {
        let mut bytes = vec![if self.is_v4 { 8 } else { 128 }, 0, 0, 0];
        bytes.extend(self.id.to_be_bytes());
        bytes.extend(sequence.to_be_bytes());
        bytes.extend(self.token);
        bytes.resize(HEADER + self.size, 0);
        if self.is_v4
            && let Some(sum) = bytes.get(..).map(checksum)
            && let Some(place) = bytes.get_mut(2..4)
        {
            place.copy_from_slice(&sum.to_be_bytes());
        }
        bytes
    }

    /// Returns which request this answers; `None`: something else.
    fn sequence(&self, datagram: &[u8]) -> Option<u16> {
        let message = match datagram.first() {
            Some(first) if self.is_raw && self.is_v4 => datagram.get(usize::from(first & 0x0f) * 4..)?,
            _ => datagram,
        };
        let is_reply = *message.first()? == if self.is_v4 { 0 } else { 129 };
        let is_ours = !self.is_raw || message.get(4..6)? == self.id.to_be_bytes();
        let has_token = message.get(HEADER..HEADER + TOKEN)? == self.token;
        let sequence = message.get(6..8)?.try_into().ok().map(u16::from_be_bytes)?;
        (is_reply && is_ours && has_token).then_some(sequence)
    }
}

fn forbidden() -> Failure {
    Failure::ours(
        Ours::Ping,
        "the watchdog's own user may not ping: let the kernel (sysctl net.ipv4.ping_group_range=\"0 2147483647\"), or give \
         the service AmbientCapabilities=CAP_NET_RAW",
    )
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| {
        let high = pair.first().copied().unwrap_or_default();
        u32::from(u16::from_be_bytes([high, pair.get(1).copied().unwrap_or_default()]))
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or_default()
}

/// Sends what is to be sent, and waits for what comes back.
async fn probe(c: &IcmpConfig, found: &mut Found) -> Result<(), Failure> {
    let place = c.place();
    let addresses = found.line.resolve(&place).await?;
    let fits = |ip: IpAddr| match c.ip_protocol {
        None => true,
        Some(IpProtocol::Ip4) => ip.is_ipv4(),
        Some(IpProtocol::Ip6) => ip.is_ipv6(),
    };
    let ip = addresses.iter().map(SocketAddr::ip).find(|ip| fits(*ip));
    let ip = ip.ok_or_else(|| Failure::new(Reason::Dns, format!("{} has no address of that kind", c.host)))?;
    found.line.asks(SocketAddr::new(ip, 0));
    let began = Instant::now();
    let pinger = Pinger::open(ip, c.payload_size)?;
    let setup = began.elapsed();
    let how = if pinger.is_raw { "a raw socket" } else { "an unprivileged socket" };
    found.line.note(format_args!("{} echo requests of {} bytes to {ip} by {how}", c.packets, c.payload_size));
    let (times, refusal) = rounds(&pinger, c.packets, found).await;
    let said: Vec<String> =
        times.iter().map(|t| t.map_or_else(|| "lost".to_owned(), |t| spoken(t).to_string())).collect();
    found.line.note(said.join(", "));
    let came: Vec<Duration> = times.iter().flatten().copied().collect();
    let sent = f64::from(c.packets.max(1));
    #[allow(clippy::cast_precision_loss)] // 50 at the most.
    let (loss, answers) = (1.0 - came.len() as f64 / sent, came.len() as f64);
    found.measure("probe_icmp_loss_ratio", loss);
    found.seen.number("loss", loss * 100.0);
    let phases = [("resolve", found.line.phases().resolve.unwrap_or_default()), ("setup", setup)];
    for (phase, took) in phases {
        found.measures.push(Measure::new("probe_icmp_duration_seconds", took.as_secs_f64()).with("phase", phase));
    }
    if came.is_empty() {
        let silent = || {
            let words = format!("{ip} answered none of {} echo requests within {}", c.packets, found.line.allowed());
            Failure::new(Reason::Timeout, words)
        };
        return Err(refusal.map_or_else(silent, |e| Line::failed(&e, &ip)));
    }
    found.answered = true;
    let mean = came.iter().sum::<Duration>().as_secs_f64() / answers;
    found.measures.push(Measure::new("probe_icmp_duration_seconds", mean).with("phase", "rtt"));
    found.seen.number("rtt", mean);
    found.line.phases().processing = Duration::try_from_secs_f64(mean).ok();
    if let Some(jitter) = jitter(&came) {
        found.measure("probe_icmp_jitter_seconds", jitter);
        found.seen.number("jitter", jitter);
    }
    Ok(())
}

/// The mean difference between one time and the next, in seconds; one alone has none.
fn jitter(times: &[Duration]) -> Option<f64> {
    let differences: Vec<f64> = times.windows(2).map(|pair| pair[0].abs_diff(pair[1]).as_secs_f64()).collect();
    #[allow(clippy::cast_precision_loss)] // 49 at the most.
    (!differences.is_empty()).then(|| differences.iter().sum::<f64>() / differences.len() as f64)
}

/// How long each took; `None` where it is lost. And what the network said meanwhile.
async fn rounds(pinger: &Pinger, packets: u16, found: &Found) -> (Vec<Option<Duration>>, Option<io::Error>) {
    let deadline = found.line.deadline();
    // Half of the time is for the last one's answer.
    let gap = GAP.min(found.line.left() / 2 / u32::from(packets.max(1)));
    let mut sent: Vec<Instant> = Vec::new();
    let mut times = vec![None; usize::from(packets)];
    let mut refusal = None;
    let mut datagram = vec![0; usize::from(u16::MAX)];
    let mut next = Instant::now();
    loop {
        let missing = times.iter().any(Option::is_none);
        let longest: Duration = times.iter().flatten().max().copied().unwrap_or_default();
        let has_answers = times.iter().any(Option::is_some);
        let end = match sent.last() {
            Some(last) if has_answers && sent.len() == times.len() => deadline.min(*last + LATE.max(longest * 2)),
            _ => deadline,
        };
        if !missing || Instant::now() >= end || (refusal.is_some() && sent.len() == times.len()) {
            return (times, refusal);
        }
        tokio::select! {
            () = sleep_until(next), if sent.len() < times.len() => {
                let sequence = u16::try_from(sent.len()).unwrap_or_default();
                sent.push(Instant::now());
                next = Instant::now() + gap;
                if let Err(e) = pinger.socket.send(&pinger.request(sequence)).await {
                    refusal = Some(e);
                }
            }
            came = timeout_at(end, pinger.socket.recv(&mut datagram)) => match came {
                Ok(Ok(n)) => {
                    let sequence = pinger.sequence(datagram.get(..n).unwrap_or_default()).map(usize::from);
                    let at = sequence.and_then(|i| Some((sent.get(i)?, times.get_mut(i)?)));
                    if let Some((sent, time)) = at && time.is_none() {
                        *time = Some(sent.elapsed());
                    }
                }
                Ok(Err(e)) => refusal = Some(e),
                Err(_) => {}
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_that_of_rfc_1071() {
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), 0x220d);
        assert_eq!(checksum(&[1]), 0xfeff);
    }

    #[test]
    fn jitter_is_the_mean_difference_of_neighbours() {
        let ms = |all: &[u64]| jitter(&all.iter().map(|n| Duration::from_millis(*n)).collect::<Vec<_>>());
        assert_eq!(ms(&[10]), None);
        assert_eq!(ms(&[10, 14, 12]), Some(0.003));
    }

    #[tokio::test]
    async fn only_the_answer_to_our_own_request_counts() {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let pinger = Pinger { socket, is_v4: true, is_raw: true, id: 0x1234, token: [7; TOKEN], size: 56 };
        let request = pinger.request(5);
        assert_eq!((request.len(), checksum(&request)), (64, 0));
        let with = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut reply = request.clone();
            reply[0] = 0;
            change(&mut reply);
            let mut packet = vec![0x45; 20];
            packet.extend(reply);
            pinger.sequence(&packet)
        };
        assert_eq!(with(&|_| {}), Some(5));
        assert_eq!(with(&|r| r[0] = 8), None, "our own request");
        assert_eq!(with(&|r| r[4] = 9), None, "another's id");
        assert_eq!(with(&|r| r[20] = 9), None, "another's token");
        assert_eq!(with(&|r| r.truncate(9)), None, "cut");
        assert_eq!(pinger.sequence(&[0x4f]), None);
        assert_eq!(pinger.sequence(&[]), None);
    }
}

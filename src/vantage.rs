//! The watchdog's own view of the network: its link, its default route, and references that are not part of any cluster.
//!
//! It looks and reports; whether the watchdog is cut off is decided in `health::vantage`. Never dials a cluster. A
//! reference that has never answered (a gateway that drops everything, say) tells nothing and is only remembered as such.

use std::{
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use nix::{ifaddrs::getifaddrs, net::if_::InterfaceFlags};
use serde::{Deserialize, Serialize};
use tokio::{
    net::{TcpStream, UdpSocket, lookup_host},
    sync::{Notify, mpsc, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{clock::Clock, health::vantage::ReferenceState};

/// `vantage:` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VantageConfig {
    /// `host`, `host:port` or an IP: something that answers whenever the watchdog's network is fine, and that is not
    /// part of a watched cluster. A refused connection is an answer too.
    pub references: Vec<String>,
    /// Use the default gateway as a reference, if it ever answers.
    pub gateway: bool,
}

impl Default for VantageConfig {
    fn default() -> Self {
        Self { references: Vec::new(), gateway: true }
    }
}

impl VantageConfig {
    /// Nobody is asked: for a cluster within this process. Gateways limit how often they answer one machine, and would
    /// answer the watchdog beside it less.
    pub fn nobody() -> Self {
        Self { references: Vec::new(), gateway: false }
    }
}

/// Holds what one look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VantageReport {
    /// When the look was finished.
    pub at: Timestamp,
    /// The interface of the default route is running; `None` where it can't be known.
    pub link_up: Option<bool>,
    /// There is a default route.
    pub has_default_route: bool,
    /// Every reference.
    pub references: Vec<ReferenceState>,
    /// Since when the link has been down or no useful reference has answered.
    pub failing_since: Option<Timestamp>,
}

/// Between two looks: cut off must be known before silence is confirmed as an outage (which takes over 2 s).
const EVERY: Duration = Duration::from_secs(1);
/// A reference is next door; more than this is silence.
const PATIENCE: Duration = Duration::from_millis(900);
/// Ports tried on a reference without one: something there answers or refuses on nearly every gateway.
const PORTS: [u16; 4] = [53, 443, 80, 22];
/// A datagram to a port where nobody listens makes a live host say so (traceroute's first port).
const UDP_PORT: u16 = 33_434;
/// References looked at; more would only cost.
const REFERENCES_MAX: usize = 16;

/// Looks again and again.
pub struct Watcher {
    config: watch::Receiver<VantageConfig>,
    clock: Clock,
    /// Names of references that have answered once.
    proven: std::collections::HashSet<String>,
    failing_since: Option<Timestamp>,
}

impl Watcher {
    /// Returns a watcher that has not looked yet; whom it asks may change while it runs.
    pub fn new(config: watch::Receiver<VantageConfig>, clock: Clock) -> Self {
        Self { config, clock, proven: std::collections::HashSet::new(), failing_since: None }
    }

    /// Looks every second, and at once when nudged, until told to stop.
    pub async fn run(mut self, reports: mpsc::Sender<VantageReport>, nudge: Arc<Notify>, stop: CancellationToken) {
        loop {
            let report = self.look().await;
            if reports.send(report).await.is_err() {
                return;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
                () = nudge.notified() => {}
                Ok(()) = self.config.changed() => {}
            }
        }
    }

    /// Looks once.
    pub async fn look(&mut self) -> VantageReport {
        let config = self.config.borrow_and_update().clone();
        let route = default_route();
        let link_up = route.as_ref().and_then(|r| link_running(&r.interface));
        let mut asked: Vec<(String, String, bool)> =
            config.references.iter().take(REFERENCES_MAX).map(|r| (r.clone(), r.clone(), true)).collect();
        if let Some(gateway) = route.as_ref().and_then(|r| r.gateway).filter(|_| config.gateway) {
            asked.push((format!("gateway {gateway}"), gateway.to_string(), false));
        }
        let mut looks = JoinSet::new();
        for (i, (_, address, _)) in asked.iter().enumerate() {
            let address = address.clone();
            looks.spawn(async move { (i, answers(&address).await) });
        }
        let mut answering = vec![false; asked.len()];
        while let Some(look) = looks.join_next().await {
            if let Ok((i, yes)) = look {
                answering[i] = yes;
            }
        }
        let references: Vec<ReferenceState> = asked
            .into_iter()
            .zip(answering)
            .map(|((name, _, configured), answering)| {
                if answering {
                    self.proven.insert(name.clone());
                }
                ReferenceState { ever_answered: self.proven.contains(&name), name, configured, answering }
            })
            .collect();
        let useful = references.iter().any(|r| r.configured || r.ever_answered);
        let failing = link_up == Some(false) || (useful && references.iter().all(|r| !r.answering));
        let at = self.clock.wall();
        self.failing_since = failing.then(|| self.failing_since.unwrap_or(at));
        VantageReport { at, link_up, has_default_route: route.is_some(), references, failing_since: self.failing_since }
    }
}

/// Whether anything at the address gives a sign of life: a connection, a refusal, or "port unreachable".
async fn answers(address: &str) -> bool {
    let with_port = address.parse::<SocketAddr>().is_ok()
        || (address.parse::<IpAddr>().is_err()
            && address.rsplit_once(':').is_some_and(|(_, p)| p.parse::<u16>().is_ok()));
    let mut tries = JoinSet::new();
    if with_port {
        let address = address.to_string();
        tries.spawn(async move { tcp_answers(&address).await });
    } else {
        let host = match address.parse::<IpAddr>() {
            Ok(IpAddr::V6(ip)) => format!("[{ip}]"),
            _ => address.to_string(),
        };
        for port in PORTS {
            let address = format!("{host}:{port}");
            tries.spawn(async move { tcp_answers(&address).await });
        }
        tries.spawn(async move { udp_answers(&format!("{host}:{UDP_PORT}")).await });
    }
    timeout(PATIENCE, async {
        while let Some(tried) = tries.join_next().await {
            if matches!(tried, Ok(true)) {
                return true;
            }
        }
        false
    })
    .await
    .unwrap_or(false)
}

async fn tcp_answers(address: &str) -> bool {
    match TcpStream::connect(address).await {
        Ok(_) => true,
        Err(e) => matches!(e.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset),
    }
}

async fn udp_answers(address: &str) -> bool {
    let Ok(mut found) = lookup_host(address).await else { return false };
    let Some(to) = found.next() else { return false };
    let any: SocketAddr = match to {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let Ok(socket) = UdpSocket::bind(any).await else { return false };
    if socket.connect(to).await.is_err() || socket.send(&[]).await.is_err() {
        return false;
    }
    match socket.recv(&mut [0u8; 16]).await {
        Ok(_) => true,
        Err(e) => e.kind() == ErrorKind::ConnectionRefused,
    }
}

/// The default route that the kernel would use.
#[derive(Clone, Debug, PartialEq, Eq)]
struct DefaultRoute {
    interface: String,
    gateway: Option<IpAddr>,
}

fn default_route() -> Option<DefaultRoute> {
    let v4 = std::fs::read_to_string("/proc/net/route").ok().and_then(|t| parse_route(&t));
    v4.or_else(|| std::fs::read_to_string("/proc/net/ipv6_route").ok().and_then(|t| parse_ipv6_route(&t)))
}

/// `/proc/net/route`: `Iface Destination Gateway Flags RefCnt Use Metric Mask …`, addresses in host-order hexadecimal.
fn parse_route(text: &str) -> Option<DefaultRoute> {
    let mut best: Option<(u32, DefaultRoute)> = None;
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [interface, destination, gateway, _, _, _, metric, mask, ..] = fields[..] else { continue };
        if destination != "00000000" || mask != "00000000" {
            continue;
        }
        let metric = metric.parse().unwrap_or(u32::MAX);
        let gateway = u32::from_str_radix(gateway, 16).unwrap_or(0);
        let gateway = (gateway != 0).then(|| IpAddr::V4(Ipv4Addr::from(gateway.to_le_bytes())));
        if best.as_ref().is_none_or(|(m, _)| metric < *m) {
            best = Some((metric, DefaultRoute { interface: interface.to_string(), gateway }));
        }
    }
    best.map(|(_, route)| route)
}

/// `/proc/net/ipv6_route`: `destination prefix source prefix next-hop metric refcnt use flags iface`.
fn parse_ipv6_route(text: &str) -> Option<DefaultRoute> {
    let mut best: Option<(u32, DefaultRoute)> = None;
    for line in text.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [destination, prefix, _, _, hop, metric, _, _, _, interface] = fields[..] else { continue };
        if prefix != "00" || destination.bytes().any(|b| b != b'0') || interface == "lo" {
            continue;
        }
        let metric = u32::from_str_radix(metric, 16).unwrap_or(u32::MAX);
        let hop = u128::from_str_radix(hop, 16).unwrap_or(0);
        // A link-local next hop can't be dialled without its interface's index: the route alone is kept.
        let gateway = Some(Ipv6Addr::from(hop)).filter(|a| hop != 0 && !a.is_unicast_link_local()).map(IpAddr::V6);
        if best.as_ref().is_none_or(|(m, _)| metric < *m) {
            best = Some((metric, DefaultRoute { interface: interface.to_string(), gateway }));
        }
    }
    best.map(|(_, route)| route)
}

/// `IFF_RUNNING`: the cable is in. Virtual interfaces that never say so are told apart by being up without it for ever,
/// which is why `health` only believes it together with silence.
fn link_running(interface: &str) -> Option<bool> {
    let mut found = getifaddrs().ok()?.filter(|a| a.interface_name == interface).map(|a| a.flags);
    let first = found.next()?;
    Some(first.contains(InterfaceFlags::IFF_UP) && first.contains(InterfaceFlags::IFF_RUNNING))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cheapest_default_route_is_found() {
        let text = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
            wlan0\t00000000\t0100A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
            eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
            eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n";
        let want = DefaultRoute { interface: "eth0".into(), gateway: Some("192.168.1.1".parse().unwrap()) };
        assert_eq!(parse_route(text), Some(want));
        assert_eq!(parse_route("garbage\nmore"), None);
    }

    #[test]
    fn a_route_without_gateway_is_a_route() {
        let text = "h\neth0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n";
        assert_eq!(parse_route(text), Some(DefaultRoute { interface: "eth0".into(), gateway: None }));
    }

    #[test]
    fn ipv6_default_route() {
        let zero = "0".repeat(32);
        let text = format!(
            "{zero} 00 {zero} 00 20010db8000000000000000000000001 00000400 00000001 00000000 00000003 eth0\n\
             {zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200 lo\n"
        );
        let want = DefaultRoute { interface: "eth0".into(), gateway: Some("2001:db8::1".parse().unwrap()) };
        assert_eq!(parse_ipv6_route(&text), Some(want));
    }

    #[tokio::test]
    async fn a_refusal_is_an_answer() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert!(answers(&address.to_string()).await);
        drop(listener);
        assert!(answers(&address.to_string()).await, "refused");
        assert!(answers("127.0.0.1").await, "a host without a port");
        assert!(!answers("no-such-host.invalid:53").await);
    }

    #[tokio::test]
    async fn a_configured_reference_that_is_silent_fails_since_the_first_look() {
        let clock = Clock::system();
        let config = VantageConfig { references: vec!["no-such-host.invalid:53".into()], gateway: false };
        let mut watcher = Watcher::new(watch::channel(config).1, clock);
        let first = watcher.look().await;
        let second = watcher.look().await;
        assert_eq!(first.failing_since, Some(first.at));
        assert_eq!(second.failing_since, Some(first.at));
    }
}

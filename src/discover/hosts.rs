//! Which hosts that a cluster tells of are asked. Pure.
//!
//! A node writes its addresses itself: without a look at them, whoever owns one node would choose where the watchdog connects to.

use std::net::{IpAddr, Ipv4Addr};

use url::{Host, Url};

/// The longest host name (RFC 1035).
const NAME_MAX: usize = 253;
/// The longest part of one.
const LABEL_MAX: usize = 63;
/// Where clouds tell a machine its secrets, beside the link-local 169.254.169.254: AWS by IPv6, Alibaba, Oracle's older one.
const METADATA: [&str; 3] = ["fd00:ec2::254", "100.100.100.200", "192.0.0.192"];

/// Which addresses of this machine and its links are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LocalHosts {
    loopback: bool,
    link: bool,
}

impl LocalHosts {
    /// Returns the rule for a cluster: local addresses are taken where the configuration allows them, and loopback where the
    /// kubeconfig's own server is one (kind, minikube, a cluster on this machine).
    pub fn of(server: &Url, allowed: bool) -> Self {
        let here = match server.host() {
            Some(Host::Domain(name)) => is_localhost(name),
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        };
        Self { loopback: allowed || here, link: allowed }
    }

    /// Returns whether a host may be asked: it is an IP address or a DNS name and nothing else (no port, no user, no path), not
    /// everybody, and no local one that is not allowed.
    pub fn allow(self, host: &str) -> bool {
        match host.parse() {
            Ok(ip) => self.allow_ip(ip),
            Err(_) => is_name(host) && (self.loopback || !is_localhost(host)),
        }
    }

    fn allow_ip(self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        let link = match ip {
            IpAddr::V4(ip) => ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_unicast_link_local(),
        };
        let everybody = ip.is_unspecified() || ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST);
        let metadata = link || METADATA.iter().any(|known| known.parse() == Ok(ip));
        !everybody && (self.loopback || !ip.is_loopback()) && (self.link || !metadata)
    }
}

fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || name == "localhost.localdomain"
}

/// Letters, digits, `-` and `_` in parts of 1 to 63 characters. What looks like a number is no name: resolvers read `127.1` and
/// `0x7f000001` as addresses.
fn is_name(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let is_part = |part: &str| {
        (1..=LABEL_MAX).contains(&part.len())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let is_number = |part: &str| part.bytes().all(|b| b.is_ascii_digit()) || part.starts_with("0x");
    text.len() <= NAME_MAX && text.split('.').all(is_part) && !text.rsplit('.').next().is_some_and(is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(server: &str, allowed: bool, host: &str, expected: bool) {
        assert_eq!(LocalHosts::of(&server.parse().unwrap(), allowed).allow(host), expected, "{host}");
    }

    #[test]
    fn only_hosts_are_hosts() {
        for host in [
            "10.0.0.1",
            "fd00::1",
            "2001:db8::1",
            "node-1",
            "ip-10-0-0-1.ec2.internal",
            "Node_1.lab.",
            "8.8.8.8.example.org",
        ] {
            check("https://10.0.0.1", false, host, true);
        }
        let long = "h".repeat(64);
        for text in [
            "",
            ".",
            "a..b",
            "user:pw@10.0.0.1:80/x#",
            "10.0.0.1/latest/meta-data?x=",
            "10.0.0.1:80",
            "[fd00::1]",
            "a b",
            "a\u{202e}b",
            "größe",
            "127.1",
            "2130706433",
            "0x7f000001",
            "10.0.0.0x1",
            &long,
        ] {
            check("https://10.0.0.1", false, text, false);
        }
    }

    #[test]
    fn local_addresses_are_asked_where_they_are_meant() {
        let local = ["127.0.0.1", "::1", "::ffff:127.0.0.1", "localhost", "LOCALHOST.", "a.localhost"];
        let link = ["169.254.169.254", "fe80::1", "fd00:ec2::254", "::ffff:169.254.169.254", "100.100.100.200"];
        for host in local {
            check("https://10.0.0.1", false, host, false);
            check("https://127.0.0.1:6443", false, host, true);
            check("https://localhost:6443", false, host, true);
            check("https://10.0.0.1", true, host, true);
        }
        for host in link {
            check("https://127.0.0.1:6443", false, host, false);
            check("https://10.0.0.1", true, host, true);
        }
        for nobody in ["0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "ff02::1"] {
            check("https://10.0.0.1", true, nobody, false);
        }
    }
}

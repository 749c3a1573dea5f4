//! `listen`: an address as Go's programs take it (`127.0.0.1:9559`, `[::1]:9559`, `:9559`, `localhost:9559`).

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs},
    path::Path,
};

use serde::{Deserializer, de};

use super::PORT;

/// There where this machine speaks IPv6.
const IPV6: &str = "/proc/net/if_inet6";

/// Reads an address. Without a host it is every address of this machine; a name is looked up, IPv4 first, as Go does.
///
/// # Errors
/// When it is none, with an example; when a name can't be found.
pub fn listen(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let wrong = || {
        format!(
            "this is no address to listen on: write host:port, like 127.0.0.1:{PORT} (this machine alone), :{PORT} \
             (everybody who can reach it) or [::1]:{PORT}"
        )
    };
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port: u16 = port.parse().map_err(|_| wrong())?;
    match host {
        "" => Ok((everywhere(), port).into()),
        "localhost" => Ok((Ipv4Addr::LOCALHOST, port).into()),
        name if name.bytes().all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b)) => named(name, port),
        _ => Err(wrong()),
    }
}

/// Both families where there are both: Linux takes IPv4 on `[::]` too.
fn everywhere() -> IpAddr {
    if Path::new(IPV6).exists() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() }
}

fn named(name: &str, port: u16) -> Result<SocketAddr, String> {
    let unknown = || format!("this name can't be found: write the address that it stands for, like 192.0.2.7:{PORT}");
    let found: Vec<SocketAddr> = (name, port).to_socket_addrs().map_err(|_| unknown())?.collect();
    found.iter().find(|a| a.is_ipv4()).or(found.first()).copied().ok_or_else(unknown)
}

/// For serde.
///
/// # Errors
/// As [`listen`]; a bare number is refused with the address that it may mean.
pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<SocketAddr, D::Error> {
    d.deserialize_any(Address)
}

struct Address;

impl de::Visitor<'_> for Address {
    type Value = SocketAddr;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an address like 127.0.0.1:{PORT} or :{PORT}")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<SocketAddr, E> {
        listen(text).map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, _port: u64) -> Result<SocketAddr, E> {
        Err(E::custom("this is a port alone: write 127.0.0.1:PORT (this machine alone) or :PORT (all addresses)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_go_takes_them() {
        let check = |text: &str, expected: &str| match listen(text) {
            Ok(address) => assert_eq!(address.to_string(), expected, "{text}"),
            Err(why) => assert!(!expected.is_empty() && why.contains(expected), "{text}: {why}"),
        };
        check("127.0.0.1:1", "127.0.0.1:1");
        check("[::1]:9559", "[::1]:9559");
        check("localhost:0", "127.0.0.1:0");
        check(":9559", &SocketAddr::from((everywhere(), 9559)).to_string());
        for wrong in
            ["", "127.0.0.1", "127.0.0.1:99999", "::1", "http://127.0.0.1:9559", "everywhere", "a b:1", ":", "x:"]
        {
            check(wrong, "like 127.0.0.1:9559");
        }
        check("no-such-host.invalid:1", "this name can't be found");
    }
}

//! A place to dial: scheme, host, port.

use std::{fmt, net::IpAddr};

use rustls::pki_types::ServerName;
use url::{Host, Url};

use crate::model::{Failure, Reason};

/// Says where a connection goes. `Display` is `host:port`, IPv6 in brackets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Endpoint {
    /// TLS or not.
    pub(super) tls: bool,
    /// A name, or an IP address without brackets.
    pub(super) host: String,
    /// The port.
    pub(super) port: u16,
}

impl Endpoint {
    /// From a URL with the scheme `http` or `https` and a host.
    pub(super) fn of(url: &Url) -> Result<Self, Failure> {
        let refuse = |why: &str| Failure::new(Reason::Dns, format!("{url} can't be dialled: {why}"));
        let tls = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(refuse("its scheme is neither http nor https")),
        };
        let host = match url.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(ip)) => ip.to_string(),
            Some(Host::Ipv6(ip)) => ip.to_string(),
            None => return Err(refuse("it has no host")),
        };
        let port = url.port_or_known_default().ok_or_else(|| refuse("it has no port"))?;
        Ok(Self { tls, host, port })
    }

    /// Returns the host as an address, where it is one.
    pub(super) fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Returns the host as a certificate names it.
    pub(super) fn server_name(&self) -> Option<ServerName<'static>> {
        ServerName::try_from(self.host.clone()).ok()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

//! A connection to somebody who is no cluster: what a check asks. The same resolving, connecting, TLS and words as towards
//! clusters, with no kubeconfig behind it: what is trusted and presented stands in the check.
//!
//! Never kept for later: that a connection comes about is part of what a check asks.

use std::{
    fmt, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use rustls::pki_types::ServerName;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    Answer, Exchange,
    ca::Ca,
    connect,
    endpoint::Endpoint,
    failure::{self, ClientAuth, Spoken},
    identity,
    proxy::Proxies,
    resolve,
    shape::Shape,
    steps::Steps,
    stream::BoxedStream,
    tls::Handshake,
    unpack,
};
use crate::model::{Failure, Phases, Reason, TlsFacts, TraceLine};

/// Files larger than this hold neither certificates nor a key.
const FILE_MAX: u64 = 1 << 20;

/// Where a connection goes; `Display` is `host:port`, IPv6 in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// A name, or an IP address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Place {
    /// Reads `host:port`, `[::1]:port`, or either without a port where there is a usual one.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(text: &str, usual: Option<u16>) -> Result<Self, String> {
        let is_bare = text.matches(':').count() > 1 && !text.starts_with('[');
        let (host, port) = match text.rsplit_once(':').filter(|(_, port)| !is_bare && !port.ends_with(']')) {
            Some((host, port)) => (host, Some(port.parse().map_err(|_| "its port is no number from 1 to 65535")?)),
            None => (text, usual),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c == '/' || c == '@') {
            return Err("write it like git.example.org:22".to_owned());
        }
        match port {
            Some(0) => Err("its port is no number from 1 to 65535".to_owned()),
            Some(port) => Ok(Self { host: host.to_owned(), port }),
            None => Err("it has no port: write it like git.example.org:22".to_owned()),
        }
    }

    fn endpoint(&self, tls: bool) -> Endpoint {
        Endpoint { tls, host: self.host.clone(), port: self.port }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint(false).fmt(f)
    }
}

/// Returns a duration as people say it: `5 s`, `300 ms`.
pub fn spoken(d: Duration) -> impl fmt::Display {
    Spoken(d)
}

/// `tls_config:` of a check, by the names that Prometheus has for them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TlsFiles {
    /// Who must have signed the server's certificate, in PEM; without it those that this machine trusts.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate, in PEM.
    pub cert_file: Option<PathBuf>,
    /// Its key.
    pub key_file: Option<PathBuf>,
    /// The name that the certificate must carry, and that is sent as SNI; without it the host's.
    pub server_name: Option<String>,
    /// A certificate that can't be trusted is no failure.
    pub insecure_skip_verify: bool,
}

impl TlsFiles {
    /// Returns the files that it names.
    pub fn files(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        [&mut self.ca_file, &mut self.cert_file, &mut self.key_file].into_iter().flatten()
    }

    /// Returns what can't work: `(key, why)`.
    pub fn problem(&self) -> Option<(&'static str, String)> {
        if self.cert_file.is_some() != self.key_file.is_some() {
            return Some(("", "cert_file and key_file belong together: give both or none".into()));
        }
        let name = self.server_name.as_ref()?;
        let is_name = ServerName::try_from(name.clone()).is_ok();
        (!is_name).then(|| ("server_name", "this is no name that a certificate could carry".into()))
    }
}

/// What is trusted and presented in one handshake.
#[derive(Debug)]
pub struct Security {
    ca: Ca,
    identity: Option<std::sync::Arc<rustls::sign::CertifiedKey>>,
    server_name: Option<String>,
    insecure: bool,
    alpn: &'static [&'static [u8]],
}

impl Security {
    /// Reads the files, as they are now; `alpn` are the protocols to offer, best first.
    ///
    /// # Errors
    /// Of reason `tls`, where a file can't be read or used; never with what stands in it.
    pub async fn read(files: &TlsFiles, alpn: &'static [&'static [u8]]) -> Result<Self, Failure> {
        let wrong = |path: &Path, why: &dyn fmt::Display| {
            Failure::new(Reason::Tls, format!("{} can't be used: {why}", path.display()))
        };
        let ca = match &files.ca_file {
            None => Ca::system(),
            Some(path) => {
                let text = text_of(path).await.map_err(|e| wrong(path, &e))?;
                Ca::from_pem(&text, &format!("a CA in {}", path.display())).map_err(|e| wrong(path, &e))?
            }
        };
        let identity = match (&files.cert_file, &files.key_file) {
            (Some(cert), Some(key)) => {
                let certificates = text_of(cert).await.map_err(|e| wrong(cert, &e))?;
                let text = text_of(key).await.map_err(|e| wrong(key, &e))?;
                Some(identity::certified(&certificates, &text).map_err(|e| wrong(cert, &e))?)
            }
            _ => None,
        };
        let (server_name, insecure) = (files.server_name.clone(), files.insecure_skip_verify);
        Ok(Self { ca, identity, server_name, insecure, alpn })
    }
}

async fn text_of(path: &Path) -> Result<Vec<u8>, String> {
    let plain = |e: std::io::Error| crate::model::text::unreadable(&e);
    if tokio::fs::metadata(path).await.map_err(plain)?.len() > FILE_MAX {
        return Err(format!("it is larger than {} MiB", FILE_MAX >> 20));
    }
    tokio::fs::read(path).await.map_err(plain)
}

/// What happens on the way to an answer: connections, handshakes, and how long each phase took.
#[derive(Debug)]
pub struct Line(Steps);

impl Line {
    /// Begins now, and ends by `deadline`.
    pub fn new(deadline: Instant) -> Self {
        Self(Steps::start(deadline))
    }

    /// Returns the addresses of a place.
    ///
    /// # Errors
    /// Why there are none.
    pub async fn resolve(&mut self, place: &Place) -> Result<Vec<SocketAddr>, Failure> {
        resolve::addresses(&place.endpoint(false), &mut self.0).await
    }

    /// Says what the operating system's word on a socket towards a peer means.
    pub fn failed(error: &io::Error, peer: &dyn fmt::Display) -> Failure {
        failure::connecting(error, peer)
    }

    /// Connects by TCP, through a proxy where one is given (`http://`, `https://` or `socks5://host:port`).
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn connect(&mut self, place: &Place, tls: bool, proxy: Option<&str>) -> Result<BoxedStream, Failure> {
        let endpoint = place.endpoint(tls);
        match proxy {
            None => Ok(Box::new(connect::tcp(&endpoint, &mut self.0).await?)),
            Some(url) => {
                let proxies = Proxies::new(Some(url)).map_err(|why| Failure::new(Reason::Unreachable, why))?;
                let opened = proxies.open(&endpoint, &mut self.0).await;
                self.0.peer = None;
                opened
            }
        }
    }

    /// Returns what the last connection tells of the way; `None` where there was none, or a proxy's.
    pub fn shape(&self) -> Option<&Shape> {
        self.0.shape.as_ref().filter(|_| self.0.peer.is_some())
    }

    /// Notes the address that is asked by other means than TCP.
    pub fn asks(&mut self, peer: SocketAddr) {
        self.0.peer = Some(peer);
    }

    /// Returns the address that was tried last; `None` where a proxy stands before it.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.0.peer
    }

    /// Shakes hands over a stream; gives the protocol that was agreed on.
    ///
    /// # Errors
    /// Why there is no TLS; what was seen of the certificates is kept.
    pub async fn secure(
        &mut self,
        stream: BoxedStream,
        place: &Place,
        security: &Security,
    ) -> Result<(BoxedStream, Option<Vec<u8>>), Failure> {
        let endpoint = place.endpoint(true);
        let dialled = match &security.server_name {
            Some(name) => ServerName::try_from(name.clone()).ok(),
            None => endpoint.server_name(),
        };
        let dialled = dialled
            .ok_or_else(|| Failure::new(Reason::Tls, format!("{place} has no name that a certificate could carry")))?;
        let handshake = Handshake {
            endpoint,
            sni: dialled.clone(),
            names: vec![dialled],
            ca: security.ca.clone(),
            must_verify: !security.insecure,
            identity: security.identity.clone(),
            alpn: security.alpn,
        };
        let secured = handshake.run(stream, &mut self.0).await?;
        Ok((secured.stream, secured.alpn))
    }

    /// Undoes the compression of an answer, as far as `max_bytes`.
    ///
    /// # Errors
    /// Of reason `body`, where it is not what it says.
    pub async fn unpack(&self, answer: Answer, max_bytes: usize) -> Result<Answer, Failure> {
        unpack::answer(answer, max_bytes).await
    }

    /// Says why there was no answer to a request by HTTP.
    pub fn answering(&self, error: &hyper::Error, place: &Place) -> Failure {
        failure::answering(error, place, ClientAuth::default())
    }

    /// Takes over what an exchange with a cluster has seen; its phases stand for the probe.
    ///
    /// # Errors
    /// Why there was no answer.
    pub fn absorb(&mut self, exchange: Exchange) -> Result<Answer, Failure> {
        exchange.trace.into_iter().for_each(|line| self.0.note(line.text));
        self.0.phases = exchange.phases;
        self.0.tls = exchange.tls.or(self.0.tls.take());
        exchange.outcome
    }

    /// Adds a step.
    pub fn note(&mut self, text: impl fmt::Display) {
        self.0.note(text);
    }

    /// Returns when it must have ended.
    pub fn deadline(&self) -> Instant {
        self.0.deadline()
    }

    /// Returns what is left of its time.
    pub fn left(&self) -> Duration {
        self.0.left()
    }

    /// Returns the time that it had in all, as people say it.
    pub fn allowed(&self) -> impl fmt::Display + use<> {
        self.0.allowed()
    }

    /// Returns the phases so far, to add to them.
    pub fn phases(&mut self) -> &mut Phases {
        &mut self.0.phases
    }

    /// Returns what the last handshake showed.
    pub fn tls(&self) -> Option<&TlsFacts> {
        self.0.tls.as_ref()
    }

    /// Forgets phases and handshake: a further connection stands for the probe.
    pub fn anew(&mut self) {
        self.0.anew();
    }

    /// Gives what was seen.
    pub fn end(self) -> (Phases, Option<TlsFacts>, Vec<TraceLine>) {
        (self.0.phases, self.0.tls, self.0.trace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read() {
        let check = |text: &str, usual: Option<u16>, expected: Option<&str>| {
            assert_eq!(Place::read(text, usual).ok().map(|p| p.to_string()).as_deref(), expected, "{text}");
        };
        check("git.example.org:22", None, Some("git.example.org:22"));
        check("10.0.0.10", Some(53), Some("10.0.0.10:53"));
        check("[fd00::1]:53", None, Some("[fd00::1]:53"));
        check("fd00::1", Some(53), Some("[fd00::1]:53"));
        check("[fd00::1]", Some(53), Some("[fd00::1]:53"));
        for (odd, usual) in [("git", None), ("git:0", None), ("git:x", Some(22)), (":22", None), ("a b:1", None)] {
            check(odd, usual, None);
        }
    }
}

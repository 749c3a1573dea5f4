//! From a name to a TCP stream: DNS, every address in turn, and proxies.

use std::{io, net::SocketAddr};

use http::Uri;
use hyper_util::{
    client::{
        legacy::connect::proxy::{SocksV5, Tunnel},
        proxy::matcher::{Intercept, Matcher},
    },
    rt::TokioIo,
};
use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, timeout, timeout_at},
};
use tower::{Service, service_fn};

use super::{
    endpoint::Endpoint,
    failure,
    steps::Steps,
    stream::BoxedStream,
    tls::{Ca, Handshake},
};
use crate::model::{Failure, Reason};

/// The most addresses of one name that are tried; a balancer's name has two or three.
const ADDRESSES_MAX: usize = 8;

/// Whether and by which proxy an endpoint is dialled.
#[derive(Debug)]
pub(super) struct Proxies {
    matcher: Matcher,
    from_environment: bool,
}

impl Proxies {
    /// The kubeconfig's `proxy-url` is used for all of the cluster, whatever NO_PROXY says (as kubectl does); without
    /// one the environment decides (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY).
    ///
    /// # Errors
    /// When the URL's scheme is not one of http, https, socks5 and socks5h.
    pub(super) fn new(proxy_url: Option<&str>) -> Result<Self, String> {
        let Some(url) = proxy_url.filter(|u| !u.is_empty()) else {
            return Ok(Self { matcher: Matcher::from_env(), from_environment: true });
        };
        let known = ["http://", "https://", "socks5://", "socks5h://"].iter().any(|s| url.starts_with(s));
        let matcher = Matcher::builder().all(url.to_owned()).build();
        if !known || matcher.intercept(&Uri::from_static("https://example.org")).is_none() {
            return Err("proxy-url must be http://, https:// or socks5://host:port".to_owned());
        }
        Ok(Self { matcher, from_environment: false })
    }

    fn of(&self, endpoint: &Endpoint) -> Option<Intercept> {
        // As in Go: a proxy of the environment is never asked for this machine itself.
        let local = endpoint.host == "localhost" || endpoint.ip().is_some_and(|ip| ip.is_loopback());
        if self.from_environment && local {
            return None;
        }
        self.matcher.intercept(&uri(endpoint)?)
    }
}

fn uri(endpoint: &Endpoint) -> Option<Uri> {
    let scheme = if endpoint.tls { "https" } else { "http" };
    format!("{scheme}://{endpoint}/").parse().ok()
}

/// Opens a stream to the endpoint, perhaps through a proxy.
pub(super) async fn open(endpoint: &Endpoint, proxies: &Proxies, steps: &mut Steps) -> Result<BoxedStream, Failure> {
    match proxies.of(endpoint) {
        None => Ok(Box::new(tcp(endpoint, steps).await?)),
        Some(proxy) => through(&proxy, endpoint, steps).await,
    }
}

async fn resolve(endpoint: &Endpoint, steps: &mut Steps) -> Result<Vec<SocketAddr>, Failure> {
    if let Some(ip) = endpoint.ip() {
        return Ok(vec![SocketAddr::new(ip, endpoint.port)]);
    }
    let began = Instant::now();
    let fail = |words: String| Err(Failure::new(Reason::Dns, words));
    let host = &endpoint.host;
    let found = timeout_at(steps.deadline(), lookup_host((host.as_str(), endpoint.port))).await;
    steps.phases.resolve = Some(began.elapsed());
    match found {
        Err(_) => fail(format!("no DNS server answered for {host} within {}", steps.allowed())),
        Ok(Err(e)) => fail(format!("the name {host} does not resolve: {e}")),
        Ok(Ok(found)) => {
            let addresses: Vec<_> = found.take(ADDRESSES_MAX).collect();
            if addresses.is_empty() {
                return fail(format!("the name {host} has no address"));
            }
            let list: Vec<_> = addresses.iter().map(|a| a.ip().to_string()).collect();
            steps.note(format_args!("{host} is {}", list.join(", ")));
            Ok(addresses)
        }
    }
}

async fn tcp(endpoint: &Endpoint, steps: &mut Steps) -> Result<TcpStream, Failure> {
    let addresses = resolve(endpoint, steps).await?;
    let stream = first_of(&addresses, TcpStream::connect, steps).await?;
    // A request is one small write: waiting for more to send would be measured as the server's slowness.
    _ = stream.set_nodelay(true);
    Ok(stream)
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
        match timeout(share, connect(*address)).await {
            Ok(Ok(stream)) => {
                steps.phases.connect = Some(began.elapsed());
                steps.note(format_args!("connected to {address}"));
                return Ok(stream);
            }
            Ok(Err(e)) => {
                let failure = failure::connecting(&e, address);
                steps.note(&failure.message);
                told.get_or_insert(failure);
            }
            Err(_) => {
                steps.note(format_args!("no TCP answer from {address}"));
                silent.push(address.to_string());
            }
        }
    }
    Err(told.unwrap_or_else(|| {
        let words = format!("no TCP answer from {} within {}", silent.join(", "), steps.allowed());
        Failure::new(Reason::Timeout, words)
    }))
}

async fn through(proxy: &Intercept, endpoint: &Endpoint, steps: &mut Steps) -> Result<BoxedStream, Failure> {
    let scheme = proxy.uri().scheme_str().unwrap_or("http").to_owned();
    let default = match scheme.as_str() {
        "https" => 443,
        "http" => 80,
        _ => 1080,
    };
    let place = Endpoint {
        tls: scheme == "https",
        host: proxy.uri().host().unwrap_or_default().trim_matches(['[', ']']).to_owned(),
        port: proxy.uri().port_u16().unwrap_or(default),
    };
    let via = |f: Failure| Failure::new(f.reason, format!("the proxy {place} fails: {}", f.message));
    steps.note(format_args!("through the {scheme} proxy {place}"));
    let tcp = tcp(&place, steps).await.map_err(via)?;
    let stream: BoxedStream = if place.tls { secure(&place, tcp, steps).await.map_err(via)? } else { Box::new(tcp) };
    let began = Instant::now();
    let opened = timeout_at(steps.deadline(), tunnel(&scheme, proxy, endpoint, stream)).await;
    match opened {
        Ok(Ok(stream)) => {
            steps.phases.connect = steps.phases.connect.map(|c| c + began.elapsed());
            steps.note(format_args!("the proxy opened a way to {endpoint}"));
            Ok(stream)
        }
        Ok(Err(why)) => {
            let words = format!("the proxy {place} opens no way to {endpoint}: {why}");
            Err(Failure::new(Reason::Unreachable, words))
        }
        Err(_) => {
            let words = format!("the proxy {place} opened no way to {endpoint} within {}", steps.allowed());
            Err(Failure::new(Reason::Timeout, words))
        }
    }
}

/// TLS to the proxy itself, which this machine's CAs must vouch for.
async fn secure(place: &Endpoint, tcp: TcpStream, steps: &mut Steps) -> Result<BoxedStream, Failure> {
    let Some(name) = place.server_name() else {
        return Err(Failure::new(Reason::Tls, format!("{} is no name for a certificate", place.host)));
    };
    let handshake = Handshake {
        endpoint: place.clone(),
        sni: name.clone(),
        names: vec![name],
        ca: Ca::system(),
        must_verify: true,
        identity: None,
    };
    let secured = handshake.run(tcp, steps).await;
    // Phases and facts of TLS are the target's, not the proxy's.
    steps.phases.tls = None;
    steps.tls = None;
    Ok(secured?.stream)
}

async fn tunnel(
    scheme: &str,
    proxy: &Intercept,
    endpoint: &Endpoint,
    stream: BoxedStream,
) -> Result<BoxedStream, String> {
    let target = uri(endpoint).ok_or("its address can't be written as a URI")?;
    let mut ready = Some(TokioIo::new(stream));
    let connected = service_fn(move |_: Uri| {
        std::future::ready(ready.take().ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)))
    });
    let opened = if scheme.starts_with("socks5") {
        // Names are resolved by the proxy, as Go does for both socks5 and socks5h.
        let mut socks = SocksV5::new(proxy.uri().clone(), connected);
        if let Some((user, password)) = proxy.raw_auth() {
            socks = socks.with_auth(user.to_owned(), password.to_owned());
        }
        socks.call(target).await.map_err(|e| e.to_string())?
    } else {
        let mut tunnel = Tunnel::new(proxy.uri().clone(), connected);
        if let Some(auth) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(auth.clone());
        }
        tunnel.call(target).await.map_err(|e| e.to_string())?
    };
    Ok(opened.into_inner())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

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
    }
}

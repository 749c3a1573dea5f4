//! One component: a port that is held, and a TLS server on it that can be stopped and started.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{
    apiserver, etcd,
    exchange::{Reply, Request},
    health,
    world::{Role, World},
};

/// A client that has not finished its handshake within this is let go.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection without a request for this long is closed, as Go's servers do.
const IDLE: Duration = Duration::from_secs(90);

/// Connections that the kernel keeps ready.
const BACKLOG: u32 = 128;

/// A port that is ours.
#[derive(Debug)]
pub struct Place {
    listener: TcpListener,
    pub address: SocketAddr,
}

impl Place {
    /// `host` with the default port where that is free, else with any; on a system whose loopback is one address
    /// only, any port of that.
    pub fn find(host: IpAddr, port: u16) -> anyhow::Result<Self> {
        let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Self::listen((host, port).into())
            .or_else(|_| Self::listen((host, 0).into()))
            .or_else(|_| Self::listen((localhost, 0).into()))
            .context("no port on loopback can be bound for the fake cluster")
    }

    /// `SO_REUSEADDR` is set after binding: binding respects ports that others hold without listening (another demo
    /// whose member is just dead), and our own lingering connections don't keep us from binding again.
    fn listen(address: SocketAddr) -> std::io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(address)?;
        socket.set_reuseaddr(true)?;
        let listener = socket.listen(BACKLOG)?;
        Ok(Self { address: listener.local_addr()?, listener })
    }
}

/// What keeps a port while its server does not run: bound without listening it refuses connections.
fn hold(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// A component's server.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    part: Part,
    state: State,
}

#[derive(Debug)]
enum State {
    Dead(Option<TcpSocket>),
    Running { stop: CancellationToken, accepting: JoinHandle<()> },
}

impl Server {
    /// Starts it.
    pub fn start(role: Role, place: Place, tls: Arc<rustls::ServerConfig>, world: Arc<World>) -> Self {
        let part = Part { role, world, tls: tls.into() };
        let state = part.run(place.listener);
        Self { address: place.address, part, state }
    }

    /// What it plays.
    pub fn role(&self) -> Role {
        self.part.role
    }

    /// Closes the listener and every connection, as the kernel does for a process that was killed.
    pub async fn kill(&mut self) {
        if let State::Running { stop, accepting } = &mut self.state {
            stop.cancel();
            // It ends by the token alone; a panic in it would have been reported.
            let _ = accepting.await;
            self.state = State::Dead(hold(self.address).ok());
        }
    }

    /// Listens again, if it does not.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        if let State::Dead(held) = &mut self.state {
            let listener = held
                .take()
                .map_or_else(|| hold(self.address), Ok)
                .and_then(|socket| socket.listen(BACKLOG))
                .with_context(|| format!("the fake cluster can't listen on {} again", self.address))?;
            self.state = self.part.run(listener);
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let State::Running { stop, .. } = &self.state {
            stop.cancel();
        }
    }
}

#[derive(Clone)]
struct Part {
    role: Role,
    world: Arc<World>,
    tls: TlsAcceptor,
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.role.fmt(f)
    }
}

impl Part {
    fn run(&self, listener: TcpListener) -> State {
        let stop = CancellationToken::new();
        State::Running { accepting: tokio::spawn(accept(listener, self.clone(), stop.clone())), stop }
    }
}

async fn accept(listener: TcpListener, part: Part, stop: CancellationToken) {
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        // Out of descriptors, or reset before it was accepted: the next one may fare better.
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(connection(stream, part.clone())));
    }
}

async fn connection(stream: TcpStream, part: Part) {
    // A client that hangs up or does not trust us is its own affair.
    let Ok(Ok(stream)) = timeout(PATIENCE, part.tls.accept(stream)).await else { return };
    let known = stream.get_ref().1.peer_certificates().is_some();
    let service = service_fn(move |request: http::Request<Incoming>| {
        let part = part.clone();
        async move {
            let request = Request {
                path: request.uri().path().to_owned(),
                query: request.uri().query().unwrap_or_default().to_owned(),
                known,
            };
            Ok::<_, Infallible>(answer(&part, &request).await.into_response())
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(e) = served {
        tracing::debug!(error = %e, "a connection to the fake cluster ended");
    }
}

async fn answer(part: &Part, request: &Request) -> Reply {
    match part.role {
        Role::ApiServer(_) => apiserver::answer(&part.world, request).await,
        Role::Etcd(i) => etcd::answer(&part.world, i, request).await,
        Role::Scheduler(_) | Role::ControllerManager(_) => health::component(request),
        Role::Kubelet(_) => health::kubelet(request),
    }
}

//! The port: taken once and kept while its address stays; behind it, the newest router answers.

use std::sync::Arc;

use axum::Router;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::Serving;
use crate::{
    http::{self, Connections, Web},
    login::Tls,
};

/// Who answers, and where.
pub struct Server {
    routers: watch::Sender<Router>,
    tls: watch::Sender<Option<Tls>>,
    /// What is listened on; `None`: nothing yet.
    pub(super) listener: Option<Arc<TcpListener>>,
    /// Of the port before and of this one: they share the room.
    connections: Option<Connections>,
    leave: CancellationToken,
    stop: CancellationToken,
}

impl Server {
    /// Not listening yet; ends with `stop`.
    pub fn new(stop: CancellationToken) -> Self {
        let (routers, tls) = (watch::Sender::new(Router::new()), watch::Sender::new(None));
        Self { routers, tls, listener: None, connections: None, leave: stop.child_token(), stop }
    }

    /// Answers from `web` from now on, also on connections that are there already; on another port where one is given.
    pub fn serve(&mut self, web: Web, listener: Option<TcpListener>, serving: &Serving, tasks: &mut JoinSet<()>) {
        self.tls.send_replace(web.door.tls.clone());
        let connections = self.connections.get_or_insert_with(|| Connections::new(web.metrics.clone())).clone();
        drop(self.routers.send_replace(http::router(web)));
        let Some(listener) = listener.map(Arc::new) else { return };
        let before = std::mem::replace(&mut self.leave, self.stop.child_token());
        let router = http::newest(self.routers.subscribe());
        let (tls, until) = (self.tls.subscribe(), (self.leave.clone(), self.stop.clone()));
        let served = http::serve_until(listener.clone(), router, tls, connections, until);
        tasks.spawn_on(served, serving.handle());
        self.listener = Some(listener);
        // Only now that the new port answers.
        before.cancel();
    }
}

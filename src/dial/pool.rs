//! Connections kept alive between exchanges: thousands of kubelets need not each pay a handshake every ten seconds.
//!
//! At most one idle connection per key, [`IDLE_MAX`] in all; each is closed after about five minutes, so that accepting
//! connections and the certificate are looked at now and then.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{Auth, Trust, endpoint::Endpoint, http1::Connection};

/// The most idle connections: 5,000 kubelets and some room. Each costs a file descriptor and some 10 KiB.
const IDLE_MAX: usize = 8192;
/// The longest rest between two uses: servers and NAT tables forget connections after some minutes.
const IDLE_FOR: Duration = Duration::from_secs(90);
/// How often connections that nobody asks for any more are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Holds what must be the same for a connection to be used again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// Where to.
    pub(super) endpoint: Endpoint,
    /// The client certificate.
    pub(super) auth: Auth,
    /// The verdict that the handshake had to pass.
    pub(super) trust: Trust,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

/// The idle connections.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    idle: HashMap<Key, Idle>,
    swept: Option<Instant>,
}

impl Idle {
    fn usable(&mut self, now: Instant) -> bool {
        now < self.connection.use_until() && now - self.since < IDLE_FOR && !self.connection.is_closed()
    }
}

impl Pool {
    /// Takes the idle connection of this key, if it is still good.
    pub(super) fn take(&self, key: &Key) -> Option<Connection> {
        let mut idle = self.lock().idle.remove(key)?;
        idle.usable(Instant::now()).then_some(idle.connection)
    }

    /// Keeps a connection whose answer was read to its end; above the limit it is closed.
    pub(super) fn put(&self, key: Key, connection: Connection) {
        let now = Instant::now();
        let mut inner = self.lock();
        if inner.idle.len() >= IDLE_MAX || inner.swept.is_none_or(|at| now - at >= SWEEP_EVERY) {
            inner.idle.retain(|_, idle| idle.usable(now));
            inner.swept = Some(now);
        }
        if inner.idle.len() < IDLE_MAX {
            inner.idle.insert(key, Idle { connection, since: now });
        }
    }

    /// Closes all, for credentials that changed.
    pub(super) fn clear(&self) {
        self.lock().idle.clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

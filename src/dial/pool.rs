//! Connections kept alive between exchanges, for thousands of kubelets that need not pay a handshake each time.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use tokio::time::Instant;

use super::{Auth, Trust, exchange::Connection};

/// A connection is used no longer than this, so that every target shows a fresh handshake and certificate now and then.
const AGE_MAX: Duration = Duration::from_secs(300);
/// An idle one is not trusted after this: firewalls forget silently.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// Idle connections kept of one cluster: above the 5,000 nodes that Kubernetes supports.
const IDLE_CONNECTIONS_MAX: usize = 6_000;

/// What a connection may be used for.
pub type Key = (String, Trust, Auth);

struct Idle {
    connection: Connection,
    born: Instant,
    age_max: Duration,
    since: Instant,
}

/// Idle connections, one per key.
#[derive(Default)]
pub struct Pool(Mutex<HashMap<Key, Idle>>);

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pool")
    }
}

/// A connection with its birth, to be given back.
pub struct Lease {
    /// The connection.
    pub connection: Connection,
    born: Instant,
    age_max: Duration,
}

impl Lease {
    /// A new connection; its end is jittered so that those made together do not end together.
    pub fn fresh(connection: Connection) -> Self {
        Self { connection, born: Instant::now(), age_max: AGE_MAX.mul_f64(0.75 + fastrand::f64() / 4.0) }
    }
}

impl Pool {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Idle>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// An idle connection that can still be used.
    pub fn take(&self, key: &Key) -> Option<Lease> {
        let now = Instant::now();
        let idle = self.lock().remove(key)?;
        let usable = idle.connection.sender.is_ready() && now - idle.born < idle.age_max && now - idle.since < IDLE_MAX;
        usable.then_some(Lease { connection: idle.connection, born: idle.born, age_max: idle.age_max })
    }

    /// Keeps a connection for the next exchange; past the cap it is closed, which only costs a handshake.
    pub fn give(&self, key: Key, lease: Lease) {
        let now = Instant::now();
        let mut idle = self.lock();
        if idle.len() >= IDLE_CONNECTIONS_MAX {
            idle.retain(|_, i| now - i.since < IDLE_MAX);
        }
        if idle.len() < IDLE_CONNECTIONS_MAX {
            let Lease { connection, born, age_max } = lease;
            idle.insert(key, Idle { connection, born, age_max, since: now });
        }
    }

    /// Closes all: the credentials have changed.
    pub fn clear(&self) {
        self.lock().clear();
    }
}

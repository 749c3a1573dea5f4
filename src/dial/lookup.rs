//! Lookups of names, bounded. The system's resolver holds a thread for as long as it waits, which is longer than any
//! probe does, and nothing can call it back: names without an answer must not take all threads that may block.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
    sync::{Arc, LazyLock},
    time::Duration,
};

use tokio::{
    sync::Semaphore,
    task::spawn_blocking,
    time::{Instant, timeout_at},
};

/// Lookups at once of names that there are few of. With [`NODES_MAX`], half of the threads that may block (512): the
/// others read files and credentials.
const FEW_MAX: usize = 64;
/// Lookups of nodes' names at once: enough for 5,000 nodes every 10 s while an answer takes a third of a second.
const NODES_MAX: usize = 192;

/// Whose names are looked up: no side's silent names keep the other's from an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Side {
    /// What there are few of, and most depends on: API servers, etcd, proxies, checks.
    #[default]
    Few,
    /// Nodes and what runs on them.
    Nodes,
}

/// Says what became of a lookup.
#[derive(Debug)]
pub(super) enum Looked<T> {
    /// The resolver said this.
    Told(T),
    /// It was asked and said nothing in time; it may still be at it.
    Silent,
    /// It was not asked: too many other names waited for it.
    Crowded,
}

/// Looks a name up within `patience`.
pub(super) async fn look_up(
    host: &str,
    port: u16,
    side: Side,
    patience: Duration,
) -> Looked<io::Result<Vec<SocketAddr>>> {
    static FEW: LazyLock<Places> = LazyLock::new(|| Places::new(FEW_MAX));
    static NODES: LazyLock<Places> = LazyLock::new(|| Places::new(NODES_MAX));
    let places = match side {
        Side::Few => &FEW,
        Side::Nodes => &NODES,
    };
    let host = host.to_owned();
    places.run(patience, move || (host.as_str(), port).to_socket_addrs().map(Iterator::collect)).await
}

/// Places for what blocks a thread.
struct Places(Arc<Semaphore>);

impl Places {
    fn new(count: usize) -> Self {
        Self(Arc::new(Semaphore::new(count)))
    }

    /// Runs something on a thread of its own; its place is free when that has ended, not when nobody waits any more.
    async fn run<T: Send + 'static>(&self, patience: Duration, work: impl FnOnce() -> T + Send + 'static) -> Looked<T> {
        let until = Instant::now() + patience;
        let Ok(Ok(place)) = timeout_at(until, self.0.clone().acquire_owned()).await else { return Looked::Crowded };
        let working = spawn_blocking(move || {
            let _place = place;
            work()
        });
        match timeout_at(until, working).await {
            Ok(Ok(told)) => Looked::Told(told),
            _ => Looked::Silent,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_place_is_taken_until_the_thread_is_free() {
        let places = Places::new(1);
        let ample = Duration::from_secs(20);
        let (release, until) = mpsc::channel::<()>();
        let silent = places.run(Duration::from_millis(20), move || until.recv()).await;
        assert!(matches!(silent, Looked::Silent), "{silent:?}");
        let crowded = places.run(Duration::from_millis(20), || 1).await;
        assert!(matches!(crowded, Looked::Crowded), "nobody waits any more, but the thread is not free: {crowded:?}");
        release.send(()).unwrap();
        let told = places.run(ample, || 2).await;
        assert!(matches!(told, Looked::Told(2)), "{told:?}");
    }

    #[tokio::test]
    async fn names_are_found() {
        let told = look_up("localhost", 7, Side::Nodes, Duration::from_secs(20)).await;
        let Looked::Told(Ok(found)) = told else { panic!("{told:?}") };
        assert!(!found.is_empty() && found.iter().all(|at| at.ip().is_loopback() && at.port() == 7), "{found:?}");
    }
}

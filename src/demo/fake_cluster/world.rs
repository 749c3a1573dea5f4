//! The state that all components share: who runs, whether etcd has quorum, and since when it has none.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

use super::SIZE;
use crate::clock::Clock;

/// What a server plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    ApiServer(usize),
    Etcd(usize),
    Scheduler(usize),
    ControllerManager(usize),
    Kubelet(usize),
}

impl Role {
    const KINDS: [fn(usize) -> Role; 5] =
        [Role::ApiServer, Role::Etcd, Role::Scheduler, Role::ControllerManager, Role::Kubelet];

    /// Everything there is.
    pub fn all() -> impl Iterator<Item = Role> {
        Self::KINDS.into_iter().flat_map(|kind| (0..SIZE).map(kind))
    }

    /// Its number among its kind, from 0.
    pub fn index(self) -> usize {
        match self {
            Role::ApiServer(i) | Role::Etcd(i) | Role::Scheduler(i) | Role::ControllerManager(i) | Role::Kubelet(i) => {
                i
            }
        }
    }

    /// The port that it has in a real cluster.
    pub fn default_port(self) -> u16 {
        match self {
            Role::ApiServer(_) => 6443,
            Role::Etcd(_) => 2379,
            Role::Scheduler(_) => 10259,
            Role::ControllerManager(_) => 10257,
            Role::Kubelet(_) => 10250,
        }
    }
}

#[derive(Debug)]
pub struct World {
    addresses: BTreeMap<Role, SocketAddr>,
    clock: Clock,
    started: Timestamp,
    etcd: watch::Sender<[bool; SIZE]>,
    /// When quorum was last lost; nothing was renewed from then on until it came back.
    lost_at: Mutex<Option<Timestamp>>,
    leaders_exited: AtomicBool,
    /// Lists that the API servers have beside their own, by path.
    lists: Mutex<BTreeMap<String, Vec<Value>>>,
}

impl World {
    /// A healthy one.
    pub fn new(addresses: impl Iterator<Item = (Role, SocketAddr)>, clock: Clock) -> Self {
        Self {
            addresses: addresses.collect(),
            started: clock.wall(),
            clock,
            etcd: watch::Sender::new([true; SIZE]),
            lost_at: Mutex::default(),
            leaders_exited: AtomicBool::new(false),
            lists: Mutex::default(),
        }
    }

    /// Has the API servers list these at a path.
    pub fn set_list(&self, path: &str, items: Vec<Value>) {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), items);
    }

    /// What they list there beside their own.
    pub fn list(&self, path: &str) -> Option<Vec<Value>> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
    }

    /// Where a component listens.
    pub fn address(&self, role: Role) -> SocketAddr {
        self.addresses.get(&role).copied().unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0))
    }

    /// When everything began.
    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// An etcd member comes or goes.
    pub fn set_etcd(&self, i: usize, up: bool) {
        self.etcd.send_modify(|members| members[i] = up);
        let mut lost_at = self.lost_at.lock().unwrap_or_else(PoisonError::into_inner);
        *lost_at = if self.quorum() { None } else { lost_at.or_else(|| Some(self.clock.wall())) };
    }

    /// Most members run.
    pub fn quorum(&self) -> bool {
        has_quorum(&self.etcd.borrow())
    }

    /// Waits until quorum is there, or is not.
    pub async fn quorum_is(&self, wanted: bool) {
        // The sender lives in `self`, so waiting can't fail.
        let _ = self.etcd.subscribe().wait_for(|members| has_quorum(members) == wanted).await;
    }

    /// The etcd leader's number: the first member that runs, where there is quorum.
    pub fn etcd_leader(&self) -> Option<usize> {
        let members = self.etcd.borrow();
        has_quorum(&members).then(|| members.iter().position(|up| *up)).flatten()
    }

    /// The first scheduler and controller-manager, which led, are gone.
    pub fn set_leaders_exited(&self, exited: bool) {
        self.leaders_exited.store(exited, Ordering::Relaxed);
    }

    /// The number of the scheduler and controller-manager that hold the leases.
    pub fn holder(&self) -> usize {
        usize::from(self.leaders_exited.load(Ordering::Relaxed))
    }

    /// When something that is renewed every `period` was renewed last; `offset` keeps several from moving in step.
    pub fn renewed(&self, period: Duration, offset: Duration) -> Timestamp {
        let lost_at = *self.lost_at.lock().unwrap_or_else(PoisonError::into_inner);
        let now = lost_at.unwrap_or_else(|| self.clock.wall());
        let running = Duration::try_from(now.duration_since(self.started)).unwrap_or_default() + offset;
        let since = running.as_millis() % period.as_millis().max(1);
        now - Duration::from_millis(u64::try_from(since).unwrap_or(0))
    }

    /// A counter that grows by itself, as revisions and raft indexes do; it stands still without quorum.
    pub fn revision(&self) -> u64 {
        let lost_at = *self.lost_at.lock().unwrap_or_else(PoisonError::into_inner);
        let running = lost_at.unwrap_or_else(|| self.clock.wall()).duration_since(self.started);
        2600 + u64::try_from(running.as_millis() / 250).unwrap_or(0)
    }
}

fn has_quorum(members: &[bool; SIZE]) -> bool {
    members.iter().filter(|up| **up).count() > SIZE / 2
}

//! What discovery reads of the world, as often as it really does, and by what it really takes in.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use dogwatch::{
    clock::Clock,
    discover::{
        config::ClusterConfig,
        coverage::gaps,
        kubernetes::{take_endpoints, take_nodes},
        targets::{Timing, targets},
    },
    ingest::{ClusterNews, ClusterUpdate},
    model::{CertificateFact, ClusterSnapshot, EtcdMember, LeaseFact, ObservedLease, Part, ServerLease},
};
use jiff::Timestamp;
use tokio::{
    sync::{Notify, mpsc, watch},
    time::Instant,
};

use super::world::{LEADERS, World, host_name};

// As `app::cluster` has them.
const LEASES_EVERY: Duration = Duration::from_secs(10);
const LEASES_IN_DOUBT: Duration = Duration::from_secs(3);
const DOUBT_LASTS: Duration = Duration::from_secs(60);
const DOUBT_REST: Duration = Duration::from_secs(1);
const FULL_EVERY: Duration = Duration::from_secs(30);
const FULL_IN_DOUBT: Duration = Duration::from_secs(6);
/// kube-scheduler and kube-controller-manager.
const TERM: Duration = Duration::from_secs(15);

pub struct Discovery {
    pub cluster: Arc<str>,
    pub world: Arc<Mutex<World>>,
    pub clock: Clock,
    pub updates: mpsc::Sender<ClusterNews>,
    pub doubt: Arc<Notify>,
    pub members: watch::Receiver<Vec<EtcdMember>>,
}

impl Discovery {
    /// Reads and tells, until nobody listens.
    pub async fn run(mut self) {
        let mut snapshot = ClusterSnapshot::default();
        let mut full_at: Option<Instant> = None;
        let mut doubt_until = self.clock.mono();
        loop {
            let now = self.clock.mono();
            let in_doubt = now < doubt_until;
            let full_every = if in_doubt { FULL_IN_DOUBT } else { FULL_EVERY };
            let is_full = full_at.is_none_or(|at| now.duration_since(at) >= full_every);
            snapshot = self.read(&snapshot, is_full);
            if is_full {
                full_at = Some(now);
            }
            if self.tell(&snapshot).await.is_err() {
                return;
            }
            let rest = if in_doubt { LEASES_IN_DOUBT } else { LEASES_EVERY };
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                () = async {
                    self.doubt.notified().await;
                    tokio::time::sleep_until(now + DOUBT_REST).await;
                } => doubt_until = self.clock.mono() + DOUBT_LASTS,
                Ok(()) = self.members.changed() => snapshot.etcd_members = self.members.borrow_and_update().clone(),
            }
        }
    }

    fn read(&self, before: &ClusterSnapshot, is_full: bool) -> ClusterSnapshot {
        let now = self.clock.wall();
        let mut world = self.world.lock().unwrap();
        world.settle(now);
        let mut next = before.clone();
        next.cluster = self.cluster.to_string();
        next.asked_since.get_or_insert(now);
        if let Some(why) = world.why_unreadable(now) {
            next.problems.insert(Part::Nodes, why.clone());
            next.error = Some(why);
            return next;
        }
        next.problems.clear();
        next.error = None;
        // A glance shows that there are other nodes, or that they do otherwise.
        let seen = |s: &ClusterSnapshot| s.nodes.iter().map(|n| (n.name.clone(), n.is_ready())).collect::<Vec<_>>();
        let told = world.node_facts();
        let mut told = ClusterSnapshot { nodes: told, ..ClusterSnapshot::default() };
        told.nodes.sort_by(|a, b| a.name.cmp(&b.name));
        if is_full || seen(&next) != seen(&told) {
            let before = next.nodes.clone();
            take_nodes(&mut next, &before, told.nodes, now);
            take_endpoints(&mut next, &before, world.endpoints(now), now);
            (next.read_at, next.extras_at) = (Some(now), Some(now));
            (next.away_apis, next.pending_requests) = (world.away_apis.clone(), world.requests.clone());
        }
        leases(&mut next, &world, now);
        next
    }

    async fn tell(&self, snapshot: &ClusterSnapshot) -> Result<(), mpsc::error::SendError<ClusterNews>> {
        let (server, begun, interval) = {
            let world = self.world.lock().unwrap();
            let host = world.spec.load_balancer.clone().unwrap_or_else(|| "10.0.0.1".into());
            (format!("https://{host}:6443").parse().unwrap(), world.begun, world.spec.interval)
        };
        let config = ClusterConfig::named(&self.cluster);
        let timing = Timing { interval, timeout: Duration::from_secs(5) };
        let targets = targets(&config, &server, snapshot, true, timing);
        let year = Duration::from_secs(365 * 24 * 3_600);
        let own = CertificateFact {
            subject: "CN=dogwatch".into(),
            issuer: "CN=kubernetes".into(),
            not_after: begun + year,
            not_before: begun.checked_sub(year).unwrap(),
            source: "kubeconfig".into(),
        };
        let update = ClusterUpdate {
            cluster: self.cluster.clone(),
            snapshot: Arc::new(snapshot.clone()),
            gaps: gaps(&config, snapshot, &targets),
            targets,
            own_certificates: vec![own],
            own_token: None,
            problem: None,
        };
        self.updates.send(ClusterNews::Told(update)).await
    }
}

fn leases(next: &mut ClusterSnapshot, world: &World, now: Timestamp) {
    let sight = |before: Option<&ObservedLease>, renewed: Timestamp| {
        let age = Duration::try_from(now.duration_since(renewed)).unwrap_or_default();
        ObservedLease::read(before, &renewed.to_string(), Some(age), now)
    };
    for node in &mut next.nodes {
        let Some(known) = world.nodes.get(&*node.name) else { continue };
        node.lease = Some(sight(node.lease.as_ref(), known.renewed));
    }
    next.leases_at = Some(now);
    let before = std::mem::take(&mut next.server_leases);
    let server = |i: usize| {
        let host = host_name(i);
        let known = before.iter().find(|l| l.host == host).map(|l| &l.sight);
        ServerLease { sight: sight(known, world.server_leases[i]), host }
    };
    next.server_leases = (0..world.hosts).map(server).collect();
    let before = std::mem::take(&mut next.leaders);
    let leader = |(k, name): (usize, &str)| {
        let known = before.iter().find(|l| l.name == name).and_then(|l| l.sight.as_ref());
        let sight = sight(known, world.leaders[k].renewed);
        let holder = format!("{}_2f0c", host_name(world.leaders[k].host));
        LeaseFact { name: name.to_owned(), holder, age: sight.age(), duration: TERM, sight: Some(sight) }
    };
    next.leaders = LEADERS.into_iter().enumerate().map(leader).collect();
}

//! The task of one cluster: credentials, discovery, and the targets that follow from it. One cluster, one task: a
//! cluster that fails delays no other, and one whose configuration changes goes on with what it knows.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    check::{Checks, sites::SiteTerms},
    clock::Clock,
    dial::{DialConfig, Dialer},
    discover::{
        LocalHosts,
        config::ClusterConfig,
        coverage::gaps,
        kubernetes::{self, Asked, Scope},
        targets::{Timing, targets},
    },
    ingest::{ClusterNews, ClusterUpdate},
    model::{ClusterSnapshot, EtcdMember},
    schedule::Defaults,
    store::Store,
    telemetry::{ClusterLabels, Metrics},
};

/// Dialers of all clusters, for the prober.
#[derive(Clone, Default)]
pub struct Dialers(Arc<RwLock<HashMap<Arc<str>, Line>>>);

/// How a cluster is reached.
#[derive(Clone)]
pub struct Line {
    /// Its dialer.
    pub dialer: Dialer,
    /// Connections to its kubelets are kept between probes.
    pub keep_alive: bool,
}

impl Dialers {
    /// Returns how a cluster is reached, once its kubeconfig could be used.
    pub fn get(&self, cluster: &str) -> Option<Line> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(cluster).cloned()
    }

    fn set(&self, cluster: Arc<str>, line: Line) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(cluster, line);
    }

    fn remove(&self, cluster: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(cluster);
    }
}

/// What the configuration says of one cluster.
#[derive(Clone)]
pub struct Setup {
    /// Its entry.
    pub config: ClusterConfig,
    /// How it is reached.
    pub dial: DialConfig,
    /// What counts where the entry says nothing.
    pub defaults: Defaults,
    /// A check asks where its ingress controllers serve.
    pub ingress_ports: bool,
    /// How the sites that it serves are asked, where they are.
    pub sites: Option<SiteTerms>,
    /// A dialer that was made of it already; `None`: the one in use serves on, and the first is made by the task.
    pub dialer: Option<Dialer>,
}

/// A kubeconfig that can't be used is tried again after this.
const LOAD_AGAIN: Duration = Duration::from_secs(10);
/// Leases are read this often (nodes renew theirs every 10 s) …
const LEASES_EVERY: Duration = Duration::from_secs(10);
/// … and this often for a while after something has come into doubt.
const LEASES_IN_DOUBT: Duration = Duration::from_secs(3);
/// How long a doubt keeps discovery attentive.
const DOUBT_LASTS: Duration = Duration::from_secs(60);
/// Doubts do not make it read more often than this.
const DOUBT_REST: Duration = Duration::from_secs(1);
/// Nodes and endpoints are read this often.
const FULL_EVERY: Duration = Duration::from_secs(30);
/// In doubt, a cluster of up to [`SMALL`] nodes is read in full this often, for their Ready conditions.
const FULL_IN_DOUBT: Duration = Duration::from_secs(6);
/// Reading more nodes than this in full every few seconds would burden a cluster that is ill.
const SMALL: usize = 500;
/// A snapshot whose substance has not changed is written this often, so that its lease times are not all too old.
const SAVE_EVERY: Duration = Duration::from_secs(60);

/// Watches one cluster: reads what it has, and says whom to probe.
pub struct ClusterTask {
    pub setup: Setup,
    pub name: Arc<str>,
    pub dialers: Dialers,
    pub checks: Checks,
    pub store: Store,
    pub metrics: Arc<Metrics>,
    pub clock: Clock,
    pub snapshot: Arc<ClusterSnapshot>,
    pub updates: mpsc::Sender<ClusterNews>,
    pub doubt: Arc<Notify>,
    pub members: watch::Receiver<Vec<EtcdMember>>,
}

impl ClusterTask {
    /// Runs until told to stop, or until nobody can change its setup any more: then it is not watched any more.
    pub async fn run(mut self, mut changed: watch::Receiver<Setup>, stop: CancellationToken) {
        loop {
            let change = tokio::select! {
                () = stop.cancelled() => return,
                change = changed.changed() => change,
                () = self.watch() => return,
            };
            if change.is_err() {
                self.dialers.remove(&self.name);
                self.checks.set_found(&self.name, &[]);
                self.metrics.discovery_failures.remove(&ClusterLabels { cluster: self.name.to_string() });
                // Ingest ends only when everything does.
                let _ = self.updates.send(ClusterNews::Unwatch(self.name.clone())).await;
                return;
            }
            // What was under way is broken off; what is known of the cluster stays.
            let setup = changed.borrow_and_update().clone();
            let dialer = setup.dialer.clone().or(self.setup.dialer.take());
            self.setup = Setup { dialer, ..setup };
        }
    }

    async fn watch(&mut self) {
        let dialer = match &self.setup.dialer {
            Some(dialer) => dialer.clone(),
            None => self.load().await,
        };
        self.setup.dialer = Some(dialer.clone());
        let keep_alive = self.setup.config.kubelet.keep_alive;
        self.dialers.set(self.name.clone(), Line { dialer: dialer.clone(), keep_alive });
        // Neither ends: what is under way is broken off when the setup changes.
        tokio::join!(dialer.renew_token(), self.follow(&dialer));
    }

    async fn follow(&mut self, dialer: &Dialer) {
        // What an earlier run knew is probed at once, whether or not the API server can be asked.
        self.tell(dialer, None).await;
        let mut full_at: Option<Instant> = None;
        let mut saved: Option<(ClusterSnapshot, Instant)> = None;
        let mut doubt_until = self.clock.mono();
        loop {
            let now = self.clock.mono();
            let in_doubt = now < doubt_until;
            let small = self.snapshot.nodes.len() <= SMALL;
            let full_every = if in_doubt && small { FULL_IN_DOUBT } else { FULL_EVERY };
            let scope = match full_at {
                Some(at) if now.duration_since(at) < full_every => Scope::Leases,
                _ => Scope::Full,
            };
            self.read(dialer, scope).await;
            if scope == Scope::Full {
                full_at = Some(now);
            }
            self.tell(dialer, None).await;
            self.save(&mut saved);
            let rest = if in_doubt { LEASES_IN_DOUBT } else { LEASES_EVERY };
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                () = async {
                    self.doubt.notified().await;
                    tokio::time::sleep_until(now + DOUBT_REST).await;
                } => doubt_until = self.clock.mono() + DOUBT_LASTS,
                Ok(()) = self.members.changed() => {
                    Arc::make_mut(&mut self.snapshot).etcd_members = self.members.borrow_and_update().clone();
                }
            }
        }
    }

    async fn load(&mut self) -> Dialer {
        loop {
            match Dialer::load(self.setup.dial.clone(), self.clock.clone()).await {
                Ok(dialer) => return dialer,
                Err(error) => {
                    tracing::error!(cluster = %self.name, %error, "this cluster can't be watched");
                    self.send(Vec::new(), None, Some(error.to_string())).await;
                    tokio::time::sleep(LOAD_AGAIN).await;
                }
            }
        }
    }

    async fn read(&mut self, dialer: &Dialer, scope: Scope) {
        let before = self.snapshot.error.is_some();
        let config = &self.setup.config;
        let local = LocalHosts::of(&dialer.server(), config.allow_local_addresses);
        let asked =
            Asked { leads: &config.leads(), local, ingress_ports: self.setup.ingress_ports, sites: config.sites() };
        let read = kubernetes::read(dialer, &self.snapshot, scope, asked, &self.clock).await;
        self.snapshot = Arc::new(ClusterSnapshot { cluster: self.name.to_string(), ..read });
        match &self.snapshot.error {
            Some(error) => {
                self.metrics.discovery_failures.get_or_create(&ClusterLabels { cluster: self.name.to_string() }).inc();
                if !before {
                    tracing::warn!(cluster = %self.name, error, "discovery goes on from what is known");
                }
            }
            None if before => tracing::info!(cluster = %self.name, "discovery works again"),
            None => {}
        }
    }

    async fn tell(&self, dialer: &Dialer, problem: Option<String>) {
        let mut targets = targets(
            &self.setup.config,
            &dialer.server(),
            &self.snapshot,
            dialer.has_etcd_certificate(),
            Timing { interval: self.setup.defaults.interval, timeout: self.setup.defaults.timeout },
        );
        let found = self.setup.sites.as_ref().map(|terms| terms.targets(&self.snapshot)).unwrap_or_default();
        // Before anybody is told to ask them.
        self.checks.set_found(&self.name, &found);
        targets.extend(found.into_iter().map(|(target, _)| target));
        self.send(targets, Some(dialer), problem).await;
    }

    async fn send(&self, targets: Vec<crate::model::Target>, dialer: Option<&Dialer>, problem: Option<String>) {
        let gaps = gaps(&self.setup.config, &self.snapshot, &targets);
        let update = ClusterUpdate {
            cluster: self.name.clone(),
            snapshot: self.snapshot.clone(),
            targets,
            own_certificates: dialer.map(Dialer::own_certificates).unwrap_or_default(),
            own_token: dialer.and_then(Dialer::own_token),
            gaps,
            problem,
        };
        // Ingest ends only when everything does.
        let _ = self.updates.send(ClusterNews::Told(update)).await;
    }

    fn save(&self, saved: &mut Option<(ClusterSnapshot, Instant)>) {
        let now = self.clock.mono();
        let substance = substance(&self.snapshot);
        let old = saved.as_ref().is_some_and(|(s, at)| *s == substance && now.duration_since(*at) < SAVE_EVERY);
        if !old && self.snapshot.read_at.is_some() {
            self.store.save_snapshot(self.snapshot.clone());
            *saved = Some((substance, now));
        }
    }
}

/// A snapshot without what changes at every reading.
fn substance(snapshot: &ClusterSnapshot) -> ClusterSnapshot {
    let mut s = ClusterSnapshot {
        read_at: None,
        leases_at: None,
        extras_at: None,
        error: None,
        glance: None,
        no_glance_before: None,
        ..snapshot.clone()
    };
    s.nodes.iter_mut().for_each(|n| n.lease = None);
    s.leaders.iter_mut().for_each(|l| (l.age, l.sight) = (Duration::ZERO, None));
    s
}

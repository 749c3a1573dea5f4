//! All that watches clusters: a discovery task and scraping for each, one schedule, one ingest, one look at our own network.
//! A new configuration adds, changes and takes away clusters; those that it leaves as they are do not notice.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, atomic::AtomicU64},
};

use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::DropGuard;

use super::{
    cluster::{ClusterTask, Dialers, Line, Setup},
    ground::Ground,
};
use crate::{
    canary,
    check::{self, Checks, Kinds, ToCluster},
    config::Config,
    dial::Dialer,
    discover::config::{CanaryConfig, ClusterConfig},
    ingest::{self, ClusterNews, Ingest, cluster::Cluster},
    inventory::state_metrics::StateMetrics,
    model::{
        CHECKS, ClusterSnapshot, Diagnosis, EtcdMember, Failure, Job, Live, Observation, ProbeSpec, Reason, State,
        Target,
    },
    probe, recorder,
    schedule::{Command, Prober, Schedule, ScheduleConfig},
    scrape,
    store::Restored,
    vantage::{VantageConfig, Watcher},
};

/// Reports that wait for ingest: a few seconds' worth at 5,000 targets, should its machine hiccup.
const REPORTS: usize = 16_384;
/// Updates, looks, commands and diagnoses that wait: all are level-triggered, so few suffice.
pub const NEWS: usize = 64;

/// All that watches.
pub struct Watching {
    clusters: BTreeMap<Arc<str>, Watched>,
    dialers: Dialers,
    checks: Checks,
    updates: mpsc::Sender<ClusterNews>,
    commands: mpsc::Sender<Command>,
    vantage: watch::Sender<VantageConfig>,
    schedule: ScheduleConfig,
    /// Checks that belong to no cluster are watched.
    has_group: bool,
}

/// What runs for one cluster; it ends when this is dropped.
struct Watched {
    setup: watch::Sender<Setup>,
    scraping: Option<watch::Sender<scrape::Settings>>,
    canary: Option<watch::Sender<CanaryConfig>>,
    /// With whether it makes series of the objects.
    recorder: Option<(DropGuard, bool)>,
}

/// Where what is found goes.
pub struct Outputs {
    /// To dispatch.
    pub diagnoses: mpsc::Sender<Diagnosis>,
    /// Counts changes of verdicts.
    pub news: watch::Sender<u64>,
    /// Counts the turns of the loop that owns the picture.
    pub alive: Arc<AtomicU64>,
}

/// A cluster's ends of the channels between its discovery and ingest.
struct Ends {
    cluster: Cluster,
    doubt: Arc<Notify>,
    members: watch::Receiver<Vec<EtcdMember>>,
}

impl Ends {
    fn new(name: &Arc<str>) -> Self {
        let (members_out, members) = watch::channel(Vec::new());
        let doubt = Arc::new(Notify::new());
        Self { cluster: Cluster::new(name.clone(), members_out, doubt.clone()), doubt, members }
    }
}

impl Watching {
    /// Starts with what an earlier run knew.
    pub fn start(
        config: &Config,
        restored: Restored,
        wanted: &scrape::config::Wanted,
        outputs: Outputs,
        ground: &mut Ground,
    ) -> Self {
        let (reports, reports_in) = mpsc::channel(REPORTS);
        let (commands, commands_in) = mpsc::channel(NEWS);
        let (updates, updates_in) = mpsc::channel(NEWS);
        let (looks, looks_in) = mpsc::channel(NEWS);
        let look = Arc::new(Notify::new());
        let (vantage, vantage_in) = watch::channel(config.vantage.clone());
        let (shared, stop) = (ground.shared.clone(), ground.stop.clone());
        let mut watching = Self {
            clusters: BTreeMap::new(),
            dialers: Dialers::default(),
            checks: Checks::default(),
            updates,
            commands: commands.clone(),
            vantage,
            schedule: config.schedule,
            has_group: config.groups().any(|name| name == CHECKS),
        };
        let mut clusters = Vec::new();
        for entry in &config.clusters {
            let name: Arc<str> = entry.name.as_str().into();
            let Ends { cluster, doubt, members } = Ends::new(&name);
            clusters.push(cluster);
            let snapshot = restored.snapshots.iter().find(|s| s.cluster == *name).cloned().unwrap_or_default();
            let setup = setup(config, entry, None);
            watching.discover(name, setup, snapshot, (doubt, members), ground);
        }
        if watching.has_group {
            clusters.push(Ends::new(&CHECKS.into()).cluster);
        }
        let mut checked = watching.check(config);
        clusters.iter_mut().for_each(|c| c.checks = checked.remove(&c.name).unwrap_or_default());
        watching.scrape(config, wanted, ground);
        watching.canary(config, ground);
        watching.record(config, ground);
        let watcher = Watcher::new(vantage_in, shared.clock.clone());
        ground.tasks.spawn(watcher.run(looks, look.clone(), stop.clone()));
        let prober = prober(watching.dialers.clone(), watching.checks.clone(), ground);
        let (metrics, clock) = (shared.metrics.clone(), shared.clock.clone());
        let schedule = Schedule::new(config.schedule, prober, reports, metrics, clock);
        ground.tasks.spawn(schedule.run(commands_in, stop.clone()));
        let Outputs { diagnoses, news, alive } = outputs;
        let parts = ingest::Parts {
            store: ground.store.clone(),
            live: shared.live,
            metrics: shared.metrics,
            clock: shared.clock,
            schedule: commands,
            diagnoses,
            news,
            look,
        };
        let ingest = Ingest::new(parts, clusters, restored.targets);
        ground.tasks.spawn(ingest.run(reports_in, updates_in, looks_in, alive, stop));
        watching
    }

    /// Puts a new configuration in force; `dialers` are those of the clusters that are reached in another way than before.
    pub async fn change(
        &mut self,
        config: &Config,
        wanted: &scrape::config::Wanted,
        mut dialers: HashMap<String, Dialer>,
        ground: &mut Ground,
    ) {
        let is_wanted = |name: &str| config.clusters.iter().any(|c| c.name == name);
        self.clusters.retain(|name, _| is_wanted(name));
        for entry in &config.clusters {
            let (name, dialer): (Arc<str>, _) = (entry.name.as_str().into(), dialers.remove(&entry.name));
            let setup = setup(config, entry, dialer);
            if let Some(known) = self.clusters.get(&name) {
                known.setup.send_if_modified(|old| replace(old, setup));
                continue;
            }
            let Ends { cluster, doubt, members } = Ends::new(&name);
            // Before the task's first news. Ingest ends only when everything does.
            let _ = self.updates.send(ClusterNews::Watch(Box::new(cluster))).await;
            self.discover(name, setup, ClusterSnapshot::default(), (doubt, members), ground);
        }
        self.change_checks(config).await;
        self.scrape(config, wanted, ground);
        self.canary(config, ground);
        self.record(config, ground);
        self.vantage.send_if_modified(|old| replace_with(old, &config.vantage));
        if replace_with(&mut self.schedule, &config.schedule) {
            let _ = self.commands.send(Command::Configure(config.schedule)).await;
        }
    }

    /// Puts checks in force for the prober; returns their targets by group.
    fn check(&self, config: &Config) -> BTreeMap<Arc<str>, Vec<Target>> {
        let all = config.check_targets();
        self.checks.set(all.iter().map(|(target, check)| (target.key.clone(), check.clone())));
        let mut groups: BTreeMap<Arc<str>, Vec<Target>> = BTreeMap::new();
        for (target, _) in all {
            groups.entry(target.key.cluster.clone()).or_default().push(target);
        }
        groups
    }

    /// Tells ingest of the checks of each group; those that are as they were go on untouched.
    async fn change_checks(&mut self, config: &Config) {
        let mut groups = self.check(config);
        let (group, is_wanted): (Arc<str>, _) = (CHECKS.into(), config.groups().any(|name| name == CHECKS));
        // Ingest ends only when everything does.
        if is_wanted != self.has_group {
            let news = match is_wanted {
                true => ClusterNews::Watch(Box::new(Ends::new(&group).cluster)),
                false => ClusterNews::Unwatch(group),
            };
            let _ = self.updates.send(news).await;
            self.has_group = is_wanted;
        }
        for name in config.groups() {
            let checks = groups.remove(name).unwrap_or_default();
            let _ = self.updates.send(ClusterNews::Checks(name.into(), checks)).await;
        }
    }

    fn discover(
        &mut self,
        name: Arc<str>,
        setup: Setup,
        snapshot: ClusterSnapshot,
        (doubt, members): (Arc<Notify>, watch::Receiver<Vec<EtcdMember>>),
        ground: &mut Ground,
    ) {
        let (change, changed) = watch::channel(setup.clone());
        let task = ClusterTask {
            setup,
            name: name.clone(),
            dialers: self.dialers.clone(),
            checks: self.checks.clone(),
            store: ground.store.clone(),
            metrics: ground.shared.metrics.clone(),
            clock: ground.shared.clock.clone(),
            snapshot: Arc::new(snapshot),
            updates: self.updates.clone(),
            doubt,
            members,
        };
        ground.tasks.spawn(task.run(changed, ground.stop.clone()));
        self.clusters.insert(name, Watched { setup: change, scraping: None, canary: None, recorder: None });
    }

    /// Flies a canary in those clusters that ask for it.
    fn canary(&mut self, config: &Config, ground: &mut Ground) {
        let of = |name: &str| config.clusters.iter().find(|c| c.name == name).and_then(ClusterConfig::flights);
        for (name, watched) in &mut self.clusters {
            let Some(config) = of(name) else {
                watched.canary = None;
                continue;
            };
            if let Some(canary) = &watched.canary {
                canary.send_if_modified(|old| replace_with(old, &config));
                continue;
            }
            let (change, changed) = watch::channel(config);
            let (told, mut standing) = watch::channel(Arc::default());
            let (cluster, known) = (name.clone(), self.dialers.clone());
            let parts = canary::Parts {
                cluster: name.clone(),
                dialer: Box::new(move || known.get(&cluster).map(|line| line.dialer)),
                live: ground.shared.live.clone(),
                store: ground.store.clone(),
                metrics: ground.shared.metrics.clone(),
                clock: ground.shared.clock.clone(),
                told,
            };
            ground.tasks.spawn(canary::run(parts, changed, ground.stop.clone()));
            let (cluster, updates) = (name.clone(), self.updates.clone());
            ground.tasks.spawn(async move {
                while standing.changed().await.is_ok() {
                    let canaries = standing.borrow_and_update().clone();
                    // Ingest ends only when everything does.
                    let _ = updates.send(ClusterNews::Canary(cluster.clone(), canaries)).await;
                }
            });
            watched.canary = Some(change);
        }
    }

    /// Records those clusters that do not ask for the contrary.
    fn record(&mut self, config: &Config, ground: &mut Ground) {
        let of = |name: &str| config.clusters.iter().find(|c| c.name == name && c.recorder.enabled);
        for (name, watched) in &mut self.clusters {
            let Some(config) = of(name) else {
                watched.recorder = None;
                continue;
            };
            if watched.recorder.as_ref().is_some_and(|(_, with_series)| *with_series == config.state_metrics) {
                continue;
            }
            let (cluster, known) = (name.clone(), self.dialers.clone());
            let (of, live) = (name.clone(), ground.shared.live.clone());
            let (told, mut situation) = watch::channel(Arc::default());
            let parts = recorder::Parts {
                cluster: name.clone(),
                dialer: Box::new(move || known.get(&cluster).map(|line| line.dialer)),
                servers: Box::new(move || api_servers(&live, &of)),
                store: ground.store.clone(),
                metrics: ground.shared.metrics.clone(),
                clock: ground.shared.clock.clone(),
                state_metrics: config.state_metrics.then(|| StateMetrics::new(name, &config.labels)),
                told,
            };
            let stop = ground.stop.child_token();
            ground.tasks.spawn(recorder::run(parts, stop.clone()));
            let (cluster, updates) = (name.clone(), self.updates.clone());
            ground.tasks.spawn(async move {
                while situation.changed().await.is_ok() {
                    let now = situation.borrow_and_update().clone();
                    let _ = updates.send(ClusterNews::Situation(cluster.clone(), Some(now))).await;
                }
                // Nothing is known any more once it is turned off.
                let _ = updates.send(ClusterNews::Situation(cluster, None)).await;
            });
            watched.recorder = Some((stop.drop_guard(), config.state_metrics));
        }
    }

    /// Scrapes those clusters that ask for it.
    fn scrape(&mut self, config: &Config, wanted: &scrape::config::Wanted, ground: &mut Ground) {
        let of = |name: &str| config.clusters.iter().find(|c| c.name == name).and_then(|c| c.scrape.clone());
        for (name, watched) in &mut self.clusters {
            let Some(config) = of(name) else {
                watched.scraping = None;
                continue;
            };
            let settings = scrape::Settings { config, wanted: wanted.clone() };
            if let Some(scraping) = &watched.scraping {
                scraping.send_if_modified(|old| replace_with(old, &settings));
                continue;
            }
            let (change, changed) = watch::channel(settings);
            let (cluster, known) = (name.clone(), self.dialers.clone());
            let parts = scrape::Parts {
                cluster: name.clone(),
                dialer: Box::new(move || known.get(&cluster).map(|line| line.dialer)),
                live: ground.shared.live.clone(),
                store: ground.store.clone(),
                metrics: ground.shared.metrics.clone(),
                clock: ground.shared.clock.clone(),
            };
            ground.tasks.spawn(scrape::run(parts, changed, ground.stop.clone()));
            watched.scraping = Some(change);
        }
    }
}

/// What the configuration says of a cluster.
fn setup(config: &Config, entry: &ClusterConfig, dialer: Option<Dialer>) -> Setup {
    let (ingress_ports, sites) = (config.asks_ingress(entry), config.site_terms(entry));
    let dial = entry.dial(&config.data_dir);
    Setup { config: entry.clone(), dial, defaults: config.defaults, ingress_ports, sites, dialer }
}

/// Takes a setup over where it says something new.
fn replace(old: &mut Setup, new: Setup) -> bool {
    let says = |setup: &Setup| (setup.config.clone(), setup.defaults, setup.ingress_ports, setup.sites.clone());
    let news = new.dialer.is_some() || says(old) != says(&new);
    if news {
        *old = new;
    }
    news
}

fn replace_with<T: PartialEq + Clone>(old: &mut T, new: &T) -> bool {
    let news = old != new;
    if news {
        old.clone_from(new);
    }
    news
}

/// The probe of a target: with its cluster's dialer, and the API servers that are up for the node proxy.
fn prober(dialers: Dialers, checks: Checks, ground: &Ground) -> Prober {
    let (live, clock) = (ground.shared.live.clone(), ground.shared.clock.clone());
    let kinds = Kinds::default();
    Arc::new(move |target: Arc<Target>| {
        let (dialers, checks, live, clock) = (dialers.clone(), checks.clone(), live.clone(), clock.clone());
        let kinds = kinds.clone();
        Box::pin(async move {
            if target.key.job.is_check() {
                return match checks.get(&target.key) {
                    Some(check) => {
                        let cluster = check.asks_cluster().and_then(|name| dialers.get(name)).map(|line| {
                            let mut servers = api_servers(&live, &target.key.cluster);
                            servers.push(line.dialer.server());
                            ToCluster { dialer: line.dialer, servers, kinds }
                        });
                        check::probe(&target, &check, cluster, &clock).await
                    }
                    // It has just gone from the configuration.
                    None => Observation::failed(target, clock.wall(), Failure::new(Reason::Auth, "no check any more")),
                };
            }
            let Some(Line { dialer, keep_alive }) = dialers.get(&target.key.cluster) else {
                // Targets come from the task that sets the dialer first: this is one whose cluster has just gone.
                let failure = Failure::new(Reason::Auth, "the cluster's kubeconfig is not loaded yet");
                return Observation::failed(target, clock.wall(), failure);
            };
            let proxies =
                if target.key.job == Job::Kubelet { api_servers(&live, &target.key.cluster) } else { Vec::new() };
            probe::probe(&target, &dialer, &proxies, keep_alive, &clock).await
        })
    })
}

/// API servers of a cluster that are up.
fn api_servers(live: &Live, cluster: &str) -> Vec<url::Url> {
    let live = live.read();
    let Some(cluster) = live.clusters.get(cluster) else { return Vec::new() };
    cluster
        .targets
        .values()
        .take_while(|t| t.target.key.job == Job::KubeApiserver)
        .filter(|t| t.verdict.state == State::Up)
        .filter_map(|t| match &t.target.spec {
            ProbeSpec::ApiServer { base, .. } => Some(base.clone()),
            _ => None,
        })
        .collect()
}

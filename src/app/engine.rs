//! All parts running under one configuration.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use tokio::{
    net::TcpListener,
    sync::{Notify, mpsc, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{
    STOP_WITHIN, Shared,
    cluster::{ClusterTask, Dialers},
    drill, links, self_metrics,
};
use crate::{
    config::{self, Config},
    discover::config::ClusterConfig,
    dispatch::{Deps, Dispatch, Inputs, Settings, Submissions},
    heartbeat::{self, Heartbeats},
    http::{self, Web},
    ingest::{self, Ingest, cluster::Cluster},
    model::{
        AlertName, Diagnosis, Failure, Finding, Firing, Job, Live, NotificationKind, Observation, ProbeSpec, Reason,
        State, Target, findings_of,
    },
    notify::{self, Integration},
    probe, query, remote, rule,
    schedule::{Prober, Schedule},
    scrape,
    store::{DeliveryRecord, Restored, Store, StoreError},
    vantage::Watcher,
};

/// Reports that wait for ingest: a few seconds' worth at 5,000 targets, should its machine hiccup.
const REPORTS: usize = 16_384;
/// Updates, looks, commands and diagnoses that wait: all are level-triggered, so few suffice.
const NEWS: usize = 64;
/// A sample may arrive so long after its time: probes end within their timeouts, and what they saw is handled at once.
const GRACE_MIN: Duration = Duration::from_secs(15);
/// Beyond the longest timeout.
const GRACE_MORE: Duration = Duration::from_secs(5);
/// The store may take this long to write what is queued when everything else has stopped.
const STORE_CLOSE: Duration = Duration::from_millis(1_000);

/// Runs everything of one configuration, from discovery to the pages.
pub struct Engine {
    stop: CancellationToken,
    tasks: JoinSet<()>,
    store: Store,
    integrations: Vec<Integration>,
    alive: Arc<AtomicU64>,
    seen: AtomicU64,
    /// Where it listens: the port is known even if the configuration said 0.
    pub listening: std::net::SocketAddr,
}

impl Engine {
    /// Starts every part; history and open incidents come back from the store.
    ///
    /// # Errors
    /// When the port can't be taken or a receiver's configuration can't be used.
    pub async fn start(config: &Config, shared: &Shared) -> anyhow::Result<Self> {
        let integrations = config.integrations().map_err(|(at, message)| anyhow::anyhow!("{at}: {message}"))?;
        Self::start_with(config, shared, integrations).await
    }

    /// Starts the same with receivers of the caller's choice.
    ///
    /// # Errors
    /// When the port can't be taken or the rules can't be used.
    pub async fn start_with(config: &Config, shared: &Shared, integrations: Vec<Integration>) -> anyhow::Result<Self> {
        notify::init();
        let rules = config::rules(config)?;
        let listener = TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("can't listen on {}: is another dogwatch running? (--listen)", config.listen))?;
        let listening = listener.local_addr()?;
        let (store, restored) =
            Store::open(config.data_dir.clone(), config.storage.clone(), shared.metrics.clone(), shared.clock.clone());
        let mut parts =
            Start { config, shared, store: store.clone(), stop: CancellationToken::new(), tasks: JoinSet::new() };
        let alive = Arc::new(AtomicU64::new(0));
        let external_url = links::base(config, listening).await;
        let (firing, firing_in) = mpsc::channel(NEWS);
        let before = |alert| findings_of(&restored.incidents, alert);
        let rule_failures = rule::group::RuleFailures::restore(before(AlertName::RuleFailing), &rules);
        let heartbeats = parts.heartbeats(&restored);
        let mut findings = vec![rule_failures.findings(), heartbeats.findings()];
        if let Some(drill) = &config.drill {
            // A proof that was missing is, until the next drill gives it.
            let (tell, told) = watch::channel(Arc::new(before(AlertName::DrillFailed)));
            parts.tasks.spawn(drill::scheduled(config.clone(), drill.clone(), tell, parts.stop.clone()));
            findings.push(told);
        }
        let sources = rules.iter().map(rule::Group::key).collect();
        let (diagnoses, submissions) =
            parts.dispatch(integrations.clone(), sources, firing_in, findings, &restored, external_url.clone())?;
        let (news, news_in) = watch::channel(0);
        let wanted = scrape::config::Wanted::by(&rule::selectors(&rules));
        parts.watch(restored, wanted, diagnoses, news, alive.clone());
        let group_states = parts.evaluate(rules, firing, rule_failures, news_in, &external_url);
        parts.serve(listener, external_url, submissions, group_states, heartbeats);
        parts.send();
        tracing::info!(%listening, clusters = config.clusters.len(), data_dir = %config.data_dir.display(), "watching");
        let own = self_metrics::run(
            listening.to_string(),
            store.clone(),
            shared.live.clone(),
            shared.metrics.clone(),
            shared.clock.clone(),
            parts.stop.clone(),
        );
        parts.tasks.spawn(own);
        let (stop, tasks) = (parts.stop, parts.tasks);
        Ok(Self { stop, tasks, store, integrations, alive, seen: AtomicU64::new(0), listening })
    }

    /// Returns the deliveries of one incident so far.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn deliveries(&self, incident: i64) -> Result<Vec<DeliveryRecord>, StoreError> {
        self.store.deliveries(incident).await
    }

    /// Returns the integrations of these receivers that want to hear of a beginning, or of an end.
    pub fn integrations(&self, receivers: &BTreeSet<String>, began: bool) -> Vec<String> {
        let told = if began { NotificationKind::Opened } else { NotificationKind::Resolved };
        let wanted = self.integrations.iter().filter(|i| receivers.contains(i.receiver()) && i.wants(told));
        wanted.map(|i| i.name.to_string()).collect()
    }

    /// Returns whether the loop that owns the picture has turned since the last call.
    pub fn has_turned(&self) -> bool {
        let now = self.alive.load(Ordering::Relaxed);
        self.seen.swap(now, Ordering::Relaxed) != now
    }

    /// Stops everything within [`STOP_WITHIN`]; what is queued is written, undelivered messages stay in the outbox.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_WITHIN - STORE_CLOSE, all).await.is_err() {
            tracing::warn!("some parts did not stop in time and are dropped");
            self.tasks.abort_all();
        }
        self.store.close(STORE_CLOSE).await;
    }
}

/// What a start needs in all its steps.
struct Start<'a> {
    config: &'a Config,
    shared: &'a Shared,
    store: Store,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Start<'_> {
    fn dispatch(
        &mut self,
        integrations: Vec<Integration>,
        rule_groups: BTreeSet<Arc<str>>,
        firing: mpsc::Receiver<Firing>,
        findings: Vec<watch::Receiver<Arc<Vec<Finding>>>>,
        restored: &Restored,
        external_url: String,
    ) -> anyhow::Result<(mpsc::Sender<Diagnosis>, Submissions)> {
        let config = self.config;
        let (send, diagnoses) = mpsc::channel(NEWS);
        let limits = config.receivers.iter().filter_map(|r| Some((r.name.clone(), r.rate_limit?)));
        let settings = Settings {
            integrations,
            rate_limits: limits.collect(),
            routing: config.routing().map_err(|(at, message)| anyhow::anyhow!("{at}: {message}"))?,
            tell_warnings_after: config.tell_warnings_after,
            give_up_after: config.notifications.give_up_after,
            resolve_timeout: config.global.resolve_timeout,
            external_url,
            external_labels: config.external_labels.clone(),
            clusters: config.clusters.iter().map(|c| c.name.as_str().into()).collect(),
            rule_groups,
            drill: config.is_drill,
        };
        let (_, settings) = watch::channel(Arc::new(settings));
        let deps = Deps {
            store: self.store.clone(),
            live: self.shared.live.clone(),
            metrics: self.shared.metrics.clone(),
            clock: self.shared.clock.clone(),
            settings,
        };
        let (submissions, requests) = Submissions::new();
        let inputs = Inputs { diagnoses, firing, requests, findings };
        self.tasks.spawn(Dispatch::new(deps, restored).run(inputs, self.stop.clone()));
        Ok((send, submissions))
    }

    /// Starts the jobs that report in, and the pings to others.
    fn heartbeats(&mut self, restored: &Restored) -> Heartbeats {
        let monitored = |c: &ClusterConfig| Some((c.name.as_str().into(), c.monitoring.clone()?));
        let monitoring = self.config.clusters.iter().filter_map(monitored).collect();
        let deps = heartbeat::Deps {
            store: self.store.clone(),
            live: self.shared.live.clone(),
            clock: self.shared.clock.clone(),
        };
        let heartbeats = Heartbeats::new(self.config.heartbeats.clone(), monitoring, &restored.heartbeats, deps);
        self.tasks.spawn(heartbeats.clone().run(self.stop.clone()));
        for switch in &self.config.dead_mans_switch {
            let (live, metrics) = (self.shared.live.clone(), self.shared.metrics.clone());
            let clock = self.shared.clock.clone();
            self.tasks.spawn(heartbeat::dead_mans_switch::run(switch.clone(), live, metrics, clock, self.stop.clone()));
        }
        heartbeats
    }

    /// Rules over the history.
    fn evaluate(
        &mut self,
        groups: Vec<rule::Group>,
        firing: mpsc::Sender<Firing>,
        rule_failures: rule::group::RuleFailures,
        news: watch::Receiver<u64>,
        external_url: &str,
    ) -> rule::GroupStates {
        let group_states = rule::GroupStates::default();
        let engine = query::Engine::new(self.store.clone(), self.config.query.clone(), self.shared.metrics.clone());
        let parts = rule::group::Parts {
            context: rule::Context {
                engine,
                external_labels: self.config.external_labels.clone(),
                external_url: external_url.to_owned(),
            },
            store: self.store.clone(),
            states: group_states.clone(),
            metrics: self.shared.metrics.clone(),
            clock: self.shared.clock.clone(),
            firing,
            failures: rule_failures,
            news,
        };
        self.tasks.spawn(rule::group::run_all(groups, parts, self.stop.clone()));
        group_states
    }

    fn watch(
        &mut self,
        restored: Restored,
        wanted: scrape::config::Wanted,
        diagnoses: mpsc::Sender<Diagnosis>,
        news: watch::Sender<u64>,
        alive: Arc<AtomicU64>,
    ) {
        let shared = self.shared;
        let (reports, reports_in) = mpsc::channel(REPORTS);
        let (commands, commands_in) = mpsc::channel(NEWS);
        let (updates, updates_in) = mpsc::channel(NEWS);
        let (looks, looks_in) = mpsc::channel(NEWS);
        let look = Arc::new(Notify::new());
        let dialers = Dialers::default();
        let mut doubt = HashMap::new();
        let mut clusters = Vec::new();
        for config in &self.config.clusters {
            let name: Arc<str> = config.name.as_str().into();
            let (members, members_in) = watch::channel(Vec::new());
            let nudge = Arc::new(Notify::new());
            doubt.insert(name.clone(), nudge.clone());
            clusters.push(Cluster::new(name.clone(), members));
            let snapshot = restored.snapshots.iter().find(|s| s.cluster == *name).cloned().unwrap_or_default();
            let task = ClusterTask {
                config: config.clone(),
                name,
                defaults: self.config.defaults,
                dialers: dialers.clone(),
                store: self.store.clone(),
                metrics: shared.metrics.clone(),
                clock: shared.clock.clone(),
                snapshot,
                updates: updates.clone(),
                doubt: nudge,
                members: members_in,
            };
            self.tasks.spawn(task.run(self.stop.clone()));
        }
        for config in &self.config.clusters {
            let Some(scraping) = &config.scrape else { continue };
            let (name, known): (Arc<str>, Dialers) = (config.name.as_str().into(), dialers.clone());
            let parts = scrape::Parts {
                cluster: name.clone(),
                config: scraping.clone(),
                wanted: wanted.clone(),
                dialer: Box::new(move || known.get(&name)),
                live: shared.live.clone(),
                store: self.store.clone(),
                metrics: shared.metrics.clone(),
                clock: shared.clock.clone(),
            };
            self.tasks.spawn(scrape::run(parts, self.stop.clone()));
        }
        let watcher = Watcher::new(self.config.vantage.clone(), shared.clock.clone());
        self.tasks.spawn(watcher.run(looks, look.clone(), self.stop.clone()));
        let schedule = Schedule::new(
            self.config.schedule,
            prober(dialers, self.config, shared),
            reports,
            shared.metrics.clone(),
            shared.clock.clone(),
        );
        self.tasks.spawn(schedule.run(commands_in, self.stop.clone()));
        let parts = ingest::Parts {
            store: self.store.clone(),
            live: shared.live.clone(),
            metrics: shared.metrics.clone(),
            clock: shared.clock.clone(),
            schedule: commands,
            diagnoses,
            news,
            look,
            doubt,
        };
        let ingest = Ingest::new(parts, clusters, restored.targets);
        self.tasks.spawn(ingest.run(reports_in, updates_in, looks_in, alive, self.stop.clone()));
    }

    /// History to other stores.
    fn send(&mut self) {
        let clusters = self.config.clusters.iter();
        let longest = clusters.flat_map(ClusterConfig::timeouts).chain([self.config.defaults.timeout]).max();
        let parts = remote::Parts {
            store: self.store.clone(),
            metrics: self.shared.metrics.clone(),
            clock: self.shared.clock.clone(),
            external_labels: self.config.external_labels.clone(),
            grace: GRACE_MIN.max(longest.unwrap_or_default() + GRACE_MORE),
        };
        for config in &self.config.remote_write {
            self.tasks.spawn(remote::run(config.clone(), parts.clone(), self.stop.clone()));
        }
    }

    fn serve(
        &mut self,
        listener: TcpListener,
        external_url: String,
        submissions: Submissions,
        rules: rule::GroupStates,
        heartbeats: Heartbeats,
    ) {
        let web = Web {
            live: self.shared.live.clone(),
            metrics: self.shared.metrics.clone(),
            store: self.store.clone(),
            engine: query::Engine::new(self.store.clone(), self.config.query.clone(), self.shared.metrics.clone()),
            config: self.config.shown().into(),
            external_labels: Arc::new(self.config.external_labels.clone()),
            retention: self.config.storage.to_string().into(),
            clock: self.shared.clock.clone(),
            reload: self.shared.reload.clone(),
            external_url,
            submissions,
            rules,
            heartbeats,
            routes: self.config.routes_shown().into(),
            receivers: self.config.receivers.iter().map(|r| r.name.clone()).collect(),
        };
        let serving = http::serve(listener, http::router(web), self.stop.clone());
        self.tasks.spawn_on(serving, self.shared.serving.handle());
    }
}

/// The probe of a target: with its cluster's dialer, and the API servers that are up for the node proxy.
fn prober(dialers: Dialers, config: &Config, shared: &Shared) -> Prober {
    let (live, clock) = (shared.live.clone(), shared.clock.clone());
    let keep_alive: Arc<HashMap<String, bool>> =
        Arc::new(config.clusters.iter().map(|c| (c.name.clone(), c.kubelet.keep_alive)).collect());
    Arc::new(move |target: Arc<Target>| {
        let (dialers, live, clock, keep_alive) = (dialers.clone(), live.clone(), clock.clone(), keep_alive.clone());
        Box::pin(async move {
            let Some(dialer) = dialers.get(&target.key.cluster) else {
                // Targets come from the task that sets the dialer first, so that this is not seen in practice.
                let failure = Failure::new(Reason::Auth, "the cluster's kubeconfig is not loaded yet");
                return Observation::failed(target, clock.wall(), failure);
            };
            let proxies = if target.key.job == Job::Kubelet { api_servers(&live, &target) } else { Vec::new() };
            let keep = keep_alive.get(&*target.key.cluster).copied().unwrap_or(false);
            probe::probe(&target, &dialer, &proxies, keep, &clock).await
        })
    })
}

/// API servers of the target's cluster that are up.
fn api_servers(live: &Live, target: &Target) -> Vec<url::Url> {
    let live = live.read();
    let Some(cluster) = live.clusters.get(&target.key.cluster) else { return Vec::new() };
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

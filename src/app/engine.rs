//! All parts running under one configuration, and what of them changes with another.
//!
//! Store, loops and their memory live from start to stop. What is made of a part of the configuration (a cluster's
//! discovery, a rule group, a remote, the port, …) is compared with that part of the new one, and made anew only where
//! it is different.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{
    STOP_WITHIN, Shared, changes, drill,
    ground::Ground,
    links, pings,
    plan::{Plan, Running},
    report_mail, self_metrics,
    server::Server,
    tasks::Tasks,
    watching::{NEWS, Outputs, Watching},
};
use crate::{
    availability::SloConfig,
    config::Config,
    discover::config::ClusterConfig,
    dispatch::{Deps, Dispatch, Inputs, PeerSettings, Routing, Settings, Submissions},
    heartbeat::{self, Heartbeats, Ping, config::SwitchConfig},
    http::{self, Web, in_force::InForce},
    login::Sessions,
    model::{AlertName, Finding, Firing, NotificationKind, findings_of, sealed::secrets_of},
    notify::{self, Integration},
    peer::{
        self, PeerConfig,
        config::{VANTAGE, digest_of, of_alerts},
    },
    query,
    remote::{self, RemoteWriteConfig},
    rule::{
        self, GroupStates,
        group::{Parts, RuleFailures},
        groups::Groups,
    },
    scrape::config::Wanted,
    slo,
    store::{DeliveryRecord, Restored, StoreError},
};

/// A sample may arrive so long after its time: probes end within their timeouts, and what they saw is handled at once.
const GRACE_MIN: Duration = Duration::from_secs(15);
/// Beyond the longest timeout.
const GRACE_MORE: Duration = Duration::from_secs(5);
/// The store may take this long to write what is queued when everything else has stopped.
const STORE_CLOSE: Duration = Duration::from_millis(1_000);

/// Runs everything, from discovery to the pages.
pub struct Engine {
    ground: Ground,
    config: Arc<Config>,
    integrations: Vec<Integration>,
    watching: Watching,
    settings: watch::Sender<Arc<Settings>>,
    submissions: Submissions,
    heartbeats: Heartbeats,
    sessions: Sessions,
    /// For those who ask; rules have their own.
    queries: query::Engine,
    rules: Groups,
    rule_parts: Parts,
    drill: watch::Sender<Arc<Config>>,
    slos: watch::Sender<Arc<[SloConfig]>>,
    switches: Tasks<SwitchConfig>,
    remotes: Tasks<Remote>,
    peers: Tasks<PeerConfig>,
    peer_news: Arc<Notify>,
    own: watch::Sender<SocketAddr>,
    server: Server,
    alive: Arc<AtomicU64>,
    seen: AtomicU64,
    /// Where it listens: the port is known even if the configuration said 0.
    pub listening: SocketAddr,
}

/// What one part finds, new after each change.
type Findings = watch::Receiver<Arc<Vec<Finding>>>;

/// What a remote is made of.
#[derive(PartialEq)]
struct Remote {
    config: RemoteWriteConfig,
    external_labels: BTreeMap<String, String>,
    grace: Duration,
}

impl Engine {
    /// Starts every part; history and open incidents come back from the store.
    ///
    /// # Errors
    /// When the port can't be taken or a receiver's configuration can't be used.
    pub async fn start(config: &Config, shared: &Shared) -> anyhow::Result<Self> {
        Self::begin(Plan::at_start(config, None).await?, shared).await
    }

    /// Starts the same with receivers of the caller's choice.
    ///
    /// # Errors
    /// When the port can't be taken or the rules can't be used.
    pub async fn start_with(config: &Config, shared: &Shared, integrations: Vec<Integration>) -> anyhow::Result<Self> {
        Self::begin(Plan::at_start(config, Some(integrations)).await?, shared).await
    }

    async fn begin(plan: Plan, shared: &Shared) -> anyhow::Result<Self> {
        notify::init();
        let config = Arc::new(plan.config.clone());
        let (store, restored) = super::history::open(&config, shared).await?;
        let (shared, stop) = (shared.clone(), CancellationToken::new());
        let mut ground = Ground { shared, store, stop: stop.clone(), tasks: JoinSet::new() };
        let before = |alert| findings_of(&restored.incidents, alert);
        let failures = RuleFailures::restore(before(AlertName::RuleFailing), &plan.rules);
        let (heartbeats, pinged) = heartbeats(&config, &restored, &mut ground);
        // A proof that was missing is, until the next drill gives it.
        let unproven = if config.drill.is_some() { before(AlertName::DrillFailed) } else { Vec::new() };
        let (tell, drilled) = watch::channel(Arc::new(unproven));
        let (drill, drills) = watch::channel(config.clone());
        let mailed = drills.clone();
        ground.tasks.spawn(drill::scheduled(drills, tell, stop.clone()));
        let slos = objectives(&config, &mut ground);
        let findings = vec![failures.findings(), heartbeats.findings(), drilled];
        let (firing, firing_in) = mpsc::channel(NEWS);
        let (settings, settings_in) = watch::channel(Arc::new(settings(&plan)));
        let (diagnoses, submissions, peer_news) =
            dispatch(settings_in, (firing_in, findings, heartbeats.clone()), &restored, &mut ground);
        ground.tasks.spawn(pings::out(pinged, submissions.clone(), stop.clone()));
        let (news, news_in) = watch::channel(0);
        let mailing = report_mail::Deps {
            store: ground.store.clone(),
            submissions: submissions.clone(),
            clock: ground.shared.clock.clone(),
        };
        ground.tasks.spawn(report_mail::run(mailed, mailing, stop.clone()));
        let rule_parts = rule_parts(&plan, (firing, failures, news_in), &ground);
        let alive = Arc::new(AtomicU64::new(0));
        let outputs = Outputs { diagnoses, news, alive: alive.clone() };
        let wanted = Wanted::by(&rule::selectors(&plan.rules));
        let watching = Watching::start(&config, restored, &wanted, outputs, &mut ground);
        let (own, listening) = watch::channel(plan.listening);
        let Shared { live, metrics, clock, .. } = ground.shared.clone();
        ground.tasks.spawn(self_metrics::run(listening, ground.store.clone(), live, metrics, clock, stop.clone()));
        let sessions = sessions(&ground).await;
        let mut engine = Self {
            config,
            integrations: plan.integrations.clone(),
            watching,
            settings,
            submissions,
            heartbeats,
            sessions,
            queries: engine(&plan.config, &ground),
            rules: Groups::new(stop.clone()),
            rule_parts,
            drill,
            slos,
            switches: Tasks::new(stop.clone()),
            remotes: Tasks::new(stop.clone()),
            peers: Tasks::new(stop.clone()),
            peer_news,
            own,
            server: Server::new(stop),
            alive,
            seen: AtomicU64::new(0),
            listening: plan.listening,
            ground,
        };
        let data_dir = engine.config.data_dir.clone();
        engine.follow(plan);
        let (listening, clusters) = (engine.listening, engine.config.clusters.len());
        let checks = engine.config.checks.len();
        tracing::info!(%listening, clusters, checks, data_dir = %data_dir.display(), "watching");
        Ok(engine)
    }

    /// Puts another configuration in force. What it leaves as it is goes on untouched; returns what has changed, in words.
    pub async fn put_in_force(&mut self, plan: Plan) -> String {
        let changed = changes::between((&self.config, self.rules.all()), (&plan.config, plan.rules.iter()));
        while self.ground.tasks.try_join_next().is_some() {}
        self.ground.store.configure(plan.config.storage.clone());
        // First: what is said of a cluster or a rule group that dispatch does not know is not taken.
        self.settings.send_replace(Arc::new(settings(&plan)));
        let wanted = Wanted::by(&rule::selectors(&plan.rules));
        let mut plan = plan;
        let dialers = std::mem::take(&mut plan.dialers);
        self.watching.change(&plan.config, &wanted, dialers, &mut self.ground).await;
        if let Some(configured) = plan.heartbeats.take() {
            self.heartbeats.configure(configured);
        }
        if self.queries.config() != &plan.config.query {
            self.queries = engine(&plan.config, &self.ground);
            self.rule_parts.context.engine = engine(&plan.config, &self.ground);
        }
        self.rule_parts.context.external_labels.clone_from(&plan.config.external_labels);
        self.rule_parts.context.external_url.clone_from(&plan.external_url);
        self.integrations.clone_from(&plan.integrations);
        self.config = Arc::new(plan.config.clone());
        self.listening = plan.listening;
        self.drill.send_replace(self.config.clone());
        let slos = self.config.slos.as_slice();
        self.slos.send_if_modified(|known| {
            let news = **known != *slos;
            if news {
                *known = slos.into();
            }
            news
        });
        self.follow(plan);
        changed
    }

    /// Starts and ends what is made of the configuration.
    fn follow(&mut self, plan: Plan) {
        let web = self.web(&plan);
        let Plan { rules, listener, listening, .. } = plan;
        self.own.send_replace(listening);
        let Ground { shared, store, tasks, .. } = &mut self.ground;
        let Shared { live, metrics, clock, .. } = &*shared;
        self.rules.set(rules, &self.rule_parts, tasks);
        let switches = self.config.dead_mans_switch.iter().enumerate().map(|(i, s)| (i.to_string(), s.clone()));
        let begin = |switch: &SwitchConfig, leave| {
            let (live, metrics, clock) = (live.clone(), metrics.clone(), clock.clone());
            heartbeat::dead_mans_switch::run(switch.clone(), live, metrics, clock, leave)
        };
        self.switches.set(switches, begin, tasks);
        let begin = |remote: &Remote, leave| {
            let parts = remote::Parts {
                store: store.clone(),
                metrics: metrics.clone(),
                clock: clock.clone(),
                external_labels: remote.external_labels.clone(),
                grace: remote.grace,
            };
            remote::run(remote.config.clone(), parts, leave)
        };
        self.remotes.set(remotes(&self.config), begin, tasks);
        let begin = |peer: &PeerConfig, leave| {
            peer::link::run(peer.clone(), self.submissions.clone(), self.peer_news.clone(), metrics.clone(), leave)
        };
        // A drill is of one watchdog.
        let peers = self.config.peers.iter().filter(|_| !self.config.is_drill);
        self.peers.set(peers.map(|p| (p.url.to_string(), p.clone())), begin, tasks);
        self.server.serve(web, listener, &shared.serving, tasks);
        metrics.reload_ok.set(1);
        metrics.reloaded_at.set(clock.wall().as_second());
    }

    /// What pages and APIs answer from.
    fn web(&self, plan: &Plan) -> Web {
        let (shared, config) = (&self.ground.shared, &plan.config);
        Web {
            live: shared.live.clone(),
            metrics: shared.metrics.clone(),
            store: self.ground.store.clone(),
            engine: self.queries.clone(),
            config: InForce::new(config.shown(), secrets_of(config), &config.by_command_line),
            external_labels: Arc::new(config.external_labels.clone()),
            retention: config.storage.to_string().into(),
            clock: shared.clock.clone(),
            reload: shared.reload.clone(),
            external_url: plan.external_url.clone(),
            door: plan.door.clone(),
            sessions: self.sessions.clone(),
            own_names: links::own_names().into_iter().chain(config.allowed_hosts.iter().cloned()).collect(),
            submissions: self.submissions.clone(),
            rules: self.rule_parts.states.clone(),
            heartbeats: self.heartbeats.clone(),
            language: config.language,
            zone: config.voice().unwrap_or_default().zone,
            slos: config.slos.as_slice().into(),
            routes: config.routes_shown().into(),
            receivers: config.receivers.iter().map(|r| r.name.clone()).collect(),
            peer: config.peers.first().cloned().map(Arc::new),
        }
    }

    /// Returns what a new configuration is built beside.
    pub fn running(&self) -> Running {
        let (config, clock) = (self.config.clone(), self.ground.shared.clock.clone());
        Running { config, listening: self.listening, listener: self.server.listener.clone(), clock }
    }

    /// Returns the deliveries of one incident so far.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn deliveries(&self, incident: i64) -> Result<Vec<DeliveryRecord>, StoreError> {
        self.ground.store.deliveries(incident).await
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
    pub async fn stop(self) {
        // Dropped before the stop, a cluster's or a scrape's sender would say that it is not watched any more.
        self.ground.stop.cancel();
        let Ground { store, mut tasks, .. } = self.ground;
        let all = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_WITHIN - STORE_CLOSE, all).await.is_err() {
            tracing::warn!("some parts did not stop in time and are dropped");
            tasks.abort_all();
        }
        store.close(STORE_CLOSE).await;
    }
}

/// Who was logged in when an earlier run ended. What can't be read is logged in anew.
async fn sessions(ground: &Ground) -> Sessions {
    let (store, now) = (ground.store.clone(), ground.shared.clock.wall());
    let read = tokio::task::spawn_blocking(move || store.value(http::SESSIONS)).await;
    let text = read.ok().and_then(Result::ok).flatten().unwrap_or_default();
    Sessions::restored(&text, now)
}

fn settings(plan: &Plan) -> Settings {
    let config = &plan.config;
    let limits = config.receivers.iter().filter_map(|r| Some((r.name.clone(), r.rate_limit?)));
    Settings {
        integrations: plan.integrations.clone(),
        rate_limits: limits.collect(),
        routing: Routing::clone(&plan.routing),
        tell_warnings_after: config.tell_warnings_after,
        give_up_after: config.notifications.give_up_after,
        resolve_timeout: config.global.resolve_timeout,
        external_url: plan.external_url.clone(),
        external_labels: of_alerts(&config.external_labels, !config.peers.is_empty()),
        clusters: config.groups().map(Into::into).collect(),
        rule_groups: plan.rules.iter().map(rule::Group::key).collect(),
        drill: config.is_drill,
        peer: config.peers.first().filter(|_| !config.is_drill).map(|peer| peer_settings(config, peer)),
    }
}

/// What dispatch knows of the other watchdog.
fn peer_settings(config: &Config, peer: &PeerConfig) -> PeerSettings {
    let labels = of_alerts(&config.external_labels, true);
    let clusters: Vec<_> = config.groups().collect();
    let same = format!("{} {labels:?} {clusters:?} {:?}", config.routes_shown(), config.tell_warnings_after);
    PeerSettings {
        name: config.external_labels.get(VANTAGE).cloned().unwrap_or_default(),
        takeover: peer.takeover,
        confirm: config.confirm,
        digest: digest_of(&same),
    }
}

fn dispatch(
    settings: watch::Receiver<Arc<Settings>>,
    (firing, findings, heartbeats): (mpsc::Receiver<Firing>, Vec<Findings>, Heartbeats),
    restored: &Restored,
    ground: &mut Ground,
) -> (mpsc::Sender<crate::model::Diagnosis>, Submissions, Arc<Notify>) {
    let (send, diagnoses) = mpsc::channel(NEWS);
    let Shared { live, metrics, clock, .. } = ground.shared.clone();
    let deps = Deps { store: ground.store.clone(), live, metrics, clock, settings };
    let (submissions, requests) = Submissions::new();
    let inputs = Inputs { diagnoses, firing, requests, findings };
    let mut dispatch = Dispatch::new(deps, restored);
    let news = dispatch.peer_news();
    let (pings, pinged) = mpsc::channel(NEWS);
    dispatch.hand_pings_to(pings);
    ground.tasks.spawn(pings::from_elsewhere(pinged, heartbeats));
    ground.tasks.spawn(dispatch.run(inputs, ground.stop.clone()));
    (send, submissions, news)
}

/// Starts the jobs that report in.
fn heartbeats(
    config: &Config,
    restored: &Restored,
    ground: &mut Ground,
) -> (Heartbeats, mpsc::Receiver<(String, Ping)>) {
    let Shared { live, clock, .. } = ground.shared.clone();
    let deps = heartbeat::Deps { store: ground.store.clone(), live, clock };
    let configured = super::plan::reporting(config);
    let (heartbeats, heard) =
        Heartbeats::begin(configured, (&restored.heartbeats, restored.restore_drills.clone()), deps);
    ground.tasks.spawn(heartbeats.clone().run(ground.stop.clone()));
    (heartbeats, heard)
}

/// Starts to judge objectives.
fn objectives(config: &Config, ground: &mut Ground) -> watch::Sender<Arc<[SloConfig]>> {
    let (slos, told) = watch::channel(config.slos.as_slice().into());
    let Shared { live, clock, .. } = ground.shared.clone();
    let deps = slo::Deps { store: ground.store.clone(), live, clock };
    ground.tasks.spawn(slo::run(told, deps, ground.stop.clone()));
    slos
}

fn engine(config: &Config, ground: &Ground) -> query::Engine {
    query::Engine::new(ground.store.clone(), config.query.clone(), ground.shared.metrics.clone())
}

/// What rules over the history work with.
fn rule_parts(
    plan: &Plan,
    (firing, failures, news): (mpsc::Sender<Firing>, RuleFailures, watch::Receiver<u64>),
    ground: &Ground,
) -> Parts {
    let context = rule::Context {
        engine: engine(&plan.config, ground),
        external_labels: plan.config.external_labels.clone(),
        external_url: plan.external_url.clone(),
    };
    let (metrics, clock) = (ground.shared.metrics.clone(), ground.shared.clock.clone());
    let (store, states) = (ground.store.clone(), GroupStates::default());
    Parts { context, store, states, metrics, clock, firing, failures, news }
}

/// History to other stores.
fn remotes(config: &Config) -> impl Iterator<Item = (String, Remote)> + use<'_> {
    let clusters = config.clusters.iter();
    let checks = config.checks.iter().filter_map(|check| check.timeout);
    let longest = clusters.flat_map(ClusterConfig::timeouts).chain(checks).chain([config.defaults.timeout]).max();
    let grace = GRACE_MIN.max(longest.unwrap_or_default() + GRACE_MORE);
    config.remote_write.iter().map(move |remote| {
        let external_labels = config.external_labels.clone();
        (remote.name(), Remote { config: remote.clone(), external_labels, grace })
    })
}

//! The canary: does in a cluster what its users do, and measures each stage. Off unless a cluster's `canary:` asks for it.
//!
//! Invariants: it touches nothing but objects of its own, in the one namespace that is configured, found by the labels
//! that this watchdog gave them; never more than one form at a time in a cluster; whatever happens, what it made is deleted: at
//! the end of a run, at the end of the watchdog, else at its next start. A run that fails says which layer failed (`layer`,
//! pure); what is said of it and what explains it is `health::canary`'s. It waits for no probe, and no probe for it.

mod api;
mod dry_run;
mod layer;
mod lease;
mod manifest;
mod places;
mod pod;
mod pod_facts;
mod pod_layer;
mod run;
mod sweep;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use url::Url;

use self::{
    api::Api,
    run::{Run, failed},
};
use crate::{
    clock::Clock,
    dial::Dialer,
    discover::config::{CanaryConfig, DryRunConfig, PodCanary},
    model::{
        CanaryForm, CanaryLayer, CanaryPlace, CanaryRun, CanaryStage, CanaryStanding, Job, Live, ProbeSpec, State,
    },
    store::Store,
    telemetry::{CanaryLabels, Metrics},
};

/// After a start, the cluster's API servers are known by then.
const FIRST_AFTER: Duration = Duration::from_secs(5);
/// What is missing (credentials, sight) is looked for again after this.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// A failed run is repeated after this, to confirm it …
const CONFIRM_AFTER: Duration = Duration::from_secs(10);
/// … and from then on this often at least, until it is well again.
const FAILING_EVERY: Duration = Duration::from_secs(60);
/// What a run left is deleted within this when its configuration goes or changes.
const CLEAN_WITHIN: Duration = Duration::from_secs(10);
/// The same at the end of the watchdog, which people wait for.
const CLEAN_AT_STOP: Duration = Duration::from_secs(2);
/// Under this key of the store lies by which name this watchdog's objects are known.
const INSTANCE_KEY: &str = "canary/instance";
/// Characters of that name: two watchdogs do not share one by chance.
const INSTANCE_CHARS: usize = 10;

/// How all forms and places stand.
type Standings = BTreeMap<(CanaryForm, CanaryPlace), CanaryStanding>;

/// Holds what a cluster's canary works with.
pub struct Parts {
    /// The cluster.
    pub cluster: Arc<str>,
    /// Gives the cluster's dialer once its kubeconfig is loaded.
    pub dialer: Box<dyn Fn() -> Option<Dialer> + Send + Sync>,
    /// The API servers that are up, and the nodes.
    pub live: Live,
    /// What outlives a restart.
    pub store: Store,
    /// Own metrics.
    pub metrics: Arc<Metrics>,
    /// Time.
    pub clock: Clock,
    /// How it stands goes here.
    pub told: watch::Sender<Arc<[CanaryStanding]>>,
}

/// Runs until told to stop, or until nobody can change its configuration any more: then it is off, and stands for nothing.
pub async fn run(parts: Parts, mut settings: watch::Receiver<CanaryConfig>, stop: CancellationToken) {
    let id = instance_id(&parts.store).await;
    let mut standings = restore(&parts).await;
    loop {
        let config = settings.borrow_and_update().clone();
        standings.retain(|(form, _), _| is_on(&config, *form));
        tell(&parts, &standings);
        let mut canary = Canary { parts: &parts, config: &config, id: &id, own: None, last: None, turn: 0 };
        let change = tokio::select! {
            () = stop.cancelled() => None,
            changed = settings.changed() => Some(changed),
            () = canary.fly(&mut standings) => return,
        };
        let Some(change) = change else { return canary.clean(CLEAN_AT_STOP).await };
        canary.clean(CLEAN_WITHIN).await;
        if change.is_err() {
            return tell(&parts, &Standings::new());
        }
    }
}

fn is_on(config: &CanaryConfig, form: CanaryForm) -> bool {
    match form {
        CanaryForm::Lease => config.lease.is_some(),
        CanaryForm::Pod => config.pod().is_some(),
        CanaryForm::DryRun => config.dry_run.is_some(),
    }
}

/// Whether something of ours may be in the cluster.
fn makes_objects(config: &CanaryConfig) -> bool {
    is_on(config, CanaryForm::Lease) || is_on(config, CanaryForm::Pod)
}

/// By which name this watchdog's objects are known, made once for its data directory.
async fn instance_id(store: &Store) -> String {
    let reader = store.clone();
    let known = tokio::task::spawn_blocking(move || reader.value(INSTANCE_KEY)).await;
    if let Some(id) = known.ok().and_then(Result::ok).flatten().filter(|id| id.len() == INSTANCE_CHARS) {
        return id;
    }
    let id: String = (0..INSTANCE_CHARS).map(|_| fastrand::lowercase()).collect();
    // Before anything bears it: what is made under a name that is forgotten would stay.
    store.commit_value(INSTANCE_KEY, &id).await;
    id
}

fn key(cluster: &str) -> String {
    format!("canary/{cluster}")
}

/// How it stood when an earlier run ended: what was wrong is, until the next run says otherwise.
async fn restore(parts: &Parts) -> Standings {
    let (store, key) = (parts.store.clone(), key(&parts.cluster));
    let text = tokio::task::spawn_blocking(move || store.value(&key)).await.ok().and_then(Result::ok).flatten();
    let known: Vec<CanaryStanding> = text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    known.into_iter().map(|s| ((s.form, s.place.clone()), s)).collect()
}

fn tell(parts: &Parts, standings: &Standings) {
    let all: Arc<[CanaryStanding]> = standings.values().cloned().collect();
    if let Ok(text) = serde_json::to_string(&*all) {
        parts.store.save_value(&key(&parts.cluster), &text);
    }
    parts.told.send_replace(all);
}

/// What flies under one configuration.
struct Canary<'a> {
    parts: &'a Parts,
    config: &'a CanaryConfig,
    id: &'a str,
    /// The dialer of its own kubeconfig, where it has one.
    own: Option<Dialer>,
    /// How the cluster was last reached: what was made is deleted by the same way, when the cluster has just gone from the
    /// configuration, too.
    last: Option<Api>,
    /// Counts the runs: each begins at another server.
    turn: usize,
}

impl Canary<'_> {
    /// Runs its forms one after the other, each when it is due.
    async fn fly(&mut self, standings: &mut Standings) {
        let began = Instant::now() + FIRST_AFTER;
        let mut due: BTreeMap<CanaryForm, Instant> =
            CanaryForm::ALL.into_iter().filter(|form| is_on(self.config, *form)).map(|form| (form, began)).collect();
        let mut is_swept = !makes_objects(self.config);
        loop {
            let Some((form, at)) = due.iter().min_by_key(|(_, at)| **at).map(|(form, at)| (*form, *at)) else {
                return std::future::pending().await;
            };
            tokio::time::sleep_until(at).await;
            let started = Instant::now();
            if !is_swept && self.sees() {
                is_swept = self.sweep_once().await;
            }
            let rest = match self.sees() {
                true => self.once(form, standings).await.unwrap_or(LOOK_AGAIN),
                false => LOOK_AGAIN,
            };
            due.insert(form, (started + rest).max(Instant::now()));
        }
    }

    /// Deletes what an earlier run of the watchdog left, whichever form it was of. Returns whether that is done.
    async fn sweep_once(&mut self) -> bool {
        match self.api(CanaryStage::Swept).await {
            Some(Ok(api)) => sweep::everything(&api, &self.servers(&api), CLEAN_WITHIN).await,
            _ => false,
        }
    }

    /// Runs one form; how long after its start it is due again. `None`: nothing is known of the cluster by it.
    async fn once(&mut self, form: CanaryForm, standings: &mut Standings) -> Option<Duration> {
        let (interval, place, run) = match form {
            CanaryForm::Lease => {
                let lease = self.config.lease?;
                (lease.interval, CanaryPlace::Anywhere, self.lease(lease.timeout).await?)
            }
            CanaryForm::Pod => {
                let pod = self.config.pod()?;
                let all = places::places(&self.parts.live, &self.parts.cluster, pod.each);
                standings.retain(|(form, place), _| *form != CanaryForm::Pod || all.contains(place));
                let place = places::next(&all, standings.values().filter(|s| s.form == form));
                let run = self.pod(&pod, &place).await?;
                (pod.interval, place, run)
            }
            CanaryForm::DryRun => {
                let dry_run = self.config.dry_run.clone()?;
                (dry_run.interval, CanaryPlace::Anywhere, self.dry_run(&dry_run).await?)
            }
        };
        let failures = self.note(form, place, run, standings);
        // Of several places, those that are well are not visited less often since another one fails.
        let worst = standings.values().filter(|s| s.form == form).map(|s| s.failures).max().unwrap_or(failures);
        Some(rest(if failures == 1 { 1 } else { worst }, interval))
    }

    /// Whether what fails would say anything of the cluster.
    fn sees(&self) -> bool {
        self.parts.live.read().vantage.ok
    }

    /// Takes in a run; how many have failed in a row.
    fn note(&self, form: CanaryForm, place: CanaryPlace, run: CanaryRun, standings: &mut Standings) -> u32 {
        let cluster = &self.parts.cluster;
        let before = standings.get(&(form, place.clone()));
        let outcome = if run.failure.is_some() { "failed" } else { "success" };
        let labels = CanaryLabels { cluster: cluster.to_string(), canary: form.as_str(), outcome };
        self.parts.metrics.canary_runs.get_or_create(&labels).inc();
        if let Some(failure) = &run.failure {
            tracing::info!(%cluster, canary = form.as_str(), stage = %failure.stage, layer = %failure.layer, why = %failure.why, "canary");
        }
        let own = self.config.dry_run.as_ref().filter(|_| form == CanaryForm::DryRun).map(|d| d.severity);
        let standing = CanaryStanding::after(before, form, place.clone(), own.unwrap_or(self.config.severity), run);
        let failures = standing.failures;
        standings.insert((form, place), standing);
        tell(self.parts, standings);
        failures
    }

    /// How the cluster is reached; a failed run where its own kubeconfig can't be used, `None` where the cluster's is not
    /// read yet.
    async fn api(&mut self, stage: CanaryStage) -> Option<Result<Api, CanaryRun>> {
        let dialer = match (self.config.dial(), self.own.clone()) {
            (None, _) => (self.parts.dialer)()?,
            (Some(_), Some(own)) => own,
            (Some(config), None) => match Dialer::load(config, self.parts.clock.clone()).await {
                Ok(dialer) => self.own.insert(dialer).clone(),
                Err(error) => {
                    let told = (CanaryLayer::Setup, "its kubeconfig can't be used");
                    let run = Run::begin(self.parts.clock.wall());
                    return Some(Err(run.end(Err(failed(stage, told, vec![error.to_string()])))));
                }
            },
        };
        let api = Api { dialer, namespace: self.config.namespace.clone(), id: self.id.to_owned() };
        self.last = Some(api.clone());
        Some(Ok(api))
    }

    /// The API servers that are up, each run beginning with the next one; where none is, the one of the kubeconfig.
    fn servers(&self, api: &Api) -> Vec<Url> {
        let mut servers = up(&self.parts.live, &self.parts.cluster);
        if servers.is_empty() {
            return vec![api.dialer.server()];
        }
        let first = self.turn % servers.len();
        servers.rotate_left(first);
        servers
    }

    async fn lease(&mut self, limit: Duration) -> Option<CanaryRun> {
        let api = match self.api(CanaryStage::Written).await? {
            Ok(api) => api,
            Err(run) => return Some(run),
        };
        self.turn = self.turn.wrapping_add(1);
        let run = lease::run(&api, &self.servers(&api), limit, self.parts.clock.wall()).await;
        // Cut off meanwhile, it says nothing of the cluster.
        (run.failure.is_none() || self.sees()).then_some(run)
    }

    async fn dry_run(&mut self, config: &DryRunConfig) -> Option<CanaryRun> {
        // By the cluster's own credentials, whatever the canary's are.
        let (dialer, namespace) = ((self.parts.dialer)()?, config.namespace.clone());
        let api = Api { dialer, namespace, id: self.id.to_owned() };
        self.turn = self.turn.wrapping_add(1);
        let run = dry_run::run(&api, &self.servers(&api), config.timeout, self.parts.clock.wall()).await;
        (run.failure.is_none() || self.sees()).then_some(run)
    }

    async fn pod(&mut self, config: &PodCanary, place: &CanaryPlace) -> Option<CanaryRun> {
        let api = match self.api(CanaryStage::Admitted).await? {
            Ok(api) => api,
            Err(run) => return Some(run),
        };
        self.turn = self.turn.wrapping_add(1);
        let servers = self.servers(&api);
        let flight = pod::Flight {
            api: &api,
            servers: &servers,
            config,
            place,
            live: &self.parts.live,
            cluster: &self.parts.cluster,
        };
        let run = pod::run(&flight, self.parts.clock.wall()).await;
        (run.failure.is_none() || self.sees()).then_some(run)
    }

    /// Deletes what a run that was broken off may have left. What can't be deleted now is at the next start.
    async fn clean(&self, within: Duration) {
        let Some(api) = self.last.clone() else { return };
        let servers = self.servers(&api);
        let swept = tokio::time::timeout(within, sweep::everything(&api, &servers, within)).await;
        if !matches!(swept, Ok(true)) {
            let cluster = &self.parts.cluster;
            tracing::info!(%cluster, "what the canary made could not be looked for; the next start deletes it");
        }
    }
}

/// How long after the start of a run the next one begins.
fn rest(failures: u32, interval: Duration) -> Duration {
    match failures {
        0 => interval,
        1 => CONFIRM_AFTER.min(interval),
        _ => FAILING_EVERY.min(interval),
    }
}

/// The API servers of a cluster that are up.
fn up(live: &Live, cluster: &str) -> Vec<Url> {
    let live = live.read();
    let Some(cluster) = live.clusters.get(cluster) else { return Vec::new() };
    let all = cluster.targets.values().take_while(|t| t.target.key.job == Job::KubeApiserver);
    let up = all.filter(|t| t.verdict.state == State::Up).filter_map(|t| match &t.target.spec {
        ProbeSpec::ApiServer { base, .. } => Some(base.clone()),
        _ => None,
    });
    up.collect()
}

//! Jobs that report in, and the monitoring inside the clusters: silence is the alarm. And the other way round: dogwatch
//! reports to somebody else's alarm, so that its own silence is noticed.
//!
//! `judge` decides (pure, time is an argument), `keep` remembers, `tokens` knows who may speak for whom, `switch` pings
//! others. A ping is answered after the store has it. Never accuses anybody of a silence in which the watchdog itself
//! could not hear: after a start, and after it was cut off, a deadline is no nearer than the job's grace.

pub mod config;
mod judge;
mod keep;
pub mod switch;
mod tokens;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use self::judge::Standing;
use self::{
    config::{HeartbeatConfig, MonitoringConfig},
    judge::Sight,
    keep::State,
    tokens::Tokens,
};
use crate::{
    clock::Clock,
    model::{Finding, Labels, Live, Pairs, Sample},
    store::Store,
};

/// Bytes of a ping's body that are kept as evidence, as healthchecks.io does; more is cut.
pub const BODY_MAX: usize = 10_000;

/// Pings that are kept of one job.
pub const PINGS_MAX: usize = 20;

/// How often it is judged.
const TICK: Duration = Duration::from_secs(1);

/// How often the series are written where nothing changes.
const SAMPLES_EVERY: Duration = Duration::from_secs(15);

/// What a ping says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It begins.
    Start,
    /// It is done.
    Success,
    /// It failed.
    Fail,
    /// Only words.
    Log,
}

/// A ping as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ping {
    /// When.
    pub at: Timestamp,
    /// What it said.
    pub kind: Kind,
    /// The exit status, where it was given.
    #[serde(default)]
    pub exit_status: Option<u8>,
    /// What came with it, cut at [`BODY_MAX`].
    #[serde(default)]
    pub body: String,
}

/// A heartbeat as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct View {
    /// Its name.
    pub name: String,
    /// Its cluster, where it has one.
    pub cluster: Option<String>,
    /// How it stands.
    pub state: Standing,
    /// When it last succeeded.
    pub last_success: Option<Timestamp>,
    /// When the next success is due at the latest.
    pub due_by: Timestamp,
    /// Seconds from start to success, the last time both were told.
    pub duration_seconds: Option<f64>,
    /// The last pings, newest first.
    pub pings: Vec<Ping>,
}

/// What the parts that hear and show need. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Pulse(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    jobs: Vec<HeartbeatConfig>,
    monitoring: BTreeMap<Arc<str>, MonitoringConfig>,
    tokens: Tokens,
    states: Mutex<BTreeMap<String, State>>,
    store: Store,
    live: Live,
    clock: Clock,
    findings: watch::Sender<Arc<Vec<Finding>>>,
    news: tokio::sync::Notify,
}

/// A token that nobody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unknown;

impl Pulse {
    /// With what an earlier run remembered, `(name, text)`.
    pub fn new(
        jobs: Vec<HeartbeatConfig>,
        monitoring: BTreeMap<Arc<str>, MonitoringConfig>,
        restored: &[(String, String)],
        (store, live, clock): (Store, Live, Clock),
    ) -> Self {
        let tokens = Tokens::new(&jobs, &monitoring);
        let now = clock.wall();
        let states = keep::restore(&jobs, &monitoring, restored, now);
        let findings = watch::Sender::new(Arc::default());
        let news = tokio::sync::Notify::new();
        Self(Arc::new(Inner {
            jobs,
            monitoring,
            tokens,
            states: Mutex::new(states),
            store,
            live,
            clock,
            findings,
            news,
        }))
    }

    /// What is late, failed or silent, new after each change.
    pub fn findings(&self) -> watch::Receiver<Arc<Vec<Finding>>> {
        self.0.findings.subscribe()
    }

    fn states(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, State>> {
        self.0.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a ping; returns when the store has it.
    ///
    /// # Errors
    /// When nobody has the token.
    pub async fn ping(&self, token: &str, kind: Kind, exit_status: Option<u8>, body: String) -> Result<(), Unknown> {
        let job = self.0.tokens.job_of(token).await.ok_or(Unknown)?;
        let ping = Ping { at: self.0.clock.wall(), kind, exit_status, body };
        self.remember(&job, |state| state.take(ping)).await;
        Ok(())
    }

    async fn remember(&self, name: &str, change: impl FnOnce(&mut State)) {
        let text = {
            let mut states = self.states();
            let Some(state) = states.get_mut(name) else { return };
            change(state);
            serde_json::to_string(state).unwrap_or_default()
        };
        self.0.store.commit_heartbeat(name, &text).await;
        self.0.news.notify_one();
    }

    /// The cluster for which a bearer token speaks; `None` where no cluster has one and none is asked for.
    ///
    /// # Errors
    /// Why the request is not taken, in words.
    pub async fn cluster_of(&self, bearer: Option<&str>) -> Result<Option<Arc<str>>, String> {
        match bearer {
            Some(token) => match self.0.tokens.cluster_of(token).await {
                Some(cluster) => Ok(Some(cluster)),
                None => Err("this token is of no cluster: see clusters[].monitoring.token_file".into()),
            },
            None if self.0.monitoring.is_empty() => Ok(None),
            None => {
                Err("a cluster's token is needed: Authorization: Bearer …, see clusters[].monitoring.token_file".into())
            }
        }
    }

    /// Whether an alert is the one that says that a cluster's monitoring lives: then it is taken here, and goes no further.
    pub async fn monitoring_says(
        &self,
        cluster: &str,
        labels: &Pairs,
        ends_at: Option<Timestamp>,
        now: Timestamp,
    ) -> bool {
        let Some(config) = self.0.monitoring.get(cluster) else { return false };
        if labels.get("alertname").is_none_or(|name| *name != config.alert) {
            return false;
        }
        // Its end is told when Prometheus stops in order: that is no sign of life.
        if ends_at.is_none_or(|end| end > now) {
            let ping = Ping { at: now, kind: Kind::Success, exit_status: None, body: String::new() };
            self.remember(&keep::monitoring_name(cluster), |state| state.take(ping)).await;
        }
        true
    }

    /// Every heartbeat as it stands.
    pub fn views(&self) -> Vec<View> {
        let now = self.0.clock.wall();
        let sight = self.sight();
        let states = self.states();
        let view = |config: &HeartbeatConfig| {
            let state = states.get(&config.name)?;
            let judged = judge::judge(config, state, now, sight);
            Some(View {
                name: config.name.clone(),
                cluster: config.cluster.clone(),
                state: judged.standing,
                last_success: state.last_success,
                due_by: judged.due_by,
                duration_seconds: state.duration,
                pings: state.pings.iter().rev().cloned().collect(),
            })
        };
        self.0.jobs.iter().filter_map(view).collect()
    }

    /// Since when the watchdog could hear.
    fn sight(&self) -> Sight {
        let live = self.0.live.read();
        let started = live.started_at.unwrap_or_else(|| self.0.clock.wall());
        if !live.vantage.ok {
            return Sight::Blind;
        }
        Sight::Since(live.vantage.since.map_or(started, |since| since.max(started)))
    }

    /// Judges until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let mut written = self.0.clock.mono();
        let mut before: Vec<Sample> = Vec::new();
        let mut first = true;
        loop {
            let (findings, samples) = self.look();
            self.0.findings.send_if_modified(|old| {
                let changed = **old != findings;
                if changed {
                    *old = Arc::new(findings);
                }
                changed
            });
            let values = |s: &[Sample]| s.iter().map(|s| (s.labels.clone(), s.value)).collect::<Vec<_>>();
            let now = self.0.clock.mono();
            if first || values(&before) != values(&samples) || now.duration_since(written) >= SAMPLES_EVERY {
                self.0.store.append(&samples);
                (written, first) = (now, false);
                self.0.live.write().heartbeats = samples.clone().into();
                before = samples;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.0.news.notified() => {}
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    fn look(&self) -> (Vec<Finding>, Vec<Sample>) {
        let now = self.0.clock.wall();
        let sight = self.sight();
        let states = self.states();
        let (mut findings, mut samples) = (Vec::new(), Vec::new());
        for config in &self.0.jobs {
            let Some(state) = states.get(&config.name) else { continue };
            let judged = judge::judge(config, state, now, sight);
            findings.extend(judge::finding(config, state, &judged, now));
            samples.extend(series(config, state, &judged, now));
        }
        for (cluster, config) in &self.0.monitoring {
            let Some(state) = states.get(&keep::monitoring_name(cluster)) else { continue };
            let silent = judge::silence(config, state, now, sight);
            let labels = Labels::new("dogwatch_in_cluster_monitoring_up", [("cluster", &**cluster)]);
            samples.push(Sample { labels, at: now, value: if silent.is_some() { 0.0 } else { 1.0 } });
            findings.extend(silent.map(|since| judge::silent(cluster, config, since, now)));
        }
        (findings, samples)
    }
}

/// A heartbeat's series (the contract).
fn series(config: &HeartbeatConfig, state: &State, judged: &judge::Judged, at: Timestamp) -> Vec<Sample> {
    let mut base: Vec<(&str, &str)> = config.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    base.push(("heartbeat", &config.name));
    base.extend(config.cluster.as_deref().map(|c| ("cluster", c)));
    let mut samples = Vec::new();
    let mut put = |name: &str, more: &[(&str, &str)], value: f64| {
        let labels = Labels::new(name, base.iter().chain(more).copied());
        samples.push(Sample { labels, at, value });
    };
    let up = !matches!(judged.standing, Standing::Late | Standing::Failed | Standing::TooLong);
    put("dogwatch_heartbeat_up", &[], f64::from(u8::from(up)));
    for standing in Standing::ALL {
        put(
            "dogwatch_heartbeat_state",
            &[("state", standing.as_str())],
            f64::from(u8::from(standing == judged.standing)),
        );
    }
    #[allow(clippy::cast_precision_loss)] // Seconds since 1970 are exact.
    let unix = |at: Timestamp| at.as_second() as f64;
    if let Some(last) = state.last_success {
        put("dogwatch_heartbeat_last_seen_timestamp_seconds", &[], unix(last));
    }
    put("dogwatch_heartbeat_expected_by_timestamp_seconds", &[], unix(judged.due_by));
    if let Some(seconds) = state.duration {
        put("dogwatch_heartbeat_duration_seconds", &[], seconds);
    }
    samples
}

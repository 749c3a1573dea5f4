//! Jobs that report in, and the monitoring inside the clusters: silence is the alarm. And the other way round: dogwatch
//! reports to somebody else's alarm, so that its own silence is noticed.
//!
//! `judge` decides and `messages` says it (both pure, time is an argument), `state` remembers pings, `listening` the times in
//! which nobody could be heard, `tokens` knows who may speak for whom, `dead_mans_switch` pings others. What was pinged is in the
//! store before it is answered, in the order in which it was taken. Never accuses anybody of a silence in which the
//! watchdog itself did not listen.

pub mod config;
pub mod dead_mans_switch;
mod evidence;
mod judge;
mod listening;
mod memory;
mod messages;
mod pausing;
mod ping;
pub mod restore;
mod restoring;
mod series;
mod shown;
mod state;
#[cfg(test)]
mod tests;
pub mod tokens;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use jiff::Timestamp;
use serde::Serialize;
use tokio::{
    sync::{Notify, mpsc, watch},
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use self::{
    config::{HeartbeatConfig, MonitoringConfig},
    memory::Memory,
};
pub use self::{
    evidence::words as size_words,
    judge::Standing,
    listening::Blind,
    memory::Configured,
    pausing::PauseError,
    ping::{Kind, Ping, Taken, UnknownToken},
    shown::View,
    state::{PINGS_MAX, Paused},
};
use crate::{
    clock::Clock,
    model::{Finding, Live, Pairs, RestoreDrill, Sample, ended},
    store::Store,
};

/// Bytes of a ping's body that are kept as evidence, as healthchecks.io does: its end, where the error stands.
pub const BODY_MAX: usize = 10_000;

/// Bytes of the name by which a client calls itself that are kept.
const USER_AGENT_MAX: usize = 200;

/// Pings that wait to be handed to another watchdog.
const HEARD_MAX: usize = 256;

/// How often it is judged.
const TICK: Duration = Duration::from_secs(1);

/// How often the series are written where nothing changes.
const SAMPLES_EVERY: Duration = Duration::from_secs(15);

/// How often it is written that the watchdog listens. After a kill so much more may seem to have been missed: together
/// with a quick restart less than what callers bridge by trying again.
const ALIVE_EVERY: Duration = Duration::from_secs(10);

/// Under which name it is kept when the watchdog listened; no heartbeat's name begins with a colon.
const LISTENING: &str = ":listening";

/// Under which name the signs of life of a cluster's monitoring are kept.
fn monitoring_name(cluster: &str) -> String {
    format!(":monitoring/{cluster}")
}

/// Holds what heartbeats need of the rest.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Remembers pings.
    pub store: Store,
    /// Tells when the watchdog was cut off.
    pub live: Live,
    /// Time.
    pub clock: Clock,
}

/// Handles all heartbeats, for those that hear and those that show. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Heartbeats(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Locked after the memory where both are.
    configured: RwLock<Arc<Configured>>,
    memory: Mutex<Memory>,
    store: Store,
    live: Live,
    clock: Clock,
    findings: watch::Sender<Arc<Vec<Finding>>>,
    news: Notify,
    /// Whoever else is to hear of pings that were taken here.
    heard: mpsc::Sender<(String, Ping)>,
}

/// What one look found.
#[derive(Debug, Default)]
struct Look {
    findings: Vec<Finding>,
    samples: Vec<Sample>,
}

impl Heartbeats {
    /// Continues with what an earlier run remembered, `(name, text)`. Reads the tokens' files.
    pub fn new(
        jobs: Vec<HeartbeatConfig>,
        monitoring: BTreeMap<Arc<str>, MonitoringConfig>,
        restored: &[(String, String)],
        deps: Deps,
    ) -> Self {
        Self::begin(Configured::new(jobs, monitoring, Vec::new()), (restored, Vec::new()), deps).0
    }

    /// Continues with what an earlier run remembered: `(name, text)`, and restore drills. Beside the handle it gives what is
    /// heard: each ping that was taken here, for another watchdog.
    pub fn begin(
        configured: Configured,
        (restored, drills): (&[(String, String)], Vec<RestoreDrill>),
        deps: Deps,
    ) -> (Self, mpsc::Receiver<(String, Ping)>) {
        let Deps { store, live, clock } = deps;
        let mut memory = Memory::restore(restored, &store, clock.wall());
        for drill in drills {
            memory.drills.entry(drill.name.clone()).or_default().push(drill);
        }
        memory.adopt(&configured, &store, clock.wall());
        let (configured, memory) = (RwLock::new(Arc::new(configured)), Mutex::new(memory));
        let (findings, news) = (watch::Sender::new(Arc::default()), Notify::new());
        let (heard, hearing) = mpsc::channel(HEARD_MAX);
        let inner = Inner { configured, memory, store, live, clock, findings, news, heard };
        (Self(Arc::new(inner)), hearing)
    }

    /// Takes another configuration; what is remembered stays.
    pub fn configure(&self, configured: Configured) {
        {
            let mut memory = self.memory();
            memory.adopt(&configured, &self.0.store, self.0.clock.wall());
            *self.0.configured.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(configured);
        }
        self.0.news.notify_one();
    }

    fn configured(&self) -> Arc<Configured> {
        self.0.configured.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns what is late, failed or silent, new after each change.
    pub fn findings(&self) -> watch::Receiver<Arc<Vec<Finding>>> {
        self.0.findings.subscribe()
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a ping (its time is set here); returns when the store has it, or says that it is kept in memory alone.
    ///
    /// # Errors
    /// When nobody has the token.
    pub async fn ping(&self, token: &str, ping: Ping) -> Result<Taken, UnknownToken> {
        let job = self.configured().tokens.job_of(token).ok_or(UnknownToken)?;
        self.ping_by_name(&job, ping).await
    }

    /// Takes a ping for the heartbeat of this name, from somebody who may report for each.
    ///
    /// # Errors
    /// When there is none.
    pub async fn ping_by_name(&self, job: &str, mut ping: Ping) -> Result<Taken, UnknownToken> {
        ping.at = self.0.clock.wall();
        ping.user_agent.truncate(ping.user_agent.floor_char_boundary(USER_AGENT_MAX));
        let taken = self.remember(job, ping).await;
        tracing::debug!(heartbeat = job, "pinged");
        taken.ok_or(UnknownToken)
    }

    /// Takes in what another watchdog was pinged, as it took it. What is older than what is known here is known: the later one
    /// counts.
    pub async fn heard_elsewhere(&self, name: &str, ping: Ping) {
        let written = {
            let mut memory = self.memory();
            let Some(state) = memory.states.get_mut(name) else { return };
            if state.last_seen.is_some_and(|seen| seen >= ping.at) {
                return;
            }
            state.take(ping);
            self.0.store.commit_heartbeat(name, &json(state))
        };
        written.await;
        self.0.news.notify_one();
    }

    async fn remember(&self, name: &str, mut ping: Ping) -> Option<Taken> {
        let (written, refused) = {
            let mut memory = self.memory();
            let configured = self.configured();
            let state = memory.states.get_mut(name)?;
            if let Some(evidence) = configured.terms(name).and_then(|terms| terms.evidence.as_ref()) {
                state.weigh(evidence, &mut ping);
            }
            let refused = ping.refused.clone();
            state.take(ping.clone());
            // Under the lock: what is written last is what was taken last.
            (self.0.store.commit_heartbeat(name, &json(state)), refused)
        };
        let kept = written.await;
        // Where nobody listens there is no other watchdog; where it does not keep up, the next ping says more than this one.
        let _ = self.0.heard.try_send((name.to_owned(), ping));
        self.0.news.notify_one();
        Some(Taken { kept, refused })
    }

    /// Returns the cluster for which a bearer token speaks; `None` where no cluster has one and none is asked for.
    ///
    /// # Errors
    /// Why the request is not taken, in words.
    pub async fn cluster_of(&self, bearer: Option<&str>) -> Result<Option<Arc<str>>, String> {
        let configured = self.configured();
        match bearer {
            Some(token) => match configured.tokens.cluster_of(token) {
                Some(cluster) => Ok(Some(cluster)),
                None => Err("this token is of no cluster: see clusters[].monitoring.token_file".into()),
            },
            None if configured.monitoring.is_empty() => Ok(None),
            None => {
                Err("a cluster's token is needed: Authorization: Bearer …, see clusters[].monitoring.token_file".into())
            }
        }
    }

    /// Returns whether an alert is the one that says that a cluster's monitoring lives: then it is taken here, and goes
    /// no further.
    pub async fn monitoring_says(
        &self,
        cluster: &str,
        labels: &Pairs,
        ends_at: Option<Timestamp>,
        now: Timestamp,
    ) -> bool {
        let configured = self.configured();
        let Some(config) = configured.monitoring.get(cluster) else { return false };
        if labels.get("alertname").is_none_or(|name| *name != config.alert) {
            return false;
        }
        // Its end is told when Prometheus stops in order: that is no sign of life.
        if ends_at.is_none_or(|end| end > now) {
            self.remember(&monitoring_name(cluster), Ping::new(now, Kind::Success)).await;
        }
        true
    }

    /// Since when the watchdog has been cut off, where it is.
    fn cut_off(&self) -> Option<Timestamp> {
        let vantage = &self.0.live.read().vantage;
        vantage.since.filter(|_| !vantage.ok)
    }

    /// Judges, and reads tokens again, until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let judging = async {
            let mut written = Written::default();
            let mut tick = tokio::time::interval(TICK);
            tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    _ = tick.tick() => {}
                    () = self.0.news.notified() => {}
                }
                self.turn(&mut written);
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = judging => {}
            () = self.read_tokens() => {}
        }
        let memory = self.memory();
        drop(self.0.store.commit_heartbeat(LISTENING, &json(&memory.listening)));
    }

    /// A disk that hangs holds up nothing but the tokens' change.
    async fn read_tokens(&self) {
        loop {
            tokio::time::sleep(tokens::READ_EVERY).await;
            let configured = self.configured();
            if tokio::task::spawn_blocking(move || configured.tokens.read_files()).await.is_err() {
                tracing::error!("the tokens could not be read again");
            }
        }
    }

    fn turn(&self, written: &mut Written) {
        let (now, mono) = (self.0.clock.wall(), self.0.clock.mono());
        let cut_off = self.cut_off();
        let look = {
            let mut memory = self.memory();
            let news = memory.listening.look(now, mono, cut_off);
            if news || written.alive_at.is_none_or(|at| mono.duration_since(at) >= ALIVE_EVERY) {
                written.alive_at = Some(mono);
                drop(self.0.store.commit_heartbeat(LISTENING, &json(&memory.listening)));
            }
            for (name, state) in &mut memory.states {
                if state.clamp(now) {
                    drop(self.0.store.commit_heartbeat(name, &json(state)));
                }
            }
            self.look(&memory, now)
        };
        self.0.findings.send_if_modified(|old| {
            let changed = **old != look.findings;
            if changed {
                *old = Arc::new(look.findings);
            }
            changed
        });
        let same = |a: &Sample, b: &Sample| a.value.to_bits() == b.value.to_bits() && a.labels == b.labels;
        let unchanged = written.samples.len() == look.samples.len()
            && written.samples.iter().zip(&look.samples).all(|(a, b)| same(a, b));
        if !unchanged || written.samples_at.is_none_or(|at| mono.duration_since(at) >= SAMPLES_EVERY) {
            self.0.store.append(&look.samples);
            self.0.store.append(&ended(&written.samples, &look.samples, now));
            self.0.live.write().heartbeats = look.samples.clone().into();
            (written.samples, written.samples_at) = (look.samples, Some(mono));
        }
    }

    fn look(&self, memory: &Memory, now: Timestamp) -> Look {
        let blind = memory.listening.times(now);
        let configured = self.configured();
        let mut look = Look::default();
        for (config, terms) in &configured.jobs {
            let Some(state) = memory.states.get(&config.name) else { continue };
            let judged = judge::judge(terms, state, now, &blind);
            look.findings.extend(messages::finding(config, state, &judged));
            look.samples.extend(series::of_heartbeat(config, state, &judged, now));
        }
        for (cluster, config) in &configured.monitoring {
            let Some(state) = memory.states.get(&monitoring_name(cluster)) else { continue };
            let silent = judge::silence(config.silent_after, state, now, &blind);
            look.samples.push(series::of_monitoring(cluster, silent.is_some(), now));
            look.findings.extend(silent.map(|since| messages::silent(cluster, config, state.last_success, since)));
        }
        restoring::look(memory, &configured, now, &mut look);
        look
    }
}

/// What was last written, and when.
#[derive(Debug, Default)]
struct Written {
    alive_at: Option<Instant>,
    samples_at: Option<Instant>,
    samples: Vec<Sample>,
}

/// As it is stored. Plain structs of plain fields: there is nothing in them that JSON can't say.
fn json(thing: &impl Serialize) -> String {
    serde_json::to_string(thing).unwrap_or_default()
}

//! What is asked for, and what is remembered of it: over restarts, and while the configuration changes.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use super::{
    LISTENING,
    config::{HeartbeatConfig, MonitoringConfig, Terms},
    json,
    listening::Listening,
    messages, monitoring_name,
    restore::{self, config::RestoreDrillConfig},
    state::State,
    tokens::Tokens,
};
use crate::{model::RestoreDrill, store::Store};

/// Holds what the configuration asks for, with the tokens as they were read.
#[derive(Debug)]
pub struct Configured {
    pub(super) jobs: Vec<(HeartbeatConfig, Terms)>,
    pub(super) monitoring: BTreeMap<Arc<str>, MonitoringConfig>,
    pub(super) drills: Vec<RestoreDrillConfig>,
    pub(super) tokens: Tokens,
}

impl Configured {
    /// Reads the tokens' files; blocks. What is wrong with one is logged.
    pub fn new(
        jobs: Vec<HeartbeatConfig>,
        monitoring: BTreeMap<Arc<str>, MonitoringConfig>,
        drills: Vec<RestoreDrillConfig>,
    ) -> Self {
        let tokens = Tokens::new(&jobs, &monitoring, &drills);
        // Configurations are checked when they are loaded: none is left out here.
        let jobs = jobs.into_iter().filter_map(|job| Some((Terms::new(&job).ok()?, job)));
        Self { jobs: jobs.map(|(terms, job)| (job, terms)).collect(), monitoring, drills, tokens }
    }

    /// What a job must keep to.
    pub(super) fn terms(&self, name: &str) -> Option<&Terms> {
        self.jobs.iter().find(|(job, _)| job.name == name).map(|(_, terms)| terms)
    }

    /// A restore drill.
    pub(super) fn restore_drill(&self, name: &str) -> Option<&RestoreDrillConfig> {
        self.drills.iter().find(|drill| drill.name == name)
    }

    /// The names under which states are kept, with what is expected, in words, and whether they are paused.
    fn expected(&self) -> BTreeMap<String, (String, bool)> {
        let jobs = self.jobs.iter().map(|(job, _)| (job.name.clone(), (messages::expected(job), job.paused)));
        let drills = self.drills.iter().map(|d| (restore::state_name(&d.name), (restore::expected(d), false)));
        let jobs = jobs.chain(drills);
        jobs.chain(self.monitoring.keys().map(|c| (monitoring_name(c), (String::new(), false)))).collect()
    }
}

/// What outlives a restart.
#[derive(Debug)]
pub(super) struct Memory {
    /// Of all that was ever configured: what is no longer is retired.
    pub states: BTreeMap<String, State>,
    pub listening: Listening,
    /// Restore drills by name, each name's oldest first.
    pub drills: BTreeMap<String, Vec<RestoreDrill>>,
}

impl Memory {
    /// Goes on with what an earlier run remembered.
    pub fn restore(restored: &[(String, String)], store: &Store, now: Timestamp) -> Self {
        fn read<T: serde::de::DeserializeOwned>(name: &str, text: &str) -> Option<T> {
            let wrong = |error: &serde_json::Error| tracing::warn!(name, %error, "a heartbeat's memory can't be read");
            serde_json::from_str(text).inspect_err(wrong).ok()
        }
        let (own, jobs): (Vec<_>, Vec<_>) = restored.iter().partition(|(name, _)| name == LISTENING);
        let mut listening: Listening = own.first().and_then(|(name, text)| read(name, text)).unwrap_or_default();
        listening.resume(now);
        drop(store.commit_heartbeat(LISTENING, &json(&listening)));
        let states = jobs.into_iter().filter_map(|(name, text)| Some((name.clone(), read(name, text)?)));
        Self { states: states.collect(), listening, drills: BTreeMap::new() }
    }

    /// Puts all under what is configured. What is new, and what is no longer configured, is written down at once: a job
    /// that never reports must not begin anew with each start.
    pub fn adopt(&mut self, configured: &Configured, store: &Store, now: Timestamp) {
        let expected = configured.expected();
        for (name, (expects, paused)) in &expected {
            let mut new = !self.states.contains_key(name);
            let state = self.states.entry(name.clone()).or_insert_with(|| State::new(expects, now));
            new |= state.adopt(expects, *paused, now);
            if new {
                drop(store.commit_heartbeat(name, &json(state)));
            }
        }
        for (name, state) in self.states.iter_mut().filter(|(name, s)| !s.retired && !expected.contains_key(*name)) {
            state.retired = true;
            drop(store.commit_heartbeat(name, &json(state)));
        }
    }
}

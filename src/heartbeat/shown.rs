//! Heartbeats as people and programs see them.

use jiff::Timestamp;
use serde::Serialize;

use super::{
    Blind, Heartbeats, Paused, Ping, Standing,
    config::{HeartbeatConfig, Terms},
    evidence, judge, messages,
};

/// A heartbeat as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct View {
    /// Its name.
    pub name: String,
    /// Its cluster, where it has one.
    pub cluster: Option<String>,
    /// How it stands.
    pub state: Standing,
    /// Since when.
    pub since: Timestamp,
    /// What is expected, in words.
    pub expected: String,
    /// When it was last heard at all.
    pub last_seen: Option<Timestamp>,
    /// When it last succeeded.
    pub last_success: Option<Timestamp>,
    /// When the next success is due at the latest.
    pub due_by: Timestamp,
    /// Since when a run has been under way.
    pub running_since: Option<Timestamp>,
    /// Seconds from start to success, the last time both were told.
    pub duration_seconds: Option<f64>,
    /// Bytes of what it last reported, where the configuration says how they are read.
    pub size_bytes: Option<f64>,
    /// What is usual of them: the median of the last successes.
    pub usual_size_bytes: Option<f64>,
    /// Nobody waits for it: since when, and who said so (empty: the configuration).
    pub paused: Option<Paused>,
    /// The watchdog did not listen in this time, so that a report may be lost: the next one is waited for.
    pub missed: Option<Blind>,
    /// The last pings, newest first.
    pub pings: Vec<Ping>,
}

impl Heartbeats {
    /// Returns every heartbeat as it stands, in the order of the configuration.
    pub fn views(&self) -> Vec<View> {
        let now = self.0.clock.wall();
        let memory = self.memory();
        let configured = self.configured();
        let blind = memory.listening.times(now);
        let view = |(config, terms): &(HeartbeatConfig, Terms)| {
            let state = memory.states.get(&config.name)?;
            let judged = judge::judge(terms, state, now, &blind);
            Some(View {
                name: config.name.clone(),
                cluster: config.cluster.clone(),
                state: judged.standing,
                since: judged.since,
                expected: messages::expected(config),
                last_seen: state.last_seen,
                last_success: state.last_success,
                due_by: judged.due_by,
                running_since: state.started_at,
                duration_seconds: state.duration,
                size_bytes: state.size,
                usual_size_bytes: evidence::usual(&state.sizes),
                paused: state.paused.clone(),
                missed: judged.excused,
                pings: state.pings.iter().rev().cloned().collect(),
            })
        };
        configured.jobs.iter().filter_map(view).collect()
    }
}

//! What is remembered of one heartbeat. Pure; it is stored as JSON, whose fields may only grow.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Kind, PINGS_MAX, Ping,
    config::{HeartbeatConfig, MonitoringConfig},
};

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// When it was first configured.
    pub since: Timestamp,
    /// When it last said that it begins, where it has not ended since.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// When it last succeeded.
    #[serde(default)]
    pub last_success: Option<Timestamp>,
    /// When it failed, where it has not succeeded since.
    #[serde(default)]
    pub failed_at: Option<Timestamp>,
    /// Seconds from the last start to its success.
    #[serde(default)]
    pub duration: Option<f64>,
    /// The last pings, oldest first.
    #[serde(default)]
    pub pings: VecDeque<Ping>,
}

impl State {
    /// Nothing was heard yet.
    pub fn new(since: Timestamp) -> Self {
        Self { since, started_at: None, last_success: None, failed_at: None, duration: None, pings: VecDeque::new() }
    }

    /// Takes a ping in.
    pub fn take(&mut self, ping: Ping) {
        match ping.kind {
            Kind::Start => self.started_at = Some(ping.at),
            Kind::Success => {
                if let Some(started) = self.started_at.take() {
                    self.duration = Some(ping.at.duration_since(started).as_secs_f64().max(0.0));
                }
                (self.last_success, self.failed_at) = (Some(ping.at), None);
            }
            Kind::Fail => {
                self.started_at = None;
                self.failed_at.get_or_insert(ping.at);
            }
            Kind::Log => {}
        }
        self.pings.push_back(ping);
        while self.pings.len() > PINGS_MAX {
            self.pings.pop_front();
        }
    }
}

/// Under which name the signs of life of a cluster's monitoring are kept; no heartbeat's name has a colon in front.
pub fn monitoring_name(cluster: &str) -> String {
    format!(":monitoring/{cluster}")
}

/// What is configured, with what an earlier run remembered of it.
pub fn restore(
    jobs: &[HeartbeatConfig],
    monitoring: &BTreeMap<Arc<str>, MonitoringConfig>,
    restored: &[(String, String)],
    now: Timestamp,
) -> BTreeMap<String, State> {
    let names = jobs.iter().map(|j| j.name.clone()).chain(monitoring.keys().map(|c| monitoring_name(c)));
    let known = |name: &str| {
        let text = restored.iter().find(|(n, _)| n == name).map(|(_, text)| text)?;
        serde_json::from_str(text)
            .map_err(|error| tracing::warn!(name, %error, "a heartbeat's memory can't be read"))
            .ok()
    };
    names
        .map(|name| (known(&name).unwrap_or_else(|| State::new(now)), name))
        .map(|(state, name)| (name, state))
        .collect()
}

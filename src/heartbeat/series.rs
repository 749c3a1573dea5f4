//! The series of heartbeats (the contract). Pure.

use jiff::Timestamp;

use super::{
    config::HeartbeatConfig,
    judge::{Judged, Standing},
    state::State,
};
use crate::model::{Labels, Sample};

/// Returns a heartbeat's series.
pub fn of_heartbeat(config: &HeartbeatConfig, state: &State, judged: &Judged, at: Timestamp) -> Vec<Sample> {
    let mut base: Vec<(&str, &str)> = config.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    base.extend(config.cluster.as_deref().map(|c| ("cluster", c)));
    base.push(("heartbeat", &config.name));
    let mut samples = Vec::with_capacity(12);
    let mut put = |name: &str, more: &[(&str, &str)], value: f64| {
        let labels = Labels::new(name, base.iter().chain(more).copied());
        samples.push(Sample { labels, at, value });
    };
    put("dogwatch_heartbeat_up", &[], yes(!judged.standing.is_bad()));
    for standing in Standing::ALL {
        put("dogwatch_heartbeat_state", &[("state", standing.as_str())], yes(standing == judged.standing));
    }
    let mut time = |name, at: Option<Timestamp>| at.into_iter().for_each(|at| put(name, &[], unix(at)));
    time("dogwatch_heartbeat_last_seen_timestamp_seconds", state.last_seen);
    time("dogwatch_heartbeat_last_success_timestamp_seconds", state.last_success);
    time("dogwatch_heartbeat_expected_by_timestamp_seconds", Some(judged.due_by));
    if let Some(seconds) = state.duration {
        put("dogwatch_heartbeat_duration_seconds", &[], seconds);
    }
    if let Some(bytes) = state.size {
        put("dogwatch_heartbeat_size_bytes", &[], bytes);
    }
    samples
}

/// Returns whether a cluster's monitoring lives.
pub fn of_monitoring(cluster: &str, silent: bool, at: Timestamp) -> Sample {
    let labels = Labels::new("dogwatch_in_cluster_monitoring_up", [("cluster", cluster)]);
    Sample { labels, at, value: yes(!silent) }
}

fn yes(is: bool) -> f64 {
    f64::from(u8::from(is))
}

fn unix(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}

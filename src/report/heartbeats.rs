//! How heartbeats did: successes by their series, troubles by their incidents.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::HeartbeatLine;
use crate::{
    model::{AlertName, Incident, METRIC_NAME, Matcher, Topic},
    pack::{Points, Want},
    store::{Store, StoreError},
};

/// What the series of one heartbeat tell.
#[derive(Debug, Default)]
pub struct Successes {
    /// Moments of success within the span, in Unix milliseconds.
    at_ms: Vec<i64>,
    /// The last one, however long ago.
    last_ms: Option<i64>,
    longest: Option<f64>,
}

/// By name and cluster.
pub type ByHeartbeat = BTreeMap<(String, String), Successes>;

/// Reads what the series tell. Blocks.
pub fn successes(store: &Store, (from, until): (Timestamp, Timestamp)) -> Result<ByHeartbeat, StoreError> {
    let (from_ms, to_ms) = (from.as_millisecond(), until.as_millisecond());
    let mut all = ByHeartbeat::new();
    let mut points = Points::default();
    let names = [
        ("dogwatch_heartbeat_up", Want::Last),
        ("dogwatch_heartbeat_last_success_timestamp_seconds", Want::Last),
        ("dogwatch_heartbeat_duration_seconds", Want::Max),
    ];
    for (name, want) in names {
        for packed in store.select(&[Matcher::equal(METRIC_NAME, name)], from_ms, to_ms)? {
            // A damaged block is counted and told where the store keeps house.
            if packed.read(want, from_ms, to_ms, &mut points).is_err() {
                continue;
            }
            let label = |name: &str| packed.labels.value(name).to_owned();
            let known = all.entry((label("heartbeat"), label("cluster"))).or_default();
            let values = points.values.iter().copied().filter(|v| v.is_finite());
            match name {
                "dogwatch_heartbeat_last_success_timestamp_seconds" => {
                    #[allow(clippy::cast_possible_truncation)] // Saturates.
                    let moments = values.map(|seconds| (seconds * 1e3).round() as i64);
                    known.at_ms.extend(moments);
                    known.last_ms = known.last_ms.max(known.at_ms.iter().max().copied());
                    known.at_ms.retain(|at| (from_ms..to_ms).contains(at));
                    known.at_ms.sort_unstable();
                    known.at_ms.dedup();
                }
                "dogwatch_heartbeat_duration_seconds" => {
                    known.longest = values.chain(known.longest).reduce(f64::max);
                }
                _ => {}
            }
        }
    }
    Ok(all)
}

/// Makes the lines; a heartbeat that was only ever in trouble has one too.
pub fn lines(
    mut successes: ByHeartbeat,
    incidents: &[Incident],
    (from, until): (Timestamp, Timestamp),
) -> Vec<HeartbeatLine> {
    let mut troubles: BTreeMap<(String, String), Vec<(Timestamp, Timestamp)>> = BTreeMap::new();
    for alert in incidents.iter().filter(|i| i.topic == Topic::Heartbeats).flat_map(|i| &i.alerts) {
        // Restore drills are told apart.
        if matches!(alert.finding.key.alert, AlertName::RestoreDrillOverdue | AlertName::RestoreDrillFailed) {
            continue;
        }
        let key = (alert.finding.key.subject.clone(), alert.finding.key.cluster.to_string());
        let (begun, ended) = (alert.finding.since.max(from), alert.ended_at.unwrap_or(until).min(until));
        // The monitoring inside a cluster is told of in the same way, and has no name.
        if !key.0.is_empty() && begun < ended {
            successes.entry(key.clone()).or_default();
            troubles.entry(key).or_default().push((begun, ended));
        }
    }
    let line = |(key, known): ((String, String), Successes)| {
        let spells = troubles.remove(&key).unwrap_or_default();
        HeartbeatLine {
            successes: known.at_ms.len(),
            last_success: known.last_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()),
            troubles: spells.len(),
            trouble_seconds: spells
                .iter()
                .map(|(begun, ended)| u64::try_from(ended.duration_since(*begun).as_secs()).unwrap_or(0))
                .sum(),
            longest_run_seconds: known.longest,
            name: key.0,
            cluster: key.1,
        }
    };
    successes.into_iter().map(line).collect()
}

//! The few lines of etcd's /metrics that matter here. Pure.

use super::etcd_gateway::short;
use crate::model::{EtcdFacts, EtcdPeer};

/// `name{labels} value` of etcd's own metrics.
fn values(body: &[u8]) -> impl Iterator<Item = (&str, f64)> {
    // A body that was cut within a character loses only its end.
    let text = match std::str::from_utf8(body) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&body[..error.valid_up_to()]).unwrap_or_default(),
    };
    text.lines().filter(|l| l.starts_with("etcd_")).filter_map(|l| {
        let (name, value) = l.rsplit_once(' ')?;
        Some((name, value.parse().ok()?))
    })
}

/// Sizes and counts; `None` beyond what a float can tell exactly.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // The range is checked.
fn whole(value: f64) -> Option<u64> {
    (0.0..9.0e15).contains(&value).then_some(value as u64)
}

/// The value of the only label of `name{label="value"}`.
fn label<'a>(name: &'a str, metric: &str) -> Option<&'a str> {
    name.strip_prefix(metric)?.strip_prefix('{')?.split('"').nth(1)
}

/// A member of a cluster has fewer peers than this.
const PEERS_MAX: usize = 64;

/// What maintenance/status does not tell: the quota (before 3.6), and from whom it hears.
pub fn beside_status(body: &[u8], facts: &mut EtcdFacts) {
    let told = || values(body).find(|(n, _)| *n == "etcd_server_quota_backend_bytes").and_then(|(_, v)| whole(v));
    facts.db_quota = facts.db_quota.or_else(told);
    facts.peers = peers(body);
}

/// From whom it hears, by `etcd_network_peer_received_bytes_total{From="…"}`; what comes from nobody (`From="0"`) is the
/// heartbeat of connections.
fn peers(body: &[u8]) -> Vec<EtcdPeer> {
    let told = values(body).filter_map(|(name, value)| {
        let id = u64::from_str_radix(label(name, "etcd_network_peer_received_bytes_total")?, 16).ok()?;
        Some(EtcdPeer { id, received: whole(value)?, heard_after: None, still_since: None })
    });
    told.filter(|peer| peer.id != 0).take(PEERS_MAX).collect()
}

/// Up to which revision it has compacted its keys; `None` where that is not told, or nothing was yet.
pub fn compacted(body: &[u8]) -> Option<u64> {
    values(body).find(|(name, _)| *name == "etcd_debugging_mvcc_compact_revision").and_then(|(_, v)| whole(v))
}

/// All that the metrics-only port can tell. The term is not among it.
pub fn all(body: &[u8], facts: &mut EtcdFacts) {
    facts.peers = peers(body);
    for (name, value) in values(body) {
        match name {
            "etcd_server_has_leader" => facts.has_leader = Some(value > 0.0),
            "etcd_server_is_leader" => facts.is_leader = Some(value > 0.0),
            "etcd_server_quota_backend_bytes" => facts.db_quota = whole(value),
            "etcd_mvcc_db_total_size_in_bytes" => facts.db_size = whole(value),
            "etcd_mvcc_db_total_size_in_use_in_bytes" => facts.db_size_in_use = whole(value),
            // Set to raft's commit and applied index (etcd's server.go), the same as raftIndex and raftAppliedIndex.
            "etcd_server_proposals_committed_total" => facts.raft_index = whole(value),
            "etcd_debugging_mvcc_current_revision" => facts.revision = whole(value),
            "etcd_server_proposals_applied_total" => facts.raft_applied_index = whole(value),
            _ => {
                if let Some(version) = label(name, "etcd_server_version") {
                    facts.version = Some(short(version));
                } else if let Some(id) = label(name, "etcd_server_id") {
                    facts.member_id = u64::from_str_radix(id, 16).ok();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;

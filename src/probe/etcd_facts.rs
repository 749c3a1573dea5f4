//! What etcd's answers say: /health, the gRPC gateway's JSON (numbers as strings), and the few metrics that matter. Pure.

use serde::{Deserialize, Deserializer};

use crate::model::{EtcdAlarm, EtcdFacts, EtcdMember, EtcdVia};

/// More members, alarms or errors than this are no etcd cluster.
const LIST_MAX: usize = 64;
/// The longest text kept of one field.
const TEXT_MAX: usize = 200;

/// `/health`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// `"health":"true"`.
    pub healthy: bool,
    /// Why not, where told (3.4.4+).
    pub reason: String,
}

/// Reads `/health`; `None` where it is not etcd's.
pub fn health(body: &[u8]) -> Option<Health> {
    #[derive(Deserialize)]
    struct Raw {
        health: serde_json::Value,
        #[serde(default)]
        reason: String,
    }
    let raw: Raw = serde_json::from_slice(body).ok()?;
    let healthy = match raw.health {
        serde_json::Value::Bool(b) => b,
        serde_json::Value::String(s) => s == "true",
        _ => return None,
    };
    Some(Health { healthy, reason: short(raw.reason) })
}

fn short(text: String) -> String {
    if text.len() <= TEXT_MAX { text } else { text.chars().take(TEXT_MAX / 4).collect() }
}

/// A number that the gateway writes as a string (proto3 JSON) and others as a number.
fn number<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Text(String),
        Number(u64),
    }
    Ok(match Option::<Either>::deserialize(d)? {
        Some(Either::Text(t)) => t.parse().ok(),
        Some(Either::Number(n)) => Some(n),
        None => None,
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Header {
    #[serde(deserialize_with = "number")]
    member_id: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    header: Header,
    version: String,
    #[serde(deserialize_with = "number")]
    leader: Option<u64>,
    #[serde(deserialize_with = "number")]
    db_size: Option<u64>,
    #[serde(deserialize_with = "number")]
    db_size_in_use: Option<u64>,
    #[serde(deserialize_with = "number")]
    db_size_quota: Option<u64>,
    #[serde(deserialize_with = "number")]
    raft_index: Option<u64>,
    #[serde(deserialize_with = "number")]
    raft_term: Option<u64>,
    #[serde(deserialize_with = "number")]
    raft_applied_index: Option<u64>,
    errors: Vec<String>,
}

/// `/v3/maintenance/status`. The gateway leaves a zero out: no `leader` is no leader.
pub fn status(body: &[u8], facts: &mut EtcdFacts) {
    let Ok(s) = serde_json::from_slice::<Status>(body) else { return };
    if s.header.member_id.is_none() {
        return;
    }
    facts.member_id = s.header.member_id;
    facts.version = Some(short(s.version)).filter(|v| !v.is_empty());
    let leader = s.leader.filter(|l| *l != 0);
    facts.has_leader = Some(leader.is_some());
    facts.is_leader = Some(leader.is_some() && leader == s.header.member_id);
    (facts.db_size, facts.db_size_in_use, facts.db_quota) = (s.db_size, s.db_size_in_use, s.db_size_quota);
    (facts.raft_index, facts.raft_term, facts.raft_applied_index) = (s.raft_index, s.raft_term, s.raft_applied_index);
    facts.errors = s.errors.into_iter().take(LIST_MAX).map(short).collect();
}

/// `/v3/maintenance/alarm`.
pub fn alarms(body: &[u8]) -> Vec<EtcdAlarm> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Raw {
        alarms: Vec<One>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct One {
        #[serde(rename = "memberID", deserialize_with = "number")]
        member: Option<u64>,
        alarm: String,
    }
    let raw: Raw = serde_json::from_slice(body).unwrap_or_default();
    let kept = raw.alarms.into_iter().filter(|a| !a.alarm.is_empty() && a.alarm != "NONE");
    kept.take(LIST_MAX).map(|a| EtcdAlarm { member_id: a.member.unwrap_or(0), alarm: short(a.alarm) }).collect()
}

/// `/v3/cluster/member/list`.
pub fn members(body: &[u8]) -> Vec<EtcdMember> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Raw {
        members: Vec<One>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct One {
        #[serde(rename = "ID", deserialize_with = "number")]
        id: Option<u64>,
        name: String,
        #[serde(rename = "peerURLs")]
        peer_urls: Vec<String>,
        #[serde(rename = "clientURLs")]
        client_urls: Vec<String>,
        #[serde(rename = "isLearner")]
        learner: bool,
    }
    let raw: Raw = serde_json::from_slice(body).unwrap_or_default();
    let mut members: Vec<EtcdMember> = raw
        .members
        .into_iter()
        .take(LIST_MAX)
        .filter_map(|m| {
            let urls = |list: Vec<String>| list.into_iter().take(LIST_MAX).map(short).collect();
            Some(EtcdMember {
                id: m.id?,
                name: short(m.name),
                peer_urls: urls(m.peer_urls),
                client_urls: urls(m.client_urls),
                learner: m.learner,
            })
        })
        .collect();
    members.sort_by_key(|m| m.id);
    members
}

/// The values of the metrics named, of those without labels.
fn values(body: &[u8]) -> impl Iterator<Item = (&str, f64)> {
    let text = std::str::from_utf8(body).unwrap_or_default();
    text.lines().filter(|l| l.starts_with("etcd_")).filter_map(|l| {
        let (name, value) = l.split_once(' ')?;
        Some((name, value.trim().parse().ok()?))
    })
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Sizes and counts, checked to be in range.
fn whole(value: f64) -> Option<u64> {
    (0.0..9.0e15).contains(&value).then_some(value as u64)
}

/// Only the quota, which /v3/maintenance/status tells since 3.6 alone.
pub fn quota(body: &[u8], facts: &mut EtcdFacts) {
    if facts.db_quota.is_none() {
        facts.db_quota =
            values(body).find(|(n, _)| *n == "etcd_server_quota_backend_bytes").and_then(|(_, v)| whole(v));
    }
}

/// All that the metrics-only port can tell.
pub fn metrics(body: &[u8], facts: &mut EtcdFacts) {
    for (name, value) in values(body) {
        match name {
            "etcd_server_has_leader" => facts.has_leader = Some(value == 1.0),
            "etcd_server_is_leader" => facts.is_leader = Some(value == 1.0),
            "etcd_server_quota_backend_bytes" => facts.db_quota = whole(value),
            "etcd_mvcc_db_total_size_in_bytes" => facts.db_size = whole(value),
            "etcd_mvcc_db_total_size_in_use_in_bytes" => facts.db_size_in_use = whole(value),
            // Proposals committed and applied count raft entries since the beginning of the log.
            "etcd_server_proposals_committed_total" => facts.raft_index = whole(value),
            "etcd_server_proposals_applied_total" => facts.raft_applied_index = whole(value),
            _ => {}
        }
    }
    let text = std::str::from_utf8(body).unwrap_or_default();
    if let Some(line) = text.lines().find(|l| l.starts_with("etcd_server_version{")) {
        facts.version = line.split('"').nth(1).map(|v| short(v.to_string()));
    }
    if let Some(line) = text.lines().find(|l| l.starts_with("etcd_server_id{")) {
        facts.member_id = line.split('"').nth(1).and_then(|id| u64::from_str_radix(id, 16).ok());
    }
}

impl EtcdFacts {
    /// Nothing known but the way.
    pub fn new(via: EtcdVia) -> Self {
        Self {
            via,
            member_id: None,
            name: None,
            version: None,
            has_leader: None,
            is_leader: None,
            members: Vec::new(),
            db_size: None,
            db_size_in_use: None,
            db_quota: None,
            raft_term: None,
            raft_index: None,
            raft_applied_index: None,
            alarms: Vec::new(),
            errors: Vec::new(),
        }
    }
}

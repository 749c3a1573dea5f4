//! What etcd answers in JSON: /health, and the gRPC gateway under /v3 (64-bit numbers as strings, zeros left out). Pure.

use serde::{Deserialize, Deserializer, de::IgnoredAny};

use crate::model::{EtcdAlarm, EtcdFacts, EtcdHash, EtcdMember};

/// More members, URLs, alarms or errors than this are no etcd cluster.
const LIST_MAX: usize = 64;
/// The longest text kept of one field, in characters.
const TEXT_MAX: usize = 200;

/// `/health`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// `"health":"true"`.
    pub healthy: bool,
    /// Why not, where told (3.5+): `RAFT NO LEADER`, `ALARM NOSPACE`, `RANGE ERROR:…`.
    pub reason: String,
}

/// Reads `/health`; `None` where it is not etcd's.
pub fn health(body: &[u8]) -> Option<Health> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Flag {
        Text(String),
        Bool(bool),
    }
    #[derive(Deserialize)]
    struct Raw {
        health: Flag,
        #[serde(default)]
        reason: String,
    }
    let raw: Raw = serde_json::from_slice(body).ok()?;
    let healthy = match raw.health {
        Flag::Bool(flag) => flag,
        Flag::Text(text) => text.parse().ok()?,
    };
    Some(Health { healthy, reason: short(&raw.reason) })
}

/// Returns the beginning of a text.
pub fn short(text: &str) -> String {
    text.chars().take(TEXT_MAX).collect()
}

fn shorts(list: &[String]) -> Vec<String> {
    list.iter().take(LIST_MAX).map(|t| short(t)).collect()
}

/// A number that the gateway writes as a string (proto3 JSON) and others as a number; anything else is none.
fn number<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Text(String),
        Number(u64),
        Other(IgnoredAny),
    }
    Ok(match Either::deserialize(d)? {
        Either::Text(text) => text.parse().ok(),
        Either::Number(number) => Some(number),
        Either::Other(_) => None,
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Header {
    #[serde(deserialize_with = "number")]
    cluster_id: Option<u64>,
    #[serde(deserialize_with = "number")]
    member_id: Option<u64>,
    #[serde(deserialize_with = "number")]
    revision: Option<u64>,
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

/// `/v3/maintenance/status`, which answers 200 without a leader too. The gateway leaves a zero out: no `leader` is none.
pub fn status(body: &[u8], facts: &mut EtcdFacts) {
    let Ok(s) = serde_json::from_slice::<Status>(body) else { return };
    if s.header.member_id.is_none() {
        return;
    }
    facts.member_id = s.header.member_id;
    (facts.cluster_id, facts.revision) = (s.header.cluster_id, s.header.revision);
    facts.version = Some(short(&s.version)).filter(|v| !v.is_empty());
    let leader = s.leader.filter(|l| *l != 0);
    facts.has_leader = Some(leader.is_some());
    facts.is_leader = Some(leader.is_some() && leader == s.header.member_id);
    (facts.db_size, facts.db_size_in_use, facts.db_quota) = (s.db_size, s.db_size_in_use, s.db_size_quota);
    (facts.raft_index, facts.raft_term, facts.raft_applied_index) = (s.raft_index, s.raft_term, s.raft_applied_index);
    facts.errors = shorts(&s.errors);
}

/// Returns the roundest number (in binary) after one and up to another: it stays the same while the latter grows, until
/// that reaches a rounder one. `None` where there is none.
pub fn roundest(after: u64, up_to: u64) -> Option<u64> {
    let differ = (after < up_to).then_some(after ^ up_to)?.checked_ilog2()?;
    Some(up_to >> differ << differ)
}

/// Returns the hash over all keys up to `revision`; `None` where the answer is none (compacted since, forbidden, an old
/// gateway).
pub fn hash(body: &[u8], revision: u64) -> Option<EtcdHash> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Raw {
        #[serde(deserialize_with = "number")]
        hash: Option<u64>,
        #[serde(deserialize_with = "number")]
        compact_revision: Option<u64>,
    }
    let raw: Raw = serde_json::from_slice(body).ok()?;
    Some(EtcdHash { revision, compacted: raw.compact_revision.unwrap_or(0), hash: raw.hash? })
}

/// Returns `/v3/maintenance/alarm`; without any, 3.4 answers `{}` and 3.5 a header.
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
    let in_force = raw.alarms.into_iter().filter(|a| !a.alarm.is_empty() && a.alarm != "NONE");
    in_force.take(LIST_MAX).map(|a| EtcdAlarm { member_id: a.member.unwrap_or(0), alarm: short(&a.alarm) }).collect()
}

/// Returns `/v3/cluster/member/list`, sorted by ID.
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
    let known = raw.members.into_iter().take(LIST_MAX).filter_map(|m| {
        Some(EtcdMember {
            id: m.id?,
            name: short(&m.name),
            peer_urls: shorts(&m.peer_urls),
            client_urls: shorts(&m.client_urls),
            learner: m.learner,
        })
    });
    let mut members: Vec<EtcdMember> = known.collect();
    members.sort_by_key(|m| m.id);
    members
}

#[cfg(test)]
mod tests;

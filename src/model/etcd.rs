//! What an etcd member told, and what its earlier answers add to that.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::EtcdMember;

/// The way by which an etcd member was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EtcdVia {
    /// The client port with mTLS.
    Client,
    /// The metrics-only port.
    Metrics,
    /// Only a TLS handshake on the client port: it wants a client certificate that we don't have.
    Handshake,
}

/// An alarm of etcd (`NOSPACE`, `CORRUPT`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EtcdAlarm {
    /// Which member raised it.
    pub member_id: u64,
    /// Its name.
    pub alarm: String,
}

/// A member as another one hears it. etcd's own gauge of active peers is of no use for this: 3.7 keeps a peer that is stopped
/// in it for longer than 15 s, while no byte comes from it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EtcdPeer {
    /// Who is heard.
    pub id: u64,
    /// Bytes of raft messages that came from it, since the one that hears was started.
    pub received: u64,
    /// It was heard later than this: then the count was another one. `None`: not since we look.
    pub heard_after: Option<Timestamp>,
    /// The count is the same since then; `None`: it was read for the first time.
    pub still_since: Option<Timestamp>,
}

/// A hash over all keys up to a revision, as etcd itself compares its members (`HashKV`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EtcdHash {
    /// Up to this revision.
    pub revision: u64,
    /// What was compacted before; hashes are alike only where this is.
    pub compacted: u64,
    /// The hash.
    pub hash: u64,
}

/// Says how far a member's log and its keys were at one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EtcdLog {
    /// Raft index.
    pub index: u64,
    /// Raft applied index.
    pub applied: u64,
    /// Revision of its key-value store.
    pub revision: u64,
}

/// Says what is wrong with a member's two reads, held against each other: one of its own data, one that quorum must
/// agree upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EtcdReads {
    /// It reads its own data, and nobody agrees with it: it sees no quorum.
    Alone,
    /// Agreement takes many times as long as its own data: raft is slow, for want of its disk or of the network between
    /// the members. How long each took.
    Slow {
        /// The read of its own data.
        own: Duration,
        /// The one that was agreed upon.
        agreed: Duration,
    },
}

/// So many times as long as a read of a member's own data is slow: agreement is one round trip to the other members…
const SLOW_TIMES: u32 = 10;
/// …and no less than this: half of an election timeout (etcd's default is 1 s), from where on leaders are lost over it.
const SLOW_LEAST: Duration = Duration::from_millis(500);

/// Holds what an etcd member told. Sizes in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EtcdFacts {
    /// How it was asked.
    pub via: EtcdVia,
    /// Its own ID.
    pub member_id: Option<u64>,
    /// The ID of the cluster that it belongs to: another one is another etcd, however alike the names are.
    pub cluster_id: Option<u64>,
    /// Its name in the member list.
    pub name: Option<String>,
    /// Server version.
    pub version: Option<String>,
    /// Whether it has a leader.
    pub has_leader: Option<bool>,
    /// Whether it is the leader.
    pub is_leader: Option<bool>,
    /// The member list as this member has it.
    pub members: Vec<EtcdMember>,
    /// Database file.
    pub db_size: Option<u64>,
    /// Of it, in use.
    pub db_size_in_use: Option<u64>,
    /// `--quota-backend-bytes`, where told.
    pub db_quota: Option<u64>,
    /// Raft term.
    pub raft_term: Option<u64>,
    /// Raft index.
    pub raft_index: Option<u64>,
    /// Raft applied index.
    pub raft_applied_index: Option<u64>,
    /// Revision of its key-value store: every member has the same one at the same applied index.
    pub revision: Option<u64>,
    /// A hash over its keys, where one was asked for.
    pub hash: Option<EtcdHash>,
    /// The other members that it hears from: a leader hears all that live, a follower its leader.
    pub peers: Vec<EtcdPeer>,
    /// When they were read, where that was with an earlier answer and not with this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peers_at: Option<Timestamp>,
    /// How far it was at the answer before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<EtcdLog>,
    /// How long a read from its own data took.
    pub serializable: Option<Duration>,
    /// How long a read took that must be agreed upon by quorum.
    pub linearizable: Option<Duration>,
    /// Alarms in force.
    pub alarms: Vec<EtcdAlarm>,
    /// `errors` of maintenance/status, e.g. `etcdserver: no leader`.
    pub errors: Vec<String>,
}

impl EtcdFacts {
    /// Returns nothing is known but the way.
    pub fn new(via: EtcdVia) -> Self {
        Self {
            via,
            member_id: None,
            cluster_id: None,
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
            revision: None,
            hash: None,
            peers: Vec::new(),
            peers_at: None,
            before: None,
            serializable: None,
            linearizable: None,
            alarms: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// Adds what an earlier answer of the same member told, which began at `at`, to this one's, which began at `now`.
    pub fn remember(&mut self, earlier: &EtcdFacts, at: Timestamp, now: Timestamp) {
        if self.peers.is_empty() {
            self.peers.clone_from(&earlier.peers);
            self.peers_at = (!self.peers.is_empty()).then(|| earlier.peers_at.unwrap_or(at));
        }
        for peer in &mut self.peers {
            match earlier.peers.iter().find(|p| p.id == peer.id) {
                Some(p) if p.received == peer.received => {
                    (peer.heard_after, peer.still_since) = (p.heard_after, p.still_since.or(Some(at)));
                }
                Some(_) => (peer.heard_after, peer.still_since) = (Some(at), Some(now)),
                None => {}
            }
        }
        // A member that was removed and added again is another one, with other data.
        if self.cluster_id == earlier.cluster_id && self.member_id == earlier.member_id {
            // Hashes are costly, and asked for seldom.
            self.hash = self.hash.or(earlier.hash);
            self.before = earlier.log();
        }
    }

    /// Returns what its two reads tell; `None` where they went as they should, or were not both asked for.
    pub fn reads(&self) -> Option<EtcdReads> {
        let own = self.serializable?;
        let Some(agreed) = self.linearizable else { return Some(EtcdReads::Alone) };
        (agreed >= SLOW_LEAST.max(own.saturating_mul(SLOW_TIMES))).then_some(EtcdReads::Slow { own, agreed })
    }

    /// Returns whether it says itself that quorum is missing: it has no leader, or nobody agrees to its reads.
    pub fn lacks_quorum(&self) -> bool {
        self.has_leader == Some(false) || self.reads() == Some(EtcdReads::Alone)
    }

    /// Returns how far it is; `None` where it did not tell, or has no leader that would keep it up to date.
    pub fn log(&self) -> Option<EtcdLog> {
        let (index, applied, revision) = (self.raft_index?, self.raft_applied_index?, self.revision?);
        (self.has_leader == Some(true)).then_some(EtcdLog { index, applied, revision })
    }
}

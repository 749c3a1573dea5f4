//! The same trouble in several clusters at once: what an incident has to do with those of other clusters.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{IncidentAlert, Said};

/// What the same trouble of several clusters has in common, and what goes well has not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FleetTrait {
    /// What the machines concerned are, or where they stand.
    Machines {
        /// `OS image`, `zone`, …
        word: String,
        /// Which.
        value: String,
    },
    /// The same change came shortly before: in words.
    Change(String),
    /// The host in front of their API servers.
    Address(String),
    /// The network of that host.
    Network(String),
    /// Nothing that is known: most clusters failed at once.
    Unknown,
}

/// What an incident has to do with the same trouble in other clusters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fleet {
    /// What they have in common.
    pub shared: FleetTrait,
    /// Who tells of it.
    pub role: FleetRole,
    /// What its headline was said with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub said: Vec<Said>,
}

/// Who tells of the same trouble in several clusters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FleetRole {
    /// This incident, for these as well.
    Leads(Vec<FleetMember>),
    /// Another one.
    PartOf {
        /// Its id.
        incident: i64,
        /// Its cluster.
        cluster: Arc<str>,
        /// Those who were told of this one by itself have heard that it belongs to the other.
        said_so: bool,
    },
    /// Each by itself, since others are told of this one.
    Beside {
        /// The id of the other.
        incident: i64,
        /// Its cluster.
        cluster: Arc<str>,
    },
}

/// The incident of another cluster that is told with this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetMember {
    /// Its id.
    pub incident: i64,
    /// Its cluster.
    pub cluster: Arc<str>,
    /// When it joined.
    pub joined_at: Timestamp,
    /// It was told by itself before, and its end is told there.
    pub alone: bool,
    /// When its cluster was well again; `None`: it is not.
    pub well_at: Option<Timestamp>,
    /// Its roots, at most [`FleetMember::ROOTS_MAX`], as it last had them.
    pub roots: Vec<IncidentAlert>,
    /// How many more roots it has: they are listed there.
    #[serde(default)]
    pub more: usize,
}

impl FleetMember {
    /// Roots that are listed of each other cluster: what a cluster has is in its own incident.
    pub const ROOTS_MAX: usize = 10;
}

impl Fleet {
    /// Returns the incidents that are told with this one.
    pub fn members(&self) -> &[FleetMember] {
        if let FleetRole::Leads(members) = &self.role { members } else { &[] }
    }

    /// Returns the same, to change them.
    pub fn members_mut(&mut self) -> &mut [FleetMember] {
        if let FleetRole::Leads(members) = &mut self.role { members } else { &mut [] }
    }
}

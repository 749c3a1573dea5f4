//! What two watchdogs say to each other, each way in each exchange. A version that knows more fields than the other is
//! understood: what is missing has a default, what is unknown is passed over.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    model::{Alert, Finding, Incident, IncidentNote, OutboxEntry, Silence},
    store::Delivery,
};

/// Where the other is asked.
pub const PATH: &str = "/api/dogwatch/v1/peer";

/// Bytes of one question or answer: a full ledger of large incidents goes in several.
pub const BODY_MAX: usize = 16 << 20;

/// What one of both does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It has just begun and has not heard the other yet.
    #[default]
    Waiting,
    /// It decides and tells.
    Leading,
    /// It keeps a copy.
    Following,
}

/// What one is able to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Able {
    /// Its receivers take its messages, as far as it knows.
    pub notifies: bool,
    /// It sees at least one cluster, where there are any.
    pub sees: bool,
}

/// How far one has taken in what the other said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Which run of the other.
    pub boot: u64,
    /// All of that run up to here.
    pub revision: u64,
}

/// One side of an exchange.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Say {
    /// The vantage's name.
    pub name: String,
    /// The program's version.
    pub version: String,
    /// A number drawn at its start.
    pub boot: u64,
    /// Counts what it says: what comes late, behind something newer, is passed over.
    pub number: u64,
    /// The term that it knows.
    pub term: u64,
    /// What it does.
    pub role: Role,
    /// It would lead in the next term, since it is able to and the leader is not.
    #[serde(default)]
    pub claims: bool,
    /// What it is able to do.
    pub able: Able,
    /// Its wall clock.
    pub at: Timestamp,
    /// The highest number that it has given to an incident.
    pub last_incident: i64,
    /// What must be the same on both, as a number that is the same then.
    #[serde(default)]
    pub digest: String,
    /// How far it has heard the other.
    #[serde(default)]
    pub taken: Taken,
    /// The items are all that changed after this, in the run that it names of who hears it.
    #[serde(default)]
    pub after: Taken,
    /// With these items all of it is said up to here.
    #[serde(default)]
    pub revision: u64,
    /// Its newest revision: where that is higher, there is more to ask for.
    #[serde(default)]
    pub newest: u64,
    /// What the other has not heard yet, oldest first.
    #[serde(default)]
    pub items: Vec<Item>,
}

/// One thing that both must know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Item {
    /// An incident as it is now. `told`: somebody may have heard of it.
    Incident {
        /// It.
        incident: Box<Incident>,
        /// A message about it was sent, or was being sent.
        told: bool,
    },
    /// A message that waits.
    Message {
        /// It.
        entry: Box<OutboxEntry>,
    },
    /// A message that has left the outbox, and how.
    Done {
        /// How.
        delivery: Box<Delivery>,
    },
    /// A silence as it is now.
    Silence {
        /// It.
        silence: Silence,
    },
    /// Who looks after an incident, or that nobody does any more.
    Acknowledgement {
        /// The incident.
        incident: i64,
        /// When.
        at: Timestamp,
        /// Who said so.
        by: String,
        /// It was taken back.
        withdrawn: bool,
    },
    /// What a person wrote.
    Note {
        /// It.
        note: IncidentNote,
    },
    /// An alert that was posted.
    Alert {
        /// It.
        alert: Box<Alert>,
    },
    /// A job reported in.
    Ping {
        /// Its name.
        name: String,
        /// When: with the name it says which ping this is.
        at: Timestamp,
        /// The ping, as its room writes it.
        ping: serde_json::Value,
    },
    /// What is found of a cluster, or of the watchdog itself, from there.
    View {
        /// It.
        view: View,
    },
}

/// What one place sees of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// The cluster; empty: the watchdog itself.
    pub cluster: String,
    /// Nothing can be judged from there.
    pub blind: bool,
    /// Its findings.
    pub findings: Vec<Finding>,
}

/// What an item is about: a later one of the same takes the place of an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// An incident.
    Incident(i64),
    /// A message: waiting or done.
    Message(String),
    /// A silence.
    Silence(String),
    /// An acknowledgement.
    Acknowledgement(i64),
    /// A note.
    Note(i64, Timestamp, String),
    /// A posted alert.
    Alert(String),
    /// A ping.
    Ping(String, Timestamp),
    /// A view.
    View(String),
}

impl Item {
    /// Returns what it is about.
    pub fn key(&self) -> Key {
        match self {
            Item::Incident { incident, .. } => Key::Incident(incident.id),
            Item::Message { entry } => Key::Message(entry.id.clone()),
            Item::Done { delivery } => Key::Message(delivery.entry.id.clone()),
            Item::Silence { silence } => Key::Silence(silence.id.clone()),
            Item::Acknowledgement { incident, .. } => Key::Acknowledgement(*incident),
            Item::Note { note } => Key::Note(note.incident, note.at, note.by.clone()),
            Item::Alert { alert } => Key::Alert(alert.fingerprint()),
            Item::Ping { name, at, .. } => Key::Ping(name.clone(), *at),
            Item::View { view } => Key::View(view.cluster.clone()),
        }
    }

    /// Returns whether nobody needs it any more when room is needed: what is over.
    pub fn is_over(&self) -> bool {
        match self {
            Item::Incident { incident, .. } => incident.resolved_at.is_some(),
            Item::Done { .. } | Item::Note { .. } | Item::Acknowledgement { .. } | Item::Ping { .. } => true,
            _ => false,
        }
    }
}

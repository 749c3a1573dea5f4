//! Nodes of a story.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use dogwatch::model::{NodeCondition, NodeFact};
use jiff::Timestamp;
use serde_json::Value;

use super::{story::names, world::taint};

/// What the node controller allows.
const GRACE: Duration = Duration::from_secs(40);
/// A node that was there all the time is this old.
const AGE: Duration = Duration::from_secs(30 * 24 * 3_600);

#[derive(Clone, Debug)]
pub struct Node {
    pub address: String,
    pub zone: String,
    pub control_plane: bool,
    /// When it renewed its lease.
    pub renewed: Timestamp,
    /// It renews nothing, whatever its kubelet does.
    pub is_mute: bool,
    created: Timestamp,
    version: String,
    /// Its OS image, where the story says one.
    image: Option<String>,
    /// What the story says of its conditions.
    conditions: BTreeMap<String, NodeCondition>,
    unschedulable: bool,
    deleting: bool,
    taints: Vec<String>,
    /// The node controller has given it up.
    unknown: Option<Timestamp>,
}

impl Node {
    fn new(address: String, zone: &str, now: Timestamp) -> Self {
        Self {
            address,
            zone: zone.to_owned(),
            control_plane: false,
            renewed: now,
            is_mute: false,
            created: now.checked_sub(AGE).unwrap(),
            version: "v1.33.2".into(),
            image: None,
            conditions: BTreeMap::new(),
            unschedulable: false,
            deleting: false,
            taints: Vec::new(),
            unknown: None,
        }
    }

    pub fn of_host(name: &str, address: String, now: Timestamp) -> Self {
        let zone = ["c", "a", "b"][name.trim_start_matches("cp").parse::<usize>().unwrap() % 3];
        Self { control_plane: true, ..Self::new(address, zone, now) }
    }

    /// `40 in zones a, b`.
    pub fn all(text: &str, now: Timestamp) -> Vec<(String, Self)> {
        let (count, zones) = text.split_once(" in zones ").unwrap_or((text, "a"));
        let zones: Vec<&str> = zones.split(", ").collect();
        let count: usize = count.parse().unwrap_or_else(|_| panic!("nodes: {text:?} has no number"));
        let one = |i: usize| (format!("w{i}"), Self::new(address(i), zones[(i - 1) % zones.len()], now));
        (1..=count).map(one).collect()
    }

    /// `w41..w60 in zone a`, new ones.
    pub fn some(text: &str, now: Timestamp) -> Vec<(String, Self)> {
        let (list, zone) = text.split_once(" in zone ").unwrap_or((text, "a"));
        let number = |name: &str| name.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
        let one = |name: String| {
            let node = Self { created: now, ..Self::new(address(number(&name)), zone, now) };
            (name, node)
        };
        names(list).into_iter().map(one).collect()
    }

    /// Something of its object changes: `cordoned: true`, `taints: [...]`, `version: v1.34.0`, `Ready: [False, Reason, message]`.
    pub fn happens(&mut self, how: &Value, now: Timestamp) {
        for (key, value) in how.as_object().unwrap_or_else(|| panic!("what changes of a node is a map, not {how}")) {
            let flag = || value.as_bool().unwrap_or_else(|| panic!("{key} is true or false"));
            match key.as_str() {
                "cordoned" => self.unschedulable = flag(),
                "deleting" => self.deleting = flag(),
                "renews" => self.is_mute = !flag(),
                "version" => self.version = value.as_str().unwrap().to_owned(),
                "image" => self.image = value.as_str().map(str::to_owned),
                "taints" => self.taints = serde_json::from_value(value.clone()).unwrap(),
                kind => {
                    let words: Vec<String> = serde_json::from_value(value.clone())
                        .unwrap_or_else(|_| panic!("{kind} is a list: status, reason, message"));
                    let word = |i: usize| words.get(i).cloned().unwrap_or_default();
                    let (status, reason, message) = (word(0), word(1), word(2));
                    let condition = NodeCondition { kind: kind.into(), status, reason, message, since: Some(now) };
                    self.conditions.insert(kind.to_owned(), condition);
                }
            }
        }
    }

    /// The node controller looks at its lease, where one works.
    pub fn notice(&mut self, now: Timestamp, works: bool) {
        let stale = now.duration_since(self.renewed).unsigned_abs() >= GRACE;
        match (stale, self.unknown) {
            (true, None) if works => self.unknown = Some(now),
            (false, Some(_)) => self.unknown = None,
            _ => {}
        }
    }

    /// As an API server tells it.
    pub fn fact(&self, name: &str) -> NodeFact {
        let well = NodeCondition {
            kind: "Ready".into(),
            status: "True".into(),
            reason: "KubeletReady".into(),
            message: String::new(),
            since: Some(self.created + Duration::from_secs(20)),
        };
        let gone = self.unknown.map(|since| NodeCondition {
            status: "Unknown".into(),
            reason: "NodeStatusUnknown".into(),
            message: "Kubelet stopped posting node status.".into(),
            since: Some(since),
            ..well.clone()
        });
        let ready = gone.or_else(|| self.conditions.get("Ready").cloned()).unwrap_or(well);
        let others = self.conditions.values().filter(|c| c.kind != "Ready").cloned();
        let taints = self
            .taints
            .iter()
            .map(|key| taint(key))
            .chain(self.unknown.map(|_| taint("node.kubernetes.io/unreachable")));
        let image = self.image.iter().map(|image| ("OS image".to_owned(), image.clone()));
        let traits = image.chain([("zone".to_owned(), self.zone.clone())]);
        NodeFact {
            name: name.into(),
            addresses: vec![self.address.clone()],
            kubelet_port: 10250,
            version: self.version.clone(),
            conditions: std::iter::once(ready).chain(others).collect(),
            unschedulable: self.unschedulable,
            deleting: self.deleting,
            taints: taints.collect(),
            control_plane: self.control_plane,
            created: Some(self.created),
            traits: Arc::new(traits.collect()),
            ..NodeFact::default()
        }
    }
}

/// `10.0.1.7` of w7.
fn address(i: usize) -> String {
    format!("10.0.{}.{}", 1 + i / 250, i % 250)
}

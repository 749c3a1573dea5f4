//! Objects of a story's cluster, and the recorder that reads them: what changes is told to the program's own summary.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use dogwatch::{
    clock::Clock,
    ingest::ClusterNews,
    inventory::{
        keep,
        kinds::{self, Kind},
        news::{News, Source},
        object::Object,
        situation::Summary,
    },
    model::{NodeFact, Situation, duration::prometheus},
};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::{story::names, world::World};

/// As `recorder` has it.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Kind and `namespace/name`.
type Key = (&'static str, String);

/// All objects as they are.
#[derive(Default)]
pub struct Objects {
    all: BTreeMap<Key, Value>,
    /// Those that the recorder has not read yet.
    news: BTreeSet<Key>,
    nodes: BTreeMap<String, NodeFact>,
}

impl Objects {
    /// Takes objects, as kubectl writes them, or `{workload, name, on}`. `@` is now, `@-10m` ten minutes ago; an entry
    /// `{each, object}` is one for each name.
    pub fn set(&mut self, entries: &[Value], now: Timestamp) {
        for entry in entries {
            match entry.get("each") {
                Some(each) => {
                    for name in names(each.as_str().unwrap()) {
                        let one = entry["object"].to_string().replace('$', &name);
                        self.set_one(&serde_json::from_str(&one).unwrap(), now);
                    }
                }
                None => self.set_one(entry, now),
            }
        }
    }

    fn set_one(&mut self, entry: &Value, now: Timestamp) {
        if entry.get("workload").is_some() {
            return workload(entry).iter().for_each(|object| self.set_one(object, now));
        }
        let kind = kind(entry["kind"].as_str().unwrap_or_else(|| panic!("an object has no kind: {entry}")));
        let text = |of: &str| entry["metadata"][of].as_str().unwrap_or_default();
        let (namespace, name) = (text("namespace"), text("name"));
        let name = if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") };
        let mut object = dated(entry.clone(), now);
        if let Some(metadata) = object["metadata"].as_object_mut() {
            let made = json!((now - Duration::from_secs(30 * 24 * 3_600)).to_string());
            metadata.entry("creationTimestamp").or_insert(made);
            metadata.entry("uid").or_insert(json!(format!("{} {name}", kind.name)));
        }
        self.news.insert((kind.name, name.clone()));
        self.all.insert((kind.name, name), object);
    }

    /// Merges a change into one: `pod shop/api-1`.
    pub fn change(&mut self, which: &str, patch: &Value, now: Timestamp) {
        let key = key(which);
        let object = self.all.get_mut(&key).unwrap_or_else(|| panic!("there is no {which}"));
        merge(object, &dated(patch.clone(), now));
        self.news.insert(key);
    }

    /// Deletes one.
    pub fn delete(&mut self, which: &str) {
        let key = key(which);
        self.all.remove(&key).unwrap_or_else(|| panic!("there is no {which}"));
        self.news.insert(key);
    }

    /// Takes nodes as they are told.
    pub fn see_nodes(&mut self, facts: Vec<NodeFact>) {
        let there: BTreeSet<String> = facts.iter().map(|f| f.name.to_string()).collect();
        let gone: Vec<String> = self.nodes.keys().filter(|name| !there.contains(*name)).cloned().collect();
        for name in gone {
            self.nodes.remove(&name);
            self.all.remove(&("nodes", name.clone()));
            self.news.insert(("nodes", name));
        }
        for fact in facts {
            let name = fact.name.to_string();
            if self.nodes.get(&name) != Some(&fact) {
                self.all.insert(("nodes", name.clone()), node(&fact));
                self.news.insert(("nodes", name.clone()));
                self.nodes.insert(name, fact);
            }
        }
    }
}

fn kind(name: &str) -> &'static Kind {
    kinds::find(name).unwrap_or_else(|| panic!("{name:?} is no kind that is recorded"))
}

fn key(which: &str) -> Key {
    let (of, name) = which.split_once(' ').unwrap_or_else(|| panic!("{which:?}: a kind and a name"));
    (kind(of).name, name.to_owned())
}

/// With times in place of `@`.
fn dated(value: Value, now: Timestamp) -> Value {
    match value {
        Value::String(text) if text.starts_with('@') => {
            let ago = text.strip_prefix("@-").map_or(Duration::ZERO, |ago| prometheus(ago).unwrap());
            json!((now - ago).to_string())
        }
        Value::Array(items) => items.into_iter().map(|item| dated(item, now)).collect(),
        Value::Object(map) => Value::Object(map.into_iter().map(|(k, v)| (k, dated(v, now))).collect()),
        other => other,
    }
}

fn merge(into: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else { return *into = patch.clone() };
    if !into.is_object() {
        *into = Value::Object(Map::new());
    }
    let Some(into) = into.as_object_mut() else { return };
    for (key, value) in patch {
        match value {
            Value::Null => drop(into.remove(key)),
            value => merge(into.entry(key).or_insert(Value::Null), value),
        }
    }
}

/// A workload with its pods, which run and are ready: `{workload: Deployment, name: shop/api, on: "w1, w2"}`.
fn workload(entry: &Value) -> Vec<Value> {
    let text = |of: &str| entry[of].as_str().unwrap_or_default();
    let (kind, on) = (text("workload"), names(text("on")));
    let (namespace, name) = text("name").split_once('/').unwrap_or_else(|| panic!("{entry} has no namespace/name"));
    let image = entry["image"].as_str().unwrap_or("registry.example.org/app:1");
    let n = on.len();
    let labels = json!({"app": name});
    let metadata = |name: &str, owner: Option<(&str, &str)>| {
        let owners: Vec<Value> = owner
            .map(|(kind, name)| json!({"kind": kind, "name": name, "controller": true, "uid": name}))
            .into_iter()
            .collect();
        json!({"namespace": namespace, "name": name, "labels": labels, "generation": 1, "ownerReferences": owners})
    };
    let template = json!({"spec": {"containers": [{"name": "app", "image": image}]}});
    let spec = json!({"replicas": n, "selector": {"matchLabels": labels}, "template": template});
    let status = json!({
        "replicas": n, "readyReplicas": n, "updatedReplicas": n, "availableReplicas": n, "observedGeneration": 1,
        "desiredNumberScheduled": n, "currentNumberScheduled": n, "numberReady": n, "updatedNumberScheduled": n,
        "numberAvailable": n,
        "conditions": [{"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "lastTransitionTime": "@-5d"}],
    });
    let object =
        |kind: &str, metadata: Value| json!({"kind": kind, "metadata": metadata, "spec": spec, "status": status});
    let mut all = vec![object(kind, metadata(name, None))];
    let set = format!("{name}-7d9c");
    let owner = match kind {
        "Deployment" => {
            all.push(object("ReplicaSet", metadata(&set, Some((kind, name)))));
            ("ReplicaSet", set.as_str())
        }
        _ => (kind, name),
    };
    for (i, node) in on.iter().enumerate() {
        let well = |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": "@-5d"});
        all.push(json!({
            "kind": "Pod",
            "metadata": metadata(&format!("{name}-{}", i + 1), Some(owner)),
            "spec": {"nodeName": node, "containers": [{"name": "app", "image": image}]},
            "status": {
                "phase": "Running", "startTime": "@-5d",
                "conditions": [well("PodScheduled"), well("Ready"), well("ContainersReady")],
                "containerStatuses": [{
                    "name": "app", "ready": true, "started": true, "restartCount": 0, "image": image,
                    "state": {"running": {"startedAt": "@-5d"}},
                }],
            },
        }));
    }
    all
}

fn node(fact: &NodeFact) -> Value {
    let role = if fact.control_plane { json!({"node-role.kubernetes.io/control-plane": ""}) } else { json!({}) };
    let mut labels = role;
    for (label, word) in fact.traits.iter() {
        labels[format!("topology.kubernetes.io/{label}")] = json!(word);
    }
    let taints: Vec<Value> = fact.taints.iter().map(|t| json!({"key": t.key, "effect": t.effect})).collect();
    let condition = |c: &dogwatch::model::NodeCondition| {
        let since = c.since.map(|at| at.to_string());
        json!({"type": c.kind, "status": c.status, "reason": c.reason, "lastTransitionTime": since})
    };
    let room = json!({"cpu": "16", "memory": "64Gi", "pods": "110"});
    json!({
        "kind": "Node",
        "metadata": {"name": fact.name.to_string(), "uid": format!("node {}", fact.name), "labels": labels,
            "creationTimestamp": fact.created.map(|at| at.to_string()),
            "deletionTimestamp": fact.deleting.then_some("2026-11-23T06:00:00Z")},
        "spec": {"unschedulable": fact.unschedulable, "taints": taints},
        "status": {
            "conditions": fact.conditions.iter().map(condition).collect::<Vec<_>>(),
            "addresses": fact.addresses.iter().map(|a| json!({"type": "InternalIP", "address": a})).collect::<Vec<_>>(),
            "nodeInfo": {"kubeletVersion": fact.version, "bootID": format!("boot of {}", fact.name),
                "kernelVersion": "6.1.0-40-amd64", "osImage": "Debian GNU/Linux 12", "containerRuntimeVersion": "containerd://1.7.27"},
            "capacity": room, "allocatable": room,
        },
    })
}

/// Reads what changes while the API can be read, and tells what it all amounts to.
pub async fn record(updates: mpsc::Sender<ClusterNews>, world: Arc<Mutex<World>>, clock: Clock) {
    let mut summary = Summary::default();
    let mut known: BTreeMap<Key, Object> = BTreeMap::new();
    let mut told: Option<Arc<Situation>> = None;
    let mut is_first = true;
    let cluster = world.lock().unwrap().cluster.clone();
    loop {
        let now = clock.wall();
        {
            let mut world = world.lock().unwrap();
            world.settle(now);
            if world.why_unreadable(now).is_none() {
                let facts = world.node_facts();
                world.objects.see_nodes(facts);
                read(&mut world.objects, &mut known, &mut summary, (is_first, now));
                is_first = false;
            }
        }
        let situation = summary.situation(now);
        if told.as_ref().is_none_or(|told| **told != situation) {
            let situation = Arc::new(situation);
            told = Some(situation.clone());
            if updates.send(ClusterNews::Situation(cluster.clone(), Some(situation))).await.is_err() {
                return;
            }
        }
        tokio::time::sleep(TELL_EVERY).await;
    }
}

fn read(
    objects: &mut Objects,
    known: &mut BTreeMap<Key, Object>,
    summary: &mut Summary,
    (is_first, at): (bool, Timestamp),
) {
    let source = if is_first { Source::FirstList } else { Source::Seen };
    for key in std::mem::take(&mut objects.news) {
        let of = kind(key.0);
        let Some(object) = objects.all.get(&key) else {
            if let Some(was) = known.remove(&key) {
                summary.take(&News { object: &was, before: None, is_gone: true, source, at });
            }
            continue;
        };
        let kept = keep::object(of, &object.to_string()).unwrap().unwrap();
        let object = Object::new(of, &kept.key, kept.fields);
        let before = known.get(&key).filter(|_| !of.is_event());
        if known.get(&key).is_none_or(|was| was.fields != object.fields) {
            summary.take(&News { object: &object, before, is_gone: false, source, at });
            known.insert(key, object);
        }
    }
    if is_first {
        kinds::KINDS.iter().for_each(|kind| summary.listed(kind.name));
    }
    kinds::KINDS.iter().for_each(|kind| summary.seen(kind.name, at));
}

//! What runs on which node: a few facts of each pod, from which follows what is lost with a node.
//!
//! Of a node that the API calls lost, what counts is what was ready when it was lost: soon after that, the node controller
//! calls its pods not ready, and minutes later others take their place. When a pod's readiness changed tells which is which, so
//! that this also follows from history, after a restart in the middle of an outage.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::{
    News,
    alarm_path::{self, LABELS},
};
use crate::{
    inventory::object::Object,
    model::{NodeLoad, Placement, Share, Workload},
};

/// A pod that was called not ready so long before its node was, or later, was ready when the node was lost: both are judged
/// by the same controller, within seconds.
const AROUND: Duration = Duration::from_secs(30);
/// What was on a node is looked at again for so long after it was lost; then it stands, whatever becomes of its pods. Pods
/// are taken from a lost node after five minutes.
const LOOKED_AT_FOR: Duration = Duration::from_secs(60);
/// The label by which a Deployment's pods are known: the ReplicaSet's name ends with its value.
const TEMPLATE_HASHES: [&str; 2] = ["pod-template-hash", "rollouts-pod-template-hash"];

/// What is known of a pod that has a node.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PodFact {
    node: Arc<str>,
    workload: usize,
    is_running: bool,
    is_ready: bool,
    /// When its readiness last changed.
    turned_at: Option<Timestamp>,
    made_at: Option<Timestamp>,
    claims: Box<[Box<str>]>,
}

impl PodFact {
    /// Whether it was ready at a moment, as far as is known now.
    fn was_ready(&self, at: Timestamp) -> bool {
        let before = at.checked_sub(AROUND).unwrap_or(Timestamp::MIN);
        let since = self.turned_at.is_some_and(|turned| turned >= before);
        self.is_running && (self.is_ready || since) && self.made_at.is_none_or(|made| made <= at)
    }
}

#[derive(Debug)]
struct WorkloadState {
    workload: Arc<Workload>,
    pods: BTreeSet<Arc<str>>,
    ready: u32,
}

#[derive(Debug, Default)]
struct NodeState {
    pods: BTreeSet<Arc<str>>,
    attached: Vec<String>,
    /// Since when the API calls it lost.
    lost: Option<Timestamp>,
    /// When that was first looked at.
    looked_at: Option<Timestamp>,
    is_known: bool,
    is_dirty: bool,
}

/// What is kept of all pods, nodes and volumes.
#[derive(Debug, Default)]
pub(super) struct Placements {
    pods: HashMap<Arc<str>, PodFact>,
    nodes: HashMap<Arc<str>, NodeState>,
    workloads: Vec<Option<WorkloadState>>,
    numbers: HashMap<Workload, usize>,
    free: Vec<usize>,
    /// Volumes in words, as nodes name them.
    volumes: HashMap<String, String>,
    is_dirty: bool,
    last: Arc<Placement>,
}

impl Placements {
    /// Takes news of an object.
    pub(super) fn take(&mut self, news: &News<'_>) {
        match news.object.resource {
            "pods" => self.pod(news.object, news.is_gone),
            "nodes" => self.node(news),
            "persistentvolumes" => self.volume(news.object, news.is_gone),
            _ => {}
        }
    }

    fn pod(&mut self, object: &Object, is_gone: bool) {
        let key: Arc<str> = object.key().into();
        let node = object.text(&["spec", "nodeName"]);
        // What belongs to the node itself (static pods) is told by the checks of those components.
        let is_static = object.owner().is_some_and(|(kind, _)| kind == "Node");
        let is_placed = !is_gone && !node.is_empty() && !is_static;
        let known = self.pods.get(&key);
        if !is_placed && known.is_none() {
            return;
        }
        if let Some(known) = known {
            // Most news of a pod is none here.
            if is_placed && known == &self.fact(object, known.node.clone(), known.workload) && &*known.node == node {
                return;
            }
            self.forget(&key);
        }
        if is_placed {
            let node = match self.nodes.get_key_value(node) {
                Some((name, _)) => name.clone(),
                None => node.into(),
            };
            let workload = self.workload(workload_of(object));
            let fact = self.fact(object, node.clone(), workload);
            if let Some(Some(state)) = self.workloads.get_mut(workload) {
                state.pods.insert(key.clone());
                state.ready += u32::from(fact.is_ready);
            }
            let state = self.nodes.entry(node).or_default();
            state.pods.insert(key.clone());
            state.is_dirty = true;
            self.pods.insert(key, fact);
        }
        self.is_dirty = true;
    }

    fn fact(&self, pod: &Object, node: Arc<str>, workload: usize) -> PodFact {
        PodFact {
            node,
            workload,
            is_running: pod.text(&["status", "phase"]) == "Running",
            is_ready: pod.is_ready(),
            turned_at: pod.time(&["status", "conditions", "Ready", "lastTransitionTime"]),
            made_at: pod.made_at(),
            claims: pod.claims().into_iter().map(Into::into).collect(),
        }
    }

    fn forget(&mut self, key: &Arc<str>) {
        let Some(fact) = self.pods.remove(key) else { return };
        if let Some(node) = self.nodes.get_mut(&fact.node) {
            node.pods.remove(key);
            node.is_dirty = true;
            if node.pods.is_empty() && !node.is_known {
                self.nodes.remove(&fact.node);
            }
        }
        let Some(Some(state)) = self.workloads.get_mut(fact.workload) else { return };
        state.pods.remove(key);
        state.ready = state.ready.saturating_sub(u32::from(fact.is_ready));
        if state.pods.is_empty() {
            self.numbers.remove(&*state.workload);
            self.workloads[fact.workload] = None;
            self.free.push(fact.workload);
        }
    }

    /// The number of a workload.
    fn workload(&mut self, workload: Workload) -> usize {
        if let Some(number) = self.numbers.get(&workload) {
            return *number;
        }
        let state = WorkloadState { workload: Arc::new(workload.clone()), pods: BTreeSet::new(), ready: 0 };
        let number = self.free.pop().unwrap_or(self.workloads.len());
        match self.workloads.get_mut(number) {
            Some(place) => *place = Some(state),
            None => self.workloads.push(Some(state)),
        }
        self.numbers.insert(workload, number);
        number
    }

    fn node(&mut self, news: &News<'_>) {
        let (object, name) = (news.object, news.object.name.as_str());
        self.is_dirty = true;
        if news.is_gone {
            if let Some(state) = self.nodes.get_mut(name) {
                (state.is_known, state.is_dirty) = (false, true);
                if state.pods.is_empty() {
                    self.nodes.remove(name);
                }
            }
            return;
        }
        let ready = object.text(&["status", "conditions", "Ready", "status"]);
        let turned = object.time(&["status", "conditions", "Ready", "lastTransitionTime"]).unwrap_or(news.at);
        let state = self.nodes.entry(name.into()).or_default();
        (state.is_known, state.is_dirty) = (true, true);
        state.attached = object.map(&["status", "volumesAttached"]).map(|(name, _)| name.clone()).collect();
        let lost = Some(turned).filter(|_| !matches!(ready, "" | "True"));
        if lost != state.lost {
            (state.lost, state.looked_at) = (lost, None);
        }
    }

    fn volume(&mut self, volume: &Object, is_gone: bool) {
        let (driver, handle) = (volume.text(&["spec", "csi", "driver"]), volume.text(&["spec", "csi", "volumeHandle"]));
        if driver.is_empty() || handle.is_empty() {
            return;
        }
        let name = format!("kubernetes.io/csi/{driver}^{handle}");
        let claim = (volume.text(&["spec", "claimRef", "namespace"]), volume.text(&["spec", "claimRef", "name"]));
        let words = match claim {
            (_, "") => volume.name.clone(),
            (namespace, claim) => format!("{namespace}/{claim}"),
        };
        let is_same = match is_gone {
            true => self.volumes.remove(&name).is_none(),
            false => self.volumes.insert(name, words.clone()).is_some_and(|known| known == words),
        };
        if !is_same {
            self.is_dirty = true;
            self.nodes.values_mut().filter(|n| !n.attached.is_empty()).for_each(|n| n.is_dirty = true);
        }
    }

    /// Returns what runs where.
    pub(super) fn now(&mut self, now: Timestamp) -> Arc<Placement> {
        if !std::mem::take(&mut self.is_dirty) {
            return self.last.clone();
        }
        // What was elsewhere when a node was lost may be learned after it.
        let is_looked_at = |n: &NodeState| n.lost.is_some() && n.looked_at.is_none_or(|at| !is_past(now, at));
        let is_due = |n: &NodeState| n.is_dirty || is_looked_at(n);
        let dirty: Vec<Arc<str>> = self.nodes.iter().filter(|(_, n)| is_due(n)).map(|(name, _)| name.clone()).collect();
        let mut nodes = self.last.nodes.clone();
        nodes.retain(|name, _| self.nodes.contains_key(name));
        for name in dirty {
            let Some(state) = self.nodes.get_mut(&name) else { continue };
            state.is_dirty = false;
            if state.lost.is_some() {
                let since = *state.looked_at.get_or_insert(now);
                if is_past(now, since) && nodes.contains_key(&name) {
                    continue;
                }
            }
            if let Some(state) = self.nodes.get(&name) {
                nodes.insert(name, Arc::new(self.load(state)));
            }
        }
        let ready = self.workloads.iter().map(|state| state.as_ref().map_or(0, |state| state.ready)).collect();
        self.last = Arc::new(Placement { nodes, ready });
        self.last.clone()
    }

    fn load(&self, state: &NodeState) -> NodeLoad {
        let lost_at = state.lost;
        let counts = |pod: &PodFact| lost_at.map_or(pod.is_ready, |at| pod.was_ready(at));
        let (mut here, mut volumes): (HashMap<usize, u32>, BTreeSet<String>) = Default::default();
        for (key, pod) in state.pods.iter().filter_map(|key| self.pods.get_key_value(key)) {
            let namespace = key.split('/').next().unwrap_or_default();
            volumes.extend(pod.claims.iter().map(|claim| format!("{namespace}/{claim}")));
            if counts(pod) {
                *here.entry(pod.workload).or_default() += 1;
            }
        }
        volumes.extend(state.attached.iter().map(|name| self.volumes.get(name).unwrap_or(name).clone()));
        let share = |(number, here): (usize, u32)| {
            let state = self.workloads.get(number)?.as_ref()?;
            let all = state.pods.iter().filter_map(|key| self.pods.get(key));
            // Whether something is left elsewhere is not asked of what is on every node.
            let counts =
                |at| if state.workload.is_of_nodes() { all.count() } else { all.filter(|p| p.was_ready(at)).count() };
            let then = lost_at.map(counts);
            let then = then.map(|all| u32::try_from(all).unwrap_or(u32::MAX));
            Some(Share { workload: state.workload.clone(), number, here, then })
        };
        let mut shares: Vec<Share> = here.into_iter().filter_map(share).collect();
        shares.sort_by_key(|share| share.number);
        NodeLoad { shares, volumes: volumes.into_iter().collect() }
    }
}

/// Whether what was on a lost node stands.
fn is_past(now: Timestamp, looked_at: Timestamp) -> bool {
    now.duration_since(looked_at).unsigned_abs() > LOOKED_AT_FOR
}

/// What a pod belongs to. A ReplicaSet that a Deployment made bears its name and the hash that its pods are labelled with.
fn workload_of(pod: &Object) -> Workload {
    let labels = pod.at(&["metadata", "labels"]);
    let part = alarm_path::part(LABELS.iter().filter_map(|label| labels.get(*label)?.as_str()));
    let (kind, name) = pod.owner().unwrap_or(("Pod", &pod.name));
    let of_set = || {
        let hash = TEMPLATE_HASHES.iter().filter_map(|label| labels.get(*label)?.as_str()).next()?;
        name.strip_suffix(hash)?.strip_suffix('-')
    };
    let (kind, name) = match kind {
        "ReplicaSet" => of_set().map_or((kind, name), |name| ("Deployment", name)),
        _ => (kind, name),
    };
    Workload { kind: kind.into(), namespace: pod.namespace.as_str().into(), name: name.into(), part }
}

#[cfg(test)]
mod tests;

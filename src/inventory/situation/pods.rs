//! Pods that wait: for their scheduler, for a node, for an image. Those that run well leave nothing here but a number.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use serde_json::Value;

use super::{Moment, News, workload_of, workloads::Workloads};
use crate::{
    inventory::object::Object,
    model::{FailedPulls, Several, Situation, StuckRollout, WaitingPods},
};

/// So many reasons, registries and workloads are told of.
const TOLD_MAX: usize = 20;
/// Why a container waits, where it won't begin by itself.
const NO_IMAGE: [&str; 4] = ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"];
const NO_START: [&str; 4] =
    ["CrashLoopBackOff", "CreateContainerConfigError", "CreateContainerError", "RunContainerError"];
/// The registry of images that name none.
const DEFAULT_REGISTRY: &str = "docker.io";

/// Why a pod waits.
#[derive(Debug)]
enum Wait {
    /// Its scheduler has not looked at it.
    Unseen { scheduler: String, since: Timestamp },
    /// There is no node for it.
    Unplaced { why: String, since: Timestamp },
    /// A container does not begin.
    Start { reason: String, image: String, is_pull: bool, since: Timestamp },
}

/// A pod that waits.
#[derive(Debug)]
struct Waiting {
    wait: Wait,
    node: String,
    workload: Option<(String, String)>,
}

/// All of a cluster.
#[derive(Debug, Default)]
pub(super) struct Pods {
    waiting: BTreeMap<String, Waiting>,
    /// Pods of each node that do not belong to every node.
    on_node: HashMap<String, usize>,
}

impl Pods {
    pub(super) fn take(&mut self, news: &News<'_>) {
        if !news.is("pods") {
            return;
        }
        let (object, key) = (news.object, news.key());
        let was = if news.is_gone { Some(object) } else { news.before };
        if let Some(node) = was.and_then(counted_at)
            && let Some(count) = self.on_node.get_mut(node)
        {
            *count -= 1;
            if *count == 0 {
                self.on_node.remove(node);
            }
        }
        if news.is_gone {
            self.waiting.remove(&key);
            return;
        }
        if let Some(node) = counted_at(object) {
            *self.on_node.entry(node.to_owned()).or_default() += 1;
        }
        let before = self.waiting.remove(&key);
        let Some(wait) = wait(object, before.map(|w| w.wait), news.at) else { return };
        let node = object.text(&["spec", "nodeName"]).to_owned();
        self.waiting.insert(key, Waiting { wait, node, workload: workload_of(object) });
    }

    /// How many pods a node has, without those that belong to every node.
    pub(super) fn on_node(&self, node: &str) -> usize {
        self.on_node.get(node).copied().unwrap_or(0)
    }

    pub(super) fn fill(&self, moment: &Moment<'_>, workloads: &Workloads, into: &mut Situation) {
        if !moment.knows(&["pods"]) {
            return;
        }
        let (mut unseen, mut unplaced) = (BTreeMap::<&str, Several>::new(), BTreeMap::<&str, Several>::new());
        let mut pulls: BTreeMap<&str, Pulls<'_>> = BTreeMap::new();
        let mut stuck: BTreeMap<&(String, String), StuckRollout> = BTreeMap::new();
        for (key, pod) in &self.waiting {
            match &pod.wait {
                Wait::Unseen { scheduler, since } => unseen.entry(scheduler).or_default().add(key, *since),
                Wait::Unplaced { why, since } => unplaced.entry(why).or_default().add(key, *since),
                Wait::Start { reason, image, is_pull, since } => {
                    if *is_pull {
                        let pulls = pulls.entry(registry(image)).or_default();
                        pulls.pods.add(key, *since);
                        pulls.nodes.insert(&pod.node);
                        pulls.workloads.insert(pod.workload.as_ref());
                    }
                    let Some(workload) = &pod.workload else { continue };
                    let at = stuck.entry(workload).or_insert_with(|| rollout(workload, workloads, *since));
                    (at.waiting, at.since) = (at.waiting + 1, at.since.min(*since));
                    // What can't be pulled says more than what ends again and again.
                    if at.reason.is_empty() || *is_pull {
                        (at.reason, at.image) = (reason.clone(), image.clone());
                        registry(image).clone_into(&mut at.registry);
                    }
                }
            }
        }
        let told = |all: BTreeMap<&str, Several>| -> Vec<WaitingPods> {
            let mut all: Vec<_> =
                all.into_iter().map(|(why, pods)| WaitingPods { why: why.to_owned(), pods }).collect();
            all.sort_by_key(|waiting| std::cmp::Reverse(waiting.pods.count));
            all.truncate(TOLD_MAX);
            all
        };
        (into.unseen_pods, into.unplaced_pods) = (told(unseen), told(unplaced));
        into.pulls = pulls.into_iter().map(|(registry, pulls)| pulls.told(registry)).take(TOLD_MAX).collect();
        into.rollouts = stuck.into_values().take(TOLD_MAX).collect();
    }
}

/// What can't be pulled from one registry.
#[derive(Default)]
struct Pulls<'a> {
    pods: Several,
    nodes: BTreeSet<&'a str>,
    workloads: BTreeSet<Option<&'a (String, String)>>,
}

impl Pulls<'_> {
    fn told(self, registry: &str) -> FailedPulls {
        let Self { pods, nodes, workloads } = self;
        FailedPulls { registry: registry.to_owned(), pods, nodes: nodes.len(), workloads: workloads.len() }
    }
}

fn rollout((kind, key): &(String, String), workloads: &Workloads, since: Timestamp) -> StuckRollout {
    let (ready, wanted) = workloads.replicas(kind, key);
    StuckRollout {
        kind: kind.clone(),
        key: key.clone(),
        reason: String::new(),
        image: String::new(),
        registry: String::new(),
        waiting: 0,
        since,
        ready,
        wanted,
    }
}

/// The registry of an image, as the reference's grammar has it: what stands before the first slash, where it looks like a host.
pub(super) fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => DEFAULT_REGISTRY,
    }
}

/// The node that a pod counts at: it runs or will run there, and is not one of those that each node has.
fn counted_at(pod: &Object) -> Option<&str> {
    let node = pod.text(&["spec", "nodeName"]);
    let is_everywhere = matches!(pod.owner(), Some(("DaemonSet" | "Node", _)));
    (!node.is_empty() && !pod.is_over() && !is_everywhere).then_some(node)
}

/// Why a pod waits, and since when: the same reason goes on from where it began.
fn wait(pod: &Object, before: Option<Wait>, seen: Timestamp) -> Option<Wait> {
    if pod.is_being_deleted() || pod.is_over() {
        return None;
    }
    if pod.text(&["spec", "nodeName"]).is_empty() {
        let made = pod.made_at().unwrap_or(seen).min(seen);
        let said = pod.at(&["status", "conditions", "PodScheduled"]);
        let text = |field: &str| said[field].as_str().unwrap_or_default();
        return match (text("status"), text("reason")) {
            // A gate is somebody's wish.
            (_, "SchedulingGated") => None,
            ("False", _) => {
                let since = text("lastTransitionTime").parse().unwrap_or(made);
                Some(Wait::Unplaced { why: reason(text("message")), since })
            }
            _ => {
                let scheduler = pod.text(&["spec", "schedulerName"]);
                let scheduler = if scheduler.is_empty() { "default-scheduler" } else { scheduler };
                Some(Wait::Unseen { scheduler: scheduler.to_owned(), since: made })
            }
        };
    }
    let containers = ["initContainerStatuses", "containerStatuses"].map(|list| ["status", list]);
    let all = || containers.iter().flat_map(|place| pod.map(place)).map(|(_, c)| c);
    let reason = |c: &Value| c["state"]["waiting"]["reason"].as_str().unwrap_or_default().to_owned();
    let is_stuck = |c: &&Value| {
        let reason = reason(c);
        NO_IMAGE.contains(&reason.as_str()) || NO_START.contains(&reason.as_str())
    };
    let container = all().find(is_stuck);
    // A container that ends again and again runs for moments in between.
    let Some(container) = container else {
        return match before {
            Some(wait @ Wait::Start { is_pull: false, .. }) if !pod.is_ready() => Some(wait),
            _ => None,
        };
    };
    let reason = reason(container);
    let is_pull = NO_IMAGE.contains(&reason.as_str());
    let image = container["image"].as_str().unwrap_or_default().to_owned();
    let since = match before {
        Some(Wait::Start { since, .. }) => since,
        _ => seen,
    };
    Some(Wait::Start { reason, image, is_pull, since })
}

/// What the scheduler says, without how many nodes it looked at, so that it stays the same while they change:
/// `0/24 nodes are available: 20 Insufficient cpu, 4 node(s) had untolerated taint {x: }. preemption: …`.
fn reason(message: &str) -> String {
    let said = message
        .split_once(": ")
        .filter(|(head, _)| head.contains("nodes are available"))
        .map_or(message, |(_, said)| said);
    let said = said.split(". ").next().unwrap_or(said).trim_end_matches('.');
    let part = |part: &str| {
        let words = part.trim();
        let words = words.split_once(' ').filter(|(n, _)| n.parse::<u32>().is_ok()).map_or(words, |(_, words)| words);
        words.to_owned()
    };
    let mut parts: Vec<String> = said.split(", ").map(part).filter(|p| !p.is_empty()).collect();
    parts.sort_unstable();
    parts.dedup();
    if parts.is_empty() { "no reason given".to_owned() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_read_as_pullers_read_it() {
        for (image, expected) in [
            ("nginx", "docker.io"),
            ("library/nginx:1", "docker.io"),
            ("r.example.org/a/b@sha256:0", "r.example.org"),
            ("localhost/a", "localhost"),
            ("reg:5000/a", "reg:5000"),
        ] {
            assert_eq!(registry(image), expected, "{image}");
        }
    }

    #[test]
    fn the_schedulers_reason_stays_the_same_while_nodes_come_and_go() {
        for (message, expected) in [
            (
                "0/24 nodes are available: 20 Insufficient cpu, 4 Insufficient memory.",
                "Insufficient cpu, Insufficient memory",
            ),
            (
                "0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod.",
                "Insufficient cpu",
            ),
            ("no nodes available to schedule pods", "no nodes available to schedule pods"),
            ("", "no reason given"),
        ] {
            assert_eq!(reason(message), expected, "{message}");
        }
    }
}

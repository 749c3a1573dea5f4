//! Nodes that somebody cordoned, of which a program says that something is wrong, or whose object was deleted.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Moment, News, Source, pods::Pods};
use crate::{
    inventory::object::Object,
    model::{CordonedNode, DeletedNode, NodeProblem, Situation},
};

/// Nodes that are told of, each way.
const TOLD_MAX: usize = 50;
/// Budgets that are named.
const BUDGETS_NAMED: usize = 5;
/// A deleted Node object is told of for so long, where it does not come back.
const DELETED_FOR: SignedDuration = SignedDuration::from_mins(30);
/// Taints of those who take a node away in good order: cluster-autoscaler, Karpenter, cloud providers, node termination handlers.
const LEAVING: [&str; 8] = [
    "ToBeDeletedByClusterAutoscaler",
    "DeletionCandidateOfClusterAutoscaler",
    "karpenter.sh/disrupted",
    "karpenter.sh/disruption",
    "node.cloudprovider.kubernetes.io/shutdown",
    "aws-node-termination-handler/spot-itn",
    "cloud.google.com/impending-node-termination",
    "node.kubernetes.io/out-of-service",
];
/// Words in conditions by which node-problem-detector (github.com/kubernetes/node-problem-detector) and its kin report what is
/// wrong. Conditions of other programs may say `True` where all is well.
const WRONG: [&str; 9] =
    ["Deadlock", "Readonly", "Corrupt", "Frequent", "Hung", "Unhealthy", "Problem", "Shutdown", "Failure"];

/// One node.
#[derive(Debug)]
struct Node {
    cordoned_since: Option<Timestamp>,
    pods_before: usize,
    is_ready: bool,
    is_leaving: bool,
    problems: Vec<NodeProblem>,
}

/// All of a cluster.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    all: BTreeMap<String, Node>,
    /// With whether the number of its pods is known.
    deleted: BTreeMap<String, (DeletedNode, bool)>,
    /// Budgets that allow no eviction now.
    budgets: BTreeSet<String>,
}

impl Nodes {
    pub(super) fn take(&mut self, news: &News<'_>) {
        if news.is("poddisruptionbudgets") {
            return self.budget(news);
        }
        if !news.is("nodes") {
            return;
        }
        let (object, name) = (news.object, news.object.name.clone());
        let before = self.all.remove(&name);
        if news.is_gone {
            let was_well = object.is_ready() && !is_cordoned(object) && !is_leaving(object);
            if was_well && news.source == Source::Seen && self.deleted.len() < TOLD_MAX {
                let deleted = DeletedNode { node: name.clone(), at: news.at, pods: 0 };
                self.deleted.insert(name, (deleted, false));
            }
            return;
        }
        self.deleted.remove(&name);
        let since = before.as_ref().and_then(|b| b.cordoned_since).unwrap_or(news.at);
        let node = Node {
            cordoned_since: is_cordoned(object).then_some(since),
            pods_before: before.as_ref().map_or(0, |b| b.pods_before),
            is_ready: object.is_ready(),
            is_leaving: is_leaving(object),
            problems: problems(object, news.at),
        };
        self.all.insert(name, node);
    }

    fn budget(&mut self, news: &News<'_>) {
        let allows = |field: &str| news.object.number(&["status", field]);
        let is_tight = !news.is_gone && allows("expectedPods") > 0 && allows("disruptionsAllowed") == 0;
        match is_tight {
            true => drop(self.budgets.insert(news.key())),
            false => drop(self.budgets.remove(&news.key())),
        }
    }

    /// Whether pods leave a node in good order: it is cordoned or gone.
    pub(super) fn is_left(&self, node: &str) -> bool {
        self.all.get(node).is_none_or(|n| n.cordoned_since.is_some() || n.is_leaving || !n.is_ready)
    }

    pub(super) fn fill(&mut self, moment: &Moment<'_>, pods: &Pods, into: &mut Situation) {
        if !moment.knows(&["nodes", "pods"]) {
            return;
        }
        self.deleted.retain(|_, (deleted, _)| !moment.is_past(deleted.at, DELETED_FOR));
        for (deleted, is_counted) in self.deleted.values_mut() {
            if !*is_counted {
                // Those that ran there are collected within a minute.
                (deleted.pods, *is_counted) = (pods.on_node(&deleted.node), true);
            }
            into.deleted_nodes.push(deleted.clone());
        }
        for (name, node) in &mut self.all {
            let now = pods.on_node(name);
            let Some(since) = node.cordoned_since else {
                node.pods_before = now;
                continue;
            };
            if !node.is_leaving && into.cordoned.len() < TOLD_MAX {
                let budgets =
                    if now > 0 { self.budgets.iter().take(BUDGETS_NAMED).cloned().collect() } else { Vec::new() };
                let pods_before = node.pods_before.max(now);
                into.cordoned.push(CordonedNode { node: name.clone(), since, pods: now, pods_before, budgets });
            }
        }
        into.node_problems = self.all.values().flat_map(|n| n.problems.iter().cloned()).take(TOLD_MAX).collect();
    }
}

fn is_cordoned(node: &Object) -> bool {
    node.at(&["spec", "unschedulable"]) == true
}

fn is_leaving(node: &Object) -> bool {
    let is_going = node.is_being_deleted() && !node.at(&["metadata", "finalizers"]).is_null();
    is_going || node.map(&["spec", "taints"]).any(|(key, _)| LEAVING.contains(&key.as_str()))
}

fn problems(node: &Object, seen: Timestamp) -> Vec<NodeProblem> {
    let is_wrong = |(name, condition): &(&String, &Value)| {
        condition["status"] == "True" && WRONG.iter().any(|word| name.contains(word))
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let told = |(name, condition): (&String, &Value)| NodeProblem {
        node: node.name.clone(),
        condition: name.clone(),
        reason: text(&condition["reason"]),
        since: text(&condition["lastTransitionTime"]).parse().unwrap_or(seen),
    };
    node.map(&["status", "conditions"]).filter(is_wrong).map(told).collect()
}

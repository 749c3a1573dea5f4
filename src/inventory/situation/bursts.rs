//! Pods that were driven from their nodes, and containers that were killed for want of memory: bursts of the last minutes.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::{Moment, News, Source, nodes::Nodes, workload_of};
use crate::{
    inventory::object::Object,
    model::{Evictions, Several, Situation, text},
};

/// A burst to which nothing has come for so long is over.
const WITHIN: SignedDuration = SignedDuration::from_mins(10);
/// So many are kept: a burst of more is told as one of as many.
const HITS_MAX: usize = 5_000;
/// So many nodes and workloads are named.
const NAMED: usize = 5;
/// Bytes of what a kubelet says.
const SAID_MAX: usize = 120;
/// An eviction that somebody asked for, as a drain does.
const ASKED_FOR: &str = "evicted through the API";

/// One pod or container.
#[derive(Debug)]
struct Hit {
    at: Timestamp,
    why: String,
    node: String,
    workload: Option<(String, String)>,
}

/// All of a cluster.
#[derive(Debug, Default)]
pub(super) struct Bursts {
    /// By pod.
    evicted: BTreeMap<String, Hit>,
    /// By pod, container and moment.
    killed: BTreeMap<String, Hit>,
}

impl Bursts {
    pub(super) fn take(&mut self, news: &News<'_>) {
        if news.source != Source::Seen || news.is_gone {
            return;
        }
        match news.object.resource {
            "pods" => self.pod(news),
            "events" => self.event(news),
            _ => {}
        }
    }

    fn pod(&mut self, news: &News<'_>) {
        let Some(before) = news.before else { return };
        let (pod, key) = (news.object, news.key());
        let hit = |why: &str| Hit {
            at: news.at,
            why: why.to_owned(),
            node: pod.text(&["spec", "nodeName"]).to_owned(),
            workload: workload_of(pod),
        };
        if let Some(why) = driven_away(pod)
            && driven_away(before).is_none()
            && self.evicted.len() < HITS_MAX
        {
            self.evicted.entry(key.clone()).or_insert_with(|| hit(why));
        }
        let known = kills(before);
        for (container, at) in kills(pod).into_iter().filter(|kill| !known.contains(kill)) {
            if self.killed.len() < HITS_MAX {
                self.killed.insert(format!("{key}/{container} {at}"), hit("killed for want of memory (OOMKilled)"));
            }
        }
    }

    fn event(&mut self, news: &News<'_>) {
        let event = news.object;
        let why = match event.text(&["reason"]) {
            // `The node was low on resource: memory. Threshold quantity: …` (pkg/kubelet/eviction/helpers.go)
            "Evicted" => {
                let note = event.text(&["note"]);
                let said = note.split(". ").next().unwrap_or(note).trim_end_matches('.');
                text::clip(said, SAID_MAX).to_lowercase()
            }
            "Preempted" => "preempted by pods of a higher priority".to_owned(),
            _ => return,
        };
        if event.text(&["regarding", "kind"]) != "Pod" {
            return;
        }
        let key = super::regarding(event);
        if let Some(known) = self.evicted.get_mut(&key) {
            known.why = why;
        } else if self.evicted.len() < HITS_MAX {
            let node = event.text(&["deprecatedSource", "host"]).to_owned();
            self.evicted.insert(key, Hit { at: news.at, why, node, workload: None });
        }
    }

    /// How often containers of a workload were killed for want of memory lately.
    pub(super) fn memory_kills(&self, kind: &str, key: &str) -> usize {
        let is_of = |hit: &&Hit| hit.workload.as_ref().is_some_and(|(k, w)| k == kind && w == key);
        self.killed.values().filter(is_of).count()
    }

    pub(super) fn fill(&mut self, moment: &Moment<'_>, nodes: &Nodes, into: &mut Situation) {
        forget(&mut self.evicted, moment);
        forget(&mut self.killed, moment);
        let mut groups: BTreeMap<&str, Vec<(&String, &Hit)>> = BTreeMap::new();
        // A drain is what somebody wants.
        let is_drain = |hit: &Hit| hit.why == ASKED_FOR && nodes.is_left(&hit.node);
        for (pod, hit) in self.evicted.iter().filter(|(_, hit)| !is_drain(hit)) {
            groups.entry(&hit.why).or_default().push((pod, hit));
        }
        into.evictions = groups.into_iter().map(|(why, hits)| told(why, &hits)).collect();
        into.evictions.sort_by_key(|e| std::cmp::Reverse(e.pods.count));
        into.evictions.truncate(NAMED);
        let killed: Vec<(&String, &Hit)> = self.killed.iter().collect();
        into.memory_kills = killed.first().map(|(_, hit)| told(&hit.why, &killed));
    }
}

/// A burst is forgotten as a whole, once nothing has come to it for a while: its number does not fall while it is told.
fn forget(hits: &mut BTreeMap<String, Hit>, moment: &Moment<'_>) {
    let mut last: HashMap<String, Timestamp> = HashMap::new();
    for hit in hits.values() {
        let at = last.entry(hit.why.clone()).or_insert(hit.at);
        *at = (*at).max(hit.at);
    }
    hits.retain(|_, hit| last.get(&hit.why).is_some_and(|at| !moment.is_past(*at, WITHIN)));
}

fn told(why: &str, hits: &[(&String, &Hit)]) -> Evictions {
    let mut pods = Several::default();
    let (mut nodes, mut workloads) = (HashMap::<&str, usize>::new(), HashMap::<String, usize>::new());
    for (pod, hit) in hits {
        pods.add(pod.split(' ').next().unwrap_or(pod), hit.at);
        if !hit.node.is_empty() {
            *nodes.entry(&hit.node).or_default() += 1;
        }
        if let Some((kind, key)) = &hit.workload {
            *workloads.entry(format!("{kind} {key}")).or_default() += 1;
        }
    }
    let until = hits.iter().map(|(_, hit)| hit.at).max().unwrap_or_default();
    let nodes = most(nodes.into_iter().map(|(node, n)| (node.to_owned(), n)).collect());
    Evictions { why: why.to_owned(), pods, nodes, workloads: most(workloads.into_iter().collect()), until }
}

fn most(mut counted: Vec<(String, usize)>) -> Vec<(String, usize)> {
    counted.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counted.truncate(NAMED);
    counted
}

/// By what a pod is driven away, in words (the condition DisruptionTarget, kubernetes.io/docs/concepts/workloads/pods/disruptions).
fn driven_away(pod: &Object) -> Option<&'static str> {
    let condition = pod.at(&["status", "conditions", "DisruptionTarget"]);
    match condition["reason"].as_str().filter(|_| condition["status"] == "True") {
        Some("PreemptionByScheduler") => Some("preempted by pods of a higher priority"),
        Some("DeletionByTaintManager") => Some("driven away by a taint of their node"),
        Some("EvictionByEvictionAPI") => Some(ASKED_FOR),
        Some("TerminationByKubelet") => Some("the node was low on a resource"),
        _ => (pod.text(&["status", "reason"]) == "Evicted").then_some("the node was low on a resource"),
    }
}

/// Containers that were killed for want of memory, with when.
fn kills(pod: &Object) -> Vec<(String, String)> {
    let of = |name: &str, state: Option<&Map<String, Value>>| {
        let ended = state?;
        let at = ended.get("finishedAt").and_then(Value::as_str).unwrap_or_default();
        let is_killed = ended.get("reason").and_then(Value::as_str) == Some("OOMKilled");
        is_killed.then(|| (name.to_owned(), at.to_owned()))
    };
    let each = |(name, status): (&String, &Value)| {
        let states = [&status["state"]["terminated"], &status["lastState"]["terminated"]];
        states.map(|state| of(name, state.as_object()))
    };
    let mut all: Vec<_> = pod.map(&["status", "containerStatuses"]).flat_map(each).flatten().collect();
    all.dedup();
    all
}

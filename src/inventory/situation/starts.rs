//! Pods that have a node, or a controller that would make them, and can't be started: what events say of the last minutes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{Moment, News, Source, regarding};
use crate::{
    inventory::tables,
    model::{FailedStarts, Several, Situation, StartFailure, text},
};

/// Kubelets and controllers repeat themselves with rests of up to five minutes, and an event that repeats is told here when it
/// has happened twice as often: what was not said for so long is over.
const WITHIN: SignedDuration = SignedDuration::from_mins(15);
/// So many pods are kept, of each reason.
const PODS_MAX: usize = 2_000;
/// So many nodes are named.
const NODES_NAMED: usize = 10;
/// Bytes of what was said.
const SAID_MAX: usize = 240;
/// How network plugins say that their addresses are used up: AWS' VPC CNI, host-local, Calico, Azure, Cilium.
const NO_ADDRESS: [&str; 8] = [
    "failed to assign an ip address",
    "no ip addresses available",
    "insufficientfreeaddressesinsubnet",
    "ip pool is exhausted",
    "no available ip",
    "range is full",
    "no more ips available",
    "failed to allocate for range",
];

/// What was said of one pod.
#[derive(Debug)]
struct Said {
    first: Timestamp,
    last: Timestamp,
    node: String,
    note: String,
}

/// All of a cluster.
#[derive(Debug, Default)]
pub(super) struct Starts {
    by_reason: BTreeMap<StartFailure, BTreeMap<String, Said>>,
}

impl Starts {
    pub(super) fn take(&mut self, news: &News<'_>) {
        match news.object.resource {
            "events" if !news.is_gone => self.event(news),
            "pods" => self.pod(news),
            _ => {}
        }
    }

    /// A pod that is ready, or gone, waits no more.
    fn pod(&mut self, news: &News<'_>) {
        if news.is_gone || news.object.is_ready() {
            let key = news.key();
            self.by_reason.values_mut().for_each(|pods| drop(pods.remove(&key)));
        }
    }

    fn event(&mut self, news: &News<'_>) {
        let event = news.object;
        let note = event.text(&["note"]);
        let why = match event.text(&["reason"]) {
            "FailedCreatePodSandBox" | "FailedPodSandBox" => {
                let lower = note.to_lowercase();
                let is_full = NO_ADDRESS.iter().any(|words| lower.contains(words));
                if is_full { StartFailure::Addresses } else { StartFailure::Sandbox }
            }
            "FailedAttachVolume" | "FailedMount" | "FailedMapVolume" => StartFailure::Volumes,
            "FailedCreate" if note.contains("exceeded quota") => StartFailure::Quota,
            _ => return,
        };
        let at = match news.source {
            Source::Seen => news.at,
            _ => tables::last_seen(event).unwrap_or(news.at).min(news.at),
        };
        let key = match event.text(&["regarding", "kind"]) {
            "Pod" => regarding(event),
            kind => format!("{kind} {}", regarding(event)),
        };
        let pods = self.by_reason.entry(why).or_default();
        if pods.len() >= PODS_MAX && !pods.contains_key(&key) {
            return;
        }
        let node = event.text(&["deprecatedSource", "host"]).to_owned();
        let said = pods.entry(key).or_insert_with(|| Said { first: at, last: at, node, note: String::new() });
        (said.first, said.last) = (said.first.min(at), said.last.max(at));
        text::clip(note, SAID_MAX).clone_into(&mut said.note);
    }

    pub(super) fn fill(&mut self, moment: &Moment<'_>, into: &mut Situation) {
        if !moment.knows(&["pods"]) {
            return;
        }
        for (why, pods) in &mut self.by_reason {
            pods.retain(|_, said| !moment.is_past(said.last, WITHIN));
            let Some(last) = pods.values().max_by_key(|said| said.last) else { continue };
            let (until, said) = (last.last, last.note.clone());
            let mut several = Several::default();
            pods.iter().for_each(|(key, said)| several.add(key, said.first));
            let nodes: BTreeSet<&String> = pods.values().map(|said| &said.node).filter(|n| !n.is_empty()).collect();
            let nodes = nodes.into_iter().take(NODES_NAMED).cloned().collect();
            into.starts.push(FailedStarts { why: *why, pods: several, nodes, until, said });
        }
    }
}

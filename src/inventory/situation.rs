//! What a cluster's objects amount to now, kept up object by object: of thirty thousand pods none is read again because one has
//! changed. Pure; the recorder tells every change once.
//!
//! Each subject has its file. Invariants: what an object needs here is small beside its kept fields, and what happened is kept
//! for minutes, so many at the most; of kinds that were not listed to their end in this run nothing is said.

mod addons;
mod alarm_path;
mod backups;
mod bursts;
mod changes;
mod claims;
mod counts;
mod endpoints;
mod event_flood;
mod fall;
mod lag;
mod namespaces;
mod nodes;
mod placement;
mod pods;
mod snapshots;
mod starts;
mod webhooks;
mod workloads;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use self::{
    addons::Addons, backups::Backups, bursts::Bursts, changes::Changes, claims::Claims, counts::Counts,
    endpoints::Endpoints, event_flood::EventRate, fall::Fall, lag::Lag, namespaces::Namespaces, nodes::Nodes,
    placement::Placements, pods::Pods, snapshots::Snapshots, starts::Starts, webhooks::Webhooks, workloads::Workloads,
};
use super::{
    news::{News, Source},
    object::Object,
    state_metrics::StateMetrics,
};
use crate::model::Situation;

/// Series of objects go on so long after the API has last told something; then they end, as a scrape's would.
const TOLD_LATELY: SignedDuration = SignedDuration::from_secs(60);

/// Which kinds are known whole, and when it is.
#[derive(Clone, Copy, Debug)]
struct Moment<'a> {
    now: Timestamp,
    listed: &'a BTreeSet<&'static str>,
    heard: &'a BTreeMap<&'static str, Timestamp>,
}

impl Moment<'_> {
    /// Whether these were listed to their end in this run.
    fn knows(&self, kinds: &[&str]) -> bool {
        kinds.iter().all(|kind| self.listed.contains(kind))
    }

    /// The moment at which the API last told of all of these kinds: what is held against each other must be of one time. `None`:
    /// one of them was not listed to its end in this run.
    fn of(&self, kinds: &[&str]) -> Option<Self> {
        let heard = kinds.iter().filter_map(|kind| self.heard.get(kind)).min()?;
        self.knows(kinds).then_some(Self { now: self.now.min(*heard), ..*self })
    }

    /// Whether something was at least so long ago.
    fn is_past(&self, at: Timestamp, by: SignedDuration) -> bool {
        self.now.duration_since(at) >= by
    }
}

/// What is kept of all objects of one cluster.
#[derive(Debug, Default)]
pub struct Summary {
    as_of: Option<Timestamp>,
    listed: BTreeSet<&'static str>,
    /// When the API last told of each kind.
    heard: BTreeMap<&'static str, Timestamp>,
    endpoints: Endpoints,
    lag: Lag,
    webhooks: Webhooks,
    pods: Pods,
    workloads: Workloads,
    addons: Addons,
    bursts: Bursts,
    nodes: Nodes,
    namespaces: Namespaces,
    claims: Claims,
    starts: Starts,
    counts: Counts,
    fall: Fall,
    events: EventRate,
    backups: Backups,
    snapshots: Snapshots,
    placement: Placements,
    changes: Changes,
    /// Where they are wanted.
    metrics: Option<StateMetrics>,
}

impl Summary {
    /// Makes series of what is told, too.
    pub fn with_metrics(mut self, metrics: Option<StateMetrics>) -> Self {
        self.metrics = metrics;
        self
    }

    /// Returns the series that are made of what was told, where they are wanted and the API tells something.
    pub fn metrics(&mut self, now: Timestamp) -> Option<&mut StateMetrics> {
        let is_told = self.as_of.is_some_and(|at| now.duration_since(at) <= TOLD_LATELY);
        self.metrics.as_mut().filter(|_| is_told)
    }

    /// Takes news of an object.
    pub fn take(&mut self, news: &News<'_>) {
        self.endpoints.take(news);
        self.lag.take(news);
        self.webhooks.take(news);
        self.pods.take(news);
        self.workloads.take(news);
        self.addons.take(news);
        self.bursts.take(news);
        self.nodes.take(news);
        self.namespaces.take(news);
        self.claims.take(news);
        self.starts.take(news);
        self.counts.take(news);
        self.fall.take(news);
        self.events.take(news);
        self.backups.take(news);
        self.snapshots.take(news);
        self.placement.take(news);
        self.changes.take(news);
        if let Some(metrics) = &mut self.metrics {
            metrics.take(news);
        }
    }

    /// Takes that all objects of a kind were listed.
    pub fn listed(&mut self, resource: &'static str) {
        self.listed.insert(resource);
        self.changes.looked(resource);
    }

    /// Takes that the API has told something of a kind, be it that nothing has changed.
    pub fn seen(&mut self, resource: &'static str, at: Timestamp) {
        self.as_of = self.as_of.max(Some(at));
        self.heard.insert(resource, at);
    }

    /// Takes that objects of a kind were last seen by an earlier run, and that what changed until now is about to be found.
    pub fn looked_away(&mut self, resource: &'static str, since: Timestamp) {
        self.changes.looked_away(resource, since);
    }

    /// Returns how many changes found no room since it was last asked.
    pub fn dropped_changes(&mut self) -> u64 {
        self.changes.dropped()
    }

    /// Returns what it all amounts to.
    pub fn situation(&mut self, now: Timestamp) -> Situation {
        let (placement, changes) = (self.placement.now(now), self.changes.now(now));
        let mut situation = Situation { as_of: self.as_of, placement, changes, ..Situation::default() };
        // Nothing passes here while the API tells nothing.
        let Some(as_of) = self.as_of else { return situation };
        let moment = Moment { now: now.min(as_of), listed: &self.listed, heard: &self.heard };
        self.webhooks.fill(&moment, &self.endpoints, &mut situation);
        self.pods.fill(&moment, &self.workloads, &mut situation);
        self.workloads.fill(&moment, &mut situation);
        self.lag.fill(&moment, &mut situation);
        self.bursts.fill(&moment, &self.nodes, &mut situation);
        self.addons.fill(&moment, &self.endpoints, &self.bursts, &mut situation);
        self.nodes.fill(&moment, &self.pods, &mut situation);
        self.namespaces.fill(&moment, &mut situation);
        self.claims.fill(&moment, &mut situation);
        self.starts.fill(&moment, &mut situation);
        self.counts.fill(&moment, &mut situation);
        self.fall.fill(&moment, &mut situation);
        self.events.fill(&moment, &mut situation);
        self.backups.fill(&moment, &mut situation);
        self.snapshots.fill(&moment, &mut situation);
        situation
    }
}

/// The key of an object: `namespace/name`.
fn pair(a: &str, b: &str) -> String {
    format!("{a}/{b}")
}

/// The key of the object that an event is about.
fn regarding(event: &Object) -> String {
    pair(event.text(&["regarding", "namespace"]), event.text(&["regarding", "name"]))
}

/// The workload of a pod: its controller, or that one's by the name that Deployments give to their ReplicaSets. `None`: a pod of
/// its own, or a node's.
fn workload_of(pod: &Object) -> Option<(String, String)> {
    let (kind, name) = pod.owner()?;
    match kind {
        "Node" => None,
        "ReplicaSet" => {
            // `api-5d8f7b9c6`: Deployment, a dash, a hash.
            let name = name.rsplit_once('-').map_or(name, |(deployment, _)| deployment);
            Some(("Deployment".to_owned(), pair(&pod.namespace, name)))
        }
        kind => Some((kind.to_owned(), pair(&pod.namespace, name))),
    }
}

#[cfg(test)]
mod tests;

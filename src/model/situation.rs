//! What the recorded objects of a cluster amount to now, as the diagnosis needs it.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Placement, RecentChange};

/// What the recorded objects of a cluster amount to, from the flight recorder's knowledge. It stays as it was while the API
/// tells nothing, so that it is judged as of `as_of`, not as of now. Lists name a few of what they count
/// ([`Several::NAMED`]).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Situation {
    /// When the API last told of any kind; `None`: never in this run, so that all of it is history.
    pub as_of: Option<Timestamp>,
    /// Webhooks without which nothing is admitted, and behind which nothing is ready.
    pub webhooks: Vec<DeadWebhook>,
    /// Pods that their scheduler has not looked at, by its name.
    pub unseen_pods: Vec<WaitingPods>,
    /// Pods for which the scheduler finds no node, by what it says.
    pub unplaced_pods: Vec<WaitingPods>,
    /// Images that can't be pulled, by registry.
    pub pulls: Vec<FailedPulls>,
    /// Workloads whose new pods don't start.
    pub rollouts: Vec<StuckRollout>,
    /// What all pods of a cluster need.
    pub addons: Vec<AddonFact>,
    /// Objects that were changed and that no controller has looked at since.
    pub unreconciled: Option<Several>,
    /// Services whose endpoints have not followed their pods for long.
    pub lagging_endpoints: Option<LaggingEndpoints>,
    /// CronJobs whose time has come and that were not started.
    pub late_cron_jobs: Option<Several>,
    /// Pods that were driven from their nodes lately.
    pub evictions: Vec<Evictions>,
    /// Containers that were killed for want of memory lately.
    pub memory_kills: Option<Evictions>,
    /// Nodes on which nothing new is placed, by order of somebody.
    pub cordoned: Vec<CordonedNode>,
    /// Nodes of which a program that watches them (node-problem-detector) says that something is wrong.
    pub node_problems: Vec<NodeProblem>,
    /// Node objects that were deleted though the node was well and nobody had drained it.
    pub deleted_nodes: Vec<DeletedNode>,
    /// Namespaces that are being deleted and don't go.
    pub terminating: Vec<TerminatingNamespace>,
    /// Claims that wait for a volume, by storage class.
    pub claims: Vec<WaitingClaims>,
    /// Pods that are placed and can't be started, by the reason.
    pub starts: Vec<FailedStarts>,
    /// Kinds of which many objects were deleted within minutes.
    pub vanished: Vec<Vanished>,
    /// Pods that went and are not made anew.
    pub fallen_pods: Option<FallenPods>,
    /// Kinds of which there are far more than there were.
    pub grown: Vec<Grown>,
    /// Events that come far oftener than they did.
    pub event_flood: Option<EventFlood>,
    /// Backups by schedule.
    pub backups: Vec<BackupFact>,
    /// What runs where.
    pub placement: Arc<Placement>,
    /// What has changed in the last hour, oldest first.
    pub changes: Arc<[Arc<RecentChange>]>,
}

impl Situation {
    /// Returns whether both say the same, however fresh.
    pub fn says_the_same(&self, other: &Self) -> bool {
        // What runs where and what has changed is only asked where something else is found.
        let (placement, changes) = (other.placement.clone(), other.changes.clone());
        Self { as_of: other.as_of, placement, changes, ..self.clone() } == *other
    }
}

/// Several of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Several {
    /// How many.
    pub count: usize,
    /// Since when the first of them.
    pub since: Timestamp,
    /// Some of them, in order.
    pub names: Vec<String>,
}

impl Several {
    /// So many are named.
    pub const NAMED: usize = 5;

    /// Adds one.
    pub fn add(&mut self, name: &str, since: Timestamp) {
        self.since = if self.count == 0 { since } else { self.since.min(since) };
        self.count += 1;
        if let Err(at) = self.names.binary_search_by(|known| known.as_str().cmp(name))
            && at < Self::NAMED
        {
            self.names.insert(at, name.to_owned());
            self.names.truncate(Self::NAMED);
        }
    }
}

/// Services whose endpoints do not follow their pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaggingEndpoints {
    /// Which.
    pub services: Several,
    /// Ready pods that they should list and don't.
    pub missing: Several,
    /// Pods that they list and that are gone.
    pub gone: Several,
}

/// A webhook that refuses what it can't be asked about (`failurePolicy: Fail`), while nothing is ready behind its service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadWebhook {
    /// Its configuration object.
    pub configuration: String,
    /// It admits, or changes what is admitted: the kind of its configuration.
    pub kind: &'static str,
    /// Its own name.
    pub name: String,
    /// `namespace/name` of its service.
    pub service: String,
    /// What it is asked about: `create and update of pods, deployments`.
    pub asked: String,
    /// It is asked about pods, or about everything, in all namespaces: nothing new starts.
    pub is_broad: bool,
    /// Since when nothing is ready.
    pub since: Timestamp,
}

/// Pods that wait for a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingPods {
    /// The scheduler's name, or the reason that it gives.
    pub why: String,
    /// Which.
    pub pods: Several,
}

/// Images that can't be pulled from one registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedPulls {
    /// `registry.example.org`.
    pub registry: String,
    /// Pods that wait for them.
    pub pods: Several,
    /// On so many nodes.
    pub nodes: usize,
    /// Of so many workloads.
    pub workloads: usize,
}

/// A workload whose new pods don't start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StuckRollout {
    /// `Deployment`.
    pub kind: String,
    /// `namespace/name`.
    pub key: String,
    /// As kubelets call it: `ImagePullBackOff`.
    pub reason: String,
    /// The image that they wait for or that ends at once.
    pub image: String,
    /// Its registry.
    pub registry: String,
    /// So many pods don't start.
    pub waiting: usize,
    /// Since when the first of them.
    pub since: Timestamp,
    /// So many pods are ready …
    pub ready: u64,
    /// … of so many that are wanted.
    pub wanted: u64,
}

/// What all pods of a cluster need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddonRole {
    /// Names of services.
    Dns,
    /// The pods' network.
    Network,
    /// Addresses of services.
    ServiceProxy,
    /// The way in from outside.
    Ingress,
}

/// How an addon stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddonFact {
    /// What it is for.
    pub role: AddonRole,
    /// `Deployment`, `DaemonSet`.
    pub kind: &'static str,
    /// `namespace/name`.
    pub key: String,
    /// So many pods are ready …
    pub ready: u64,
    /// … of so many that are wanted.
    pub wanted: u64,
    /// Something else does its work: its service has ready endpoints without it.
    pub is_replaced: bool,
    /// Since when fewer are ready than are wanted, or none.
    pub since: Option<Timestamp>,
    /// Its images.
    pub images: String,
    /// When its images or its number were last changed, and to what.
    pub changed: Option<(Timestamp, String)>,
    /// Its containers were killed for want of memory lately, so often.
    pub memory_kills: usize,
}

/// Pods that were driven away, or containers that were killed, within minutes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evictions {
    /// By what: `the node was low on resource: memory`, `preempted`.
    pub why: String,
    /// How many, and since when.
    pub pods: Several,
    /// Where, with how many each, the most first.
    pub nodes: Vec<(String, usize)>,
    /// Workloads that they were of, with how many each, the most first.
    pub workloads: Vec<(String, usize)>,
    /// When the last one was.
    pub until: Timestamp,
}

/// A node that somebody cordoned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CordonedNode {
    /// Which.
    pub node: String,
    /// Since when, as it was seen.
    pub since: Timestamp,
    /// Pods that are still there, without those that belong to every node.
    pub pods: usize,
    /// So many were there when it was cordoned.
    pub pods_before: usize,
    /// Budgets that hold up the eviction of these: `namespace/name`.
    pub budgets: Vec<String>,
}

/// What a program on a node says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeProblem {
    /// Which node.
    pub node: String,
    /// The condition: `KernelDeadlock`.
    pub condition: String,
    /// Its reason.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

/// A Node object that was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedNode {
    /// Which.
    pub node: String,
    /// When it was seen.
    pub at: Timestamp,
    /// So many pods were there.
    pub pods: usize,
}

/// A namespace that does not go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TerminatingNamespace {
    /// Which.
    pub name: String,
    /// Since when.
    pub since: Timestamp,
    /// What the namespace controller says of it.
    pub why: Vec<String>,
    /// An API that another server provides does not answer it.
    pub lacks_api: bool,
}

/// Claims that wait for a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingClaims {
    /// The storage class.
    pub class: String,
    /// Which.
    pub claims: Several,
    /// The last word about it.
    pub said: String,
}

/// Why pods that are placed can't be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StartFailure {
    /// No address is left for them.
    Addresses,
    /// Their sandbox can't be made.
    Sandbox,
    /// Their volumes can't be attached or mounted.
    Volumes,
    /// A quota is used up.
    Quota,
}

/// Pods that can't be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedStarts {
    /// Why.
    pub why: StartFailure,
    /// Which, or their workloads.
    pub pods: Several,
    /// Where.
    pub nodes: Vec<String>,
    /// When it was last said.
    pub until: Timestamp,
    /// What was said last.
    pub said: String,
}

/// Many objects that were deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vanished {
    /// `namespaces`.
    pub resource: &'static str,
    /// So many are gone …
    pub gone: Several,
    /// … of so many.
    pub of: usize,
    /// When the last one went.
    pub until: Timestamp,
}

/// Pods of Deployments and StatefulSets that went within minutes, while no less are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FallenPods {
    /// There are so many, those that wait among them …
    pub left: u64,
    /// … of so many that there were …
    pub of: u64,
    /// … and so many are wanted.
    pub wanted: u64,
    /// Since when.
    pub since: Timestamp,
    /// Namespaces that lack most, each with how many there are and how many are wanted.
    pub namespaces: Vec<(String, u64, u64)>,
}

/// Far more objects of a kind than there were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grown {
    /// `pods`.
    pub resource: &'static str,
    /// There were so many …
    pub from: usize,
    /// … and are so many.
    pub to: usize,
    /// Since when it grew, roughly.
    pub since: Timestamp,
    /// Where most of the new ones are.
    pub namespace: String,
}

/// Events that come far oftener than they did; as it was when it began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFlood {
    /// Since when, within ten minutes.
    pub since: Timestamp,
    /// So many came within ten minutes …
    pub count: u64,
    /// … and so many in the worst ten minutes of the hours before.
    pub worst: u64,
    /// Where most of them are …
    pub namespace: String,
    /// … and what they say: `FailedScheduling`.
    pub reason: String,
}

/// How the backups of a schedule stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupFact {
    /// What makes them: `Schedule`, `CronJob`; or what they are: `VolumeSnapshot`.
    pub kind: &'static str,
    /// `namespace/name`; of snapshots their claim's.
    pub key: String,
    /// When: `0 3 * * *`, or in words.
    pub schedule: String,
    /// When one last went well.
    pub good_at: Option<Timestamp>,
    /// When one after that was due; `None`: not yet.
    pub due_at: Option<Timestamp>,
    /// How the last one ended, where it was not well.
    pub last_failure: Option<String>,
    /// Objects in the last good one, and in those before, in the middle.
    pub items: Option<(u64, u64)>,
}

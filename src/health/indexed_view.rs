//! What is judged, indexed once: targets by component and by host, nodes by name.
//!
//! Everything else in this room asks here; nothing scans all targets twice for each of them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::{
    say::Sentence,
    time::later,
    view::{ClusterView, TargetView},
};
use crate::model::{
    AlertName, Finding, FindingKey, Job, LeaseFact, NodeFact, ObservedLease, ProbeSpec, Severity, Topic,
};

/// Leases read longer ago than this say nothing of now.
const LEASES_RECENT: Duration = Duration::from_secs(30);

/// A working API server must have been back for so long before a stale lease is held against anyone.
const API_BACK_FOR: Duration = Duration::from_secs(60);

/// Holds a cluster's view with its targets indexed.
pub(super) struct IndexedView<'a> {
    pub(super) cluster: &'a Arc<str>,
    pub(super) view: &'a ClusterView<'a>,
    pub(super) now: Timestamp,
    /// By component, sorted by instance.
    jobs: BTreeMap<Job, Vec<&'a TargetView<'a>>>,
    /// API servers one by one; where no endpoint is known, the advertised URL stands for them.
    pub(super) api: Vec<&'a TargetView<'a>>,
    /// The advertised URL, where it is no endpoint itself.
    pub(super) advertised: Option<&'a TargetView<'a>>,
    /// Nothing of the cluster answers: what was last known proves nothing, and no component is accused.
    pub(super) unreachable: bool,
    /// Leases were read so recently that they speak of now.
    pub(super) leases_recent: bool,
    nodes: HashMap<&'a str, &'a NodeFact>,
    /// Addresses of control-plane nodes.
    addresses: HashMap<&'a str, &'a str>,
}

impl<'a> IndexedView<'a> {
    /// Indexes a view; where nothing of the cluster answers, that is known beforehand.
    pub(super) fn new(view: &'a ClusterView<'a>, unreachable: bool) -> Self {
        let mut jobs: BTreeMap<Job, Vec<&TargetView>> = BTreeMap::new();
        for target in &view.targets {
            jobs.entry(target.job()).or_default().push(target);
        }
        jobs.values_mut().for_each(|targets| targets.sort_by_key(|t| t.instance()));
        let servers = jobs.get(&Job::KubeApiserver).map_or(&[][..], Vec::as_slice);
        let endpoints = &view.snapshot.apiserver_endpoints;
        let advertised = |t: &&&TargetView| {
            matches!(t.target.spec, ProbeSpec::ApiServer { advertised: true, .. })
                && !endpoints.iter().any(|e| e == t.instance())
        };
        let mut api: Vec<_> = servers.iter().filter(|t| !advertised(t)).copied().collect();
        let mut url = servers.iter().find(advertised).copied();
        if api.is_empty() {
            api.extend(url.take());
        }
        let nodes: HashMap<_, _> = view.snapshot.nodes.iter().map(|n| (&*n.name, n)).collect();
        let control = view.snapshot.nodes.iter().filter(|n| n.control_plane);
        let addresses = control.flat_map(|n| n.addresses.iter().map(|a| (a.as_str(), &*n.name))).collect();
        let leases_recent =
            view.snapshot.leases_at.is_some_and(|at| view.now.duration_since(at).unsigned_abs() <= LEASES_RECENT);
        Self {
            cluster: view.cluster,
            view,
            now: view.now,
            jobs,
            api,
            advertised: url,
            unreachable,
            leases_recent: leases_recent && !unreachable,
            nodes,
            addresses,
        }
    }

    /// Returns the targets of a component, sorted by instance.
    pub(super) fn job(&self, job: Job) -> &[&'a TargetView<'a>] {
        self.jobs.get(&job).map_or(&[], Vec::as_slice)
    }

    /// Returns a node as the API server last told of it.
    pub(super) fn node(&self, name: &str) -> Option<&'a NodeFact> {
        self.nodes.get(name).copied()
    }

    /// Returns the machine that a control-plane target runs on: its node's name where it is known, else the address.
    pub(super) fn machine(&self, target: &TargetView<'a>) -> &'a str {
        let node = target.node().filter(|n| self.node(n).is_some_and(|n| n.control_plane));
        node.or_else(|| self.addresses.get(target.host()).copied()).unwrap_or_else(|| target.host())
    }

    /// Returns whether another target on the same machine answers.
    pub(super) fn host_lives(&self, target: &TargetView<'a>) -> bool {
        let machine = self.machine(target);
        let jobs = [Job::KubeApiserver, Job::Etcd, Job::KubeScheduler, Job::KubeControllerManager];
        jobs.iter().flat_map(|&job| self.job(job)).any(|t| t.is_up() && self.machine(t) == machine)
    }

    /// Returns whether an API server has been up long enough for leaders and kubelets to have reported to it.
    pub(super) fn api_back(&self) -> bool {
        let long =
            |t: &TargetView| t.is_up() && self.now.duration_since(t.verdict.since).unsigned_abs() >= API_BACK_FOR;
        self.job(Job::KubeApiserver).iter().any(|t| long(t))
    }

    /// Returns the lease of a node, where leases can be read now.
    pub(super) fn lease_of_node(&self, node: &str) -> Option<&'a ObservedLease> {
        self.node(node)?.lease.as_ref().filter(|_| self.leases_recent)
    }

    /// Returns the lease of the API server on a machine, where leases can be read now. It names the host, as its node
    /// mostly does.
    pub(super) fn lease_of_server(&self, machine: &str) -> Option<&'a ObservedLease> {
        let leases = self.view.snapshot.server_leases.iter().filter(|_| self.leases_recent);
        let named = |host: &str| host == machine || self.addresses.get(host).is_some_and(|node| *node == machine);
        leases.filter(|l| named(&l.host)).map(|l| &l.sight).next()
    }

    /// Leader leases, read just now, that something on this machine holds.
    pub(super) fn leads_of(&self, machine: &str) -> impl Iterator<Item = &'a LeaseFact> {
        let leaders = self.view.snapshot.leaders.iter().filter(|_| self.leases_recent);
        leaders.filter(move |l| l.host() == machine)
    }

    pub(super) fn key(&self, alert: AlertName, subject: &str) -> FindingKey {
        FindingKey { cluster: Arc::clone(self.cluster), alert, subject: subject.to_owned() }
    }

    /// Critical, once it has lasted longer than a restart takes; until then it may be one, and is a warning.
    pub(super) fn unless_restarting(&self, since: Timestamp, takes: Duration) -> Severity {
        if later(self.now, since, takes) { Severity::Critical } else { Severity::Warning }
    }

    /// Returns a finding to fill in.
    pub(super) fn finding(
        &self,
        alert: AlertName,
        subject: &str,
        severity: Severity,
        headline: impl Into<Sentence>,
    ) -> Finding {
        let Sentence { text, said } = headline.into();
        let finding = Finding::new(self.key(alert, subject), severity, Topic::Outage, text, self.now);
        Finding { said: Vec::from_iter(said), ..finding }
    }
}

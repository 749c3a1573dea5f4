//! The diagnosis of a cluster: every finding from one snapshot of all verdicts, causes first.
//!
//! Each subject has its file; here they are put together: who explains whom, in which order they are told, what still
//! works, and whether the picture is still settling. A finding with a cause points to a root, never to another consequence.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::{
    apiserver::{self, Servers},
    certificates, components, credentials,
    etcd::{self, Etcd},
    hosts::{self, LostHost},
    leaders::{self, Lead},
    network,
    nodes::{self, Trouble},
    pulse,
    scene::Scene,
};
use crate::model::{
    AlertName, CertificateFact, ClusterSnapshot, Diagnosis, Finding, FindingKey, Job, Observation, Severity, State,
    Target, Topic, Verdict,
};

/// A target as it stands.
#[derive(Clone, Copy, Debug)]
pub struct TargetView<'a> {
    /// What it is.
    pub target: &'a Target,
    /// Its confirmed verdict.
    pub verdict: &'a Verdict,
    /// The newest observation.
    pub last: Option<&'a Observation>,
    /// When it last succeeded.
    pub last_success: Option<Timestamp>,
}

/// A cluster as it stands. Guesses that never answered are not among the targets.
#[derive(Clone, Debug)]
pub struct ClusterView<'a> {
    /// Its name.
    pub cluster: &'a Arc<str>,
    /// Wall time.
    pub now: Timestamp,
    /// Its targets, in any order.
    pub targets: Vec<TargetView<'a>>,
    /// What an API server last told.
    pub snapshot: &'a ClusterSnapshot,
    /// Our own client certificates.
    pub own_certificates: &'a [CertificateFact],
    /// False while the watchdog is cut off.
    pub vantage_ok: bool,
}

/// Two targets probed every 10 s may notice the same event so far apart, and a bit: a cause may seem younger than its
/// consequence by as much.
const SLACK: Duration = Duration::from_secs(15);

/// Neighbours of a target that went down are probed at once: so long their answers are waited for, and no longer.
const NEIGHBOURS_WITHIN: Duration = Duration::from_secs(4);

/// How many of its consequences a finding tells in words.
const CONSEQUENCES_MAX: usize = 8;

/// What began at `since` may be a consequence of what began at `cause`.
pub(super) fn follows(since: Timestamp, cause: Timestamp) -> bool {
    !leaders::later(cause, since, SLACK)
}

/// The parts of the picture that explain one another, each judged once.
pub(super) struct Picture<'a> {
    pub(super) scene: Scene<'a>,
    pub(super) etcd: Etcd<'a>,
    pub(super) api: Servers<'a>,
    pub(super) leads: Vec<Lead<'a>>,
    /// Lost control-plane hosts.
    pub(super) hosts: Vec<LostHost<'a>>,
    /// Nodes in trouble, by name.
    pub(super) troubles: BTreeMap<&'a str, Trouble<'a>>,
}

impl<'a> Picture<'a> {
    fn new(mut scene: Scene<'a>, unreachable: bool) -> Self {
        scene.unreachable = unreachable;
        scene.leases_recent &= !unreachable;
        let etcd = Etcd::new(&scene);
        let api = Servers::new(&scene);
        let leads = leaders::ELECTING.into_iter().map(|job| Lead::new(&scene, job)).collect();
        let hosts = if unreachable { Vec::new() } else { hosts::lost(&scene) };
        let troubles = nodes::troubles(&scene, &api);
        Self { scene, etcd, api, leads, hosts, troubles }
    }

    /// The lost host that a target ran on.
    pub(super) fn lost_host(&self, target: &TargetView<'_>) -> Option<FindingKey> {
        let host = self.hosts.iter().find(|h| h.has(target))?;
        Some(self.scene.key(AlertName::ControlPlaneHostDown, host.id))
    }

    /// What explains that these fail, which work through the API servers: their hosts, etcd, or the API servers.
    pub(super) fn cause_of_components(&self, targets: &[&TargetView<'_>], since: Timestamp) -> Option<FindingKey> {
        let hosts: Option<Vec<_>> = targets.iter().map(|t| self.lost_host(t)).collect();
        if let Some(host) = hosts.and_then(|h| h.into_iter().next()) {
            return Some(host);
        }
        let after = |cause: Option<Timestamp>| cause.is_some_and(|cause| follows(since, cause));
        if after(self.etcd.lost) {
            Some(self.scene.key(AlertName::EtcdQuorumLost, ""))
        } else if after(self.api.all_failing()) {
            Some(self.scene.key(AlertName::ApiServersDown, ""))
        } else if !targets.is_empty() && targets.iter().all(|t| self.api_server_beside_is_down(t, since)) {
            Some(self.scene.key(AlertName::ApiServerDown, ""))
        } else {
            None
        }
    }

    /// Where the API server on the same host is down: what stood on that one alone (kubeadm's default) gives up its
    /// lease and restarts until it is back.
    fn api_server_beside_is_down(&self, target: &TargetView<'_>, since: Timestamp) -> bool {
        let beside = self.scene.job(Job::KubeApiserver).iter().filter(|t| t.host() == target.host());
        let down: Vec<_> = beside.filter(|t| t.is_broken() && t.verdict.state == State::Down).collect();
        target.job() != Job::Etcd && down.iter().any(|t| follows(since, t.verdict.since))
    }
}

/// Says what is wrong with a cluster.
pub fn diagnose(view: &ClusterView<'_>) -> Diagnosis {
    let mut diagnosis = Diagnosis {
        cluster: Arc::clone(view.cluster),
        at: view.now,
        findings: Vec::new(),
        unsettled: false,
        blind: !view.vantage_ok,
    };
    if diagnosis.blind {
        return diagnosis;
    }
    let scene = Scene::new(view);
    let unreachable = network::unreachable(&scene);
    let root = unreachable.as_ref().map(|f| f.key.clone());
    let picture = Picture::new(scene, root.is_some());
    let mut findings = Vec::from_iter(unreachable);
    findings.extend(hosts::findings(&picture));
    findings.extend(etcd::findings(&picture));
    findings.extend(apiserver::findings(&picture));
    findings.extend(leaders::findings(&picture));
    findings.extend(nodes::findings(&picture));
    findings.extend(components::findings(&picture));
    findings.extend(credentials::findings(&picture.scene));
    findings.extend(certificates::findings(&picture));
    if let Some(root) = root {
        for f in findings.iter_mut().filter(|f| f.topic == Topic::Outage && f.key != root) {
            f.caused_by = Some(root.clone());
        }
    }
    trace_to_roots(&mut findings);
    tell_consequences(&mut findings);
    pulse::tell(&picture, &mut findings);
    findings.sort_by(|a, b| place(a).cmp(&place(b)));
    diagnosis.unsettled = unsettled(&picture, &findings);
    diagnosis.findings = findings;
    diagnosis
}

/// Where a finding is told: roots first, the one that explains most before the others.
fn place(f: &Finding) -> (bool, Reverse<usize>, Reverse<Severity>, &FindingKey) {
    (f.caused_by.is_some(), Reverse(f.key.alert.rank()), Reverse(f.severity), &f.key)
}

/// Makes every cause a root that exists: chains are followed to their end, what points nowhere or in a circle is cut.
fn trace_to_roots(findings: &mut [Finding]) {
    let causes: HashMap<FindingKey, Option<FindingKey>> =
        findings.iter().map(|f| (f.key.clone(), f.caused_by.clone())).collect();
    for finding in findings.iter_mut() {
        let mut seen = BTreeSet::from([&finding.key]);
        let mut root = None;
        let mut next = finding.caused_by.as_ref();
        while let Some(key) = next {
            let Some(cause) = causes.get(key) else { break };
            if !seen.insert(key) {
                root = None;
                break;
            }
            root = Some(key.clone());
            next = cause.as_ref();
        }
        finding.caused_by = root;
    }
}

/// A root tells in words what it explains.
fn tell_consequences(findings: &mut [Finding]) {
    let mut told: BTreeMap<FindingKey, Vec<String>> = BTreeMap::new();
    for f in findings.iter() {
        // Its members, its nodes and what failed to answer are the finding itself, and in its evidence.
        let Some(root) = &f.caused_by else { continue };
        if !root.alert.holds(f.key.alert) {
            told.entry(root.clone()).or_default().push(f.headline.clone());
        }
    }
    for f in findings.iter_mut() {
        let Some(mut lines) = told.remove(&f.key) else { continue };
        let more = lines.len().saturating_sub(CONSEQUENCES_MAX);
        lines.truncate(CONSEQUENCES_MAX);
        f.consequences.extend(lines);
        f.consequences.extend((more > 0).then(|| format!("and {more} more")));
    }
}

/// Whether the picture may change within seconds: targets in doubt, or neighbours of a fresh failure not asked since.
fn unsettled(p: &Picture<'_>, findings: &[Finding]) -> bool {
    let control = |job| !matches!(job, Job::Kubelet | Job::KubeProxy);
    let (control_doubt, node_doubt) = p
        .scene
        .view
        .targets
        .iter()
        .filter(|t| t.is_open())
        .fold((false, false), |(c, n), t| if control(t.job()) { (true, n) } else { (c, true) });
    if control_doubt || p.troubles.values().any(|t| t.undecided) {
        return true;
    }
    // One kubelet in thousands is always in doubt somewhere: that holds up no word about the control plane.
    let about_nodes = |f: &Finding| f.key.alert.cause().of_nodes;
    if node_doubt && (findings.is_empty() || findings.iter().any(about_nodes)) {
        return true;
    }
    let control_targets = || p.scene.view.targets.iter().filter(|t| control(t.job()));
    let failed = control_targets().filter(|t| t.is_down()).map(|t| t.verdict.since).max();
    let fresh = failed.filter(|&at| p.scene.now.duration_since(at).unsigned_abs() < NEIGHBOURS_WITHIN);
    fresh.is_some_and(|at| {
        control_targets().any(|t| t.verdict.state == State::Up && t.last.is_some_and(|o| o.started < at))
    })
}

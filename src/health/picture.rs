//! The picture: every subject judged once, and who explains whom.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    agreement::{self, Apart, Stranger},
    apiserver::Servers,
    etcd::Etcd,
    hosts::{Fate, Hosts},
    indexed_view::IndexedView,
    leaders::{self, Lead},
    members::Seats,
    network::Silence,
    nodes::{self, Trouble},
    time::follows,
    view::{ClusterView, TargetView},
};
use crate::model::{AlertName, FindingKey, Job, State};

/// The parts of the picture that explain one another, each judged once.
pub(super) struct Picture<'a> {
    /// Nothing of the cluster answers.
    pub(super) silence: Option<Silence<'a>>,
    pub(super) indexed: IndexedView<'a>,
    /// Members of another cluster.
    pub(super) strangers: Vec<Stranger<'a>>,
    /// Members that hold different data.
    pub(super) apart: Option<Apart<'a>>,
    pub(super) etcd: Etcd<'a>,
    pub(super) api: Servers<'a>,
    pub(super) leads: Vec<Lead<'a>>,
    /// Silent control-plane hosts.
    pub(super) hosts: Hosts<'a>,
    /// Nodes in trouble, by name.
    pub(super) troubles: BTreeMap<&'a str, Trouble<'a>>,
}

impl<'a> Picture<'a> {
    /// Judges every subject of a view.
    pub(super) fn new(view: &'a ClusterView<'a>) -> Self {
        let silence = Silence::of(view);
        let indexed = IndexedView::new(view, silence.is_some());
        let seats = Seats::of(&indexed);
        let hosts = Hosts::of(&indexed, &seats);
        let (strangers, apart) = (agreement::strangers(&indexed, &seats), agreement::apart(&indexed, &seats));
        let etcd = Etcd::new(&indexed, seats, &hosts);
        let api = Servers::new(&indexed, &hosts);
        let leads = leaders::ELECTING.into_iter().map(|job| Lead::new(&indexed, job, &hosts, &etcd, &api)).collect();
        let mut troubles = nodes::troubles(&indexed, &api);
        troubles.retain(|_, trouble| !trouble.target.is_some_and(|t| hosts.is_awaited(t)));
        Self { silence, indexed, strangers, apart, etcd, api, leads, hosts, troubles }
    }

    /// Returns the finding about the silent host that a target is on.
    pub(super) fn lost_host(&self, target: &TargetView<'_>) -> Option<FindingKey> {
        let host = self.hosts.of_target(target)?;
        match host.fate {
            Fate::Lost => Some(self.indexed.key(AlertName::ControlPlaneHostDown, host.id)),
            Fate::Lives(_) | Fate::Needed(_) => Some(self.indexed.key(AlertName::ControlPlaneHostUnreachable, "")),
            Fate::Open => None,
        }
    }

    /// Returns whether something is held back, since it can't be said yet.
    pub(super) fn is_open(&self) -> bool {
        self.hosts.any_open() || self.etcd.open
    }

    /// Returns what explains that these fail, which work through the API servers: their hosts, etcd, or the API
    /// servers.
    pub(super) fn cause_of_components(&self, targets: &[&TargetView<'_>], since: Timestamp) -> Option<FindingKey> {
        let hosts: Option<Vec<_>> = targets.iter().map(|t| self.lost_host(t)).collect();
        if let Some(host) = hosts.and_then(|h| h.into_iter().next()) {
            return Some(host);
        }
        let after = |cause: Option<Timestamp>| cause.is_some_and(|cause| follows(since, cause));
        if after(self.etcd.lost) {
            Some(self.indexed.key(AlertName::EtcdQuorumLost, ""))
        } else if after(self.api.all_failing()) {
            Some(self.indexed.key(AlertName::ApiServersDown, ""))
        } else if after(self.full()) {
            Some(self.indexed.key(AlertName::EtcdAlarm, NOSPACE))
        } else if !targets.is_empty() && targets.iter().all(|t| self.api_server_beside_is_down(t, since)) {
            Some(self.indexed.key(AlertName::ApiServerDown, ""))
        } else {
            None
        }
    }

    /// Returns the finding that no scheduler, or no controller-manager, leads, where that is so.
    pub(super) fn without_leader(&self, job: Job) -> Option<FindingKey> {
        let is_missing = self.leads.iter().any(|lead| lead.job == job && lead.missing);
        let alert = match job {
            Job::KubeScheduler => AlertName::SchedulerNoLeader,
            _ => AlertName::ControllerManagerNoLeader,
        };
        is_missing.then(|| self.indexed.key(alert, ""))
    }

    /// Since when etcd refuses every write, for want of space: leases can't be renewed, and whoever leads gives up.
    fn full(&self) -> Option<Timestamp> {
        let is_full = |t: &&&TargetView| {
            t.is_down() && t.etcd_facts().is_some_and(|f| f.alarms.iter().any(|a| a.alarm == NOSPACE))
        };
        self.indexed.job(Job::Etcd).iter().filter(is_full).map(|t| t.verdict.since).min()
    }

    /// Where the API server on the same host is down: what stood on that one alone (kubeadm's default) gives up its
    /// lease and restarts until it is back.
    fn api_server_beside_is_down(&self, target: &TargetView<'_>, since: Timestamp) -> bool {
        let beside = self.indexed.job(Job::KubeApiserver).iter().filter(|t| t.host() == target.host());
        let down: Vec<_> = beside.filter(|t| t.is_broken() && t.verdict.state == State::Down).collect();
        target.job() != Job::Etcd && down.iter().any(|t| follows(since, t.verdict.since))
    }
}

/// etcd's alarm of a database that has reached its quota.
const NOSPACE: &str = "NOSPACE";

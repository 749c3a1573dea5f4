//! Schedulers and controller-managers: whether one of them leads, by its lease and by their own health pages.
//!
//! A lease is judged by whether it changes while we watch, as client-go does, never by comparing clocks. One that has not
//! changed since we watch may be left over (leader election was turned off): it accuses nobody and proves nothing.

use std::time::Duration;

use jiff::Timestamp;

use super::{apiserver::Servers, etcd::Etcd, hosts::Hosts, indexed_view::IndexedView, view::TargetView};
use crate::model::{Job, LeaseFact, ObservedLease};

/// A lease younger than this is never called stale, however short its term: a slow election is no outage.
const STALE_AFTER_MIN: Duration = Duration::from_secs(30);

/// The jobs that elect a leader.
pub(super) const ELECTING: [Job; 2] = [Job::KubeScheduler, Job::KubeControllerManager];

/// Leadership of one job.
pub(super) struct Lead<'a> {
    pub(super) job: Job,
    /// Its lease, where it was read just now.
    pub(super) lease: Option<&'a LeaseFact>,
    /// When the lease was last renewed, as near as is known; `None`: it has not changed since we watch.
    pub(super) renewed: Option<Timestamp>,
    /// Somebody renewed it while we watched, and nobody does any more.
    pub(super) stale: bool,
    pub(super) down: Vec<&'a TargetView<'a>>,
    pub(super) all_down: bool,
    /// Nobody leads.
    pub(super) missing: bool,
    /// Somebody leads, whoever is down: the lease is fresh, and the API servers that told so still work.
    pub(super) surely_leads: bool,
}

impl<'a> Lead<'a> {
    pub(super) fn new(
        indexed: &IndexedView<'a>,
        job: Job,
        hosts: &Hosts<'a>,
        etcd: &Etcd<'_>,
        api: &Servers<'_>,
    ) -> Self {
        let snapshot = indexed.view.snapshot;
        let lease = snapshot.leaders.iter().find(|l| l.name == job.as_str()).filter(|_| indexed.leases_recent);
        // By the age when it was read: what happened since is not known.
        let moving = lease.and_then(|l| l.sight.as_ref()).filter(|s| s.has_moved());
        let term = lease.map(|l| l.duration.saturating_mul(2).max(STALE_AFTER_MIN)).unwrap_or_default();
        let stale = moving.is_some_and(|s| s.still_for() > term);
        let renewed = moving.map(ObservedLease::renewed_at);
        let targets = indexed.job(job);
        let down: Vec<_> = targets.iter().copied().filter(|t| t.is_broken() && !hosts.shield(t)).collect();
        let all_down = !targets.is_empty() && down.len() == targets.len();
        let mut lead = Self { job, lease, renewed, stale, down, all_down, missing: false, surely_leads: false };
        // Renewed after the last of them went down: it is another one's, or they live out of our reach.
        let last = lead.down.iter().map(|t| t.verdict.since).max();
        let renewed_since = !stale && moving.zip(last).is_some_and(|(sight, last)| sight.renewed_after(last));
        lead.missing = (all_down && !renewed_since) || (stale && indexed.api_back());
        let told = moving.is_some() && !stale && api.any_up() && etcd.lost.is_none();
        lead.surely_leads = told && (lead.down.is_empty() || renewed_since);
        lead
    }

    /// Returns the host of the leader, `cp1` of `cp1_2f0c…`.
    pub(super) fn holder(&self) -> Option<&'a str> {
        Some(self.lease?.host()).filter(|h| !h.is_empty())
    }
}

//! Schedulers and controller-managers: whether one of them leads, by its lease and by their own health pages.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    apiserver::Servers,
    etcd::Etcd,
    scene::Scene,
    time::{CLOCK_MARGIN, SaturatingAge, later},
    view::TargetView,
};
use crate::model::{Job, LeaseFact};

/// A lease younger than this is never called stale, however short its term: a slow election is no outage.
const STALE_AFTER_MIN: Duration = Duration::from_secs(30);

/// The jobs that elect a leader.
pub(super) const ELECTING: [Job; 2] = [Job::KubeScheduler, Job::KubeControllerManager];

/// Leadership of one job.
pub(super) struct Lead<'a> {
    pub(super) job: Job,
    /// Its lease, where it was read just now.
    pub(super) lease: Option<&'a LeaseFact>,
    /// When the lease was last renewed.
    pub(super) renewed: Option<Timestamp>,
    pub(super) stale: bool,
    pub(super) down: Vec<&'a TargetView<'a>>,
    pub(super) all_down: bool,
    /// Nobody leads.
    pub(super) missing: bool,
    /// Somebody leads, whoever is down: the lease is fresh, and the API servers that told so still work.
    pub(super) surely_leads: bool,
}

impl<'a> Lead<'a> {
    pub(super) fn new(scene: &Scene<'a>, job: Job, etcd: &Etcd<'_>, api: &Servers<'_>) -> Self {
        let snapshot = scene.view.snapshot;
        let lease = snapshot.leaders.iter().find(|l| l.name == job.as_str()).filter(|_| scene.leases_recent);
        // By the age when it was read: what happened since is not known.
        let stale = lease.is_some_and(|l| l.age > l.duration.saturating_mul(2).max(STALE_AFTER_MIN));
        let renewed = lease.zip(snapshot.leases_at).map(|(l, at)| at.saturating_sub_age(l.age));
        let targets = scene.job(job);
        let down: Vec<_> = targets.iter().copied().filter(|t| t.is_broken()).collect();
        let all_down = !targets.is_empty() && down.len() == targets.len();
        let mut lead = Self { job, lease, renewed, stale, down, all_down, missing: false, surely_leads: false };
        let renewed_since = lead.renewed_since();
        lead.missing = (all_down && !renewed_since) || (stale && scene.api_back());
        let told = lease.is_some() && !stale && api.any_up() && etcd.lost.is_none();
        lead.surely_leads = told && (lead.down.is_empty() || renewed_since);
        lead
    }

    /// The lease was renewed after the last of them went down: it is another one's, or they live out of our reach.
    fn renewed_since(&self) -> bool {
        let last = self.down.iter().map(|t| t.verdict.since).max();
        !self.stale && self.renewed.zip(last).is_some_and(|(renewed, last)| later(renewed, last, CLOCK_MARGIN))
    }

    /// The host of the leader, `cp1` of `cp1_2f0c…`.
    pub(super) fn holder(&self) -> Option<&'a str> {
        let holder = self.lease?.holder.as_str();
        Some(holder.split('_').next().unwrap_or(holder)).filter(|h| !h.is_empty())
    }
}

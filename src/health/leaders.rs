//! Schedulers and controller-managers: whether one of them leads, by its lease and by their own health pages.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    TargetView,
    diagnosis::Picture,
    scene::{Scene, by_how, earliest, labels},
    words,
};
use crate::model::{AlertName, Finding, Job, LeaseFact, Severity};

/// A lease younger than this is never called stale, however short its term: a slow election is no outage.
const STALE_AFTER_MIN: Duration = Duration::from_secs(30);
/// A working API server must have been back for so long before a stale lease is held against anyone.
const API_BACK_FOR: Duration = Duration::from_secs(60);
/// Clocks and the API server's `Date` are exact to about a second.
pub(super) const CLOCK_MARGIN: Duration = Duration::from_secs(2);

/// The jobs that elect a leader.
pub(super) const ELECTING: [Job; 2] = [Job::KubeScheduler, Job::KubeControllerManager];

/// Leadership of one job.
pub(super) struct Lead<'a> {
    job: Job,
    lease: Option<&'a LeaseFact>,
    renewed: Option<Timestamp>,
    stale: bool,
    down: Vec<&'a TargetView<'a>>,
    all_down: bool,
}

impl<'a> Lead<'a> {
    pub(super) fn new(scene: &Scene<'a>, job: Job) -> Self {
        let snapshot = scene.view.snapshot;
        let lease = snapshot.leaders.iter().find(|l| l.name == job.as_str()).filter(|_| scene.leases_recent);
        // By the age when it was read: what happened since is not known.
        let stale = lease.is_some_and(|l| l.age > l.duration.saturating_mul(2).max(STALE_AFTER_MIN));
        let renewed = lease.zip(snapshot.leases_at).map(|(l, at)| at.saturating_sub_age(l.age));
        let targets = scene.job(job);
        let down: Vec<_> = targets.iter().copied().filter(|t| t.is_broken()).collect();
        let all_down = !targets.is_empty() && down.len() == targets.len();
        Self { job, lease, renewed, stale, down, all_down }
    }

    /// Somebody leads, whoever is down: the lease is fresh, and the API servers that told so still work.
    pub(super) fn surely_leads(&self, p: &Picture<'_>) -> bool {
        self.lease.is_some()
            && !self.stale
            && p.api.any_up()
            && p.etcd.lost.is_none()
            && (self.down.is_empty() || self.renewed_since())
    }

    /// The lease was renewed after the last of them went down: it is another one's, or they live out of our reach.
    fn renewed_since(&self) -> bool {
        let last = self.down.iter().map(|t| t.verdict.since).max();
        !self.stale && self.renewed.zip(last).is_some_and(|(renewed, last)| later(renewed, last, CLOCK_MARGIN))
    }

    fn missing(&self, p: &Picture<'_>) -> bool {
        (self.all_down && !self.renewed_since()) || (self.stale && api_back(&p.scene))
    }

    /// The host of the leader, `cp1` of `cp1_2f0c…`.
    fn holder(&self) -> Option<&'a str> {
        let holder = self.lease?.holder.as_str();
        Some(holder.split('_').next().unwrap_or(holder)).filter(|h| !h.is_empty())
    }
}

/// `a` is later than `b` by more than a margin.
pub(super) fn later(a: Timestamp, b: Timestamp, margin: Duration) -> bool {
    a > b && a.duration_since(b).unsigned_abs() > margin
}

/// A subtraction that can't fail on absurd ages.
pub(super) trait SaturatingAge {
    /// So long before.
    fn saturating_sub_age(self, age: Duration) -> Self;
}

impl SaturatingAge for Timestamp {
    fn saturating_sub_age(self, age: Duration) -> Self {
        self.checked_sub(age).unwrap_or(Timestamp::MIN)
    }
}

/// An API server has been up long enough for leaders and kubelets to have reported to it.
pub(super) fn api_back(scene: &Scene<'_>) -> bool {
    let long = |t: &TargetView| t.is_up() && scene.now.duration_since(t.verdict.since).unsigned_abs() >= API_BACK_FOR;
    scene.job(Job::KubeApiserver).iter().any(|t| long(t))
}

pub(super) fn findings(p: &Picture<'_>) -> Vec<Finding> {
    p.leads
        .iter()
        .filter_map(|lead| if lead.missing(p) { Some(no_leader(p, lead)) } else { some_down(p, lead) })
        .collect()
}

fn no_leader(p: &Picture<'_>, lead: &Lead<'_>) -> Finding {
    let (alert, means) = match lead.job {
        Job::KubeScheduler => (AlertName::SchedulerNoLeader, "new pods are not placed"),
        _ => (AlertName::ControllerManagerNoLeader, "nothing is repaired or replaced, lost nodes are not noticed"),
    };
    let n = lead.down.len();
    let headline = if p.scene.unreachable {
        format!("{} {} silent", words::all(n, lead.job), words::is(n))
    } else if lead.all_down {
        format!("{} {} down: {means}", words::all(n, lead.job), words::is(n))
    } else {
        format!("no {} holds a fresh lease: {means}", words::job(lead.job, 1))
    };
    let mut finding = p.scene.finding(alert, "", Severity::Critical, headline);
    let expired = lead.renewed.zip(lead.lease).map(|(at, l)| at.checked_add(l.duration).unwrap_or(at));
    finding.since = match expired.filter(|_| !lead.all_down) {
        Some(at) => at,
        None => earliest(&lead.down, p.scene.now),
    };
    finding.evidence = lead.down.iter().map(|t| t.line()).collect();
    finding.evidence.extend(
        lead.lease
            .zip(lead.renewed)
            .filter(|_| lead.stale)
            .map(|(l, at)| format!("lease {} of {} last renewed about {}", l.name, l.holder, words::time(at))),
    );
    finding.labels.insert("job".into(), lead.job.to_string());
    finding.first_step = format!(
        "on the control-plane hosts: `crictl ps -a --name {0}` and its log (`crictl logs $(crictl ps -aq --name {0} | head -1)`)",
        lead.job
    );
    finding.caused_by = p.cause_of_components(&lead.down, finding.since);
    finding
}

/// Some of several, or all of them from here only.
fn some_down(p: &Picture<'_>, lead: &Lead<'_>) -> Option<Finding> {
    let (n, total) = (lead.down.len(), p.scene.job(lead.job).len());
    if n == 0 {
        return None;
    }
    let headline = if lead.all_down {
        format!("{} can't be reached from here, yet their lease is renewed", words::all(n, lead.job))
    } else {
        format!("{} {} down: {}", words::of(n, total, lead.job), words::is(n), by_how(&lead.down))
    };
    let mut finding = p.scene.finding(AlertName::ComponentDown, lead.job.as_str(), Severity::Warning, headline);
    finding.since = earliest(&lead.down, p.scene.now);
    finding.labels = labels(&lead.down);
    finding.evidence = lead.down.iter().map(|t| t.line()).collect();
    finding
        .evidence
        .extend(lead.holder().filter(|_| lead.surely_leads(p)).map(|h| format!("{h} holds the lease and renews it")));
    let host = lead.down.first().map_or("", |t| p.scene.machine(t));
    finding.first_step = if lead.all_down {
        "look at the firewall between the watchdog and the control-plane hosts, and at --bind-address".into()
    } else {
        format!("ssh {host}: `crictl ps -a --name {}` and its log, `journalctl -u kubelet`", lead.job)
    };
    finding.caused_by = p.cause_of_components(&lead.down, finding.since);
    Some(finding)
}

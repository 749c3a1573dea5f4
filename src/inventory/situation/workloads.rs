//! Deployments, StatefulSets, DaemonSets and CronJobs: how many of them are ready, and whether their controllers look at them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{Moment, News};
use crate::{
    inventory::{object::Object, tables::replicas},
    model::{Several, Situation, cron},
};

/// A controller that works looks at a change within a second; one that was just elected needs half a minute.
const UNRECONCILED_AFTER: SignedDuration = SignedDuration::from_secs(60);
/// The CronJob controller looks every ten seconds.
const LATE_AFTER: SignedDuration = SignedDuration::from_secs(180);

/// How one stands.
#[derive(Debug)]
struct Workload {
    ready: u64,
    wanted: u64,
    /// Since when its newest form was not looked at.
    unread_since: Option<Timestamp>,
}

/// A CronJob.
#[derive(Debug)]
struct CronJob {
    due_at: Option<Timestamp>,
}

/// All of a cluster.
#[derive(Debug, Default)]
pub(super) struct Workloads {
    all: BTreeMap<(String, String), Workload>,
    cron_jobs: BTreeMap<String, CronJob>,
}

impl Workloads {
    pub(super) fn take(&mut self, news: &News<'_>) {
        let object = news.object;
        match object.resource {
            "deployments" | "statefulsets" | "daemonsets" => {
                let key = (object.kind.to_owned(), news.key());
                let before = self.all.remove(&key);
                if !news.is_gone {
                    let (ready, wanted, _) = replicas(object);
                    let since = before.and_then(|w| w.unread_since).unwrap_or(news.at);
                    let unread_since = is_unread(object).then_some(since);
                    self.all.insert(key, Workload { ready, wanted, unread_since });
                }
            }
            "cronjobs" if news.is_gone => drop(self.cron_jobs.remove(&news.key())),
            "cronjobs" => drop(self.cron_jobs.insert(news.key(), CronJob { due_at: due(object) })),
            _ => {}
        }
    }

    /// How many are ready, of how many that are wanted.
    pub(super) fn replicas(&self, kind: &str, key: &str) -> (u64, u64) {
        let found = self.all.get(&(kind.to_owned(), key.to_owned()));
        found.map_or((0, 0), |w| (w.ready, w.wanted))
    }

    pub(super) fn fill(&self, moment: &Moment<'_>, into: &mut Situation) {
        let (mut unread, mut late) = (Several::default(), Several::default());
        for ((kind, key), workload) in &self.all {
            if let Some(since) = workload.unread_since.filter(|at| moment.is_past(*at, UNRECONCILED_AFTER)) {
                unread.add(&format!("{kind} {key}"), since);
            }
        }
        for (key, job) in &self.cron_jobs {
            if let Some(due) = job.due_at.filter(|at| moment.is_past(*at, LATE_AFTER)) {
                late.add(key, due);
            }
        }
        if moment.knows(&["deployments", "statefulsets", "daemonsets"]) {
            into.unreconciled = (unread.count > 0).then_some(unread);
        }
        if moment.knows(&["cronjobs"]) {
            into.late_cron_jobs = (late.count > 0).then_some(late);
        }
    }
}

/// Whether its controller has not looked at its newest form.
fn is_unread(object: &Object) -> bool {
    let newest = object.number(&["metadata", "generation"]);
    newest > object.number(&["status", "observedGeneration"]) && !object.is_being_deleted()
}

/// When it is to be started next, as its controller reckons. `None`: not by itself.
fn due(job: &Object) -> Option<Timestamp> {
    let is_suspended = job.at(&["spec", "suspend"]) == true || job.is_being_deleted();
    // One that must not overlap waits for the one before.
    let is_busy =
        job.text(&["spec", "concurrencyPolicy"]) == "Forbid" && job.map(&["status", "active"]).next().is_some();
    // A start that is too late is left out, by the user's wish.
    let may_be_missed = job.at(&["spec", "startingDeadlineSeconds"]).is_u64();
    if is_suspended || is_busy || may_be_missed {
        return None;
    }
    let zone = cron::zone(job.at(&["spec", "timeZone"]).as_str()).ok()?;
    let schedule = cron::Cron::parse(job.text(&["spec", "schedule"])).ok()?;
    let last = job.time(&["status", "lastScheduleTime"]).or_else(|| job.made_at())?;
    schedule.after(last, &zone)
}

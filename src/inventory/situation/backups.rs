//! Backups by object: Velero's schedules with the backups that they made, and CronJobs that save etcd.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::{Moment, News};
use crate::{
    inventory::object::Object,
    model::{BackupFact, Situation, cron},
};

/// So many schedules are told of.
const TOLD_MAX: usize = 50;
/// So many backups of a schedule are held against the last one.
const USUAL_OF: usize = 10;
/// Names the schedule of a backup (velero.io/docs, api-types/backup).
const SCHEDULE_NAME: &str = "velero.io/schedule-name";

/// What makes backups.
#[derive(Debug)]
struct Schedule {
    kind: &'static str,
    schedule: String,
    zone: Option<String>,
    is_paused: bool,
    made_at: Option<Timestamp>,
    /// A CronJob's own word.
    good_at: Option<Timestamp>,
}

/// One backup of Velero's.
#[derive(Debug)]
struct Backup {
    schedule: String,
    at: Timestamp,
    /// `Completed`, `PartiallyFailed`, …
    phase: String,
    items: u64,
}

/// All of a cluster.
#[derive(Debug, Default)]
pub(super) struct Backups {
    schedules: BTreeMap<String, Schedule>,
    made: BTreeMap<String, Backup>,
}

impl Backups {
    pub(super) fn take(&mut self, news: &News<'_>) {
        let (object, key) = (news.object, news.key());
        match object.resource {
            "schedules" | "cronjobs" => {
                self.schedules.remove(&key);
                if let Some(schedule) = schedule(object).filter(|_| !news.is_gone) {
                    self.schedules.insert(key, schedule);
                }
            }
            "backups" => {
                self.made.remove(&key);
                if let Some(backup) = backup(object).filter(|_| !news.is_gone) {
                    self.made.insert(key, backup);
                }
            }
            _ => {}
        }
    }

    pub(super) fn fill(&self, moment: &Moment<'_>, into: &mut Situation) {
        for (key, schedule) in self.schedules.iter().filter(|(_, s)| !s.is_paused).take(TOLD_MAX) {
            let needed: &[&str] = if schedule.kind == "CronJob" { &["cronjobs"] } else { &["schedules", "backups"] };
            if moment.knows(needed) {
                into.backups.push(self.fact(key, schedule, moment.now));
            }
        }
    }

    fn fact(&self, key: &str, schedule: &Schedule, now: Timestamp) -> BackupFact {
        let mut made: Vec<&Backup> = self.made.values().filter(|b| b.schedule == key).collect();
        made.sort_by_key(|b| std::cmp::Reverse(b.at));
        let good = || made.iter().filter(|b| b.phase == "Completed");
        let good_at = good().next().map(|b| b.at).or(schedule.good_at);
        let last_failure = made.iter().find(|b| is_over(&b.phase)).filter(|b| b.phase != "Completed");
        let mut before: Vec<u64> = good().skip(1).take(USUAL_OF).map(|b| b.items).filter(|n| *n > 0).collect();
        before.sort_unstable();
        let usual = before.get(before.len() / 2).copied();
        let zone = cron::zone(schedule.zone.as_deref()).ok();
        let times = cron::Cron::parse(&schedule.schedule).ok();
        let after = good_at.or(schedule.made_at);
        let due = zone.zip(times).zip(after).and_then(|((zone, times), after)| times.after(after, &zone));
        BackupFact {
            kind: schedule.kind,
            key: key.to_owned(),
            schedule: schedule.schedule.clone(),
            good_at,
            due_at: due.filter(|due| *due <= now),
            last_failure: last_failure.map(|b| b.phase.clone()),
            items: good().next().map(|b| b.items).zip(usual).filter(|(n, _)| *n > 0),
        }
    }
}

fn is_over(phase: &str) -> bool {
    matches!(phase, "Completed" | "PartiallyFailed" | "Failed" | "FailedValidation")
}

fn schedule(object: &Object) -> Option<Schedule> {
    let is_cron_job = object.resource == "cronjobs";
    let name = object.name.to_lowercase();
    let saves_etcd = name.contains("etcd") && (name.contains("backup") || name.contains("snapshot"));
    if is_cron_job && !saves_etcd {
        return None;
    }
    let is_set = |field: &str| object.at(&["spec", field]) == true;
    Some(Schedule {
        kind: object.kind,
        schedule: object.text(&["spec", "schedule"]).to_owned(),
        zone: object.at(&["spec", "timeZone"]).as_str().map(str::to_owned),
        is_paused: is_set("paused") || is_set("suspend"),
        made_at: object.made_at(),
        good_at: object.time(&["status", "lastSuccessfulTime"]),
    })
}

fn backup(object: &Object) -> Option<Backup> {
    let name = object.at(&["metadata", "labels"]).get(SCHEDULE_NAME).and_then(Value::as_str)?;
    let at = object.time(&["status", "startTimestamp"]).or_else(|| object.made_at())?;
    let phase = object.text(&["status", "phase"]).to_owned();
    let items = object.number(&["status", "progress", "totalItems"]);
    Some(Backup { schedule: super::pair(&object.namespace, name), at, phase, items })
}

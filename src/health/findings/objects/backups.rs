//! Backups that were not made, failed, or shrank.

use std::time::Duration;

use super::Objects;
use crate::{
    health::say::{self, Sentence},
    model::{AlertName, BackupFact, Finding, Said, SaidPart, Severity},
};

/// A backup that was due is done by then.
const DONE_WITHIN: Duration = Duration::from_secs(3_600);
/// Less than so many in a hundred of what is usual is too small.
const SHRUNK: u64 = 60;

pub(super) fn findings(o: &Objects<'_>) -> Vec<Finding> {
    o.situation.backups.iter().filter_map(|backup| finding(o, backup)).collect()
}

fn finding(o: &Objects<'_>, b: &BackupFact) -> Option<Finding> {
    let BackupFact { kind, key, schedule, good_at, .. } = b;
    let last = good_at.map_or_else(|| Said::new("backup-never-good"), |at| Said::new("backup-good-at").with("at", at));
    let by = |id| Said::new(id).with("by", Said::new("backup-by").with("kind", *kind).with("key", key));
    let late = b.due_at.filter(|due| o.lasts(*due, DONE_WITHIN));
    let shrunk = b.items.filter(|(now, usual)| now * 100 < usual * SHRUNK);
    let (headline, since) = match (late, &b.last_failure, shrunk) {
        (Some(due), failure, _) => {
            let how = failure.as_ref().map(|phase| Said::new("backup-late-ended").with("phase", phase).into());
            let late = by("backup-late").with("at", due).with("schedule", schedule).with("last", last.clone());
            (late.with("how", how.unwrap_or(SaidPart::from(say::NOTHING))), due)
        }
        (None, Some(phase), _) => {
            let ended = by("backup-ended").with("phase", phase).with("last", last.clone());
            (ended, good_at.unwrap_or(o.at))
        }
        (None, None, Some((now, usual))) => {
            (by("backup-shrunk").with("now", now).with("usual", usual), good_at.unwrap_or(o.at))
        }
        (None, None, None) => return None,
    };
    let mut finding = o.finding((AlertName::BackupFailing, key), Severity::Warning, headline, since);
    finding.evidence.push(format!("schedule {schedule}; {}", Sentence::from(last).text));
    finding.labels.insert("schedule".into(), key.clone());
    let (namespace, name) = key.split_once('/').unwrap_or(("", key));
    let step = match *kind {
        "CronJob" => Said::new("step-backup-job").with("name", name),
        "VolumeSnapshot" => Said::new("step-backup-snapshot").with("name", name),
        _ => Said::new("step-backup"),
    };
    say::first_step(&mut finding, step.with("namespace", namespace));
    Some(finding)
}

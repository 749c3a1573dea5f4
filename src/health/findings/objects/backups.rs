//! Backups that were not made, failed, or shrank.

use std::time::Duration;

use super::Objects;
use crate::model::{AlertName, BackupFact, Finding, Severity, text};

/// A backup that was due is done by then.
const DONE_WITHIN: Duration = Duration::from_secs(3_600);
/// Less than so many in a hundred of what is usual is too small.
const SHRUNK: u64 = 60;

pub(super) fn findings(o: &Objects<'_>) -> Vec<Finding> {
    o.situation.backups.iter().filter_map(|backup| finding(o, backup)).collect()
}

fn finding(o: &Objects<'_>, b: &BackupFact) -> Option<Finding> {
    let BackupFact { kind, key, schedule, good_at, .. } = b;
    let last = good_at
        .map_or_else(|| "there is none".to_owned(), |at| format!("the last good one is of {}", text::moment(at)));
    let late = b.due_at.filter(|due| o.lasts(*due, DONE_WITHIN));
    let shrunk = b.items.filter(|(now, usual)| now * 100 < usual * SHRUNK);
    let (headline, since) = match (late, &b.last_failure, shrunk) {
        (Some(due), failure, _) => {
            let how = failure.as_ref().map(|phase| format!(", it ended {phase}")).unwrap_or_default();
            (format!("no backup by {kind} {key} since {} ({schedule}){how}; {last}", text::moment(due)), due)
        }
        (None, Some(phase), _) => {
            (format!("the last backup by {kind} {key} ended {phase}; {last}"), good_at.unwrap_or(o.at))
        }
        (None, None, Some((now, usual))) => {
            let words =
                format!("the last backup by {kind} {key} is far smaller than usual: {now} objects, else {usual}");
            (words, good_at.unwrap_or(o.at))
        }
        (None, None, None) => return None,
    };
    let mut finding = o.finding((AlertName::BackupFailing, key), Severity::Warning, headline, since);
    finding.evidence.push(format!("schedule {schedule}; {last}"));
    finding.labels.insert("schedule".into(), key.clone());
    let (namespace, name) = key.split_once('/').unwrap_or(("", key));
    finding.first_step = match *kind {
        "CronJob" => format!("`kubectl -n {namespace} describe cronjob {name}` and the log of its last job"),
        _ => format!(
            "`velero backup get`; `velero backup logs` of the last one; the storage location (`kubectl -n {namespace} get backupstoragelocations`)"
        ),
    };
    Some(finding)
}

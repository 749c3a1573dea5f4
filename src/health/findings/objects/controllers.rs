//! Schedulers and controllers that work no more, though their leases may be fresh.

use std::time::Duration;

use super::{Objects, named};
use crate::{
    health::say,
    model::{AlertName, Finding, Job, LaggingEndpoints, Said, SaidPart, Several, Severity, WaitingPods, text},
};

/// A scheduler looks at a pod within a second; after an election it takes half a minute.
const UNSEEN_FOR: Duration = Duration::from_secs(30);
/// Longer than any election, and less than a warning waits to be told (60 s): else it would be told, and told as worse right after.
const SURELY: Duration = Duration::from_secs(50);
/// The scheduler of pods that name none.
const DEFAULT: &str = "default-scheduler";

pub(super) fn findings(o: &Objects<'_>) -> Vec<Finding> {
    let mut all: Vec<Finding> = o.situation.unseen_pods.iter().filter_map(|pods| scheduler(o, pods)).collect();
    let controllers = controllers(o);
    all.extend(cron_jobs(o, controllers.is_some()));
    all.extend(controllers);
    all
}

fn scheduler(o: &Objects<'_>, waiting: &WaitingPods) -> Option<Finding> {
    let WaitingPods { why: name, pods } = waiting;
    if !o.lasts(pods.since, UNSEEN_FOR) {
        return None;
    }
    let (severity, whose, subject) = match name == DEFAULT {
        true if o.lasts(pods.since, SURELY) => (Severity::Critical, say::all(1, Job::KubeScheduler).into(), ""),
        true => (Severity::Warning, say::all(1, Job::KubeScheduler).into(), ""),
        // It may not be there yet.
        false => (Severity::Warning, SaidPart::from(name), name.as_str()),
    };
    let headline = Said::new("scheduler-stuck").with("whose", whose).with("at", pods.since);
    let headline = headline.with("pods", say::some(pods.count, "pod"));
    let mut finding = o.finding((AlertName::SchedulerStuck, subject), severity, headline, pods.since);
    let leaderless = o.p.without_leader(Job::KubeScheduler).filter(|_| name == DEFAULT);
    finding.caused_by = leaderless.or(finding.caused_by);
    finding.labels.insert("job".into(), Job::KubeScheduler.to_string());
    finding.evidence.push(format!("without a word of {name}: {}", named(pods)));
    if let Some(lead) = o.p.leads.iter().find(|lead| lead.job == Job::KubeScheduler && lead.surely_leads) {
        let holder = lead.holder().unwrap_or("somebody");
        finding.evidence.push(format!("its lease is renewed by {holder} all the same"));
    }
    finding.consequences.push("what is new, moved or restarted elsewhere does not run; what runs goes on".into());
    let step = match name == DEFAULT {
        true => Said::new("step-scheduler"),
        false => Said::new("step-scheduler-named").with("name", name),
    };
    say::first_step(&mut finding, step);
    Some(finding)
}

fn controllers(o: &Objects<'_>) -> Option<Finding> {
    let (unread, lagging) = (o.situation.unreconciled.as_ref(), o.situation.lagging_endpoints.as_ref());
    let (headline, severity, since) = match (unread, lagging) {
        (Some(unread), _) => {
            let severity = if o.lasts(unread.since, SURELY) { Severity::Critical } else { Severity::Warning };
            (unreconciled(unread), severity, unread.since)
        }
        (None, Some(lagging)) => {
            // One alone may have a trouble of its own.
            let severity = if lagging.services.count > 1 { Severity::Critical } else { Severity::Warning };
            (unfollowed(lagging), severity, lagging.services.since)
        }
        (None, None) => return None,
    };
    let mut finding = o.finding((AlertName::ControllersStuck, ""), severity, headline, since);
    finding.caused_by = o.p.without_leader(Job::KubeControllerManager).or(finding.caused_by);
    finding.labels.insert("job".into(), Job::KubeControllerManager.to_string());
    finding.evidence.extend(unread.map(|unread| format!("observedGeneration is behind: {}", named(unread))));
    finding.evidence.extend(lagging.into_iter().flat_map(endpoints));
    if let Some(late) = &o.situation.late_cron_jobs {
        finding.evidence.push(format!("CronJobs that were not started: {}", named(late)));
    }
    if unread.is_some() {
        let stands = "rollouts stand still, pods that end are not replaced, lost nodes are not emptied";
        finding.consequences.push(stands.into());
    }
    if lagging.is_some() {
        finding.consequences.push("services send to pods that are gone, and nothing to those that are new".into());
    }
    say::first_step(&mut finding, Said::new("step-controllers"));
    Some(finding)
}

fn unreconciled(unread: &Several) -> Said {
    let said = match unread.count {
        1 => Said::new("controllers-stuck-one").with("name", say::named(unread)),
        n => Said::new("controllers-stuck").with("workloads", say::some(n, "workload")),
    };
    said.with("at", unread.since)
}

fn unfollowed(lagging: &LaggingEndpoints) -> Said {
    let LaggingEndpoints { services, missing, gone } = lagging;
    let whose: SaidPart = match services.count {
        1 => say::named(services),
        n => say::some(n, "service").into(),
    };
    let part = |how: &'static str, kind: &'static str, pods: &Several| {
        let is = Said::new("endpoints-pods").with("how", how).with("n", pods.count);
        is.with("pods", say::some(pods.count, kind))
    };
    let lacks = part("missing", "ready-pod", missing);
    let lists = part("gone", "listed-pod", gone);
    let how = match (missing.count, gone.count) {
        (_, 0) => lacks,
        (0, _) => lists,
        _ => Said::new("endpoints-both").with("one", lacks).with("other", lists),
    };
    Said::new("endpoints-lag").with("services", whose).with("at", services.since).with("how", how)
}

fn endpoints(lagging: &LaggingEndpoints) -> Vec<String> {
    let LaggingEndpoints { services, missing, gone } = lagging;
    let mut lines = vec![format!("endpoints do not follow: {}", named(services))];
    lines.extend((missing.count > 0).then(|| format!("ready, and in no EndpointSlice: {}", named(missing))));
    lines.extend((gone.count > 0).then(|| format!("gone, and still in one: {}", named(gone))));
    lines
}

fn cron_jobs(o: &Objects<'_>, is_explained: bool) -> Option<Finding> {
    let late = o.situation.late_cron_jobs.as_ref()?;
    let headline = match late.count {
        1 => Said::new("cron-job-late"),
        n => Said::new("cron-jobs-late").with("jobs", say::some(n, "cronjob")),
    };
    let headline = headline.with("names", say::named(late));
    let mut finding = o.finding((AlertName::CronJobsLate, ""), Severity::Warning, headline, late.since);
    finding.caused_by = match is_explained {
        true => Some(o.key(AlertName::ControllersStuck, "")),
        false => o.p.without_leader(Job::KubeControllerManager).or(finding.caused_by),
    };
    finding.evidence.push(format!("the first was due at {}", text::moment(late.since)));
    say::first_step(&mut finding, Said::new("step-cron-jobs"));
    Some(finding)
}

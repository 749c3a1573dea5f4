//! What is said of schedulers and controller-managers: nobody leads, or some are down.

use std::time::Duration;

use crate::{
    health::{
        leaders::Lead,
        picture::Picture,
        say,
        time::later,
        view::{How, earliest, labels},
    },
    model::{AlertName, Finding, FindingKey, Job, Said, Severity, text},
};

pub(super) fn findings(p: &Picture<'_>) -> Vec<Finding> {
    p.leads.iter().filter_map(|lead| if lead.missing { Some(no_leader(p, lead)) } else { some_down(p, lead) }).collect()
}

fn no_leader(p: &Picture<'_>, lead: &Lead<'_>) -> Finding {
    let (alert, means) = match lead.job {
        Job::KubeScheduler => (AlertName::SchedulerNoLeader, "means-not-placed"),
        _ => (AlertName::ControllerManagerNoLeader, "means-not-repaired"),
    };
    let n = lead.down.len();
    let headline = if p.indexed.unreachable {
        Said::new("who-fails-so").with("who", say::all(n, lead.job)).with("how", say::how(How::Silent, n))
    } else if lead.all_down {
        let down = Said::new("nobody-leads").with("who", say::all(n, lead.job)).with("down", say::are_down(&lead.down));
        down.with("means", Said::new(means))
    } else {
        Said::new("no-fresh-lease").with("component", say::job(lead.job, 1)).with("means", Said::new(means))
    };
    let mut finding = p.indexed.finding(alert, "", Severity::Critical, headline);
    let expired = lead.renewed.zip(lead.lease).map(|(at, l)| at.checked_add(l.duration).unwrap_or(at));
    finding.since = match expired.filter(|_| !lead.all_down) {
        Some(at) => at,
        None => earliest(&lead.down, p.indexed.now),
    };
    finding.evidence = lead.down.iter().map(|t| t.line()).collect();
    finding.evidence.extend(
        lead.lease
            .zip(lead.renewed)
            .filter(|_| lead.stale)
            .map(|(l, at)| format!("lease {} of {} last renewed about {}", l.name, l.holder, text::moment(at))),
    );
    finding.labels.insert("job".into(), lead.job.to_string());
    say::first_step(&mut finding, Said::new("step-no-leader").with("job", lead.job.as_str()));
    // Some that are down on a lost host are no reason why none of the others leads.
    let of_all = if lead.all_down { lead.down.as_slice() } else { &[] };
    finding.caused_by = p.cause_of_components(of_all, finding.since).or_else(|| moving(p, lead));
    finding
}

/// The host of its holder was lost a moment ago: the others wait until the lease has run out, and then take it.
fn moving(p: &Picture<'_>, lead: &Lead<'_>) -> Option<FindingKey> {
    let holder = lead.holder()?;
    let host = p.hosts.lost().find(|h| h.id == holder || h.targets.iter().any(|t| t.host() == holder))?;
    let since = earliest(&host.targets, p.indexed.now);
    (!later(p.indexed.now, since, ELECTION)).then(|| p.indexed.key(AlertName::ControlPlaneHostDown, host.id))
}

/// A leader's lease runs out after 15 s, and is tried for every 2 s (client-go's defaults in Kubernetes' components);
/// what is connected to a lost etcd member or API server notices after 40 s.
const ELECTION: Duration = Duration::from_secs(60);

/// Some of several, or all of them from here only.
fn some_down(p: &Picture<'_>, lead: &Lead<'_>) -> Option<Finding> {
    let (n, total) = (lead.down.len(), p.indexed.job(lead.job).len());
    if n == 0 {
        return None;
    }
    let headline = if lead.all_down {
        Said::new("leaders-beyond").with("who", say::all(n, lead.job))
    } else {
        say::who_is_down(say::of(n, total, lead.job), &lead.down, say::NOTHING)
    };
    let mut finding = p.indexed.finding(AlertName::ComponentDown, lead.job.as_str(), Severity::Warning, headline);
    finding.since = earliest(&lead.down, p.indexed.now);
    finding.labels = labels(&lead.down);
    finding.evidence = lead.down.iter().map(|t| t.line()).collect();
    finding
        .evidence
        .extend(lead.holder().filter(|_| lead.surely_leads).map(|h| format!("{h} holds the lease and renews it")));
    let host = lead.down.first().map_or("", |t| p.indexed.machine(t));
    let step = match lead.all_down {
        true => Said::new("step-leaders-beyond"),
        false => Said::new("step-leader-down").with("host", host).with("job", lead.job.as_str()),
    };
    say::first_step(&mut finding, step);
    finding.caused_by = p.cause_of_components(&lead.down, finding.since);
    Some(finding)
}

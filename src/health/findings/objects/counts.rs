//! Many objects that were deleted at once, and kinds that grow without end.

use std::time::Duration;

use jiff::Timestamp;

use super::{Objects, named};
use crate::{
    health::say,
    model::{
        AlertName, EventFlood, FallenPods, Finding, FindingKey, Grown, Job, Said, SaidPart, Severity, Vanished, text,
    },
};

/// So many namespaces that are deleted at once …
const NAMESPACES_MIN: usize = 5;
/// … or objects of another kind …
const OBJECTS_MIN: usize = 10;
/// … and so many in a hundred of all are no daily work.
const SHARE: usize = 25;
/// Controllers make a pod anew at once, and a minute later where one of them was just elected.
const MADE_ANEW_WITHIN: Duration = Duration::from_secs(75);
/// A kind has grown when there are so many times as many …
const TIMES: usize = 2;
/// … and so many more than in the hour before: a big deployment is none.
const MORE: usize = 3_000;

pub(super) fn findings(o: &Objects<'_>) -> Vec<Finding> {
    let is_many = |v: &&Vanished| {
        let least = if v.resource == "namespaces" { NAMESPACES_MIN } else { OBJECTS_MIN };
        v.gone.count >= least && v.gone.count * 100 >= v.of * SHARE
    };
    let vanished: Vec<&Vanished> = o.situation.vanished.iter().filter(is_many).collect();
    let has_grown = |g: &&Grown| g.to >= g.from * TIMES && g.to - g.from >= MORE;
    let grown = o.situation.grown.iter().filter(has_grown).map(|g| growing(o, g));
    deleted(o, &vanished).into_iter().chain(fallen(o, vanished.is_empty())).chain(grown).collect()
}

fn deleted(o: &Objects<'_>, all: &[&Vanished]) -> Option<Finding> {
    let since = all.iter().map(|v| v.gone.since).min()?;
    let part = |v: &&Vanished| -> SaidPart {
        let part = Said::new("objects-deleted-part").with("n", v.gone.count).with("total", v.of);
        part.with("resource", v.resource).into()
    };
    let headline = Said::new("objects-deleted").list("parts", all.iter().map(part).collect(), all.len());
    let mut finding = o.finding((AlertName::ObjectsDeleted, ""), Severity::Critical, headline, since);
    finding.evidence = all
        .iter()
        .map(|v| format!("{}: {} (the last at {})", v.resource, named(&v.gone), text::moment(v.until)))
        .collect();
    finding.consequences.push("what they ran is stopped; volumes whose claims are gone may be deleted, too".into());
    say::first_step(&mut finding, Said::new("step-deleted"));
    Some(finding)
}

fn fallen(o: &Objects<'_>, is_alone: bool) -> Option<Finding> {
    let FallenPods { left, of, wanted, since, namespaces } = o.situation.fallen_pods.as_ref()?;
    if !o.lasts(*since, MADE_ANEW_WITHIN) {
        return None;
    }
    let headline = Said::new("pods-fallen").with("left", *left).with("of", *of).with("wanted", *wanted);
    let mut finding = o.finding((AlertName::ObjectsDeleted, "pods"), Severity::Critical, headline, *since);
    finding.caused_by = not_made(o, is_alone, *since).or(finding.caused_by);
    finding.labels.insert("resource".into(), "pods".to_owned());
    finding.evidence.push(format!("they went at {} or shortly before", text::moment(*since)));
    let line =
        |(name, pods, wanted): &(String, u64, u64)| format!("namespace {name}: {pods} of {wanted} that are wanted");
    finding.evidence.extend(namespaces.iter().map(line));
    finding
        .consequences
        .push("what these pods served is down or has less room, and does not come back by itself".into());
    say::first_step(&mut finding, Said::new("step-pods-fallen"));
    Some(finding)
}

/// Why no pod is made: nobody makes any, or a webhook refuses them all.
fn not_made(o: &Objects<'_>, is_alone: bool, since: Timestamp) -> Option<FindingKey> {
    if !is_alone {
        return Some(o.key(AlertName::ObjectsDeleted, ""));
    }
    let is_stuck = o.situation.unreconciled.is_some() || o.situation.lagging_endpoints.is_some();
    let stuck = || is_stuck.then(|| o.key(AlertName::ControllersStuck, ""));
    let hooks = || o.situation.webhooks.iter().filter(|hook| hook.is_broad && o.lasts(hook.since, MADE_ANEW_WITHIN));
    let refused = || hooks().next().map(|hook| o.key(AlertName::WebhookFailing, &hook.service));
    o.p.without_leader(Job::KubeControllerManager).or_else(stuck).or_else(refused).or_else(|| o.lost_before(since))
}

/// Where nothing else is found: what fails makes events, and says more by itself.
pub(super) fn flooding(o: &Objects<'_>, others: &[Finding]) -> Option<Finding> {
    let EventFlood { since, count, worst, namespace, reason } = o.situation.event_flood.as_ref()?;
    if !others.is_empty() {
        return None;
    }
    let place = |message| Said::new(message).with("namespace", namespace).with("reason", reason);
    let headline = place("events-flood").with("count", *count).with("worst", *worst);
    let mut finding = o.finding((AlertName::ObjectsGrowing, "events"), Severity::Warning, headline, *since);
    finding.caused_by = finding.caused_by.or_else(|| o.lost_before(*since));
    finding.labels.insert("resource".into(), "events".to_owned());
    finding.consequences.push("etcd fills, and API servers and controllers slow down".into());
    say::first_step(&mut finding, place("step-events-flood"));
    Some(finding)
}

fn growing(o: &Objects<'_>, g: &Grown) -> Finding {
    let Grown { resource, from, to, since, namespace } = g;
    let place = match namespace.is_empty() {
        true => SaidPart::from(say::NOTHING),
        false => Said::new("objects-growing-place").with("namespace", namespace).into(),
    };
    let headline = Said::new("objects-growing").with("resource", *resource).with("place", place).with("from", *from);
    let mut finding = o.finding((AlertName::ObjectsGrowing, resource), Severity::Warning, headline, *since);
    finding.labels.insert("resource".into(), (*resource).to_owned());
    finding.evidence.push(format!("{from} at {}, {to} now", text::moment(*since)));
    finding.consequences.push("etcd fills, and API servers and controllers slow down".into());
    say::first_step(&mut finding, Said::new("step-growing").with("namespace", namespace).with("resource", *resource));
    finding
}

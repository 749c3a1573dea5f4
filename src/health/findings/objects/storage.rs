//! Claims without a volume, pods that can't be started where they were placed, and namespaces that don't go.

use std::time::Duration;

use super::{Objects, named, place};
use crate::{
    health::{phrases, say, time::follows},
    model::{
        AlertName, FailedStarts, Finding, Said, SaidPart, Severity, StartFailure, TerminatingNamespace, WaitingClaims,
        text,
    },
};

/// A provisioner makes a volume within a minute.
const CLAIM_FOR: Duration = Duration::from_secs(300);
/// Namespaces with much in them take minutes.
const TERMINATING_FOR: Duration = Duration::from_secs(600);
/// So many namespaces are named.
const NAMED: usize = 3;

pub(super) fn findings(o: &Objects<'_>, others: &[Finding]) -> Vec<Finding> {
    let mut all: Vec<Finding> = o.situation.claims.iter().filter_map(|claims| waiting(o, claims)).collect();
    all.extend(o.situation.starts.iter().filter_map(|starts| not_starting(o, starts, others)));
    all.extend(terminating(o));
    all
}

fn waiting(o: &Objects<'_>, waiting: &WaitingClaims) -> Option<Finding> {
    let WaitingClaims { class, claims, said } = waiting;
    if !o.lasts(claims.since, CLAIM_FOR) {
        return None;
    }
    let which = match class.is_empty() {
        true => Said::new("claims-without-class"),
        false => Said::new("claims-of-class").with("class", class),
    };
    let headline = Said::new("claims-waiting").with("claims", say::some(claims.count, "claim")).with("which", which);
    let headline = headline.with("n", phrases::step(claims.count).0).with("names", say::named(claims));
    let mut finding = o.finding((AlertName::VolumesWaiting, class), Severity::Warning, headline, claims.since);
    finding.caused_by = o.lost_before(claims.since);
    finding.labels.insert("storageclass".into(), class.clone());
    finding.evidence.push(format!("the first since {}", text::moment(claims.since)));
    if !said.is_empty() {
        finding.evidence.push(format!("the provisioner says: {said}"));
    }
    finding.consequences.push("pods that need them don't start".into());
    say::first_step(&mut finding, Said::new("step-claims"));
    Some(finding)
}

fn not_starting(o: &Objects<'_>, starts: &FailedStarts, others: &[Finding]) -> Option<Finding> {
    let FailedStarts { why, pods, nodes, until, said } = starts;
    // So many pods for so long: kubelets try again and again, and a volume moves to another node within six minutes.
    let (least, longer) = match why {
        StartFailure::Addresses => (1, 60),
        StartFailure::Sandbox => (3, 120),
        StartFailure::Volumes => (3, 420),
        StartFailure::Quota => (1, 120),
    };
    if pods.count < least || !o.lasts(pods.since, Duration::from_secs(longer)) {
        return None;
    }
    let places: Vec<&str> = nodes.iter().map(String::as_str).collect();
    let at = if places.is_empty() { SaidPart::from(say::NOTHING) } else { place(&places, NAMED).into() };
    let not_starting = |why: &'static str| Said::new("pods-not-starting").with("place", at.clone()).with("why", why);
    let (subject, headline) = match why {
        StartFailure::Addresses => ("addresses", not_starting("addresses")),
        StartFailure::Sandbox => ("sandbox", not_starting("sandbox")),
        StartFailure::Volumes => ("volumes", not_starting("volumes")),
        StartFailure::Quota => ("quota", Said::new("pods-over-quota").with("names", say::named(pods))),
    };
    let mut finding = o.finding((AlertName::PodsNotStarting, subject), Severity::Warning, headline, pods.since);
    let addon = others.iter().find(|f| f.key.alert == AlertName::AddonDown && follows(pods.since, f.since));
    finding.caused_by = o.lost_before(pods.since).or_else(|| addon.map(|f| f.key.clone()));
    finding.evidence.push(format!("{}: {}", text::plural(pods.count, "pod", "pods"), named(pods)));
    finding.evidence.push(format!("last said at {}: {said}", text::moment(*until)));
    say::first_step(&mut finding, Said::new("step-not-starting").with("why", subject));
    Some(finding)
}

fn terminating(o: &Objects<'_>) -> Option<Finding> {
    let stuck = |n: &&TerminatingNamespace| o.lasts(n.since, TERMINATING_FOR);
    let all: Vec<&TerminatingNamespace> = o.situation.terminating.iter().filter(stuck).collect();
    let first = all.iter().min_by_key(|n| n.since)?;
    let names: Vec<&str> = all.iter().map(|n| n.name.as_str()).collect();
    let away = o.p.indexed.view.snapshot.away_apis.first().filter(|_| all.iter().any(|n| n.lacks_api));
    let why = away.map(|api| Said::new("namespaces-lack-api").with("api", &api.name).into());
    let headline = Said::new("namespaces-stay").with("n", names.len()).names("names", &names, NAMED);
    let headline = headline.with("at", first.since).with("why", why.unwrap_or(SaidPart::from(say::NOTHING)));
    let mut finding = o.finding((AlertName::NamespacesTerminating, ""), Severity::Warning, headline, first.since);
    finding.caused_by = away.map(|api| o.key(AlertName::AggregatedApiDown, &api.name)).or(finding.caused_by);
    let lines = all.iter().flat_map(|n| n.why.iter().map(move |why| format!("{}: {why}", n.name)));
    finding.evidence = lines.take(NAMED * 2).collect();
    say::first_step(&mut finding, Said::new("step-namespaces").with("name", &first.name));
    Some(finding)
}

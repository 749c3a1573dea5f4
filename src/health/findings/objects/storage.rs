//! Claims without a volume, pods that can't be started where they were placed, and namespaces that don't go.

use std::time::Duration;

use super::{Objects, named};
use crate::{
    health::{phrases, time::follows},
    model::{AlertName, FailedStarts, Finding, Severity, StartFailure, TerminatingNamespace, WaitingClaims, text},
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
    let (what, verb) = (phrases::some(claims.count, "claim", "claims"), if claims.count == 1 { "gets" } else { "get" });
    let which = if class.is_empty() { "without a storage class".to_owned() } else { format!("of class {class}") };
    let headline = format!("{what} {which} {verb} no volume: {}", named(claims));
    let mut finding = o.finding((AlertName::VolumesWaiting, class), Severity::Warning, headline, claims.since);
    finding.caused_by = o.lost_before(claims.since);
    finding.labels.insert("storageclass".into(), class.clone());
    finding.evidence.push(format!("the first since {}", text::moment(claims.since)));
    if !said.is_empty() {
        finding.evidence.push(format!("the provisioner says: {said}"));
    }
    finding.consequences.push("pods that need them don't start".into());
    finding.first_step =
        "`kubectl describe pvc NAME` (its events); the provisioner's pods (the CSI driver's controller) and their log; \
                          is the storage full?"
            .into();
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
    let at = if places.is_empty() { String::new() } else { format!(" on {}", phrases::list(&places, NAMED)) };
    let (subject, headline, step) = match why {
        StartFailure::Addresses => (
            "addresses",
            format!("pods don't start{at}: no address is left for them"),
            "the subnet or pool of these nodes is used up: add a range, or move pods elsewhere".to_owned(),
        ),
        StartFailure::Sandbox => (
            "sandbox",
            format!("pods don't start{at}: their sandbox (network and container) can't be made"),
            "the network plugin's pod on these nodes and its log; `journalctl -u kubelet -u containerd -n 50`"
                .to_owned(),
        ),
        StartFailure::Volumes => (
            "volumes",
            format!("pods don't start{at}: their volumes can't be attached or mounted"),
            "the CSI driver's controller and its pod on these nodes; `kubectl get volumeattachments`".to_owned(),
        ),
        StartFailure::Quota => (
            "quota",
            format!("pods are not made: the quota is used up ({})", named(pods)),
            "`kubectl -n NAMESPACE describe resourcequota`".to_owned(),
        ),
    };
    let mut finding = o.finding((AlertName::PodsNotStarting, subject), Severity::Warning, headline, pods.since);
    let addon = others.iter().find(|f| f.key.alert == AlertName::AddonDown && follows(pods.since, f.since));
    finding.caused_by = o.lost_before(pods.since).or_else(|| addon.map(|f| f.key.clone()));
    finding.evidence.push(format!("{}: {}", text::plural(pods.count, "pod", "pods"), named(pods)));
    finding.evidence.push(format!("last said at {}: {said}", text::moment(*until)));
    finding.first_step = step;
    Some(finding)
}

fn terminating(o: &Objects<'_>) -> Option<Finding> {
    let stuck = |n: &&TerminatingNamespace| o.lasts(n.since, TERMINATING_FOR);
    let all: Vec<&TerminatingNamespace> = o.situation.terminating.iter().filter(stuck).collect();
    let first = all.iter().min_by_key(|n| n.since)?;
    let names: Vec<&str> = all.iter().map(|n| n.name.as_str()).collect();
    let (subject, verb) = if names.len() == 1 { ("namespace", "does") } else { ("namespaces", "do") };
    let away = o.p.indexed.view.snapshot.away_apis.first().filter(|_| all.iter().any(|n| n.lacks_api));
    let why = away.map(|api| format!(": the API {} does not answer", api.name)).unwrap_or_default();
    let headline =
        format!("{subject} {} {verb} not go since {}{why}", phrases::list(&names, NAMED), text::moment(first.since));
    let mut finding = o.finding((AlertName::NamespacesTerminating, ""), Severity::Warning, headline, first.since);
    finding.caused_by = away.map(|api| o.key(AlertName::AggregatedApiDown, &api.name)).or(finding.caused_by);
    let lines = all.iter().flat_map(|n| n.why.iter().map(move |why| format!("{}: {why}", n.name)));
    finding.evidence = lines.take(NAMED * 2).collect();
    finding.first_step = format!(
        "`kubectl get namespace {} -o yaml`: its conditions name the API or the finalizer that holds it; bring back what \
         would remove that, rather than cut the finalizer",
        first.name
    );
    Some(finding)
}

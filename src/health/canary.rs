//! The canary, where it fails: what is said of it, and which trouble of the cluster explains it.
//!
//! A failed run names a layer. Where the diagnosis knows of a trouble of that layer which is older, the canary is a
//! consequence of it: listed in its incident, never told by itself. What is not known explains nothing.

use std::time::Duration;

use super::{
    phrases,
    say::{self, Sentence},
    time::{follows, later},
    view::ClusterView,
};
use crate::model::{
    AlertName, CanaryFailure, CanaryForm, CanaryLayer, CanaryPlace, CanaryStage, CanaryStanding, Finding, FindingKey,
    Job, Reach, Said, SaidPart, Severity, Topic, text,
};

/// So long a failure waits for what may explain it: a silent API server is confirmed within timeout + 3 s, and its
/// witnesses are waited for up to 15 s.
const AWAITED: Duration = Duration::from_secs(30);
/// So many places are named.
const PLACES_NAMED: usize = 4;
/// So many lines of evidence are given of each place.
const EVIDENCE_MAX: usize = 4;

/// One form at one place that is confirmed to fail.
struct Failing<'a> {
    standing: &'a CanaryStanding,
    failure: &'a CanaryFailure,
    cause: Option<FindingKey>,
}

/// What is wrong with the canary, and whether something is still waited for. `others` are the findings about the cluster
/// and its checks.
pub(super) fn findings(view: &ClusterView<'_>, others: &[Finding]) -> (Vec<Finding>, bool) {
    let (mut found, mut waits) = (Vec::new(), false);
    for form in CanaryForm::ALL {
        let explained = |s: &CanaryStanding, failure: &CanaryFailure| {
            let causes = others.iter().chain(&found).filter(|f| explains(f, s, failure, view));
            causes.max_by_key(|f| f.key.alert.rank()).map(|f| f.key.clone())
        };
        let of_form = view.canaries.iter().filter(|s| s.form == form);
        let failing = of_form.clone().filter_map(|standing| {
            let failure = standing.failing()?;
            Some(Failing { standing, failure, cause: explained(standing, failure) })
        });
        // Of several places, those that nothing explains are told.
        let (open, caused): (Vec<_>, Vec<_>) = failing.partition(|f| f.cause.is_none());
        let told = if open.is_empty() { caused } else { open };
        let Some(first) = told.first() else { continue };
        if first.cause.is_none() && told.iter().all(|f| is_awaited(f.standing, view)) {
            waits = true;
            continue;
        }
        found.push(finding(&told, of_form.count(), view));
    }
    (found, waits)
}

/// Whether what may explain it is not known yet.
fn is_awaited(standing: &CanaryStanding, view: &ClusterView<'_>) -> bool {
    let control = |t: &&super::TargetView<'_>| !matches!(t.job(), Job::Kubelet | Job::KubeProxy);
    !later(view.now, standing.since, AWAITED) && view.targets.iter().filter(control).any(|t| t.is_open())
}

/// Whether a finding is behind a failure: it is as old, and of the layer or the machine that the failure names.
fn explains(f: &Finding, standing: &CanaryStanding, failure: &CanaryFailure, view: &ClusterView<'_>) -> bool {
    if f.severity <= Severity::Info || !follows(standing.since, f.since) {
        return false;
    }
    let is = |layers: &[CanaryLayer]| layers.contains(&failure.layer);
    let of_job = |job: Job| f.labels.get("job").is_some_and(|j| j == job.as_str());
    let on_node = || {
        let node = standing.last.node.as_deref();
        node.is_some() && f.labels.get("node").map(String::as_str) == node && failure.stage > CanaryStage::Scheduled
    };
    let at_place = || {
        let host = |instance: &str| phrases::host(instance).to_owned();
        match (&failure.instance, f.labels.get("instance")) {
            (Some(ours), Some(theirs)) => host(ours) == host(theirs),
            _ => false,
        }
    };
    match f.key.alert {
        AlertName::CheckFailing | AlertName::ChecksFailing | AlertName::LoadBalancerFailing => {
            (is(&[CanaryLayer::Registry, CanaryLayer::Dns]) && at_place())
                || (is(&[CanaryLayer::Dns]) && is_of_dns(f, view))
        }
        AlertName::CanaryFailing => is_of_api(failure) && is_told_of_lighter(f, standing.form),
        AlertName::CredentialsRefused => is(&[CanaryLayer::Authorization]),
        AlertName::SchedulerNoLeader => is(&[CanaryLayer::Scheduler]),
        // It is what binds volumes and makes service accounts.
        AlertName::ControllerManagerNoLeader => is(&[CanaryLayer::ControllerManager, CanaryLayer::Csi]),
        AlertName::ComponentDown => {
            (is(&[CanaryLayer::Scheduler]) && of_job(Job::KubeScheduler))
                || (is(&[CanaryLayer::ControllerManager]) && of_job(Job::KubeControllerManager))
                || (is(&[CanaryLayer::KubeProxy, CanaryLayer::Cni]) && of_job(Job::KubeProxy) && on_node())
        }
        name if f.topic != Topic::Outage => {
            // A CA or a serving certificate that has ended keeps webhooks and kubelets from being called.
            name == AlertName::CertificateUntrusted && is(&[CanaryLayer::ApiServer]) && at_place()
        }
        name => match name.cause().reach {
            Reach::Cluster => true,
            Reach::Nodes => failure.stage >= CanaryStage::Scheduled && !failure.layer.is_ours(),
            Reach::ControlPlane => is_of_api(failure) || is(&[CanaryLayer::Scheduler, CanaryLayer::WatchCache]),
            Reach::Host => {
                on_node()
                    || at_place()
                    || (is_of_api(failure) && failure.instance.is_none() && is_control_plane(f, view))
            }
        },
    }
}

/// Whether the API refused or failed, for a reason of its own.
fn is_of_api(failure: &CanaryFailure) -> bool {
    use CanaryStage::{Admitted, Deleted, Read, Swept, Watched, Written};
    matches!(failure.layer, CanaryLayer::ApiServer | CanaryLayer::Etcd)
        && matches!(failure.stage, Swept | Written | Watched | Read | Admitted | Deleted)
}

/// Whether a finding is about a lighter form: what fails it, fails this one, too.
fn is_told_of_lighter(f: &Finding, form: CanaryForm) -> bool {
    CanaryForm::ALL.iter().take_while(|lighter| **lighter != form).any(|lighter| f.key.subject == lighter.as_str())
}

/// Whether it is about a check that asks the DNS that the cluster serves.
fn is_of_dns(f: &Finding, view: &ClusterView<'_>) -> bool {
    let asks_dns = |t: &super::TargetView<'_>| t.target.spec.check().is_some_and(|check| check.kind == "dns");
    let job = f.labels.get("job");
    view.checks.iter().any(|t| asks_dns(t) && job.is_some_and(|job| job == t.job().as_str()))
}

/// Whether it is about an API server or an etcd member.
fn is_control_plane(f: &Finding, view: &ClusterView<'_>) -> bool {
    let instance = f.labels.get("instance");
    let control = |t: &super::TargetView<'_>| matches!(t.job(), Job::KubeApiserver | Job::Etcd);
    view.targets.iter().any(|t| control(t) && instance.is_some_and(|i| i == t.instance()))
}

/// `in zone b`, `on 2 of 3 nodes (n1 and n2)`; nothing where it may be anywhere.
fn places(told: &[Failing<'_>], total: usize) -> SaidPart {
    let names: Vec<&str> = told.iter().filter_map(|f| Some(f.standing.place.label()?.1)).collect();
    let kind = match told.first().map(|f| &f.standing.place) {
        Some(CanaryPlace::Zone(_)) => "zone",
        Some(CanaryPlace::Node(_)) => "node",
        Some(CanaryPlace::Anywhere) | None => return say::NOTHING.into(),
    };
    match names.as_slice() {
        [] => say::NOTHING.into(),
        [name] => Said::new("canary-place").with("kind", kind).with("name", *name).into(),
        names => {
            let places = Said::new("canary-places").with("kind", kind).with("n", names.len()).with("total", total);
            places.names("names", names, PLACES_NAMED).into()
        }
    }
}

fn headline(told: &[Failing<'_>], total: usize) -> Sentence {
    let Some(Failing { standing, failure, .. }) = told.first() else { return String::new().into() };
    let who = match standing.form {
        CanaryForm::Lease => Said::new("canary-lease"),
        CanaryForm::Pod => Said::new("canary-pod").with("place", places(told, total)),
        CanaryForm::DryRun => Said::new("canary-write"),
    };
    let fails = Said::new("canary-fails").with("who", who).with("stage", failure.stage.as_str());
    fails.with("layer", failure.layer.as_str()).with("why", &failure.why).into()
}

fn finding(told: &[Failing<'_>], total: usize, view: &ClusterView<'_>) -> Finding {
    let since = told.iter().map(|f| f.standing.since).min().unwrap_or(view.now);
    let severity = told.iter().map(|f| f.standing.severity()).max().unwrap_or(Severity::Warning);
    let form = told.first().map_or(CanaryForm::Pod, |f| f.standing.form);
    let layer = told.first().map_or(CanaryLayer::ApiServer, |f| f.failure.layer);
    let key = FindingKey {
        cluster: view.cluster.clone(),
        alert: AlertName::CanaryFailing,
        subject: form.as_str().to_owned(),
    };
    let Sentence { text, said } = headline(told, total);
    let mut finding = Finding::new(key, severity, Topic::Outage, text, since);
    finding.said.extend(said);
    finding.caused_by = told.first().and_then(|f| f.cause.clone());
    finding.evidence = told.iter().flat_map(evidence).collect();
    say::first_step(&mut finding, Said::new("step-canary").with("layer", layer.as_str()));
    finding.labels.insert("canary".into(), form.as_str().into());
    if let [Failing { standing, failure, .. }] = told {
        let place = standing.place.label().map(|(name, value)| (name.to_owned(), value.to_owned()));
        finding.labels.extend(place);
        finding.labels.extend(failure.instance.clone().map(|i| ("instance".to_owned(), i)));
    }
    finding
}

fn evidence(failing: &Failing<'_>) -> Vec<String> {
    let Failing { standing, failure, .. } = failing;
    let place = standing.place.label().map(|(name, value)| format!(" ({name} {value})")).unwrap_or_default();
    let node = standing.last.node.as_ref().map(|node| format!(" on {node}")).unwrap_or_default();
    let well = standing.last_success.map(|at| format!("; last well {}", text::moment(at))).unwrap_or_default();
    let first = format!(
        "canary {}{place} fails since {}, {} runs in a row, the last one at \"{}\"{node}{well}",
        standing.form.as_str(),
        text::moment(standing.since),
        standing.failures,
        failure.stage
    );
    std::iter::once(first).chain(failure.evidence.iter().take(EVIDENCE_MAX).cloned()).collect()
}

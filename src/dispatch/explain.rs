//! Which alerts the diagnosis explains: those that say the same, and those that follow from it. Pure.
//!
//! Alerts and findings are held against each other on one snapshot, so that a consequence is never out before its cause
//! because it was evaluated first (the race of prometheus/alertmanager #2229).

use std::time::Duration;

use super::{picture::Picture, rank::hosts_of};
use crate::model::{Alert, AlertName, Family, Finding, FindingKey, Pairs, Reach, Severity, Topic};

/// An alert may have been seen so long before its cause: rules look at other moments than probes.
const SLACK: Duration = Duration::from_secs(60);

/// What the diagnosis makes of an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Explained {
    /// It says what a finding says already.
    Same(FindingKey),
    /// It follows from this root.
    By(FindingKey),
}

/// Components that live and die with the control plane, by the `job` that dogwatch and kube-prometheus give them.
const CONTROL_PLANE: [&str; 9] = [
    "apiserver",
    "kube-apiserver",
    "etcd",
    "kube-etcd",
    "kube-scheduler",
    "kube-controller-manager",
    "kubelet",
    "kube-proxy",
    "kube-state-metrics",
];

/// Holds one alert against the picture of its cluster. `ours`: it is of our own rules, which look from outside at nothing
/// but the cluster.
pub(super) fn explain(alert: &Alert, ours: bool, picture: &Picture<'_>) -> Option<Explained> {
    let name = alert.name();
    let known = AlertName::known(name);
    let mut findings = picture.findings.values().copied();
    if let Some(same) = findings.find(|f| Some(f.key.alert) == known && agree(alert, f)) {
        return Some(Explained::Same(same.key.clone()));
    }
    let outage = |f: &&Finding| f.topic == Topic::Outage && f.severity > Severity::Info;
    let by = |f: &Finding| picture.root_of(f).map(|root| Explained::By(root.key.clone()));
    let follows = |f: &&Finding| {
        let earliest = f.since.checked_sub(SLACK).unwrap_or(f.since);
        alert.starts_at >= earliest
    };
    let candidates = || picture.findings.values().copied().filter(outage).filter(follows);
    let kin = candidates().find(|f| known.is_some_and(|k| k.is_kin(f.key.alert)));
    let host = candidates().find(|f| share_host(alert, f));
    let wide = picture.roots().filter(outage).filter(follows).find(|f| reaches(f.key.alert, alert, ours));
    kin.or(host).or(wide).and_then(by)
}

/// Whether an alert may be about what a finding is about, or come of it.
pub(super) fn is_related(alert: &Alert, ours: bool, finding: &Finding) -> bool {
    let known = AlertName::known(alert.name());
    let same = known == Some(finding.key.alert) && agree(alert, finding);
    let kin = || known.is_some_and(|k| k.is_kin(finding.key.alert));
    let reached = || reaches(finding.key.alert, alert, ours) || disturbs(finding, alert);
    // Only an outage has consequences.
    same || (finding.topic == Topic::Outage && (kin() || share_host(alert, finding) || reached()))
}

fn share_host(alert: &Alert, finding: &Finding) -> bool {
    hosts_of(&alert.labels).any(|h| hosts_of(&finding.labels).any(|g| g == h))
}

/// Whether what one part of a component does shows in what is measured of the whole. Members of etcd work together, and
/// every API server stands on them; of other components one machine disturbs what is counted over all.
fn disturbs(finding: &Finding, alert: &Alert) -> bool {
    let job = |labels: &Pairs| labels.get("job").and_then(|job| family_of(job));
    let of = finding.key.alert.cause().family.or_else(|| job(&finding.labels));
    let about = job(&alert.labels).or_else(|| family_of(alert.name()));
    match (of, about) {
        (Some(Family::Etcd), Some(Family::Etcd | Family::ApiServer)) => true,
        (Some(of), Some(about)) => of == about && hosts_of(&alert.labels).next().is_none(),
        _ => false,
    }
}

/// What a job or the name of an alert is about, as dogwatch, kube-prometheus and the Kubernetes mixin write them.
fn family_of(name: &str) -> Option<Family> {
    let begins = |with: &[&str]| with.iter().any(|w| name.starts_with(w));
    if begins(&["etcd", "kube-etcd", "Etcd"]) {
        Some(Family::Etcd)
    } else if begins(&["kube-apiserver", "apiserver", "ApiServer", "KubeAPI", "APIServer"]) {
        Some(Family::ApiServer)
    } else if begins(&["kubelet", "kube-proxy", "Node", "Kubelet", "KubeNode"]) {
        Some(Family::Nodes)
    } else {
        None
    }
}

/// No label that tells one from another differs.
fn agree(alert: &Alert, finding: &Finding) -> bool {
    const IDENTITY: [&str; 6] = ["instance", "node", "host", "job", "heartbeat", "rule"];
    IDENTITY.iter().all(|name| match (alert.labels.get(*name), finding.labels.get(*name)) {
        (Some(a), Some(b)) => a == b,
        _ => true,
    })
}

/// Whether a trouble of the whole cluster takes this alert along.
fn reaches(root: AlertName, alert: &Alert, ours: bool) -> bool {
    let of_control_plane = CONTROL_PLANE.contains(&alert.label("job"))
        || ["Kube", "kube", "etcd", "API"].iter().any(|p| alert.name().starts_with(p));
    match root.cause().reach {
        // What our own rules see of the cluster they see through what is down; a node that is really lost is a finding.
        Reach::Cluster => ours || of_control_plane,
        Reach::ControlPlane => of_control_plane,
        Reach::Nodes => alert.labels.contains_key("node") || matches!(alert.label("job"), "kubelet" | "kube-proxy"),
        Reach::Host => false,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{
        model::{Diagnosis, Pairs},
        notify::example,
    };

    fn alert(labels: &str, since: &str) -> Alert {
        let labels: Pairs =
            labels.split_whitespace().filter_map(|p| p.split_once('=')).map(|(k, v)| (k.into(), v.into())).collect();
        Alert {
            labels,
            annotations: Pairs::new(),
            starts_at: example::at(since),
            ends_at: None,
            generator_url: String::new(),
        }
    }

    fn check(findings: Vec<Finding>, alert: &Alert, ours: bool, expected: Option<&str>) {
        let diagnosis =
            Diagnosis { cluster: "prod".into(), at: Timestamp::UNIX_EPOCH, findings, unsettled: false, blind: false };
        let said = explain(alert, ours, &Picture::new(&diagnosis)).map(|e| match e {
            Explained::Same(key) => format!("same {}", key.alert),
            Explained::By(key) => format!("by {}", key.alert),
        });
        assert_eq!(said.as_deref(), expected, "{:?}", alert.labels);
    }

    #[test]
    fn an_alert_is_the_same_a_consequence_or_its_own() {
        let finding = |name, labels: &[(&str, &str)]| Finding {
            labels: labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            ..example::finding(name, "", "x")
        };
        let down =
            || vec![finding(AlertName::ApiServerDown, &[("instance", "10.0.0.1:6443"), ("job", "kube-apiserver")])];
        check(
            down(),
            &alert("alertname=ApiServerDown instance=10.0.0.1:6443", "14:02:30"),
            true,
            Some("same ApiServerDown"),
        );
        check(
            down(),
            &alert("alertname=ApiServerDown instance=10.0.0.2:6443", "14:02:30"),
            true,
            Some("by ApiServerDown"),
        );
        check(down(), &alert("alertname=Slow instance=10.0.0.1:2379", "14:02:30"), true, Some("by ApiServerDown"));
        check(down(), &alert("alertname=Slow instance=10.0.0.1:2379", "13:02:30"), true, None);
        check(down(), &alert("alertname=Slow instance=10.0.0.9:2379", "14:02:30"), true, None);
        let quorum = || vec![finding(AlertName::EtcdQuorumLost, &[("job", "etcd")])];
        check(quorum(), &alert("alertname=ApiServerBurn", "14:02:30"), true, Some("by EtcdQuorumLost"));
        check(quorum(), &alert("alertname=ApiServerBurn", "14:02:30"), false, None);
        check(quorum(), &alert("alertname=KubeAPIDown", "14:02:30"), false, Some("by EtcdQuorumLost"));
        check(quorum(), &alert("alertname=ShopDown", "14:02:30"), false, None);
        check(Vec::new(), &alert("alertname=ApiServerDown", "14:02:30"), true, None);
    }
}

//! Which alerts the diagnosis explains: those that say the same, and those that follow from it. Pure.
//!
//! Alerts and findings are held against each other on one snapshot, so that a consequence is never out before its cause
//! because it was evaluated first (the race of prometheus/alertmanager #2229).

use std::time::Duration;

use super::{diagnosis_view::DiagnosisView, precedence::hosts_of};
use crate::model::{Alert, AlertName, Family, Finding, FindingKey, Reach, Severity, Topic};

/// An alert may have been seen so long before its cause: rules look at other moments than probes.
const SLACK: Duration = Duration::from_secs(60);

/// Says what the diagnosis makes of an alert.
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
pub(super) fn explain(alert: &Alert, ours: bool, picture: &DiagnosisView<'_>) -> Option<Explained> {
    let about = About::new(alert, ours);
    let known = about.known;
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
    let related = candidates().find(|f| known.is_some_and(|k| k.is_related(f.key.alert)));
    let host = candidates().find(|f| share_host(alert, f));
    let wide = picture.roots().filter(outage).filter(follows).find(|f| about.is_reached_by(f.key.alert));
    related.or(host).or(wide).and_then(by)
}

/// Says how closely an alert hangs together with a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tie {
    /// It is about the same, about what that grows out of or into, or about the same machine.
    Close,
    /// It is about something that the finding takes along or disturbs.
    Wide,
}

/// All of a finding that says what it may be behind, save its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    pub(super) name: AlertName,
    family: Option<Family>,
    /// Only an outage is behind other things.
    pub(super) is_outage: bool,
}

impl Kind {
    pub(super) fn of(finding: &Finding) -> Self {
        let by_job = || finding.labels.get("job").and_then(|job| family_of(job));
        let name = finding.key.alert;
        Self { name, family: name.cause().family.or_else(by_job), is_outage: finding.topic == Topic::Outage }
    }
}

/// Holds what an alert is about, as far as it says what may be behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct About {
    /// The finding whose name it has.
    pub(super) known: Option<AlertName>,
    ours: bool,
    of_control_plane: bool,
    of_nodes: bool,
    family: Option<Family>,
    names_no_host: bool,
}

impl About {
    pub(super) fn new(alert: &Alert, ours: bool) -> Self {
        let (name, job) = (alert.name(), alert.label("job"));
        Self {
            known: AlertName::known(name),
            ours,
            of_control_plane: CONTROL_PLANE.contains(&job)
                || ["Kube", "kube", "etcd", "API"].iter().any(|p| name.starts_with(p)),
            of_nodes: alert.labels.contains_key("node") || matches!(job, "kubelet" | "kube-proxy"),
            family: family_of(job).or_else(|| family_of(name)),
            names_no_host: hosts_of(&alert.labels).next().is_none(),
        }
    }

    /// Returns what ties it to findings of a kind, whatever their machine.
    pub(super) fn tie(&self, kind: Kind) -> Option<Tie> {
        // Only an outage has consequences.
        if !kind.is_outage {
            None
        } else if self.known.is_some_and(|k| k.is_related(kind.name)) {
            Some(Tie::Close)
        } else {
            (self.is_reached_by(kind.name) || self.is_disturbed_by(kind)).then_some(Tie::Wide)
        }
    }

    /// Whether a trouble of the whole cluster takes this alert along.
    fn is_reached_by(&self, root: AlertName) -> bool {
        match root.cause().reach {
            // What our own rules see of the cluster they see through what is down; a node that is really lost is a finding.
            Reach::Cluster => self.ours || self.of_control_plane,
            Reach::ControlPlane => self.of_control_plane,
            Reach::Nodes => self.of_nodes,
            Reach::Host => false,
        }
    }

    /// Whether what one part of a component does shows in what is measured of the whole. Members of etcd work together, and
    /// every API server stands on them; of other components one machine disturbs what is counted over all.
    fn is_disturbed_by(&self, kind: Kind) -> bool {
        match (kind.family, self.family) {
            (Some(Family::Etcd), Some(Family::Etcd | Family::ApiServer)) => true,
            (Some(of), Some(about)) => of == about && self.names_no_host,
            _ => false,
        }
    }
}

/// Returns whether an alert says what a finding of its name says.
pub(super) fn says_the_same(alert: &Alert, about: &About, finding: &Finding) -> bool {
    about.known == Some(finding.key.alert) && agree(alert, finding)
}

/// Returns whether it is an alert that a budget is being spent: by the labels that the Site Reliability Workbook's rules
/// (chapter 5) have in the Kubernetes mixin, Pyrra and our own `alerts/slo.yml`. What spent the budget once stays in
/// its sums for their whole length.
pub(super) fn is_of_budget(alert: &Alert) -> bool {
    ["long", "short"].iter().all(|name| !alert.label(name).is_empty())
}

fn share_host(alert: &Alert, finding: &Finding) -> bool {
    hosts_of(&alert.labels).any(|h| hosts_of(&finding.labels).any(|g| g == h))
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
    const IDENTITY: [&str; 8] = ["instance", "node", "host", "job", "heartbeat", "restore_drill", "rule", "canary"];
    IDENTITY.iter().all(|name| match (alert.labels.get(*name), finding.labels.get(*name)) {
        (Some(a), Some(b)) => a == b,
        _ => true,
    })
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
        let diagnosis = Diagnosis {
            cluster: "prod".into(),
            at: Timestamp::UNIX_EPOCH,
            findings,
            unsettled: false,
            blind: false,
            changes: Default::default(),
        };
        let said = explain(alert, ours, &DiagnosisView::new(&diagnosis)).map(|e| match e {
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

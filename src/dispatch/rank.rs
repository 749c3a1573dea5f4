//! Which of several findings explains most, and which belong together. The only place that knows one alert from another.

use std::cmp::Reverse;

use jiff::Timestamp;

use crate::model::{AlertName, Finding, IncidentAlert, Pairs, Severity};

/// How much an alert explains; a higher one gives the incident its headline. The same order as a diagnosis has.
pub(super) fn rank(alert: AlertName) -> u8 {
    use AlertName as A;
    match alert {
        A::WatchdogCutOff => 24,
        A::ClusterUnreachable => 23,
        A::EtcdQuorumLost => 22,
        A::ControlPlaneHostDown => 21,
        A::ApiServersDown => 20,
        A::ApiServerAddressDown => 19,
        A::EtcdAlarm => 18,
        A::EtcdMemberDown => 17,
        A::NodesDown => 16,
        A::SchedulerNoLeader => 15,
        A::ControllerManagerNoLeader => 14,
        A::ApiServerDown => 13,
        A::NodeDown => 12,
        A::EtcdMemberUnhealthy => 11,
        A::ApiServerUnhealthy => 10,
        A::KubeletDown => 9,
        A::NodeNotReady => 8,
        A::ComponentDown => 7,
        A::KubeletUnreachable => 6,
        A::CredentialsRefused => 5,
        A::CertificateUntrusted => 4,
        A::CertificateExpiring => 3,
        A::TargetFlapping => 2,
        A::ClusterNotWatched | A::StoreFailing => 1,
        A::InClusterMonitoringSilent
        | A::HeartbeatLate
        | A::HeartbeatFailed
        | A::HeartbeatTooLong
        | A::RuleFailing
        | A::ReceiverFailing
        | A::DrillFailed
        | A::Drill
        | A::Other => 0,
    }
}

/// Orders the alerts of an incident, root first: what fires before what ended, roots before consequences, then the
/// worst, the one that explains most, the newest.
pub(super) fn order(alert: &IncidentAlert) -> impl Ord + use<> {
    let finding = &alert.finding;
    (
        alert.ended_at.is_some(),
        finding.caused_by.is_some(),
        Reverse(weight(finding)),
        Reverse(alert.opened_at),
        finding.key.clone(),
    )
}

/// The worst and most telling root that an incident ever had: its headline once it is over.
pub(super) fn worst(alerts: &[IncidentAlert]) -> Option<&IncidentAlert> {
    let key = |a: &&IncidentAlert| (a.finding.caused_by.is_none(), weight(&a.finding), a.opened_at);
    alerts.iter().max_by_key(key)
}

fn weight(finding: &Finding) -> (Severity, u8) {
    (finding.severity, rank(finding.key.alert))
}

/// `a` explains more than `b`, or is worse.
pub(super) fn outweighs(a: &Finding, b: &Finding) -> bool {
    weight(a) > weight(b)
}

/// Components whose troubles grow out of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Etcd,
    ApiServer,
    Nodes,
}

fn family(alert: AlertName) -> Option<Family> {
    use AlertName as A;
    match alert {
        A::EtcdQuorumLost | A::EtcdMemberDown | A::EtcdMemberUnhealthy | A::EtcdAlarm => Some(Family::Etcd),
        A::ApiServersDown | A::ApiServerDown | A::ApiServerUnhealthy | A::ApiServerAddressDown => {
            Some(Family::ApiServer)
        }
        A::NodesDown | A::NodeDown => Some(Family::Nodes),
        _ => None,
    }
}

/// One grows out of the other, however long ago that began. Two single nodes are no kin: they fail for their own reasons.
pub(super) fn kin(a: AlertName, b: AlertName) -> bool {
    family(a).is_some() && family(a) == family(b) && (a, b) != (AlertName::NodeDown, AlertName::NodeDown)
}

/// `new` is what is left of `told`: quorum is back, one member is still down.
pub(super) fn is_relief(told: AlertName, new: AlertName) -> bool {
    family(told).is_some() && family(told) == family(new) && rank(told) > rank(new)
}

/// Both are about one machine.
pub(super) fn share_host(a: &Finding, b: &Finding) -> bool {
    hosts(a).any(|x| hosts(b).any(|y| x == y))
}

fn hosts(finding: &Finding) -> impl Iterator<Item = &str> {
    hosts_of(&finding.labels)
}

/// The machines that labels name.
pub(super) fn hosts_of(labels: &Pairs) -> impl Iterator<Item = &str> {
    let label = |name| labels.get(name).map(String::as_str);
    [label("node"), label("host"), label("instance").map(without_port)].into_iter().flatten().filter(|h| !h.is_empty())
}

fn without_port(instance: &str) -> &str {
    match instance.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => instance,
    }
}

/// When an incident last changed: the newest opening or ending.
pub(super) fn changed_at(alerts: &[IncidentAlert]) -> Option<Timestamp> {
    alerts.iter().map(|a| a.ended_at.map_or(a.opened_at, |e| e.max(a.opened_at))).max()
}

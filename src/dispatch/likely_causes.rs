//! Which changes may be the cause of an incident, likeliest first. Pure; docs/recorder.md tells the rules.
//!
//! A change earns points for three things: its kind is known to break what is broken; it reaches what is broken; and it came
//! shortly before. What an outage itself brings about is no cause where it came after the beginning.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;

use super::precedence::hosts_of;
use crate::model::{ChangeKind, ChangeScope, Concern, Finding, Incident, IncidentChange, RecentChange, Topic};

/// What changed so long before an incident began is listed with it.
const BEFORE: Duration = Duration::from_secs(30 * 60);
/// Clocks and lists are late: what was seen so soon after the beginning may have come before.
const AFTER: Duration = Duration::from_secs(60);
/// Points for a kind of change that is known to break this.
const KNOWN_TO_BREAK: u32 = 30;
/// Points for a change of exactly what is broken: the same node, the same workload …
const SAME: u32 = 40;
/// … for one in the same namespace …
const NEAR_BY: u32 = 15;
/// … and for one that reaches all of the cluster.
const EVERYWHERE: u32 = 10;
/// Points for a change at the moment of the beginning; one fewer for each minute before.
const AT_ONCE: u32 = 30;
/// What is in this namespace serves all of the cluster.
const SYSTEM: &str = "kube-system";
/// Labels by which alerts name what they are about.
const OF_WORKLOADS: [&str; 7] = ["workload", "deployment", "statefulset", "daemonset", "pod", "job_name", "service"];

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Broken {
    /// Something of a cluster.
    Of(Concern),
    /// dogwatch itself.
    Own,
}

/// What an incident is about.
#[derive(Debug, Default)]
struct About<'a> {
    broken: BTreeSet<Broken>,
    hosts: BTreeSet<&'a str>,
    namespaces: BTreeSet<&'a str>,
    workloads: BTreeSet<&'a str>,
}

impl<'a> About<'a> {
    fn of(incident: &'a Incident) -> Self {
        let mut about = Self::default();
        for finding in incident.alerts.iter().map(|a| &a.finding) {
            about.broken.insert(broken(finding));
            about.hosts.extend(hosts_of(&finding.labels));
            about.hosts.insert(&finding.key.subject);
            about.namespaces.extend(finding.labels.get("namespace").map(String::as_str));
            let named = OF_WORKLOADS.iter().filter_map(|label| finding.labels.get(*label)).map(String::as_str);
            for name in named.clone().chain([finding.key.subject.as_str()]) {
                if let Some((namespace, name)) = name.rsplit_once('/') {
                    about.namespaces.insert(namespace);
                    about.workloads.insert(name);
                }
            }
            about.workloads.extend(named);
        }
        about
    }

    fn points(&self, change: &RecentChange) -> u32 {
        self.reach(change) + if self.is_known_to_break(change) { KNOWN_TO_BREAK } else { 0 }
    }

    fn is_known_to_break(&self, change: &RecentChange) -> bool {
        self.broken.iter().any(|broken| breaks(change.kind, *broken))
    }

    fn reach(&self, change: &RecentChange) -> u32 {
        match &change.scope {
            ChangeScope::Node(node) if self.hosts.contains(&**node) => SAME,
            // A pod's name begins with its workload's.
            ChangeScope::Workload(namespace, name)
                if self.namespaces.contains(&**namespace) && self.workloads.iter().any(|w| w.starts_with(&**name)) =>
            {
                SAME
            }
            ChangeScope::Workload(namespace, _) | ChangeScope::Namespace(namespace)
                if self.namespaces.contains(&**namespace) =>
            {
                NEAR_BY
            }
            ChangeScope::Workload(namespace, _) | ChangeScope::Namespace(namespace) if &**namespace == SYSTEM => {
                EVERYWHERE
            }
            ChangeScope::Cluster => EVERYWHERE,
            _ => 0,
        }
    }
}

fn broken(finding: &Finding) -> Broken {
    match finding.topic {
        _ if finding.key.cluster.is_empty() => Broken::Own,
        Topic::Certificates | Topic::Credentials => Broken::Of(Concern::Certificates),
        _ => Broken::Of(finding.key.alert.concern()),
    }
}

/// Which kinds of changes are known to break what.
fn breaks(kind: ChangeKind, broken: Broken) -> bool {
    use ChangeKind as K;
    use Concern::{Certificates, ControlPlane, Nodes, Served};
    let Broken::Of(concern) = broken else { return kind == K::Dogwatch };
    match kind {
        K::Rollout | K::Respecified | K::WorkloadRemoved => concern == Served,
        K::Scaled | K::PriorityClass | K::StorageClass => concern == Served,
        K::NodeCordoned | K::NodeRemoved => matches!(concern, Nodes | Served),
        K::NodeRebooted | K::NodeSoftware => matches!(concern, Nodes | ControlPlane),
        K::ControlPlane | K::ApiService | K::ObjectCount => concern == ControlPlane,
        K::Webhook | K::CustomResource => matches!(concern, ControlPlane | Served),
        // Who lost a right is refused (403), and a controller or an operator goes on without doing anything.
        K::RbacBinding => matches!(concern, Certificates | ControlPlane | Served),
        K::Certificate => true,
        K::NodeAdded | K::NodeUncordoned | K::WorkloadAdded | K::FirstWarning | K::Dogwatch => false,
    }
}

/// Returns what may be the cause of an incident, likeliest first; changes that are alike are one.
pub(super) fn likely<'a>(incident: &Incident, changes: impl Iterator<Item = &'a RecentChange>) -> Vec<IncidentChange> {
    let about = About::of(incident);
    let began = incident.started_at;
    /// Of changes that are alike: the most points, and all of them, oldest first.
    type Alike<'a> = (u32, Vec<&'a RecentChange>);
    let mut groups: BTreeMap<(ChangeKind, &str, bool), Alike<'_>> = BTreeMap::new();
    for change in changes.filter(|change| is_in_time(change, began)) {
        let points = about.points(change) + nearness(change, began);
        let group = groups.entry((change.kind, &change.detail, change.since.is_some())).or_default();
        group.0 = group.0.max(points);
        group.1.push(change);
    }
    let mut ranked: Vec<(u32, IncidentChange)> = Vec::new();
    for ((kind, detail, _), (points, alike)) in groups {
        let mut subjects: Vec<&str> = alike.iter().map(|c| c.subject.as_str()).collect();
        subjects.sort_unstable();
        subjects.dedup();
        let Some(at) = alike.iter().map(|c| c.at).max() else { continue };
        let since = alike.iter().filter_map(|c| c.since).min();
        ranked.push((points, IncidentChange { at, since, kind, what: kind.words(&subjects, detail) }));
    }
    ranked.sort_by_key(|(points, change)| (Reverse(*points), Reverse(change.at), change.what.clone()));
    ranked.into_iter().take(IncidentChange::MAX).map(|(_, change)| change).collect()
}

/// Returns the changes that are suspected: in time, within reach, and of a kind that is known to break what is broken.
pub(super) fn suspects<'a>(
    incident: &Incident,
    changes: impl Iterator<Item = &'a RecentChange>,
) -> Vec<&'a RecentChange> {
    let about = About::of(incident);
    let is_suspect = |c: &RecentChange| about.is_known_to_break(c) && about.reach(c) > 0;
    changes.filter(|c| is_in_time(c, incident.started_at) && is_suspect(c)).collect()
}

fn is_in_time(change: &RecentChange, began: Timestamp) -> bool {
    let from = began.checked_sub(BEFORE).unwrap_or(Timestamp::MIN);
    let to = began.checked_add(AFTER).unwrap_or(Timestamp::MAX);
    match change.since {
        // Whenever it was, it may have been before.
        Some(since) => since <= began && change.at >= from,
        None if change.at > began => change.at <= to && !change.kind.may_be_effect(),
        None => change.at >= from,
    }
}

/// One point fewer for each minute before the beginning.
fn nearness(change: &RecentChange, began: Timestamp) -> u32 {
    let before = began.duration_since(change.at.min(began)).unsigned_abs();
    AT_ONCE.saturating_sub(u32::try_from(before.as_secs() / 60).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AlertName, FindingKey, IncidentAlert, Severity};

    /// Name, subject and labels.
    type Alerting<'a> = (AlertName, &'a str, &'a [(&'a str, &'a str)]);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_413_600 + seconds).unwrap()
    }

    fn incident(alerts: &[Alerting<'_>]) -> Incident {
        let mut incident =
            Incident::new(1, "prod".into(), Topic::Outage, at(0), "it is broken".into(), Severity::Critical);
        for (alert, subject, labels) in alerts {
            let key = FindingKey { cluster: "prod".into(), alert: *alert, subject: (*subject).into() };
            let mut finding = Finding::new(key, Severity::Critical, Topic::Outage, "x".into(), at(0));
            finding.labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            incident.alerts.push(IncidentAlert::new(finding, at(0)));
        }
        incident
    }

    fn change(kind: ChangeKind, subject: &str, detail: &str, scope: ChangeScope, seconds: i64) -> RecentChange {
        let (subject, detail) = (subject.to_owned(), detail.to_owned());
        RecentChange { at: at(seconds), since: None, kind, subject, detail, scope }
    }

    fn of_node(kind: ChangeKind, node: &str, seconds: i64) -> RecentChange {
        change(kind, node, "", ChangeScope::Node(node.into()), seconds)
    }

    fn rollout(name: &str, seconds: i64) -> RecentChange {
        let scope = ChangeScope::Workload("shop".into(), name.into());
        change(ChangeKind::Rollout, &format!("shop/{name}"), &format!("image {name}:1 → {name}:2"), scope, seconds)
    }

    fn hook(seconds: i64) -> RecentChange {
        let what = "ValidatingWebhookConfiguration guard";
        change(ChangeKind::Webhook, what, "created", ChangeScope::Cluster, seconds)
    }

    fn told(incident: &Incident, changes: &[RecentChange]) -> Vec<String> {
        likely(incident, changes.iter()).into_iter().map(|c| c.what).collect()
    }

    #[test]
    fn of_a_lost_node_its_own_changes_come_first() {
        let node = incident(&[(AlertName::NodeDown, "w1", &[("node", "w1")])]);
        let changes = [
            rollout("api", -10),
            of_node(ChangeKind::NodeCordoned, "w2", -60),
            of_node(ChangeKind::NodeSoftware, "w1", -900),
        ];
        assert_eq!(
            told(&node, &changes),
            [" on node w1", "node w2 cordoned", "rollout of shop/api: image api:1 → api:2"]
        );
    }

    #[test]
    fn of_what_is_served_the_nearest_rollout_comes_first() {
        let check = incident(&[(AlertName::CheckFailing, "shop", &[])]);
        let changes = [rollout("old", -1_500), rollout("api", -120), of_node(ChangeKind::NodeAdded, "w9", -60)];
        let first = "rollout of shop/api: image api:1 → api:2";
        assert_eq!(told(&check, &changes), [first, "rollout of shop/old: image old:1 → old:2", "node w9 added"]);
        let alert = incident(&[(AlertName::Other, "x", &[("namespace", "shop"), ("deployment", "old")])]);
        assert_eq!(told(&alert, &changes)[0], "rollout of shop/old: image old:1 → old:2", "it is about that one");
    }

    #[test]
    fn of_the_control_plane_what_all_goes_through_comes_first() {
        let api = incident(&[(AlertName::ApiServersDown, "", &[])]);
        let flags = change(ChangeKind::ControlPlane, "kube-apiserver on cp1", "x", ChangeScope::Cluster, -300);
        let all = told(&api, &[rollout("api", -10), hook(-600), flags]);
        let hook = "ValidatingWebhookConfiguration guard created";
        assert_eq!(all, ["kube-apiserver on cp1: x", hook, "rollout of shop/api: image api:1 → api:2"]);
    }

    #[test]
    fn what_the_outage_brought_about_is_no_cause() {
        let node = incident(&[(AlertName::NodeDown, "w1", &[("node", "w1")])]);
        let changes = [
            of_node(ChangeKind::NodeRemoved, "w1", 30),
            of_node(ChangeKind::NodeRebooted, "w1", 40),
            change(ChangeKind::FirstWarning, "w1", "x", ChangeScope::Node("w1".into()), 5),
            of_node(ChangeKind::NodeCordoned, "w1", 50),
            of_node(ChangeKind::NodeCordoned, "w2", 70),
            of_node(ChangeKind::NodeRebooted, "w1", -1_801),
        ];
        assert_eq!(told(&node, &changes), ["node w1 cordoned"]);
        let unseen = RecentChange { since: Some(at(-9_000)), ..of_node(ChangeKind::NodeRebooted, "w1", 3_000) };
        assert_eq!(told(&node, &[unseen]), ["node w1 rebooted"], "whenever it was");
    }

    #[test]
    fn what_is_alike_is_one_and_there_is_a_limit() {
        let node = incident(&[(AlertName::NodesDown, "", &[])]);
        let cordoned: Vec<_> = (0..12).map(|i| of_node(ChangeKind::NodeCordoned, &format!("w{i:02}"), -i)).collect();
        assert_eq!(told(&node, &cordoned), ["12 nodes cordoned (w00, w01, w02 and 9 more)"]);
        let many: Vec<_> = (0..100).map(|i| rollout(&format!("a{i}"), -i)).collect();
        let all = told(&node, &many);
        assert_eq!((all.len(), &*all[0]), (IncidentChange::MAX, "rollout of shop/a0: image a0:1 → a0:2"));
    }
}

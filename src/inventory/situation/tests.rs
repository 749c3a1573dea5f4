//! Objects as they come, and what they amount to.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{super::object::made, *};
use crate::model::{AddonRole, StartFailure};

const KINDS: [&str; 18] = [
    "pods",
    "nodes",
    "deployments",
    "statefulsets",
    "daemonsets",
    "cronjobs",
    "services",
    "endpointslices",
    "namespaces",
    "persistentvolumeclaims",
    "storageclasses",
    "schedules",
    "backups",
    "volumesnapshots",
    "replicasets",
    "jobs",
    "poddisruptionbudgets",
    "events",
];

/// Seconds after 06:00.
pub(super) fn t(seconds: i64) -> Timestamp {
    "2026-11-23T06:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

/// A cluster whose kinds were all listed.
pub(super) struct Told {
    pub(super) summary: Summary,
    known: std::collections::BTreeMap<(String, String), Object>,
}

impl Told {
    pub(super) fn new() -> Self {
        let mut summary = Summary::default();
        KINDS.into_iter().for_each(|kind| summary.listed(kind));
        Self { summary, known: std::collections::BTreeMap::new() }
    }

    pub(super) fn is(&mut self, at: i64, resource: &str, key: &str, fields: Value) -> &mut Self {
        let object = made(resource, key, fields);
        let id = (resource.to_owned(), key.to_owned());
        let before = self.known.get(&id).cloned().filter(|o| o.resource != "events");
        let news = News { object: &object, before: before.as_ref(), is_gone: false, source: Source::Seen, at: t(at) };
        self.summary.take(&news);
        self.known.insert(id, object);
        self
    }

    pub(super) fn gone(&mut self, at: i64, resource: &str, key: &str) -> &mut Self {
        let object = self.known.remove(&(resource.to_owned(), key.to_owned())).unwrap();
        self.summary.take(&News { object: &object, before: None, is_gone: true, source: Source::Seen, at: t(at) });
        self
    }

    pub(super) fn at(&mut self, seconds: i64) -> Situation {
        KINDS.into_iter().for_each(|kind| self.summary.seen(kind, t(seconds)));
        self.summary.situation(t(seconds))
    }
}

fn pod(node: &str, owner: (&str, &str), status: Value) -> Value {
    let (kind, name) = owner;
    json!({
        "metadata": {"creationTimestamp": "2026-11-23T06:00:00Z", "ownerReferences": {name: {"kind": kind, "controller": true}}},
        "spec": {"nodeName": node}, "status": status,
    })
}

fn running() -> Value {
    json!({"phase": "Running", "conditions": {"Ready": {"status": "True"}}})
}

fn webhook(policy: &str, selector: Value) -> Value {
    json!({"webhooks": {"validate.x.svc": {
        "failurePolicy": policy, "namespaceSelector": {"matchLabels": selector},
        "clientConfig": {"service": {"namespace": "x", "name": "hook"}},
        "rules": [{"operations": ["CREATE", "UPDATE"], "resources": ["pods"], "apiGroups": [""]}],
    }}})
}

fn slice(ready: Value) -> Value {
    json!({"metadata": {"labels": {"kubernetes.io/service-name": "hook"}}, "endpoints": {"10.0.0.1": {"conditions": {"ready": ready}}}})
}

#[test]
fn a_webhook_is_dead_while_nothing_is_ready_behind_it() {
    let mut told = Told::new();
    told.is(0, "validatingwebhookconfigurations", "x", webhook("Fail", json!({})));
    told.is(0, "endpointslices", "x/hook-1", slice(json!(true)));
    assert!(told.at(1).webhooks.is_empty());
    told.is(5, "endpointslices", "x/hook-1", slice(json!(false)));
    let dead = told.at(6).webhooks;
    assert_eq!(dead.len(), 1);
    assert_eq!(
        (dead[0].service.as_str(), dead[0].asked.as_str(), dead[0].is_broad),
        ("x/hook", "create, update of pods", true)
    );
    assert_eq!(told.at(20).webhooks[0].since, t(6), "it goes on from where it began");
    told.gone(21, "endpointslices", "x/hook-1");
    assert_eq!(told.at(22).webhooks.len(), 1);
    told.is(23, "endpointslices", "x/hook-2", slice(Value::Null));
    assert!(told.at(24).webhooks.is_empty(), "not told is ready");
    // One that fails open refuses nothing; one of few namespaces is not broad.
    told.gone(25, "endpointslices", "x/hook-2");
    told.is(25, "validatingwebhookconfigurations", "x", webhook("Ignore", json!({})));
    assert!(told.at(26).webhooks.is_empty());
    told.is(27, "validatingwebhookconfigurations", "x", webhook("Fail", json!({"a": "b"})));
    assert!(!told.at(28).webhooks[0].is_broad);
}

#[test]
fn nothing_is_said_of_kinds_that_were_not_listed() {
    let mut summary = Summary::default();
    let object = made("validatingwebhookconfigurations", "x", webhook("Fail", json!({})));
    let news = News { object: &object, before: None, is_gone: false, source: Source::FirstList, at: t(0) };
    summary.take(&news);
    summary.seen("services", t(1));
    assert!(summary.situation(t(1)).webhooks.is_empty());
    summary.listed("endpointslices");
    summary.listed("services");
    assert_eq!(summary.situation(t(2)).webhooks.len(), 1);
}

#[test]
fn pods_wait_for_a_scheduler_a_node_or_an_image() {
    let mut told = Told::new();
    let owner = ("ReplicaSet", "api-5d8f7");
    told.is(0, "pods", "shop/new", pod("", owner, json!({"phase": "Pending"})));
    let no_room = json!({"phase": "Pending", "conditions": {"PodScheduled": {
        "status": "False", "reason": "Unschedulable", "lastTransitionTime": "2026-11-23T06:00:02Z",
        "message": "0/3 nodes are available: 3 Insufficient cpu."}}});
    told.is(2, "pods", "shop/big", pod("", owner, no_room));
    let gated =
        json!({"phase": "Pending", "conditions": {"PodScheduled": {"status": "False", "reason": "SchedulingGated"}}});
    told.is(2, "pods", "shop/gated", pod("", owner, gated));
    for (i, name) in ["a", "b"].into_iter().enumerate() {
        let status = json!({"phase": "Pending", "containerStatuses": {"c": {"image": "r.example.org/api:3",
            "state": {"waiting": {"reason": "ErrImagePull"}}}}});
        told.is(3, "pods", &format!("shop/{name}"), pod(&format!("w{i}"), owner, status));
    }
    told.is(3, "deployments", "shop/api", json!({"spec": {"replicas": 3}, "status": {"readyReplicas": 1}}));
    let s = told.at(10);
    assert_eq!((s.unseen_pods[0].why.as_str(), s.unseen_pods[0].pods.count), ("default-scheduler", 1));
    assert_eq!((s.unplaced_pods[0].why.as_str(), s.unplaced_pods[0].pods.since), ("Insufficient cpu", t(2)));
    assert_eq!((s.pulls[0].registry.as_str(), s.pulls[0].nodes, s.pulls[0].workloads), ("r.example.org", 2, 1));
    let rollout = &s.rollouts[0];
    assert_eq!((rollout.kind.as_str(), rollout.key.as_str(), rollout.waiting), ("Deployment", "shop/api", 2));
    assert_eq!((rollout.ready, rollout.wanted, rollout.since), (1, 3, t(3)));
    // The word for it alternates; it began once.
    let backoff = json!({"phase": "Pending", "containerStatuses": {"c": {"image": "r.example.org/api:3",
        "state": {"waiting": {"reason": "ImagePullBackOff"}}}}});
    told.is(40, "pods", "shop/a", pod("w0", owner, backoff));
    assert_eq!(told.at(41).rollouts[0].since, t(3));
    for name in ["new", "big", "gated", "a", "b"] {
        told.is(50, "pods", &format!("shop/{name}"), pod("w1", owner, running()));
    }
    let s = told.at(51);
    assert!(s.unseen_pods.is_empty() && s.unplaced_pods.is_empty() && s.pulls.is_empty() && s.rollouts.is_empty());
}

#[test]
fn a_container_that_ends_again_and_again_is_stuck_until_it_is_ready() {
    let mut told = Told::new();
    let owner = ("StatefulSet", "db");
    let state = |state: Value| {
        json!({"phase": "Running", "conditions": {"Ready": {"status": "False"}},
        "containerStatuses": {"c": {"image": "db:2", "state": state}}})
    };
    told.is(0, "pods", "s/db-0", pod("w1", owner, state(json!({"waiting": {"reason": "CrashLoopBackOff"}}))));
    told.is(30, "pods", "s/db-0", pod("w1", owner, state(json!({"running": {}}))));
    let s = told.at(31);
    assert_eq!((s.rollouts[0].reason.as_str(), s.rollouts[0].since), ("CrashLoopBackOff", t(0)));
    told.is(60, "pods", "s/db-0", pod("w1", owner, running()));
    assert!(told.at(61).rollouts.is_empty());
}

#[test]
fn evictions_are_counted_where_they_are_no_drain() {
    let mut told = Told::new();
    let ready = json!({"status": {"conditions": {"Ready": {"status": "True"}}}});
    told.is(0, "nodes", "w1", ready.clone()).is(0, "nodes", "w2", ready);
    let owner = ("ReplicaSet", "api-5d8f7");
    for i in 0..12 {
        told.is(0, "pods", &format!("shop/api-{i}"), pod("w1", owner, running()));
        told.is(0, "pods", &format!("shop/web-{i}"), pod("w2", owner, running()));
    }
    let cordoned = json!({"spec": {"unschedulable": true}, "status": {"conditions": {"Ready": {"status": "True"}}}});
    told.is(1, "nodes", "w2", cordoned);
    let target = |reason: &str| json!({"phase": "Running", "conditions": {"DisruptionTarget": {"status": "True", "reason": reason}}});
    for i in 0..12 {
        told.is(2, "pods", &format!("shop/api-{i}"), pod("w1", owner, target("TerminationByKubelet")));
        told.is(2, "pods", &format!("shop/web-{i}"), pod("w2", owner, target("EvictionByEvictionAPI")));
        told.gone(3, "pods", &format!("shop/web-{i}"));
    }
    let s = told.at(4);
    assert_eq!(s.evictions.len(), 1, "the drain is none: {:?}", s.evictions);
    assert_eq!((s.evictions[0].pods.count, &s.evictions[0].nodes[..]), (12, &[("w1".to_owned(), 12)][..]));
    assert_eq!(s.evictions[0].workloads, [("Deployment shop/api".to_owned(), 12)]);
    assert_eq!((s.cordoned[0].node.as_str(), s.cordoned[0].pods, s.cordoned[0].since), ("w2", 0, t(1)));
    assert!(told.at(400).evictions[0].pods.count == 12 && told.at(700).evictions.is_empty());
    let event = json!({"reason": "Evicted", "note": "The node was low on resource: memory. Threshold quantity: 100Mi.",
        "regarding": {"kind": "Pod", "namespace": "shop", "name": "api-0"}, "deprecatedSource": {"host": "w1"}});
    told.is(701, "events", "shop/api-0.1", event);
    assert_eq!(told.at(702).evictions[0].why, "the node was low on resource: memory");
}

#[test]
fn containers_that_are_killed_for_memory_are_counted_once_each() {
    let mut told = Told::new();
    let killed = |at: &str| {
        json!({"phase": "Running", "containerStatuses": {"c": {
        "state": {"running": {}}, "lastState": {"terminated": {"reason": "OOMKilled", "finishedAt": at}}}}})
    };
    let owner = ("ReplicaSet", "coredns-5d8f7");
    told.is(0, "pods", "kube-system/coredns-1", pod("w1", owner, running()));
    for (i, at) in ["06:00:10", "06:00:40", "06:01:30"].into_iter().enumerate() {
        let status = killed(&format!("2026-11-23T{at}Z"));
        told.is(10 + i64::try_from(i).unwrap() * 30, "pods", "kube-system/coredns-1", pod("w1", owner, status.clone()));
        told.is(11 + i64::try_from(i).unwrap() * 30, "pods", "kube-system/coredns-1", pod("w1", owner, status));
    }
    assert_eq!(told.at(100).memory_kills.unwrap().pods.count, 3);
    assert_eq!(told.summary.bursts.memory_kills("Deployment", "kube-system/coredns"), 3);
}

#[test]
fn a_node_object_that_is_deleted_is_missed_only_where_the_node_was_well() {
    let mut told = Told::new();
    let node = |ready: &str, spec: Value| json!({"spec": spec, "status": {"conditions": {"Ready": {"status": ready}}}});
    told.is(0, "nodes", "well", node("True", json!({})));
    told.is(0, "nodes", "lost", node("Unknown", json!({})));
    told.is(0, "nodes", "drained", node("True", json!({"unschedulable": true})));
    told.is(
        0,
        "nodes",
        "leaving",
        node("True", json!({"taints": {"karpenter.sh/disrupted": {"effect": "NoSchedule"}}})),
    );
    told.is(0, "pods", "shop/api", pod("well", ("ReplicaSet", "api-5d8f7"), running()));
    told.at(1);
    for name in ["well", "lost", "drained", "leaving"] {
        told.gone(2, "nodes", name);
    }
    let deleted = told.at(3).deleted_nodes;
    assert_eq!(deleted.iter().map(|d| (d.node.as_str(), d.pods)).collect::<Vec<_>>(), [("well", 1)]);
    told.is(10, "nodes", "well", node("True", json!({})));
    assert!(told.at(11).deleted_nodes.is_empty(), "it is back");
}

#[test]
fn conditions_of_other_programs_are_read_by_their_words() {
    let mut told = Told::new();
    let condition =
        |status: &str| json!({"status": status, "reason": "r", "lastTransitionTime": "2026-11-23T06:00:00Z"});
    let conditions = json!({"Ready": condition("True"), "KernelDeadlock": condition("True"),
        "ReadonlyFilesystem": condition("False"), "EtcdIsVoter": condition("True"), "MemoryPressure": condition("True")});
    told.is(0, "nodes", "w1", json!({"status": {"conditions": conditions}}));
    let told: Vec<String> = told.at(1).node_problems.into_iter().map(|p| p.condition).collect();
    assert_eq!(told, ["KernelDeadlock"]);
}

#[test]
fn the_clusters_dns_is_judged_by_its_pods_unless_another_serves_its_name() {
    let mut told = Told::new();
    let deployment = |replicas: u64, ready: u64, image: &str| {
        json!({"metadata": {"labels": {"k8s-app": "kube-dns"}}, "spec": {"replicas": replicas,
            "template": {"spec": {"containers": {"c": {"image": image}}}}}, "status": {"readyReplicas": ready}})
    };
    let dns = |ready: bool| {
        json!({"metadata": {"labels": {"kubernetes.io/service-name": "kube-dns"}},
        "endpoints": {"10.0.0.1": {"conditions": {"ready": ready}}}})
    };
    told.is(0, "services", "kube-system/kube-dns", json!({}));
    told.is(0, "endpointslices", "kube-system/kube-dns-1", dns(true));
    told.is(0, "deployments", "kube-system/coredns", deployment(2, 2, "coredns:1.13"));
    let fact = told.at(1).addons.remove(0);
    assert_eq!((fact.role, fact.since, fact.is_replaced), (AddonRole::Dns, None, false));
    told.is(5, "deployments", "kube-system/coredns", deployment(0, 0, "coredns:1.13"));
    told.is(5, "endpointslices", "kube-system/kube-dns-1", dns(false));
    let fact = told.at(6).addons.remove(0);
    assert_eq!((fact.ready, fact.since, fact.is_replaced), (0, Some(t(5)), false));
    assert_eq!(fact.changed, Some((t(5), "it was scaled from 2 to 0".to_owned())));
    told.is(7, "endpointslices", "kube-system/other-1", dns(true));
    assert!(told.at(8).addons[0].is_replaced);
    // Whoever bears a known name elsewhere is an application of its own.
    told.is(9, "deployments", "shop/coredns", deployment(2, 0, "x"));
    assert_eq!(told.at(10).addons.len(), 1);
}

#[test]
fn what_controllers_do_not_look_at_is_counted() {
    let mut told = Told::new();
    let deployment =
        |newest: u64, seen: u64| json!({"metadata": {"generation": newest}, "status": {"observedGeneration": seen}});
    told.is(0, "deployments", "shop/api", deployment(1, 1));
    told.is(10, "deployments", "shop/api", deployment(2, 1));
    assert_eq!(told.at(60).unreconciled, None, "not for long");
    assert_eq!(told.at(71).unreconciled.unwrap().since, t(10));
    told.is(72, "deployments", "shop/api", deployment(2, 2));
    assert_eq!(told.at(73).unreconciled, None);
    let job = |last: &str, suspend: bool| {
        json!({"metadata": {"creationTimestamp": "2026-11-23T05:00:00Z"},
        "spec": {"schedule": "*/5 * * * *", "suspend": suspend}, "status": {"lastScheduleTime": last}})
    };
    told.is(80, "cronjobs", "shop/report", job("2026-11-23T06:00:00Z", false));
    told.is(80, "cronjobs", "shop/rests", job("2026-11-23T05:00:00Z", true));
    assert_eq!(told.at(479).late_cron_jobs, None);
    let late = told.at(480).late_cron_jobs.unwrap();
    assert_eq!((late.count, late.since, &late.names[..]), (1, t(300), &["shop/report".to_owned()][..]));
}

#[test]
fn namespaces_claims_and_starts_that_wait_are_told_with_what_was_said() {
    let mut told = Told::new();
    let conditions = json!({"NamespaceDeletionDiscoveryFailure": {"status": "True", "message": "metrics.k8s.io/v1beta1: stale"},
        "NamespaceContentRemaining": {"status": "False", "message": "x"}});
    told.is(
        0,
        "namespaces",
        "old",
        json!({"metadata": {"deletionTimestamp": "2026-11-23T06:00:00Z"}, "status": {"conditions": conditions}}),
    );
    told.is(0, "storageclasses", "fast", json!({"volumeBindingMode": "Immediate"}));
    told.is(0, "storageclasses", "lazy", json!({"volumeBindingMode": "WaitForFirstConsumer"}));
    let claim = |class: &str| json!({"spec": {"storageClassName": class}, "status": {"phase": "Pending"}});
    told.is(0, "persistentvolumeclaims", "s/a", claim("fast"));
    told.is(0, "persistentvolumeclaims", "s/b", claim("lazy"));
    let event = |reason: &str, kind: &str, name: &str, note: &str| {
        json!({"reason": reason, "note": note,
        "regarding": {"kind": kind, "namespace": "s", "name": name}, "deprecatedSource": {"host": "w1"}})
    };
    told.is(
        1,
        "events",
        "s/e1",
        event("FailedCreatePodSandBox", "Pod", "p", "add cmd: failed to assign an IP address to container"),
    );
    told.is(
        1,
        "events",
        "s/e2",
        event("FailedCreate", "ReplicaSet", "r", "pods \"x\" is forbidden: exceeded quota: q"),
    );
    let s = told.at(2);
    assert_eq!(
        (s.terminating[0].name.as_str(), s.terminating[0].lacks_api, s.terminating[0].why.len()),
        ("old", true, 1)
    );
    assert_eq!(s.claims.iter().map(|c| c.class.as_str()).collect::<Vec<_>>(), ["fast"]);
    let why: Vec<StartFailure> = s.starts.iter().map(|s| s.why).collect();
    assert_eq!(why, [StartFailure::Addresses, StartFailure::Quota]);
    assert_eq!(s.starts[1].pods.names, ["ReplicaSet s/r"]);
    told.is(3, "events", "s/e3", event("ProvisioningFailed", "PersistentVolumeClaim", "b", "no space"));
    told.is(3, "pods", "s/p", pod("w1", ("Job", "x"), running()));
    let s = told.at(4);
    assert_eq!((s.claims.len(), s.claims[1].said.as_str(), s.starts.len()), (2, "no space", 1));
}

#[test]
fn many_that_go_at_once_are_told_and_one_namespace_is_not() {
    let mut told = Told::new();
    for i in 0..20 {
        told.is(0, "namespaces", &format!("n{i:02}"), json!({}));
        told.is(0, "deployments", &format!("n{i:02}/a"), json!({}));
        told.is(0, "deployments", &format!("n00/a{i}"), json!({}));
    }
    for i in 0..20 {
        told.gone(1, "deployments", &format!("n00/a{i}"));
    }
    assert!(told.at(2).vanished.is_empty());
    for i in 0..6 {
        told.gone(3, "namespaces", &format!("n{i:02}"));
    }
    let vanished = told.at(4).vanished;
    assert_eq!((vanished[0].resource, vanished[0].gone.count, vanished[0].of), ("namespaces", 6, 20));
    assert!(told.at(1_000).vanished.is_empty());
    // Being deleted is as good as gone, and counts once.
    for i in 6..12 {
        told.is(
            1_001,
            "namespaces",
            &format!("n{i:02}"),
            json!({"metadata": {"deletionTimestamp": "2026-11-23T06:16:41Z"}}),
        );
    }
    assert_eq!((told.at(1_002).vanished[0].gone.count, told.at(1_002).vanished[0].of), (6, 14));
    told.gone(1_003, "namespaces", "n06");
    assert_eq!((told.at(1_004).vanished[0].gone.count, told.at(1_004).vanished[0].of), (6, 14));
}

#[test]
fn all_that_a_tool_deploys_may_lie_in_one_namespace() {
    let mut told = Told::new();
    told.summary.listed("applications");
    for i in 0..12 {
        told.is(0, "applications", &format!("argocd/a{i}"), json!({}));
    }
    for i in 0..11 {
        told.gone(1, "applications", &format!("argocd/a{i}"));
    }
    assert!(told.at(2).vanished.is_empty(), "one is left");
    told.gone(3, "applications", "argocd/a11");
    let vanished = told.at(4).vanished;
    assert_eq!((vanished[0].resource, vanished[0].gone.count, vanished[0].of), ("applications", 12, 12));
}

#[test]
fn backups_are_held_against_their_schedule_and_their_forerunners() {
    let mut told = Told::new();
    told.is(0, "schedules", "velero/daily", json!({"spec": {"schedule": "0 3 * * *"}}));
    let backup = |day: u32, phase: &str, items: u64| {
        json!({"metadata": {"labels": {"velero.io/schedule-name": "daily"}},
        "status": {"phase": phase, "startTimestamp": format!("2026-11-{day:02}T03:00:05Z"), "progress": {"totalItems": items}}})
    };
    for day in 17..=22 {
        told.is(0, "backups", &format!("velero/daily-{day}"), backup(day, "Completed", 1_000));
    }
    let fact = told.at(1).backups.remove(0);
    assert_eq!(fact.due_at, Some("2026-11-23T03:00:00Z".parse().unwrap()));
    assert_eq!((fact.last_failure.clone(), fact.items), (None, Some((1_000, 1_000))));
    told.is(2, "backups", "velero/daily-23", backup(23, "PartiallyFailed", 900));
    let fact = told.at(3).backups.remove(0);
    assert_eq!(fact.last_failure.as_deref(), Some("PartiallyFailed"));
    told.is(4, "backups", "velero/daily-23", backup(23, "Completed", 400));
    let fact = told.at(5).backups.remove(0);
    assert_eq!((fact.due_at, fact.last_failure, fact.items), (None, None, Some((400, 1_000))));
    told.is(6, "cronjobs", "kube-system/etcd-snapshot", json!({"metadata": {"creationTimestamp": "2026-11-20T00:00:00Z"},
        "spec": {"schedule": "0 */6 * * *"}, "status": {"lastSuccessfulTime": "2026-11-22T18:00:30Z", "lastScheduleTime": "2026-11-23T06:00:00Z"}}));
    let fact = told.at(7).backups.into_iter().find(|b| b.kind == "CronJob").unwrap();
    assert_eq!(fact.due_at, Some("2026-11-23T00:00:00Z".parse().unwrap()));
}

use serde_json::{Value, json};

use super::*;
use crate::inventory::object::made;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_413_600 + seconds).unwrap()
}

fn words(changes: &[Arc<RecentChange>]) -> Vec<String> {
    changes.iter().map(|c| c.kind.words(&[&c.subject], &c.detail)).collect()
}

/// What becomes of an object that was one thing and is another; `null`: there is none.
fn told(resource: &str, key: &str, before: Value, after: Value) -> Vec<String> {
    let mut changes = Changes::default();
    let of = |fields: &Value| (!fields.is_null()).then(|| made(resource, key, fields.clone()));
    let (before, after) = (of(&before), of(&after));
    let is_gone = after.is_none();
    let object = after.as_ref().or(before.as_ref()).unwrap();
    let before = before.as_ref().filter(|_| !is_gone);
    for source in [Source::History, Source::FirstList] {
        changes.take(&News { object, before, is_gone, source, at: at(0) });
    }
    assert!(changes.now(at(0)).is_empty(), "what is only learned of is no change");
    changes.take(&News { object, before, is_gone, source: Source::Seen, at: at(1) });
    words(&changes.now(at(1)))
}

fn deployment(image: &str, replicas: u64, generation: u64) -> Value {
    json!({"metadata": {"generation": generation}, "spec": {"replicas": replicas,
        "template": {"spec": {"containers": {"c": {"image": image}, "side": {"image": "r/side:1"}}}}}})
}

#[test]
fn what_differs_is_told_in_words() {
    let check = |resource: &str, key: &str, before: Value, after: Value, expected: &[&str]| {
        assert_eq!(told(resource, key, before, after), expected, "{resource}");
    };
    let none = Value::Null;
    let (one, two) = (deployment("r/api:2", 3, 1), deployment("r/api:3", 3, 2));
    check("deployments", "shop/api", one.clone(), two.clone(), &["rollout of shop/api: image r/api:2 → r/api:3"]);
    check("deployments", "shop/api", two.clone(), deployment("r/api:3", 5, 3), &["shop/api scaled: replicas 3 → 5"]);
    let again = "shop/api given another specification, or restarted";
    check("statefulsets", "shop/api", one.clone(), deployment("r/api:2", 3, 2), &[again]);
    check("deployments", "shop/api", one.clone(), one.clone(), &[]);
    check("deployments", "shop/api", none.clone(), one.clone(), &["shop/api created"]);
    check("daemonsets", "shop/api", one, none.clone(), &["shop/api deleted"]);
    let node = |boot: &str, kubelet: &str, cordoned: bool| json!({"spec": {"unschedulable": cordoned}, "status": {"nodeInfo": {"bootID": boot, "kubeletVersion": kubelet}}});
    check("nodes", "w1", node("a", "v1", false), node("a", "v1", true), &["node w1 cordoned"]);
    check("nodes", "w1", node("a", "v1", true), node("a", "v1", false), &["node w1 uncordoned"]);
    let both = ["node w1 rebooted", "kubelet v1 → v2 on node w1"];
    check("nodes", "w1", node("a", "v1", false), node("b", "v2", false), &both);
    check("nodes", "w1", none.clone(), node("a", "v1", false), &["node w1 added"]);
    check("nodes", "w1", node("a", "v1", false), none.clone(), &["node w1 removed"]);
    let hook =
        |policy: &str, seen: u64| json!({"webhooks": {"w": {"failurePolicy": policy}}, "status": {"seen": seen}});
    let said = "ValidatingWebhookConfiguration guard changed (field webhooks.w.failurePolicy)";
    check("validatingwebhookconfigurations", "guard", hook("Ignore", 1), hook("Fail", 2), &[said]);
    check("validatingwebhookconfigurations", "guard", hook("Fail", 1), hook("Fail", 2), &[]);
    check("storageclasses", "fast", json!({"provisioner": "x"}), none.clone(), &["StorageClass fast deleted"]);
    check("priorityclasses", "high", none.clone(), json!({"value": 1}), &["PriorityClass high created"]);
    let binding = |subjects: Value| json!({"roleRef": {"kind": "ClusterRole", "name": "edit"}, "subjects": subjects});
    let (jane, ci) = (json!({"kind": "User"}), json!({"kind": "ServiceAccount", "namespace": "ci"}));
    let both = binding(json!({"jane": jane, "deployer": ci, "jane#2": {"kind": "Group"}}));
    let said = "ClusterRoleBinding all created: ClusterRole edit for ServiceAccount ci/deployer, User jane, Group jane";
    check("clusterrolebindings", "all", none.clone(), both.clone(), &[said]);
    let said = "RoleBinding shop/x changed: ClusterRole edit no more for ServiceAccount ci/deployer, Group jane";
    check("rolebindings", "shop/x", both.clone(), binding(json!({"jane": jane})), &[said]);
    let said = "RoleBinding shop/x deleted: ClusterRole edit for nobody";
    check("rolebindings", "shop/x", binding(json!({})), none.clone(), &[said]);
    check("rolebindings", "shop/x", both.clone(), both, &[]);
    let crd = |generation: u64| json!({"metadata": {"generation": generation}});
    check("customresourcedefinitions", "a.b", crd(1), crd(2), &["CustomResourceDefinition a.b changed"]);
    let certificate = |until: &str| json!({"status": {"notAfter": until}});
    let said = "certificate for shop/tls issued: valid until 2027-03-01";
    check("certificates", "shop/tls", certificate("2026-12-01"), certificate("2027-03-01"), &[said]);
    let request = |status: &str| {
        json!({"spec": {"username": "system:node:w1", "signerName": "kubernetes.io/kubelet-serving"},
            "status": {"conditions": {"Approved": {"status": status}}}})
    };
    let said = "certificate for system:node:w1 issued: by kubernetes.io/kubelet-serving";
    check("certificatesigningrequests", "csr-1", request("False"), request("True"), &[said]);
    check("pods", "shop/a", none, json!({}), &[]);
}

#[test]
fn a_component_of_the_control_plane_with_another_image_or_manifest_is_a_change() {
    let mut changes = Changes::default();
    let mut tell = |uid: &str, image: &str, is_gone| {
        let fields = json!({"metadata": {"uid": uid, "ownerReferences": {"cp1": {"kind": "Node", "controller": true}}},
            "spec": {"nodeName": "cp1", "containers": {"c": {"image": image}}}});
        let object = made("pods", "kube-system/kube-apiserver-cp1", fields);
        changes.take(&News { object: &object, before: None, is_gone, source: Source::Seen, at: at(0) });
        words(&changes.now(at(0)))
    };
    assert!(tell("1", "k/apiserver:1.33", false).is_empty());
    assert!(tell("1", "k/apiserver:1.33", true).is_empty());
    let flags = "kube-apiserver on cp1: another manifest, and so perhaps other flags";
    assert_eq!(tell("2", "k/apiserver:1.33", false), [flags]);
    let image = "kube-apiserver on cp1: image k/apiserver:1.33 → k/apiserver:1.34";
    assert_eq!(tell("3", "k/apiserver:1.34", false), [flags, image]);
}

#[test]
fn the_first_warning_of_a_kind_is_a_change_with_its_own_time() {
    let mut changes = Changes::default();
    let mut tell = |reason: &str, name: &str, source| {
        let fields = json!({"type": "Warning", "reason": reason, "note": "no such volume", "eventTime": at(-30).to_string(),
            "regarding": {"kind": "Pod", "namespace": "shop", "name": name}});
        let object = made("events", "shop/e", fields);
        changes.take(&News { object: &object, before: None, is_gone: false, source, at: at(0) });
        changes.now(at(0))
    };
    assert!(tell("BackOff", "a", Source::History).is_empty());
    assert!(tell("BackOff", "b", Source::Seen).is_empty());
    assert!(tell("NodeNotReady", "b", Source::Seen).is_empty(), "an effect");
    let first = tell("FailedMount", "a", Source::Seen);
    assert_eq!(words(&first), ["first warning FailedMount (Pod shop/a): no such volume"]);
    assert_eq!(first[0].at, at(-30));
    assert_eq!(tell("FailedMount", "b", Source::Seen).len(), 1);
}

#[test]
fn a_jump_in_the_number_of_objects_is_told_once() {
    let mut changes = Changes::default();
    let mut tell = |from: i64, count: usize, is_gone, source| {
        for i in 0..count {
            let object = made("jobs", &format!("shop/j{i}"), json!({}));
            changes.take(&News { object: &object, before: None, is_gone, source, at: at(from) });
        }
        words(&changes.now(at(from)))
    };
    assert!(tell(0, 150, false, Source::FirstList).is_empty());
    assert!(tell(60, 90, false, Source::Seen).is_empty(), "no hundred");
    assert_eq!(tell(120, 60, false, Source::Seen), ["jobs: 150 → 300 within 2 min"]);
    assert_eq!(tell(180, 0, false, Source::Seen).len(), 1);
    assert_eq!(tell(900, 160, true, Source::Seen).len(), 1, "nobody looked for so long that it may have been slow");
    assert_eq!(tell(960, 120, true, Source::Seen)[1], "jobs: 140 → 20 within 1 min");
}

#[test]
fn what_changed_while_nobody_looked_has_a_time_from_and_to() {
    let mut changes = Changes::default();
    changes.looked_away("nodes", at(-1_000));
    let node = |name: &str| made("nodes", name, json!({}));
    let tell = |changes: &mut Changes, name: &str| {
        changes.take(&News { object: &node(name), before: None, is_gone: false, source: Source::Seen, at: at(0) });
    };
    tell(&mut changes, "w1");
    changes.looked("nodes");
    tell(&mut changes, "w2");
    let since: Vec<_> = changes.now(at(0)).iter().map(|c| c.since).collect();
    assert_eq!(since, [Some(at(-1_000)), None]);
}

#[test]
fn however_much_changes_no_more_is_kept_and_all_is_forgotten_in_time() {
    let mut changes = Changes::default();
    let (before, after) =
        (made("nodes", "w1", json!({"spec": {"unschedulable": true}})), made("nodes", "w1", json!({})));
    changes.take(&News { object: &after, before: Some(&before), is_gone: false, source: Source::Seen, at: at(0) });
    for i in 0..1_000 {
        let object = made("deployments", &format!("shop/{}{i}", "x".repeat(1_000)), json!({}));
        changes.take(&News { object: &object, before: None, is_gone: false, source: Source::Seen, at: at(i) });
    }
    let all = changes.now(at(1_000));
    let of = |kind| all.iter().filter(|c| c.kind == kind).count();
    assert_eq!((of(ChangeKind::NodeUncordoned), of(ChangeKind::WorkloadAdded)), (1, OF_KIND_MAX));
    assert_eq!(changes.dropped(), 1_000 - OF_KIND_MAX as u64);
    assert!(all.iter().all(|c| c.subject.len() <= TEXT_MAX) && all.is_sorted_by_key(|c| c.at));
    assert!(changes.now(at(5_000)).is_empty());
}

//! What kube-state-metrics would say of the same objects.

use serde_json::{Value, json};

use super::{nodes::quantity_of, *};
use crate::inventory::{news::Source, object::made};

fn at() -> Timestamp {
    "2026-11-23T06:00:00Z".parse().unwrap()
}

fn tell(metrics: &mut StateMetrics, resource: &str, key: &str, fields: Value, is_gone: bool) {
    let object = made(resource, key, fields);
    metrics.take(&News { object: &object, before: None, is_gone, source: Source::Seen, at: at() });
}

fn lines(metrics: &mut StateMetrics) -> String {
    let line = |s: &Sample| {
        let value = if crate::model::is_stale(s.value) { "ended".to_owned() } else { s.value.to_string() };
        format!("{} {value}", s.labels)
    };
    metrics.samples(at()).iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_pod_has_the_series_of_kube_state_metrics() {
    let mut metrics = StateMetrics::new("prod", &BTreeMap::new());
    let pod = json!({"metadata": {"ownerReferences": {"api-5d": {"kind": "ReplicaSet", "controller": true}}},
        "spec": {"nodeName": "w1"}, "status": {"phase": "Running", "conditions": {"Ready": {"status": "False"}},
        "containerStatuses": {"c": {"image": "api:3", "restartCount": 4, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"reason": "OOMKilled"}}}}}});
    tell(&mut metrics, "pods", "shop/api-1", pod.clone(), false);
    insta::assert_snapshot!(lines(&mut metrics));
    // What is no more ends once.
    let mut well = pod;
    well["status"]["containerStatuses"]["c"]["state"] = json!({"running": {}});
    tell(&mut metrics, "pods", "shop/api-1", well, false);
    let said = lines(&mut metrics);
    let ended: Vec<&str> = said.lines().filter(|l| l.ends_with("ended")).collect();
    assert!(ended.len() == 1 && ended[0].starts_with("kube_pod_container_status_waiting_reason{"), "{ended:?}");
    tell(&mut metrics, "pods", "shop/api-1", json!({}), true);
    let said = lines(&mut metrics);
    assert!(!said.is_empty() && said.lines().all(|l| l.ends_with("ended")), "{said}");
    assert_eq!(lines(&mut metrics), "");
}

#[test]
fn workloads_nodes_and_volumes_have_theirs() {
    let mut metrics = StateMetrics::new("prod", &BTreeMap::new());
    tell(
        &mut metrics,
        "deployments",
        "shop/api",
        json!({"metadata": {"generation": 3}, "spec": {"replicas": 3},
        "status": {"replicas": 3, "readyReplicas": 2, "availableReplicas": 2, "updatedReplicas": 1, "unavailableReplicas": 1,
            "observedGeneration": 3, "conditions": {"Available": {"status": "True"}}}}),
        false,
    );
    tell(
        &mut metrics,
        "jobs",
        "shop/j",
        json!({"status": {"failed": 1, "startTime": "2026-11-23T05:00:00Z",
        "conditions": {"Failed": {"status": "True"}}}}),
        false,
    );
    tell(
        &mut metrics,
        "nodes",
        "w1",
        json!({"metadata": {"labels": {"node-role.kubernetes.io/worker": ""}},
        "spec": {"unschedulable": true, "taints": {"a": {"effect": "NoSchedule"}}},
        "status": {"conditions": {"Ready": {"status": "Unknown"}}, "capacity": {"cpu": "3920m", "memory": "16Gi", "pods": "110"}}}),
        false,
    );
    tell(
        &mut metrics,
        "persistentvolumeclaims",
        "shop/data",
        json!({"spec": {"storageClassName": "fast"}, "status": {"phase": "Pending"}}),
        false,
    );
    insta::assert_snapshot!(lines(&mut metrics));
}

#[test]
fn quantities_are_read_as_kubernetes_writes_them() {
    for (text, expected) in [
        ("3920m", Some(3.92)),
        ("16Gi", Some(17_179_869_184.0)),
        ("110", Some(110.0)),
        ("1e3", Some(1_000.0)),
        ("1E", Some(1e18)),
        ("0.5", Some(0.5)),
        ("", None),
        ("Gi", None),
        ("1Xi", None),
    ] {
        assert_eq!(quantity_of(text), expected, "{text}");
    }
}

#[test]
fn there_are_never_more_than_so_many() {
    let mut metrics = StateMetrics::new("prod", &BTreeMap::new());
    let each = 7 + 2;
    for i in 0..=SERIES_MAX / each {
        tell(&mut metrics, "deployments", &format!("n/d{i}"), json!({}), false);
    }
    assert!(metrics.count <= SERIES_MAX && metrics.count > SERIES_MAX - each);
    assert_eq!((metrics.left_out(), metrics.left_out()), (1, 0));
    assert_eq!(metrics.end(at()).len(), SERIES_MAX / each * each);
    assert_eq!(metrics.count, 0);
}

//! Objects of an API server of a script: what is asked, what is judged, and what is said where it can't be.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{judge::Query, preset::Preset};
use crate::{
    check::{Kinds, ToCluster, config::CheckConfig, probe},
    clock::Clock,
    dial::testing::{Seen, Server, ok, plain_dialer, status},
    model::{Observation, Reason},
};

type Response = ::http::Response<http_body_util::Full<bytes::Bytes>>;

/// What a cluster with Rook, two Deployments and a product without its kinds answers.
fn answer(seen: &Seen) -> Response {
    let (path, query) = seen.path.split_once('?').unwrap_or((&seen.path, ""));
    let json = |value: Value| ok(value.to_string());
    let deployment = |name: &str, ready: &str, replicas: u32| {
        json!({"metadata": {"name": name, "namespace": "shop"}, "status": {"readyReplicas": replicas,
            "conditions": [{"type": "Available", "status": ready, "reason": "MinimumReplicasUnavailable"}]}})
    };
    match path {
        "/apis/apps/v1" => json(json!({"resources": [
            {"name": "deployments/status", "kind": "Deployment", "namespaced": true},
            {"name": "deployments", "kind": "Deployment", "namespaced": true}]})),
        "/api/v1" => json(json!({"resources": [
            {"name": "secrets", "kind": "Secret", "namespaced": true},
            {"name": "persistentvolumeclaims", "kind": "PersistentVolumeClaim", "namespaced": true},
            {"name": "nodes", "kind": "Node", "namespaced": false}]})),
        "/apis/ceph.rook.io" => json(json!({"preferredVersion": {"groupVersion": "ceph.rook.io/v1"}})),
        "/apis/ceph.rook.io/v1" => {
            json(json!({"resources": [{"name": "cephclusters", "kind": "CephCluster", "namespaced": true}]}))
        }
        "/apis/ceph.rook.io/v1/namespaces/rook-ceph/cephclusters/rook-ceph" | "/apis/ceph.rook.io/v1/cephclusters" => {
            let one = json!({"metadata": {"name": "rook-ceph", "namespace": "rook-ceph"},
                "status": {"ceph": {"health": "HEALTH_WARN"}}});
            json(if path.ends_with("cephclusters") { json!({"items": [one]}) } else { one })
        }
        "/apis/apps/v1/namespaces/shop/deployments/front" => json(deployment("front", "True", 3)),
        "/apis/apps/v1/namespaces/shop/deployments/gone" => status(404, "{}"),
        "/apis/apps/v1/namespaces/shop/deployments" if query.contains("continue=x") => {
            json(json!({"items": [deployment("search", "False", 0)]}))
        }
        "/apis/apps/v1/namespaces/shop/deployments" if query.contains("labelSelector=tier%3Dnone") => {
            json(json!({"items": null}))
        }
        "/apis/apps/v1/namespaces/shop/deployments" => {
            json(json!({"metadata": {"continue": "x"}, "items": [deployment("front", "True", 3)]}))
        }
        "/api/v1/namespaces/shop/secrets" | "/api/v1/nodes" => status(403, "{}"),
        "/api/v1/persistentvolumeclaims" => ok("this is no JSON"),
        _ => status(404, "{}"),
    }
}

async fn asked(object: Value) -> (Observation, Vec<Seen>) {
    let server = Server::start(None, answer).await;
    (asked_of(&server, object, &Kinds::default()).await, server.seen())
}

async fn asked_of(server: &Server, object: Value, kinds: &Kinds) -> Observation {
    let dir = tempfile::tempdir().unwrap();
    let url = server.url("http", "/");
    let dialer = plain_dialer(dir.path(), &url).await;
    let check: CheckConfig = serde_json::from_value(json!({"name": "x", "cluster": "prod", "object": object})).unwrap();
    let problems = crate::check::config::problems(std::slice::from_ref(&check), &["prod"]);
    assert!(problems.is_empty(), "{problems:?}");
    let target = check.target(0, &BTreeMap::new(), (Duration::from_secs(10), Duration::from_secs(5))).unwrap();
    let way = ToCluster { dialer, servers: vec![url], kinds: kinds.clone() };
    probe(&Arc::new(target), &check, Some(way), &Clock::system()).await
}

#[tokio::test]
async fn what_a_server_has_is_asked_once_in_minutes_and_at_once_where_it_is_not_known() {
    let (server, kinds) = (Server::start(None, answer).await, Kinds::default());
    let one =
        |kind: &str, name: &str| json!({"api_version": "apps/v1", "kind": kind, "namespace": "shop", "name": name});
    let mut asked = 0;
    let mut again = async |object: Value, expected: usize| {
        let seen = asked_of(&server, object.clone(), &kinds).await;
        let all =
            server.seen().iter().filter(|s| matches!(s.path.as_str(), "/apis/apps/v1" | "/apis/ceph.rook.io")).count();
        assert_eq!(all - asked, expected, "{object}: {:?}", seen.trace);
        asked = all;
    };
    again(one("Deployment", "front"), 1).await;
    again(one("Deployment", "front"), 0).await;
    again(one("DaemonSet", "front"), 1).await;
    again(one("DaemonSet", "front"), 1).await;
    again(json!({"preset": "rook-ceph"}), 1).await;
    again(json!({"preset": "rook-ceph"}), 0).await;
    // One that is not there may be one that is not known any more.
    again(one("Deployment", "gone"), 0).await;
    again(one("Deployment", "gone"), 1).await;
}

async fn check(object: Value, expected: Option<&str>) {
    let (seen, _) = asked(object.clone()).await;
    let said = seen.failure.as_ref().map(|f| f.message.clone());
    assert_eq!(said.as_deref(), expected, "{object}: {:?}", seen.trace);
}

#[tokio::test]
async fn one_object_by_its_path_and_by_its_condition() {
    let ceph = |more: Value| {
        let mut object = json!({"api_version": "ceph.rook.io/v1", "kind": "CephCluster", "namespace": "rook-ceph", "name": "rook-ceph"});
        object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        object
    };
    let words = "CephCluster rook-ceph/rook-ceph: $.status.ceph.health was HEALTH_WARN, should be HEALTH_OK";
    check(ceph(json!({"path": "$.status.ceph.health", "equals": "HEALTH_OK"})), Some(words)).await;
    check(ceph(json!({"path": "$.status.ceph.health", "equals": "HEALTH_WARN"})), None).await;
    let words = "CephCluster rook-ceph/rook-ceph: $.status.phase was not there, should be Ready";
    check(ceph(json!({"path": "$.status.phase", "equals": "Ready"})), Some(words)).await;
    let front = |more: &str, value: Value| json!({"api_version": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "front", more: value});
    check(front("condition", json!("Available=True")), None).await;
    check(front("expect", json!(["json $.status.readyReplicas >= 3", "count == 1"])), None).await;
    let words = "Deployment shop/front: $.status.readyReplicas was 3, should be > 3";
    check(front("expect", json!(["json $.status.readyReplicas > 3"])), Some(words)).await;
    let words = "Deployment shop/front: Progressing is not said, should be True";
    check(front("condition", json!("Progressing=True")), Some(words)).await;
    let gone = json!({"api_version": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "gone"});
    check(gone, Some("there is no Deployment shop/gone")).await;
}

#[tokio::test]
async fn all_objects_page_by_page() {
    let all = |more: &str, value: Value| json!({"api_version": "apps/v1", "kind": "Deployment", "namespace": "shop", more: value});
    let words = "Deployment shop/search: Available is False (MinimumReplicasUnavailable), should be True";
    check(all("condition", json!("Available=True")), Some(words)).await;
    let words = "2 objects are not well; the first: Deployment shop/front: $.status.x was not there, should be 1";
    check(all("expect", json!(["json $.status.x == 1"])), Some(words)).await;
    check(all("expect", json!(["count == 2"])), None).await;
    check(all("expect", json!(["count > 2"])), Some("count was 2, should be > 2")).await;
    check(all("selector", json!("tier=none")), Some("there is no Deployment/shop/tier=none")).await;
    let (seen, asked) = asked(all("condition", json!("Available=True"))).await;
    assert!(seen.answered && asked.iter().any(|s| s.path.contains("limit=250")), "{asked:?}");
}

#[tokio::test]
async fn refusals_and_what_is_not_there_are_told_apart() {
    let words = "HTTP 403: we may not list secrets: add to a Role in shop, or the ClusterRole of our user: \
                 {apiGroups: [\"\"], resources: [secrets], verbs: [list]}";
    check(json!({"api_version": "v1", "kind": "Secret", "namespace": "shop"}), Some(words)).await;
    let words = "HTTP 403: we may not list nodes: add to the ClusterRole of our user: \
                 {apiGroups: [\"\"], resources: [nodes], verbs: [list]}";
    check(json!({"api_version": "v1", "kind": "Node"}), Some(words)).await;
    let words = "the cluster has no API velero.io/v1: is what brings it installed?";
    check(json!({"api_version": "velero.io/v1", "kind": "Backup"}), Some(words)).await;
    check(json!({"api_version": "v1", "kind": "Pod"}), Some("the cluster has no kind Pod in v1")).await;
    let words = "the API server's answer can't be understood (line 1)";
    check(json!({"api_version": "v1", "kind": "PersistentVolumeClaim"}), Some(words)).await;
    check(json!({"preset": "velero"}), Some("the cluster has no API velero.io: is it installed?")).await;
    let words = "CephCluster rook-ceph/rook-ceph: $.status.ceph.health was \"HEALTH_WARN\", should be \"HEALTH_OK\"";
    check(json!({"preset": "rook-ceph"}), Some(words)).await;
}

#[tokio::test]
async fn without_a_way_to_the_cluster_nothing_is_known() {
    let check: CheckConfig =
        serde_json::from_value(json!({"name": "x", "object": {"cluster": "prod", "preset": "pvcs"}})).unwrap();
    assert_eq!((check.group(), check.asks_cluster()), ("prod", Some("prod")));
    let target = check.target(0, &BTreeMap::new(), (Duration::from_secs(10), Duration::from_secs(5))).unwrap();
    let seen = probe(&Arc::new(target), &check, None, &Clock::system()).await;
    assert_eq!(seen.failure.unwrap().reason, Reason::Local);
}

/// What each preset says of objects as these products write them.
#[test]
fn presets_know_well_from_not_well() {
    let now = "2026-11-01T12:00:00Z".parse().unwrap();
    let words = |preset: Preset, kind: &str, objects: Value| -> Vec<String> {
        let queries: Vec<Query> = preset.queries();
        let query = queries.iter().find(|q| q.kind == kind).unwrap();
        super::judge::all(query, objects.as_array().unwrap(), now)
    };
    let ready = |status: &str| json!([{"metadata": {"name": "a"}, "status": {"conditions": [{"type": "Ready", "status": status}]}}]);
    let check = |preset: Preset, kind: &str, well: Value, sick: Value| {
        assert_eq!(words(preset, kind, well), Vec::<String>::new(), "{preset:?} {kind}");
        assert_eq!(words(preset, kind, sick).len(), 1, "{preset:?} {kind}");
    };
    let phase = |phase: &str| json!([{"metadata": {"name": "a"}, "status": {"phase": phase}}]);
    let health = |health: &str| json!([{"metadata": {"name": "a"}, "status": {"ceph": {"health": health}}}]);
    check(Preset::RookCeph, "CephCluster", health("HEALTH_OK"), health("HEALTH_ERR"));
    check(Preset::Velero, "BackupStorageLocation", phase("Available"), phase("Unavailable"));
    let backup = |at: &str, phase: &str| {
        json!({"metadata": {"name": at, "namespace": "velero",
        "creationTimestamp": format!("2026-10-{at}T00:00:00Z"), "labels": {"velero.io/schedule-name": "daily"}}, "status": {"phase": phase}})
    };
    check(
        Preset::Velero,
        "Backup",
        json!([backup("02", "Completed"), backup("01", "Failed")]),
        json!([backup("01", "Completed"), backup("02", "PartiallyFailed")]),
    );
    check(Preset::CertManager, "Certificate", ready("True"), ready("False"));
    let robust = |is: &str| json!([{"metadata": {"name": "a"}, "status": {"robustness": is}}]);
    check(Preset::Longhorn, "Volume", robust("unknown"), robust("faulted"));
    let drivers = |drivers: Value| json!([{"metadata": {"name": "a"}, "spec": {"drivers": drivers}}]);
    check(Preset::CsiNodes, "CSINode", drivers(json!([{"name": "x"}])), drivers(json!(null)));
    let attached = |status: Value| json!([{"metadata": {"name": "a"}, "status": status}]);
    check(
        Preset::CsiNodes,
        "VolumeAttachment",
        attached(json!({"attached": true})),
        attached(json!({"attachError": {"message": "no"}})),
    );
    let claim = |phase: &str, at: &str| json!([{"metadata": {"name": "a", "creationTimestamp": at}, "status": {"phase": phase}}]);
    check(
        Preset::Pvcs,
        "PersistentVolumeClaim",
        claim("Pending", "2026-11-01T11:55:00Z"),
        claim("Pending", "2026-11-01T11:00:00Z"),
    );
    let app = |health: &str| json!([{"metadata": {"name": "a"}, "status": {"health": {"status": health}}}]);
    check(Preset::Argocd, "Application", app("Progressing"), app("Degraded"));
    let release = |suspend: bool| {
        json!([{"metadata": {"name": "a"}, "spec": {"suspend": suspend},
        "status": {"conditions": [{"type": "Ready", "status": "False"}]}}])
    };
    check(Preset::Flux, "HelmRelease", release(true), release(false));
    // Each condition of each preset is one: one that is none would be left out.
    let rules = |preset: Preset| preset.queries().iter().map(|q| q.rules.len()).collect::<Vec<_>>();
    assert_eq!(rules(Preset::Argocd), [2]);
    for preset in [
        Preset::RookCeph,
        Preset::Velero,
        Preset::CertManager,
        Preset::Longhorn,
        Preset::CsiNodes,
        Preset::Apiservices,
        Preset::Pvcs,
        Preset::Flux,
    ] {
        assert!(rules(preset).iter().all(|n| *n == 1), "{preset:?}");
    }
}

#[test]
fn what_can_not_be_asked_is_told() {
    let check = |object: Value, expected: &str| {
        let check: CheckConfig =
            serde_json::from_value(json!({"name": "x", "cluster": "prod", "object": object})).unwrap();
        let problems = crate::check::config::problems(&[check], &["prod"]);
        assert!(problems.iter().any(|(at, why)| format!("{at}: {why}").contains(expected)), "{object}: {problems:?}");
    };
    check(json!({}), "object.api_version: is missing");
    check(json!({"preset": "pvcs", "kind": "Pod"}), "not both");
    check(json!({"api_version": "v1", "kind": "Pod", "name": "../x"}), "object.name: this can't be one");
    check(json!({"api_version": "v1", "kind": "Pod", "path": "$.a"}), "path and equals belong together");
    check(json!({"api_version": "v1", "kind": "Pod", "path": "a", "equals": 1}), "object.path: this is no JSONPath");
    check(json!({"api_version": "v1", "kind": "Pod", "condition": "Ready"}), "write it like Ready=True");
    check(json!({"cluster": "other", "preset": "flux"}), "object.cluster: the check belongs to \"prod\"");
    check(
        json!({"preset": "flux", "expect": ["status == 200"]}),
        "object.expect[0]: an object has nothing of this kind",
    );
}

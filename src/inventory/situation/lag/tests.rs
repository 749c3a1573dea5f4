//! Endpoints that follow, and those that don't.

use serde_json::{Value, json};

use super::super::tests::{Told, t};
use crate::model::{LaggingEndpoints, Situation};

/// Later than any lag.
const LONG: i64 = 400;

fn pod(node: &str, ready: &str) -> Value {
    json!({"metadata": {"labels": {"app": "api", "tier": "web"}}, "spec": {"nodeName": node},
        "status": {"phase": "Running", "podIPs": {"10.0.0.7": {"ip": "10.0.0.7"}}, "conditions": {"Ready": {"status": ready}}}})
}

fn service(spec: Value) -> Value {
    json!({"spec": spec})
}

fn selecting() -> Value {
    service(json!({"selector": {"app": "api"}}))
}

fn slice(pods: &[&str], labels: Value) -> Value {
    let mut labels = labels;
    labels["kubernetes.io/service-name"] = json!("api");
    let endpoint = |i: usize, pod: &str| {
        (format!("10.0.0.{i}"), json!({"conditions": {"ready": true}, "targetRef": {"kind": "Pod", "name": pod}}))
    };
    let endpoints: serde_json::Map<String, Value> = pods.iter().enumerate().map(|(i, pod)| endpoint(i, pod)).collect();
    json!({"metadata": {"labels": labels}, "endpoints": endpoints})
}

fn told() -> Told {
    let mut told = Told::new();
    told.is(0, "nodes", "w1", json!({}));
    told.is(0, "pods", "shop/api-1", pod("w1", "True")).is(0, "pods", "shop/api-2", pod("w1", "True"));
    told.is(0, "services", "shop/api", selecting());
    told.is(0, "endpointslices", "shop/api-x", slice(&["api-1", "api-2"], json!({})));
    told
}

fn lagging(situation: Situation) -> Option<LaggingEndpoints> {
    situation.lagging_endpoints
}

#[test]
fn a_pod_that_is_gone_and_one_that_is_new_are_late_after_minutes() {
    let mut told = told();
    assert_eq!(lagging(told.at(LONG)), None);
    told.gone(LONG, "pods", "shop/api-2").is(LONG + 10, "pods", "shop/api-3", pod("w1", "True"));
    assert_eq!(lagging(told.at(LONG + 299)), None, "within what a controller may need");
    let late = lagging(told.at(LONG + 310)).unwrap();
    assert_eq!(
        (late.services.count, late.services.since, &late.services.names[..]),
        (1, t(LONG), &["shop/api".to_owned()][..])
    );
    assert_eq!(
        (&late.missing.names[..], &late.gone.names[..]),
        (&["shop/api-3".to_owned()][..], &["shop/api-2".to_owned()][..])
    );
    told.is(LONG + 320, "endpointslices", "shop/api-x", slice(&["api-1", "api-3"], json!({})));
    assert_eq!(lagging(told.at(2 * LONG)), None);
}

#[test]
fn pods_of_one_service_may_be_in_many_slices() {
    let mut told = told();
    told.is(1, "pods", "shop/api-3", pod("w1", "True"));
    told.is(1, "endpointslices", "shop/api-y", slice(&["api-3"], json!({})));
    told.is(2, "endpointslices", "shop/api-x", slice(&["api-1"], json!({})));
    told.is(2, "endpointslices", "shop/api-z", slice(&["api-2"], json!({})));
    assert_eq!(lagging(told.at(LONG)), None);
    told.gone(LONG, "endpointslices", "shop/api-y");
    assert_eq!(lagging(told.at(2 * LONG)).unwrap().missing.names, ["shop/api-3"]);
}

#[test]
fn what_no_endpoint_is_made_of_is_not_missed() {
    let mut told = told();
    let ended = json!({"metadata": {"labels": {"app": "api"}}, "spec": {"nodeName": "w1"},
        "status": {"phase": "Failed", "conditions": {"Ready": {"status": "True"}}}});
    let mut going = pod("w1", "True");
    going["metadata"]["deletionTimestamp"] = json!("2026-11-23T06:00:00Z");
    told.is(1, "pods", "shop/unready", pod("w1", "False"));
    told.is(1, "pods", "shop/ended", ended);
    told.is(1, "pods", "shop/going", going);
    told.is(1, "pods", "shop/lost", pod("nobody", "True"));
    told.is(1, "pods", "bank/other", pod("w1", "True"));
    assert_eq!(lagging(told.at(LONG)), None);
    // Going is not gone.
    let mut going = pod("w1", "True");
    going["metadata"]["deletionTimestamp"] = json!("2026-11-23T06:00:00Z");
    told.is(LONG, "pods", "shop/api-1", going);
    assert_eq!(lagging(told.at(2 * LONG)), None);
}

#[test]
fn services_that_nobody_follows_for_are_not_judged() {
    for spec in [
        json!({}),
        json!({"selector": {"app": "api"}, "type": "ExternalName"}),
        json!({"selector": {"app": "api"}, "ipFamilies": ["IPv6"]}),
    ] {
        let mut told = told();
        told.is(1, "services", "shop/api", service(spec.clone()));
        told.is(1, "endpointslices", "shop/api-x", slice(&[], json!({})));
        assert_eq!(lagging(told.at(LONG)), None, "{spec}");
    }
    // Slices of somebody else, and those that are filled by hand.
    let mut told = told();
    told.is(
        1,
        "endpointslices",
        "shop/mesh",
        slice(&["far-1"], json!({"endpointslice.kubernetes.io/managed-by": "mesh"})),
    );
    assert_eq!(lagging(told.at(LONG)), None);
    told.is(1, "pods", "shop/api-9", pod("w1", "True"));
    let mut by_hand = slice(&["api-1"], json!({}));
    by_hand["endpoints"]["192.0.2.1"] = json!({});
    told.is(1, "endpointslices", "shop/api-x", by_hand);
    assert_eq!(lagging(told.at(LONG)), None);
}

#[test]
fn a_watch_of_slices_that_is_stuck_accuses_nobody() {
    let mut told = told();
    told.at(10);
    told.gone(11, "pods", "shop/api-2");
    for at in 12..LONG {
        ["nodes", "pods", "services"].into_iter().for_each(|kind| told.summary.seen(kind, t(at)));
    }
    assert_eq!(lagging(told.summary.situation(t(LONG))), None);
    assert!(lagging(told.at(LONG)).is_some());
}

use super::*;

#[test]
fn a_node_is_read_as_far_as_it_is_needed() {
    let node: Node = serde_json::from_str(
        r#"{"metadata": {"name": "cp-1", "labels": {"node-role.kubernetes.io/control-plane": ""},
                          "deletionTimestamp": "2026-11-23T07:00:00Z", "managedFields": [{"x": 1}]},
            "spec": {"unschedulable": true, "taints": [{"key": "k", "effect": "NoExecute"}]},
            "status": {"addresses": [{"type": "Hostname", "address": "cp-1"}, {"type": "ExternalIP", "address": "192.0.2.1"},
                                     {"type": "InternalIP", "address": "10.0.0.1"}, {"type": "InternalIP", "address": "fd00::1"},
                                     {"type": "InternalDNS", "address": "cp-1"}],
                       "daemonEndpoints": {"kubeletEndpoint": {"Port": 10251}}, "nodeInfo": {"kubeletVersion": "v1.34.1"},
                       "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-23T06:00:00Z"}]}}"#,
    )
    .unwrap();
    let fact = NodeFact::from(node);
    assert_eq!(fact.addresses, ["10.0.0.1", "fd00::1", "192.0.2.1", "cp-1"]);
    assert_eq!((&*fact.name, fact.kubelet_port, fact.version.as_str()), ("cp-1", 10251, "v1.34.1"));
    assert!(fact.unschedulable && fact.deleting && fact.control_plane && fact.is_ready());
    assert_eq!(fact.conditions[0].since, Some("2026-11-23T06:00:00Z".parse().unwrap()));
    assert_eq!(fact.taints, [Taint { key: "k".into(), effect: "NoExecute".into() }]);

    let bare = NodeFact::from(serde_json::from_str::<Node>(r#"{"metadata": {"name": "n", "labels": null}}"#).unwrap());
    assert_eq!(
        (bare.kubelet_port, bare.addresses.len(), bare.is_ready(), bare.control_plane),
        (10250, 0, false, false)
    );
}

#[test]
fn endpoints_of_both_kinds_are_places() {
    let slice: Slice = serde_json::from_str(
        r#"{"endpoints": [{"addresses": ["10.0.0.1"]}, {"addresses": ["fd00::2"], "conditions": {"ready": false}}],
            "ports": [{"name": "other", "port": 1}, {"name": "https", "port": 6443}]}"#,
    )
    .unwrap();
    assert_eq!(slice.places(), ["10.0.0.1:6443", "[fd00::2]:6443"]);
    let endpoints: Endpoints = serde_json::from_str(
        r#"{"subsets": [{"addresses": [{"ip": "10.0.0.1"}], "notReadyAddresses": [{"ip": "10.0.0.2"}], "ports": [{"port": 443}]},
                        {"addresses": null, "ports": null}]}"#,
    )
    .unwrap();
    assert_eq!(endpoints.places(), ["10.0.0.1:443", "10.0.0.2:443"]);
    assert!(serde_json::from_str::<Endpoints>(r#"{"subsets": null}"#).unwrap().places().is_empty());
}

#[test]
fn an_age_is_never_negative() {
    let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
    assert_eq!(age(now - SignedDuration::from_secs(90), now), Duration::from_secs(90));
    assert_eq!(age(now + SignedDuration::from_millis(900), now), Duration::ZERO);
}

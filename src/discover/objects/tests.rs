use super::*;

#[test]
fn endpoints_of_both_kinds_are_places() {
    let slice: Slice = serde_json::from_str(
        r#"{"endpoints": [{"addresses": ["10.0.0.1"]}, {"addresses": ["fd00::2"], "conditions": {"ready": false}}],
            "ports": [{"name": "other", "port": 1}, {"name": "https", "port": 6443}]}"#,
    )
    .unwrap();
    assert_eq!(slice.places(LocalHosts::default()), ["10.0.0.1:6443", "[fd00::2]:6443"]);
    let endpoints: Endpoints = serde_json::from_str(
        r#"{"subsets": [{"addresses": [{"ip": "10.0.0.1"}], "notReadyAddresses": [{"ip": "10.0.0.2"}], "ports": [{"port": 443}]},
                        {"addresses": null, "ports": null}]}"#,
    )
    .unwrap();
    assert_eq!(endpoints.places(LocalHosts::default()), ["10.0.0.1:443", "10.0.0.2:443"]);
    assert!(
        serde_json::from_str::<Endpoints>(r#"{"subsets": null}"#).unwrap().places(LocalHosts::default()).is_empty()
    );
    let odd: Slice =
        serde_json::from_str(r#"{"endpoints": [{"addresses": ["10.0.0.1"]}], "ports": [{"port": 70000}]}"#).unwrap();
    assert!(odd.places(LocalHosts::default()).is_empty());
}

#[test]
fn an_age_is_never_negative() {
    let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
    assert_eq!(age(now - SignedDuration::from_secs(90), now), Duration::from_secs(90));
    assert_eq!(age(now + SignedDuration::from_millis(900), now), Duration::ZERO);
}

#[test]
fn a_table_has_columns_by_name() {
    let check = |json: &str, expected: Option<&[[&str; 2]]>| {
        let table: Table = serde_json::from_str(json).unwrap();
        let expected = expected.map(|rows| rows.iter().map(|row| row.map(str::to_owned)).collect::<Vec<_>>());
        assert_eq!(table.columns(["Name", "Status"]), expected, "{json}");
    };
    let columns = r#""columnDefinitions": [{"name": "Name"}, {"name": "Age"}, {"name": "Status"}]"#;
    check(
        &format!(r#"{{"kind": "Table", {columns}, "rows": [{{"cells": ["a", "5d", "Ready"]}}]}}"#),
        Some(&[["a", "Ready"]]),
    );
    check(&format!(r#"{{"kind": "Table", {columns}, "rows": null}}"#), Some(&[]));
    check(&format!(r#"{{"kind": "Table", {columns}, "rows": [{{"cells": ["a"]}}]}}"#), None);
    check(r#"{"kind": "Table", "rows": []}"#, None);
    check(r#"{"kind": "NodeList", "items": []}"#, None);
}

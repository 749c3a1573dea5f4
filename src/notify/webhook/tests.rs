use super::*;
use crate::{model::Notification, notify::example};

fn json(n: &Notification, max: usize) -> serde_json::Value {
    serde_json::to_value(body::of(n, "ops", max, &crate::words::Voice::default())).unwrap()
}

#[test]
fn alertmanagers_message_of_opened_and_resolved() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&json(&example::opened(), 0)).unwrap());
    insta::assert_snapshot!(serde_json::to_string_pretty(&json(&example::resolved(), 0)).unwrap());
}

#[test]
fn alerts_beyond_the_limit_are_counted() {
    let body = json(&example::opened(), 1);
    assert_eq!(body["alerts"].as_array().unwrap().len(), 1);
    assert_eq!(body["alerts"][0]["labels"]["alertname"], "EtcdQuorumLost");
    assert_eq!(body["truncatedAlerts"], 1);
}

#[test]
fn an_alert_keeps_its_fingerprint() {
    let (first, mut later) = (example::opened(), example::resolved());
    later.incident.alerts[0].finding.severity = crate::model::Severity::Warning;
    later.incident.alerts[0].finding.headline = "otherwise".into();
    let print = |n: &Notification, i: usize| json(n, 0)["alerts"][i]["fingerprint"].as_str().unwrap().to_owned();
    assert_eq!(print(&first, 0), print(&later, 0));
    assert_ne!(print(&first, 0), print(&first, 1));
}

#[test]
fn alerts_that_differ_by_subject_alone_differ() {
    let mut n = example::opened();
    n.incident.alerts[1] = n.incident.alerts[0].clone();
    n.incident.alerts[1].finding.key.subject = "etcd-3".into();
    let body = json(&n, 0);
    assert_eq!(body["alerts"][1]["labels"]["subject"], "etcd-3");
    assert_ne!(body["alerts"][0]["fingerprint"], body["alerts"][1]["fingerprint"]);
}

#[test]
fn signs_as_github_does() {
    // The example of GitHub's documentation.
    let signature = sign("It's a Secret to Everybody", b"Hello, World!").unwrap();
    assert_eq!(signature, "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");
}

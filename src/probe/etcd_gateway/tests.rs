use insta::assert_debug_snapshot;
use proptest::prelude::*;

use super::*;
use crate::model::EtcdVia;

#[test]
fn the_roundest_revision_is_the_same_for_all_that_ask_about_then() {
    let check = |after, up_to, expected| assert_eq!(roundest(after, up_to), expected, "{after} {up_to}");
    check(0, 0, None);
    check(7, 7, None);
    check(8, 7, None);
    check(6, 7, Some(7));
    check(0, 1500, Some(1024));
    check(1000, 1500, Some(1024));
    check(1024, 1500, Some(1280));
    check(120_000, 120_600, Some(120_320));
    check(120_000, 120_831, Some(120_320));
    check(u64::MAX - 1, u64::MAX, Some(u64::MAX));
}

proptest! {
    #[test]
    fn the_roundest_lies_between(after: u64, up_to: u64) {
        match roundest(after, up_to) {
            Some(found) => prop_assert!(after < found && found <= up_to),
            None => prop_assert!(after >= up_to),
        }
    }
}

fn read_status(body: &str) -> EtcdFacts {
    let mut facts = EtcdFacts::new(EtcdVia::Client);
    status(body.as_bytes(), &mut facts);
    facts
}

#[test]
fn health_of_each_version() {
    let check = |body: &str, expected: Option<(bool, &str)>| {
        let told = health(body.as_bytes());
        assert_eq!(told.as_ref().map(|h| (h.healthy, h.reason.as_str())), expected, "{body}");
    };
    check(r#"{"health":"true"}"#, Some((true, "")));
    check("{\"health\":\"false\"}\n", Some((false, "")));
    check(r#"{"health":"true","reason":""}"#, Some((true, "")));
    check(r#"{"health":"false","reason":"RAFT NO LEADER"}"#, Some((false, "RAFT NO LEADER")));
    check(r#"{"health":true}"#, Some((true, "")));
    for other in ["", "ok", "{}", r#"{"health":7}"#, r#"{"health":"fine"}"#, "<html>", "null"] {
        check(other, None);
    }
}

#[test]
fn status_of_3_4_healthy() {
    let facts = read_status(
        r#"{"header":{"cluster_id":"12654407464858025104","member_id":"1065833922067485795","revision":"7304","raft_term":"2"},"version":"3.4.23","dbSize":"1232896","leader":"4601808323206843246","raftIndex":"10199","raftTerm":"2","raftAppliedIndex":"10199","dbSizeInUse":"811008"}"#,
    );
    assert_eq!((facts.member_id, facts.version.as_deref()), (Some(1_065_833_922_067_485_795), Some("3.4.23")));
    assert_eq!((facts.has_leader, facts.is_leader), (Some(true), Some(false)));
    assert_eq!((facts.db_size, facts.db_size_in_use, facts.db_quota), (Some(1_232_896), Some(811_008), None));
    assert_eq!((facts.raft_term, facts.raft_index, facts.raft_applied_index), (Some(2), Some(10_199), Some(10_199)));
}

#[test]
fn status_without_a_leader_answers_200() {
    for version in [
        r#"{"header":{"member_id":"7"},"version":"3.4.23","raftTerm":"2","errors":["etcdserver: no leader"]}"#,
        r#"{"header":{"member_id":"7"}, "version":"3.5.16", "leader":"0", "errors":["etcdserver: no leader"]}"#,
    ] {
        let facts = read_status(version);
        assert_eq!((facts.has_leader, facts.is_leader), (Some(false), Some(false)), "{version}");
        assert_eq!(facts.errors, ["etcdserver: no leader"]);
    }
}

#[test]
fn status_of_3_6_tells_the_quota() {
    let facts = read_status(
        r#"{"header":{"member_id":"7"},"version":"3.6.0","leader":"7","dbSizeQuota":"2147483648","storageVersion":"3.6.0","downgradeInfo":{},"isLearner":false}"#,
    );
    assert_eq!((facts.db_quota, facts.is_leader), (Some(2_147_483_648), Some(true)));
}

#[test]
fn a_status_of_something_else_changes_nothing() {
    for other in ["", "{}", "[]", "null", r#"{"header":null}"#, r#"{"header":{"member_id":[]}}"#, r#"{"errors":"no"}"#]
    {
        assert_eq!(read_status(other), EtcdFacts::new(EtcdVia::Client), "{other}");
    }
}

#[test]
fn alarms_in_force() {
    assert!(alarms(b"{}").is_empty());
    assert!(alarms(br#"{"header":{"cluster_id":"1"}}"#).is_empty());
    assert!(alarms(b"garbage").is_empty());
    let told =
        alarms(br#"{"header":{},"alarms":[{"memberID":"7","alarm":"NOSPACE"},{"alarm":"CORRUPT"},{"memberID":"7"}]}"#);
    assert_eq!(
        told,
        [EtcdAlarm { member_id: 7, alarm: "NOSPACE".into() }, EtcdAlarm { member_id: 0, alarm: "CORRUPT".into() },]
    );
}

#[test]
fn the_member_list_is_sorted_and_keeps_members_that_never_started() {
    let told = members(
        br#"{"header":{},"members":[{"ID":"9","name":"m1","peerURLs":["https://10.99.0.1:2380"],"clientURLs":["https://10.99.0.1:2379"]},{"ID":"2","peerURLs":["https://10.99.0.4:2380"],"isLearner":true},{"name":"no ID"}]}"#,
    );
    assert_debug_snapshot!(told, @r#"
    [
        EtcdMember {
            id: 2,
            name: "",
            peer_urls: [
                "https://10.99.0.4:2380",
            ],
            client_urls: [],
            learner: true,
        },
        EtcdMember {
            id: 9,
            name: "m1",
            peer_urls: [
                "https://10.99.0.1:2380",
            ],
            client_urls: [
                "https://10.99.0.1:2379",
            ],
            learner: false,
        },
    ]
    "#);
}

#[test]
fn lists_and_texts_have_an_end() {
    let many: Vec<_> = (0..500).map(|i| serde_json::json!({"ID": i, "name": "é".repeat(5_000)})).collect();
    let told = members(serde_json::json!({ "members": many }).to_string().as_bytes());
    assert_eq!(told.len(), LIST_MAX);
    assert_eq!(told[0].name.chars().count(), TEXT_MAX);
}

proptest! {
    #[test]
    fn any_bytes_are_read(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        health(&body);
        alarms(&body);
        members(&body);
        status(&body, &mut EtcdFacts::new(EtcdVia::Client));
    }

    #[test]
    fn any_value_of_a_known_field_is_read(value in r#"("[0-9a-z]{0,25}"|-?[0-9]{1,25}|null|true|\[\]|\{\})"#) {
        let body = format!(r#"{{"header":{{"member_id":"1"}},"leader":{value},"dbSize":{value},"health":{value}}}"#);
        health(body.as_bytes());
        status(body.as_bytes(), &mut EtcdFacts::new(EtcdVia::Client));
    }
}

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};

use super::{
    config::RemoteWriteConfig,
    send::{Verdict, judge, pause},
};

#[test]
fn answers_are_judged_as_the_specification_says() {
    let check = |status: u16, after: Option<&str>, want: Verdict| {
        let mut headers = HeaderMap::new();
        if let Some(after) = after {
            headers.insert(header::RETRY_AFTER, after.parse().unwrap());
        }
        assert_eq!(judge(StatusCode::from_u16(status).unwrap(), &headers), want, "{status}");
    };
    check(204, None, Verdict::Taken);
    check(429, Some("7"), Verdict::Again(Some(Duration::from_secs(7))));
    check(429, Some("99999"), Verdict::Again(Some(Duration::from_secs(300))));
    check(503, Some("tomorrow"), Verdict::Again(None));
    check(500, None, Verdict::Again(None));
    check(400, None, Verdict::Refused);
    check(302, None, Verdict::Refused);
}

#[test]
fn pauses_double_up_to_their_limit() {
    let (min, max) = (Duration::from_millis(30), Duration::from_secs(5));
    assert_eq!(pause(1, min, max, 1.0), min);
    assert_eq!(pause(1, min, max, 0.0), min / 2);
    assert_eq!(pause(4, min, max, 1.0), min * 8);
    assert_eq!(pause(u32::MAX, min, max, 1.0), max);
}

#[test]
fn a_configuration_that_can_not_work_is_said() {
    let problems = |yaml: &str| {
        let config: RemoteWriteConfig = serde_json::from_str(yaml).unwrap();
        config.problems().into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert_eq!(problems(r#"{"url": "https://mimir.example.org/api/v1/push"}"#), [""; 0]);
    assert_eq!(problems(r#"{"url": "ftp://u:p@mimir.example.org/"}"#), [".url", ".url"]);
    assert_eq!(problems(r#"{"url": "http://m/", "queue_config": {"shards": 0}}"#), [".queue_config.shards"]);
    let own = r#"{"url": "http://m/", "headers": {"content-type": "text/plain", "X-Scope-OrgID": "a"}}"#;
    assert_eq!(problems(own), [".headers"]);
    let refused = serde_json::from_str::<RemoteWriteConfig>(r#"{"url": "http://m/", "write_relabel_configs": []}"#);
    assert!(refused.unwrap_err().to_string().contains("unknown field"));
}

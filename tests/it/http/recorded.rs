//! What the flight recorder knows, over HTTP.

use dogwatch::{
    inventory::tape,
    model::{BlockKey, RecordedBlock, RecordedSeen},
};
use jiff::Timestamp;
use serde_json::Value;

use super::*;
use crate::eventually::eventually;

fn block(kind: &str, at: Timestamp, lines: &[(&str, &str)]) -> RecordedBlock {
    let (mut text, from_ms) = (Vec::new(), at.as_millisecond());
    lines.iter().for_each(|(key, fields)| tape::write(&mut text, from_ms, key, Some(fields)));
    let key = BlockKey { cluster: "prod".into(), kind: kind.into(), from_ms, is_whole: false, part: 0 };
    RecordedBlock { key, to_ms: from_ms, body: tape::pack(&text).unwrap() }
}

/// Puts some nodes and pods on record, as of a minute ago.
pub(super) async fn record(served: &Served) {
    let at = now() - Duration::from_secs(60);
    let pod =
        r#"{"metadata":{"labels":{"app":"api"}},"spec":{"nodeName":"w1","containers":{"c":{"image":"r/api:2"}}}}"#;
    let blocks = vec![
        block("nodes", at, &[("w1", "{}")]),
        block("pods", at, &[("shop/api-1", pod), ("shop/db-0", "{}"), ("ci/run-1", pod)]),
    ];
    let seen = ["nodes", "pods"].map(|kind| RecordedSeen {
        cluster: "prod".into(),
        kind: kind.into(),
        at: Some(at),
        why_not: String::new(),
    });
    served.store.save_recorded(blocks, seen.to_vec());
    eventually("it is in the file", async || served.get("/api/dogwatch/v1/state/prod").await.status == 200).await;
}

#[tokio::test]
async fn what_ran_is_answered_from_the_file() {
    let served = start_at(picture::calm(), "").await;
    record(&served).await;
    let get = async |path: &str| -> Value {
        let got = served.get(&format!("/api/dogwatch/v1/state/prod{path}")).await;
        assert_eq!(got.status, 200, "{path}: {}", got.body);
        serde_json::from_str(&got.body).unwrap()
    };
    let names = |found: &Value| -> Vec<String> {
        let all = found["objects"].as_array().unwrap();
        all.iter().map(|o| o["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(get("").await["kinds"][1]["objects"], 3);
    assert_eq!(names(&get("/pods").await), ["run-1", "api-1", "db-0"]);
    assert_eq!(names(&get("/pods?namespace=shop&selector=app%3Dapi").await), ["api-1"]);
    assert!(names(&get("/pods?at=2h-ago").await).is_empty());
    assert_eq!(get("/where?word=pod%2Fapi-1").await["pods"][0]["node"], "w1");
    assert_eq!(get("/where?word=r%2Fapi").await["pods"].as_array().unwrap().len(), 2);
    assert_eq!(get("/export").await["checklist"]["nodes"][0]["name"], "w1");
    assert!(get("/diff?since=2h").await["remarks"][0].as_str().unwrap().contains("not recorded yet"));
    let page = served.get("/recorded/prod?what=pods&search=API").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("prod as last seen 1 min") && page.body.contains("api-1"), "{}", page.body);
    assert!(!page.body.contains("db-0"), "{}", page.body);
    let page = served.get("/recorded/staging").await;
    assert_eq!(page.status, 404);
    assert!(page.body.contains("nothing is recorded of"), "{}", page.body);
    assert!(served.get("/").await.body.contains("&#x2f;recorded&#x2f;prod"));
    for (path, status) in [("/prod/secrets", 404), ("/staging", 404), ("/prod/where", 400), ("/prod/pods?at=noon", 400)]
    {
        let got = served.get(&format!("/api/dogwatch/v1/state{path}")).await;
        assert_eq!(got.status, status, "{path}: {}", got.body);
    }
}

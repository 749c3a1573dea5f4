//! How available something was: one number for programs, the report as a page.

use std::time::Duration;

use dogwatch::model::{Job, ProbeSpec, State, Target, TargetKey, Verdict};

use super::{picture, picture::now, start_at};
use crate::eventually::eventually;

#[tokio::test]
async fn a_number_says_what_it_is_made_of() {
    let served = start_at(picture::calm(), "").await;
    let path = "/api/dogwatch/v1/availability";
    for (query, status, said) in [
        ("", 400, "say of what"),
        ("?of=prod//", 400, "names nothing"),
        ("?slo=shop", 400, "no objective"),
        ("?of=prod&from=soon", 400, "from:"),
        ("?of=prod/etcd", 404, "Nothing of that name"),
    ] {
        let got = served.get(&format!("{path}{query}")).await;
        assert!(got.status == status && got.body.contains(said), "{query}: {} {}", got.head, got.body);
    }
    let key = TargetKey { cluster: "prod".into(), job: Job::Etcd, instance: "10.0.0.1:2379".into() };
    let target = Target {
        key,
        node: None,
        spec: ProbeSpec::Healthz { url: "https://10.0.0.1/healthz".parse().unwrap() },
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(5),
        guessed: false,
        labels: Default::default(),
    };
    let (state, message) = (State::Unknown, String::new());
    let verdict = Verdict { state, since: now(), reason: None, message, reached: false, hides: None };
    served.store.save_targets(vec![(target, verdict)]);
    let asked = format!("{path}?of=prod/etcd&from=2h");
    eventually("it is on record", async || served.get(&asked).await.status == 200).await;
    let answer: serde_json::Value = serde_json::from_str(&served.get(&asked).await.body).unwrap();
    assert_eq!((&answer["of"], &answer["availability"]), (&"prod/etcd".into(), &serde_json::Value::Null));
    let parts = answer["seconds"].as_object().unwrap();
    assert_eq!(parts.values().map(|s| s.as_u64().unwrap()).sum::<u64>(), 7_200, "{answer}");
    assert_eq!(answer["outages"], serde_json::json!([]));
}

#[tokio::test]
async fn a_month_is_a_page() {
    let served = start_at(picture::calm(), "").await;
    let page = served.get("/report?month=2026-11&time_zone=Europe/Paris").await;
    assert_eq!(page.status, 200, "{}", page.head);
    assert!(page.body.contains("<h1>Availability: November 2026</h1>") && page.body.contains("CET"), "{}", page.body);
    assert!(!page.body.contains("<style>"), "its style is a file: {}", page.body);
    assert_eq!(served.get("/report?month=soon").await.status, 400);
    assert!(served.get("/").await.body.contains("/report\">Report</a>"));
}

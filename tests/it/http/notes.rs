//! Notes of people on incidents, and the text for a post-mortem.

use dogwatch::model::IncidentNote;
use serde_json::{Value, json};

use super::{Served, picture, start_at};

async fn post(served: &Served, path: &str, kind: &str, body: &str) -> super::Got {
    let head = format!("content-type: {kind}\r\ncontent-length: {}\r\n", body.len());
    served.send(&format!("POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{head}\r\n{body}")).await
}

async fn note(served: &Served, id: &str, body: Value) -> super::Got {
    post(served, &format!("/api/dogwatch/v1/incidents/{id}/notes"), "application/json", &body.to_string()).await
}

#[tokio::test]
async fn people_note_what_they_tried_and_take_it_along() {
    let served = start_at(picture::outage(), "").await;
    let form = "by=ada+%3Cops%3E&text=the+%60switch%60+was+replaced%0D%0A%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    let kind = "application/x-www-form-urlencoded";
    let got = post(&served, "/incidents/7/note", kind, form).await;
    assert!(got.status == 303 && got.head.contains("location: /incidents/7"), "{}", got.head);
    let body = served.get("/incidents/7").await.body;
    let noted = "<strong>ada &lt;ops&gt;</strong> noted: <span class=\"text\">the <code>switch</code> was replaced\n&lt;script&gt;";
    assert!(body.contains(noted), "{body}");

    let ended = note(&served, "6", json!({"by": "bob", "text": "it was the disk"})).await;
    assert_eq!((ended.status, &*ended.body), (200, "{\"noted\":\"6\"}"), "what has ended takes notes, too");
    let view: Value = serde_json::from_str(&served.get("/api/dogwatch/v1/incidents/6").await.body).unwrap();
    assert_eq!((&view["notes"][0]["by"], &view["notes"][0]["text"]), (&json!("bob"), &json!("it was the disk")));

    let text = served.get("/incidents/7/post-mortem.md").await;
    assert!(text.head.contains("content-type: text/markdown; charset=utf-8"), "{}", text.head);
    for said in
        ["# etcd has lost quorum", "## What happened (UTC)", "**ada \\<ops\\>** noted: the `switch` was replaced"]
    {
        assert!(text.body.contains(said), "{said}: {}", text.body);
    }
    assert_eq!(served.get("/incidents/99/post-mortem.md").await.status, 404);
}

#[tokio::test]
async fn a_note_has_its_limits() {
    let served = start_at(picture::outage(), "").await;
    for (id, body, status, why) in [
        ("99", json!({"by": "ada", "text": "a"}), 404, "There is no incident 99"),
        ("7", json!({"text": "a"}), 400, "Say who notes it"),
        ("7", json!({"by": "ada", "text": " "}), 400, "Write what is to be kept"),
        ("7", json!({"by": "ada", "text": "x".repeat(5000)}), 400, "a note has 4000 at the most"),
    ] {
        let got = note(&served, id, body).await;
        assert!(got.status == status && got.body.contains(why), "{why}: {} {}", got.status, got.body);
    }
    let kept = post(&served, "/incidents/7/note", "application/x-www-form-urlencoded", "by=&text=kept").await;
    assert!(kept.status == 400 && kept.body.contains("kept</textarea>"), "{}", kept.body);
    for i in 0..IncidentNote::NOTES_MAX {
        let note = IncidentNote { incident: 7, at: picture::now(), by: format!("p{i}"), text: "a".into() };
        served.store.commit_note(note).await;
    }
    let got = note(&served, "7", json!({"by": "ada", "text": "one more"})).await;
    assert!(got.status == 409 && got.body.contains("takes no more"), "{} {}", got.status, got.body);
}

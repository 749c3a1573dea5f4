//! A disk that can't be written: what is handed in holds and is told, and nobody is told that it is stored.

use std::path::PathBuf;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{base, names, watch::Watch};
use crate::{eventually::eventually, receivers::HookServer};

/// The answer to a request with a JSON body.
pub async fn send(watch: &Watch, method: reqwest::Method, path: &str, body: Value) -> (StatusCode, Value) {
    let request = reqwest::Client::new().request(method, format!("{}{path}", watch.url));
    let answer = request.header("content-type", "application/json").body(body.to_string()).send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    (status, serde_json::from_str(&text).unwrap_or_default())
}

async fn page(watch: &Watch, path: &str) -> String {
    reqwest::get(format!("{}{path}", watch.url)).await.unwrap().text().await.unwrap()
}

fn in_memory((status, body): (StatusCode, Value)) -> Value {
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    assert!(body["warning"].as_str().is_some_and(|w| w.contains("only in memory")), "{body}");
    body
}

#[tokio::test]
async fn what_the_disk_does_not_take_is_not_called_stored() {
    let sink = HookServer::start().await;
    let mut watch = Watch::start(&base(&sink, "")).await;
    watch.kill();
    let data: PathBuf = watch.data();
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::write(&data, "a file where the directory should be").unwrap();
    watch.start_again().await;
    let post = reqwest::Method::POST;
    let alert = json!([{"labels": {"alertname": "Full", "severity": "critical"}}]);
    in_memory(send(&watch, post.clone(), "/api/v2/alerts", alert.clone()).await);
    eventually("it is told all the same", async || names(&sink).contains("Full firing")).await;

    let silence = json!({
        "matchers": [{"name": "alertname", "value": "Other", "isRegex": false}],
        "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z", "createdBy": "me", "comment": "known",
    });
    let made = in_memory(send(&watch, post.clone(), "/api/v2/silences", silence.clone()).await);
    let id = made["silenceID"].as_str().unwrap().to_owned();
    assert!(page(&watch, "/silences").await.contains("can't write to its disk"));
    assert!(watch.cli(&["silence", "list"]).contains("known"));
    let gone = reqwest::Method::DELETE;
    in_memory(send(&watch, gone, &format!("/api/v2/silence/{id}"), Value::Null).await);
    let open: Value = serde_json::from_str(&page(&watch, "/api/dogwatch/v1/incidents").await).unwrap();
    assert!(open["history_error"].as_str().is_some_and(|e| e.contains("can't be read")), "{open}");
    let full = open["incidents"].as_array().unwrap().iter().find(|i| i["headline"] == "Full").unwrap();
    let acknowledge = format!("/api/dogwatch/v1/incidents/{}/acknowledge", full["id"]);
    in_memory(send(&watch, post.clone(), &acknowledge, json!({"by": "me"})).await);
    let (unknown, _) = send(&watch, reqwest::Method::GET, "/api/dogwatch/v1/incidents/4711", Value::Null).await;
    assert_eq!(unknown, StatusCode::SERVICE_UNAVAILABLE, "it is not known that there is none");

    // It can be written again: what was held is stored, and from now on the answer says so.
    std::fs::remove_file(&data).unwrap();
    eventually("it is stored", async || {
        send(&watch, post.clone(), "/api/v2/alerts", alert.clone()).await.0 == StatusCode::OK
    })
    .await;
    watch.kill();
    watch.start_again().await;
    assert!(page(&watch, "/api/v2/alerts").await.contains("Full"));
    assert!(page(&watch, "/api/v2/silences").await.contains("known"));
    assert!(page(&watch, &format!("/incidents/{}", full["id"])).await.contains("me</strong> looks after it"));
}

#[tokio::test]
async fn a_database_that_is_deleted_while_it_runs_loses_nothing() {
    let sink = HookServer::start().await;
    let mut watch = Watch::start(&base(&sink, "tell_warnings_after: 0s\n")).await;
    let post = reqwest::Method::POST;
    let silence = |comment: &str| {
        json!({
            "matchers": [{"name": "alertname", "value": "Other", "isRegex": false}],
            "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z", "createdBy": "me", "comment": comment,
        })
    };
    assert_eq!(send(&watch, post.clone(), "/api/v2/silences", silence("first")).await.0, StatusCode::OK);
    std::fs::remove_dir_all(watch.data()).unwrap();
    // What is taken before it has been noticed counts as well.
    assert_eq!(send(&watch, post, "/api/v2/silences", silence("second")).await.0, StatusCode::OK);
    eventually("it is told", async || names(&sink).contains("StoreFailing firing")).await;
    assert!(watch.data().join("dogwatch.db").exists());
    watch.kill();
    watch.start_again().await;
    let kept = watch.cli(&["silence", "list"]);
    assert!(kept.contains("first") && kept.contains("second"), "{kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_program_on_the_same_directory_refuses_to_start() {
    let sink = HookServer::start().await;
    let watch = Watch::start(&base(&sink, "")).await;
    std::fs::remove_file(watch.data().join("dogwatch.lock")).unwrap();
    let mut second = std::process::Command::new(env!("CARGO_BIN_EXE_dogwatch"));
    let second =
        second.args(["run", "-c", "dogwatch.yml", "--listen", "127.0.0.1:0"]).current_dir(watch.data().join(".."));
    let out = tokio::task::block_in_place(|| second.output().unwrap());
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(!out.status.success() && said.contains("in use by another dogwatch: stop it"), "{said}");
}

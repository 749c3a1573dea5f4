//! The document of our own API: every address stands in it, and what is answered is what it says.

use std::{collections::BTreeSet, sync::Arc};

use dogwatch::model::{
    CanaryFailure, CanaryForm, CanaryLayer, CanaryPlace, CanaryRun, CanaryStage, CanaryStanding, CanaryTime, Fleet,
    FleetMember, FleetRole, FleetTrait, Severity,
};
use serde_json::{Value, json};

use super::{Served, picture, start_at};

/// What is asked, and under which path of the document that stands.
const ASKED: [(&str, &str); 16] = [
    ("/api/dogwatch/v1/openapi.json", "/api/dogwatch/v1/openapi.json"),
    ("/api/dogwatch/v1/config-schema.json", "/api/dogwatch/v1/config-schema.json"),
    ("/api/dogwatch/v1/state", "/api/dogwatch/v1/state"),
    ("/api/dogwatch/v1/state/nowhere", "/api/dogwatch/v1/state/{cluster}"),
    ("/api/dogwatch/v1/state/nowhere/pods?at=noon", "/api/dogwatch/v1/state/{cluster}/{what}"),
    ("/api/dogwatch/v1/incidents", "/api/dogwatch/v1/incidents"),
    ("/api/dogwatch/v1/incidents?state=half", "/api/dogwatch/v1/incidents"),
    ("/api/dogwatch/v1/incidents/7", "/api/dogwatch/v1/incidents/{id}"),
    ("/api/dogwatch/v1/incidents/99", "/api/dogwatch/v1/incidents/{id}"),
    ("/api/dogwatch/v1/heartbeats", "/api/dogwatch/v1/heartbeats"),
    ("/api/dogwatch/v1/restore-drills", "/api/dogwatch/v1/restore-drills"),
    ("/api/dogwatch/v1/availability?of=prod", "/api/dogwatch/v1/availability"),
    ("/api/dogwatch/v1/availability?of=prod/etcd&from=1d", "/api/dogwatch/v1/availability"),
    ("/api/dogwatch/v1/availability", "/api/dogwatch/v1/availability"),
    ("/api/dogwatch/v1/audit", "/api/dogwatch/v1/audit"),
    ("/api/dogwatch/v1/audit?limit=0", "/api/dogwatch/v1/audit"),
];

async fn document(served: &Served) -> Value {
    serde_json::from_str(&served.get("/api/dogwatch/v1/openapi.json").await.body).unwrap()
}

/// Asserts that an answer is what the document says of its path, method and status.
fn is_as_said(document: &Value, method: &str, path: &str, status: u16, answer: &Value) {
    let said = &document["paths"][path][method]["responses"][status.to_string()];
    let schema = &said["content"]["application/json"]["schema"];
    assert!(schema.is_object(), "{method} {path} answers {status}, of which nothing is said");
    let whole = json!({"allOf": [schema], "components": document["components"]});
    let validator = jsonschema::draft202012::new(&whole).unwrap();
    let wrong: Vec<String> = validator.iter_errors(answer).map(|e| format!("{} at {}", e, e.instance_path())).collect();
    assert!(wrong.is_empty(), "{method} {path} {status}: {wrong:#?}\n{answer:#}");
}

#[tokio::test]
async fn what_is_answered_is_what_the_document_says() {
    let served = start_at(picture::outage(), "").await;
    let document = document(&served).await;
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    for (asked, path) in ASKED {
        let got = served.get(asked).await;
        assert!(got.head.contains("content-type: application/json"), "{asked}: {}", got.head);
        is_as_said(&document, "get", path, got.status, &serde_json::from_str(&got.body).unwrap());
    }
    let note = "/api/dogwatch/v1/incidents/{id}/notes";
    for (id, body) in [("7", "{\"by\":\"ada\",\"text\":\"a\"}"), ("7", "{}"), ("99", "{\"by\":\"ada\",\"text\":\"a\"}")]
    {
        let head = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
        let line = format!("POST {} HTTP/1.1\r\nhost: localhost\r\nconnection: close", note.replace("{id}", id));
        let got = served.send(&format!("{line}\r\n{head}\r\n{body}")).await;
        is_as_said(&document, "post", note, got.status, &serde_json::from_str(&got.body).unwrap());
    }
}

#[tokio::test]
async fn every_address_of_the_api_is_in_the_document() {
    let served = start_at(picture::calm(), "").await;
    let document = document(&served).await;
    let known: BTreeSet<String> = document["paths"].as_object().unwrap().keys().cloned().collect();
    let sources = [include_str!("../../../src/http.rs"), include_str!("../../../src/http/audit.rs")];
    let routes = sources.iter().flat_map(|text| text.split(".route(\"").skip(1));
    let routes = routes.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()));
    let routes: BTreeSet<String> = routes.filter(|route| route.starts_with("/api/dogwatch/")).collect();
    assert_eq!(known, routes);
}

#[tokio::test]
async fn the_canary_is_told_to_programs_and_shown_to_people() {
    let (mut state, at) = (picture::calm(), picture::now());
    let time = |stage| CanaryTime { stage, instance: None, took: std::time::Duration::from_millis(250) };
    let (why, evidence) = ("the registry can't be reached".to_owned(), vec!["connection refused".to_owned()]);
    let (stage, layer, instance) = (CanaryStage::Pulled, CanaryLayer::Registry, None);
    let failure = Some(CanaryFailure { stage, layer, why, evidence, instance });
    let run = CanaryRun { started: at, ended: at, node: None, times: vec![time(CanaryStage::Scheduled)], failure };
    let place = CanaryPlace::Zone("b".into());
    let standing = CanaryStanding::after(None, CanaryForm::Pod, place, Severity::Critical, run);
    state.clusters.values_mut().for_each(|cluster| cluster.canaries = [standing.clone()].into());
    let served = start_at(state, "").await;
    let document = document(&served).await;
    let told: Value = serde_json::from_str(&served.get("/api/dogwatch/v1/state").await.body).unwrap();
    is_as_said(&document, "get", "/api/dogwatch/v1/state", 200, &told);
    let canary = &told["clusters"][0]["canaries"][0];
    assert_eq!((&canary["state"], &canary["last"]["failure"]["layer"]), (&json!("suspect"), &json!("registry")));
    assert_eq!(canary["last"]["stages"], json!([{"stage": "scheduled", "instance": null, "took_seconds": 0.25}]));
    let page = served.get("/").await.body;
    for words in
        ["Canary", "pod (zone b)", "does not get its image: registry", "connection refused", "scheduled 250 ms"]
    {
        assert!(page.contains(words), "{words}: {page}");
    }
}

#[tokio::test]
async fn an_incident_of_several_clusters_is_told_to_programs_and_shown_to_people() {
    let (mut state, at) = (picture::outage(), picture::now());
    let incident = Arc::make_mut(&mut state.incidents[0]);
    let (cluster, roots) = ("lyon".into(), incident.alerts[..1].to_vec());
    let member = FleetMember { incident: 8, cluster, joined_at: at, alone: false, well_at: None, roots, more: 2 };
    let shared = FleetTrait::Machines { word: "OS image".into(), value: "Flatcar 4012".into() };
    incident.fleet = Some(Box::new(Fleet { shared, role: FleetRole::Leads(vec![member]), said: Vec::new() }));
    let served = start_at(state, "").await;
    let document = document(&served).await;
    let told: Value = serde_json::from_str(&served.get("/api/dogwatch/v1/incidents/7").await.body).unwrap();
    is_as_said(&document, "get", "/api/dogwatch/v1/incidents/{id}", 200, &told);
    assert_eq!(told["incident"]["fleet"]["role"]["leads"][0]["cluster"], "lyon");
    let page = served.get("/incidents/7").await.body;
    assert!(page.contains("the same in lyon since") && page.contains("(and 2 more problems)"), "{page}");
}

//! The same trouble in several clusters is one incident for who is told, on a real database and over a real socket.

use std::sync::Arc;

use dogwatch::model::{AlertName, ClusterSnapshot, Diagnosis, Finding, LiveCluster, NodeCondition, NodeFact};
use jiff::Timestamp;
use serde_json::Value;

use super::{Run, finding, hook, start};
use crate::{eventually::eventually, receivers::HookServer};

/// A cluster as discovery last knew it: w1 has a new image.
fn is_known(run: &Run, cluster: &str) {
    let node = |name: &str, image: &str| NodeFact {
        name: name.into(),
        traits: Arc::new([("OS image".to_owned(), image.to_owned())].into()),
        conditions: [NodeCondition { kind: "Ready".into(), status: "True".into(), ..NodeCondition::default() }].into(),
        ..NodeFact::default()
    };
    let nodes = vec![node("w1", "Flatcar 4012"), node("w2", "Flatcar 3975")];
    let snapshot = Arc::new(ClusterSnapshot { nodes, ..ClusterSnapshot::default() });
    let known = LiveCluster { snapshot, ..LiveCluster::default() };
    run.live.write().clusters.insert(cluster.into(), known);
}

fn lost(cluster: &str) -> Finding {
    let mut lost = finding(AlertName::NodeDown, &format!("w1 of {cluster} is lost"));
    (lost.key.cluster, lost.key.subject) = (cluster.into(), "w1".into());
    lost.labels = [("node".to_owned(), "w1".to_owned())].into();
    lost
}

async fn diagnose(run: &Run, cluster: &str, findings: &[Finding]) {
    let (cluster, at, findings) = (cluster.into(), Timestamp::now(), findings.to_vec());
    run.tell(Diagnosis { cluster, at, findings, unsettled: false, blind: false, changes: Arc::default() }).await;
}

/// Incident, why, headline and clusters of each message.
fn told(server: &HookServer) -> Vec<(i64, String, String, usize)> {
    let one = |body: Value| {
        let ours = &body["dogwatch"];
        let text = |key: &str| ours[key].as_str().unwrap_or_default().to_owned();
        let clusters = ours["clusters"].as_array().map_or(0, Vec::len);
        (ours["incident"].as_i64().unwrap(), text("told"), text("headline"), clusters)
    };
    server.got().iter().map(|hook| one(hook.json())).collect()
}

#[tokio::test]
async fn a_bad_image_in_two_clusters_is_one_incident_from_beginning_to_end() {
    let (server, dir) = (HookServer::start().await, tempfile::tempdir().unwrap());
    let run = start(dir.path(), &hook(&server));
    let (prod, test) = (lost("prod"), lost("test"));
    ["prod", "test"].iter().for_each(|cluster| is_known(&run, cluster));
    diagnose(&run, "prod", std::slice::from_ref(&prod)).await;
    eventually("the first cluster is told", async || told(&server).len() == 1).await;
    diagnose(&run, "test", std::slice::from_ref(&test)).await;
    eventually("the second is told with it", async || told(&server).len() == 2).await;
    run.end().await;
    // Another run on the same database goes on.
    let run = start(dir.path(), &hook(&server));
    ["prod", "test"].iter().for_each(|cluster| is_known(&run, cluster));
    diagnose(&run, "prod", &[]).await;
    diagnose(&run, "test", std::slice::from_ref(&test)).await;
    let over_in_prod = async || {
        let live = run.live.read();
        let first = live.incidents.iter().find(|i| i.id == 1);
        first.is_some_and(|i| i.firing().next().is_none() && i.resolved_at.is_none())
    };
    eventually("prod is well, and the incident goes on", over_in_prod).await;
    diagnose(&run, "test", &[]).await;
    eventually("the end is told", async || told(&server).len() == 3).await;
    let both = "w1 of prod is lost; the same in test, all with OS image Flatcar 4012";
    let expected = [(1, "opened", "w1 of prod is lost", 0), (1, "worse", both, 2), (1, "resolved", both, 2)];
    let expected = expected.map(|(id, why, headline, clusters)| (id, why.to_owned(), headline.to_owned(), clusters));
    assert_eq!(told(&server), expected);
    let bodies: Vec<Value> = server.got().iter().map(|hook| hook.json()).collect();
    let alerts = |body: &Value| -> Vec<(String, String)> {
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        let all = body["alerts"].as_array().unwrap().iter();
        all.map(|a| (text(&a["labels"]["cluster"]), text(&a["status"]))).collect()
    };
    let of_both = |status: &str| ["prod", "test"].map(|cluster| (cluster.to_owned(), status.to_owned()));
    assert_eq!((alerts(&bodies[1]), alerts(&bodies[2])), (of_both("firing").into(), of_both("resolved").into()));
    // What a route groups by stays what it was when the thread began.
    assert!(bodies.iter().all(|body| body["groupKey"] == bodies[0]["groupKey"]));
    assert_eq!(bodies[2]["groupLabels"], bodies[0]["groupLabels"]);
    let description = bodies[1]["alerts"][0]["annotations"]["description"].as_str().unwrap();
    assert!(description.contains("the same in test since") && description.contains("(incident 2)"), "{description}");
    let second = run.store.incident(2).await.unwrap().unwrap();
    assert_eq!((&*second.cluster, second.messages, second.told_by()), ("test", 0, Some(1)), "a record of its own");
    run.end().await;
}

//! What the recorder makes of changes, on their way to people: a rollout before an outage is in the outage's message.

use std::sync::Arc;

use dogwatch::{
    model::{AlertName, ChangeKind, Diagnosis, RecentChange, Situation},
    store::StorageConfig,
};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{DEPLOYMENTS, cluster, deployment, record};
use crate::{
    dispatch::{finding, hook, start},
    eventually::eventually,
    receivers::HookServer,
};

fn rollout(situation: &Situation) -> Option<Arc<RecentChange>> {
    situation.changes.iter().find(|change| change.kind == ChangeKind::Rollout).cloned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_before_an_outage_is_in_its_message() {
    let dir = tempfile::tempdir().unwrap();
    let (fake, api) = (cluster(), CancellationToken::new());
    let server = fake.serve(api.clone()).await;
    let recording = record(dir.path(), server, StorageConfig::default()).await;
    eventually("all is listed, and what runs on the node is known", async || {
        let lost = recording.situation.borrow().placement.lost(["w1"]);
        lost.workloads.len() == 5
            && lost.workloads.iter().all(|loss| loss.is_gone())
            && lost.volumes == ["shop/data"]
            && recording.objects("deployments").await.len() == 2
    })
    .await;
    assert!(recording.situation.borrow().changes.is_empty(), "what is listed first is no change");
    fake.put(DEPLOYMENTS, deployment("r/api:2", 3));
    eventually("the rollout is known", async || rollout(&recording.situation.borrow()).is_some()).await;

    let (inbox, files) = (HookServer::start().await, tempfile::tempdir().unwrap());
    let run = start(files.path(), &hook(&inbox));
    let changes = recording.situation.borrow().changes.clone();
    let mut diagnosis = Diagnosis {
        cluster: "prod".into(),
        at: Timestamp::now(),
        findings: vec![finding(AlertName::CheckFailing, "check shop fails: 502")],
        unsettled: false,
        blind: false,
        changes,
    };
    run.tell(diagnosis.clone()).await;
    inbox.wait_for(1).await;
    let told = inbox.got()[0].json()["dogwatch"]["changes"].clone();
    assert_eq!(told[0]["what"], "rollout of shop/api: image r/api:1 → r/api:2", "{told}");
    assert_eq!(told[0]["kind"], "rollout", "{told}");
    // What is forgotten of later stays with the incident, to its end.
    (diagnosis.changes, diagnosis.findings) = (Arc::default(), Vec::new());
    run.tell(diagnosis).await;
    inbox.wait_for(2).await;
    let last = inbox.got()[1].json()["dogwatch"].clone();
    assert_eq!((&last["told"], &last["changes"]), (&"resolved".into(), &told));
    run.end().await;

    // What changed while no watchdog ran has a beginning and an end.
    let before = Timestamp::now();
    recording.end().await;
    fake.put(DEPLOYMENTS, deployment("r/api:3", 3));
    let recording = record(dir.path(), server, StorageConfig::default()).await;
    eventually("what changed meanwhile is known", async || rollout(&recording.situation.borrow()).is_some()).await;
    let change = rollout(&recording.situation.borrow()).unwrap();
    assert_eq!(change.detail, "image r/api:2 → r/api:3");
    assert!(change.since.is_some_and(|since| since <= change.at && since <= before), "{change:?}");
    api.cancel();
    recording.end().await;
}

//! The flight recorder against a fake API: what it keeps, what it never does, and what is told when nothing answers.

mod fake;
mod lately;

use std::{collections::BTreeMap, net::SocketAddr, path::Path, process::Command, sync::Arc};

use dogwatch::{
    clock::Clock,
    dial::{DialConfig, Dialer},
    inventory::{kinds, object::Object, state_metrics::StateMetrics, tape},
    model::Situation,
    recorder::{self, Parts, past},
    store::{StorageConfig, Store},
    telemetry::Metrics,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use self::fake::Fake;
use crate::{canary::kubeconfig, eventually::eventually};

const PODS: &str = "/api/v1/pods";
const NODES: &str = "/api/v1/nodes";
const DEPLOYMENTS: &str = "/apis/apps/v1/deployments";
const EVENTS: &str = "/apis/events.k8s.io/v1/events";
/// Stands in every field of the fake that is no business of ours.
const PLANTED: &str = "hunter2-planted-secret";

/// A recorder that runs.
struct Recording {
    store: Store,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    /// What all objects amount to.
    situation: watch::Receiver<Arc<Situation>>,
}

async fn record(dir: &Path, server: SocketAddr, config: StorageConfig) -> Recording {
    let clock = Clock::system();
    let dial = DialConfig { kubeconfig: Some(kubeconfig(dir, server)), ..DialConfig::default() };
    let dialer = Dialer::load(dial, clock.clone()).await.unwrap();
    let metrics = Arc::new(Metrics::new());
    let (store, _) = Store::open(dir.join("data"), config, metrics.clone(), clock.clone());
    let (told, situation) = watch::channel(Arc::default());
    let parts = Parts {
        cluster: "prod".into(),
        dialer: Box::new(move || Some(dialer.clone())),
        servers: Box::new(Vec::new),
        store: store.clone(),
        metrics: metrics.clone(),
        clock,
        state_metrics: Some(StateMetrics::new("prod", &BTreeMap::new())),
        told,
    };
    let stop = CancellationToken::new();
    let task = tokio::spawn(recorder::run(parts, stop.clone()));
    Recording { store, metrics, stop, task, situation }
}

impl Recording {
    /// What the file has of a kind now.
    async fn objects(&self, kind: &str) -> Vec<Object> {
        objects(&self.store, kind, Timestamp::now()).await
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap();
        self.store.close(std::time::Duration::from_secs(30)).await;
    }
}

async fn objects(store: &Store, kind: &str, at: Timestamp) -> Vec<Object> {
    let kind = kinds::find(kind).unwrap();
    past::objects(store, "prod", &[kind], at).await.unwrap().remove(kind.name).unwrap()
}

fn keys(objects: &[Object]) -> Vec<String> {
    objects.iter().map(Object::key).collect()
}

fn pod(name: &str, image: &str) -> Value {
    json!({
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "uid": name, "labels": {"app": "api"}, "creationTimestamp": "2026-11-01T00:00:00Z",
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": PLANTED, "note": PLANTED},
            "managedFields": [{"manager": PLANTED}]},
        "spec": {"nodeName": "w1", "serviceAccountName": "default",
            "containers": [{"name": "c", "image": image, "args": ["--token", PLANTED], "command": [PLANTED],
                "env": [{"name": "PASSWORD", "value": PLANTED}], "envFrom": [{"secretRef": {"name": PLANTED}}],
                "livenessProbe": {"httpGet": {"httpHeaders": [{"name": "Authorization", "value": PLANTED}]}},
                "lifecycle": {"preStop": {"exec": {"command": [PLANTED]}}}}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
                {"name": "s", "secret": {"secretName": PLANTED}}, {"name": "csi", "csi": {"volumeAttributes": {"key": PLANTED}}}],
            "imagePullSecrets": [{"name": PLANTED}]},
        "status": {"phase": "Running", "podIP": "10.1.0.5", "message": PLANTED,
            "conditions": [{"type": "Ready", "status": "True", "message": format!("failed with password={PLANTED}")}],
            "containerStatuses": [{"name": "c", "ready": true, "restartCount": 1, "state": {"running": {}},
                "lastState": {"terminated": {"reason": "Error", "exitCode": 1, "message": PLANTED}}}]},
        "data": {"k": PLANTED}, "stringData": {"k": PLANTED},
    })
}

fn node(name: &str) -> Value {
    json!({"metadata": {"name": name, "annotations": {"a": PLANTED}},
        "spec": {"providerID": "x"},
        "status": {"conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": PLANTED}],
            "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
            "nodeInfo": {"kubeletVersion": "v1.34.1", "bootID": "b"}, "images": [{"names": [PLANTED]}]}})
}

fn deployment(image: &str, replicas: u64) -> Value {
    json!({"metadata": {"name": "api", "namespace": "shop", "annotations": {"a": PLANTED}},
        "spec": {"replicas": replicas, "template": {"metadata": {"annotations": {"a": PLANTED}},
            "spec": {"containers": [{"name": "c", "image": image, "env": [{"name": "K", "value": PLANTED}], "args": [PLANTED]}]}}},
        "status": {"readyReplicas": replicas}})
}

/// Something of every kind, with a secret wherever one may stand.
fn cluster() -> Fake {
    let fake = Fake::new();
    for kind in kinds::KINDS.iter() {
        let object = json!({"metadata": {"name": "any", "namespace": "shop", "annotations": {"a": PLANTED}},
            "data": {"k": PLANTED}, "spec": {"request": PLANTED, "caBundle": PLANTED, "env": [{"value": PLANTED}],
                "template": {"spec": {"containers": [{"name": "c", "args": [PLANTED], "env": [{"value": PLANTED}]}]}},
                "source": {"repoURL": format!("https://u:{PLANTED}@git"), "helm": {"values": PLANTED}}, "values": {"p": PLANTED}},
            "webhooks": [{"name": "w", "clientConfig": {"caBundle": PLANTED, "url": PLANTED}}], "parameters": {"secret": PLANTED},
            "status": {"certificate": PLANTED}});
        fake.put(&kind.path(kind.versions[0]), object);
    }
    for list in ["/api/v1/secrets", "/api/v1/configmaps"] {
        fake.put(list, json!({"metadata": {"name": "s", "namespace": "shop"}, "data": {"k": PLANTED}}));
    }
    for i in 0..5 {
        fake.put(PODS, pod(&format!("api-{i}"), "r/api:1"));
    }
    fake.put(NODES, node("w1"));
    fake.put(DEPLOYMENTS, deployment("r/api:1", 3));
    let about = json!({"kind": "Pod", "namespace": "shop", "name": "api-0"});
    fake.put(
        EVENTS,
        json!({"metadata": {"name": "e1", "namespace": "shop"}, "reason": "BackOff", "type": "Warning",
        "note": format!("could not log in with token={PLANTED}"), "regarding": about,
        "series": {"count": 3, "lastObservedTime": Timestamp::now().to_string()}}),
    );
    fake
}

/// All bytes of the history, as they lie there and unpacked.
async fn everything(store: &Store, dir: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for file in std::fs::read_dir(dir.join("data")).unwrap() {
        all.extend(std::fs::read(file.unwrap().path()).unwrap());
    }
    for kind in kinds::KINDS.iter() {
        for block in store.recorded("prod", kind.name, Timestamp::MAX).await.unwrap() {
            tape::lines(&block.body, |line| {
                all.extend(line.1.bytes());
                all.extend(line.2.get().bytes());
            })
            .unwrap();
        }
    }
    all
}

fn has(all: &[u8], text: &str) -> bool {
    all.windows(text.len()).any(|w| w == text.as_bytes())
}

/// Runs `dogwatch state prod …` on the file alone.
fn state(dir: &Path, args: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dogwatch"));
    let done = command.arg("state").arg("prod").args(args).arg("--data-dir").arg(dir).output().unwrap();
    let text = [done.stdout, done.stderr].map(|out| String::from_utf8(out).unwrap()).concat();
    (done.status.success(), text)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ran_is_told_when_nothing_answers_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let (fake, api) = (cluster(), CancellationToken::new());
    let server = fake.serve(api.clone()).await;
    let recording = record(dir.path(), server, StorageConfig::default()).await;
    eventually("all is listed", async || {
        recording.objects("pods").await.len() == 6 && recording.objects("deployments").await.len() == 2
    })
    .await;
    let before = Timestamp::now();
    fake.put(DEPLOYMENTS, deployment("r/api:2", 5));
    fake.delete(PODS, "shop/api-4");
    fake.bookmark(PODS);
    eventually("a watch tells of changes", async || {
        let deployments = recording.objects("deployments").await;
        recording.objects("pods").await.len() == 5 && deployments.iter().any(|d| d.images() == ["r/api:2"])
    })
    .await;
    // Too much has happened for a watch to go on: all is read anew.
    fake.expire(|lists| {
        drop(lists.get_mut(PODS).unwrap().remove("shop/api-3"));
    });
    eventually("a list tells what a watch could not", async || recording.objects("pods").await.len() == 4).await;
    let planted = everything(&recording.store, dir.path()).await;
    assert!(has(&planted, "r/api:2") && !has(&planted, PLANTED), "a secret is in the database");
    api.cancel();
    recording.end().await;
    let asked = fake.asked();
    assert!(asked.iter().all(|path| !path.contains("secrets") && !path.contains("configmaps")), "{asked:?}");

    // Neither the API nor a watchdog is there now.
    let data = dir.path().join("data");
    let (ok, pods) = state(&data, &["pods", "-n", "shop", "-l", "app=api"]);
    assert!(ok && pods.starts_with("prod as last seen "), "{pods}");
    assert!(pods.contains("api-2") && pods.contains("w1") && !pods.contains("api-3"), "{pods}");
    let (ok, then) = state(&data, &["pods", "--at", &before.to_string()]);
    assert!(ok && then.contains("api-3") && then.contains("api-4"), "{then}");
    let (ok, changed) = state(&data, &["diff", "--since", &before.to_string()]);
    assert!(ok && changed.contains("- pods shop/api-4") && changed.contains("spec.replicas 3 → 5"), "{changed}");
    assert!(changed.contains("r/api:1 → r/api:2"), "{changed}");
    let (ok, place) = state(&data, &["where", "pod/api-1"]);
    assert!(ok && place.contains("w1") && place.contains("data"), "{place}");
    let (ok, events) = state(&data, &["events", "--json"]);
    assert!(ok && events.contains("BackOff"), "{events}");
    let (ok, list) = state(&data, &["export", "--format", "yaml"]);
    assert!(ok && list.contains("r/api:2"), "{list}");
    let (ok, summary) = state(&data, &[]);
    assert!(ok && summary.contains("storageclasses"), "{summary}");
    let (ok, unknown) = state(&data, &["podz"]);
    assert!(!ok && unknown.contains("did you mean pods"), "{unknown}");

    // A copy of the file tells the same.
    let copy = dir.path().join("copy.db");
    dogwatch::store::backup::copy(&data, &copy).unwrap();
    let (ok, pods) = state(&copy, &["pods"]);
    assert!(ok && pods.contains("api-2"), "{pods}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_from_what_was_written_and_writes_only_what_changed() {
    let dir = tempfile::tempdir().unwrap();
    let (fake, api) = (cluster(), CancellationToken::new());
    let server = fake.serve(api.clone()).await;
    let recording = record(dir.path(), server, StorageConfig::default()).await;
    eventually("all is listed", async || recording.objects("pods").await.len() == 6).await;
    recording.end().await;
    fake.delete(PODS, "shop/api-0");
    let recording = record(dir.path(), server, StorageConfig::default()).await;
    eventually("what went meanwhile is found", async || recording.objects("pods").await.len() == 5).await;
    let blocks = recording.store.recorded("prod", "pods", Timestamp::MAX).await.unwrap();
    let mut lines = Vec::new();
    for block in &blocks[1..] {
        tape::lines(&block.body, |line| lines.push((line.1.to_string(), line.2.get().to_owned()))).unwrap();
    }
    assert_eq!(lines, [("shop/api-0".to_owned(), "null".to_owned())]);
    let pods = recording.objects("pods").await;
    assert_eq!(keys(&pods), ["shop/any", "shop/api-1", "shop/api-2", "shop/api-3", "shop/api-4"]);
    recording.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_said_and_the_rest_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (fake, api) = (cluster(), CancellationToken::new());
    fake.refuse(PODS);
    let server = fake.serve(api.clone()).await;
    let recording = record(dir.path(), server, StorageConfig::default()).await;
    eventually("the rest is recorded, and it is written that pods are not", async || {
        let seen = recording.store.recorded_seen(Some("prod")).await.unwrap();
        seen.iter().any(|s| s.kind == "pods" && s.at.is_none() && s.why_not.contains("403"))
            && recording.objects("nodes").await.len() == 2
    })
    .await;
    let pods = fake.asked().iter().filter(|path| path.starts_with(PODS)).count();
    assert!(pods <= 4, "what is refused is asked for ever more seldom: {pods} times");
    recording.end().await;
    let (ok, nodes) = state(&dir.path().join("data"), &["nodes"]);
    assert!(ok && nodes.contains("w1") && nodes.contains("pods are not recorded: the API refuses it"), "{nodes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_that_end_at_once_are_begun_ever_more_seldom_and_lists_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let (fake, api) = (cluster(), CancellationToken::new());
    fake.hang_up(PODS, true);
    let server = fake.serve(api.clone()).await;
    let recording = record(dir.path(), server, StorageConfig::default()).await;
    let watches = || fake.asked().iter().filter(|path| path.starts_with(PODS) && path.contains("watch=")).count();
    eventually("a watch is tried", async || watches() > 0).await;
    fake.put(PODS, pod("late", "r/late:1"));
    eventually("a list tells what no watch does", async || {
        recording.objects("pods").await.iter().any(|o| o.key() == "shop/late")
    })
    .await;
    assert!(watches() <= 6, "{} watches", watches());
    recording.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_streamed_where_the_server_has_it_and_what_went_meanwhile_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (fake, api) = (cluster(), CancellationToken::new());
    fake.stream();
    let server = fake.serve(api.clone()).await;
    let recording = record(dir.path(), server, StorageConfig::default()).await;
    eventually("all is told", async || {
        recording.objects("pods").await.len() == 6 && recording.objects("deployments").await.len() == 2
    })
    .await;
    fake.expire(|lists| drop(lists.get_mut(PODS).unwrap().remove("shop/api-3")));
    eventually("what went is found by another stream", async || recording.objects("pods").await.len() == 5).await;
    fake.put(PODS, pod("late", "r/late:1"));
    eventually("a watch goes on from there", async || recording.objects("pods").await.len() == 6).await;
    let asked = fake.asked();
    let lists = asked.iter().filter(|path| path.starts_with(PODS) && !path.contains("watch=")).count();
    let streams = asked.iter().filter(|path| path.starts_with(PODS) && path.contains("sendInitialEvents=true")).count();
    assert_eq!((lists, streams), (0, 2), "{asked:?}");
    recording.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_streams_nothing_is_asked_once() {
    let dir = tempfile::tempdir().unwrap();
    let (fake, api) = (cluster(), CancellationToken::new());
    let server = fake.serve(api.clone()).await;
    let recording = record(dir.path(), server, StorageConfig::default()).await;
    eventually("all is listed", async || recording.objects("pods").await.len() == 6).await;
    eventually("another kind is, too", async || recording.objects("deployments").await.len() == 2).await;
    let asked = fake.asked().iter().filter(|path| path.contains("sendInitialEvents")).count();
    assert_eq!(asked, 1);
    recording.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_its_share_is_used_up_it_stops_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (fake, api) = (cluster(), CancellationToken::new());
    let server = fake.serve(api.clone()).await;
    let recording =
        record(dir.path(), server, StorageConfig { recorder_max_size: 1, ..StorageConfig::default() }).await;
    eventually("it stops", async || {
        let seen = recording.store.recorded_seen(Some("prod")).await.unwrap();
        seen.iter().any(|s| s.kind == "pods" && s.why_not.contains("recorder_max_size"))
    })
    .await;
    let mut text = String::new();
    recording.metrics.with_registry(|r| prometheus_client::encoding::text::encode(&mut text, r)).unwrap();
    assert!(text.contains("dogwatch_dropped_total{limit=\"recorder_full\"}"), "{text}");
    // With room again, what happened meanwhile is found.
    fake.delete(PODS, "shop/api-0");
    recording.store.configure(StorageConfig::default());
    eventually("it goes on", async || recording.objects("pods").await.len() == 5).await;
    recording.end().await;
}

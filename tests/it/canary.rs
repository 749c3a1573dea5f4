//! The canary against a fake API: what it makes, measures, says, and leaves behind.

mod fake;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use dogwatch::{
    canary::{self, Parts},
    clock::Clock,
    dial::{DialConfig, Dialer},
    discover::config::CanaryConfig,
    model::{
        CanaryForm, CanaryLayer, CanaryStage, CanaryStanding, Job, Live, LiveTarget, ProbeSpec, State, Target,
        TargetKey, Vantage, Verdict,
    },
    store::{StorageConfig, Store},
    telemetry::Metrics,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use self::fake::{Fake, Script};
use crate::eventually::eventually;

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/dogwatch-canary/leases";
const PODS: &str = "/api/v1/namespaces/dogwatch-canary/pods";

/// A watchdog with its canary.
struct Nest {
    standing: watch::Receiver<Arc<[CanaryStanding]>>,
    settings: watch::Sender<CanaryConfig>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    store: Store,
}

pub fn kubeconfig(dir: &Path, server: SocketAddr) -> PathBuf {
    let path = dir.join("kubeconfig");
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": format!("http://{server}")}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    });
    std::fs::write(&path, text.to_string()).unwrap();
    path
}

fn api_server(at: SocketAddr) -> LiveTarget {
    let target = Target {
        key: TargetKey { cluster: "prod".into(), job: Job::KubeApiserver, instance: at.to_string().into() },
        node: None,
        spec: ProbeSpec::ApiServer { base: format!("http://{at}").parse().unwrap(), advertised: false },
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(5),
        guessed: false,
        labels: Default::default(),
    };
    let (since, message) = (Timestamp::now(), String::new());
    let verdict = Verdict { state: State::Up, since, reason: None, message, reached: true, hides: None };
    LiveTarget {
        target: Arc::new(target),
        verdict,
        last: None,
        last_success: None,
        failures: Vec::new(),
        samples: Arc::default(),
    }
}

async fn fly(dir: &Path, servers: &[SocketAddr], config: Value) -> Nest {
    fly_as(dir, servers, serde_json::from_value(config).unwrap()).await
}

async fn fly_as(dir: &Path, servers: &[SocketAddr], config: CanaryConfig) -> Nest {
    let clock = Clock::system();
    let dial = DialConfig { kubeconfig: Some(kubeconfig(dir, servers[0])), ..DialConfig::default() };
    let dialer = Dialer::load(dial, clock.clone()).await.unwrap();
    let live = Live::default();
    {
        let mut live = live.write();
        live.vantage = Vantage { ok: true, ..Vantage::default() };
        let targets = servers.iter().map(|at| api_server(*at)).map(|t| (t.target.key.clone(), t));
        live.clusters.entry("prod".into()).or_default().targets = targets.collect();
    }
    let metrics = Arc::new(Metrics::new());
    let (store, _) = Store::open(dir.join("data"), StorageConfig::default(), metrics.clone(), clock.clone());
    let (told, standing) = watch::channel(Arc::default());
    let (settings, changed) = watch::channel(config);
    let stop = CancellationToken::new();
    let dialer = Box::new(move || Some(dialer.clone()));
    let parts = Parts { cluster: "prod".into(), dialer, live, store: store.clone(), metrics, clock, told };
    let task = tokio::spawn(canary::run(parts, changed, stop.clone()));
    Nest { standing, settings, stop, task, store }
}

impl Nest {
    /// How a form stands after its first run.
    async fn first(&self, form: CanaryForm) -> CanaryStanding {
        let of = || self.standing.borrow().iter().find(|s| s.form == form).cloned();
        eventually("a run has ended", async || of().is_some()).await;
        of().unwrap()
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap();
        self.store.close(Duration::from_secs(5)).await;
    }
}

fn stages(standing: &CanaryStanding) -> Vec<&'static str> {
    standing.last.times.iter().map(|t| t.stage.as_str()).collect()
}

/// The stage, the layer and the first line of evidence of a failed run.
fn why(standing: &CanaryStanding) -> (CanaryStage, CanaryLayer, String) {
    let failure = standing.last.failure.as_ref().expect("it failed");
    (failure.stage, failure.layer, failure.evidence.first().cloned().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_seen_at_every_server_and_nothing_is_left_but_what_is_others() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::new(Script::Well));
    let servers = [fake.serve(false).await, fake.serve(false).await];
    let labels = json!({"app.kubernetes.io/managed-by": "dogwatch", "app.kubernetes.io/instance": "another"});
    let other = format!("{LEASES}/dogwatch-canary-another");
    fake.put(&other, json!({"metadata": {"name": "dogwatch-canary-another", "labels": labels}}));
    let nest = fly(dir.path(), &servers, json!({"lease": {"interval": "5s", "timeout": "4s"}})).await;
    let standing = nest.first(CanaryForm::Lease).await;
    assert_eq!(standing.last.failure, None);
    assert_eq!(stages(&standing), ["written", "watched", "watched", "read", "read", "deleted"]);
    let instances = standing.last.times.iter().filter_map(|t| t.instance.clone()).count();
    assert_eq!(instances, 4, "each server is measured");
    assert_eq!(fake.paths(), [other], "another watchdog's is not touched");
    nest.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_goes_the_whole_way_of_a_write_and_stores_nothing() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::new(Script::Well));
    let dry_run = Some(serde_json::from_value(json!({"interval": "5s", "timeout": "4s"})).unwrap());
    let config = || CanaryConfig { dry_run: dry_run.clone(), ..CanaryConfig::default() };
    let server = fake.serve(false).await;
    let nest = fly_as(dir.path(), &[server], config()).await;
    let standing = nest.first(CanaryForm::DryRun).await;
    assert_eq!((standing.last.failure.clone(), stages(&standing)), (None, vec!["admitted"]));
    nest.end().await;
    assert_eq!((fake.paths(), fake.history()), (vec![], vec![]), "nothing was ever there");

    let message = "admission webhook \"validate.kyverno.svc\" denied the request: no";
    fake.refuse("/namespaces/dogwatch-dry-run/leases", 400, message);
    let again = tempfile::tempdir().unwrap();
    let nest = fly_as(again.path(), &[server], config()).await;
    let (stage, layer, said) = why(&nest.first(CanaryForm::DryRun).await);
    assert_eq!((stage, layer), (CanaryStage::Admitted, CanaryLayer::Admission));
    assert!(said.contains("validate.kyverno.svc"), "{said}");
    nest.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_serves_an_old_state_is_named() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::new(Script::Well));
    let servers = [fake.serve(false).await, fake.serve(true).await];
    let nest = fly(dir.path(), &servers, json!({"lease": {"interval": "5s", "timeout": "1s"}})).await;
    let standing = nest.first(CanaryForm::Lease).await;
    let failure = standing.last.failure.clone().unwrap();
    assert_eq!((failure.stage, failure.layer), (CanaryStage::Watched, CanaryLayer::WatchCache));
    assert_eq!(failure.instance, Some(servers[1].to_string()));
    assert_eq!(fake.paths(), [""; 0], "it is deleted all the same");
    nest.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_missing_is_named_as_the_cluster_words_it() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::new(Script::Well));
    let words = "leases.coordination.k8s.io is forbidden: User \"u\" cannot create resource \"leases\" in API group \
                 \"coordination.k8s.io\" in the namespace \"dogwatch-canary\"";
    fake.refuse("/leases", 403, words);
    let nest = fly(dir.path(), &[fake.serve(false).await], json!({"lease": {"interval": "5s", "timeout": "1s"}})).await;
    let (stage, layer, said) = why(&nest.first(CanaryForm::Lease).await);
    assert_eq!((stage, layer), (CanaryStage::Written, CanaryLayer::Authorization));
    assert!(said.contains("cannot create resource \"leases\""), "{said}");
    nest.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_goes_through_its_stages_and_is_gone() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::new(Script::Well));
    fake.serve_pod().await;
    let config = json!({"pod": {"image": "busybox", "timeout": "10s", "service": true}, "lease": {"timeout": "5s"}});
    let nest = fly(dir.path(), &[fake.serve(false).await], config).await;
    let standing = nest.first(CanaryForm::Pod).await;
    assert_eq!(standing.last.failure, None);
    assert_eq!(stages(&standing), ["admitted", "scheduled", "pulled", "running", "ready", "reachable", "deleted"]);
    assert_eq!(standing.last.node.as_deref(), Some("n1"));
    assert_eq!(nest.first(CanaryForm::Lease).await.last.failure, None);
    assert_eq!((fake.paths(), fake.most()), (Vec::new(), 1), "one at a time, and nothing is left");
    nest.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_gets_stuck_names_the_layer() {
    let check = async |script: Script, stage: CanaryStage, layer: CanaryLayer| {
        let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::new(script));
        let config = json!({"pod": {"image": "registry.test:5000/x", "timeout": "1s"}});
        let nest = fly(dir.path(), &[fake.serve(false).await], config).await;
        let standing = nest.first(CanaryForm::Pod).await;
        let told = why(&standing);
        assert_eq!((told.0, told.1), (stage, layer), "{script:?}: {told:?}");
        if layer == CanaryLayer::Registry {
            assert_eq!(standing.last.failure.unwrap().instance.as_deref(), Some("registry.test:5000"));
        }
        assert_eq!(fake.paths(), [""; 0], "{script:?}: nothing is left");
        nest.end().await;
    };
    tokio::join!(
        check(Script::NoScheduler, CanaryStage::Scheduled, CanaryLayer::Scheduler),
        check(Script::NoImage, CanaryStage::Pulled, CanaryLayer::Registry),
        check(Script::NeverReady, CanaryStage::Ready, CanaryLayer::Cni),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_watchdog_left_is_deleted_at_its_next_start() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::new(Script::NoScheduler));
    let server = fake.serve(false).await;
    let config = json!({"pod": {"image": "busybox", "timeout": "15m"}});
    let nest = fly(dir.path(), &[server], config).await;
    eventually("the pod is there", async || fake.paths().iter().any(|p| p.starts_with(PODS))).await;
    nest.task.abort();
    let _ = nest.task.await;
    nest.store.close(Duration::from_secs(5)).await;
    let left = fake.paths();
    assert_eq!(left.len(), 1, "nobody had the time to delete it");
    // Only the Lease is wanted now: what was left of the other form goes too.
    let nest = fly(dir.path(), &[server], json!({"lease": {"timeout": "5s"}})).await;
    assert_eq!(nest.first(CanaryForm::Lease).await.last.failure, None);
    assert_eq!(fake.paths(), [""; 0]);
    let names: Vec<String> = fake.history().iter().map(|p| p.rsplit('/').next().unwrap().to_owned()).collect();
    assert_eq!(names[0], names[1], "the same watchdog, by the same name");
    nest.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_out_of_the_configuration_is_deleted_at_once() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::new(Script::NoScheduler));
    let config = json!({"pod": {"image": "busybox", "timeout": "15m"}});
    let nest = fly(dir.path(), &[fake.serve(false).await], config).await;
    eventually("the pod is there", async || fake.paths().iter().any(|p| p.starts_with(PODS))).await;
    let Nest { settings, task, store, standing, .. } = nest;
    drop(settings);
    task.await.unwrap();
    assert_eq!(fake.paths(), [""; 0]);
    assert!(standing.borrow().is_empty(), "it stands for nothing any more");
    store.close(Duration::from_secs(5)).await;
}

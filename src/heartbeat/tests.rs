//! The loop on a clock that tests move, with a real store.

use std::path::Path;

use super::{state::State, *};
use crate::{
    model::{AlertName, Vantage},
    store::{Durability, StorageConfig},
    telemetry::Metrics,
};

const TOKEN: &str = "0123456789abcdef";
const BEARER: &str = "fedcba9876543210";

struct Watch {
    heartbeats: Heartbeats,
    live: Live,
    clock: Clock,
    store: Store,
    findings: watch::Receiver<Arc<Vec<Finding>>>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

/// Starts it on a directory's store, at a time.
fn start(dir: &Path, at: Timestamp, job: &str) -> Watch {
    std::fs::write(dir.join("token"), TOKEN).unwrap();
    std::fs::write(dir.join("bearer"), BEARER).unwrap();
    let file = |name: &str| dir.join(name).display().to_string();
    let jobs = match job {
        "" => Vec::new(),
        job => vec![serde_saphyr::from_str(&format!("{{token_file: {}, {job}}}", file("token"))).unwrap()],
    };
    let monitoring = serde_saphyr::from_str(&format!("{{token_file: {}}}", file("bearer"))).unwrap();
    let clock = Clock::anchored(at);
    let (store, restored) =
        Store::open(dir.into(), StorageConfig::default(), Arc::new(Metrics::new()), Clock::system());
    let live = Live::default();
    live.write().vantage = Vantage { ok: true, since: Some(at), message: String::new(), ..Default::default() };
    let heartbeats = Heartbeats::new(
        jobs,
        BTreeMap::from([("prod".into(), monitoring)]),
        &restored.heartbeats,
        Deps { store: store.clone(), live: live.clone(), clock: clock.clone() },
    );
    let (findings, stop) = (heartbeats.findings(), CancellationToken::new());
    tokio::time::pause();
    let task = tokio::spawn(heartbeats.clone().run(stop.clone()));
    Watch { heartbeats, live, clock, store, findings, stop, task }
}

/// While the store's thread is waited for, a paused clock would run away.
async fn real<T>(waits: impl Future<Output = T>) -> T {
    tokio::time::resume();
    let done = waits.await;
    tokio::time::pause();
    done
}

impl Watch {
    async fn ping(&self, kind: Kind) {
        let ping = Ping { body: "words".into(), ..Ping::new(Timestamp::UNIX_EPOCH, kind) };
        let taken = Taken { kept: Durability::Durable, refused: String::new() };
        assert_eq!(real(self.heartbeats.ping(TOKEN, ping)).await, Ok(taken));
    }

    /// The names of what is found after some time, which passes at once.
    async fn after(&mut self, seconds: u64) -> Vec<AlertName> {
        // A paused clock goes from timer to timer, and none is more than a second away.
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        self.findings.borrow().iter().map(|f| f.key.alert).collect()
    }

    fn standing(&self) -> Standing {
        self.heartbeats.views()[0].state
    }

    fn value(&self, name: &str, label: Option<(&str, &str)>) -> Option<f64> {
        let live = self.live.read();
        let is = |s: &&Sample| &*s.labels.name == name && label.is_none_or(|(k, v)| s.labels.get(k) == Some(v));
        live.heartbeats.iter().find(is).map(|s| s.value)
    }

    async fn stop(self) -> Timestamp {
        tokio::time::resume();
        self.stop.cancel();
        self.task.await.unwrap();
        let now = self.clock.wall();
        self.store.close(Duration::from_secs(10)).await;
        now
    }
}

fn t0() -> Timestamp {
    "2026-11-23T00:00:00Z".parse().unwrap()
}

const JOB: &str = "name: backup, every: 10m, grace: 1m, max_duration: 2m, cluster: prod, labels: {team: db}";

#[tokio::test]
async fn a_job_from_its_first_day_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut watch = start(dir.path(), t0(), JOB);
    assert!(watch.after(3).await.is_empty());
    assert_eq!(watch.standing(), Standing::New);
    watch.ping(Kind::Start).await;
    assert!(watch.after(90).await.is_empty());
    assert_eq!(watch.standing(), Standing::Running);
    assert_eq!(watch.after(40).await, [AlertName::HeartbeatTooLong]);
    watch.ping(Kind::Success).await;
    assert!(watch.after(1).await.is_empty());
    let took = watch.value("dogwatch_heartbeat_duration_seconds", Some(("team", "db"))).unwrap();
    assert!((129.0..=132.0).contains(&took), "{took}");
    assert_eq!(watch.value("dogwatch_heartbeat_state", Some(("state", "ok"))), Some(1.0));
    assert_eq!(watch.value("dogwatch_heartbeat_state", Some(("state", "too_long"))), Some(0.0));
    let due = watch.value("dogwatch_heartbeat_expected_by_timestamp_seconds", None).unwrap();
    let success = watch.value("dogwatch_heartbeat_last_success_timestamp_seconds", None).unwrap();
    assert!((due - success - 660.0).abs() < 0.01);
    // The monitoring of the cluster has been silent since the start.
    assert_eq!(watch.after(500).await, [AlertName::InClusterMonitoringSilent]);
    assert_eq!(watch.value("dogwatch_in_cluster_monitoring_up", Some(("cluster", "prod"))), Some(0.0));
    let alive = Pairs::from([("alertname".into(), "Watchdog".into())]);
    assert!(real(watch.heartbeats.monitoring_says("prod", &alive, None, watch.clock.wall())).await);
    assert!(watch.after(1).await.is_empty());
    assert!(!watch.heartbeats.monitoring_says("staging", &alive, None, watch.clock.wall()).await);
    let other = Pairs::from([("alertname".into(), "Other".into())]);
    assert!(!watch.heartbeats.monitoring_says("prod", &other, None, watch.clock.wall()).await);
    assert_eq!(watch.after(170).await, [AlertName::HeartbeatLate]);
    assert_eq!(watch.value("dogwatch_heartbeat_up", None), Some(0.0));
    watch.ping(Kind::Fail).await;
    assert_eq!(watch.after(1).await, [AlertName::HeartbeatFailed]);
    let finding = watch.findings.borrow()[0].clone();
    assert_eq!((&*finding.key.cluster, &*finding.key.subject), ("prod", "backup"));
    assert_eq!(finding.labels["team"], "db");
    assert!(finding.evidence.iter().any(|l| l == "words"), "{:?}", finding.evidence);
    assert_eq!(watch.heartbeats.cluster_of(Some(BEARER)).await.unwrap().as_deref(), Some("prod"));
    assert!(
        watch.heartbeats.cluster_of(Some(TOKEN)).await.is_err() && watch.heartbeats.cluster_of(None).await.is_err()
    );
    assert_eq!(watch.heartbeats.ping(BEARER, Ping::new(t0(), Kind::Success)).await, Err(UnknownToken));
    watch.stop().await;
}

#[tokio::test]
async fn down_and_cut_off_it_accuses_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let mut watch = start(dir.path(), t0(), JOB);
    watch.ping(Kind::Success).await;
    watch.after(300).await;
    let stopped = watch.stop().await;
    // Down for an hour: the job has its ten minutes and its grace again.
    let mut watch = start(dir.path(), stopped + Duration::from_secs(3_600), JOB);
    assert!(watch.after(590).await.is_empty());
    assert!(watch.heartbeats.views()[0].missed.is_some());
    assert_eq!(
        watch.after(100).await,
        [AlertName::InClusterMonitoringSilent, AlertName::HeartbeatLate][..].iter().rev().copied().collect::<Vec<_>>()
    );
    watch.ping(Kind::Success).await;
    // Cut off while it should report.
    watch.after(500).await;
    let since = watch.clock.wall();
    watch.live.write().vantage =
        Vantage { ok: false, since: Some(since), message: "cut off".into(), ..Default::default() };
    assert_eq!(watch.after(2_000).await, [AlertName::InClusterMonitoringSilent], "as before");
    watch.live.write().vantage =
        Vantage { ok: true, since: Some(watch.clock.wall()), message: String::new(), ..Default::default() };
    assert_eq!(watch.after(600).await, [AlertName::InClusterMonitoringSilent]);
    assert_eq!(watch.after(70).await.len(), 2);
    let stopped = watch.stop().await;
    // What was late is late after a restart, at once and with the same beginning.
    let mut watch = start(dir.path(), stopped + Duration::from_secs(5), JOB);
    assert_eq!(watch.after(1).await.len(), 2);
    let stopped = watch.stop().await;
    // Not configured for a year, then again: a new beginning.
    let watch = start(dir.path(), stopped, "");
    let stopped = watch.stop().await;
    let watch = start(dir.path(), stopped + Duration::from_secs(31_536_000), JOB);
    assert_eq!(watch.standing(), Standing::New);
    assert_eq!(watch.heartbeats.views()[0].pings.len(), 2, "what was pinged is still known");
    watch.stop().await;
}

#[tokio::test]
async fn a_job_that_never_reports_is_late_whatever_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let mut at = t0();
    for _ in 0..10 {
        let mut watch = start(dir.path(), at, JOB);
        watch.after(80).await;
        at = watch.stop().await + Duration::from_secs(2);
    }
    let mut watch = start(dir.path(), at, JOB);
    assert!(watch.after(1).await.contains(&AlertName::HeartbeatLate));
    watch.stop().await;
}

#[tokio::test]
async fn pings_at_once_are_all_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let watch = start(dir.path(), t0(), JOB);
    tokio::time::resume();
    let ping = |i: usize| {
        let heartbeats = watch.heartbeats.clone();
        let ping = Ping { body: i.to_string(), ..Ping::new(t0(), Kind::Log) };
        tokio::spawn(async move { heartbeats.ping(TOKEN, ping).await })
    };
    for answer in futures_util::future::join_all((0..PINGS_MAX).map(ping)).await {
        assert_eq!(answer.unwrap().unwrap().kept, Durability::Durable);
    }
    let before = watch.heartbeats.views();
    tokio::time::pause();
    watch.stop().await;
    let watch = start(dir.path(), t0(), JOB);
    let after = watch.heartbeats.views();
    assert_eq!(after[0].pings, before[0].pings);
    let mut bodies: Vec<usize> = after[0].pings.iter().map(|p| p.body.parse().unwrap()).collect();
    bodies.sort_unstable();
    assert_eq!(bodies, (0..PINGS_MAX).collect::<Vec<_>>());
    watch.stop().await;
}

#[test]
fn bodies_are_kept_within_limits() {
    let mut state = State::new("", t0());
    for _ in 0..30 {
        state.take(Ping { body: "x".repeat(BODY_MAX), ..Ping::new(t0(), Kind::Log) });
    }
    assert_eq!(state.pings.len(), PINGS_MAX);
    let kept: Vec<usize> = state.pings.iter().rev().map(|p| p.body.len()).collect();
    assert_eq!(kept[..5], [BODY_MAX, BODY_MAX, BODY_MAX, 0, 0]);
}

#[tokio::test]
async fn another_configuration_keeps_what_is_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let mut watch = start(dir.path(), t0(), JOB);
    let token = dir.path().join("token").display().to_string();
    let configure = |watch: &Watch, jobs: &[&str]| {
        let job = |job: &&str| serde_saphyr::from_str(&format!("{{token_file: {token}, {job}}}")).unwrap();
        watch.heartbeats.configure(Configured::new(jobs.iter().map(job).collect(), BTreeMap::new(), Vec::new()));
    };
    watch.ping(Kind::Fail).await;
    assert_eq!(watch.after(1).await, [AlertName::HeartbeatFailed]);
    configure(&watch, &[&JOB.replace("team: db", "team: ops"), "name: other, every: 1h"]);
    assert_eq!(watch.after(1).await, [AlertName::HeartbeatFailed], "it failed all the same");
    assert_eq!(watch.value("dogwatch_heartbeat_up", Some(("team", "ops"))), Some(0.0));
    assert_eq!(watch.value("dogwatch_heartbeat_up", Some(("team", "db"))), None);
    assert_eq!(watch.value("dogwatch_in_cluster_monitoring_up", None), None, "nobody asks for it any more");
    configure(&watch, &["name: other, every: 1h"]);
    assert!(watch.after(1).await.is_empty() && watch.heartbeats.views().len() == 1);
    // The token is now of the only one that has it.
    watch.ping(Kind::Success).await;
    assert_eq!(watch.standing(), Standing::Ok);
    configure(&watch, &[JOB]);
    assert_eq!(watch.after(1).await, [AlertName::HeartbeatFailed], "what it told last is not forgotten");
}

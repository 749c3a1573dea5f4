//! Ingest as a whole, with a real store and hand-made reports.

mod own_side;

use std::{sync::atomic::AtomicU64, time::Duration};

use tempfile::TempDir;
use tokio::sync::watch;

use super::*;
use crate::{
    eventually::eventually,
    health::vantage::ReferenceState,
    model::{ClusterSnapshot, Facts, Failure, Job, Ours, Phases, ProbeSpec, TargetKey},
    store::StorageConfig,
};

struct TestIngest {
    _dir: TempDir,
    live: Live,
    store: Store,
    reports: mpsc::Sender<Report>,
    updates: mpsc::Sender<ClusterNews>,
    looks: mpsc::Sender<VantageReport>,
    commands: mpsc::Receiver<Command>,
    diagnoses: mpsc::Receiver<Diagnosis>,
    clock: Clock,
    stop: CancellationToken,
}

fn target(job: Job, instance: &str, guessed: bool) -> Target {
    Target {
        key: TargetKey { cluster: "prod".into(), job, instance: instance.into() },
        node: None,
        spec: ProbeSpec::Healthz { url: "http://127.0.0.1/".parse().unwrap() },
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(5),
        guessed,
        labels: Default::default(),
    }
}

fn saw(target: &Target, at: Timestamp, reason: Option<Reason>) -> Report {
    Report::Observed(Box::new(Observation {
        target: Arc::new(target.clone()),
        started: at,
        duration: Duration::from_millis(3),
        failure: reason.map(|r| match r {
            Reason::Local => Failure::ours(Ours::Proxy("10.0.0.9:3128".into()), "as scripted"),
            _ => Failure::new(r, "as scripted"),
        }),
        answered: reason.is_none(),
        phases: Phases::default(),
        http_status: None,
        tls: None,
        checks: Vec::new(),
        facts: Facts::None,
        trace: Vec::new(),
    }))
}

impl TestIngest {
    fn start(restored: Vec<(Target, Verdict)>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::system();
        let metrics = Arc::new(Metrics::new());
        let (store, _) =
            Store::open(dir.path().to_path_buf(), StorageConfig::default(), metrics.clone(), clock.clone());
        let live = Live::default();
        let (reports, reports_in) = mpsc::channel(64);
        let (updates, updates_in) = mpsc::channel(64);
        let (looks, looks_in) = mpsc::channel(64);
        let (schedule, commands) = mpsc::channel(64);
        let (send, diagnoses) = mpsc::channel(1024);
        let parts = Parts {
            store: store.clone(),
            live: live.clone(),
            metrics,
            clock: clock.clone(),
            schedule,
            diagnoses: send,
            news: watch::Sender::new(0),
            look: Arc::new(Notify::new()),
        };
        let clusters = vec![Cluster::new("prod".into(), watch::channel(Vec::new()).0, Arc::default())];
        let stop = CancellationToken::new();
        let ingest = Ingest::new(parts, clusters, restored);
        tokio::spawn(ingest.run(reports_in, updates_in, looks_in, Arc::new(AtomicU64::new(0)), stop.clone()));
        Self { _dir: dir, live, store, reports, updates, looks, commands, diagnoses, clock, stop }
    }

    async fn know(&self, targets: Vec<Target>) {
        let known: Vec<Target> = targets.iter().filter(|t| !t.guessed).cloned().collect();
        let update = ClusterUpdate {
            cluster: "prod".into(),
            snapshot: Arc::new(ClusterSnapshot::default()),
            targets,
            own_certificates: Vec::new(),
            own_token: None,
            gaps: Vec::new(),
            problem: None,
        };
        self.updates.send(ClusterNews::Told(update)).await.unwrap();
        self.until("known", |ingest| known.iter().all(|t| ingest.state(t).is_some())).await;
    }

    async fn look(&self, answering: bool) {
        self.send_look(answering, self.clock.wall()).await;
    }

    /// Now, as the time since when the references are silent.
    fn fails_since(&self) -> Timestamp {
        self.clock.wall()
    }

    async fn look_since(&self, since: Timestamp) {
        self.send_look(false, since).await;
    }

    fn failures(&self, target: &Target) -> usize {
        self.live.read().clusters["prod"].targets.get(&target.key).map_or(0, |t| t.failures.len())
    }

    async fn send_look(&self, answering: bool, at: Timestamp) {
        let reference = ReferenceState { name: "gateway".into(), configured: false, ever_answered: true, answering };
        let report = VantageReport {
            at: self.clock.wall(),
            link_up: Some(true),
            has_default_route: true,
            references: vec![reference],
            failing_since: (!answering).then_some(at),
        };
        self.looks.send(report).await.unwrap();
    }

    async fn probe(&self, target: &Target, reason: Option<Reason>) {
        self.reports.send(saw(target, self.clock.wall(), reason)).await.unwrap();
    }

    fn state(&self, target: &Target) -> Option<State> {
        self.live.read().clusters.get("prod")?.targets.get(&target.key).map(|t| t.verdict.state)
    }

    async fn until(&self, what: &str, done: impl Fn(&Self) -> bool) {
        eventually(what, async || done(self)).await;
    }

    /// The next diagnosis of the cluster (not of the watchdog itself).
    async fn diagnosis(&mut self) -> Diagnosis {
        loop {
            let next = tokio::time::timeout(Duration::from_secs(5), self.diagnoses.recv()).await;
            let diagnosis = next.expect("a diagnosis within 5 s").unwrap();
            if !diagnosis.cluster.is_empty() {
                return diagnosis;
            }
        }
    }
}

impl Drop for TestIngest {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[tokio::test]
async fn a_guess_becomes_a_target_when_it_first_answers() {
    let mut ingest = TestIngest::start(Vec::new());
    let (api, guess) = (target(Job::KubeApiserver, "a:6443", false), target(Job::Etcd, "a:2379", true));
    ingest.know(vec![api.clone(), guess.clone()]).await;
    ingest.probe(&guess, Some(Reason::Refused)).await;
    ingest.probe(&api, None).await;
    ingest.until("the API server is up", |ingest| ingest.state(&api) == Some(State::Up)).await;
    assert_eq!(ingest.state(&guess), None, "a guess that does not answer is no target");
    ingest.probe(&guess, None).await;
    ingest.until("etcd is up", |ingest| ingest.state(&guess) == Some(State::Up)).await;
    ingest.know(vec![api.clone(), guess.clone()]).await;
    let mut last = ingest.commands.recv().await.unwrap();
    if let Command::SetTargets { targets, .. } = &last
        && targets.iter().any(|t| t.guessed)
    {
        last = ingest.commands.recv().await.unwrap();
    }
    let Command::SetTargets { targets, .. } = last else { panic!("{last:?}") };
    assert!(targets.iter().all(|t| !t.guessed), "it stays a target when discovery guesses it again");
    assert_eq!(ingest.state(&guess), Some(State::Up));
}

#[tokio::test]
async fn cut_off_it_accuses_nobody_and_sees_again() {
    let mut ingest = TestIngest::start(Vec::new());
    let api = target(Job::KubeApiserver, "a:6443", false);
    ingest.know(vec![api.clone()]).await;
    ingest.look(true).await;
    ingest.probe(&api, None).await;
    ingest.until("up", |ingest| ingest.state(&api) == Some(State::Up)).await;
    let silent = ingest.fails_since();
    ingest.look_since(silent).await;
    ingest.probe(&api, Some(Reason::Timeout)).await;
    ingest.until("the silence is known", |ingest| ingest.failures(&api) > 0).await;
    ingest.look_since(silent).await;
    ingest.until("unknown while cut off", |ingest| ingest.state(&api) == Some(State::Unknown)).await;
    assert!(!ingest.live.read().vantage.ok);
    for _ in 0..5 {
        ingest.probe(&api, Some(Reason::Timeout)).await;
    }
    while !ingest.diagnosis().await.blind {}
    assert_eq!(ingest.state(&api), Some(State::Unknown), "silence tells of us, not of the target");
    ingest.look(true).await;
    ingest.until("up again", |ingest| ingest.state(&api) == Some(State::Up)).await;
    let mut hurried = false;
    while let Ok(command) = ingest.commands.try_recv() {
        hurried |= matches!(command, Command::HurryAll);
    }
    assert!(hurried, "everything is probed anew");
}

#[tokio::test]
async fn an_answering_target_proves_that_we_are_not_cut_off() {
    let ingest = TestIngest::start(Vec::new());
    let api = target(Job::KubeApiserver, "a:6443", false);
    ingest.know(vec![api.clone()]).await;
    ingest.look(true).await;
    let silent = ingest.fails_since();
    ingest.probe(&api, Some(Reason::Timeout)).await;
    ingest.until("the silence is known", |ingest| ingest.failures(&api) > 0).await;
    ingest.look_since(silent).await;
    ingest.until("cut off", |ingest| !ingest.live.read().vantage.ok).await;
    ingest.probe(&api, None).await;
    let answered = |ingest: &TestIngest| ingest.live.read().clusters["prod"].targets[&api.key].last_success.is_some();
    ingest.until("the answer is known", answered).await;
    let failing_since = ingest.clock.wall() - Duration::from_secs(1);
    let report = VantageReport {
        at: ingest.clock.wall(),
        link_up: None,
        has_default_route: false,
        references: Vec::new(),
        failing_since: Some(failing_since),
    };
    ingest.looks.send(report).await.unwrap();
    ingest.until("it sees", |ingest| ingest.live.read().vantage.ok).await;
}

#[tokio::test]
async fn after_a_restart_the_old_verdict_stands_until_probed() {
    let api = target(Job::KubeApiserver, "a:6443", false);
    let since: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let down = Verdict {
        state: State::Down,
        since,
        reason: Some(Reason::Refused),
        message: "refused".into(),
        reached: true,
        hides: None,
    };
    let mut ingest = TestIngest::start(vec![(api.clone(), down)]);
    ingest.know(vec![api.clone()]).await;
    ingest.look(true).await;
    ingest.until("known", |ingest| ingest.state(&api).is_some()).await;
    assert_eq!(ingest.state(&api), Some(State::Down));
    let early = tokio::time::timeout(Duration::from_millis(600), ingest.diagnosis()).await;
    assert!(early.is_err(), "nothing is said, and so nothing resolved, before the first probe: {early:?}");
    ingest.probe(&api, Some(Reason::Refused)).await;
    let first = ingest.diagnosis().await;
    assert!(!first.findings.is_empty(), "the outage goes on");
    assert_eq!(ingest.live.read().clusters["prod"].targets[&api.key].verdict.since, since, "since the first failure");
}

#[tokio::test]
async fn verdict_changes_are_remembered() {
    let ingest = TestIngest::start(Vec::new());
    let api = target(Job::KubeApiserver, "a:6443", false);
    ingest.know(vec![api.clone()]).await;
    ingest.look(true).await;
    ingest.probe(&api, None).await;
    for _ in 0..3 {
        ingest.probe(&api, Some(Reason::Refused)).await;
    }
    ingest.until("down", |ingest| ingest.state(&api) == Some(State::Down)).await;
    ingest.store.commit(Vec::new(), Vec::new()).await;
    let changes = ingest.store.verdict_changes("prod", 10).await.unwrap();
    let states: Vec<State> = changes.iter().map(|c| c.to.state).collect();
    assert_eq!(states, [State::Down, State::Suspect, State::Up]);
}

#[tokio::test]
async fn references_that_answer_late_are_not_believed_alone() {
    let ingest = TestIngest::start(Vec::new());
    let api = target(Job::KubeApiserver, "a:6443", false);
    ingest.know(vec![api.clone()]).await;
    ingest.look(true).await;
    ingest.probe(&api, None).await;
    ingest.until("up", |ingest| ingest.state(&api) == Some(State::Up)).await;
    let before = ingest.fails_since();
    for _ in 0..3 {
        ingest.look_since(before).await;
    }
    ingest.until("the looks are taken in", |ingest| ingest.looks.capacity() == ingest.looks.max_capacity()).await;
    ingest.know(vec![api.clone()]).await;
    assert!(ingest.live.read().vantage.ok, "no probe was silent since");
}

#[tokio::test]
async fn what_a_probe_no_longer_tells_ends_in_the_history() {
    let ingest = TestIngest::start(Vec::new());
    let t = target(Job::KubeScheduler, "10.0.0.1:10259", false);
    ingest.know(vec![t.clone()]).await;
    let at = ingest.clock.wall();
    ingest.reports.send(saw(&t, at, Some(Reason::Refused))).await.unwrap();
    ingest.reports.send(saw(&t, at + Duration::from_millis(20), None)).await.unwrap();
    let reasons = |ingest: &TestIngest| {
        let matchers = [crate::model::Matcher::equal("__name__", "probe_failure_info")];
        let found = ingest.store.select(&matchers, 0, i64::MAX).unwrap();
        found.first().map(|p| p.recent.values.clone()).unwrap_or_default()
    };
    ingest.until("written", |ingest| reasons(ingest).len() == 2).await;
    let values = reasons(&ingest);
    assert!(values[0] == 1.0 && crate::model::is_stale(values[1]), "{values:?}");
}

#[tokio::test]
async fn a_cluster_that_is_not_watched_any_more_leaves_nothing_and_may_come_back() {
    let mut ingest = TestIngest::start(Vec::new());
    let t = target(Job::KubeScheduler, "10.0.0.1:10259", false);
    ingest.know(vec![t.clone()]).await;
    ingest.reports.send(saw(&t, ingest.clock.wall(), None)).await.unwrap();
    let last = |ingest: &TestIngest| {
        let matchers = [crate::model::Matcher::equal("__name__", "probe_success")];
        let found = ingest.store.select(&matchers, 0, i64::MAX).unwrap();
        found.first().and_then(|p| p.recent.values.last().copied())
    };
    ingest.until("written", |ingest| last(ingest) == Some(1.0)).await;
    ingest.updates.send(ClusterNews::Unwatch("prod".into())).await.unwrap();
    ingest.until("its series end", |ingest| last(ingest).is_some_and(crate::model::is_stale)).await;
    ingest.until("it is not shown", |ingest| ingest.live.read().clusters.is_empty()).await;
    let mut told = None;
    while let Ok(Command::SetTargets { targets, .. }) = ingest.commands.try_recv() {
        told = Some(targets.len());
    }
    assert_eq!(told, Some(0), "the schedule hears of it");
    // What was still in flight is not believed.
    ingest.reports.send(saw(&t, ingest.clock.wall(), None)).await.unwrap();
    ingest.until("it is taken in", |ingest| ingest.reports.capacity() == ingest.reports.max_capacity()).await;
    let again = Cluster::new("prod".into(), watch::channel(Vec::new()).0, Arc::default());
    ingest.updates.send(ClusterNews::Watch(Box::new(again))).await.unwrap();
    ingest.know(vec![t.clone()]).await;
    assert_eq!(ingest.state(&t), Some(State::Unknown));
}

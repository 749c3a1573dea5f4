//! The loop under a paused clock: what is probed when, and what is reported.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use super::*;

mod overload;

use crate::model::{Facts, Failure, Job, Phases, ProbeSpec, Reason};

#[derive(Clone, Copy)]
enum Behaviour {
    Fine,
    Refuse,
    Silent,
}

fn target(name: &str, job: Job, guessed: bool) -> Arc<Target> {
    Arc::new(Target {
        key: TargetKey { cluster: "c".into(), job, instance: name.into() },
        node: None,
        spec: ProbeSpec::Healthz { url: "http://127.0.0.1/".parse().unwrap() },
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(5),
        guessed,
        labels: BTreeMap::new(),
    })
}

fn saw(target: Arc<Target>, reason: Option<Reason>) -> Observation {
    Observation {
        target,
        started: "2026-01-01T00:00:00Z".parse().unwrap(),
        duration: Duration::ZERO,
        failure: reason.map(|r| Failure::new(r, "as scripted")),
        answered: reason.is_none(),
        phases: Phases::default(),
        http_status: None,
        tls: None,
        checks: Vec::new(),
        facts: Facts::None,
        trace: Vec::new(),
    }
}

struct World {
    behaviours: Arc<Mutex<BTreeMap<String, Behaviour>>>,
    starts: Arc<Mutex<Vec<(String, Duration)>>>,
    reports: mpsc::Receiver<Report>,
    commands: mpsc::Sender<Command>,
    stop: CancellationToken,
    zero: Instant,
}

impl World {
    fn new(behaviours: &[(&str, Behaviour)], concurrency: usize) -> Self {
        let behaviours: Arc<Mutex<BTreeMap<String, Behaviour>>> =
            Arc::new(Mutex::new(behaviours.iter().map(|(n, b)| (n.to_string(), *b)).collect()));
        let starts = Arc::new(Mutex::new(Vec::new()));
        let zero = Instant::now();
        let (b, s) = (behaviours.clone(), starts.clone());
        let prober: Prober = Arc::new(move |target: Arc<Target>| {
            let name = target.key.instance.to_string();
            s.lock().unwrap().push((name.clone(), zero.elapsed()));
            let behaviour = b.lock().unwrap().get(&name).copied().unwrap_or(Behaviour::Fine);
            Box::pin(async move {
                let (wait, reason) = match behaviour {
                    Behaviour::Fine => (Duration::from_millis(10), None),
                    Behaviour::Refuse => (Duration::from_millis(1), Some(Reason::Refused)),
                    Behaviour::Silent => (target.timeout, Some(Reason::Timeout)),
                };
                tokio::time::sleep(wait).await;
                saw(target, reason)
            })
        });
        let (tx, reports) = mpsc::channel(4096);
        let (commands, rx) = mpsc::channel(16);
        let stop = CancellationToken::new();
        let clock = Clock::anchored("2026-01-01T00:00:00Z".parse().unwrap());
        let schedule = Schedule::new(ScheduleConfig { concurrency }, prober, tx, Arc::new(Metrics::new()), clock);
        tokio::spawn(schedule.run(rx, stop.clone()));
        Self { behaviours, starts, reports, commands, stop, zero }
    }

    async fn set(&self, targets: Vec<Arc<Target>>) {
        self.commands.send(Command::SetTargets { cluster: "c".into(), targets }).await.unwrap();
    }

    fn turn(&self, name: &str, behaviour: Behaviour) {
        self.behaviours.lock().unwrap().insert(name.into(), behaviour);
    }

    /// Waits for the `n`th failure of a target and gives the time since `from`.
    async fn failures(&mut self, name: &str, n: usize, from: Duration) -> Duration {
        let mut seen = 0;
        while let Some(report) = self.reports.recv().await {
            if let Report::Observed(o) = report
                && &*o.target.key.instance == name
                && o.failure.is_some()
            {
                seen += 1;
                if seen == n {
                    return self.zero.elapsed() - from;
                }
            }
        }
        panic!("the schedule has ended");
    }

    fn starts_of(&self, name: &str) -> usize {
        self.starts.lock().unwrap().iter().filter(|(n, _)| n == name).count()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_confirmed_within_the_interval_and_three_seconds() {
    let mut w = World::new(&[], 8);
    w.set(vec![target("a", Job::KubeApiserver, false)]).await;
    tokio::time::sleep(Duration::from_secs(33)).await;
    w.turn("a", Behaviour::Refuse);
    let took = w.failures("a", 3, Duration::from_secs(33)).await;
    assert!(took <= Duration::from_secs(13), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn silence_is_confirmed_within_interval_timeout_and_three_seconds() {
    let mut w = World::new(&[], 8);
    w.set(vec![target("a", Job::KubeApiserver, false)]).await;
    tokio::time::sleep(Duration::from_secs(33)).await;
    w.turn("a", Behaviour::Silent);
    let took = w.failures("a", 3, Duration::from_secs(33)).await;
    assert!(took <= Duration::from_secs(18), "{took:?}");
    assert!(w.starts_of("a") <= 8, "no more than three overlap");
}

#[tokio::test(start_paused = true)]
async fn a_slow_target_delays_no_other_and_neighbours_are_brought_forward() {
    let mut w = World::new(&[("slow", Behaviour::Silent)], 4);
    w.set(vec![target("slow", Job::Etcd, false), target("fine", Job::KubeApiserver, false)]).await;
    w.failures("slow", 3, Duration::ZERO).await;
    tokio::time::sleep(Duration::from_secs(100)).await;
    let starts: Vec<Duration> =
        w.starts.lock().unwrap().iter().filter(|(n, _)| n == "fine").map(|(_, at)| *at).collect();
    assert!(starts.windows(2).all(|p| p[1] - p[0] <= Duration::from_secs(10)), "{starts:?}");
    assert!(starts[1] <= Duration::from_millis(5_100), "brought forward by its neighbour's doubt: {starts:?}");
}

#[tokio::test(start_paused = true)]
async fn five_thousand_targets_are_spread_over_the_interval() {
    let w = World::new(&[], 512);
    let targets = (0..5_000).map(|i| target(&format!("n{i}"), Job::Kubelet, false)).collect();
    w.set(targets).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let mut per_second = BTreeMap::new();
    for (_, at) in w.starts.lock().unwrap().iter() {
        *per_second.entry(at.as_secs()).or_insert(0usize) += 1;
    }
    let most = per_second.values().max().unwrap();
    assert!(*most < 1_100, "about 500 a second, never a burst: {per_second:?}");
    let all = w.starts.lock().unwrap().len();
    assert!((25_000..=36_000).contains(&all), "{all} probes in a minute");
}

#[tokio::test(start_paused = true)]
async fn targets_that_are_gone_are_not_probed_and_those_that_stay_keep_their_time() {
    let w = World::new(&[], 8);
    w.set(vec![target("a", Job::Kubelet, false), target("b", Job::Kubelet, false)]).await;
    tokio::time::sleep(Duration::from_secs(25)).await;
    let before = w.starts_of("a");
    w.set(vec![target("b", Job::Kubelet, false)]).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(w.starts_of("a"), before);
    assert!(w.starts_of("b") >= 5);
}

#[tokio::test(start_paused = true)]
async fn failures_across_a_gap_in_time_are_void() {
    let mut w = World::new(&[], 8);
    w.set(vec![target("a", Job::KubeApiserver, false)]).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    while w.reports.try_recv().is_ok() {}
    w.turn("a", Behaviour::Silent);
    let started = w.starts_of("a");
    while w.starts_of("a") == started {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    w.turn("a", Behaviour::Fine);
    // The machine stands still for a minute with the probe in flight.
    tokio::time::advance(Duration::from_secs(60)).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let mut failed = 0;
    while let Ok(report) = w.reports.try_recv() {
        failed += usize::from(matches!(report, Report::Observed(o) if o.failure.is_some()));
    }
    assert_eq!(failed, 0, "the watchdog slept, the target did not fail");
}

#[tokio::test(start_paused = true)]
async fn more_probes_at_once_may_be_allowed_while_it_runs() {
    let world = World::new(&[("a", Behaviour::Silent), ("b", Behaviour::Silent)], 1);
    world.set(vec![target("a", Job::Etcd, false), target("b", Job::Etcd, false)]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.starts_of("a") + world.starts_of("b"), 1, "one holds the only permit");
    world.commands.send(Command::Configure(ScheduleConfig { concurrency: 2 })).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(world.starts_of("a") > 0 && world.starts_of("b") > 0);
}

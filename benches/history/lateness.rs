//! Whether housekeeping and backups are felt by probes: the real schedule with 200 targets a second writes into a store
//! that has nothing else to do, and then into one that rolls up a month, gives its pages back and is copied all the time.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use dogwatch::{
    clock::Clock,
    exposition,
    http::metrics::{self, Format, Picture},
    model::{Facts, Job, Live, Observation, Phases, ProbeSpec, Sample, Target, TargetKey},
    schedule::{Command, Prober, Schedule, ScheduleConfig},
    store::{StorageConfig, Store, backup, bulk::Bulk},
    telemetry::{Metrics, process::Process},
};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{bytes_below, scratch, world};

const MEASURED: Duration = Duration::from_secs(30);
const TARGETS: usize = 200;

pub fn run() {
    println!("lateness: {TARGETS} probes a second for {} s", MEASURED.as_secs());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let quiet = scratch();
    println!("  nothing else to do     {}", runtime.block_on(measure(quiet.path(), StorageConfig::default(), false)));
    let busy = scratch();
    let day = Duration::from_secs(86_400);
    month(busy.path());
    let before = bytes_below(busy.path());
    let config = StorageConfig { retention: day, ..StorageConfig::default() };
    println!("  rolling up, backups    {}", runtime.block_on(measure(busy.path(), config, true)));
    println!(
        "  the file meanwhile     {:.0} MB to {:.0} MB\n",
        before as f64 / 1e6,
        bytes_below(busy.path()) as f64 / 1e6
    );
}

/// A month of 100 targets, all of it packed.
fn month(dir: &Path) {
    let now_ms = Timestamp::now().as_millisecond();
    let mut bulk = Bulk::open(dir.into(), StorageConfig::default()).unwrap();
    for target in world::targets(100) {
        let at_ms = target.times(now_ms - 30 * 86_400_000, now_ms, 30_000);
        bulk.put((0..target.series.len()).map(|i| (target.series[i].clone(), target.points(i, &at_ms))).collect())
            .unwrap();
    }
    bulk.finish().unwrap();
}

async fn measure(dir: &Path, config: StorageConfig, copying: bool) -> String {
    let (metrics, clock) = (Arc::new(Metrics::new()), Clock::system());
    let (store, _) = Store::open(dir.into(), config, metrics.clone(), clock.clone());
    let (reports, mut reports_in) = mpsc::channel(1_024);
    let (commands, commands_in) = mpsc::channel(4);
    let stop = CancellationToken::new();
    let schedule =
        Schedule::new(ScheduleConfig::default(), prober(store.clone(), clock.clone()), reports, metrics.clone(), clock);
    let running = tokio::spawn(schedule.run(commands_in, stop.clone()));
    let draining = tokio::spawn(async move { while reports_in.recv().await.is_some() {} });
    commands.send(Command::SetTargets { cluster: "prod".into(), targets: targets() }).await.unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let copies = copying.then(|| copy_until(dir.into(), over.clone()));
    tokio::time::sleep(MEASURED).await;
    over.store(true, Ordering::Relaxed);
    let copies = copies.map(|thread| thread.join().unwrap());
    stop.cancel();
    let _ = running.await;
    draining.abort();
    store.close(Duration::from_secs(10)).await;
    let backups = copies.map(|n| format!(", {n} backups")).unwrap_or_default();
    format!("{}{backups}", lateness(&metrics))
}

fn targets() -> Vec<Arc<Target>> {
    let target = |i: usize| Target {
        key: TargetKey {
            cluster: "prod".into(),
            job: Job::Kubelet,
            instance: format!("10.0.{}.{}:1", i / 250, i % 250).as_str().into(),
        },
        node: None,
        spec: ProbeSpec::Healthz { url: "https://127.0.0.1/healthz".parse().unwrap() },
        interval: Duration::from_secs(1),
        timeout: Duration::from_millis(500),
        guessed: false,
        labels: Default::default(),
    };
    (0..TARGETS).map(|i| Arc::new(target(i))).collect()
}

/// A probe that takes no time, and the 25 samples that ingest would write of it.
fn prober(store: Store, clock: Clock) -> Prober {
    let sources: Arc<Vec<world::Source>> = Arc::new(world::targets(TARGETS));
    Arc::new(move |target: Arc<Target>| {
        let (store, clock, sources) = (store.clone(), clock.clone(), sources.clone());
        Box::pin(async move {
            let started = clock.wall();
            let source = &sources[fastrand::usize(..sources.len())];
            let sample = |labels: &dogwatch::model::Labels| Sample { labels: labels.clone(), at: started, value: 1.0 };
            store.append(&source.series.iter().map(sample).collect::<Vec<_>>());
            Observation {
                target,
                started,
                duration: Duration::from_millis(1),
                failure: None,
                answered: true,
                phases: Phases::default(),
                http_status: Some(200),
                tls: None,
                checks: Vec::new(),
                facts: Facts::None,
                trace: Vec::new(),
            }
        })
    })
}

fn copy_until(dir: std::path::PathBuf, over: Arc<AtomicBool>) -> std::thread::JoinHandle<usize> {
    std::thread::spawn(move || {
        let to = scratch();
        let mut copies = 0;
        while !over.load(Ordering::Relaxed) {
            backup::copy(&dir, &to.path().join("copy.db")).unwrap();
            copies += 1;
        }
        copies
    })
}

/// What the schedule's own histogram says.
fn lateness(metrics: &Metrics) -> String {
    let text =
        metrics::exposition(&Picture::own(&Live::default(), Timestamp::now()), metrics, Process::read(), Format::Text);
    let samples = exposition::read(&text, Timestamp::now(), &[]).samples;
    let value = |name: &str, le: Option<&str>| {
        let found = samples.iter().find(|s| &*s.labels.name == name && s.labels.get("le") == le);
        found.map_or(0.0, |s| s.value)
    };
    let probes = value("dogwatch_schedule_lateness_seconds_count", None);
    let within = |le: &str| value("dogwatch_schedule_lateness_seconds_bucket", Some(le)) / probes * 100.0;
    format!(
        "{probes} probes: {:.2} % within 5 ms, {:.2} % within 25 ms, {:.2} % within 100 ms, {:.2} % within 1 s; missed {}",
        within("0.005"),
        within("0.025"),
        within("0.1"),
        within("1.0"),
        value("dogwatch_schedule_missed_ticks_total", None)
    )
}

//! The store killed at any moment: what it said was durable is there, and history has no holes and nothing twice.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use dogwatch::{
    clock::Clock,
    model::{Incident, Labels, Matcher, Sample, Severity, Topic},
    pack::{Points, Want},
    store::{Durability, StorageConfig, Store},
    telemetry::Metrics,
};
use jiff::Timestamp;

/// Tells the child where to write.
const CHILD: &str = "DOGWATCH_TEST_STORE_CHILD";
const TRIALS: usize = 20;
const STEP_MS: i64 = 15_000;

fn open(dir: &Path) -> (Store, dogwatch::store::Restored) {
    Store::open(dir.into(), StorageConfig::default(), Arc::new(Metrics::new()), Clock::system())
}

fn incident(id: i64) -> Incident {
    Incident::new(id, "prod".into(), Topic::Outage, Timestamp::UNIX_EPOCH, "x".into(), Severity::Critical)
}

/// What the killed process does: samples of the last hours as fast as it can, so that packing and joining go on all the
/// while, and an incident after each handful, told when it is durable.
#[tokio::test]
async fn the_child_that_is_killed() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let (store, restored) = open(Path::new(&dir));
    let begin = begin_ms(&store).unwrap_or_else(|| Timestamp::now().as_millisecond() - 30 * 86_400_000);
    let mut at = times(&store).last().map_or(begin, |last| last + STEP_MS);
    println!("ready");
    for id in restored.last_incident_id + 1.. {
        for _ in 0..200 {
            let time = Timestamp::from_millisecond(at).unwrap();
            let of = |series: usize| Sample {
                labels: Labels::new("m", [("series", series.to_string())]),
                at: time,
                value: (at / STEP_MS) as f64,
            };
            store.append(&(0..5).map(of).collect::<Vec<_>>());
            at += STEP_MS;
        }
        assert_eq!(store.commit(vec![incident(id)], vec![]).await, Durability::Durable);
        println!("durable {id}");
    }
}

fn begin_ms(store: &Store) -> Option<i64> {
    times(store).first().copied()
}

/// The times of the series that has the fewest: samples this old are packed at once, one series after the other, so that a
/// kill may find one ahead of the others. What it has more is not written twice.
fn times(store: &Store) -> Vec<i64> {
    let found = store.select(&[Matcher::equal("__name__", "m")], 0, i64::MAX).unwrap();
    let mut points = Points::default();
    let mut all: Option<Vec<i64>> = None;
    for series in &found {
        series.read(Want::Last, 0, i64::MAX, &mut points).unwrap();
        let odd: Vec<_> = points.at_ms.windows(2).filter(|w| w[1] - w[0] != STEP_MS).collect();
        assert!(odd.is_empty(), "{}: a hole, or twice: {odd:?} of {:?}", series.labels, points.at_ms.first());
        assert!(points.at_ms.iter().zip(&points.values).all(|(at, v)| *v == (at / STEP_MS) as f64), "another value");
        if all.as_ref().is_none_or(|all| points.len() < all.len()) {
            all = Some(points.at_ms.clone());
        }
    }
    all.unwrap_or_default()
}

#[tokio::test]
async fn killed_at_any_moment_nothing_durable_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    let mut before = 0;
    for trial in 0..TRIALS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::the_child_that_is_killed", "--nocapture"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Every other one may be killed while it still opens the file; the others have begun, however slow the machine is.
        if trial % 2 == 1 {
            assert!(lines.any(|l| l.unwrap().ends_with("ready")), "trial {trial}: the child ended by itself");
        }
        let reading = std::thread::spawn(move || {
            let ids = lines.map_while(Result::ok).filter_map(|l| l.strip_prefix("durable ")?.parse::<i64>().ok());
            ids.last()
        });
        // The first is killed before its first batch is written: of it nothing may be left.
        let lives = if trial == 0 { 300 } else { random.u64(150..1_600) };
        tokio::time::sleep(Duration::from_millis(lives)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let durable = reading.join().unwrap().unwrap_or(0);
        let (store, restored) = open(dir.path());
        assert!(store.health().ok && store.health().message.is_empty(), "{:?}", store.health());
        assert!(restored.last_incident_id >= durable, "trial {trial}: {durable} was durable");
        let now = times(&store).len();
        assert!(now >= before, "trial {trial}: {now} samples after {before}");
        before = now;
        store.close(Duration::from_secs(10)).await;
    }
    assert!(before > 10_000, "the child did something: {before} samples");
}

//! What the built-in rules cost: every group once, over a day of a large cluster whose kubelets are reached through the API
//! server (which makes the widest queries).

use std::{path::Path, sync::Arc, time::Instant};

use dogwatch::{
    clock::Clock,
    query::{Engine, Options, QueryConfig},
    rule,
    store::{StorageConfig, Store, bulk::Bulk},
    telemetry::Metrics,
};
use jiff::Timestamp;

use crate::{scratch, world};

const INTERVAL_MS: i64 = 10_000;
const HISTORY_MS: i64 = 86_400_000;
/// Slower than this is named.
const SLOW_MS: f64 = 20.0;

pub fn run() {
    for targets in [100, 1_000] {
        let dir = scratch();
        let now_ms = fill(dir.path(), targets);
        measure(dir.path(), targets, now_ms);
    }
}

fn fill(dir: &Path, targets: usize) -> i64 {
    let now_ms = Timestamp::now().as_millisecond();
    let mut bulk = Bulk::open(dir.into(), StorageConfig::default()).unwrap();
    for target in world::targets(targets) {
        let at_ms = target.times(now_ms - HISTORY_MS, now_ms, INTERVAL_MS);
        bulk.put((0..target.series.len()).map(|i| (target.series[i].clone(), target.points(i, &at_ms))).collect())
            .unwrap();
    }
    bulk.finish().unwrap();
    now_ms
}

fn measure(dir: &Path, targets: usize, now_ms: i64) {
    let metrics = Arc::new(Metrics::new());
    let (store, _) = Store::open(dir.into(), StorageConfig::default(), metrics.clone(), Clock::system());
    let engine = Engine::new(store, QueryConfig::default(), metrics);
    let groups = rule::shipped::groups().unwrap();
    let (mut all, mut slow) = (0.0, Vec::new());
    for rule in groups.iter().flat_map(|g| &g.rules) {
        let begun = Instant::now();
        engine.instant_blocking(&rule.query, now_ms, Options::default()).unwrap();
        let ms = begun.elapsed().as_secs_f64() * 1e3;
        all += ms;
        if ms > SLOW_MS {
            slow.push(format!("{} {ms:.0} ms", rule.name));
        }
    }
    let rules: usize = groups.iter().map(|g| g.rules.len()).sum();
    println!("rules: all {rules} over {targets} targets at 10 s: {all:.0} ms; {}", slow.join(", "));
}

//! A year and a half of 100 targets at 30 s with the default retention: what is left of it, and how large it is.

use std::time::Instant;

use dogwatch::store::{StorageConfig, bulk::Bulk};
use jiff::Timestamp;

use crate::{bytes_below, scratch, world};

const DAY_MS: i64 = 86_400_000;
const DAYS: i64 = 548;
/// Days written before housekeeping is done: the file is at most so much larger meanwhile.
const CHUNK: i64 = 8;
const INTERVAL_MS: i64 = 30_000;
/// A midnight.
const T0: i64 = 1_720_051_200_000;

pub fn run() {
    println!("months: 100 targets at {} s for {DAYS} days, default retention", INTERVAL_MS / 1_000);
    let targets = world::targets(100);
    let dir = scratch();
    let begun = Instant::now();
    let mut bulk = Bulk::open(dir.path().into(), StorageConfig::default()).unwrap();
    let (mut samples, mut largest) = (0, 0);
    for day in (0..DAYS).step_by(CHUNK as usize) {
        let (from_ms, to_ms) = (T0 + day * DAY_MS, T0 + (day + CHUNK).min(DAYS) * DAY_MS);
        for target in &targets {
            let at_ms = target.times(from_ms, to_ms, INTERVAL_MS);
            samples += at_ms.len() * target.series.len();
            let series = (0..target.series.len()).map(|i| (target.series[i].clone(), target.points(i, &at_ms)));
            bulk.put(series.collect()).unwrap();
        }
        bulk.run_housekeeping(Timestamp::from_millisecond(to_ms).unwrap()).unwrap();
        largest = largest.max(bytes_below(dir.path()));
    }
    bulk.finish().unwrap();
    let series: usize = targets.iter().map(|t| t.series.len()).sum();
    println!("  series                 {series}");
    println!("  samples written        {samples} in {:.0?}", begun.elapsed());
    println!("  the file at the end    {:.0} MB", bytes_below(dir.path()) as f64 / 1e6);
    println!("  largest, WAL included  {:.0} MB\n", largest as f64 / 1e6);
}

//! Bytes a sample, beside Prometheus' blocks of the same samples.

use std::time::Instant;

use dogwatch::store::{StorageConfig, bulk::Bulk};

use crate::{bytes_below, peer, scratch, world};

const DAYS: i64 = 10;
const INTERVAL_MS: i64 = 15_000;
/// A midnight.
const T0: i64 = 1_767_225_600_000;

pub fn run() {
    println!("size: 40 targets at {} s for {DAYS} days", INTERVAL_MS / 1_000);
    let targets = world::targets(40);
    let to_ms = T0 + DAYS * 86_400_000;
    let (ours, theirs) = (scratch(), scratch());
    let begun = Instant::now();
    let mut bulk = Bulk::open(ours.path().into(), StorageConfig::default()).unwrap();
    let mut samples = 0;
    for target in &targets {
        let at_ms = target.times(T0, to_ms, INTERVAL_MS);
        samples += at_ms.len() * target.series.len();
        let series = (0..target.series.len()).map(|i| (target.series[i].clone(), target.points(i, &at_ms)));
        bulk.put(series.collect()).unwrap();
    }
    bulk.finish().unwrap();
    let took = begun.elapsed();
    let blocks = peer::blocks(theirs.path(), "240h", |out| {
        for target in &targets {
            let at_ms = target.times(T0, to_ms, INTERVAL_MS);
            for (i, labels) in target.series.iter().enumerate() {
                peer::write(out, labels, &target.points(i, &at_ms));
            }
        }
    });
    let each = |bytes: u64| bytes as f64 / samples as f64;
    let (ours, theirs) = (each(bytes_below(ours.path())), each(bytes_below(&blocks)));
    println!("  samples                {samples}, packed in {took:.1?}");
    println!("  dogwatch               {ours:.3} bytes a sample, everything in the file included");
    println!("  Prometheus             {theirs:.3} bytes a sample, blocks with their index");
    println!("  ratio                  1 to {:.1}\n", theirs / ours);
}

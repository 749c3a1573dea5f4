//! Random series.

use dogwatch::{
    model::{Labels, stale},
    pack::Points,
};
use fastrand::Rng;

const STEP_MS: i64 = 15_000;
const SAMPLES: i64 = 240;

/// Random series over an hour: counters with resets, gauges, gaps, ends, NaN and infinities, churn, histograms.
pub fn series(begin_ms: i64, random: &mut Rng) -> Vec<(Labels, Points)> {
    let mut all = Vec::new();
    for i in 0..12 {
        let (group, instance) = (format!("g{}", i % 3), format!("i{}", i % 6));
        let pairs =
            [("group", group.as_str()), ("instance", instance.as_str()), ("n", if i < 6 { "low" } else { "high" })];
        all.push((Labels::new("req_total", pairs), points(begin_ms, random, Shape::Counter)));
        all.push((Labels::new("temp", pairs), points(begin_ms, random, Shape::Gauge)));
        all.push((Labels::new("odd", pairs), points(begin_ms, random, Shape::Odd)));
        let told = [("instance", instance.as_str()), ("n", "told"), ("zone", if i < 6 { "z1" } else { "z2" })];
        if i < 8 {
            all.push((Labels::new("target_info", told), points(begin_ms, random, Shape::Odd)));
        }
    }
    for instance in ["i0", "i1"] {
        let mut cumulated = points(begin_ms, random, Shape::Counter);
        for le in ["0.1", "0.5", "1", "2.5", "+Inf"] {
            let pairs = [("instance", instance), ("le", le)];
            all.push((Labels::new("lat_bucket", pairs), cumulated.clone()));
            cumulated.values.iter_mut().enumerate().for_each(|(i, v)| *v += (i * (1 + le.len())) as f64);
        }
    }
    for group in ["g0", "g1", "g2"] {
        all.push((Labels::new("limit", [("group", group)]), points(begin_ms, random, Shape::Gauge)));
        let typed = [("__type__", "gauge"), ("__unit__", "celsius"), ("group", group)];
        all.push((Labels::new("typed", typed), points(begin_ms, random, Shape::Gauge)));
    }
    // Buckets whose counts fall, and one without an end.
    for le in ["0.1", "1", "5", "+Inf", "NaN", "x"] {
        let counter = points(begin_ms, random, Shape::Counter);
        all.push((Labels::new("fallen_bucket", [("instance", "i0"), ("le", le)]), counter));
    }
    all
}

#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Counter,
    Gauge,
    Odd,
}

fn points(begin_ms: i64, random: &mut Rng, shape: Shape) -> Points {
    let (mut points, mut value, mut ended) = (Points::default(), random.u32(0..1_000) as f64, false);
    let offset = random.i64(1..STEP_MS);
    let (from, to) = if shape == Shape::Odd { (random.i64(0..80), random.i64(150..SAMPLES)) } else { (0, SAMPLES) };
    for i in from..to {
        // Never at a whole second: no window's edge is ever exactly at a sample by chance alone.
        let at = begin_ms + i * STEP_MS + offset / 1_000 * 1_000 + 137 + random.i64(0..3);
        if shape != Shape::Counter && random.u8(0..40) == 0 {
            if !ended && shape == Shape::Odd {
                points.push(at, stale());
            }
            ended = true;
            continue;
        }
        ended = false;
        value = match shape {
            Shape::Counter if random.u16(0..150) == 0 => random.u32(0..5) as f64,
            Shape::Counter => value + random.u32(0..60) as f64 / 4.0,
            Shape::Gauge => (random.f64() - 0.4) * 100.0,
            Shape::Odd => match random.u8(0..30) {
                0 => f64::NAN,
                1 => f64::INFINITY,
                _ => random.i32(-3..4) as f64,
            },
        };
        points.push(at, value);
    }
    points
}

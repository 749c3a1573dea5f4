//! What the label sets of a probe's series cost: made anew, and taken over from the probe before.

use std::{hint::black_box, time::Instant};

use dogwatch::{
    ingest::samples::of_observation,
    model::{Job, State},
};

use crate::world;

const PROBES: u32 = 20_000;

/// Measures and prints.
pub fn run() {
    for (name, job) in
        [("an API server", Job::KubeApiserver), ("an etcd member", Job::Etcd), ("a kubelet", Job::Kubelet)]
    {
        let observation = world::observation(1, job);
        let before = of_observation(&observation, State::Up, &[]);
        let time = |before: &[_]| {
            let begun = Instant::now();
            for _ in 0..PROBES {
                black_box(of_observation(black_box(&observation), State::Up, before));
            }
            begun.elapsed() / PROBES
        };
        let (anew, taken_over) = (time(&[]), time(&before));
        println!("labels: {name}, {} series: {anew:?} a probe made anew, {taken_over:?} taken over", before.len());
    }
}

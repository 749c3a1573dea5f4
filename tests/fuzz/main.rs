//! No text of up to 1 MiB costs much before it is refused or read: 1 s of CPU (unoptimised: more), 64 MiB of memory.
//!
//! A program of its own, since memory is counted for all of its threads. The texts are made of a grammar's own fragments,
//! repeated and nested, rather than by a fuzzer that follows branches (bolero, cargo-fuzz): what is looked for is what grows
//! faster than its text, which needs length more than it needs odd bytes, and no nightly compiler is needed.
//!
//! `FUZZ_SECONDS=1800 cargo test --release --test fuzz` looks for half an hour at each reader; `FUZZ_ONLY` names one,
//! `FUZZ_SEED` begins with one text again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod fragments;
mod soup;
mod targets;

use std::{
    env,
    time::{Duration, Instant},
};

use cpu_time::ThreadTime;
use peak_alloc::PeakAlloc;

use self::targets::{TARGETS, Target};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Bytes that a reader may take beside its text.
const MEMORY_MAX: usize = 64 << 20;
/// Of CPU. Without optimisation all is slower by ten to thirty times; what is not linear, by thousands.
const CPU_MAX: Duration = Duration::from_secs(if cfg!(debug_assertions) { 30 } else { 1 });
/// How long each reader is looked at where nobody says more.
const SECONDS: f64 = 2.0;
/// The stack of a thread that reads: what Rust's threads and tokio's have. Unoptimised, a level of YAML takes 30 KiB of it,
/// 64 of which are read at the most.
const STACK_BYTES: usize = if cfg!(debug_assertions) { 8 << 20 } else { 2 << 20 };

fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    env::var(name).ok()?.parse().ok()
}

/// What the dearest text of a reader cost.
#[derive(Default)]
struct Dearest {
    texts: u64,
    cpu: Duration,
    memory: usize,
}

fn look(target: &Target) -> Dearest {
    let until = Instant::now() + Duration::from_secs_f64(setting("FUZZ_SECONDS").unwrap_or(SECONDS));
    let first = setting("FUZZ_SEED").unwrap_or(0);
    let mut dearest = Dearest::default();
    for seed in first.. {
        if dearest.texts > 0 && Instant::now() > until {
            break;
        }
        let text = soup::soup(&mut fastrand::Rng::with_seed(seed), target.fragments);
        let held = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let begun = ThreadTime::now();
        (target.read)(&text);
        let (cpu, memory) = (begun.elapsed(), MEMORY.peak_usage().saturating_sub(held));
        dearest = Dearest { texts: dearest.texts + 1, cpu: dearest.cpu.max(cpu), memory: dearest.memory.max(memory) };
        let shown: String = text.chars().take(200).collect();
        let which = format!("{} with FUZZ_SEED={seed}, {} bytes: {shown:?}", target.name, text.len());
        assert!(cpu <= CPU_MAX, "{cpu:?} of CPU for {which}");
        assert!(memory <= MEMORY_MAX, "{} MiB for {which}", memory >> 20);
    }
    dearest
}

/// One test, so that no other takes memory meanwhile.
#[test]
fn no_text_costs_much_before_it_is_refused_or_read() {
    let only: Option<String> = setting("FUZZ_ONLY");
    let mut wrong = Vec::new();
    for target in TARGETS.iter().filter(|t| only.as_ref().is_none_or(|only| only == t.name)) {
        let looking = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(|| look(target)).unwrap();
        match looking.join() {
            Ok(d) => println!("{}: {} texts, at most {:?} of CPU, {} KiB", target.name, d.texts, d.cpu, d.memory >> 10),
            Err(_) => wrong.push(target.name),
        }
    }
    assert!(wrong.is_empty(), "see above: {wrong:?}");
}

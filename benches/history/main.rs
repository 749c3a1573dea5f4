//! How much the history takes, how long it answers, and whether its housekeeping is felt: measured, beside a real
//! Prometheus on the same data in the same run.
//!
//!     cargo bench --bench history -- [size] [queries] [months] [lateness] [rules] [labels]
//!
//! Needs Debian's `prometheus` (promtool too). Prints figures and ratios; asserts nothing about time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

mod labels;
mod lateness;
mod months;
mod peer;
mod queries;
mod rules;
mod size;
mod world;

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    if let [serve, address, dir] = &asked[..]
        && serve == "serve"
    {
        return queries::serve(address, dir);
    }
    let wanted = |name: &str| asked.is_empty() || asked.iter().any(|a| a == name);
    if wanted("size") {
        size::run();
    }
    if wanted("queries") {
        queries::run();
    }
    if wanted("months") {
        months::run();
    }
    if wanted("lateness") {
        lateness::run();
    }
    if wanted("rules") {
        rules::run();
    }
    if wanted("labels") {
        labels::run();
    }
}

/// A directory on the disk that holds the build, not in memory.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// Bytes of all files below a directory.
fn bytes_below(dir: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(dir).unwrap().filter_map(Result::ok);
    entries.map(|e| if e.path().is_dir() { bytes_below(&e.path()) } else { e.metadata().map_or(0, |m| m.len()) }).sum()
}

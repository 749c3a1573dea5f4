//! PromQL against Prometheus' own test scripts.
//!
//! The scripts are data of Prometheus (Apache-2.0, promql/promqltest/testdata) that lies beside the project; ours in
//! `tests/promql` are run always.

mod differential;
mod generator;
mod samples;
mod script;
mod values;
mod world;

use std::path::{Path, PathBuf};

use script::{Command, Expected};
use world::World;

/// Where Prometheus' scripts are.
fn testdata() -> Option<PathBuf> {
    let dir = std::env::var_os("PROMQL_TESTDATA").map(PathBuf::from);
    let dir = dir.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/promql"));
    dir.is_dir().then_some(dir)
}

fn scripts(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().filter_map(Result::ok).map(|e| e.path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "test"));
    files.sort();
    files
}

#[test]
fn promql_corpus() {
    let mut files = scripts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/promql"));
    assert!(!files.is_empty(), "our own scripts are gone");
    match testdata() {
        Some(dir) => files.extend(scripts(&dir)),
        None => println!("Prometheus' scripts are not here (PROMQL_TESTDATA): only our own are run"),
    }
    let mut failures = Vec::new();
    for file in &files {
        let outcome = run(file);
        let name = file.file_name().unwrap().to_string_lossy();
        println!(
            "{name:24} {} passed, {} failed, {} set aside",
            outcome.passed,
            outcome.failures.len(),
            outcome.aside.len()
        );
        outcome.aside.iter().for_each(|line| println!("    aside {line}"));
        failures.extend(outcome.failures.into_iter().map(|f| format!("{name}:{f}")));
    }
    assert!(failures.is_empty(), "{} evaluations failed:\n{}", failures.len(), failures.join("\n"));
}

/// Names that operations drop are dropped at the end of a query in this script: Prometheus does so only with the feature
/// flag `promql-delayed-name-removal`, promqltest always.
const LATE_NAMES: &str = "name_label_dropping.test";

#[derive(Default)]
struct Outcome {
    passed: usize,
    failures: Vec<String>,
    aside: Vec<String>,
}

fn run(file: &Path) -> Outcome {
    let text = std::fs::read_to_string(file).unwrap();
    let mut world = World::default();
    let mut outcome = Outcome::default();
    for command in script::read(&text) {
        match command {
            Command::Clear => world = World::default(),
            Command::Load { step_ms, series, with_nhcb, start_times } => {
                world.load(step_ms, &series, with_nhcb);
                world.start_times |= start_times;
            }
            Command::Eval(eval) => {
                let late_names = file.ends_with(LATE_NAMES).then_some("feature flag");
                match (world.check(&eval), world.aside(&eval).or(late_names)) {
                    (Ok(()), _) => outcome.passed += 1,
                    // What this evaluator does not have is named; nothing else may fail.
                    (Err(_), Some(reason)) => outcome.aside.push(format!("{}: {} ({reason})", eval.line, eval.query)),
                    (Err(why), None) => {
                        let expected = match &eval.expected {
                            Expected::Fail(_) => " (a failure is expected)",
                            Expected::Result(_) => "",
                        };
                        outcome.failures.push(format!("{}: {}{expected}\n      {why}", eval.line, eval.query));
                    }
                }
            }
        }
    }
    outcome
}

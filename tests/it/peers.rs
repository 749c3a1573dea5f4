//! What `tests/run` gets for the tests from elsewhere, and keeps outside of the tree.

use std::{env, path::PathBuf};

/// A file or directory of it.
pub fn peer(path: &str) -> PathBuf {
    let found = place(path);
    assert!(found.exists(), "{} is missing: tests/run gets it", found.display());
    found
}

/// The same, where there may be none: what can't be built everywhere.
pub fn maybe(path: &str) -> Option<PathBuf> {
    Some(place(path)).filter(|found| found.exists())
}

/// The newest Alertmanager's or Prometheus' program of that name, which tests/peers builds.
pub fn newest(name: &str) -> Option<PathBuf> {
    let found = maybe(&format!("bin/{name}"))?;
    said(name, version(name));
    Some(found)
}

/// The same; where it could not be built, Debian's.
pub fn program(name: &str) -> PathBuf {
    newest(name).unwrap_or_else(|| {
        said(name, "of Debian, since tests/run has not built the newest");
        PathBuf::from(if name == "alertmanager" { "prometheus-alertmanager" } else { name })
    })
}

/// The version that is built, from its Go module.
fn version(name: &str) -> &'static str {
    let (module, modules) = if matches!(name, "alertmanager" | "amtool") {
        ("github.com/prometheus/alertmanager ", include_str!("../peers/alertmanager/go.mod"))
    } else {
        ("github.com/prometheus/prometheus ", include_str!("../peers/prometheus/go.mod"))
    };
    let line = modules.lines().find_map(|line| line.trim().trim_start_matches("require ").strip_prefix(module));
    line.and_then(|version| version.split(' ').next()).unwrap_or_else(|| panic!("{module}is not in tests/peers"))
}

/// Seen with `--nocapture`, and where a test fails.
#[allow(clippy::print_stdout)]
fn said(name: &str, which: &str) {
    println!("beside {name} {which}");
}

fn place(path: &str) -> PathBuf {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".cache"));
    cache.join("dogwatch-tests").join(path)
}

//! The rules that are part of the program: `alerts/*.yml`.

use std::path::Path;

use super::file::{self, FileError, Group};

/// `(file, text)`.
pub const FILES: &[(&str, &str)] = &[
    ("apiserver.yml", include_str!("../../alerts/apiserver.yml")),
    ("canary.yml", include_str!("../../alerts/canary.yml")),
    ("certificates.yml", include_str!("../../alerts/certificates.yml")),
    ("checks.yml", include_str!("../../alerts/checks.yml")),
    ("components.yml", include_str!("../../alerts/components.yml")),
    ("etcd.yml", include_str!("../../alerts/etcd.yml")),
    ("heartbeats.yml", include_str!("../../alerts/heartbeats.yml")),
    ("nodes.yml", include_str!("../../alerts/nodes.yml")),
    ("objectives.yml", include_str!("../../alerts/objectives.yml")),
    ("slo.yml", include_str!("../../alerts/slo.yml")),
    ("targets.yml", include_str!("../../alerts/targets.yml")),
    ("watchdog.yml", include_str!("../../alerts/watchdog.yml")),
];

/// Reads them.
///
/// # Errors
/// Never for files that passed the tests.
pub fn groups() -> Result<Vec<Group>, Vec<FileError>> {
    let mut groups = Vec::new();
    for (name, text) in FILES {
        groups.extend(file::read(Path::new(&format!("built-in/{name}")), text)?);
    }
    Ok(groups)
}

//! Whether housekeeping and backups are felt by probes.
pub fn run() {}

//! Where the SQLite file lies where nothing is said of it.

use std::path::PathBuf;

/// `$STATE_DIRECTORY` under systemd, `/var/lib/dogwatch` for root, else the user's own state directory.
pub(super) fn default() -> PathBuf {
    let var = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(dir) = var("STATE_DIRECTORY") {
        return dir;
    }
    let system = PathBuf::from("/var/lib/dogwatch");
    if nix::unistd::geteuid().is_root() {
        return system;
    }
    let state = var("XDG_STATE_HOME").or_else(|| var("HOME").map(|h| h.join(".local/state")));
    state.map_or(system, |s| s.join("dogwatch"))
}

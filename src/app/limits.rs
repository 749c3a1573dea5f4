//! What the machine lets this process have.

use nix::sys::{
    prctl,
    resource::{Resource, getrlimit, setrlimit},
};

/// Keeps the process' memory, and with it every secret, out of core dumps, and from other programs of the same user. Where
/// the system does not know how, all is as before.
pub fn keep_memory_private() {
    // The first is for handlers that are given every dump in a pipe, which the limit does not stop.
    let _ = prctl::set_dumpable(false);
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
}

/// Takes all the file descriptors that the process may have: the soft limit of 1,024 that a login shell and older systemd
/// give is for programs that use `select`, which this one does not; a probe holds one, and there may be thousands.
pub(super) fn take_all_files() {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() {
        tracing::debug!(before = soft, now = hard, "the limit of file descriptors was raised");
    }
}

//! What the machine lets this process have.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Takes all the file descriptors that the process may have: the soft limit of 1,024 that a login shell and older systemd
/// give is for programs that use `select`, which this one does not; a probe holds one, and there may be thousands.
pub(super) fn take_all_files() {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() {
        tracing::debug!(before = soft, now = hard, "the limit of file descriptors was raised");
    }
}

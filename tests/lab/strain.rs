//! How long the machine's processors were wanted by more than they can serve: what two clusters beside the watchdog take of
//! its time is no lateness of its own.

use std::{fs, time::Duration};

/// From a moment on.
pub struct Strain {
    begun: Duration,
}

impl Strain {
    pub fn begin() -> Self {
        Self { begun: stalled() }
    }

    /// For so long some process waited for a processor; zero where the kernel does not tell.
    pub fn so_far(&self) -> Duration {
        stalled().saturating_sub(self.begun)
    }
}

/// `some … total=` of /proc/pressure/cpu, in microseconds since the machine began
/// (<https://docs.kernel.org/accounting/psi.html>).
fn stalled() -> Duration {
    let pressure = fs::read_to_string("/proc/pressure/cpu").unwrap_or_default();
    let total = pressure.lines().find(|line| line.starts_with("some")).and_then(|line| line.rsplit_once("total="));
    Duration::from_micros(total.and_then(|(_, total)| total.trim().parse().ok()).unwrap_or_default())
}

//! What systemd is told (sd_notify(3)): ready, alive, what is going on. Does nothing where systemd isn't there.

use std::time::Duration;

use sd_notify::NotifyState;

use super::Engine;
use crate::model::{Live, State};

/// How often it is told: well within half of any sensible `WatchdogSec`.
pub const EVERY: Duration = Duration::from_secs(5);

fn tell(states: &[NotifyState<'_>]) {
    // Not being heard by systemd is no reason to stop watching.
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd could not be told");
    }
}

/// Started, or reloaded.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// A reload begins (`Type=notify-reload` wants the time of it).
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// The end begins.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Tells systemd's watchdog that we live, if the loop that owns the picture has really turned since the last time, and
/// says a line for `systemctl status`.
pub fn watchdog(engine: &Engine, live: &Live) {
    let status = status(live);
    if engine.has_turned() {
        tell(&[NotifyState::Watchdog, NotifyState::Status(&status)]);
    } else {
        tell(&[NotifyState::Status("not turning: the watchdog is starved")]);
    }
}

fn status(live: &Live) -> String {
    let live = live.read();
    let (mut all, mut up) = (0, 0);
    for target in live.clusters.values().flat_map(|c| c.targets.values()) {
        all += 1;
        up += usize::from(target.verdict.state == State::Up);
    }
    let open = live.incidents.iter().filter(|i| i.resolved_at.is_none()).count();
    let blind = if live.vantage.ok { "" } else { "; the watchdog itself is cut off" };
    format!("{up} of {all} targets up, {open} incidents open{blind}")
}

//! Heartbeats that nobody waits for, because somebody says so.

use super::{Heartbeats, json};
use crate::store::Durability;

/// Says why a heartbeat can't be paused or resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PauseError {
    /// There is none of this name.
    #[error("no heartbeat has this name")]
    Unknown,
    /// It is paused in the configuration.
    #[error("it is paused in the configuration (paused: true): change it there")]
    Configured,
}

impl Heartbeats {
    /// Waits for a heartbeat no more, or again, because somebody says so. Returns whether that changed anything, and once it
    /// is kept.
    ///
    /// # Errors
    /// Why that can't be.
    pub async fn pause(&self, name: &str, paused: bool, by: &str) -> Result<(bool, Durability), PauseError> {
        let written = {
            let mut memory = self.memory();
            let configured = self.configured();
            let job = configured.jobs.iter().find(|(job, _)| job.name == name);
            let ((job, _), Some(state)) = (job.ok_or(PauseError::Unknown)?, memory.states.get_mut(name)) else {
                return Err(PauseError::Unknown);
            };
            if job.paused && !paused {
                return Err(PauseError::Configured);
            }
            let now = self.0.clock.wall();
            let changed = if paused { state.pause(by, now) } else { state.resume(now) };
            if !changed {
                return Ok((false, Durability::Durable));
            }
            self.0.store.commit_heartbeat(name, &json(state))
        };
        let kept = written.await;
        self.0.news.notify_one();
        Ok((true, kept))
    }
}

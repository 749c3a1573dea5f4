//! Wall and monotonic time, replaceable in tests.
//!
//! Durations, deadlines and beats are measured on the monotonic clock (`tokio::time::Instant`), which a stepped wall
//! clock can't disturb; wall time is only for what people and databases read. Never sleeps, never spawns.

use jiff::Timestamp;
use tokio::time::Instant;

/// Says where the time comes from. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    /// Wall time that moves exactly as tokio's (possibly paused) monotonic clock does.
    Anchored {
        wall: Timestamp,
        mono: Instant,
    },
}

impl Clock {
    /// Returns the machine's clocks.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// Returns a clock that shows `wall` now and advances with tokio's clock, so that a paused runtime controls both.
    pub fn anchored(wall: Timestamp) -> Self {
        Self(Source::Anchored { wall, mono: Instant::now() })
    }

    /// Wall time, for people and databases.
    pub fn wall(&self) -> Timestamp {
        match &self.0 {
            Source::System => Timestamp::now(),
            Source::Anchored { wall, mono } => *wall + mono.elapsed(),
        }
    }

    /// Monotonic time, for deadlines and durations.
    pub fn mono(&self) -> Instant {
        Instant::now()
    }
}

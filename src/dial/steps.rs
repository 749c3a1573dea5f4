//! The log of one exchange: phases with their durations, and a short trace for "why did it fail?".

use std::{fmt, net::SocketAddr, time::Duration};

use tokio::time::Instant;

use super::{failure::Spoken, lookup::Side, shape::Shape};
use crate::model::{Observation, Phases, TlsFacts, TraceLine};

/// Holds what an exchange has seen so far.
#[derive(Debug)]
pub(super) struct Steps {
    started: Instant,
    deadline: Instant,
    /// Phases reached.
    pub(super) phases: Phases,
    /// The handshake, also one that failed.
    pub(super) tls: Option<TlsFacts>,
    /// The trace.
    pub(super) trace: Vec<TraceLine>,
    /// The address that was tried last.
    pub(super) peer: Option<SocketAddr>,
    /// What the last connection tells of the way.
    pub(super) shape: Option<Shape>,
    /// So many files are open that the connection is not kept for later.
    pub(super) crowded: bool,
    /// Whose names are looked up.
    pub(super) side: Side,
}

impl Steps {
    /// Begins now.
    pub(super) fn start(deadline: Instant) -> Self {
        let (started, phases) = (Instant::now(), Phases::default());
        let (trace, peer, side) = (Vec::new(), None, Side::default());
        Self { started, deadline, phases, tls: None, trace, peer, shape: None, crowded: false, side }
    }

    /// Adds a line, up to [`Observation::TRACE_MAX`]; what was just said is not said again.
    pub(super) fn note(&mut self, text: impl fmt::Display) {
        let text = text.to_string();
        let said = self.trace.last().is_some_and(|last| last.text == text);
        if !said && self.trace.len() < Observation::TRACE_MAX {
            self.trace.push(TraceLine { after: self.started.elapsed(), text });
        }
    }

    /// Returns when the exchange must have ended.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Returns time since the start.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Returns the time that the whole exchange had, to say "within 5 s".
    pub(super) fn allowed(&self) -> Spoken {
        Spoken(self.deadline.saturating_duration_since(self.started))
    }

    /// Returns what is left of it.
    pub(super) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Forgets phases and handshake of an attempt that is made anew.
    pub(super) fn anew(&mut self) {
        self.phases = Phases::default();
        self.shape = None;
        self.tls = None;
    }
}

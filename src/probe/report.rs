//! What a prober gathers on its way to an [`Observation`].

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::{
    dial::Exchange,
    model::{CheckLine, Facts, Failure, Observation, Phases, Target, TlsFacts, TraceLine},
};

/// See the module.
pub struct Report {
    /// `None`: fine.
    pub failure: Option<Failure>,
    /// It answered as the component that it should be.
    pub answered: bool,
    /// Check lines.
    pub checks: Vec<CheckLine>,
    /// Special facts.
    pub facts: Facts,
    phases: Phases,
    http_status: Option<u16>,
    tls: Option<TlsFacts>,
    trace: Vec<TraceLine>,
}

impl Report {
    /// Begins with the exchange that stands for the probe.
    pub fn new(first: &Exchange) -> Self {
        let mut report = Self {
            failure: None,
            answered: false,
            checks: Vec::new(),
            facts: Facts::None,
            phases: first.phases,
            http_status: first.outcome.as_ref().ok().map(|a| a.status),
            tls: first.tls.clone(),
            trace: Vec::new(),
        };
        report.follow(first);
        report
    }

    /// Adds the steps of an exchange; its handshake counts where there was none before.
    pub fn follow(&mut self, exchange: &Exchange) {
        self.trace.extend(exchange.trace.iter().cloned());
        if self.tls.is_none() {
            self.tls.clone_from(&exchange.tls);
        }
    }

    /// Adds check lines up to the cap.
    pub fn add_checks(&mut self, lines: Vec<CheckLine>) {
        let room = Observation::CHECKS_MAX.saturating_sub(self.checks.len());
        self.checks.extend(lines.into_iter().take(room));
    }

    /// It failed.
    pub fn fail(mut self, failure: Failure) -> Self {
        self.failure = Some(failure);
        self
    }

    /// The observation.
    pub fn finish(mut self, target: Arc<Target>, started: Timestamp, duration: Duration) -> Observation {
        self.trace.sort_by_key(|t| t.after);
        self.trace.truncate(Observation::TRACE_MAX);
        Observation {
            target,
            started,
            duration,
            failure: self.failure,
            answered: self.answered,
            phases: self.phases,
            http_status: self.http_status,
            tls: self.tls,
            checks: self.checks,
            facts: self.facts,
            trace: self.trace,
        }
    }
}

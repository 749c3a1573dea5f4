//! What a prober gathers on its way to an [`Observation`]. Decides nothing, but for this: where an exchange that the report
//! is made of ([`Report::new`], [`Report::follow`]) failed on our own side, its question never went out, and what was made
//! of the missing answer is no word against the target. What a prober asks besides, it does not add.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::{
    dial::Exchange,
    model::{CheckLine, Facts, Failure, Observation, Phases, Reason, Target, TlsFacts, TraceLine},
};

/// Holds what a probe found, until it is an observation.
pub struct Report {
    /// `None`: fine.
    pub failure: Option<Failure>,
    /// It answered as the component that it should be.
    pub answered: bool,
    /// Special facts.
    pub facts: Facts,
    /// The first thing that failed on our own side.
    ours: Option<Failure>,
    checks: Vec<CheckLine>,
    phases: Phases,
    http_status: Option<u16>,
    tls: Option<TlsFacts>,
    trace: Vec<TraceLine>,
}

/// How it failed on our own side, if it did.
fn of_ours(exchange: &Exchange) -> Option<Failure> {
    exchange.outcome.as_ref().err().filter(|failure| failure.ours.is_some()).cloned()
}

impl Report {
    /// Begins with the exchange that stands for the probe: its phases, status and handshake are the observation's.
    pub fn new(first: &Exchange) -> Self {
        Self {
            failure: None,
            answered: false,
            facts: Facts::None,
            ours: of_ours(first),
            checks: Vec::new(),
            phases: first.phases,
            http_status: first.outcome.as_ref().ok().map(|a| a.status),
            tls: first.tls.clone(),
            trace: first.trace.clone(),
        }
    }

    /// Returns a probe for which there was nobody to ask.
    pub fn unasked(failure: Failure) -> Self {
        Self {
            failure: Some(failure),
            answered: false,
            facts: Facts::None,
            ours: None,
            checks: Vec::new(),
            phases: Phases::default(),
            http_status: None,
            tls: None,
            trace: Vec::new(),
        }
    }

    /// Adds a further exchange that counts, with its steps: all where it failed, else only how it ended, so that the trace
    /// stays short.
    pub fn follow(&mut self, exchange: &Exchange) {
        self.ours = self.ours.take().or_else(|| of_ours(exchange));
        let kept = if exchange.outcome.is_ok() { 1 } else { exchange.trace.len() };
        self.trace.extend(exchange.trace.iter().rev().take(kept).rev().cloned());
    }

    /// Adds a step that no exchange tells of.
    pub fn note(&mut self, after: Duration, text: String) {
        self.trace.push(TraceLine { after, text });
    }

    /// Tells of an earlier exchange before all else: what it reached stands for the probe where it got an answer.
    pub fn lead_with(&mut self, earlier: &Exchange) {
        self.ours = of_ours(earlier).or_else(|| self.ours.take());
        let own = std::mem::replace(&mut self.trace, earlier.trace.clone());
        self.trace.extend(own);
        if let Ok(answer) = &earlier.outcome {
            (self.phases, self.http_status) = (earlier.phases, Some(answer.status));
        }
        // Certificates are the component's own, never those of whoever passed its answer on.
        self.tls.clone_from(&earlier.tls);
    }

    /// This way was taken since another one failed for `why`: its steps come first, its certificates are the same
    /// component's.
    pub fn because_of(mut self, other: &Self, why: &str) -> Self {
        let end = other.trace.iter().map(|l| l.after).max().unwrap_or_default();
        self.trace.extend(other.trace.iter().take(Observation::TRACE_MAX / 2).cloned());
        self.trace.push(TraceLine { after: end, text: format!("{why}: asked its metrics port instead") });
        if self.tls.is_none() {
            self.tls.clone_from(&other.tls);
        }
        self
    }

    /// Returns the answer was passed on by another component: the certificate that was seen is not this one's.
    pub fn passed_on(mut self) -> Self {
        self.tls = None;
        self
    }

    /// Takes the handshake of a further exchange to the same component where there is none yet.
    pub fn follow_tls(&mut self, exchange: &Exchange) {
        if self.tls.is_none() {
            self.tls.clone_from(&exchange.tls);
        }
    }

    /// Adds check lines, each check of a page once, up to the cap.
    pub fn add_checks(&mut self, lines: &[CheckLine]) {
        for line in lines {
            let known = |c: &CheckLine| c.page == line.page && c.name == line.name;
            if self.checks.len() < Observation::CHECKS_MAX && !self.checks.iter().any(known) {
                self.checks.push(line.clone());
            }
        }
    }

    /// It failed.
    pub fn fail(&mut self, reason: Reason, message: impl AsRef<str>) {
        self.failure = Some(Failure::new(reason, message));
    }

    /// Returns the same, at the end of a prober.
    pub fn failed(mut self, failure: Failure) -> Self {
        self.failure = Some(failure);
        self
    }

    /// Returns the observation.
    pub fn finish(mut self, target: Arc<Target>, started: Timestamp, duration: Duration) -> Observation {
        if self.failure.is_some() {
            self.failure = self.ours.or(self.failure);
        }
        self.trace.sort_by_key(|t| t.after);
        if self.trace.len() > Observation::TRACE_MAX {
            // How it began and how it ended say more than the middle.
            let half = Observation::TRACE_MAX / 2;
            self.trace.drain(half..self.trace.len() - half);
        }
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

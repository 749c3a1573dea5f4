//! What a prober gathers on its way to an [`Observation`], and how its conditions are judged.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    ToCluster,
    condition::{Condition, Seen},
};
use crate::{
    dial::Line,
    model::{CheckFacts, Facts, Failure, Measure, Observation, Target, TraceLine},
};

/// Holds what a check found so far.
pub(super) struct Found {
    /// Connections, with their phases and steps.
    pub(super) line: Line,
    /// What conditions are judged by.
    pub(super) seen: Seen,
    /// What is written as series.
    pub(super) measures: Vec<Measure>,
    /// The HTTP status.
    pub(super) http_status: Option<u16>,
    /// It answered as what it should be, well or not.
    pub(super) answered: bool,
    /// The way to the cluster that the check belongs to, where it has one.
    pub(super) cluster: Option<ToCluster>,
}

impl Found {
    /// Nothing yet; the line ends by `deadline`.
    pub(super) fn new(deadline: Instant, cluster: Option<ToCluster>) -> Self {
        Self {
            line: Line::new(deadline),
            seen: Seen::default(),
            measures: Vec::new(),
            http_status: None,
            answered: false,
            cluster,
        }
    }

    /// Writes a number as a series.
    pub(super) fn measure(&mut self, name: &str, value: f64) {
        self.measures.push(Measure::new(name, value));
    }

    /// Judges what was seen; all that is not met is in the trace.
    ///
    /// # Errors
    /// The first condition that is not met.
    pub(super) fn judge<'a>(
        &mut self,
        conditions: impl Iterator<Item = &'a Condition>,
        took: Duration,
        now: Timestamp,
    ) -> Result<(), Failure> {
        self.seen.time("time", took);
        let earliest = self.line.tls().and_then(|tls| tls.chain.iter().map(|c| c.not_after).min());
        if let Some(end) = earliest {
            self.seen.number("cert", end.duration_since(now).as_secs_f64());
        }
        if let Some(version) = self.line.tls().and_then(|tls| tls.version.clone()) {
            self.seen.text("version", version);
        }
        let mut first = Ok(());
        for condition in conditions {
            if let Err(failure) = condition.judge(&self.seen) {
                self.line.note(format_args!("{condition}: {}", failure.message));
                first = first.and(Err(failure));
            }
        }
        first
    }

    /// Returns the observation.
    pub(super) fn finish(
        self,
        target: Arc<Target>,
        started: Timestamp,
        duration: Duration,
        failure: Option<Failure>,
        answered: bool,
    ) -> Observation {
        let peer = self.line.peer();
        let shape = self.line.shape().cloned();
        let (phases, tls, mut trace) = self.line.end();
        let mut measures = self.measures;
        if let Some(shape) = shape {
            measures.push(Measure::new("probe_tcp_lost_syns", f64::from(shape.lost_syns)));
            measures.push(Measure::new("probe_ip_addresses_failed", f64::from(shape.failed_addresses)));
        }
        if let Some(resolve) = phases.resolve {
            measures.push(Measure::new("probe_dns_lookup_time_seconds", resolve.as_secs_f64()));
        }
        if let Some(failure) = &failure
            && trace.last().is_none_or(|last| !last.text.ends_with(&failure.message))
        {
            trace.push(TraceLine { after: duration, text: failure.message.clone() });
        }
        let (http_status, facts) = (self.http_status, Facts::Check(CheckFacts { measures, peer }));
        let checks = Vec::new();
        Observation { target, started, duration, failure, answered, phases, http_status, tls, checks, facts, trace }
    }
}

//! One run as it goes on: stages that were passed, and the one that was not. Pure but for the clock that it is given.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::{api::Refused, layer, layer::Told};
use crate::model::{CanaryFailure, CanaryRun, CanaryStage, CanaryTime};

/// The most lines that are kept of what the cluster says.
const EVIDENCE_MAX: usize = 8;

/// A run under way.
pub(super) struct Run {
    began: Instant,
    started: Timestamp,
    times: Vec<CanaryTime>,
    pub(super) node: Option<String>,
}

/// Why a stage was not passed: boxed, since nearly all are.
pub(super) type Failed = Box<CanaryFailure>;

impl Run {
    pub(super) fn begin(started: Timestamp) -> Self {
        Self { began: Instant::now(), started, times: Vec::new(), node: None }
    }

    /// Notes that a stage was passed which began then.
    pub(super) fn passed(&mut self, stage: CanaryStage, since: Instant) {
        self.took(stage, None, since.elapsed());
    }

    /// Notes how long a stage took, at one of several servers.
    pub(super) fn took(&mut self, stage: CanaryStage, instance: Option<String>, took: Duration) {
        self.times.push(CanaryTime { stage, instance, took });
    }

    /// How it ended.
    pub(super) fn end(self, outcome: Result<(), Failed>) -> CanaryRun {
        let took = self.began.elapsed();
        let ended = self.started.checked_add(took).unwrap_or(self.started);
        let failure = outcome.err().map(|failure| *failure);
        CanaryRun { started: self.started, ended, node: self.node, times: self.times, failure }
    }
}

/// A stage that was not passed, for what the cluster says.
pub(super) fn failed(stage: CanaryStage, (layer, why): Told, evidence: Vec<String>) -> Failed {
    let mut evidence = evidence;
    evidence.truncate(EVIDENCE_MAX);
    Box::new(CanaryFailure { stage, layer, why: why.into(), evidence, instance: None })
}

/// A stage that was not passed, since the API refused it.
pub(super) fn refused(stage: CanaryStage, refused: &Refused) -> Failed {
    let evidence = vec![format!("{} says: {}", refused.instance, refused.message)];
    let mut failure = failed(stage, layer::of_refusal(refused), evidence);
    if let Some(webhook) = layer::webhook(refused) {
        failure.why = failure.why.replace("an admission webhook", &format!("the admission webhook {webhook}"));
    }
    // Of what any server may be asked, the one that happened to be is no part of what is wrong.
    if matches!(stage, CanaryStage::Watched | CanaryStage::Read) {
        failure.instance = Some(refused.instance.clone());
    }
    failure
}

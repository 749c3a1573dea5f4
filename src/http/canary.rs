//! The canary as programs see it: its last run, the stages with their times, and the layer that a failure names.

use jiff::Timestamp;
use serde::Serialize;

use crate::model::{CanaryForm, CanaryLayer, CanaryPlace, CanaryRun, CanaryStage, CanaryStanding, State};

/// How one form stands at one place, for programs.
#[derive(Clone, Debug, Serialize)]
pub struct CanaryView {
    form: CanaryForm,
    zone: Option<String>,
    node: Option<String>,
    /// `up`, `suspect` after one failed run, `down` after more.
    state: State,
    /// Since when it stands so.
    since: Timestamp,
    /// Failed runs in a row.
    failures: u32,
    last_success: Option<Timestamp>,
    last: RunView,
}

#[derive(Clone, Debug, Serialize)]
struct RunView {
    started: Timestamp,
    ended: Timestamp,
    node: Option<String>,
    /// Those that were passed, in their order.
    stages: Vec<StageView>,
    failure: Option<FailureView>,
}

#[derive(Clone, Debug, Serialize)]
struct StageView {
    stage: CanaryStage,
    instance: Option<String>,
    took_seconds: f64,
}

#[derive(Clone, Debug, Serialize)]
struct FailureView {
    stage: CanaryStage,
    layer: CanaryLayer,
    why: String,
    evidence: Vec<String>,
    instance: Option<String>,
}

impl CanaryView {
    /// As it stands.
    pub fn new(standing: &CanaryStanding) -> Self {
        let (zone, node) = match &standing.place {
            CanaryPlace::Anywhere => (None, None),
            CanaryPlace::Zone(zone) => (Some(zone.clone()), None),
            CanaryPlace::Node(node) => (None, Some(node.clone())),
        };
        Self {
            form: standing.form,
            zone,
            node,
            state: standing.state(),
            since: standing.since,
            failures: standing.failures,
            last_success: standing.last_success,
            last: RunView::new(&standing.last),
        }
    }
}

impl RunView {
    fn new(run: &CanaryRun) -> Self {
        let stages = run.times.iter().map(|time| StageView {
            stage: time.stage,
            instance: time.instance.clone(),
            took_seconds: time.took.as_secs_f64(),
        });
        let failure = run.failure.as_ref().map(|failure| FailureView {
            stage: failure.stage,
            layer: failure.layer,
            why: failure.why.clone(),
            evidence: failure.evidence.clone(),
            instance: failure.instance.clone(),
        });
        let (started, ended, node) = (run.started, run.ended, run.node.clone());
        Self { started, ended, node, stages: stages.collect(), failure }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{CanaryFailure, CanaryTime, Severity};

    #[test]
    fn the_last_run_is_told_with_its_stages_and_the_layer_that_failed() {
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        let time = CanaryTime { stage: CanaryStage::Scheduled, instance: None, took: Duration::from_millis(250) };
        let (why, evidence) = ("the registry can't be reached".into(), Vec::new());
        let (stage, layer) = (CanaryStage::Pulled, CanaryLayer::Registry);
        let failure = Some(CanaryFailure { stage, layer, why, evidence, instance: None });
        let run = CanaryRun { started: at, ended: at, node: None, times: vec![time], failure };
        let place = CanaryPlace::Zone("b".into());
        let standing = CanaryStanding::after(None, CanaryForm::Pod, place, Severity::Critical, run);
        let json = serde_json::to_value(CanaryView::new(&standing)).unwrap();
        assert_eq!((&json["state"], &json["zone"], &json["failures"]), (&"suspect".into(), &"b".into(), &1.into()));
        assert_eq!(json["last"]["stages"][0]["took_seconds"], 0.25);
        assert_eq!(json["last"]["failure"]["layer"], "registry");
    }
}

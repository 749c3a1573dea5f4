//! The canary on the first page: how it stands, its last run with the stages, and the layer that a failure names.

use serde::Serialize;

use super::{Moment, Now, own::Tone};
use crate::model::{
    CanaryFailure, CanaryStanding, CanaryTime, State,
    text::{latency, plural},
};

/// All of a cluster's canaries on the first page.
#[derive(Clone, Debug, Serialize)]
pub struct Canaries {
    summary: String,
    tone: Tone,
    rows: Vec<Row>,
}

#[derive(Clone, Debug, Serialize)]
struct Row {
    state: State,
    what: String,
    node: String,
    since: Moment,
    latency: String,
    words: String,
    evidence: Vec<String>,
    stages: String,
}

impl Canaries {
    /// `None`: it is off, or has not flown yet.
    pub fn new(standings: &[CanaryStanding], now: &Now) -> Option<Self> {
        let states = || standings.iter().map(CanaryStanding::state);
        let well = states().filter(|state| *state == State::Up).count();
        let failing = states().filter(|state| *state == State::Down).count();
        let (summary, tone) = match (well == standings.len(), failing) {
            (true, _) => (plural(well, "is well", "are well"), Tone::Plain),
            (false, 0) => ("the last run failed".to_owned(), Tone::Doubt),
            (false, n) => (plural(n, "fails", "fail"), Tone::Bad),
        };
        (!standings.is_empty()).then(|| Self { summary, tone, rows: standings.iter().map(|s| row(s, now)).collect() })
    }
}

/// `is not scheduled: scheduler (nobody has looked at it)`
fn failed(failure: &CanaryFailure) -> String {
    let at = failure.instance.as_ref().map(|instance| format!(" at {instance}")).unwrap_or_default();
    format!("{}{at}: {} ({})", failure.stage.says(), failure.layer.says(), failure.why)
}

fn row(standing: &CanaryStanding, now: &Now) -> Row {
    let run = &standing.last;
    let at = standing.place.label().map(|(kind, name)| format!(" ({kind} {name})")).unwrap_or_default();
    let stage = |time: &CanaryTime| {
        let at = time.instance.as_ref().map(|instance| format!(" at {instance}")).unwrap_or_default();
        format!("{}{at} {}", time.stage, latency(time.took))
    };
    let took = run.ended.duration_since(run.started).unsigned_abs();
    Row {
        state: standing.state(),
        what: format!("{}{at}", standing.form.as_str()),
        node: run.node.clone().unwrap_or_default(),
        since: Moment::new(standing.since, now),
        latency: latency(took),
        words: match &run.failure {
            Some(failure) => failed(failure),
            None => now.say("last-run-ago", &[("ago", Moment::new(run.ended, now).ago.into())]),
        },
        evidence: run.failure.iter().flat_map(|failure| failure.evidence.clone()).collect(),
        stages: run.times.iter().map(stage).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;
    use crate::model::{CanaryForm, CanaryLayer, CanaryPlace, CanaryRun, CanaryStage, Severity};

    #[test]
    fn the_last_run_is_shown_with_its_stages_and_the_layer_that_failed() {
        let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap();
        let time = |stage, ms| CanaryTime { stage, instance: None, took: Duration::from_millis(ms) };
        let failure = CanaryFailure {
            stage: CanaryStage::Pulled,
            layer: CanaryLayer::Registry,
            why: "the registry can't be reached".into(),
            evidence: vec!["Failed: connection refused".into()],
            instance: None,
        };
        let times = vec![time(CanaryStage::Admitted, 12), time(CanaryStage::Scheduled, 250)];
        let run = CanaryRun { started: at(0), ended: at(61), node: Some("n1".into()), times, failure: Some(failure) };
        let place = CanaryPlace::Zone("b".into());
        let one = CanaryStanding::after(None, CanaryForm::Pod, place.clone(), Severity::Critical, run.clone());
        let two = CanaryStanding::after(Some(&one), CanaryForm::Pod, place, Severity::Critical, run);
        let shown = Canaries::new(&[one, two], &at(70).into()).unwrap();
        let states: Vec<State> = shown.rows.iter().map(|row| row.state).collect();
        assert_eq!((states, shown.tone), (vec![State::Suspect, State::Down], Tone::Bad));
        let row = &shown.rows[1];
        assert_eq!(row.words, "does not get its image: registry (the registry can't be reached)");
        assert_eq!((row.what.as_str(), row.stages.as_str()), ("pod (zone b)", "admitted 12 ms, scheduled 250 ms"));
        assert!(Canaries::new(&[], &at(0).into()).is_none());
    }
}

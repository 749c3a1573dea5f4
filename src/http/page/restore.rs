//! Restore drills on the page of heartbeats.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::{Moment, Now};
use crate::{
    heartbeat::restore::{RestoreView, RunView},
    model::{RestoreOutcome, text},
};

/// Drills of one name that are listed.
const RUNS_MAX: usize = 5;

/// All drills of one name.
#[derive(Clone, Debug, Serialize)]
pub struct Drill {
    name: String,
    cluster: String,
    /// The stylesheet's class, as of a target's state.
    class: &'static str,
    state: &'static str,
    words: String,
    runs: Vec<Run>,
}

#[derive(Clone, Debug, Serialize)]
struct Run {
    at: Moment,
    words: String,
    steps: String,
}

impl Drill {
    /// As they stand.
    pub fn new(view: &RestoreView, now: &Now) -> Self {
        let open = view.drills.first().is_some_and(|run| run.drill.ended_at.is_none());
        let done = view.drills.iter().any(|run| run.drill.outcome == Some(RestoreOutcome::Done));
        let due = Moment::new(view.due_by, now).text;
        let (class, state, words) = match (view.overdue, open, done) {
            (true, ..) => ("down", "overdue", format!("one was to be done by {due}")),
            (false, true, _) => ("up", "open", format!("the next one is due by {due}")),
            (false, false, true) => ("up", "ok", format!("the next one is due by {due}")),
            (false, false, false) => {
                ("unknown", "new", format!("none has been done yet; the first one is due by {due}"))
            }
        };
        Self {
            name: view.name.clone(),
            cluster: view.cluster.clone().unwrap_or_default(),
            class,
            state,
            words,
            runs: view.drills.iter().take(RUNS_MAX).map(|run| Run::new(run, &view.steps, now)).collect(),
        }
    }
}

impl Run {
    fn new(run: &RunView, configured: &[String], now: &Now) -> Self {
        let drill = &run.drill;
        let began = drill.began_at();
        let since = |at: Timestamp| text::between(began, at);
        let mut steps: Vec<String> = drill.steps.iter().map(|s| format!("{} after {}", s.name, since(s.at))).collect();
        let missing = configured.iter().filter(|name| !drill.steps.iter().any(|s| s.name == **name));
        steps.extend(missing.map(|name| format!("{name} not reported")));
        Self { at: Moment::new(began, now), words: words(run), steps: steps.join(", ") }
    }
}

fn words(run: &RunView) -> String {
    let said = |d: Option<f64>| d.and_then(|s| Duration::try_from_secs_f64(s).ok()).map(text::duration);
    let against = |met: Option<bool>, objective: Option<Duration>, what: &str| match (met, objective) {
        (Some(true), Some(o)) => format!(", within its {what} of {}", text::duration(o)),
        (Some(false), Some(o)) => format!(", over its {what} of {}", text::duration(o)),
        _ => String::new(),
    };
    let drill = &run.drill;
    let by = if drill.opened_by.is_empty() { String::new() } else { format!(", opened by {}", drill.opened_by) };
    let mut words = match drill.outcome {
        None => format!("open{by}"),
        Some(RestoreOutcome::Done) => {
            let took = said(run.duration_seconds).unwrap_or_default();
            format!("done in {took}{}{by}", against(run.rto_met, drill.rto, "RTO"))
        }
        Some(RestoreOutcome::Failed) => format!("failed{by}"),
        Some(RestoreOutcome::Abandoned) => format!("abandoned{by}"),
    };
    if let Some(age) = said(run.data_age_seconds) {
        words.push_str(&format!("; the data was {age} old{}", against(run.rpo_met, drill.rpo, "RPO")));
    }
    if !drill.said.is_empty() {
        words.push_str(&format!("; it said: {}", text::one_line(text::clip(&drill.said, 200))));
    }
    words
}

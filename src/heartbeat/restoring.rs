//! Restore drills as they are opened, reported and shown: what `restore` decides, with memory and store behind it.

use jiff::Timestamp;

use super::{
    Heartbeats, Look,
    memory::{Configured, Memory},
    restore::{
        RestoreError, RestoreView, RunView, config::RestoreDrillConfig, failure, judge, judge::RestoreSays, state_name,
    },
};
use crate::{model::RestoreDrill, store::Durability};

/// Drills of one name that are in memory, the newest: what pages show. Reports read the file.
const RUNS_MAX: usize = 50;

impl Heartbeats {
    /// Opens a drill, or gives the one that is open. Returns whether it is new.
    ///
    /// # Errors
    /// When there is none of this name.
    pub async fn open_restore(&self, name: &str, by: &str) -> Result<(RestoreDrill, bool, Durability), RestoreError> {
        let (drill, written) = {
            let mut memory = self.memory();
            let configured = self.configured();
            let config = configured.restore_drill(name).ok_or(RestoreError::Unknown)?;
            let runs = memory.drills.entry(name.to_owned()).or_default();
            if let Some(open) = runs.last().filter(|run| run.ended_at.is_none()) {
                return Ok((open.clone(), false, Durability::Durable));
            }
            let drill = RestoreDrill::open(name, by, config.objectives(), self.0.clock.wall());
            runs.push(drill.clone());
            (drill.clone(), self.0.store.commit_restore_drill(drill))
        };
        let kept = written.await;
        self.0.news.notify_one();
        Ok((drill, true, kept))
    }

    /// Returns the drill that a token is of.
    pub fn restore_of(&self, token: &str) -> Option<String> {
        self.configured().tokens.restore_of(token)
    }

    /// Returns whether there is a drill of this name.
    pub fn is_restore(&self, name: &str) -> bool {
        self.configured().restore_drill(name).is_some()
    }

    /// Takes what is said in a drill; returns once it is kept, with the steps of the configuration that have not been reported.
    ///
    /// # Errors
    /// Why it is not taken.
    pub async fn restore_says(
        &self,
        name: &str,
        mut says: RestoreSays,
    ) -> Result<(Durability, Vec<String>), RestoreError> {
        if let RestoreSays::Done(said) | RestoreSays::Fail(said) = &mut says {
            let from = said.ceil_char_boundary(said.len().saturating_sub(RestoreDrill::SAID_MAX));
            *said = said[from..].trim().to_owned();
        }
        let (written, left) = {
            let mut memory = self.memory();
            let configured = self.configured();
            let config = configured.restore_drill(name).ok_or(RestoreError::Unknown)?;
            let runs = memory.drills.entry(name.to_owned()).or_default();
            let changed = judge::take(runs, config, says, self.0.clock.wall())?;
            runs.drain(..runs.len().saturating_sub(RUNS_MAX));
            let reported = |step: &String| changed.last().is_some_and(|d| d.steps.iter().any(|s| s.name == *step));
            let left = config.steps.iter().filter(|step| !reported(step)).cloned().collect();
            // Under the lock: what is written last is what was taken last.
            let written: Vec<_> = changed.into_iter().map(|drill| self.0.store.commit_restore_drill(drill)).collect();
            (written, left)
        };
        let mut kept = Durability::Durable;
        for one in written {
            kept = if one.await == Durability::Buffered { Durability::Buffered } else { kept };
        }
        self.0.news.notify_one();
        tracing::info!(restore_drill = name, "reported");
        Ok((kept, left))
    }

    /// Returns every restore drill as it stands, in the order of the configuration.
    pub fn restore_views(&self) -> Vec<RestoreView> {
        let now = self.0.clock.wall();
        let memory = self.memory();
        let configured = self.configured();
        let view = |config: &RestoreDrillConfig| {
            let (since, runs) = of(&memory, &config.name)?;
            let due = judge::due(config, since, runs, now);
            Some(RestoreView {
                name: config.name.clone(),
                cluster: config.cluster.clone(),
                steps: config.steps.clone(),
                due_by: due.by,
                overdue: due.overdue,
                drills: runs.iter().rev().map(RunView::new).collect(),
            })
        };
        configured.drills.iter().filter_map(view).collect()
    }
}

/// Since when a drill is asked for, and those that were.
fn of<'a>(memory: &'a Memory, name: &str) -> Option<(Timestamp, &'a [RestoreDrill])> {
    let since = memory.states.get(&state_name(name))?.since;
    Some((since, memory.drills.get(name).map(Vec::as_slice).unwrap_or_default()))
}

/// Adds what drills give to a look.
pub(super) fn look(memory: &Memory, configured: &Configured, now: Timestamp, look: &mut Look) {
    for config in &configured.drills {
        let Some((since, runs)) = of(memory, &config.name) else { continue };
        let due = judge::due(config, since, runs, now);
        look.findings.extend(judge::finding(config, runs, &due));
        look.findings.extend(failure::finding(config, runs, now));
        look.samples.extend(judge::series(config, runs, &due, now));
    }
}

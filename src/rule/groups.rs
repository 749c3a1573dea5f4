//! Which groups run. A new configuration is compared with what runs: what is the same goes on untouched, what is written
//! anew goes on with the state that it had, what is gone ends with its series.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{sync::oneshot, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    Context,
    file::Group,
    group::{self, Life, Parts, Ticker},
    window,
};
use crate::telemetry::RuleGroupLabels;

/// All groups that run.
pub struct Groups {
    running: BTreeMap<Arc<str>, Running>,
    /// What they are evaluated with.
    context: Option<Context>,
    stop: CancellationToken,
}

struct Running {
    group: Arc<Group>,
    windows: Vec<Duration>,
    leave: CancellationToken,
    left: oneshot::Receiver<Ticker>,
}

impl Groups {
    /// None yet; all end with `stop`.
    pub fn new(stop: CancellationToken) -> Self {
        Self { running: BTreeMap::new(), context: None, stop }
    }

    /// Returns the groups that run.
    pub fn all(&self) -> impl Iterator<Item = &Group> {
        self.running.values().map(|running| &*running.group)
    }

    /// Makes `groups` all that run.
    pub fn set(&mut self, groups: Vec<Group>, parts: &Parts, tasks: &mut JoinSet<()>) {
        let same_context = self.context.as_ref().is_some_and(|context| context.is_like(&parts.context));
        self.context = Some(parts.context.clone());
        let mut before = std::mem::take(&mut self.running);
        let windows = window::all(&groups);
        for (group, windows) in groups.into_iter().zip(windows) {
            let key = group.key();
            // A file that is named twice is read once.
            if self.running.contains_key(&key) {
                continue;
            }
            let old = before.remove(&key);
            let running = match old {
                Some(old) if same_context && *old.group == group && old.windows == windows => old,
                old => self.begin(group, windows, old, parts, tasks),
            };
            self.running.insert(key, running);
        }
        for (key, gone) in before {
            gone.leave.cancel();
            tasks.spawn(end(key, gone.left, parts.clone(), self.stop.clone()));
        }
    }

    fn begin(
        &self,
        group: Group,
        windows: Vec<Duration>,
        old: Option<Running>,
        parts: &Parts,
        tasks: &mut JoinSet<()>,
    ) -> Running {
        let (group, leave) = (Arc::new(group), CancellationToken::new());
        let (leaves, left) = oneshot::channel();
        let before = old.map(|old| {
            old.leave.cancel();
            old.left
        });
        let life = Life { group: group.clone(), windows: windows.clone(), before, leave: leave.clone(), left: leaves };
        tasks.spawn(group::run(life, parts.clone(), self.stop.clone()));
        Running { group, windows, leave, left }
    }
}

/// Waits for the last evaluation of a group that is gone; then nothing is left of it.
async fn end(key: Arc<str>, left: oneshot::Receiver<Ticker>, parts: Parts, stop: CancellationToken) {
    // One that broke off has left nothing but its series, which end by themselves.
    let Some(left) = stop.run_until_cancelled(left).await else { return };
    if let Ok(mut ticker) = left {
        ticker.end(&parts);
    }
    parts.states.remove(&key);
    parts.failures.forget(&key);
    let labels = RuleGroupLabels { rule_group: key.to_string() };
    parts.metrics.rule_evaluations.remove(&labels);
    parts.metrics.rule_failures.remove(&labels);
    parts.metrics.rule_missed.remove(&labels);
    parts.metrics.rule_group_seconds.remove(&labels);
}

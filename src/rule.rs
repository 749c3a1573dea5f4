//! Prometheus rule files over dogwatch's own history: recording and alerting rules, their ticks, their unit tests, and
//! their replay over what was.
//!
//! `file` reads, `step` decides (pure, time is an argument), `eval` evaluates one rule, `group` ticks, `groups` says which
//! of them run. Never talks to a
//! receiver: what fires is handed on as a whole, evaluation by evaluation, so that a message lost on the way is said again
//! by the next one. A rule that can't be evaluated keeps its alerts as they are and becomes a finding itself: failing is
//! never resolving.

pub mod backtest;
mod eval;
pub mod file;
pub mod group;
pub mod groups;
mod heirs;
mod restore;
pub mod shipped;
pub mod step;
pub mod test;
mod window;

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use jiff::Timestamp;

use crate::{model::Matcher, promql::Window};

pub use self::{
    eval::Context,
    file::{FileError, Group, Kind, Rule, read},
    step::{Active, Alerting, Phase},
};

/// Returns the conditions of every selector in the rules: what they ask the history for.
pub fn selectors(groups: &[Group]) -> Vec<Vec<Matcher>> {
    let window = Window { start_ms: 0, end_ms: 0, step_ms: 0, lookback_ms: 0 };
    let rules = groups.iter().flat_map(|g| &g.rules);
    rules.flat_map(|rule| rule.query.selections(&window)).map(|selection| selection.matchers).collect()
}

/// Says how a rule fared when it was last evaluated.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Health {
    /// Why it failed; `None`: it did not.
    pub error: Option<String>,
    /// When it was evaluated; `None`: not yet.
    pub at: Option<Timestamp>,
    /// How long that took.
    pub took: Duration,
}

/// A rule as it stands.
#[derive(Clone, Debug)]
pub struct RuleState {
    /// The rule.
    pub rule: Arc<Rule>,
    /// Its last evaluation.
    pub health: Health,
    /// Its alerts, pending and firing; empty for a recording rule.
    pub active: Vec<Active>,
}

/// A group as it stands.
#[derive(Clone, Debug)]
pub struct GroupState {
    /// The group.
    pub group: Arc<Group>,
    /// Its rules, in order.
    pub rules: Vec<RuleState>,
    /// When it was last evaluated.
    pub at: Option<Timestamp>,
    /// How long that took.
    pub took: Duration,
}

/// Holds how all groups stand, for those that show it. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct GroupStates(Arc<RwLock<BTreeMap<Arc<str>, GroupState>>>);

impl GroupStates {
    /// Returns every group, by file and name.
    pub fn groups(&self) -> Vec<GroupState> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn put(&self, key: Arc<str>, state: GroupState) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(key, state);
    }

    fn remove(&self, key: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

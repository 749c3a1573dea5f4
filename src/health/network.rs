//! Nothing of the cluster answers while the watchdog itself is not cut off.

use super::view::{ClusterView, TargetView};
use crate::model::State;

/// A cluster of which no packet comes back. A refusal, a hang or any answer means that a host lives.
pub(super) struct Silence<'a> {
    /// Every silent target, confirmed or on the way there.
    pub(super) silent: Vec<&'a TargetView<'a>>,
    /// Of them, those that are confirmed.
    pub(super) down: Vec<&'a TargetView<'a>>,
}

impl<'a> Silence<'a> {
    /// Returns `None` where anything shows a sign of life, or nothing is confirmed yet.
    pub(super) fn of(view: &'a ClusterView<'a>) -> Option<Self> {
        let unasked = |t: &TargetView| t.verdict.state == State::Unknown && t.verdict.reason.is_none();
        let targets = || view.targets.iter().filter(|t| !t.by_proxy());
        if targets().any(|t| !t.is_silent() && !unasked(t)) {
            return None;
        }
        let mut silent: Vec<_> = targets().filter(|t| t.is_silent()).collect();
        // In whatever order they came, the same is told.
        silent.sort_by_key(|t| (t.job(), t.instance()));
        let down: Vec<_> = silent.iter().copied().filter(|t| t.is_down()).collect();
        (!down.is_empty()).then_some(Self { silent, down })
    }
}

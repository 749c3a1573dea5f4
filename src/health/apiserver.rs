//! API servers: how many fail and how, and whether the advertised address works.

use jiff::Timestamp;

use super::{scene::Scene, view::TargetView};

/// API servers, sorted by what is wrong with them.
pub(super) struct Servers<'a> {
    pub(super) total: usize,
    /// Answering and healthy.
    pub(super) up: usize,
    /// Not usable at all.
    pub(super) down: Vec<&'a TargetView<'a>>,
    /// Answering, and not healthy.
    pub(super) sick: Vec<&'a TargetView<'a>>,
    /// The advertised address works, whatever the endpoints do.
    pub(super) address_up: bool,
}

impl<'a> Servers<'a> {
    pub(super) fn new(scene: &Scene<'a>) -> Self {
        let draining = |t: &TargetView| t.how().is_sickness() && t.api_facts().is_some_and(|f| f.draining);
        let broken = scene.api.iter().copied().filter(|t| t.is_broken() && !draining(t));
        let (sick, down) = broken.partition(|t: &&TargetView| t.how().is_sickness());
        Self {
            total: scene.api.len(),
            up: scene.api.iter().filter(|t| t.is_up()).count(),
            down,
            sick,
            address_up: scene.advertised.is_some_and(TargetView::is_up),
        }
    }

    /// Since when no API server can be used by anybody; `None`: that is not so.
    pub(super) fn all_failing(&self) -> Option<Timestamp> {
        let failing = self.down.len() + self.sick.len();
        let since = self.down.iter().chain(&self.sick).map(|t| t.verdict.since).max();
        since.filter(|_| failing == self.total && !self.address_up)
    }

    /// Some API server, or the address in front of them, answers.
    pub(super) fn any_up(&self) -> bool {
        self.up > 0 || self.address_up
    }
}

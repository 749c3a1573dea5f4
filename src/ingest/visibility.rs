//! What ingest does when the watchdog loses sight and when it sees again. Whether it has is `health::vantage`'s to say.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::Ingest;
use crate::{
    health::{
        VerdictTracker,
        own_faults::OwnFault,
        vantage::{VantageInput, judge},
    },
    model::{Failure, Ours, References, State, Vantage},
    schedule::Command,
    vantage::VantageReport,
};

/// Without any probe that says otherwise, references that are silent for so long are believed by themselves.
const ALONE: SignedDuration = SignedDuration::from_secs(15);

/// Returns whether a probe that ended so heard nothing of the network: cut off, names are not found and proxies are not
/// reached either.
pub(super) fn is_silent(failure: &Failure) -> bool {
    failure.reason.is_silence() || matches!(failure.ours, Some(Ours::Resolver | Ours::Proxy(_)))
}

impl Ingest {
    pub(super) fn looked(&mut self, look: VantageReport) {
        let now = self.parts.clock.wall();
        self.learn_references(&look);
        let answered_since = |since: Timestamp| self.last_answer.is_some_and(|at| at >= since);
        let input = VantageInput {
            link_up: look.link_up,
            has_default_route: Some(look.has_default_route),
            any_target_answers: look.failing_since.is_none_or(answered_since),
            all_targets_silent: self.all_silent(),
            references: look.references.clone(),
        };
        let link_down = look.link_up == Some(false);
        let failing_for = look.failing_since.map(|since| now.duration_since(since));
        // A machine under load answers late and hears late: only silence from the targets too makes it credible.
        let corroborated = link_down
            || look.failing_since.is_none_or(|since| self.last_silence.is_some_and(|at| at >= since))
            || failing_for.is_some_and(|d| d >= ALONE);
        self.in_doubt = look.failing_since.is_some_and(|since| !answered_since(since));
        self.looked = Some(look);
        let judged = if corroborated || !self.vantage.ok { judge(&input) } else { Ok(()) };
        match judged {
            Ok(()) if !self.vantage.ok => self.see_again(now),
            Ok(()) => {
                if self.vantage.since.is_none() {
                    self.vantage.since = Some(now);
                    self.publish_vantage();
                }
            }
            Err(why) if self.vantage.ok => self.cut_off(&why, now),
            Err(why) => self.vantage.message = why,
        }
    }

    /// What the view is judged by: told with it, so that "fine" and "not asked" are two things.
    fn learn_references(&mut self, look: &VantageReport) {
        let telling = || look.references.iter().filter(|r| r.configured || r.ever_answered);
        let references = References { asked: telling().count(), answering: telling().filter(|r| r.answering).count() };
        if self.vantage.references != references {
            self.vantage.references = references;
            self.publish_vantage();
        }
    }

    fn all_silent(&self) -> bool {
        let mut any = false;
        for w in self.clusters.values().flat_map(|c| c.watched.values()) {
            any = true;
            let silent = w.last.as_ref().is_some_and(|o| o.failure.as_ref().is_some_and(is_silent));
            if !silent {
                return false;
            }
        }
        any
    }

    /// Returns what fails on our own side, each once for all clusters that it hides.
    pub(super) fn own_faults(&self) -> Vec<OwnFault> {
        let mut faults: BTreeMap<Ours, OwnFault> = BTreeMap::new();
        for (cluster, watched) in self.clusters.values().flat_map(|c| c.watched.values().map(|w| (&c.name, w))) {
            let Some((ours, since)) = watched.tracker.own_fault() else { continue };
            let message = &watched.tracker.verdict().message;
            let fault = faults.entry(ours.clone()).or_insert_with(|| OwnFault::new(ours.clone(), since));
            fault.add(cluster, since, message);
        }
        faults.into_values().collect()
    }

    fn cut_off(&mut self, why: &str, now: Timestamp) {
        let since = self.looked.as_ref().and_then(|l| l.failing_since).unwrap_or(now);
        tracing::warn!(why, "the watchdog itself is cut off: no cluster is accused");
        self.vantage = Vantage { ok: false, since: Some(since), message: why.to_string(), ..self.vantage };
        self.each_tracker(now, |tracker| tracker.blind(now, "the watchdog itself is cut off"));
        self.publish_vantage();
    }

    fn see_again(&mut self, now: Timestamp) {
        tracing::info!("the watchdog sees again");
        self.vantage = Vantage { ok: true, since: Some(now), message: String::new(), ..self.vantage };
        self.visible_since = Some(now);
        self.each_tracker(now, |tracker| tracker.see_again(now));
        self.publish_vantage();
        if self.parts.schedule.try_send(Command::HurryAll).is_err() {
            self.parts.metrics.drop_at("schedule_commands");
        }
    }

    fn each_tracker(&mut self, now: Timestamp, mut turn: impl FnMut(&mut VerdictTracker) -> Option<State>) {
        let mut changes = Vec::new();
        for cluster in self.clusters.values_mut() {
            cluster.dirty = true;
            for w in cluster.watched.values_mut() {
                if let Some(from) = turn(&mut w.tracker) {
                    changes.push(w.change(from, now));
                }
            }
        }
        for change in changes {
            self.changed(change);
        }
    }

    fn publish_vantage(&mut self) {
        self.parts.live.write().vantage = self.vantage.clone();
        self.own_at = None;
    }
}

//! What the cluster's own objects tell, as the flight recorder has them: what waits, what does not start, what has gone.
//!
//! Everything is judged as of the moment at which the API last told something: while it is silent nothing here begins, grows
//! or ends.

mod addons;
mod admission;
mod backups;
mod controllers;
mod counts;
mod nodes;
mod pods;
mod storage;

use std::time::Duration;

use jiff::Timestamp;

use super::registry;
use crate::{
    health::{picture::Picture, say::Sentence, time::later},
    model::{AlertName, Finding, FindingKey, Said, Several, Severity, Situation},
};

/// What is judged.
pub(super) struct Objects<'a> {
    p: &'a Picture<'a>,
    situation: &'a Situation,
    /// When the API last told something.
    at: Timestamp,
}

pub(super) fn findings(p: &Picture<'_>) -> Vec<Finding> {
    let Some(situation) = p.indexed.view.situation else { return Vec::new() };
    let Some(at) = situation.as_of else { return Vec::new() };
    let objects = Objects { p, situation, at: at.min(p.indexed.now) };
    let mut all = admission::findings(&objects);
    all.extend(controllers::findings(&objects));
    all.extend(addons::findings(&objects));
    all.extend(nodes::findings(&objects));
    all.extend(counts::findings(&objects));
    pods::findings(&objects, &mut all);
    all.extend(storage::findings(&objects, &all));
    all.extend(counts::flooding(&objects, &all));
    all.extend(backups::findings(&objects));
    all
}

impl Objects<'_> {
    /// Returns whether something has lasted longer than this.
    fn lasts(&self, since: Timestamp, longer_than: Duration) -> bool {
        later(self.at, since, longer_than)
    }

    /// Returns a finding of something that began then, with what explains it of the control plane.
    fn finding(
        &self,
        (alert, subject): (AlertName, &str),
        severity: Severity,
        headline: impl Into<Sentence>,
        since: Timestamp,
    ) -> Finding {
        let mut finding = self.p.indexed.finding(alert, subject, severity, headline);
        finding.since = since;
        finding.caused_by = self.p.cause_of_components(&[], since);
        finding
    }

    /// Returns what explains that pods are missing: the control plane, or nodes that were lost before.
    fn lost_before(&self, since: Timestamp) -> Option<FindingKey> {
        registry::cause(self.p, since)
    }

    fn key(&self, alert: AlertName, subject: &str) -> FindingKey {
        self.p.indexed.key(alert, subject)
    }
}

/// Some of them in a line: `shop/api-1, shop/api-2 and 7 more`.
fn named(several: &Several) -> String {
    let more = several.count.saturating_sub(several.names.len());
    let names = several.names.join(", ");
    if more == 0 { names } else { format!("{names} and {more} more") }
}

/// ` on w1, w2 and w3`, behind what happened there.
fn place(places: &[&str], max: usize) -> Said {
    Said::new("place-on").with("where", Said::new("names").names("names", places, max))
}

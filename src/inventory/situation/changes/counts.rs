//! How many objects of each kind there are, and whether that has jumped: a controller gone wild, or something that is deleted
//! in bulk. Pure.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use jiff::Timestamp;

use super::What;
use crate::{
    inventory::{
        kinds::EVENTS,
        news::{News, Source},
    },
    model::{ChangeKind, ChangeScope, text},
};

/// A jump is made within this time.
const WITHIN: Duration = Duration::from_secs(600);
/// How often the number is noted: the ten minutes are eleven numbers a kind.
const NOTED_EVERY: Duration = Duration::from_secs(60);
/// A jump is at least so many objects: what a Deployment of some size makes in a rollout is none …
const OBJECTS_MIN: u64 = 100;
/// … and at least half of all that there were.
const PARTS: u64 = 2;

#[derive(Debug, Default)]
struct Count {
    now: u64,
    noted: VecDeque<(Timestamp, u64)>,
}

/// All kinds'.
#[derive(Debug, Default)]
pub(super) struct Counts(BTreeMap<&'static str, Count>);

impl Counts {
    /// Takes news of an object.
    pub(super) fn take(&mut self, news: &News<'_>) {
        if news.object.resource == EVENTS {
            return;
        }
        let count = self.0.entry(news.object.resource).or_default();
        match (news.is_gone, news.before) {
            (true, _) => count.now = count.now.saturating_sub(1),
            (false, None) => count.now += 1,
            (false, Some(_)) => {}
        }
        // What is only learned of has not become more.
        if news.source != Source::Seen {
            count.noted.clear();
        }
    }

    /// Returns jumps since it was last asked, each once.
    pub(super) fn jumps(&mut self, now: Timestamp) -> Vec<What> {
        let mut all = Vec::new();
        for (resource, count) in &mut self.0 {
            let is_time = |(at, _): &(Timestamp, u64)| now.duration_since(*at).unsigned_abs() >= NOTED_EVERY;
            if count.noted.back().is_some_and(|last| !is_time(last)) {
                continue;
            }
            while count.noted.front().is_some_and(|(at, _)| now.duration_since(*at).unsigned_abs() > WITHIN) {
                count.noted.pop_front();
            }
            let jumped = |(_, was): &&(Timestamp, u64)| {
                let by = was.abs_diff(count.now);
                by >= OBJECTS_MIN && by.saturating_mul(PARTS) >= *was
            };
            if let Some((at, was)) = count.noted.iter().find(jumped).copied() {
                let took = text::between(at, now);
                let detail = format!("{resource}: {} → {} within {took}", text::number(was), text::number(count.now));
                let (kind, scope) = (ChangeKind::ObjectCount, ChangeScope::Cluster);
                all.push(What { kind, subject: (*resource).to_owned(), detail, scope });
                count.noted.clear();
            }
            count.noted.push_back((now, count.now));
        }
        all
    }
}

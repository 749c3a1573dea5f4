//! Where all kinds of one cluster leave what is to be written, so that it is one write every few seconds.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;

use crate::{
    inventory::kinds::KINDS,
    model::{BlockKey, RecordedBlock, RecordedSeen},
};

/// How one kind stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is recorded.
    Recorded,
    /// The API refuses it, in words.
    Forbidden(String),
    /// The cluster does not have it.
    Absent,
    /// There is no room for more.
    Full,
}

impl Standing {
    fn why_not(&self) -> String {
        match self {
            Standing::Recorded => String::new(),
            Standing::Forbidden(why) => format!("the API refuses it: {why}"),
            Standing::Absent => "the cluster does not have it".to_owned(),
            Standing::Full => "the recorder's share of the database is full (storage.recorder_max_size)".to_owned(),
        }
    }
}

#[derive(Debug, Default)]
struct Inner {
    blocks: BTreeMap<BlockKey, RecordedBlock>,
    standings: BTreeMap<&'static str, Standing>,
    /// When each was last seen, and whether that is written.
    seen: BTreeMap<&'static str, (Timestamp, bool)>,
    /// Standings that are not written yet.
    news: BTreeMap<&'static str, ()>,
    told: Vec<&'static str>,
}

/// One cluster's.
#[derive(Debug, Default)]
pub(super) struct Desk(Mutex<Inner>);

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves blocks.
    pub(super) fn put(&self, blocks: impl IntoIterator<Item = RecordedBlock>) {
        self.lock().blocks.extend(blocks.into_iter().map(|b| (b.key.clone(), b)));
    }

    /// Notes that the API has told of a kind.
    pub(super) fn seen(&self, kind: &'static str, at: Timestamp) {
        self.lock().seen.insert(kind, (at, false));
    }

    /// Notes how a kind stands.
    pub(super) fn stands(&self, kind: &'static str, standing: Standing) {
        let mut inner = self.lock();
        if inner.standings.get(kind) != Some(&standing) {
            inner.standings.insert(kind, standing);
            inner.news.insert(kind, ());
        }
    }

    /// Takes what is to be written; when kinds were seen only where `all`, or where something else is written too.
    pub(super) fn take(&self, cluster: &str, all: bool) -> (Vec<RecordedBlock>, Vec<RecordedSeen>) {
        let mut inner = self.lock();
        let blocks: Vec<_> = std::mem::take(&mut inner.blocks).into_values().collect();
        let news = std::mem::take(&mut inner.news);
        let all = all || !blocks.is_empty();
        let fresh =
            |(kind, (_, is_written)): (&&'static str, &(Timestamp, bool))| (all && !is_written).then_some(*kind);
        let mut kinds: Vec<&'static str> = inner.seen.iter().filter_map(fresh).collect();
        kinds.extend(news.keys());
        kinds.sort_unstable();
        kinds.dedup();
        let mut seen = Vec::new();
        for kind in kinds {
            let at = inner.seen.get_mut(kind).map(|(at, is_written)| {
                *is_written = true;
                *at
            });
            let why_not = inner.standings.get(kind).map(Standing::why_not).unwrap_or_default();
            seen.push(RecordedSeen { cluster: cluster.to_owned(), kind: kind.to_owned(), at, why_not });
        }
        (blocks, seen)
    }

    /// Returns the kinds that the API refuses, once each kind has been asked for, and whenever there are others.
    pub(super) fn refused(&self) -> Option<Vec<&'static str>> {
        let mut inner = self.lock();
        if inner.standings.len() < KINDS.len() {
            return None;
        }
        let is_refused = |kind: &&str| matches!(inner.standings.get(*kind), Some(Standing::Forbidden(_)));
        let refused: Vec<&'static str> = KINDS.iter().map(|k| k.name).filter(is_refused).collect();
        if refused == inner.told {
            return None;
        }
        inner.told.clone_from(&refused);
        Some(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_is_said_once_and_only_when_all_have_been_asked_for() {
        let desk = Desk::default();
        desk.stands("pods", Standing::Forbidden("HTTP 403".into()));
        assert_eq!(desk.refused(), None);
        KINDS.iter().filter(|k| k.name != "pods").for_each(|k| desk.stands(k.name, Standing::Recorded));
        assert_eq!(desk.refused(), Some(vec!["pods"]));
        assert_eq!(desk.refused(), None);
        desk.stands("pods", Standing::Recorded);
        assert_eq!(desk.refused(), Some(vec![]));
    }

    #[test]
    fn when_it_was_seen_is_written_with_something_else_or_when_asked_for() {
        let desk = Desk::default();
        let at = Timestamp::from_second(7).unwrap();
        desk.stands("pods", Standing::Recorded);
        desk.seen("pods", at);
        let (_, seen) = desk.take("prod", false);
        assert_eq!((seen.len(), seen[0].at), (1, Some(at)));
        desk.seen("pods", at);
        assert!(desk.take("prod", false).1.is_empty());
        assert_eq!(desk.take("prod", true).1.len(), 1);
        assert!(desk.take("prod", true).1.is_empty(), "once");
    }
}

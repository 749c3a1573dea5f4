//! What a cluster's objects amount to now, kept up object by object: of thirty thousand pods none is read again because one has
//! changed. Pure; the recorder tells every change once.
//!
//! Each subject has its file. Invariants: nothing here grows without bound but by the number of objects that the recorder holds,
//! and what an object needs here is small beside its kept fields.

use jiff::Timestamp;

use super::object::Object;
use crate::model::Situation;

/// Where news of an object comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// What an earlier run wrote down.
    History,
    /// The first list of a cluster of which nothing was written down: all is new to us, and nothing has changed.
    FirstList,
    /// It was seen to change.
    Seen,
}

/// News of one object.
#[derive(Clone, Copy, Debug)]
pub struct News<'a> {
    /// As it is, or as it was last where it has gone.
    pub object: &'a Object,
    /// As it was before, where that is known. Events have no before.
    pub before: Option<&'a Object>,
    /// It has gone.
    pub is_gone: bool,
    /// Where this comes from.
    pub source: Source,
    /// When it was seen, by our own clock.
    pub at: Timestamp,
}

/// What is kept of all objects of one cluster.
#[derive(Debug, Default)]
pub struct Summary {
    as_of: Option<Timestamp>,
}

impl Summary {
    /// Takes news of an object.
    pub fn take(&mut self, news: &News<'_>) {
        let _ = news;
    }

    /// Takes that the API has told something, be it that nothing has changed.
    pub fn seen(&mut self, at: Timestamp) {
        self.as_of = self.as_of.max(Some(at));
    }

    /// Returns what it all amounts to.
    pub fn situation(&mut self, _now: Timestamp) -> Situation {
        Situation { as_of: self.as_of }
    }
}

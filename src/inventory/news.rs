//! News of one object, as the recorder tells it.

use jiff::Timestamp;

use super::object::Object;

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

impl News<'_> {
    pub(super) fn is(&self, resource: &str) -> bool {
        self.object.resource == resource
    }

    pub(super) fn key(&self) -> String {
        self.object.key()
    }
}

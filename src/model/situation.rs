//! What the recorded objects of a cluster amount to now, as the diagnosis needs it.

use jiff::Timestamp;

/// What the recorded objects of a cluster amount to, from the flight recorder's knowledge. It stays as it was while the API
/// tells nothing, so that it is judged as of `as_of`, not as of now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Situation {
    /// When the API last told of any kind; `None`: never in this run, so that all of it is history.
    pub as_of: Option<Timestamp>,
}

impl Situation {
    /// Returns whether both say the same, however fresh.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let Self { as_of: _ } = self;
        let Self { as_of: _ } = other;
        true
    }
}

//! Judging: what a target's probes amount to, whether the watchdog itself can see, and what is wrong with a cluster.
//!
//! Pure: no IO, no clock, no state besides [`VerdictTracker`]'s and [`Recent`]'s; time is an argument and the same input gives the same words.
//! Invariants: one lost probe never makes a target `Down`; what can't be known is `Unknown` and accuses nobody; a
//! consequence names its cause, and every cause named is among the findings; nothing here panics on odd input.
//!
//! Built in layers, and nothing looks up: vocabulary (`view`, `time`, `phrases`), what was lately (`recent`), the indexed view, `members` and `witness`
//! (who is who, and what others say of the silent), the subjects (`network`, `hosts`, `agreement`, `etcd`, `apiserver`, `leaders`, `nodes`:
//! judged once), the picture (who explains whom), the findings (what is said), the
//! diagnosis (what is told, in which order).

pub mod diagnosis;
pub mod own_faults;
pub mod vantage;
pub mod verdict;
pub mod view;

mod agreement;
mod apiserver;
mod canary;
mod check_addresses;
mod checks;
mod etcd;
mod facts;
mod findings;
mod hosts;
mod indexed_view;
mod leaders;
mod lost;
mod members;
mod network;
mod nodes;
mod phrases;
mod picture;
mod recent;
mod say;
mod time;
mod witness;

#[cfg(test)]
mod tests;

pub use diagnosis::diagnose;
pub use etcd::{Quorum, quorum};
pub use members::cluster_of_most;
pub use nodes::is_heard;
pub use recent::Recent;
pub use time::{expires_soon, token_ends_soon};
pub use vantage::{ReferenceState, VantageInput, judge};
pub use verdict::{Outcome, Thresholds, VerdictTracker};
pub use view::{ClusterView, Elsewhere, TargetView};

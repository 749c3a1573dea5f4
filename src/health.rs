//! Judging: what a target's probes amount to, whether the watchdog itself can see, and what is wrong with a cluster.
//!
//! Pure: no IO, no clock, no state besides [`Head`]'s; time is an argument and the same input gives the same words.
//! Invariants: one lost probe never makes a target `Down`; what can't be known is `Unknown` and accuses nobody; a
//! consequence names its cause, and every cause named is among the findings; nothing here panics on odd input.

pub mod diagnosis;
pub mod own;
pub mod vantage;
pub mod verdict;

mod apiserver;
mod certificates;
mod components;
mod credentials;
mod etcd;
mod hosts;
mod leaders;
mod network;
mod nodes;
mod pulse;
mod scene;
mod words;

#[cfg(test)]
mod tests;

pub use diagnosis::{ClusterView, TargetView, diagnose};
pub use vantage::{ReferenceState, VantageInput, judge};
pub use verdict::{Head, Outcome, Thresholds};

//! What a cluster's objects are, as the flight recorder keeps them: which kinds and fields, how a change is written, and what
//! follows from it for people. Pure: `recorder` fills it, the command line and the pages ask it.

pub mod change;
pub mod checklist;
pub mod compare;
pub mod keep;
pub mod kinds;
pub mod news;
pub mod object;
pub mod places;
mod prose;
pub mod situation;
pub mod state_metrics;
pub mod tables;
pub mod tape;
mod tree;

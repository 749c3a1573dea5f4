//! Targets: what the configuration lists and what a working API server tells.
//!
//! Reads, never writes. A sick API server takes nothing away: what was known stays known until a working one says that
//! it is gone, and the snapshot is persisted, so that a watchdog restarted in an outage still knows whom to probe.

mod api;
pub mod config;
mod counts;
pub mod coverage;
mod endpoints;
mod extras;
pub mod hosts;
mod ingress;
pub mod kubernetes;
mod nodes;
mod objects;
mod sites;
pub mod targets;

pub use hosts::LocalHosts;
pub use kubernetes::{Asked, Scope, nodes_of_page, read};
pub use targets::targets;

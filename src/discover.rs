//! Targets: what the configuration lists and what a working API server tells.

pub mod config;
pub mod endpoints;
pub mod kubernetes;
mod objects;
pub mod targets;

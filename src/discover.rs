//! Targets: what the configuration lists and what a working API server tells.

pub mod config;

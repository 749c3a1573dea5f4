//! dogwatch: an out-of-cluster watchdog for Kubernetes.
//!
//! One crate of flat rooms; ARCHITECTURE.md names each room, what it may import and the way of the data.
#![forbid(unsafe_code)]

#[cfg(test)]
#[path = "../tests/it/eventually.rs"]
mod eventually;

pub mod app;
pub mod availability;
pub mod canary;
pub mod carried;
pub mod check;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod dial;
pub mod discover;
pub mod dispatch;
pub mod doctor;
pub mod exposition;
pub mod health;
pub mod heartbeat;
pub mod http;
pub mod import;
pub mod ingest;
pub mod init;
pub mod inventory;
pub mod login;
pub mod model;
pub mod notify;
pub mod pack;
pub mod peer;
pub mod probe;
pub mod promql;
pub mod query;
pub mod recorder;
pub mod remote;
pub mod report;
pub mod rule;
pub mod runbook;
pub mod schedule;
pub mod scrape;
pub mod slo;
pub mod store;
pub mod telemetry;
pub mod template;
pub mod vantage;
pub mod words;

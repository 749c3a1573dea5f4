//! dogwatch: an out-of-cluster watchdog for Kubernetes.
//!
//! One crate of flat rooms; ARCHITECTURE.md names each room, what it may import and the way of the data.
#![forbid(unsafe_code)]

pub mod clock;
pub mod demo;
pub mod dial;
pub mod discover;
pub mod http;
pub mod model;
pub mod store;
pub mod telemetry;

//! The real watchdog against a real Kubernetes cluster that is broken and mended: `tests/run lab`.
//!
//! Every test is ignored unless asked for, since it needs root and the cluster that `tests/lab/up` brings up. Each starts
//! the real binary on the watchdog's own host of the lab, with a webhook and a mailbox that write down what arrives, and
//! asserts what was told, how often, how soon, and what /metrics said meanwhile. The cluster is mended after each, also
//! after one that failed. One test at a time owns a lab; `tests/run` brings up two and runs two tests at once, since a test
//! mostly waits.

// A helper of a test may panic, and print why, as the test itself may; clippy's own exception knows only functions marked
// `#[test]`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod apiserver;
mod canary;
mod cluster;
mod credentials;
mod etcd;
mod exposition;
mod first_hour;
mod nodes;
mod objects;
mod outage;
mod own;
mod paths;
mod scrape;
mod shadow;
mod sink;
mod strain;
mod watch;

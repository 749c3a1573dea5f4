//! `dogwatch demo`: a fake cluster on loopback, sinks for what the real watchdog sends, and a narrator.
//!
//! The fake cluster answers as Kubernetes 1.20 and etcd 3.4 were seen to answer, healthy and broken. It runs no
//! container, keeps no data, leaves the process never; only its certificates and a kubeconfig are written, into the
//! directory it is given. Nothing here knows how the watchdog works: it is watched like any other cluster.

pub mod fake_cluster;
pub mod scenario;
pub mod sink;

pub use fake_cluster::FakeCluster;
pub use scenario::{Ending, Stage, narrate};
pub use sink::{Hook, HookSink, Mail, SmtpSink};

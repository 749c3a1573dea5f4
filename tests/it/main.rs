//! The one integration binary: real sockets, real SQLite, real SMTP.
// A helper of a test may panic as the test itself may; clippy's own exception knows only functions marked `#[test]`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod access;
mod alerting;
mod alertmanager_files;
mod api_v1;
mod bounds;
mod cli;
mod clients;
mod dashboards;
mod demo;
mod dispatch;
mod eventually;
mod faces;
mod hostile_mail;
mod http;
mod login;
mod metrics;
mod notify;
mod out_of_files;
mod peers;
mod promql;
mod readable;
mod receivers;
mod reload;
mod remote;
mod report;
mod rules;
mod rules_published;
mod rules_shipped;
mod services;
mod slow_clients;
mod store;
mod strangers;
mod templates;
mod tidy;

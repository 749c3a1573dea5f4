//! The one integration binary: real sockets, real SQLite, real SMTP.

mod http;
mod metrics;

//! The one integration binary: real sockets, real SQLite, real SMTP.

mod dispatch;
mod http;
mod metrics;
mod notify;
mod receivers;

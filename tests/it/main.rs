//! The one integration binary: real sockets, real SQLite, real SMTP.

mod dispatch;
mod notify;
mod receivers;

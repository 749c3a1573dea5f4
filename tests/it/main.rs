//! The one integration binary: real sockets, real SQLite, real SMTP.

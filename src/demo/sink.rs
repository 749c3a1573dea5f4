//! Where the demo's notifications arrive: a SMTP sink that speaks SMTP, and a webhook receiver. Both on loopback, both
//! take everything, keep nothing, and hand over what came through a channel.

pub mod mail;
mod smtp;
mod webhook;

pub use mail::Mail;
pub use smtp::SmtpSink;
pub use webhook::{Hook, HookSink};

/// What may wait for the narrator. When it is full the sender waits, as with any slow receiver.
const WAITING_MAX: usize = 64;

/// The largest message taken, in bytes: many times what the watchdog writes.
const MESSAGE_MAX_BYTES: usize = 1 << 20;

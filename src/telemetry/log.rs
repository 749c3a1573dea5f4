//! Logs: to standard error, as text where a person looks and as JSON, a line each, where a machine does.
//!
//! Set up once by the command line. Never writes to standard output, which belongs to what was asked for.

use std::io::{self, IsTerminal};

use tracing_subscriber::{EnvFilter, util::SubscriberInitExt};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// Text.
    Text,
    /// JSON, an object a line.
    Json,
}

/// Starts logging. `filter` is in the form of `RUST_LOG`: `info`, or `info,dogwatch::probe=debug`.
///
/// # Errors
/// When the filter can't be read, or logging has been started already.
pub fn init(format: LogFormat, filter: &str) -> Result<(), LogError> {
    let parsed = EnvFilter::try_new(filter).map_err(|e| LogError {
        message: format!(
            "the log filter {filter:?} can't be read: {e}; write it like info or info,dogwatch::probe=debug"
        ),
    })?;
    let terminal = io::stderr().is_terminal();
    let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let builder = tracing_subscriber::fmt().with_env_filter(parsed).with_writer(io::stderr).with_ansi(colour);
    let started = match format {
        LogFormat::Text => builder.with_target(false).finish().try_init(),
        LogFormat::Auto if terminal => builder.with_target(false).finish().try_init(),
        LogFormat::Json | LogFormat::Auto => builder.json().flatten_event(true).finish().try_init(),
    };
    started.map_err(|e| LogError { message: format!("logging was started before: {e}") })
}

/// Why logging could not be started.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct LogError {
    /// What was wrong and what to write instead.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_filter_is_shown_with_a_good_one() {
        let e = init(LogFormat::Json, "dogwatch=shout").unwrap_err().to_string();
        assert!(e.contains("dogwatch=shout") && e.contains("info,dogwatch::probe=debug"), "{e}");
    }
}

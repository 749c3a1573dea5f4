//! Logs: to standard error, as text where a person looks and as JSON, a line each, where a machine does.
//!
//! Set up once by the command line. Never writes to standard output, which belongs to what was asked for.

use std::io::{self, IsTerminal};

use tracing_subscriber::{EnvFilter, fmt::MakeWriter, util::SubscriberInitExt};

/// Says how log lines look.
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
    let text = || {
        let builder = tracing_subscriber::fmt().with_env_filter(parsed.clone()).with_writer(io::stderr);
        builder.with_ansi(colour).with_target(false).finish().try_init()
    };
    let started = match format {
        LogFormat::Text => text(),
        LogFormat::Auto if terminal => text(),
        LogFormat::Json | LogFormat::Auto => json(parsed, io::stderr).try_init(),
    };
    started.map_err(|e| LogError { message: format!("logging was started before: {e}") })
}

/// An object a line: the event's own fields beside `timestamp`, `level`, `target` (the module) and `message`. No field of an
/// event may have one of these names, or the object would have the key twice.
fn json<W>(filter: EnvFilter, to: W) -> impl tracing::Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(to).json().flatten_event(true).finish()
}

/// Says why logging could not be started.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct LogError {
    /// What was wrong and what to write instead.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        path::Path,
        sync::{Arc, Mutex},
    };

    use serde::de::{IgnoredAny, MapAccess, Visitor};

    use super::*;

    /// A JSON object with each key once.
    struct Strict(BTreeSet<String>);

    impl<'de> serde::Deserialize<'de> for Strict {
        fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
            d.deserialize_map(Strict(BTreeSet::new()))
        }
    }

    impl<'de> Visitor<'de> for Strict {
        type Value = Strict;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object with each key once")
        }

        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Strict, A::Error> {
            while let Some((key, _)) = map.next_entry::<String, IgnoredAny>()? {
                if !self.0.insert(key.clone()) {
                    return Err(serde::de::Error::custom(format!("{key} is there twice")));
                }
            }
            Ok(self)
        }
    }

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The keys of the one line that `log` writes.
    fn keys(log: impl FnOnce()) -> Result<BTreeSet<String>, serde_json::Error> {
        let buffer = Buffer::default();
        let to = buffer.clone();
        tracing::subscriber::with_default(json(EnvFilter::new("info"), move || to.clone()), log);
        let written = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
        serde_json::from_str::<Strict>(&written).map(|strict| strict.0)
    }

    #[test]
    fn a_line_of_json_has_each_key_once() {
        let ours = keys(|| tracing::info!(probe_target = "prod/etcd/a:1", reason = "refused", "down")).unwrap();
        let expected = ["level", "message", "probe_target", "reason", "target", "timestamp"];
        assert_eq!(ours.iter().map(String::as_str).collect::<Vec<_>>(), expected);
        assert!(keys(|| tracing::info!(target = "prod/etcd/a:1", "down")).is_err(), "the check itself sees it");
    }

    /// Reads every call of a logging macro in the source.
    #[test]
    fn no_field_has_a_name_that_every_line_has() {
        fn visit(dir: &Path, found: &mut Vec<String>) {
            for path in std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    visit(&path, found);
                } else if !path.ends_with("telemetry/log.rs") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    found.extend(calls(&text).filter(|call| taken(call)).map(|c| format!("{}: {c}", path.display())));
                }
            }
        }
        fn calls(text: &str) -> impl Iterator<Item = &str> {
            let macros = ["error!(", "warn!(", "info!(", "debug!(", "trace!(", "span!("];
            macros.into_iter().flat_map(move |name| {
                text.match_indices(name).map(move |(at, _)| &text[at..][..text[at..].find(';').unwrap_or(0)])
            })
        }
        /// A name alone, with `%` or `?`, or before `=`.
        fn taken(call: &str) -> bool {
            call.split(['(', ',']).skip(1).any(|field| {
                let (name, _) = field.split_once('=').unwrap_or((field, ""));
                let name = name.trim().trim_start_matches(['%', '?']).trim_end_matches(')');
                ["timestamp", "level", "target", "message", "span", "spans"].contains(&name)
            })
        }
        assert!(taken("info!(target = %key, \"x\")") && taken("info!(%target, \"x\")"));
        assert!(!taken("info!(probe_target = %target.key, \"x {}\", n)"));
        let mut found = Vec::new();
        visit(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
        assert!(found.is_empty(), "fields by names that are taken: {found:#?}");
    }

    #[test]
    fn a_bad_filter_is_shown_with_a_good_one() {
        let e = init(LogFormat::Json, "dogwatch=shout").unwrap_err().to_string();
        assert!(e.contains("dogwatch=shout") && e.contains("info,dogwatch::probe=debug"), "{e}");
    }
}

//! What is wrong, and where. Never what stands there: it may be a secret.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde_saphyr::Location;

/// The text that errors point into.
pub(super) struct Source<'a> {
    pub path: &'a Path,
    pub text: &'a str,
}

impl<'a> Source<'a> {
    /// What stands in the text at a place.
    pub fn written(&self, at: &Location) -> Option<&'a str> {
        let span = at.span();
        let from = usize::try_from(span.byte_offset()?).ok()?;
        let to = from.checked_add(usize::try_from(span.byte_len()?).ok()?)?;
        self.text.get(from..to).filter(|text| !text.is_empty())
    }
}

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file.
    pub path: PathBuf,
    /// Line and column, from 1; `None`: the file as a whole.
    pub place: Option<(usize, usize)>,
    /// What is wrong and what to do. Never a value of the file.
    pub message: String,
}

impl ConfigError {
    pub(super) fn of_file(path: &Path, message: String) -> Self {
        Self { path: path.to_path_buf(), place: None, message }
    }

    pub(super) fn at(path: &Path, place: Option<(usize, usize)>, message: String) -> Self {
        Self { path: path.to_path_buf(), place, message }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, message, .. } = self;
        match self.place {
            Some((line, column)) => write!(f, "{}:{line}:{column}: {message}", path.display()),
            None => write!(f, "{}: {message}", path.display()),
        }
    }
}

impl std::error::Error for ConfigError {}

/// In place of a value.
const LEFT_OUT: &str = "…";
/// Shorter values are only looked for between quotes: `http` may be a word of ours.
const BARE_MIN: usize = 6;
/// What stands between these may be a value.
const QUOTES: [char; 2] = ['"', '`'];

/// Returns the words about `values` without any of them, or of their parts: whatever is wrong with a value, it may be a
/// secret that stands in the wrong place, and who reads a log or an answer need not be who wrote the file.
pub(super) fn without_values(message: &str, values: &[&str]) -> String {
    let mut message = message.to_owned();
    for value in values.iter().map(|v| v.trim()).filter(|v| !v.is_empty()) {
        let escaped = value.escape_debug().to_string();
        for written in [value, &escaped] {
            for quote in QUOTES {
                message = message.replace(&format!("{quote}{written}{quote}"), LEFT_OUT);
            }
            if written.len() >= BARE_MIN {
                message = message.replace(written, LEFT_OUT);
            }
        }
    }
    let is_part = |text: &str| !text.trim().is_empty() && values.iter().any(|value| value.contains(text));
    let mut out = String::with_capacity(message.len());
    let mut rest = message.as_str();
    while let Some(from) = rest.find(QUOTES) {
        let (before, quoted) = rest.split_at(from);
        let quote = if quoted.starts_with('"') { '"' } else { '`' };
        let Some(to) = quoted[1..].find(quote) else { break };
        let (inside, after) = (&quoted[1..=to], &quoted[to + 2..]);
        out.push_str(before);
        out.push_str(if is_part(inside) { LEFT_OUT } else { &quoted[..to + 2] });
        rest = after;
    }
    out + rest
}

/// Returns a parser's words without all that it quotes.
pub(super) fn without_quotes(message: &str) -> String {
    let values: Vec<&str> = message.split(QUOTES).skip(1).step_by(2).collect();
    without_values(message, &values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_and_no_part_of_one_is_quoted() {
        let check = |message: &str, values: &[&str], expected: &str| {
            assert_eq!(without_values(message, values), expected);
        };
        check("\"10\" is not a duration; write 10s", &["10"], "… is not a duration; write 10s");
        check("cannot read /etc/hunter2: no such file", &["hunter2"], "cannot read /etc/…: no such file");
        check("bad \"a\\\"b\" here", &["a\"b"], "bad … here");
        check("unexpected \"unter\" in `x`; use `y`", &["hunter2", "xy"], "unexpected … in …; use …");
        check("the text, and a \"mapping\"", &["text"], "the text, and a \"mapping\"");
        check("an open \"quote", &["quote"], "an open \"quote");
        assert_eq!(without_quotes("odd `a` and \"b c\""), "odd … and …");
    }
}

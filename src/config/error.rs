//! What is wrong, where, and how it looks there.

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
    /// What is wrong and what to do. Never a secret.
    pub message: String,
    /// The line as it stands there, where it holds no secret.
    line: Option<String>,
}

/// A line of which a part may be secret is not shown: one with such a word in a key, also where it is mistyped.
const SECRET_WORDS: [&str; 7] = ["password", "credentials", "secret", "secrets", "token", "webhook", "key"];
/// Letters that a mistyped word may lack, have too many or in the wrong order; words that short are taken as they are.
const TYPOS: usize = 2;
const SHORT_WORD: usize = 3;
/// Longer lines are not shown.
const LINE_MAX: usize = 160;

impl ConfigError {
    pub(super) fn of_file(path: &Path, message: String) -> Self {
        Self { path: path.to_path_buf(), place: None, message, line: None }
    }

    pub(super) fn at(source: &Source<'_>, place: Option<(usize, usize)>, message: String) -> Self {
        let line = place.and_then(|(line, _)| source.text.lines().nth(line.saturating_sub(1)));
        let line = line.filter(|l| l.len() <= LINE_MAX && !may_hold_secret(l));
        Self { path: source.path.to_path_buf(), place, message, line: line.map(str::to_string) }
    }
}

fn may_hold_secret(line: &str) -> bool {
    let keys = line.split([',', '{']).filter_map(|part| part.split_once(':')).map(|(key, _)| key.to_lowercase());
    keys.into_iter().any(|key| {
        key.split(|c: char| !c.is_alphanumeric()).any(|word| {
            let like = |secret: &str| match secret.len().min(word.len()) {
                0..=SHORT_WORD => word == secret,
                _ => strsim::damerau_levenshtein(word, secret) <= TYPOS,
            };
            SECRET_WORDS.iter().any(|secret| like(secret))
        })
    })
}

impl ConfigError {
    /// Returns it without what stands there.
    pub(super) fn without_line(self) -> Self {
        Self { line: None, ..self }
    }

    /// Returns it in one line, without what stands in the file: for logs and answers, which strangers may read.
    pub fn brief(&self) -> String {
        let Self { path, message, .. } = self;
        match self.place {
            Some((line, column)) => format!("{}:{line}:{column}: {message}", path.display()),
            None => format!("{}: {message}", path.display()),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.brief())?;
        if let (Some((line, column)), Some(text)) = (self.place, &self.line) {
            let number = line.to_string();
            let margin = " ".repeat(number.len());
            let caret = " ".repeat(column.saturating_sub(1));
            write!(f, "\n {margin} |\n {number} | {}\n {margin} | {caret}^", text.trim_end())?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_secrets_are_not_shown_however_their_keys_are_mistyped() {
        for line in [
            "  auth_password: x",
            "  auth_pasword: x",
            "  smtp_auth_passwrod: x",
            "  - {url: y, bearer_tokn: x}",
            "  sercet: x",
            "  routing_key: x",
            "  credentails: x",
        ] {
            assert!(may_hold_secret(line), "{line}");
        }
        for line in ["    kubeconfg: prod.kubeconfig", "cluster: []", "  smarthost: mail:25", "  - name: prod", "keys"]
        {
            assert!(!may_hold_secret(line), "{line}");
        }
    }
}

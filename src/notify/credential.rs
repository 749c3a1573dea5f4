//! A secret that stands in the configuration or in a file; the file is read each time it is needed.

use std::path::PathBuf;

use base64::prelude::{BASE64_STANDARD, Engine};
use percent_encoding::percent_decode_str;
use reqwest::Url;

use crate::model::{Secret, secret};

/// The most that is read of a file that holds one secret: far more than any token, far less than a mistaken path.
const SECRET_FILE_MAX: u64 = 64 << 10;

/// Says where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Credential {
    /// Here.
    Inline(Secret),
    /// In a file; white space around it is not part of it.
    File(PathBuf),
}

impl Credential {
    /// From the two forms that the configuration has. `Ok(None)`: neither was given.
    ///
    /// # Errors
    /// When both are.
    pub(crate) fn from_either(inline: Option<&Secret>, file: Option<&PathBuf>) -> Result<Option<Self>, &'static str> {
        // Empty is not given, as for Alertmanager.
        let inline = inline.filter(|secret| !secret.reveal().is_empty());
        match (inline, file.filter(|path| !path.as_os_str().is_empty())) {
            (Some(_), Some(_)) => Err("give the value or the file, not both"),
            (Some(secret), None) => Ok(Some(Self::Inline(secret.clone()))),
            (None, Some(path)) => Ok(Some(Self::File(path.clone()))),
            (None, None) => Ok(None),
        }
    }

    /// Checks a URL that stands in the configuration; what is in a file is seen when it is used.
    ///
    /// # Errors
    /// In words that do not show it.
    pub(super) fn check_url(&self) -> Result<(), String> {
        match self {
            Self::Inline(url) => parse_url(url).map(drop),
            Self::File(_) => Ok(()),
        }
    }

    /// Returns the secret itself.
    ///
    /// # Errors
    /// When its file can't be read or holds nothing; the message names the file and never its contents.
    pub(crate) async fn read(&self) -> Result<Secret, String> {
        match self {
            Self::Inline(secret) => Ok(secret.clone()),
            Self::File(path) => {
                let text = read_file(path).await?;
                let text = std::str::from_utf8(&text).map_err(|_| format!("{} is not text", path.display()))?.trim();
                if text.is_empty() {
                    return Err(format!("{} is empty", path.display()));
                }
                Ok(Secret::new(text))
            }
        }
    }
}

/// Returns a URL that may hold a secret: the error never shows it.
pub(super) fn parse_url(url: &Secret) -> Result<Url, String> {
    let parsed = Url::parse(url.reveal()).map_err(|e| format!("not a URL: {e}"))?;
    match parsed.scheme() {
        "http" | "https" => Ok(parsed),
        other => Err(format!("the URL's scheme is {other}; it must be http or https")),
    }
}

/// Reads a small file (a secret, a certificate).
///
/// # Errors
/// In words, with the path.
pub(super) async fn read_file(path: &PathBuf) -> Result<Vec<u8>, String> {
    use tokio::io::AsyncReadExt;
    let mut bytes = Vec::new();
    let read = async {
        let file = tokio::fs::File::open(path).await?;
        file.take(SECRET_FILE_MAX + 1).read_to_end(&mut bytes).await
    };
    read.await.map_err(|e| secret::unreadable(path, &e))?;
    if bytes.len() as u64 > SECRET_FILE_MAX {
        return Err(format!("{} is larger than {} KiB", path.display(), SECRET_FILE_MAX >> 10));
    }
    Ok(bytes)
}

/// What stands for a secret in answers and previews.
pub(super) const HIDDEN: &str = "<secret>";

/// Shorter parts of a URL are words, not keys.
const SHORTEST_SECRET: usize = 8;

/// Takes every secret out of a text.
pub(super) fn hide_all<'a>(text: &str, secrets: impl IntoIterator<Item = &'a Secret>) -> String {
    secrets.into_iter().fold(text.to_owned(), |text, secret| hide(&text, secret))
}

/// Takes a secret out of a text; of a URL, everything that may be one.
fn hide(text: &str, secret: &Secret) -> String {
    if secret.reveal().is_empty() {
        return text.to_owned();
    }
    match parse_url(secret) {
        Ok(url) => hide_url(text, &url),
        Err(_) => text.replace(secret.reveal(), HIDDEN),
    }
}

/// Takes everything of a URL that may be a secret out of a text.
fn hide_url(text: &str, url: &Url) -> String {
    let whole = [Some(url.as_str()), Some(url.path()), url.query(), url.password(), Some(url.username())];
    let segments = url.path_segments().into_iter().flatten();
    let secrets = whole.into_iter().flatten().chain(segments).filter(|s| s.len() >= SHORTEST_SECRET);
    let hidden = secrets.fold(text.to_owned(), |text, secret| text.replace(secret, HIDDEN));
    if url.username().is_empty() && url.password().is_none() {
        return hidden;
    }
    // A user in a URL is sent as Basic has it.
    let part = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    hidden.replace(&basic_pair(&part(url.username()), &part(url.password().unwrap_or_default())), HIDDEN)
}

/// Returns what Basic authorization sends of a user: whoever reads it has the password.
pub(super) fn basic_pair(user: &str, password: &str) -> String {
    BASE64_STANDARD.encode(format!("{user}:{password}"))
}

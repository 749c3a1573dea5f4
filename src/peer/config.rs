//! `peers:` of the configuration.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use url::Url;

use super::wire::PATH;
use crate::{
    model::{Secret, duration, secret, text},
    notify::{
        client::HttpClient,
        config::{AuthorizationConfig, HttpConfig, TlsConfig},
    },
};

/// A shorter silence is a restart or a lost packet; probing confirms an outage in less.
const TAKEOVER_MIN: Duration = Duration::from_secs(10);

/// Longer than this nobody should be told nothing.
const TAKEOVER_MAX: Duration = Duration::from_secs(300);

/// Bytes of a token: what is longer is not one.
const TOKEN_MAX: usize = 4_096;

/// Bytes of a token: what is shorter can be guessed.
const TOKEN_MIN: usize = 16;

/// The other watchdog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PeerConfig {
    /// Where the other listens.
    pub url: Url,
    /// File with the token that both know: shown to the other, and asked of it.
    pub token_file: PathBuf,
    /// How the other's certificate is judged, and our own.
    #[serde(default)]
    pub tls_config: TlsConfig,
    /// This one takes over when the other has been silent for so long.
    #[serde(default = "takeover", with = "duration")]
    #[schemars(with = "crate::model::duration::Written")]
    pub takeover: Duration,
}

/// The external label that names a watchdog among several.
pub const VANTAGE: &str = "vantage";

/// Returns what is added to alerts. Two watchdogs tell of the same alert, so that the name of neither is part of it.
pub fn of_alerts(external_labels: &BTreeMap<String, String>, has_peer: bool) -> BTreeMap<String, String> {
    let labels = external_labels.iter().filter(|(name, _)| !has_peer || *name != VANTAGE);
    labels.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Digits of a digest: enough to see that two texts differ.
const DIGEST_DIGITS: usize = 16;

/// Returns a short text that is another for another text.
pub fn digest_of(said: &str) -> String {
    let mut digest = text::hex(&Sha256::digest(said.as_bytes()));
    digest.truncate(DIGEST_DIGITS);
    digest
}

fn takeover() -> Duration {
    Duration::from_secs(20)
}

impl PeerConfig {
    /// As the client takes it. Redirects are never followed: the token is for this one.
    pub fn http(&self) -> HttpConfig {
        let authorization = AuthorizationConfig {
            kind: "Bearer".into(),
            credentials: None,
            credentials_file: Some(self.token_file.clone()),
        };
        HttpConfig {
            authorization: Some(authorization),
            tls_config: self.tls_config.clone(),
            follow_redirects: false,
            ..HttpConfig::default()
        }
    }

    /// Returns where it is asked.
    pub fn address(&self) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{}", url.path().trim_end_matches('/'), PATH));
        url
    }

    /// Reads the token.
    ///
    /// # Errors
    /// In words, with the file's name and never what is in it.
    pub async fn token(&self) -> Result<Secret, String> {
        let text = tokio::fs::read_to_string(&self.token_file).await;
        let text = text.map_err(|e| secret::unreadable(&self.token_file, &e))?;
        let token = text.trim();
        if (TOKEN_MIN..=TOKEN_MAX).contains(&token.len()) {
            Ok(Secret::new(token))
        } else {
            let file = self.token_file.display();
            Err(format!("{file}: a token has {TOKEN_MIN} to {TOKEN_MAX} characters (openssl rand -hex 32 makes one)"))
        }
    }

    /// Returns whether what was shown is the token. How long it takes tells nothing of it.
    ///
    /// # Errors
    /// As [`PeerConfig::token`].
    pub async fn knows(&self, shown: &str) -> Result<bool, String> {
        let token = self.token().await?;
        let (known, shown) = (Sha256::digest(token.reveal().as_bytes()), Sha256::digest(shown.as_bytes()));
        Ok(known.ct_eq(&shown).into())
    }

    /// Reads every file that an exchange needs.
    ///
    /// # Errors
    /// In words, with the file's name and never what is in it.
    pub async fn check_files(&self) -> Result<(), String> {
        self.token().await?;
        HttpClient::new(&self.http()).map_err(|(_, why)| why)?.check_files().await
    }

    /// Makes relative paths absolute.
    pub fn resolve_paths(&mut self, base: &Path) {
        self.token_file = base.join(&self.token_file);
        self.tls_config.resolve_paths(base);
    }

    /// Returns what can't work: `(key, why)`.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if !matches!(self.url.scheme(), "http" | "https") {
            problems.push((".url", "must begin with http:// or https://".into()));
        }
        if !self.url.username().is_empty() || self.url.password().is_some() {
            problems.push((".url", "must not hold credentials: use token_file".into()));
        }
        if !(TAKEOVER_MIN..=TAKEOVER_MAX).contains(&self.takeover) {
            problems.push((".takeover", "must be from 10s to 5m: in that time nobody is told".into()));
        }
        if let Err((_, why)) = HttpClient::new(&self.http()) {
            problems.push(("", why));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_work_is_said() {
        let check = |more: &str, expected: &[&str]| {
            let text = format!("{{token_file: t, {more}}}");
            let config: PeerConfig = serde_saphyr::from_str(&text).unwrap();
            let keys: Vec<&str> = config.problems().iter().map(|(key, _)| *key).collect();
            assert_eq!(keys, expected, "{more}");
        };
        check("url: 'https://b.example.org/dog/'", &[]);
        check("url: 'ftp://b.example.org'", &[".url"]);
        check("url: 'https://me:pw@b.example.org'", &[".url"]);
        check("url: 'https://b.example.org', takeover: 1s", &[".takeover"]);
        check("url: 'https://b.example.org', takeover: 1h", &[".takeover"]);
        let config: PeerConfig = serde_saphyr::from_str("{token_file: t, url: 'https://b.example.org/dog/'}").unwrap();
        assert_eq!(config.address().as_str(), "https://b.example.org/dog/api/dogwatch/v1/peer");
    }

    #[test]
    fn the_name_of_a_watchdog_is_no_part_of_what_both_tell() {
        let labels = [("vantage", "paris"), ("env", "prod")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        assert_eq!(of_alerts(&labels, true).keys().collect::<Vec<_>>(), ["env"]);
        assert_eq!(of_alerts(&labels, false), labels);
        assert!(digest_of("a") != digest_of("b") && digest_of("a").len() == DIGEST_DIGITS);
    }
}

//! Who may speak for whom: tokens in files, read again and again so that they can rotate.
//!
//! Only hashes are kept, and a token is held against every one of them in the same time, so that no answer tells by how
//! long it took how much of a guess was right. Never shows, logs or stores a token. A file that can't be read for a while
//! takes nobody's token away.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{
    config::{HeartbeatConfig, MonitoringConfig},
    restore::config::RestoreDrillConfig,
};
use crate::model::secret;

/// A shorter token can be guessed.
pub const LENGTH_MIN: usize = 16;
/// A longer one is none, but a mistaken file.
const LENGTH_MAX: usize = 512;
/// The most that is read of a token's file.
const FILE_MAX: u64 = 4_096;
/// The files are read again this often: who rotates a token need not wait for long.
pub const READ_EVERY: Duration = Duration::from_secs(5);

/// Whose a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Owner {
    Job(String),
    Cluster(Arc<str>),
    RestoreDrill(String),
}

/// A token's file and what was last found in it.
#[derive(Debug)]
struct Entry {
    file: PathBuf,
    owner: Owner,
    hash: Option<[u8; 32]>,
    /// Why it could not be read the last time, as it was told.
    problem: Option<String>,
}

/// All tokens.
#[derive(Debug)]
pub struct Tokens(RwLock<Vec<Entry>>);

impl Tokens {
    /// Reads the tokens of a configuration.
    pub fn new(
        jobs: &[HeartbeatConfig],
        monitoring: &BTreeMap<Arc<str>, MonitoringConfig>,
        drills: &[RestoreDrillConfig],
    ) -> Self {
        let jobs = jobs.iter().map(|j| (j.token_file.clone(), Owner::Job(j.name.clone())));
        let clusters = monitoring.iter().map(|(c, m)| (m.token_file.clone(), Owner::Cluster(c.clone())));
        let drills = drills.iter().map(|d| (d.token_file.clone(), Owner::RestoreDrill(d.name.clone())));
        let entry = |(file, owner)| Entry { file, owner, hash: None, problem: None };
        let tokens = Self(RwLock::new(jobs.chain(clusters).chain(drills).map(entry).collect()));
        tokens.read_files();
        tokens
    }

    /// Returns the job that a token is of.
    pub fn job_of(&self, token: &str) -> Option<String> {
        match self.owner(token)? {
            Owner::Job(name) => Some(name),
            Owner::Cluster(_) | Owner::RestoreDrill(_) => None,
        }
    }

    /// Returns the restore drill that a token is of.
    pub fn restore_of(&self, token: &str) -> Option<String> {
        match self.owner(token)? {
            Owner::RestoreDrill(name) => Some(name),
            Owner::Job(_) | Owner::Cluster(_) => None,
        }
    }

    /// Returns the cluster that a token is of.
    pub fn cluster_of(&self, token: &str) -> Option<Arc<str>> {
        match self.owner(token)? {
            Owner::Cluster(name) => Some(name),
            Owner::Job(_) | Owner::RestoreDrill(_) => None,
        }
    }

    fn owner(&self, token: &str) -> Option<Owner> {
        let asked = hash(token.trim());
        let entries = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut found = None;
        for entry in entries.iter() {
            // Every one is looked at, whether or not it was found already.
            let is = entry.hash.is_some_and(|known| known.ct_eq(&asked).into());
            if is && found.is_none() {
                found = Some(&entry.owner);
            }
        }
        found.cloned()
    }

    /// Reads the files again; blocks. What is wrong is logged once, until it is something else.
    pub fn read_files(&self) {
        let files: Vec<PathBuf> = {
            let entries = self.0.read().unwrap_or_else(PoisonError::into_inner);
            entries.iter().map(|e| e.file.clone()).collect()
        };
        let read: Vec<_> = files.iter().map(|file| token_in(file)).collect();
        let mut entries = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (i, read) in read.into_iter().enumerate() {
            let taken = |hash: &[u8; 32]| entries.iter().take(i).any(|e| e.hash.as_ref() == Some(hash));
            let read = read.and_then(|hash| {
                if taken(&hash) { Err("another entry has the same token; each needs its own".into()) } else { Ok(hash) }
            });
            let Some(entry) = entries.get_mut(i) else { return };
            let problem = match read {
                Ok(hash) => {
                    entry.hash = Some(hash);
                    None
                }
                Err(why) => Some(why),
            };
            if entry.problem != problem {
                match &problem {
                    Some(why) => tracing::error!(file = %entry.file.display(), "{why}"),
                    None => tracing::info!(file = %entry.file.display(), "the token can be used again"),
                }
                entry.problem = problem;
            }
        }
    }
}

/// Returns whether a file holds a token that can be used.
///
/// # Errors
/// Why it does not, in words, without the file's name or the token.
pub fn check(file: &Path) -> Result<(), String> {
    token_in(file).map(drop)
}

fn token_in(file: &Path) -> Result<[u8; 32], String> {
    let unreadable = |e: std::io::Error| secret::unreadable(file, &e);
    if std::fs::metadata(file).map_err(unreadable)?.len() > FILE_MAX {
        return Err(format!("is larger than {FILE_MAX} bytes: this is no token"));
    }
    let text = std::fs::read_to_string(file).map_err(unreadable)?;
    let token = text.trim();
    let advice = "make one with: openssl rand -hex 16";
    match token.len() {
        ..LENGTH_MIN => Err(format!("the token is shorter than {LENGTH_MIN} characters; {advice}")),
        LENGTH_MIN..=LENGTH_MAX if token.bytes().all(in_url) => Ok(hash(token)),
        _ => Err(format!("the token must be letters, digits, '-', '_', '.' or '~', up to {LENGTH_MAX}; {advice}")),
    }
}

/// What stands in a URL as it is.
fn in_url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "0123456789abcdef";
    const OTHER: &str = "another-token-of-some-length";

    fn job(name: &str, file: &Path) -> HeartbeatConfig {
        serde_json::from_value(serde_json::json!({"name": name, "every": "1h", "token_file": file})).unwrap()
    }

    #[test]
    fn tokens_rotate_with_their_files() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        std::fs::write(&a, format!("{ONE}\n")).unwrap();
        let monitoring = serde_json::from_value(serde_json::json!({"token_file": b})).unwrap();
        let tokens = Tokens::new(&[job("backup", &a)], &BTreeMap::from([("prod".into(), monitoring)]), &[]);
        assert_eq!(tokens.job_of(ONE).as_deref(), Some("backup"));
        assert_eq!(tokens.cluster_of(ONE), None, "a job is no cluster");
        assert_eq!(tokens.job_of(OTHER), None);
        std::fs::write(&b, OTHER).unwrap();
        assert_eq!(tokens.cluster_of(OTHER), None, "not read yet");
        tokens.read_files();
        assert_eq!(tokens.cluster_of(&format!(" {OTHER} ")).as_deref(), Some("prod"));
        assert_eq!(tokens.job_of(OTHER), None, "a cluster is no job");
        // For a moment the file is not there.
        std::fs::remove_file(&a).unwrap();
        tokens.read_files();
        assert_eq!(tokens.job_of(ONE).as_deref(), Some("backup"));
        std::fs::write(&a, "rotated-0123456789abcdef").unwrap();
        tokens.read_files();
        assert_eq!(tokens.job_of(ONE), None);
        assert_eq!(tokens.job_of("rotated-0123456789abcdef").as_deref(), Some("backup"));
        for nobody in ["", " ", "rotated", "rotated-0123456789abcdeg"] {
            assert_eq!(tokens.job_of(nobody), None);
        }
    }

    #[test]
    fn two_can_not_have_the_same_token() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        std::fs::write(&a, ONE).unwrap();
        std::fs::write(&b, ONE).unwrap();
        let tokens = Tokens::new(&[job("first", &a), job("second", &b)], &BTreeMap::new(), &[]);
        assert_eq!(tokens.job_of(ONE).as_deref(), Some("first"));
        std::fs::write(&b, OTHER).unwrap();
        tokens.read_files();
        assert_eq!(tokens.job_of(OTHER).as_deref(), Some("second"));
    }

    #[test]
    fn what_is_no_token_is_told_without_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        let check = |content: &str, expected: &str| {
            std::fs::write(&file, content).unwrap();
            let said = check(&file).unwrap_err();
            assert!(said.contains(expected) && (content.is_empty() || !said.contains(content)), "{said}");
        };
        check("", "shorter than 16");
        check("secret-secret", "shorter than 16");
        check("0123456789abcdef/0123456789abcdef", "letters, digits");
        check("two words, one of them secret", "letters, digits");
        check(&"x".repeat(600), "up to 512");
        check(&"x".repeat(5_000), "larger than 4096");
        assert!(super::check(&dir.path().join("none")).unwrap_err().contains("no such file"));
    }
}

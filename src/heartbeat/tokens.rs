//! Who may speak for whom: tokens in files, read again when the files change. Compared without telling by the time it takes
//! how much of a guess was right.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};

use super::config::{HeartbeatConfig, MonitoringConfig};

/// A shorter token can be guessed.
const LENGTH_MIN: usize = 16;

/// Files are looked at again after this.
const FRESH_FOR: Duration = Duration::from_secs(5);

/// The most that is read of a token's file.
const FILE_MAX: u64 = 4_096;

/// Whose a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Owner {
    Job(String),
    Cluster(Arc<str>),
}

/// When the files were read, and whose each hash is.
type Read = (Instant, BTreeMap<[u8; 32], Owner>);

/// All tokens, as hashes.
#[derive(Debug)]
pub struct Tokens {
    files: Vec<(PathBuf, Owner)>,
    read: Mutex<Option<Read>>,
}

impl Tokens {
    /// Those of a configuration; no file is read yet.
    pub fn new(jobs: &[HeartbeatConfig], monitoring: &BTreeMap<Arc<str>, MonitoringConfig>) -> Self {
        let jobs = jobs.iter().map(|j| (j.token_file.clone(), Owner::Job(j.name.clone())));
        let clusters = monitoring.iter().map(|(c, m)| (m.token_file.clone(), Owner::Cluster(c.clone())));
        Self { files: jobs.chain(clusters).collect(), read: Mutex::default() }
    }

    /// The job that a token is of.
    pub async fn job_of(&self, token: &str) -> Option<String> {
        match self.owner(token).await? {
            Owner::Job(name) => Some(name),
            Owner::Cluster(_) => None,
        }
    }

    /// The cluster that a token is of.
    pub async fn cluster_of(&self, token: &str) -> Option<Arc<str>> {
        match self.owner(token).await? {
            Owner::Cluster(name) => Some(name),
            Owner::Job(_) => None,
        }
    }

    async fn owner(&self, token: &str) -> Option<Owner> {
        let wanted = hash(token.trim());
        {
            let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((at, all)) = &*read
                && at.elapsed() < FRESH_FOR
            {
                // A lookup by hash tells nothing of the token itself.
                return all.get(&wanted).cloned();
            }
        }
        let mut all = BTreeMap::new();
        for (path, owner) in &self.files {
            match token_in(path).await {
                Ok(hash) => drop(all.insert(hash, owner.clone())),
                Err(why) => tracing::warn!("{}: {why}", path.display()),
            }
        }
        let found = all.get(&wanted).cloned();
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), all));
        found
    }
}

async fn token_in(path: &PathBuf) -> Result<[u8; 32], String> {
    let size = tokio::fs::metadata(path).await.map_err(|e| format!("the token can't be read: {e}"))?.len();
    if size > FILE_MAX {
        return Err(format!("is larger than {FILE_MAX} bytes: this is no token"));
    }
    let text = tokio::fs::read_to_string(path).await.map_err(|e| format!("the token can't be read: {e}"))?;
    let token = text.trim();
    if token.len() < LENGTH_MIN {
        return Err(format!("the token is shorter than {LENGTH_MIN} characters; make one with: openssl rand -hex 16"));
    }
    Ok(hash(token))
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

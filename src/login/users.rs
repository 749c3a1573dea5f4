//! Names and passwords. A password is checked against its bcrypt hash on a thread that may block, a few at a time; who was
//! let in once is known again by a keyed digest, so that a scraper does not cost a hash each time.

use std::{
    collections::{BTreeMap, HashSet},
    net::IpAddr,
    str::FromStr as _,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bcrypt::HashParts;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::{sync::Semaphore, time::Instant};

use super::{
    Wrong,
    guesses::{Guess, Guesses},
    random,
};
use crate::model::Secret;

/// Each more doubles the time of a check: with this one it is some seconds.
const COST_MAX: u32 = 16;
/// Checks at a time: more of them would take the processor from those who watch.
const CHECKS_AT_ONCE: usize = 2;
/// A check waits no longer for its turn.
const TURN_WITHIN: Duration = Duration::from_secs(10);
/// Those who were let in are known again, this many at the most: scrapers, and people with their browsers.
const KNOWN_MAX: usize = 100;
/// Bytes of the key of digests, drawn anew at each start.
const KEY_BYTES: usize = 32;

/// How a question whether somebody may enter ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// They may.
    Welcome,
    /// Name or password is wrong.
    Unknown,
    /// Too many ask at once.
    Busy,
    /// Too many wrong passwords came from there; none is checked before so long.
    TooMany(Duration),
}

/// Who may log in. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Users(Option<Arc<Inner>>);

struct Inner {
    hashes: BTreeMap<String, String>,
    /// Checked where there is no such user, so that it takes as long.
    decoy: String,
    key: [u8; KEY_BYTES],
    known: Mutex<HashSet<[u8; 32]>>,
    guesses: Mutex<Guesses>,
    turns: Semaphore,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Users").field("names", &self.hashes.keys()).finish_non_exhaustive()
    }
}

impl Users {
    /// Of names and hashes.
    ///
    /// # Errors
    /// Each that is no hash, without what it is.
    pub(super) fn new(users: &BTreeMap<String, Secret>) -> Result<Self, Vec<Wrong>> {
        let (mut wrong, mut cost_max) = (Vec::new(), 0);
        for (name, hash) in users {
            let why = match HashParts::from_str(hash.reveal()).map(|parts| parts.get_cost()) {
                Ok(cost @ 4..=COST_MAX) => {
                    cost_max = cost_max.max(cost);
                    continue;
                }
                Ok(_) => format!("the hash's cost must be from 4 to {COST_MAX}: make it anew, with 10 or 12"),
                Err(_) => "is no bcrypt hash: make one with `htpasswd -nBC 10 \"\"`".to_owned(),
            };
            wrong.push((format!("basic_auth_users.{name}"), why));
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        if users.is_empty() {
            return Ok(Self::default());
        }
        let mut key = [0; KEY_BYTES];
        random(&mut key).map_err(|why| vec![("basic_auth_users".to_owned(), why)])?;
        Ok(Self(Some(Arc::new(Inner {
            hashes: users.iter().map(|(name, hash)| (name.clone(), hash.reveal().to_owned())).collect(),
            decoy: format!("$2b${cost_max:02}${}", ".".repeat(53)),
            key,
            known: Mutex::default(),
            guesses: Mutex::default(),
            turns: Semaphore::new(CHECKS_AT_ONCE),
        }))))
    }

    /// Whether anybody is asked at all.
    pub fn are_asked(&self) -> bool {
        self.0.is_some()
    }

    /// Whether somebody may enter who comes from this address.
    pub async fn ask(&self, name: &str, password: &str, from: IpAddr) -> Asked {
        let Some(inner) = self.0.clone() else { return Asked::Welcome };
        let hash = inner.hashes.get(name).cloned();
        let digest = inner.digest(name, password, hash.as_deref().unwrap_or_default());
        if hash.is_some() && inner.known().contains(&digest) {
            return Asked::Welcome;
        }
        match inner.guesses().judge(from, &digest, Instant::now()) {
            Guess::Fresh => {}
            Guess::Known => return Asked::Unknown,
            Guess::TooMany(wait) => return Asked::TooMany(wait),
        }
        let Ok(Ok(_turn)) = tokio::time::timeout(TURN_WITHIN, inner.turns.acquire()).await else { return Asked::Busy };
        let (password, checked) = (password.to_owned(), hash.clone().unwrap_or_else(|| inner.decoy.clone()));
        let fits = tokio::task::spawn_blocking(move || bcrypt::verify(password, &checked).unwrap_or(false)).await;
        if hash.is_none() || !matches!(fits, Ok(true)) {
            inner.guesses().wrong(from, digest, Instant::now());
            return Asked::Unknown;
        }
        let mut known = inner.known();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(digest);
        Asked::Welcome
    }
}

impl Inner {
    fn known(&self) -> std::sync::MutexGuard<'_, HashSet<[u8; 32]>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn guesses(&self) -> std::sync::MutexGuard<'_, Guesses> {
        self.guesses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn digest(&self, name: &str, password: &str, hash: &str) -> [u8; 32] {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return [0; 32] };
        for part in [name, password, hash] {
            mac.update(&part.len().to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[tokio::test(start_paused = true)]
    async fn who_guesses_waits_and_who_was_let_in_does_not() {
        let users = Users::new(&[("ada".to_owned(), Secret::new(bcrypt::hash("right", 4).unwrap()))].into()).unwrap();
        assert_eq!(users.ask("ada", "right", HERE).await, Asked::Welcome);
        let mut answers = Vec::new();
        for n in 0..12 {
            answers.push(users.ask("ada", &format!("guess {n}"), HERE).await);
        }
        assert!(answers[..10].iter().all(|answer| *answer == Asked::Unknown), "{answers:?}");
        assert!(answers[10..].iter().all(|answer| matches!(answer, Asked::TooMany(_))), "{answers:?}");
        assert_eq!(users.ask("ada", "guess 3", HERE).await, Asked::Unknown);
        assert_eq!(users.ask("ada", "right", HERE).await, Asked::Welcome);
        let there = "192.0.2.1".parse().unwrap();
        assert_eq!(users.ask("ada", "guess 13", there).await, Asked::Unknown);
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(users.ask("ada", "guess 14", HERE).await, Asked::Unknown);
    }

    #[tokio::test]
    async fn who_knows_the_password_is_let_in_and_known_again() {
        let hash = bcrypt::hash("right", 4).unwrap();
        let users = Users::new(&[("ada".to_owned(), Secret::new(hash.as_str()))].into()).unwrap();
        let known = || users.0.as_ref().unwrap().known().len();
        for (name, password) in [("ada", "wrong"), ("ada", ""), ("bob", "right"), ("", ""), ("adar", "ight")] {
            assert_eq!(users.ask(name, password, HERE).await, Asked::Unknown, "{name}:{password}");
        }
        assert_eq!(known(), 0, "who guesses fills nothing");
        for _ in 0..2 {
            assert_eq!(users.ask("ada", "right", HERE).await, Asked::Welcome);
            assert_eq!(known(), 1);
        }
        assert!(!format!("{users:?}").contains(&hash));
        let nobody = Users::new(&BTreeMap::new()).unwrap();
        assert!(!nobody.are_asked() && nobody.ask("x", "y", HERE).await == Asked::Welcome);
    }

    #[test]
    fn what_is_no_hash_is_refused_without_showing_it() {
        for text in ["hunter2", "", "$2y$31$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi", "$1$abc$def"] {
            let found = Users::new(&[("ada".to_owned(), Secret::new(text))].into()).unwrap_err();
            assert!(
                found[0].0 == "basic_auth_users.ada" && (text.is_empty() || !found[0].1.contains(text)),
                "{found:?}"
            );
        }
        let decoy = format!("$2b$04${}", ".".repeat(53));
        assert!(!bcrypt::verify("x", &decoy).unwrap(), "a user that is not there costs as much as one that is");
    }
}

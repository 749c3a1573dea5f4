//! Who is logged in by a page. A browser has a random name of its session; here and on the disk is only the SHA-256 of that,
//! so that a stolen database logs nobody in. They outlive a restart: the issuer may run in the very cluster that is down.
//! Pure: time is an argument, and whoever changes them writes them down.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{oidc::Identity, random};
use crate::model::text::hex;

/// Bytes of a session's name: nobody guesses 256 bits.
const BYTES: usize = 32;
/// Sessions at the most; those that end first go first.
const SESSIONS_MAX: usize = 1_000;
/// Sessions of one person: who logs in over and over drives nobody else out.
const OF_ONE_MAX: usize = 20;

/// Somebody who is logged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Who said so.
    pub issuer: String,
    /// Who.
    pub identity: Identity,
    /// When it ends.
    pub until: Timestamp,
}

/// All of them. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Sessions(Arc<Mutex<BTreeMap<String, Session>>>);

impl Sessions {
    /// Those that an earlier run wrote down.
    pub fn restored(text: &str, now: Timestamp) -> Self {
        let mut all: BTreeMap<String, Session> = serde_json::from_str(text).unwrap_or_default();
        all.retain(|_, session| session.until > now);
        Self(Arc::new(Mutex::new(all)))
    }

    /// As they are written down.
    pub fn text(&self) -> String {
        serde_json::to_string(&*self.all()).unwrap_or_default()
    }

    /// Opens one, and returns its name.
    ///
    /// # Errors
    /// When this machine gives no random numbers.
    pub fn open(&self, session: Session, now: Timestamp) -> Result<String, String> {
        let mut bytes = [0; BYTES];
        random(&mut bytes)?;
        let name = hex(&bytes);
        let mut all = self.all();
        all.retain(|_, session| session.until > now);
        let is_same =
            |other: &Session| (&other.issuer, &other.identity.subject) == (&session.issuer, &session.identity.subject);
        let first_to_end = |all: &BTreeMap<String, Session>, of_one: bool| {
            let some = all.iter().filter(|(_, other)| !of_one || is_same(other));
            some.min_by_key(|(_, other)| other.until).map(|(key, _)| key.clone())
        };
        let one = all.values().filter(|other| is_same(other)).count();
        let gone = match (one >= OF_ONE_MAX, all.len() >= SESSIONS_MAX) {
            (false, false) => None,
            (of_one, _) => first_to_end(&all, of_one),
        };
        if let Some(key) = gone {
            all.remove(&key);
        }
        all.insert(key(&name), session);
        Ok(name)
    }

    /// Whose it is.
    pub fn find(&self, name: &str, now: Timestamp) -> Option<Session> {
        self.all().get(&key(name)).filter(|session| session.until > now).cloned()
    }

    /// Ends one; whether there was one.
    pub fn close(&self, name: &str) -> bool {
        self.all().remove(&key(name)).is_some()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of a session's name.
fn key(name: &str) -> String {
    hex(&Sha256::digest(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn session(subject: &str, until: i64) -> Session {
        let identity = Identity { subject: subject.into(), name: "Ada".into(), groups: vec!["sre".into()] };
        Session { issuer: "https://login.example.org".into(), identity, until: at(until) }
    }

    #[test]
    fn a_session_lasts_until_its_end_or_a_logout_and_through_a_restart() {
        let sessions = Sessions::default();
        let name = sessions.open(session("1", 100), at(0)).unwrap();
        let other = sessions.open(session("2", 200), at(0)).unwrap();
        assert_eq!((name.len(), sessions.find(&name, at(99))), (64, Some(session("1", 100))));
        assert_eq!(sessions.find(&name, at(100)), None);
        let text = sessions.text();
        assert!(!text.contains(&name) && !text.contains(&other), "a stolen database logs nobody in");
        for known in text.split('"').filter(|part| part.len() == 64) {
            assert_eq!(sessions.find(known, at(0)), None, "nor what it holds");
        }
        let restored = Sessions::restored(&text, at(150));
        assert_eq!((restored.find(&name, at(50)), restored.find(&other, at(150))), (None, Some(session("2", 200))));
        assert!(restored.close(&other) && !restored.close(&other) && restored.find(&other, at(150)).is_none());
        assert_eq!(Sessions::restored("no JSON", at(0)).text(), "{}");
    }

    #[test]
    fn who_logs_in_over_and_over_drives_nobody_out() {
        let sessions = Sessions::default();
        let bob = sessions.open(session("bob", 10), at(0)).unwrap();
        let ada: Vec<String> = (0..30).map(|i| sessions.open(session("ada", 1_000 + i), at(0)).unwrap()).collect();
        assert!(sessions.find(&bob, at(0)).is_some());
        let kept = ada.iter().filter(|name| sessions.find(name, at(0)).is_some()).count();
        assert_eq!((kept, sessions.find(&ada[29], at(0)).is_some()), (OF_ONE_MAX, true));
        for i in 0..SESSIONS_MAX {
            sessions.open(session(&i.to_string(), 5_000), at(0)).unwrap();
        }
        assert_eq!(sessions.all().len(), SESSIONS_MAX);
    }
}

//! A login that was begun here and goes on at the issuer: what the browser keeps of it meanwhile, in a cookie that only this
//! process can make. Nothing is kept here, so that nobody fills it up; what state, nonce and verifier are follows from the
//! cookie and the key, and the verifier is in nothing that the browser has. Pure but for the random numbers.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use subtle::ConstantTimeEq as _;

use super::{keyed, random};
use crate::model::text::hex;

/// So long somebody may take at the issuer.
pub const WITHIN: Duration = Duration::from_secs(600);
/// Bytes of what is drawn for one.
const BYTES: usize = 32;
/// Bytes of the path to which it leads back.
const BACK_MAX: usize = 1_000;
/// Logins that ended well and are remembered until they would be too old: people log in by hand.
const USED_MAX: usize = 10_000;

/// A login on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    seed: String,
    until: i64,
    /// The path, below ours, that was asked for.
    pub back: String,
}

impl Begun {
    /// Begins one that leads back to a path of ours.
    ///
    /// # Errors
    /// When this machine gives no random numbers.
    pub fn new(back: &str, now: Timestamp) -> Result<Self, String> {
        let mut seed = [0; BYTES];
        random(&mut seed)?;
        let until = now.as_second() + WITHIN.as_secs().cast_signed();
        let back = if is_path(back) { back } else { "/" };
        Ok(Self { seed: hex(&seed), until, back: back.to_owned() })
    }

    /// As the browser keeps it.
    ///
    /// # Errors
    /// When this machine gives no random numbers.
    pub fn cookie(&self) -> Result<String, String> {
        let back = BASE64_URL_SAFE_NO_PAD.encode(&self.back);
        Ok(format!("{}.{}.{back}.{}", self.seed, self.until, self.derived("cookie")?))
    }

    /// What a cookie says; `None`: it is none of ours, or too old.
    pub fn read(cookie: &str, now: Timestamp) -> Option<Self> {
        let mut parts = cookie.split('.');
        let [seed, until, back, digest] = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
        let back = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(back).ok()?).ok()?;
        let begun = Self { seed: seed.to_owned(), until: until.parse().ok()?, back };
        let is_ours: bool = begun.derived("cookie").ok()?.as_bytes().ct_eq(digest.as_bytes()).into();
        (parts.next().is_none() && is_ours && now.as_second() < begun.until).then_some(begun)
    }

    /// What comes back with the browser.
    ///
    /// # Errors
    /// When this machine gives no random numbers.
    pub fn state(&self) -> Result<String, String> {
        self.derived("state")
    }

    /// What the issuer puts into the token.
    ///
    /// # Errors
    /// As [`Begun::state`].
    pub fn nonce(&self) -> Result<String, String> {
        self.derived("nonce")
    }

    /// What only the one who began can show with the code (RFC 7636).
    ///
    /// # Errors
    /// As [`Begun::state`].
    pub fn verifier(&self) -> Result<String, String> {
        self.derived("verifier")
    }

    /// Whether this came back with it.
    pub fn is(&self, state: &str) -> bool {
        self.state().is_ok_and(|own| own.as_bytes().ct_eq(state.as_bytes()).into())
    }

    fn derived(&self, what: &str) -> Result<String, String> {
        let until = self.until.to_string();
        let digest = keyed::digest(&["login", what, &self.seed, &until, &self.back]);
        digest.ok_or_else(|| "this machine gives no random numbers".to_owned())
    }
}

/// Whether it is a path on this server and nothing that a browser takes for another one.
fn is_path(back: &str) -> bool {
    let plain = back.len() <= BACK_MAX && back.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    plain && back.starts_with('/') && !back.starts_with("//")
}

/// Logins that ended well: each does so once.
#[derive(Debug, Default)]
pub struct Used(Mutex<BTreeMap<String, i64>>);

impl Used {
    /// Takes note of one; whether it is the first time.
    pub fn first(&self, begun: &Begun, now: Timestamp) -> bool {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, until| *until > now.as_second());
        // What is refused for want of room is begun again a little later.
        used.len() < USED_MAX && used.insert(begun.seed.clone(), begun.until).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_login_is_known_again_by_its_cookie_for_ten_minutes() {
        let begun = Begun::new("/incidents?state=open", at(1_000)).unwrap();
        let cookie = begun.cookie().unwrap();
        assert_eq!(Begun::read(&cookie, at(1_599)), Some(begun.clone()));
        assert_eq!(Begun::read(&cookie, at(1_600)), None, "too old");
        let parts: Vec<&str> = cookie.split('.').collect();
        for forged in [
            String::new(),
            format!("{cookie}."),
            format!("{}.9999999999.{}.{}", parts[0], parts[2], parts[3]),
            format!("{}.{}.{}.{}", parts[0], parts[1], BASE64_URL_SAFE_NO_PAD.encode("/silences"), parts[3]),
            format!("{}.{}.{}.{}", parts[0], parts[1], parts[2], begun.state().unwrap()),
        ] {
            assert_eq!(Begun::read(&forged, at(1_001)), None, "{forged}");
        }
        let derived = [begun.state().unwrap(), begun.nonce().unwrap(), begun.verifier().unwrap()];
        assert!(derived.iter().all(|d| d.len() == 64 && !cookie.contains(d)), "{derived:?}");
        assert!(derived[0] != derived[1] && derived[1] != derived[2] && derived[0] != derived[2]);
        let other = Begun::new("/", at(1_000)).unwrap();
        assert!(begun.is(&derived[0]) && !begun.is(&derived[1]) && !other.is(&derived[0]) && !begun.is(""));
    }

    #[test]
    fn it_leads_back_to_a_path_of_ours_and_nowhere_else() {
        let back = |to: &str| Begun::new(to, at(0)).unwrap().back;
        for ours in ["/", "/incidents/7", "/silences/new?incident=7&x=%2F"] {
            assert_eq!(back(ours), ours);
        }
        let long = format!("/{}", "x".repeat(BACK_MAX));
        for other in ["", "//evil.example", "/\\evil.example", "https://evil.example", "evil", "/a b", "/a\n", &long] {
            assert_eq!(back(other), "/", "{other}");
        }
    }

    #[test]
    fn a_login_ends_well_once() {
        let (used, begun) = (Used::default(), Begun::new("/", at(0)).unwrap());
        assert!(used.first(&begun, at(1)) && !used.first(&begun, at(2)) && !used.first(&begun, at(599)));
        assert!(used.first(&Begun::new("/", at(0)).unwrap(), at(3)));
    }
}

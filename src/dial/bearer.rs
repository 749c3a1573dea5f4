//! What a bearer token says of itself, where it is a JWT that ends, and which of several of one account is used. Nothing of it
//! is verified: that is the API server's. Pure.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::Deserialize;

use crate::model::{Secret, text};

/// The longest subject kept, in characters: names of namespaces and ServiceAccounts have 63 and 253 at most.
const SUBJECT_MAX: usize = 400;
/// More is no token of an API server, whose headers end at 1 MiB; a ServiceAccount's has a kilobyte.
pub(super) const TOKEN_MAX: usize = 64 << 10;

/// What it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claims {
    issuer: String,
    pub(super) subject: String,
    pub(super) issued: Timestamp,
    pub(super) ends: Timestamp,
}

/// As RFC 7519 has it; a `NumericDate` may have a fraction.
#[derive(Deserialize)]
struct Payload {
    #[serde(default)]
    iss: String,
    sub: String,
    exp: f64,
    iat: Option<f64>,
    nbf: Option<f64>,
}

impl Claims {
    /// Reads them; `None`: it is no JWT, or none that ends.
    pub(super) fn of(token: &Secret) -> Option<Self> {
        let mut parts = token.reveal().trim().split('.');
        let (_, payload, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else { return None };
        if payload.len() > TOKEN_MAX {
            return None;
        }
        let payload = BASE64_URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
        let payload: Payload = serde_json::from_slice(&payload).ok()?;
        let subject: String = payload.sub.chars().take(SUBJECT_MAX).collect();
        Some(Self {
            issuer: payload.iss,
            subject: text::one_line(&subject).into_owned(),
            issued: moment(payload.iat.or(payload.nbf)?)?,
            ends: moment(payload.exp)?,
        })
    }

    /// Whether this one is used in place of another of the same account: it was given later, so that a new kubeconfig wins over
    /// what was renewed before it. One that has ended is worth nothing.
    fn replaces(&self, other: &Self, now: Timestamp) -> bool {
        let is_same = (&self.issuer, &self.subject) == (&other.issuer, &other.subject);
        is_same && now < self.ends && (other.ends <= now || other.issued < self.issued)
    }
}

/// Whole seconds; `None`: no time that a clock shows.
fn moment(seconds: f64) -> Option<Timestamp> {
    let seconds = std::time::Duration::try_from_secs_f64(seconds).ok()?.as_secs();
    Timestamp::from_second(i64::try_from(seconds).ok()?).ok()
}

/// The one to use of what is configured and what was renewed since.
pub(super) fn newest(configured: Secret, renewed: impl IntoIterator<Item = Secret>, now: Timestamp) -> Secret {
    let Some(mut best) = Claims::of(&configured) else { return configured };
    let mut token = configured;
    for other in renewed {
        if let Some(claims) = Claims::of(&other).filter(|claims| claims.replaces(&best, now)) {
            (best, token) = (claims, other);
        }
    }
    token
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A token of a ServiceAccount; what signs it says which it is.
    pub(crate) fn token(account: &str, issued: i64, ends: i64, signature: &str) -> Secret {
        let payload = json!({"iss": "https://kubernetes.default.svc", "sub": format!("system:serviceaccount:{account}"),
            "iat": issued, "exp": ends, "nbf": issued, "aud": ["https://kubernetes.default.svc"]});
        written(&payload, signature)
    }

    fn written(payload: &Value, signature: &str) -> Secret {
        Secret::new(format!("e30.{}.{signature}", BASE64_URL_SAFE_NO_PAD.encode(payload.to_string())))
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_token_says_whose_it_is_and_when_it_ends() {
        let claims = Claims::of(&token("dogwatch:dogwatch", 100, 700, "a")).unwrap();
        assert_eq!((claims.issued, claims.ends), (at(100), at(700)));
        assert_eq!(claims.subject, "system:serviceaccount:dogwatch:dogwatch");
        let fraction = written(&json!({"sub": "ada", "exp": 700.9, "nbf": 99.5}), "a");
        assert_eq!(Claims::of(&fraction).map(|c| (c.issued, c.ends)), Some((at(99), at(700))));
        let without = [
            json!({"sub": "system:serviceaccount:a:b", "iss": "kubernetes/serviceaccount"}),
            json!({"sub": "a", "exp": 1e300, "iat": 1}),
            json!({"sub": "a", "exp": -5, "iat": 1}),
            json!({"sub": "a", "exp": 5}),
            json!([]),
        ];
        for payload in without {
            assert_eq!(Claims::of(&written(&payload, "a")), None, "{payload}");
        }
        for odd in ["", "abc", "a.b", "a.b.c", "a.!.c", "a.e30.c.d"] {
            assert_eq!(Claims::of(&Secret::new(odd)), None, "{odd}");
        }
    }

    #[test]
    fn of_several_the_last_given_of_the_same_account_is_used() {
        let used = |configured: &Secret, kept: &[Secret], now: i64| {
            newest(configured.clone(), kept.iter().cloned(), at(now)).reveal().rsplit('.').next().unwrap().to_owned()
        };
        let configured = token("dogwatch:dogwatch", 100, 1_100, "configured");
        let kept = token("dogwatch:dogwatch", 600, 1_600, "kept");
        assert_eq!(used(&configured, &[], 700), "configured");
        assert_eq!(used(&configured, std::slice::from_ref(&kept), 700), "kept");
        let later = token("dogwatch:dogwatch", 650, 1_650, "later");
        assert_eq!(used(&configured, &[later.clone(), kept.clone()], 700), "later");
        assert_eq!(used(&configured, &[kept.clone(), later], 700), "later");
        // A new kubeconfig, even of a shorter life.
        let new = token("dogwatch:dogwatch", 800, 1_400, "new");
        assert_eq!(used(&new, std::slice::from_ref(&kept), 900), "new");
        // The server has shortened the lives since, and we were away for longer than that.
        let short = token("dogwatch:dogwatch", 600, 700, "short");
        assert_eq!(used(&configured, &[short], 700), "configured");
        assert_eq!(used(&configured, std::slice::from_ref(&kept), 1_600), "configured", "neither is worth anything");
        let other = token("dogwatch:other", 600, 1_600, "other");
        assert_eq!(used(&configured, &[other], 700), "configured");
        // One that does not end is never replaced.
        assert_eq!(used(&Secret::new("a.b.static"), &[kept], 700), "static");
    }
}

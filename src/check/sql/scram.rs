//! SCRAM-SHA-256 (RFC 5802, RFC 7677): both sides prove that they know a password, and neither sends it. Pure but for its nonce.

use std::num::NonZeroU32;

use base64::{Engine, prelude::BASE64_STANDARD};
use ring::{digest, hmac, pbkdf2};

/// Rounds of hashing: PostgreSQL has 4096; more than this would keep a probe busy for seconds.
const ROUNDS_MAX: u32 = 200_000;

/// A login that is under way.
pub(super) struct Scram {
    password: String,
    nonce: String,
    /// What the server must answer at the end.
    expected: Option<String>,
}

impl Scram {
    /// Begins.
    pub(super) fn begin(password: &str) -> Self {
        let nonce = BASE64_STANDARD.encode(fastrand::u128(..).to_be_bytes());
        Self { password: password.to_owned(), nonce, expected: None }
    }

    /// Returns our first message: without channel binding; the name is said elsewhere.
    pub(super) fn first(&self) -> String {
        format!("n,,{}", self.bare())
    }

    fn bare(&self) -> String {
        format!("n=,r={}", self.nonce)
    }

    /// Returns our second message, from the server's first; `None`: it says something else.
    pub(super) fn answer(&mut self, said: &str) -> Option<String> {
        let part = |key: &str| said.split(',').find_map(|part| part.strip_prefix(key));
        let (nonce, salt, rounds) = (part("r=")?, part("s=")?, part("i=")?);
        let salt = BASE64_STANDARD.decode(salt).ok()?;
        let rounds = NonZeroU32::new(rounds.parse().ok().filter(|n| *n <= ROUNDS_MAX)?)?;
        if !nonce.starts_with(&self.nonce) || nonce == self.nonce {
            return None;
        }
        let mut salted = [0; digest::SHA256_OUTPUT_LEN];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, self.password.as_bytes(), &mut salted);
        let keyed = |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes());
        let client_key = keyed(&salted, "Client Key");
        let stored = digest::digest(&digest::SHA256, client_key.as_ref());
        let last = format!("c=biws,r={nonce}");
        let all = format!("{},{said},{last}", self.bare());
        let signature = keyed(stored.as_ref(), &all);
        let proof: Vec<u8> = client_key.as_ref().iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect();
        let server_key = keyed(&salted, "Server Key");
        self.expected = Some(format!("v={}", BASE64_STANDARD.encode(keyed(server_key.as_ref(), &all))));
        Some(format!("{last},p={}", BASE64_STANDARD.encode(proof)))
    }

    /// Returns whether the server's last message proves that it knows the password, too.
    pub(super) fn is_proved(&self, said: &str) -> bool {
        let first = said.split(',').next().unwrap_or_default();
        self.expected
            .as_ref()
            .is_some_and(|expected| subtle::ConstantTimeEq::ct_eq(expected.as_bytes(), first.as_bytes()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677, section 3, with its name left out: the proof then is another, computed by Python's hashlib.
    #[test]
    fn the_proof_is_that_of_the_standard() {
        let mut scram = Scram { password: "pencil".into(), nonce: "rOprNGfwEbeRWgbNEkqO".into(), expected: None };
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let said = format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
        let answer = scram.answer(&said).unwrap();
        assert_eq!(answer, format!("c=biws,r={nonce},p=qvT2SWdEH5Q06albL+hjSYuUhCG7VndFyzIb7CK4n9k="));
        assert!(
            scram.is_proved("v=3HO6Qt1M4MKJrmlKaoOqLAI0/0TV0HZe7J9H3MBtSOg=")
                && !scram.is_proved("v=x")
                && !scram.is_proved("")
        );
    }

    #[test]
    fn what_is_no_answer_of_this_login_is_none() {
        let mut scram = Scram { password: "x".into(), nonce: "abc".into(), expected: None };
        for odd in [
            "",
            "r=abc,s=AA==,i=1",
            "r=xyz1,s=AA==,i=1",
            "r=abcd,s=?,i=1",
            "r=abcd,s=AA==,i=0",
            "r=abcd,s=AA==,i=999999999",
        ] {
            assert_eq!(scram.answer(odd), None, "{odd}");
        }
        assert!(!scram.is_proved("v="), "nothing was asked yet");
    }
}

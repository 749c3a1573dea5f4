//! Whether two values hold the same secrets, told without them: one slow digest with a salt, over all of them together, so that who
//! sees it must guess all at once.

use std::num::NonZeroU32;

use ring::{
    pbkdf2,
    rand::{SecureRandom as _, SystemRandom},
};
use serde::Serialize;

use super::Secret;

/// What OWASP advises for PBKDF2 with SHA-256: some tenths of a second for each guess.
const ROUNDS: NonZeroU32 = NonZeroU32::new(600_000).unwrap();
/// Bytes of a salt.
const SALT: usize = 16;
/// Bytes of a digest.
const DIGEST: usize = 32;

/// All secrets of a value in one, in the order in which it is written; `None`: it has none.
pub fn secrets_of(value: &impl Serialize) -> Option<Secret> {
    let all = Secret::all_of(value);
    // With its length before each, so that no two lists are one.
    let joined: String = all.iter().map(|secret| format!("{}:{}", secret.reveal().len(), secret.reveal())).collect();
    (!all.is_empty()).then(|| Secret::new(joined))
}

/// A new salt.
///
/// # Errors
/// When the system gives no random bytes.
pub fn salt() -> Result<String, String> {
    let mut salt = [0; SALT];
    SystemRandom::new().fill(&mut salt).map_err(|_| "the system gives no random bytes".to_owned())?;
    Ok(hex(&salt))
}

/// The digest of secrets with a salt. Takes its time: not for a thread that others wait for.
pub fn seal(secrets: &Secret, salt: &str) -> String {
    let mut digest = [0; DIGEST];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, salt.as_bytes(), secrets.reveal().as_bytes(), &mut digest);
    hex(&digest)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Serialize)]
    struct Values {
        plain: &'static str,
        list: Vec<Secret>,
    }

    fn values(plain: &'static str, list: &[&str]) -> Values {
        Values { plain, list: list.iter().map(|text| Secret::new(*text)).collect() }
    }

    #[test]
    fn secrets_are_compared_and_never_written() {
        let of = |plain, list: &[&str]| secrets_of(&values(plain, list));
        assert_eq!(of("a", &[]), None);
        assert_eq!(of("a", &["x", "y"]), of("b", &["x", "y"]));
        assert!(of("a", &["x", "y"]) != of("a", &["xy"]) && of("a", &["x", "y"]) != of("a", &["y", "x"]));
        assert!(of("a", &["1:x"]) != of("a", &["", "x"]));
        assert_eq!(serde_json::to_value(values("a", &["x"])).unwrap(), json!({"plain": "a", "list": ["<secret>"]}));
        let (secrets, other) = (of("a", &["hunter2"]).unwrap(), of("a", &["hunter3"]).unwrap());
        let (salt, another) = (salt().unwrap(), salt().unwrap());
        let sealed = seal(&secrets, &salt);
        assert!(sealed.len() == 64 && sealed == seal(&secrets, &salt) && sealed != seal(&other, &salt));
        assert!(sealed != seal(&secrets, &another) && !sealed.contains("hunter"));
    }
}

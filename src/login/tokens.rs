//! Tokens by which programs log in. Only their SHA-256 is known here, and a token is held against every one of them in the
//! same time, so that no answer tells by how long it took how much of a guess was right.

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{
    Wrong,
    caller::{Caller, Scope},
    random,
};
use crate::model::{Secret, secret, text::hex};

/// What each begins with, so that scanners for leaked secrets know them.
const PREFIX: &str = "dogwatch_";
/// Bytes that are drawn for one: nobody guesses 256 bits.
const BYTES: usize = 32;
/// Bytes of a hash.
const HASH_BYTES: usize = 32;
/// Tokens at the most: each is looked at with every request that has one.
const TOKENS_MAX: usize = 1_000;
/// More than this is no file of hashes.
const FILE_MAX: u64 = 64 << 10;

/// A token of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenConfig {
    /// What it is called in the audit log.
    pub name: String,
    /// What it is for.
    pub scopes: Vec<Scope>,
    /// Its SHA-256 in hexadecimal digits, as `dogwatch token create` prints it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<Secret>,
    /// A file with such hashes, one a line: two while it is changed for another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash_file: Option<std::path::PathBuf>,
}

#[derive(Clone)]
struct Known {
    hash: [u8; HASH_BYTES],
    name: String,
    scopes: Vec<Scope>,
}

/// All tokens, ready.
#[derive(Clone, Default)]
pub struct Tokens(Vec<Known>);

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|t| (&t.name, &t.scopes))).finish()
    }
}

impl Tokens {
    /// Reads the files.
    ///
    /// # Errors
    /// All that is wrong, each with its path below `auth`, and never what stands there.
    pub(super) fn new(configured: &[TokenConfig]) -> Result<Self, Vec<Wrong>> {
        let (mut known, mut wrong) = (Vec::<Known>::new(), Vec::new());
        for (i, token) in configured.iter().enumerate() {
            let mut say = |key: &str, why: String| wrong.push((format!("tokens[{i}].{key}"), why));
            if token.name.trim().is_empty() || configured.iter().take(i).any(|other| other.name == token.name) {
                say("name", "each token needs a name of its own: the audit log shows it".into());
            }
            if token.scopes.is_empty() {
                say("scopes", "it is for nothing: give it some of read, write, ping, alerts-in".into());
            }
            let (key, hashes) = match (&token.hash, &token.hash_file) {
                (Some(hash), None) => ("hash", hash_of(hash.reveal()).map(|hash| vec![hash])),
                (None, Some(file)) => ("hash_file", read(file)),
                _ => ("hash", Err("give either hash or hash_file".into())),
            };
            match hashes {
                Ok(hashes) => {
                    for hash in hashes {
                        if known.iter().any(|other| other.hash == hash && other.name != token.name) {
                            say(key, "another token has the same hash; each needs its own".into());
                        }
                        known.push(Known { hash, name: token.name.clone(), scopes: token.scopes.clone() });
                    }
                }
                Err(why) => say(key, why),
            }
        }
        if known.len() > TOKENS_MAX {
            wrong.push(("tokens".into(), format!("{} hashes are too many: {TOKENS_MAX} at the most", known.len())));
        }
        if wrong.is_empty() { Ok(Self(known)) } else { Err(wrong) }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whose a token is.
    pub fn find(&self, token: &str) -> Option<Caller> {
        let asked: [u8; HASH_BYTES] = Sha256::digest(token.as_bytes()).into();
        let mut found = None;
        for known in &self.0 {
            // Every one is looked at, whether or not it was found already.
            let is: bool = known.hash.ct_eq(&asked).into();
            if is && found.is_none() {
                found = Some(known);
            }
        }
        found.map(|known| Caller::token(known.name.clone(), known.scopes.clone()))
    }
}

/// Makes a token, and tells it with its hash.
///
/// # Errors
/// When this machine gives no random numbers.
pub fn create() -> Result<(Secret, String), String> {
    let mut bytes = [0; BYTES];
    random(&mut bytes)?;
    let token = format!("{PREFIX}{}", hex(&bytes));
    let hash = hex(&Sha256::digest(token.as_bytes()));
    Ok((Secret::new(token), hash))
}

fn hash_of(text: &str) -> Result<[u8; HASH_BYTES], String> {
    let text = text.trim();
    let why = || {
        "is no SHA-256 in 64 hexadecimal digits: `dogwatch token create` makes a token and prints its hash".to_owned()
    };
    if text.len() != 2 * HASH_BYTES || !text.is_ascii() {
        return Err(why());
    }
    let mut hash = [0; HASH_BYTES];
    for (i, byte) in hash.iter_mut().enumerate() {
        let digits = text.get(2 * i..2 * i + 2).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        *byte = digits.and_then(|d| u8::from_str_radix(d, 16).ok()).ok_or_else(why)?;
    }
    Ok(hash)
}

fn read(file: &Path) -> Result<Vec<[u8; HASH_BYTES]>, String> {
    let told = |why: String| format!("{}: {why}", file.display());
    let unreadable = |e: std::io::Error| secret::unreadable(file, &e);
    let size = std::fs::metadata(file).map_err(unreadable)?.len();
    if size > FILE_MAX {
        return Err(told(format!("is larger than {} KiB, and no file of hashes", FILE_MAX >> 10)));
    }
    let content = std::fs::read_to_string(file).map_err(unreadable)?;
    let lines = content.lines().enumerate().filter(|(_, l)| !l.trim().is_empty() && !l.trim_start().starts_with('#'));
    let hashes: Vec<_> = lines
        .map(|(i, line)| hash_of(line).map_err(|why| told(format!("line {}: {why}", i + 1))))
        .collect::<Result<_, _>>()?;
    if hashes.is_empty() { Err(told("there is no hash in it".into())) } else { Ok(hashes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::caller::Need;

    fn token(name: &str, scopes: &[Scope], hash: &str) -> TokenConfig {
        TokenConfig { name: name.into(), scopes: scopes.into(), hash: Some(Secret::new(hash)), hash_file: None }
    }

    #[test]
    fn a_token_is_known_by_its_hash_alone() {
        let (grafana, hash) = create().unwrap();
        let (old, old_hash) = create().unwrap();
        let (new, new_hash) = create().unwrap();
        assert!(grafana.reveal() != old.reveal() && grafana.reveal().starts_with(PREFIX) && hash.len() == 64);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("hashes");
        std::fs::write(&file, format!("# changed in May\n{old_hash}\n\n{}\n", new_hash.to_uppercase())).unwrap();
        let ci = TokenConfig { hash: None, hash_file: Some(file), ..token("ci", &[Scope::Write, Scope::Ping], "") };
        let tokens = Tokens::new(&[token("grafana", &[Scope::Read], &hash), ci]).unwrap();
        let found = tokens.find(grafana.reveal()).unwrap();
        assert!(found.name == "grafana" && found.may(Need::Read) && !found.may(Need::Operate));
        for rotated in [&old, &new] {
            let found = tokens.find(rotated.reveal()).unwrap();
            assert!(found.name == "ci" && found.may(Need::Operate) && found.may_ping() && !found.may(Need::Read));
        }
        for guess in ["", "dogwatch_", &hash, &grafana.reveal()[1..], &format!("{} ", grafana.reveal())] {
            assert_eq!(tokens.find(guess), None, "{guess}");
        }
        assert!(!format!("{tokens:?}").contains(&hash) && !tokens.is_empty());
    }

    #[test]
    fn what_is_wrong_with_tokens_is_told_without_showing_it() {
        let hash = "ab".repeat(32);
        let check = |tokens: &[TokenConfig], at: &str, words: &str| {
            let found = Tokens::new(tokens).unwrap_err();
            assert!(found[0].0 == at && found[0].1.contains(words), "{found:?}");
            assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
        };
        let read = [Scope::Read];
        for bad in ["hunter2", "", &hash[1..], &format!("{}+1", &hash[2..]), &"ä".repeat(32)] {
            check(&[token("a", &read, bad)], "tokens[0].hash", "is no SHA-256");
        }
        check(&[token("", &read, &hash)], "tokens[0].name", "a name of its own");
        check(&[token("a", &[], &hash)], "tokens[0].scopes", "for nothing");
        check(&[token("a", &read, &hash), token("a", &read, &hash)], "tokens[1].name", "a name of its own");
        check(&[token("a", &read, &hash), token("b", &read, &hash)], "tokens[1].hash", "the same hash");
        let none = TokenConfig { hash: None, ..token("a", &read, "") };
        check(std::slice::from_ref(&none), "tokens[0].hash", "either hash or hash_file");
        let file = TokenConfig { hash_file: Some("/nonexistent/hashes".into()), ..none };
        check(&[file], "tokens[0].hash_file", "there is no such file below /");
    }
}

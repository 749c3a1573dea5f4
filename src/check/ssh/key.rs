//! Host keys and the signatures that prove them: Ed25519 (RFC 8709), ECDSA (RFC 5656) and RSA with SHA-2 (RFC 8332). Pure.

use p521::ecdsa::signature::Verifier;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512,
    RsaPublicKeyComponents, UnparsedPublicKey,
};

use super::{KeyType, packet::Reader};

/// Kinds of signatures that we can verify, best first, and whose they are.
pub(super) const ALGORITHMS: &[(&str, KeyType)] = &[
    ("ssh-ed25519", KeyType::Ed25519),
    ("ecdsa-sha2-nistp256", KeyType::Ecdsa),
    ("ecdsa-sha2-nistp384", KeyType::Ecdsa),
    ("ecdsa-sha2-nistp521", KeyType::Ecdsa),
    ("rsa-sha2-512", KeyType::Rsa),
    ("rsa-sha2-256", KeyType::Rsa),
];

/// Returns whether a signature over `message` is the key's, and both are of the kind that was agreed on.
pub(super) fn verifies(algorithm: &str, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    is_signed(algorithm, key, message, signature).unwrap_or(false)
}

/// `None`: one of them is not what it should be.
fn is_signed(algorithm: &str, key: &[u8], message: &[u8], signature: &[u8]) -> Option<bool> {
    let (mut key, mut signature) = (Reader(key), Reader(signature));
    let (kind, signed_by) = (key.bytes()?, signature.bytes()?);
    let signature = signature.bytes()?;
    let kind_of_key = if algorithm.starts_with("rsa-") { "ssh-rsa" } else { algorithm };
    if kind != kind_of_key.as_bytes() || signed_by != algorithm.as_bytes() {
        return None;
    }
    Some(match algorithm {
        "ssh-ed25519" => UnparsedPublicKey::new(&ED25519, key.bytes()?).verify(message, signature).is_ok(),
        "rsa-sha2-256" | "rsa-sha2-512" => {
            let (e, n) = (number(key.bytes()?), number(key.bytes()?));
            let with = match algorithm {
                "rsa-sha2-256" => &RSA_PKCS1_2048_8192_SHA256,
                _ => &RSA_PKCS1_2048_8192_SHA512,
            };
            // A signature may come without its leading zeros; the modulus says how long it is.
            let signature = padded(signature, n.len())?;
            RsaPublicKeyComponents { n, e }.verify(with, message, &signature).is_ok()
        }
        _ => {
            key.bytes()?;
            let point = key.bytes()?;
            let mut both = Reader(signature);
            let (r, s) = (both.bytes()?, both.bytes()?);
            let fixed = |size: usize| Some([padded(number(r), size)?, padded(number(s), size)?].concat());
            match algorithm {
                "ecdsa-sha2-nistp256" => {
                    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, &fixed(32)?).is_ok()
                }
                "ecdsa-sha2-nistp384" => {
                    UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).verify(message, &fixed(48)?).is_ok()
                }
                _ => {
                    let key = p521::ecdsa::VerifyingKey::from_sec1_bytes(point).ok()?;
                    let signature = p521::ecdsa::Signature::from_slice(&fixed(66)?).ok()?;
                    key.verify(message, &signature).is_ok()
                }
            }
        }
    })
}

/// A number without the zeros before it.
fn number(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len());
    bytes.get(start..).unwrap_or_default()
}

/// The same with zeros before it; `None`: it is longer.
fn padded(bytes: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut all = vec![0; size.checked_sub(bytes.len())?];
    all.extend(bytes);
    Some(all)
}

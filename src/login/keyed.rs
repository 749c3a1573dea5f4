//! Digests by a key that is drawn at each start: what bears one was made here, since then, and for what it says.

use std::sync::OnceLock;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::random;
use crate::model::text::hex;

/// Bytes of the key.
const KEY_BYTES: usize = 32;

static KEY: OnceLock<Option<[u8; KEY_BYTES]>> = OnceLock::new();

/// The digest of these parts, in 64 hexadecimal digits; `None` where this machine gives no random numbers. The first part says
/// what it is for.
pub(super) fn digest(parts: &[&str]) -> Option<String> {
    let key = KEY.get_or_init(|| {
        let mut key = [0; KEY_BYTES];
        random(&mut key).is_ok().then_some(key)
    });
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_ref()?).ok()?;
    for part in parts {
        mac.update(&part.len().to_be_bytes());
        mac.update(part.as_bytes());
    }
    Some(hex(&mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_kept_apart() {
        let one = digest(&["form", "ada", ""]).unwrap();
        assert_eq!((one.len(), digest(&["form", "ada", ""]).unwrap()), (64, one.clone()));
        for other in [&["form", "ad", "a"][..], &["form", "ada"], &["login", "ada", ""], &["formada", ""]] {
            assert_ne!(digest(other).unwrap(), one, "{other:?}");
        }
    }
}

//! What was judged lately: the same bytes from the same place get the same verdict, until a date in them passes. Signatures
//! of a handshake are never among it: that the other side has its key is proved each time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustls::pki_types::{CertificateDer, ServerName};
use sha2::{Digest, Sha256};

use super::endpoint::Endpoint;
use crate::model::CertificateFact;

/// So many verdicts are kept: 5,000 kubelets and some room, half a kilobyte each. Past it all are found out anew.
const MAX: usize = 8192;
/// A verdict is found out anew after this, whatever it depends on.
const FOR: Duration = Duration::from_secs(3600);

/// What there is to say of a chain, and by which error it is refused where it has to verify.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    pub(super) seen: Seen,
    pub(super) refusal: Option<rustls::Error>,
}

/// What a handshake showed.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// The chain as presented.
    pub(super) chain: Arc<[CertificateFact]>,
    /// Who vouches for it, or would if it had not ended.
    pub(super) anchor: Option<CertificateFact>,
    /// Whether it verified.
    pub(super) verified: bool,
    /// Why not, in words.
    pub(super) problem: Option<String>,
    /// What our TLS library would have to know to judge it.
    pub(super) lacking: Option<String>,
}

/// Names what was judged.
pub(super) type Key = [u8; 32];

/// Returns the name of a chain that a place presents, where one of some names is wanted.
pub(super) fn key(
    endpoint: &Endpoint,
    names: &[ServerName<'static>],
    leaf: &CertificateDer<'_>,
    others: &[CertificateDer<'_>],
) -> Key {
    let mut hash = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    add(endpoint.to_string().as_bytes());
    names.iter().for_each(|name| add(name.to_str().as_bytes()));
    add(leaf);
    others.iter().for_each(|der| add(der));
    hash.finalize().into()
}

/// Keeps verdicts. Times are Unix seconds.
#[derive(Debug)]
pub(super) struct Known<V>(Mutex<HashMap<Key, Kept<V>>>);

#[derive(Debug)]
struct Kept<V> {
    from: u64,
    until: u64,
    verdict: V,
}

impl<V> Default for Known<V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<V: Clone> Known<V> {
    /// Returns a verdict that is still good.
    pub(super) fn get(&self, key: &Key, now: u64) -> Option<V> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).filter(|kept| kept.from <= now && now < kept.until).map(|kept| kept.verdict.clone())
    }

    /// Keeps a verdict until the next of the dates that it depends on.
    pub(super) fn put(&self, key: Key, now: u64, dates: impl Iterator<Item = u64>, verdict: V) {
        let until = dates.filter(|at| *at > now).min().unwrap_or(u64::MAX).min(now.saturating_add(FOR.as_secs()));
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX {
            known.clear();
        }
        known.insert(key, Kept { from: now, until, verdict });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_good_until_a_date_passes() {
        let known = Known::default();
        let check = |dates: &[u64], good: &[u64], bad: &[u64]| {
            known.put([7; 32], 1000, dates.iter().copied(), "fine");
            good.iter().for_each(|at| assert_eq!(known.get(&[7; 32], *at), Some("fine"), "{dates:?} at {at}"));
            bad.iter().for_each(|at| assert_eq!(known.get(&[7; 32], *at), None, "{dates:?} at {at}"));
        };
        check(&[], &[1000, 4599], &[999, 4600]);
        check(&[10, 1000, 1500, 9000], &[1000, 1499], &[1500]);
        assert_eq!(known.get(&[8; 32], 1000), None);
    }

    #[test]
    fn what_is_asked_and_what_is_presented_are_the_name() {
        let endpoint = |host: &str| Endpoint { tls: true, host: host.into(), port: 1 };
        let name = |text: &str| vec![ServerName::try_from(text.to_owned()).unwrap()];
        let der = |bytes: &[u8]| CertificateDer::from(bytes.to_vec());
        let of = |host, text, leaf: &[u8], other: &[u8]| key(&endpoint(host), &name(text), &der(leaf), &[der(other)]);
        let one = of("a", "a", b"leaf", b"ca");
        assert_eq!(one, of("a", "a", b"leaf", b"ca"));
        for other in [
            of("b", "a", b"leaf", b"ca"),
            of("a", "b", b"leaf", b"ca"),
            of("a", "a", b"lea", b"fca"),
            of("a", "a", b"leaf", b"cb"),
        ] {
            assert_ne!(one, other);
        }
    }
}

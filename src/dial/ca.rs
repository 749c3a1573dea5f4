//! Whom we trust, as Go's `x509` has it: a certificate that is itself in the pool is trusted, only one that may sign
//! vouches for others, and no CA vouches for anybody before it begins or after it has ended.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use rustls::{
    CertificateError, RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier, verify_server_name},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use x509_parser::prelude::{FromDer, X509Certificate, X509Version};

use super::{
    algorithms::{self, provider},
    certificate,
    known::{Judged, Known},
    kubeconfig::{Stamp, stamp},
    pem,
};
use crate::model::CertificateFact;

/// So many certificates of a bundle are read, several times what distributions ship: each handshake looks through them.
const BUNDLE_MAX: usize = 1024;
/// So many CAs of the name that a chain asks for are tried one by one.
const ISSUING_MAX: usize = 64;

/// The certificates that a server's certificate is judged by.
#[derive(Clone, Debug)]
pub(super) struct Ca {
    /// All together; `None`: there are none.
    verifier: Option<Arc<WebPkiServerVerifier>>,
    /// One by one; none of this machine's own CAs, which are others' care.
    anchors: Arc<[Anchor]>,
    /// In words: "the kubeconfig's CA".
    name: Arc<str>,
    /// Chains that were judged by them.
    known: Arc<Known<Judged>>,
}

#[derive(Debug)]
struct Anchor {
    der: CertificateDer<'static>,
    fact: CertificateFact,
    /// It vouches for others, and not only for itself.
    signs: bool,
}

impl Anchor {
    fn of(der: &CertificateDer<'static>) -> Option<Self> {
        let fact = certificate::facts([der], "ca").pop()?;
        Some(Self { der: der.clone(), fact, signs: may_sign(der) })
    }

    fn in_force(&self, now: Timestamp) -> bool {
        self.fact.not_before <= now && now <= self.fact.not_after
    }
}

/// Says why a chain can't be trusted.
#[derive(Debug)]
pub(super) enum Distrust {
    /// There is no CA to check against.
    NoCa,
    /// The CA that signed it has ended, or has not begun.
    CaNotInForce(CertificateFact),
    /// As rustls has it.
    Tls(rustls::Error),
}

/// Files and their stamps, as they were when something was read of them.
type Stamps = Vec<(PathBuf, Stamp)>;

/// Returns where this machine's CAs lie, and how that is now: the file and the folders of `$SSL_CERT_FILE` and
/// `$SSL_CERT_DIR`, or those of the distribution, by the same look-up as whoever reads them.
pub(super) fn system_stamps() -> Stamps {
    let found = openssl_probe::probe();
    let places = found.cert_file.into_iter().chain(found.cert_dir);
    places.map(|path| (path.clone(), stamp(&path))).collect()
}

/// A CA that is read again when one of its files has changed: it takes tens of milliseconds.
struct Kept(Mutex<Option<(Stamps, Ca)>>);

impl Kept {
    fn get(&self, now: Stamps, load: impl FnOnce() -> Ca) -> Ca {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some((then, ca)) if *then == now => ca.clone(),
            _ => kept.insert((now, load())).1.clone(),
        }
    }
}

impl Ca {
    /// From PEM; `name` says in words whose CA it is. What can't be parsed is passed over, as long as there is something.
    ///
    /// # Errors
    /// When nothing can be used; the message does not name the file.
    pub(super) fn from_pem(text: &[u8], name: &str) -> Result<Self, String> {
        let certificates = pem::certificates(text);
        if certificates.len() > BUNDLE_MAX {
            let (held, read) = (certificates.len(), BUNDLE_MAX);
            tracing::warn!(held, read, "{name} holds more certificates than are read: the last ones are not trusted");
        }
        let anchors: Arc<[Anchor]> = certificates.iter().take(BUNDLE_MAX).filter_map(Anchor::of).collect();
        if anchors.is_empty() {
            return Err("it holds no certificate that can be used".to_owned());
        }
        Ok(Self { verifier: by(&anchors, |_| true), anchors, name: name.into(), known: Arc::default() })
    }

    /// Returns the certificates that this machine trusts, as they lie on its disk now; perhaps none, then nothing
    /// verifies.
    pub(super) fn system() -> Self {
        static SYSTEM: Kept = Kept(Mutex::new(None));
        SYSTEM.get(system_stamps(), || {
            let now = Timestamp::now();
            let in_force = |der: &CertificateDer<'static>| Anchor::of(der).is_some_and(|a| a.signs && a.in_force(now));
            let mut roots = RootCertStore::empty();
            roots
                .add_parsable_certificates(rustls_native_certs::load_native_certs().certs.into_iter().filter(in_force));
            let name = "a CA that this machine trusts".into();
            Self { verifier: verifier(roots), anchors: Arc::default(), name, known: Arc::default() }
        })
    }

    /// In words.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Returns what our TLS library would have to know to check what one of the CAs signed.
    pub(super) fn lacking(&self) -> Option<String> {
        self.anchors.iter().find_map(|a| algorithms::lacking(&a.der))
    }

    /// Returns the chains that were judged lately.
    pub(super) fn known(&self) -> &Known<Judged> {
        &self.known
    }

    /// Returns what is known of each of them; nothing of this machine's own.
    pub(super) fn facts(&self) -> impl Iterator<Item = &CertificateFact> {
        self.anchors.iter().map(|a| &a.fact)
    }

    /// Returns the CA that lasts longest; `None` where this machine's own are trusted.
    pub(super) fn lasting(&self) -> Option<&CertificateFact> {
        self.facts().max_by_key(|f| f.not_after)
    }

    /// Returns the chain verifies for any of the names; gives the CA that vouches for it, the one that lasts longest
    /// where several do, and none where that is this machine's.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        names: &[ServerName<'static>],
        now: UnixTime,
    ) -> Result<Option<CertificateFact>, Distrust> {
        if self.anchors.iter().any(|a| a.der == *leaf) {
            return itself(leaf, names, now).map(|()| None).map_err(Distrust::Tls);
        }
        let Some(all) = self.verifier.as_ref() else {
            // Where there are only certificates that vouch for themselves, this one is a stranger.
            let unknown = Distrust::Tls(CertificateError::UnknownIssuer.into());
            return Err(if self.anchors.is_empty() { Distrust::NoCa } else { unknown });
        };
        let at = Timestamp::from_second(i64::try_from(now.as_secs()).unwrap_or(i64::MAX)).unwrap_or(Timestamp::MAX);
        if self.anchors.iter().all(|a| a.in_force(at)) {
            verify(all, leaf, others, names, now).map_err(|e| Distrust::Tls(for_itself(e, leaf)))?;
            return Ok(self.anchor(leaf, others, names, now, (true, |_: &Anchor| true)));
        }
        let unknown = || Err(CertificateError::UnknownIssuer.into());
        let judged = self.only(|a| a.in_force(at)).map_or_else(unknown, |v| verify(&v, leaf, others, names, now));
        match judged {
            Ok(()) => Ok(self.anchor(leaf, others, names, now, (true, |a: &Anchor| a.in_force(at)))),
            Err(e) => match self.anchor(leaf, others, names, now, (false, |a: &Anchor| !a.in_force(at))) {
                Some(ended) => Err(Distrust::CaNotInForce(ended)),
                None => Err(Distrust::Tls(for_itself(e, leaf))),
            },
        }
    }

    /// A verifier by some of the CAs.
    fn only(&self, wanted: impl Fn(&Anchor) -> bool) -> Option<Arc<WebPkiServerVerifier>> {
        by(&self.anchors, wanted)
    }

    /// Which of the wanted CAs vouches for a chain, the dates of CAs apart; that one of them does may be known already.
    fn anchor(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        names: &[ServerName<'static>],
        now: UnixTime,
        (verified, wanted): (bool, impl Fn(&Anchor) -> bool),
    ) -> Option<CertificateFact> {
        let chain = certificate::facts(std::iter::once(leaf).chain(others), "serving");
        let issues = |a: &&Anchor| a.signs && wanted(a) && chain.iter().any(|c| c.issuer == a.fact.subject);
        let vouches = |a: &&&Anchor| {
            let alone = self.only(|other| other.der == a.der);
            alone.is_some_and(|v| verify(&v, leaf, others, names, now).is_ok())
        };
        let issuing: Vec<&Anchor> = self.anchors.iter().filter(issues).take(ISSUING_MAX).collect();
        let vouching = issuing.iter().filter(|a| (verified && issuing.len() == 1) || vouches(a));
        vouching.map(|a| a.fact.clone()).max_by_key(|f| f.not_after)
    }
}

/// A verifier by those of the wanted certificates that may sign; `None` where there are none.
fn by(anchors: &[Anchor], wanted: impl Fn(&Anchor) -> bool) -> Option<Arc<WebPkiServerVerifier>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(anchors.iter().filter(|a| a.signs && wanted(a)).map(|a| a.der.clone()));
    verifier(roots)
}

/// Whether a certificate vouches for others, which webpki asks of no anchor: Go takes none of version 3 that is no CA, or
/// whose key usage leaves out certificates (`x509.Certificate.CheckSignatureFrom`). Who pins a server's certificate does
/// not let that server speak for all others.
fn may_sign(der: &CertificateDer<'_>) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return false };
    if certificate.version() != X509Version::V3 {
        return true;
    }
    let is_ca = certificate.basic_constraints().is_ok_and(|found| found.is_some_and(|b| b.value.ca));
    is_ca && certificate.key_usage().is_ok_and(|found| found.is_none_or(|u| u.value.key_cert_sign()))
}

fn verifier(roots: RootCertStore) -> Option<Arc<WebPkiServerVerifier>> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build().ok()
}

/// One of the names fits; where none does, the first one's error.
fn verify(
    verifier: &WebPkiServerVerifier,
    leaf: &CertificateDer<'_>,
    others: &[CertificateDer<'_>],
    names: &[ServerName<'static>],
    now: UnixTime,
) -> Result<(), rustls::Error> {
    any_name(names, |name| verifier.verify_server_cert(leaf, others, name, &[], now).map(|_| ()))
}

/// webpki takes no CA's certificate as a server's own. One that only vouches for itself is of an unknown issuer, before all.
fn for_itself(error: rustls::Error, leaf: &CertificateDer<'_>) -> rustls::Error {
    let other = matches!(error, rustls::Error::InvalidCertificate(CertificateError::Other(_)));
    let issues_itself = || certificate::facts([leaf], "serving").first().is_some_and(|c| c.subject == c.issuer);
    if other && issues_itself() { CertificateError::UnknownIssuer.into() } else { error }
}

fn any_name(
    names: &[ServerName<'static>],
    check: impl Fn(&ServerName<'static>) -> Result<(), rustls::Error>,
) -> Result<(), rustls::Error> {
    let mut first = None;
    for name in names {
        match check(name) {
            Err(e) if is_name(&e) => _ = first.get_or_insert(e),
            result => return result,
        }
    }
    Err(first.unwrap_or(CertificateError::NotValidForName.into()))
}

fn is_name(error: &rustls::Error) -> bool {
    use CertificateError as C;
    matches!(error, rustls::Error::InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. }))
}

/// A certificate that is trusted as such: its dates, names and purpose are all that is left to check.
fn itself(leaf: &CertificateDer<'_>, names: &[ServerName<'static>], now: UnixTime) -> Result<(), rustls::Error> {
    let (_, certificate) = X509Certificate::from_der(leaf).map_err(|_| CertificateError::BadEncoding)?;
    let (from, until) = (certificate.validity().not_before.timestamp(), certificate.validity().not_after.timestamp());
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if seconds < from {
        return Err(CertificateError::NotValidYet.into());
    }
    if seconds > until {
        return Err(CertificateError::Expired.into());
    }
    if let Ok(Some(usage)) = certificate.extended_key_usage()
        && !(usage.value.any || usage.value.server_auth)
    {
        return Err(CertificateError::InvalidPurpose.into());
    }
    let parsed = ParsedCertificate::try_from(leaf)?;
    any_name(names, |name| verify_server_name(&parsed, name))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn what_the_machine_trusts_is_read_again_when_its_files_change() {
        let dir = tempfile::tempdir().unwrap();
        let bundle = dir.path().join("ca-certificates.crt");
        let (kept, reads) = (Kept(Mutex::new(None)), Cell::new(0));
        let get = || {
            kept.get(vec![(bundle.clone(), stamp(&bundle))], || {
                reads.set(reads.get() + 1);
                let name = format!("read {}", reads.get()).into();
                Ca { verifier: None, anchors: Arc::default(), name, known: Arc::default() }
            })
        };
        assert_eq!((get().name(), get().name()), ("read 1", "read 1"), "no such file");
        std::fs::write(&bundle, "one").unwrap();
        assert_eq!((get().name(), get().name()), ("read 2", "read 2"));
        std::fs::write(&bundle, "another one").unwrap();
        assert_eq!((get().name(), get().name()), ("read 3", "read 3"));
    }
}

//! The same at every address of a name, judged together: a resolver gives one user this address, and another one that.

use std::net::SocketAddr;

use jiff::Timestamp;
use tokio::time::{Duration, timeout};

use super::{
    condition::{Condition, Seen},
    found::Found,
    prober::{Asking, Prober},
};
use crate::{
    dial::Place,
    model::{CertificateFact, Failure, Reason},
};

/// What one address gave: the first certificate that it showed, if any.
type Asked = (SocketAddr, Result<Option<CertificateFact>, Failure>);

/// A check that can be made at one address of its host.
pub(super) trait AtAddress: Prober + Sized {
    /// Returns the same at that address; its certificate is still that of the host.
    fn at_address(&self, address: SocketAddr, host: &str) -> Self;
}

/// Asks every address, each with its share of the time.
pub(super) fn address<'a>(check: &'a impl AtAddress, place: Place, found: &'a mut Found) -> Asking<'a> {
    Box::pin(async move {
        let addresses = found.line.resolve(&place).await?;
        let mut all: Vec<Asked> = Vec::new();
        for (i, address) in addresses.iter().enumerate() {
            let one = check.at_address(*address, &place.host);
            found.line.anew();
            found.seen = Seen::default();
            found.line.note(format_args!("asking {address}"));
            let share = found.line.left() / u32::try_from(addresses.len() - i).unwrap_or(1);
            let asked = timeout(share, one.probe(found)).await;
            let late = || {
                Failure::new(Reason::Timeout, format!("{address} gave no whole answer within its share of the time"))
            };
            let asked = asked.unwrap_or_else(|_| Err(late())).and_then(|()| {
                let of_one = |c: &&Condition| !["time", "certificates"].contains(&c.about());
                found.judge(one.conditions().into_iter().filter(of_one), Duration::ZERO, Timestamp::now())
            });
            let leaf = found.line.tls().and_then(|tls| tls.chain.first().cloned());
            if let Err(failure) = &asked {
                found.line.note(&failure.message);
            }
            all.push((*address, asked.map(|()| leaf)));
        }
        let certificates = certificates(&all);
        if let Some(words) = differ(&certificates) {
            found.line.note(words);
        }
        let count = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
        found.measure("probe_ip_addresses", count(all.len()));
        if !certificates.is_empty() {
            found.measure("probe_tls_certificates", count(certificates.len()));
            found.seen.number("certificates", count(certificates.len()));
        }
        judge(&all, &place)
    })
}

/// The different ones, each with the first address that shows it.
fn certificates(all: &[Asked]) -> Vec<(SocketAddr, &CertificateFact)> {
    let mut found: Vec<(SocketAddr, &CertificateFact)> = Vec::new();
    for (address, seen) in all {
        if let Ok(Some(certificate)) = seen
            && !found.iter().any(|(_, known)| *known == certificate)
        {
            found.push((*address, certificate));
        }
    }
    found
}

fn differ(certificates: &[(SocketAddr, &CertificateFact)]) -> Option<String> {
    let each: Vec<String> =
        certificates.iter().map(|(at, c)| format!("{}: {} until {}", at.ip(), c.subject, c.not_after)).collect();
    (each.len() > 1).then(|| format!("the certificates of its addresses differ ({})", each.join("; ")))
}

/// One address that is bad is told with the others; where all are, the first one's failure is.
fn judge(all: &[Asked], place: &Place) -> Result<(), Failure> {
    let bad: Vec<(SocketAddr, &Failure)> =
        all.iter().filter_map(|(at, seen)| Some((*at, seen.as_ref().err()?))).collect();
    let Some((_, first)) = bad.first() else { return Ok(()) };
    if bad.len() == all.len() {
        return Err((*first).clone());
    }
    let is_bad = |at: &SocketAddr| bad.iter().any(|(b, _)| b == at);
    let by_version = all.iter().all(|(at, _)| is_bad(at) == at.is_ipv6());
    let each: Vec<String> = bad.iter().map(|(at, failure)| format!("{} ({})", at.ip(), failure.message)).collect();
    let each = each.join(", ");
    let words = match by_version {
        true => format!("the IPv6 of {place} is bad, its IPv4 is good: {each}"),
        false => format!("{} of {} addresses of {place} are bad: {each}", bad.len(), all.len()),
    };
    Err(Failure::new(first.reason, words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(until: &str) -> CertificateFact {
        let (subject, issuer, source) = ("CN=a".to_owned(), "CN=ca".to_owned(), "serving".to_owned());
        let not_before = "2026-01-01T00:00:00Z".parse().unwrap();
        CertificateFact { subject, issuer, source, not_before, not_after: until.parse().unwrap() }
    }

    fn seen(all: &[(&str, Option<&str>)]) -> Vec<Asked> {
        let refused = || Failure::new(Reason::Refused, "connection refused");
        let one = |(at, until): &(&str, Option<&str>)| {
            (format!("{at}:443").parse().unwrap(), until.map(|until| Some(certificate(until))).ok_or_else(refused))
        };
        all.iter().map(one).collect()
    }

    #[test]
    fn a_bad_address_is_told_among_the_good_ones() {
        let (old, new) = ("2026-12-01T00:00:00Z", "2027-03-01T00:00:00Z");
        let place = Place { host: "vpn.test".into(), port: 443 };
        let said = |all: &[(&str, Option<&str>)]| judge(&seen(all), &place).err().map(|f| f.to_string());
        assert_eq!(said(&[("10.0.0.1", Some(old)), ("10.0.0.2", Some(old))]), None);
        assert_eq!(said(&[("10.0.0.1", None), ("10.0.0.2", None)]).as_deref(), Some("connection refused (refused)"));
        let words = "1 of 2 addresses of vpn.test:443 are bad: 10.0.0.2 (connection refused) (refused)";
        assert_eq!(said(&[("10.0.0.1", Some(old)), ("10.0.0.2", None)]).as_deref(), Some(words));
        let words = "the IPv6 of vpn.test:443 is bad, its IPv4 is good: fd00::1 (connection refused) (refused)";
        assert_eq!(said(&[("[fd00::1]", None), ("10.0.0.2", Some(old))]).as_deref(), Some(words));
        let all =
            seen(&[("10.0.0.1", Some(old)), ("10.0.0.2", Some(new)), ("10.0.0.3", Some(old)), ("10.0.0.4", None)]);
        let words = "the certificates of its addresses differ (10.0.0.1: CN=a until 2026-12-01T00:00:00Z; 10.0.0.2: CN=a until 2027-03-01T00:00:00Z)";
        assert_eq!(differ(&certificates(&all)).as_deref(), Some(words));
        assert_eq!(differ(&certificates(&all[..1])), None);
    }
}

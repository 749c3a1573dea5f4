//! What an answer wants us to do next: go to another place, or come again later. Pure.
//!
//! As client-go does it: Go's `http.Client` follows up to ten redirects of a `GET`, and `rest.Request` asks again up to
//! ten times where a 429 says when (`Retry-After` in seconds). Unlike client-go, which sends its token to whatever host a
//! redirect names, nobody else is ever asked: our credentials are for this host.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{
    Method,
    header::{LOCATION, RETRY_AFTER},
};
use url::Url;

use super::{Answer, Ask, Trust};

/// Redirects followed in one exchange, and waits for a server that throttles.
pub(super) const TIMES_MAX: u32 = 10;
/// A server that says "at once" is not asked any sooner.
const WAIT_MIN: Duration = Duration::from_millis(250);
/// A part of a path longer than this, in bytes, may be a token.
const SEGMENT_MAX: usize = 32;
/// A path is told up to this, in characters.
const PATH_MAX: usize = 60;

/// The time for which servers that throttle have asked an exchange to wait, told while it waits.
#[derive(Clone, Debug, Default)]
pub struct Throttled(Arc<AtomicU64>);

impl Throttled {
    /// Returns it.
    pub fn waits(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }

    /// Adds a wait that begins.
    pub(super) fn add(&self, wait: Duration) {
        self.0.fetch_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// Says what to do after an answer: take it, or ask again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// This is the answer.
    Done,
    /// It has moved, on the same host.
    There(Url),
    /// It sends us to somebody else, where we don't go.
    Elsewhere,
    /// It throttles us: ask again after so long.
    Later(Duration),
}

/// Returns what the answer to a request for `from` wants.
pub(super) fn next(ask: &Ask, from: &Url, answer: &Answer) -> Next {
    if ask.method != Method::GET {
        return Next::Done;
    }
    match answer.status {
        301 | 302 | 303 | 307 | 308 => match target(from, answer) {
            Some(to) if is_same_host(ask.trust, from, &to) => Next::There(to),
            Some(_) => Next::Elsewhere,
            None => Next::Done,
        },
        429 => answer.retry_after().map_or(Next::Done, |wait| Next::Later(wait.max(WAIT_MIN))),
        _ => Next::Done,
    }
}

fn target(from: &Url, answer: &Answer) -> Option<Url> {
    let mut to = from.join(answer.headers.get(LOCATION)?.to_str().ok()?).ok()?;
    to.set_fragment(None);
    Some(to)
}

/// The same host, never by plain HTTP where it was TLS. Another port of it only where the certificate of the other one is
/// held against the same authority and names.
fn is_same_host(trust: Trust, from: &Url, to: &Url) -> bool {
    let scheme = to.scheme() == from.scheme() || (from.scheme(), to.scheme()) == ("http", "https");
    let port = trust == Trust::Cluster || to.port_or_known_default() == from.port_or_known_default();
    scheme && port && to.host().is_some() && to.host() == from.host()
}

impl Answer {
    /// Returns what a 429 or 503 says of when to come again (RFC 9110, section 10.2.3); only seconds, as in client-go.
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse::<u32>().ok()?;
        Some(Duration::from_secs(seconds.into()))
    }

    /// Returns where a redirect leads, for people: no user, no query, no part of a path that may be a secret. `None`:
    /// it is none.
    pub fn leads_to(&self) -> Option<String> {
        if !matches!(self.status, 300..=399) {
            return None;
        }
        let text = self.headers.get(LOCATION)?.to_str().ok()?;
        Some(match Url::parse(text) {
            Ok(url) => spoken(&url),
            // Relative: only a path can be told of it.
            Err(_) => path(text.split(['?', '#']).next().unwrap_or_default()),
        })
    }
}

/// Returns a URL without what may be secret in it.
pub(super) fn spoken(url: &Url) -> String {
    let port = url.port().map(|p| format!(":{p}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), path(url.path()))
}

fn path(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').map(|part| if part.len() > SEGMENT_MAX { "…" } else { part }).collect();
    let text = parts.join("/");
    match text.char_indices().nth(PATH_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::*;
    use crate::dial::Auth;

    fn answer(status: u16, header: HeaderName, value: &'static str) -> Answer {
        let headers = HeaderMap::from_iter([(header, HeaderValue::from_static(value))]);
        Answer { status, headers, body: Bytes::new(), cut: false }
    }

    #[track_caller]
    fn check(trust: Trust, status: u16, location: &'static str, expected: Next) {
        let from = Url::parse("https://10.0.0.1:6443/livez?verbose").unwrap();
        let ask = Ask::get(from.clone(), trust, Auth::Cluster);
        assert_eq!(next(&ask, &from, &answer(status, LOCATION, location)), expected, "{status} {location}");
    }

    fn there(url: &str) -> Next {
        Next::There(Url::parse(url).unwrap())
    }

    #[test]
    fn redirects_on_the_same_host_are_followed() {
        for status in [301, 302, 303, 307, 308] {
            check(Trust::Cluster, status, "/real/livez?verbose", there("https://10.0.0.1:6443/real/livez?verbose"));
        }
        check(Trust::Cluster, 302, "readyz#x", there("https://10.0.0.1:6443/readyz"));
        check(Trust::Cluster, 302, "https://10.0.0.1:6443/a", there("https://10.0.0.1:6443/a"));
        check(Trust::Cluster, 302, "//10.0.0.1/a", there("https://10.0.0.1/a"));
        check(Trust::Cluster, 304, "/a", Next::Done);
        check(Trust::Cluster, 302, "https://[", Next::Done);
    }

    #[test]
    fn nobody_else_is_asked() {
        check(Trust::Cluster, 302, "https://login.example.org/?rd=x", Next::Elsewhere);
        check(Trust::Cluster, 302, "http://10.0.0.1:6443/a", Next::Elsewhere);
        check(Trust::Cluster, 302, "https://10.0.0.1.example.org:6443/a", Next::Elsewhere);
        check(Trust::Cluster, 302, "https://10.0.0.1:6443@evil.example.org/a", Next::Elsewhere);
        check(Trust::Cluster, 302, "mailto:a@10.0.0.1", Next::Elsewhere);
        // A kubelet's certificate is not verified: what else listens on its host gets nothing.
        check(Trust::Observe, 302, "https://10.0.0.1:8443/a", Next::Elsewhere);
        check(Trust::Observe, 302, "/a", there("https://10.0.0.1:6443/a"));
    }

    #[test]
    fn what_changes_something_is_not_sent_twice() {
        let from = Url::parse("https://10.0.0.1:2379/v3/maintenance/status").unwrap();
        let ask = Ask { method: Method::POST, ..Ask::get(from.clone(), Trust::Etcd, Auth::Etcd) };
        assert_eq!(next(&ask, &from, &answer(307, LOCATION, "/a")), Next::Done);
        assert_eq!(next(&ask, &from, &answer(429, RETRY_AFTER, "1")), Next::Done);
    }

    #[test]
    fn a_server_that_throttles_says_when() {
        let check = |status, value, expected| {
            let from = Url::parse("https://10.0.0.1:6443/livez").unwrap();
            let ask = Ask::get(from.clone(), Trust::Cluster, Auth::Cluster);
            assert_eq!(next(&ask, &from, &answer(status, RETRY_AFTER, value)), expected, "{status} {value}");
        };
        check(429, "1", Next::Later(Duration::from_secs(1)));
        check(429, "0", Next::Later(WAIT_MIN));
        check(429, "Fri, 31 Dec 1999 23:59:59 GMT", Next::Done);
        check(429, "-1", Next::Done);
        // What is broken is told, not waited for.
        check(503, "1", Next::Done);
    }

    #[test]
    fn places_are_told_without_secrets() {
        let check = |location, expected: &str| {
            assert_eq!(answer(302, LOCATION, location).leads_to().as_deref(), Some(expected));
        };
        check(
            "https://u:secret@login.example.org:8443/oauth2/start?rd=secret#secret",
            "https://login.example.org:8443/oauth2/start",
        );
        check("/login?token=secret", "/login");
        check("https://a.example.org/join/eyJhbGciOiJSUzI1NiIsImtpZCI6InNlY3JldA/x", "https://a.example.org/join/…/x");
        assert_eq!(answer(200, LOCATION, "/a").leads_to(), None);
    }
}

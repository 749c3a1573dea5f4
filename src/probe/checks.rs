//! Kubernetes' health pages: `[+]name ok`, `[-]name failed: reason withheld`, and everything that is not that. Pure.
//!
//! Sources: k8s.io/apiserver/pkg/server/healthz (ends with `livez check passed`); etcd 3.5.11+ answers `/livez` and
//! `/readyz` in the same format (ends with `ok`; a failed page ends with its last line).

use super::{
    body_text::quote,
    lines,
    origin::{foreign, is_foreign},
};
use crate::{
    dial::Answer,
    model::{CheckLine, Failure, Reason},
};

/// Says what an answer to a health page amounts to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    /// 200 with a whole page on which nothing fails.
    Healthy(Vec<CheckLine>),
    /// A page that says that something fails, and mostly what.
    Unhealthy(Vec<CheckLine>),
    /// 404: this version has no such page.
    Absent,
    /// 401 or 403.
    Refused(Failure),
    /// 429: it lives, and has no time for us.
    Throttled(Failure),
    /// Somebody else answers in its place.
    Foreign(Failure),
    /// Anything else.
    Odd(Failure),
}

impl Page {
    /// Returns its check lines.
    pub fn lines(&self) -> &[CheckLine] {
        match self {
            Page::Healthy(lines) | Page::Unhealthy(lines) => lines,
            Page::Absent | Page::Refused(_) | Page::Throttled(_) | Page::Foreign(_) | Page::Odd(_) => &[],
        }
    }
}

/// Failing checks named in a message; the others are counted.
const NAMED: usize = 5;

/// Reads the answer of page `name` (`livez`, …).
pub fn read(name: &str, answer: &Answer) -> Page {
    let body = String::from_utf8_lossy(&answer.body);
    let lines = lines::read(name, &body);
    let odd = |reason, message: String| Page::Odd(Failure::new(reason, message));
    let refused = |message: String| Page::Refused(Failure::new(Reason::Auth, message));
    match answer.status {
        // A server that says 200 and lists a failed check means the check.
        200 if lines.iter().any(|l| !l.ok) => Page::Unhealthy(lines),
        200 if !answer.cut && is_whole(&body) => Page::Healthy(lines),
        _ if is_foreign(answer) && answer.status >= 500 => Page::Odd(foreign(name, answer)),
        _ if is_foreign(answer) => Page::Foreign(foreign(name, answer)),
        200 if answer.cut || !lines.is_empty() => {
            odd(Reason::Body, format!("/{name} answered 200, but broke off after {} checks", lines.len()))
        }
        200 if body.trim().is_empty() => odd(Reason::Body, format!("/{name} answered 200 with an empty body")),
        200 => odd(Reason::Body, format!("/{name} answered 200, but not as a health page does: {}", quote(&body))),
        401 => refused(format!("/{name} answered 401: our credentials are not accepted")),
        403 => refused(format!(
            "/{name} answered 403: RBAC does not let us `get` the nonResourceURL /{name} ({})",
            quote(&body)
        )),
        404 => Page::Absent,
        429 => Page::Throttled(throttled(name, answer)),
        // Where the failed line itself was lost, the page still says that something fails.
        500.. if !lines.is_empty() => Page::Unhealthy(lines),
        status => odd(Reason::HttpStatus, format!("/{name} answered HTTP {status}: {}", quote(&body))),
    }
}

/// Says that the server has no time for us.
pub fn throttled(name: &str, answer: &Answer) -> Failure {
    let wait = answer.retry_after().map(|w| format!(", for {} s", w.as_secs())).unwrap_or_default();
    let said = quote(&String::from_utf8_lossy(&answer.body));
    Failure::new(Reason::Throttled, format!("it lives, but throttles us{wait}: /{name} answered HTTP 429 {said}"))
}

/// Ends as a page without failures does.
fn is_whole(body: &str) -> bool {
    let last = body.trim_end().lines().next_back().unwrap_or_default().trim();
    last == "ok" || last.ends_with(" check passed")
}

/// Returns `etcd, informer-sync`: the names of the failing checks.
pub fn failing(lines: &[CheckLine]) -> String {
    let names: Vec<&str> = lines.iter().filter(|l| !l.ok).map(|l| l.name.as_str()).collect();
    match names.len() {
        0 => "a check that the answer does not name".into(),
        n if n > NAMED => format!("{} and {} more", names[..NAMED].join(", "), n - NAMED),
        _ => names.join(", "),
    }
}

#[cfg(test)]
mod tests;

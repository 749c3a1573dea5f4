//! Kubernetes' verbose health pages: `[+]name ok`, `[-]name failed: reason withheld`, and everything that is not that.
//!
//! Source: k8s.io/apiserver/pkg/server/healthz; etcd 3.5.11+ answers `/livez` and `/readyz` in the same format. Pure.

use crate::{
    dial::Answer,
    model::{CheckLine, Failure, Reason},
};

/// What an answer to a health page amounts to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    /// 200 with a page as it should be.
    Healthy(Vec<CheckLine>),
    /// A page that says which checks fail.
    Unhealthy(Vec<CheckLine>),
    /// 404: this version has no such page.
    Absent,
    /// 401 or 403.
    Refused(Failure),
    /// Anything else.
    Odd(Failure),
}

/// A body is quoted no longer than this, in characters.
const QUOTE: usize = 80;

/// Reads the answer of page `name` (`livez`, …).
pub fn read(name: &str, answer: &Answer) -> Page {
    let body = String::from_utf8_lossy(&answer.body);
    let lines = lines(name, &body);
    match answer.status {
        200 if !lines.is_empty() || is_ok(&body) => match lines.iter().any(|l| !l.ok) {
            // A server that says 200 and lists a failed check means the check.
            true => Page::Unhealthy(lines),
            false => Page::Healthy(lines),
        },
        200 if body.trim().is_empty() => odd(Reason::Body, format!("/{name} answered 200 with an empty body")),
        200 => odd(Reason::Body, format!("/{name} answered 200, but not as a health page does: {}", quote(&body))),
        401 => refused(401, "our credentials are not accepted (401)"),
        403 => refused(403, &format!("our credentials may not read /{name} (403): RBAC lacks `get` on it")),
        404 => Page::Absent,
        _ if lines.iter().any(|l| !l.ok) => Page::Unhealthy(lines),
        status => odd(Reason::HttpStatus, format!("/{name} answered HTTP {status}: {}", quote(&body))),
    }
}

fn odd(reason: Reason, message: String) -> Page {
    Page::Odd(Failure::new(reason, message))
}

fn refused(_status: u16, message: &str) -> Page {
    Page::Refused(Failure::new(Reason::Auth, message))
}

fn is_ok(body: &str) -> bool {
    let text = body.trim();
    text == "ok" || text.ends_with("check passed")
}

fn quote(body: &str) -> String {
    let text: String = body.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(QUOTE) {
        Some((at, _)) => format!("{:?}…", &text[..at]),
        None => format!("{text:?}"),
    }
}

/// Every check line of a body; a body that is cut loses its first or last line, never the others.
pub fn lines(page: &str, body: &str) -> Vec<CheckLine> {
    body.lines().filter_map(|line| self::line(page, line.trim_end())).collect()
}

fn line(page: &str, line: &str) -> Option<CheckLine> {
    let (ok, rest) = match (line.strip_prefix("[+]"), line.strip_prefix("[-]")) {
        (Some(rest), _) => (true, rest),
        (_, Some(rest)) => (false, rest),
        _ => return None,
    };
    // `[+]etcd ok`, `[+]etcd excluded: ok`, `[-]etcd failed: reason withheld`
    let (name, said) = rest.split_once(' ')?;
    let complete = if ok { said.ends_with("ok") } else { said.starts_with("failed") };
    if name.is_empty() || !complete {
        return None;
    }
    let message = if ok { String::new() } else { said.trim_start_matches("failed").trim_start_matches(": ").into() };
    Some(CheckLine { page: page.into(), name: name.into(), ok, message })
}

/// `etcd, informer-sync`: the names of the failing checks.
pub fn failing(lines: &[CheckLine]) -> String {
    const SHOWN: usize = 5;
    let names: Vec<&str> = lines.iter().filter(|l| !l.ok).map(|l| l.name.as_str()).collect();
    match names.len() {
        n if n > SHOWN => format!("{} and {} more", names[..SHOWN].join(", "), n - SHOWN),
        _ => names.join(", "),
    }
}

//! What the answers of an API server amount to, taken together. Pure.

use std::time::Duration;

use serde::Deserialize;

use super::SLOWER;
use crate::{
    dial::{Answer, Exchange},
    model::{ApiServerFacts, CheckLine, Failure, ReadThrough, Reason},
    probe::{
        Report,
        body_text::quote,
        checks::{self, Page},
        origin,
    },
};

/// A server that has just started answers so to everybody, for some seconds: it has not read its roles yet.
const NO_ROLES: &str = "/livez and /version answered 403, though every user may read them by default: it has just started \
    and does not know its roles yet, or RBAC gives us nothing";

/// Everything that was asked.
pub struct Asked {
    /// It stands for the probe.
    pub live: Exchange,
    /// `livez`, or `healthz` before 1.16.
    pub page: &'static str,
    /// /livez?exclude=etcd, asked where /livez says no or is late.
    pub without_etcd: Option<Exchange>,
    /// /readyz.
    pub ready: Exchange,
    /// /version.
    pub version: Exchange,
    /// The read through to etcd; `None`: no answer to it, while everything else had one.
    pub read: Option<Exchange>,
    /// The time that all of it took.
    pub waited: Duration,
}

/// Returns how long the fastest of these took that was answered: what the way there and back costs, where it needs no
/// etcd. Nothing, where none was.
pub fn line<'a>(exchanges: impl IntoIterator<Item = Option<&'a Exchange>>) -> Duration {
    exchanges.into_iter().flatten().filter(|e| e.outcome.is_ok()).map(|e| e.duration).min().unwrap_or_default()
}

/// An answer to `/name`, held against what an API server says.
fn page(name: &str, answer: &Answer) -> Page {
    match checks::read(name, answer) {
        own @ (Page::Healthy(_) | Page::Unhealthy(_) | Page::Absent | Page::Foreign(_)) => own,
        own if origin::is_api_server(answer) => own,
        // A kubelet may say `Unauthorized` and no more; an API server never does.
        Page::Odd(failure) if answer.status >= 500 => Page::Odd(failure),
        _ => Page::Foreign(origin::foreign(name, answer)),
    }
}

impl Asked {
    /// Returns all but the one that stands for the probe.
    pub fn others(&self) -> impl Iterator<Item = &Exchange> {
        [&self.ready, &self.version].into_iter().chain(&self.read).chain(&self.without_etcd)
    }

    /// Returns whether an API server has answered, whatever it said.
    pub fn is_api_server(&self) -> bool {
        let is_own = |e: &Exchange| e.outcome.as_ref().is_ok_and(origin::is_api_server);
        is_own(&self.live) || self.others().any(is_own) || self.version().is_some()
    }

    /// Returns the verdict of all together; fills in the facts.
    pub fn judge(&self, facts: &mut ApiServerFacts, report: &mut Report) -> Option<Failure> {
        let live = self.live.outcome.as_ref().map(|a| page(self.page, a));
        let ready = self.ready.outcome.as_ref().map(|a| page("readyz", a));
        for page in [&live, &ready].into_iter().flatten() {
            report.add_checks(page.lines());
        }
        if let (false, Ok(live)) = (report.answered, &live) {
            return Some(self.nobody_of_ours(live));
        }
        if let Ok(page @ (Page::Healthy(_) | Page::Unhealthy(_))) = &ready {
            facts.ready = Some(matches!(page, Page::Healthy(_)));
            facts.draining = page.lines().iter().any(|l| !l.ok && l.name == "shutdown");
        }
        facts.draining |= self.others().any(|e| e.outcome.as_ref().is_ok_and(origin::shuts_down));
        match &live {
            Ok(Page::Healthy(_)) => facts.live = Some(true),
            Ok(Page::Unhealthy(lines)) => return Some(self.sick(lines, facts)),
            Ok(Page::Refused(_)) if self.forbids_everything() => return Some(Failure::new(Reason::Auth, NO_ROLES)),
            Ok(Page::Refused(failure) | Page::Throttled(failure) | Page::Odd(failure)) => return Some(failure.clone()),
            Ok(Page::Foreign(failure)) => {
                return Some(Failure::new(Reason::Foreign, format!("{}; other pages are its own", failure.message)));
            }
            Ok(Page::Absent) => return Some(body("it has neither /livez nor /healthz: this is no API server")),
            Err(failure) => return Some(self.unanswered(failure, facts)),
        }
        self.judge_ready(&ready, facts).or_else(|| self.judge_credentials()).or_else(|| {
            // A draining server may fail its reads: it is going away anyway.
            if facts.draining { None } else { self.judge_read(facts) }
        })
    }

    /// There are answers, and none of them is an API server's.
    fn nobody_of_ours(&self, live: &Page) -> Failure {
        match (live, &self.live.outcome) {
            (Page::Foreign(failure) | Page::Odd(failure), _) => failure.clone(),
            (_, Ok(answer)) => origin::foreign(self.page, answer),
            (_, Err(failure)) => failure.clone(),
        }
    }

    /// What every user may read is forbidden too.
    fn forbids_everything(&self) -> bool {
        let forbidden = |e: &Exchange| e.outcome.as_ref().is_ok_and(|a| a.status == 403);
        [&self.live, &self.version].into_iter().all(forbidden)
    }

    /// /livez says no.
    fn sick(&self, lines: &[CheckLine], facts: &mut ApiServerFacts) -> Failure {
        facts.live = Some(false);
        facts.etcd_only = match self.without_etcd_status() {
            // Where the failed line was lost, the page without etcd tells.
            Some(200) => only_etcd(lines) || lines.iter().all(|l| l.ok),
            Some(500..) => false,
            _ => only_etcd(lines),
        };
        match facts.etcd_only {
            true => degraded("/livez fails on etcd only; the server itself is fine"),
            false => degraded(format!("/{} fails: {}", self.page, checks::failing(lines))),
        }
    }

    /// /livez gave no answer.
    fn unanswered(&self, failure: &Failure, facts: &mut ApiServerFacts) -> Failure {
        let is_silence = failure.reason == Reason::Timeout;
        let line = line(self.others().map(Some));
        if is_silence && self.is_quick_without_etcd() {
            (facts.live, facts.etcd_only) = (Some(false), true);
            return degraded(
                "/livez waits for etcd and gives no answer in time; without it, the server itself is fine",
            );
        }
        // Nothing answers: silent, or refused.
        if line.is_zero() {
            return failure.clone();
        }
        if is_silence && line * SLOWER > self.live.duration {
            facts.slow = true;
            return slow(line, &failure.message);
        }
        match is_silence {
            true => degraded(format!("/{} hangs while other pages answer: {}", self.page, failure.message)),
            false => Failure::new(failure.reason, format!("{}, while other pages answer", failure.message)),
        }
    }

    fn without_etcd_status(&self) -> Option<u16> {
        self.without_etcd.as_ref()?.outcome.as_ref().ok().map(|a| a.status)
    }

    /// Without etcd's check /livez is there at once: it is not the line that is slow.
    fn is_quick_without_etcd(&self) -> bool {
        self.without_etcd_status() == Some(200)
            && self.without_etcd.as_ref().is_some_and(|e| e.duration * SLOWER <= self.live.duration)
    }

    fn judge_ready(&self, ready: &Result<Page, &Failure>, facts: &mut ApiServerFacts) -> Option<Failure> {
        match ready {
            Ok(Page::Unhealthy(_)) if facts.draining => None,
            Ok(Page::Unhealthy(lines)) => {
                facts.etcd_only = only_etcd(lines);
                Some(degraded(format!("it lives, but is not ready: {}", checks::failing(lines))))
            }
            Ok(Page::Refused(failure) | Page::Throttled(failure) | Page::Foreign(failure) | Page::Odd(failure)) => {
                Some(failure.clone())
            }
            Ok(Page::Healthy(_) | Page::Absent) => None,
            Err(failure) if failure.reason == Reason::Timeout && self.line() * SLOWER > self.ready.duration => {
                facts.slow = true;
                Some(slow(self.line(), &failure.message))
            }
            // It answers, so that this is no silence.
            Err(failure) => Some(degraded(format!("/livez is fine, but /readyz is not: {}", failure.message))),
        }
    }

    /// Health pages are often open to everybody: that our credentials are refused shows elsewhere.
    fn judge_credentials(&self) -> Option<Failure> {
        let refused = |e: &Exchange| e.outcome.as_ref().is_ok_and(|a| a.status == 401 && origin::is_api_server(a));
        let words = "our credentials are not accepted (401); the API server itself is fine";
        let mut asked = [&self.version].into_iter().chain(&self.read);
        asked.any(refused).then(|| Failure::new(Reason::Auth, words))
    }

    /// What the fastest page takes.
    fn line(&self) -> Duration {
        line([Some(&self.version), self.without_etcd.as_ref(), Some(&self.live)])
    }

    /// Returns what the read tells of etcd; `None` where it tells nothing: a slow line, or somebody else's answer.
    pub fn etcd_read(&self) -> Option<ReadThrough> {
        let late = || (self.line() * SLOWER <= self.waited).then_some(ReadThrough::Timeout);
        match self.read.as_ref().map(|e| &e.outcome) {
            None => late(),
            Some(Err(failure)) if failure.reason == Reason::Timeout => late(),
            // It broke off without an answer.
            Some(Err(_)) => Some(ReadThrough::Failed(0)),
            Some(Ok(answer)) if answer.status < 500 && !origin::is_api_server(answer) => None,
            Some(Ok(answer)) if answer.status == 200 => Some(ReadThrough::Ok),
            Some(Ok(answer)) => Some(ReadThrough::Failed(answer.status)),
        }
    }

    fn judge_read(&self, facts: &ApiServerFacts) -> Option<Failure> {
        let words = "its health pages are fine, but a read through to etcd";
        let answer = || self.read.as_ref()?.outcome.as_ref().ok();
        match facts.etcd_read {
            // Without the right to read (403) nothing is known of etcd from here, which is no fault of the server.
            None | Some(ReadThrough::Ok | ReadThrough::Failed(401 | 403 | 404)) => None,
            Some(ReadThrough::Failed(429)) => answer().map(|a| checks::throttled("api/v1/namespaces/default", a)),
            Some(ReadThrough::Timeout) => {
                Some(degraded(format!("{words} gave no answer within {} s", self.waited.as_secs())))
            }
            Some(ReadThrough::Failed(status)) => {
                let why = match self.read.as_ref().map(|e| &e.outcome) {
                    Some(Ok(answer)) => {
                        format!("failed with HTTP {status}: {}", quote(&String::from_utf8_lossy(&answer.body)))
                    }
                    Some(Err(failure)) => format!("failed: {}", failure.message),
                    None => "failed".into(),
                };
                Some(degraded(format!("{words} {why}")))
            }
        }
    }

    /// Returns what /version tells.
    pub fn version(&self) -> Option<String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Version {
            git_version: String,
        }
        /// Longer, in bytes, is no version.
        const MAX: usize = 64;
        let answer = self.version.outcome.as_ref().ok().filter(|a| a.status == 200)?;
        serde_json::from_slice::<Version>(&answer.body).ok().map(|v| v.git_version).filter(|v| v.len() <= MAX)
    }
}

/// The line, or all of the server: no part of it is to blame.
fn slow(line: Duration, why: &str) -> Failure {
    degraded(format!("all that it answers is slow ({:.1} s at best): {why}", line.as_secs_f64()))
}

fn degraded(message: impl AsRef<str>) -> Failure {
    Failure::new(Reason::Degraded, message)
}

fn body(message: &str) -> Failure {
    Failure::new(Reason::Body, message)
}

/// `etcd`, `etcd-readiness` (1.28+), and `etcd-override-…` of resources with an etcd of their own.
fn only_etcd(lines: &[CheckLine]) -> bool {
    let is_etcd = |l: &CheckLine| l.name == "etcd" || l.name.starts_with("etcd-");
    let mut failing = lines.iter().filter(|l| !l.ok).peekable();
    failing.peek().is_some() && failing.all(is_etcd)
}

//! kube-apiserver: /livez, /readyz, /version, and a read that goes through to etcd, at once and each on a connection of
//! its own, since accepting connections is part of health.
//!
//! Told apart: a server that is sick, one that is fine while its etcd is not, one that drains (no outage), and one that
//! lives and refuses our credentials. Source: kubernetes.io "API health endpoints"; in 1.20 /livez waits 2 s for an etcd
//! without quorum before it says `[-]etcd failed`, and /livez?exclude=etcd answers at once.

use std::{pin::pin, time::Duration};

use serde::Deserialize;
use tokio::time::{Instant, timeout};
use url::Url;

use super::{
    Probe, Report, at,
    checks::{self, Page},
};
use crate::{
    dial::{Ask, Auth, Exchange, Trust},
    model::{ApiServerFacts, CheckLine, Facts, Failure, ReadThrough, Reason},
};

/// The read's own deadline: with a healthy etcd it takes milliseconds, without quorum 7 to 14 s.
const READ_LIMIT: Duration = Duration::from_secs(2);
/// Read without `resourceVersion`, so that it must go through to etcd; every cluster has it.
const READ_PATH: &str = "/api/v1/namespaces/default";
/// A /livez later than this probably waits for etcd: asked without etcd's check beside it, the answer is there in time.
const LATE: Duration = Duration::from_secs(1);

/// A server that has just started answers so to everybody, for some seconds: it has not read its roles yet.
const NO_ROLES: &str = "/livez and /version answered 403, though every user may read them by default: it has just started \
    and does not know its roles yet, or RBAC gives us nothing";

/// Everything that was asked.
struct Asked {
    live: Exchange,
    /// `livez`, or `healthz` before 1.16.
    page: &'static str,
    /// /livez?exclude=etcd, asked where /livez says no or is late.
    without_etcd: Option<Exchange>,
    ready: Exchange,
    version: Exchange,
    read: Exchange,
}

/// See the module.
pub async fn probe(p: Probe<'_>, base: &Url) -> Report {
    let (live, ready, version, read) = tokio::join!(
        live(p, base),
        get(p, base, "/readyz?verbose", p.deadline),
        get(p, base, "/version", p.deadline),
        get(p, base, READ_PATH, Instant::now() + READ_LIMIT),
    );
    let (live, page, without_etcd) = live;
    let asked = Asked { live, page, without_etcd, ready, version, read };
    let mut report = Report::new(&asked.live);
    for exchange in asked.others() {
        report.follow(exchange);
    }
    let version = version_of(&asked.version);
    let speaks = |e: &Exchange| e.outcome.as_ref().is_ok_and(checks::speaks_kubernetes);
    report.answered = speaks(&asked.live) || asked.others().any(speaks) || version.is_some();
    let mut facts = ApiServerFacts { version, ..Default::default() };
    if report.answered {
        facts.etcd_read = Some(read_of(&asked.read));
    }
    report.failure = asked.judge(&mut facts, &mut report);
    report.facts = Facts::ApiServer(facts);
    report
}

async fn get(p: Probe<'_>, base: &Url, path: &str, deadline: Instant) -> Exchange {
    p.ask(Ask::get(at(base, path), Trust::Cluster, Auth::Cluster), deadline).await
}

/// /livez (or what was before it), and beside or after it the same without etcd's check.
async fn live(p: Probe<'_>, base: &Url) -> (Exchange, &'static str, Option<Exchange>) {
    let without_etcd = || get(p, base, "/livez?exclude=etcd", p.deadline);
    let mut asking = pin!(get(p, base, "/livez?verbose", p.deadline));
    let live = match timeout(LATE, &mut asking).await {
        Ok(live) => live,
        Err(_) => {
            let (live, without) = tokio::join!(asking, without_etcd());
            return (live, "livez", Some(without));
        }
    };
    match live.outcome.as_ref().map(|a| a.status) {
        Ok(500..) => (live, "livez", Some(without_etcd().await)),
        // Before 1.16 there is only /healthz.
        Ok(404) => (get(p, base, "/healthz?verbose", p.deadline).await, "healthz", None),
        _ => (live, "livez", None),
    }
}

impl Asked {
    /// All but the one that stands for the probe.
    fn others(&self) -> impl Iterator<Item = &Exchange> {
        [&self.ready, &self.version, &self.read].into_iter().chain(&self.without_etcd)
    }

    /// The verdict of all together; fills in the facts.
    fn judge(&self, facts: &mut ApiServerFacts, report: &mut Report) -> Option<Failure> {
        let live = self.live.outcome.as_ref().map(|a| checks::read(self.page, a));
        let ready = self.ready.outcome.as_ref().map(|a| checks::read("readyz", a));
        for page in [&live, &ready].into_iter().flatten() {
            report.add_checks(page.lines());
        }
        if let Ok(page @ (Page::Healthy(_) | Page::Unhealthy(_))) = &ready {
            facts.ready = Some(matches!(page, Page::Healthy(_)));
            facts.draining = page.lines().iter().any(|l| !l.ok && l.name == "shutdown");
        }
        match &live {
            Ok(Page::Healthy(_)) => facts.live = Some(true),
            Ok(Page::Unhealthy(lines)) => return Some(self.sick(lines, facts)),
            Ok(Page::Refused(_)) if self.forbids_everything() => return Some(Failure::new(Reason::Auth, NO_ROLES)),
            Ok(Page::Refused(failure) | Page::Odd(failure)) => return Some(failure.clone()),
            Ok(Page::Absent) => return Some(body("it has neither /livez nor /healthz: this is no API server")),
            Err(failure) => return Some(self.unanswered(failure, facts, report.answered)),
        }
        self.judge_ready(&ready, facts).or_else(|| self.judge_credentials()).or_else(|| {
            // A draining server may fail its reads: it is going away anyway.
            if facts.draining { None } else { self.judge_read(facts.etcd_read) }
        })
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
    fn unanswered(&self, failure: &Failure, facts: &mut ApiServerFacts, answered: bool) -> Failure {
        if failure.reason == Reason::Timeout && self.without_etcd_status() == Some(200) {
            (facts.live, facts.etcd_only) = (Some(false), true);
            return degraded(
                "/livez waits for etcd and gives no answer in time; without it, the server itself is fine",
            );
        }
        match answered {
            true => Failure::new(failure.reason, format!("{}, while other pages answer", failure.message)),
            false => failure.clone(),
        }
    }

    fn without_etcd_status(&self) -> Option<u16> {
        self.without_etcd.as_ref()?.outcome.as_ref().ok().map(|a| a.status)
    }

    fn judge_ready(&self, ready: &Result<Page, &Failure>, facts: &mut ApiServerFacts) -> Option<Failure> {
        match ready {
            Ok(Page::Unhealthy(_)) if facts.draining => None,
            Ok(Page::Unhealthy(lines)) => {
                facts.etcd_only = only_etcd(lines);
                Some(degraded(format!("it lives, but is not ready: {}", checks::failing(lines))))
            }
            Ok(Page::Refused(failure) | Page::Odd(failure)) => Some(failure.clone()),
            Ok(Page::Healthy(_) | Page::Absent) => None,
            // It answers, so that this is no silence.
            Err(failure) => Some(degraded(format!("/livez is fine, but /readyz is not: {}", failure.message))),
        }
    }

    /// Health pages are often open to everybody: that our credentials are refused shows elsewhere.
    fn judge_credentials(&self) -> Option<Failure> {
        let refused = |e: &Exchange| e.outcome.as_ref().is_ok_and(|a| a.status == 401);
        let words = "our credentials are not accepted (401); the API server itself is fine";
        [&self.version, &self.read].into_iter().any(refused).then(|| Failure::new(Reason::Auth, words))
    }

    fn judge_read(&self, read: Option<ReadThrough>) -> Option<Failure> {
        let words = "its health pages are fine, but a read through to etcd";
        match read {
            // Without the right to read (403) nothing is known of etcd from here, which is no fault of the server.
            None | Some(ReadThrough::Ok | ReadThrough::Failed(401 | 403 | 404)) => None,
            Some(ReadThrough::Timeout) => {
                Some(degraded(format!("{words} gave no answer within {} s", READ_LIMIT.as_secs())))
            }
            Some(ReadThrough::Failed(status)) => {
                let why = match &self.read.outcome {
                    Ok(answer) => {
                        format!("failed with HTTP {status}: {}", checks::quote(&String::from_utf8_lossy(&answer.body)))
                    }
                    Err(failure) => format!("failed: {}", failure.message),
                };
                Some(degraded(format!("{words} {why}")))
            }
        }
    }
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

/// A read that broke off without an answer has status 0.
fn read_of(read: &Exchange) -> ReadThrough {
    match &read.outcome {
        Ok(answer) if answer.status == 200 => ReadThrough::Ok,
        Ok(answer) => ReadThrough::Failed(answer.status),
        Err(failure) if failure.reason == Reason::Timeout => ReadThrough::Timeout,
        Err(_) => ReadThrough::Failed(0),
    }
}

fn version_of(exchange: &Exchange) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Version {
        git_version: String,
    }
    /// Longer, in bytes, is no version.
    const MAX: usize = 64;
    let answer = exchange.outcome.as_ref().ok().filter(|a| a.status == 200)?;
    serde_json::from_slice::<Version>(&answer.body).ok().map(|v| v.git_version).filter(|v| v.len() <= MAX)
}

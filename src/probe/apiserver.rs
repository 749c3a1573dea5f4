//! kube-apiserver: /livez, /readyz, /version, and a read that goes through to etcd, at once and each on a connection of
//! its own, since accepting connections is part of health.
//!
//! Sources: kubernetes.io "API health endpoints"; in 1.20 /livez waits 2 s for etcd before it says `[-]etcd failed`.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use super::{
    Probe, Report, at,
    checks::{self, Page},
};
use crate::{
    dial::{Ask, Auth, Exchange, Trust},
    model::{ApiServerFacts, CheckLine, Facts, Failure, ReadThrough, Reason},
};

/// The read's own deadline: with a healthy etcd it takes milliseconds, without quorum 14 s.
const READ_LIMIT: Duration = Duration::from_secs(2);
/// Read without `resourceVersion`, so that it must go through to etcd; every cluster has it.
const READ_PATH: &str = "/api/v1/namespaces/default";

/// See the module.
pub async fn probe(p: Probe<'_>, base: &Url) -> Report {
    let get = |path: &str, deadline: Instant| {
        p.dialer.exchange(Ask::get(at(base, path), Trust::Cluster, Auth::Cluster), deadline)
    };
    let read_deadline = p.deadline.min(Instant::now() + READ_LIMIT);
    let (live, ready, version, read) = tokio::join!(
        get("/livez?verbose", p.deadline),
        get("/readyz?verbose", p.deadline),
        get("/version", p.deadline),
        get(READ_PATH, read_deadline),
    );
    let mut report = Report::new(&live);
    let live = match live.outcome {
        Err(failure) => return report.fail(failure),
        Ok(answer) => answer,
    };
    for exchange in [&ready, &version, &read] {
        report.follow(exchange);
    }
    report.answered = true;
    let mut page = checks::read("livez", &live);
    if page == Page::Absent {
        // Before 1.16 there is only /healthz.
        let old = get("/healthz?verbose", p.deadline).await;
        report.follow(&old);
        page = match old.outcome {
            Ok(answer) => checks::read("healthz", &answer),
            Err(failure) => Page::Odd(failure),
        };
    }
    let ready_page = ready.outcome.as_ref().map(|answer| checks::read("readyz", answer));
    let mut facts =
        ApiServerFacts { version: version_of(&version), etcd_read: Some(read_of(&read)), ..Default::default() };
    let failure = judge(&page, &ready_page, &read, &mut facts);
    for lines in [lines_of(&page), ready_page.as_ref().map(lines_of).unwrap_or_default()] {
        report.add_checks(lines.to_vec());
    }
    if facts.live == Some(false) && !facts.etcd_only && Instant::now() < p.deadline {
        let without = get("/livez?exclude=etcd", p.deadline).await;
        report.follow(&without);
        facts.etcd_only = without.outcome.is_ok_and(|a| a.status == 200) && only_etcd(lines_of(&page));
    }
    report.answered = !matches!(&page, Page::Odd(f) if f.reason == Reason::Body);
    report.facts = Facts::ApiServer(facts);
    report.failure = failure;
    report
}

fn lines_of(page: &Page) -> &[CheckLine] {
    match page {
        Page::Healthy(lines) | Page::Unhealthy(lines) => lines,
        _ => &[],
    }
}

fn is_etcd(name: &str) -> bool {
    name == "etcd" || name == "etcd-readiness" || name.starts_with("etcd-override")
}

fn only_etcd(lines: &[CheckLine]) -> bool {
    let mut failing = lines.iter().filter(|l| !l.ok).peekable();
    failing.peek().is_some() && failing.all(|l| is_etcd(&l.name))
}

/// The verdict of the pages and the read together; fills in the facts.
fn judge(live: &Page, ready: &Result<Page, &Failure>, read: &Exchange, facts: &mut ApiServerFacts) -> Option<Failure> {
    match live {
        Page::Healthy(_) => facts.live = Some(true),
        Page::Unhealthy(lines) => {
            facts.live = Some(false);
            facts.etcd_only = only_etcd(lines);
            let message = match facts.etcd_only {
                true => "/livez fails on etcd only: the server itself is fine".to_string(),
                false => format!("/livez fails: {}", checks::failing(lines)),
            };
            return Some(Failure::new(Reason::Degraded, message));
        }
        Page::Refused(failure) | Page::Odd(failure) => return Some(failure.clone()),
        Page::Absent => {
            return Some(Failure::new(Reason::Body, "has neither /livez nor /healthz: this is no API server"));
        }
    }
    match ready {
        Ok(Page::Unhealthy(lines)) => {
            facts.ready = Some(false);
            facts.draining = lines.iter().any(|l| !l.ok && l.name == "shutdown");
            facts.etcd_only = only_etcd(lines);
            if !facts.draining {
                return Some(Failure::new(
                    Reason::Degraded,
                    format!("it lives, but is not ready: {}", checks::failing(lines)),
                ));
            }
        }
        Ok(Page::Healthy(_)) => facts.ready = Some(true),
        Ok(Page::Refused(failure) | Page::Odd(failure)) => return Some(failure.clone()),
        Ok(Page::Absent) => {}
        Err(failure) => {
            return Some(Failure::new(failure.reason, format!("/livez is fine, but /readyz: {}", failure.message)));
        }
    }
    if facts.draining { None } else { judge_read(read, facts) }
}

fn judge_read(read: &Exchange, facts: &ApiServerFacts) -> Option<Failure> {
    let words = "its health pages are fine, but a read through to etcd";
    match facts.etcd_read {
        Some(ReadThrough::Failed(401)) => {
            Some(Failure::new(Reason::Auth, "our credentials are not accepted (401): the API server itself is fine"))
        }
        // Without that right nothing is known of etcd from here, which is no fault of the server.
        Some(ReadThrough::Ok | ReadThrough::Failed(403 | 404)) | None => None,
        Some(ReadThrough::Timeout) => {
            Some(Failure::new(Reason::Degraded, format!("{words} took over {} s", READ_LIMIT.as_secs())))
        }
        Some(ReadThrough::Failed(0)) => {
            let why = read.outcome.as_ref().err().map(|f| f.message.clone()).unwrap_or_default();
            Some(Failure::new(Reason::Degraded, format!("{words} broke off: {why}")))
        }
        Some(ReadThrough::Failed(status)) => {
            Some(Failure::new(Reason::Degraded, format!("{words} failed with HTTP {status}")))
        }
    }
}

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
    /// Longer is no version.
    const MAX: usize = 64;
    let answer = exchange.outcome.as_ref().ok().filter(|a| a.status == 200)?;
    serde_json::from_slice::<Version>(&answer.body).ok().map(|v| v.git_version).filter(|v| v.len() <= MAX)
}

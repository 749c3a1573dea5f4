//! kube-apiserver: /livez, /readyz, /version, and a read that goes through to etcd, at once and each on a connection of
//! its own, since accepting connections is part of health.
//!
//! Told apart (in `judge`): a server that is sick, one that is fine while its etcd is not, one that drains (no outage), one
//! that lives and refuses our credentials or throttles us, one at the end of a slow line, and one behind something that
//! answers in its place. Source: kubernetes.io "API health endpoints"; in 1.20 /livez waits 2 s for an etcd without quorum
//! before it says `[-]etcd failed`, and /livez?exclude=etcd answers at once.

mod judge;

use std::{
    pin::{Pin, pin},
    time::Duration,
};

use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

use self::judge::Asked;
use super::{Probe, Report, at, origin};
use crate::{
    dial::{Ask, Auth, Exchange, Throttled, Trust},
    model::{ApiServerFacts, Facts},
};

/// The time that the server itself is given for the read: with a healthy etcd it takes milliseconds, without quorum 7 to
/// 14 s. It ends the read by its own clock, so that a slow line does not count (`timeout=`, since 1.20).
const READ_LIMIT: Duration = Duration::from_secs(2);
/// The server's own word, that the read took too long, is waited for so much longer.
const READ_GRACE: Duration = Duration::from_millis(250);
/// Read without `resourceVersion`, so that it must go through to etcd; every cluster has it.
const READ_PATH: &str = "/api/v1/namespaces/default?timeout=2s";
/// A /livez later than this probably waits for etcd: asked without etcd's check beside it, the answer is there in time.
const LATE: Duration = Duration::from_secs(1);
/// What takes so many times longer than what needs no etcd is not late for the line's sake.
const SLOWER: u32 = 3;

/// Probes an API server: its health checks, its version, and a read through to etcd.
pub async fn probe(p: Probe<'_>, base: &Url) -> Report {
    let ask = Ask::get(at(base, READ_PATH), Trust::Cluster, Auth::Cluster);
    let throttled = ask.throttled.clone();
    let mut reading = pin!(p.ask(ask, p.deadline));
    let mut rest =
        pin!(async { tokio::join!(live(p, base), get(p, base, "/readyz?verbose"), get(p, base, "/version")) });
    let (((live, page, without_etcd), ready, version), read) = tokio::select! {
        read = &mut reading => (rest.await, Some(read)),
        rest = &mut rest => {
            let ((live, _, without), _, version) = &rest;
            let until = p.begun + patience(live, without.as_ref(), version);
            (rest, read_until(reading, until, &throttled).await)
        }
    };
    let asked = Asked { live, page, without_etcd, ready, version, read, waited: p.begun.elapsed() };
    let mut report = Report::new(&asked.live);
    for exchange in asked.others() {
        report.follow(exchange);
    }
    if asked.read.is_none() {
        report.note(asked.waited, format!("GET {READ_PATH}: no answer, while all else has one"));
    }
    let mut facts = ApiServerFacts { version: asked.version(), ..Default::default() };
    report.answered = asked.is_api_server();
    if report.answered {
        facts.etcd_read = asked.etcd_read();
    }
    report.failure = asked.judge(&mut facts, &mut report);
    report.facts = Facts::ApiServer(facts);
    report
}

/// The read, where it is there by then. That the server lets it wait for its turn (429) says nothing of etcd.
async fn read_until(
    mut reading: Pin<&mut impl Future<Output = Exchange>>,
    until: Instant,
    throttled: &Throttled,
) -> Option<Exchange> {
    loop {
        let waits = throttled.waits();
        match timeout_at(until + waits, reading.as_mut()).await {
            Ok(read) => return Some(read),
            Err(_) if throttled.waits() > waits => {}
            Err(_) => return None,
        }
    }
}

/// How long the read is waited for, from the probe's start: on a slow line everything takes its time.
fn patience(live: &Exchange, without_etcd: Option<&Exchange>, version: &Exchange) -> Duration {
    READ_LIMIT.max(judge::line([Some(version), without_etcd, Some(live)]) * SLOWER) + READ_GRACE
}

async fn get(p: Probe<'_>, base: &Url, path: &str) -> Exchange {
    p.ask(Ask::get(at(base, path), Trust::Cluster, Auth::Cluster), p.deadline).await
}

/// /livez (or what was before it), and beside or after it the same without etcd's check.
async fn live(p: Probe<'_>, base: &Url) -> (Exchange, &'static str, Option<Exchange>) {
    let without_etcd = || get(p, base, "/livez?exclude=etcd");
    let mut asking = pin!(get(p, base, "/livez?verbose"));
    let live = match timeout(LATE, &mut asking).await {
        Ok(live) => live,
        Err(_) => {
            let (live, without) = tokio::join!(asking, without_etcd());
            return (live, "livez", Some(without));
        }
    };
    match &live.outcome {
        Ok(answer) if answer.status >= 500 && origin::is_api_server(answer) => {
            (live, "livez", Some(without_etcd().await))
        }
        // Before 1.16 there is only /healthz.
        Ok(answer) if answer.status == 404 => (get(p, base, "/healthz?verbose").await, "healthz", None),
        _ => (live, "livez", None),
    }
}

//! An etcd member: with a client certificate its health, status, alarms and member list; else the metrics-only port;
//! else no more than a TLS handshake that shows that it lives.
//!
//! Sources: etcd's /health (a linearizable read since 3.4), /livez and /readyz (3.5.11+, 3.6), the gRPC gateway under
//! /v3; what 3.4.23 and 3.5.16 really answer. Just after quorum is lost, before the member has noticed, /health and every
//! linearizable question hang for 7 s while the status answers at once: that is a sick member, not a silent one.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use jiff::Timestamp;
use tokio::time::Instant;
use url::Url;

use super::{
    Probe, Report, at, body_text,
    checks::{self, Page},
    etcd_gateway as gateway, etcd_metrics as metrics,
};
use crate::{
    dial::{Ask, Auth, Exchange, Trust},
    model::{EtcdFacts, EtcdHash, EtcdVia, Facts, Failure, Reason},
};

/// For all but /health: a well member answers in milliseconds, and what hangs beyond this adds nothing to the verdict.
const FACTS_LIMIT: Duration = Duration::from_secs(2);

/// A key that nobody has to have: a read of it goes the whole way all the same. etcd's own health check asks for it too.
const READ: &str = r#"{"key":"aGVhbHRo","count_only":true}"#;
/// The same, from the member's own data.
const READ_SERIALIZABLE: &str = r#"{"key":"aGVhbHRo","count_only":true,"serializable":true}"#;
/// A hash over all keys is asked for in each quarter of an hour, with the first probe of a member in it.
const HASH_EVERY: Duration = Duration::from_secs(15 * 60);
/// A probe may come so much later than its interval says: they are spread, and start on a tick.
const HASH_SLACK: Duration = Duration::from_secs(1);
/// A larger database takes too long to hash for a question that nobody waits for.
const HASH_DB_MAX: u64 = 256 << 20;
/// Where it is not known what was compacted, each answer that says so halves what is left: so many are enough for a member
/// that keeps a thousandth of its revisions.
const HASH_TRIES: usize = 10;

/// The client port, how it is trusted and what is shown to it.
#[derive(Clone, Copy)]
struct Client<'a> {
    base: &'a Url,
    trust: Trust,
    auth: Auth,
}

/// Probes an etcd member.
pub async fn probe(p: Probe<'_>, client: &Url, metrics: Option<&Url>) -> Report {
    let open = Client { base: client, trust: Trust::Observe, auth: Auth::None };
    if client.scheme() == "http" {
        return by_client_port(p, open, metrics).await.report;
    }
    if !p.dialer.has_etcd_certificate() {
        return without_certificate(p, open, metrics).await;
    }
    let ours = Client { base: client, trust: Trust::Etcd, auth: Auth::Etcd };
    let seen = by_client_port(p, ours, metrics).await;
    if !seen.refuses_us {
        return seen.report;
    }
    let words = "it lives, but does not accept our etcd client certificate";
    if let Some(url) = metrics {
        let report = by_metrics_port(p, url).await;
        if report.answered {
            return report.because_of(&seen.report, words);
        }
    }
    lives(seen.report, words)
}

/// It lives, and we have nothing to ask it more with.
fn lives(mut report: Report, words: &str) -> Report {
    report.answered = true;
    report.facts = Facts::Etcd(Box::new(EtcdFacts::new(EtcdVia::Handshake)));
    report.fail(Reason::Auth, words);
    report
}

/// What the client port told.
struct Seen {
    report: Report,
    /// It showed a good certificate and ended the connection on ours.
    refuses_us: bool,
}

async fn by_client_port(p: Probe<'_>, client: Client<'_>, metrics_url: Option<&Url>) -> Seen {
    let soon = Instant::now() + FACTS_LIMIT;
    let ask = |path: &str| Ask::get(at(client.base, path), client.trust, client.auth);
    let post = |path: &str, body: &'static str| {
        p.ask(Ask { method: Method::POST, body: Bytes::from_static(body.as_bytes()), ..ask(path) }, soon)
    };
    let status_and_alarms = async {
        let status = post("/v3/maintenance/status", "{}").await;
        let mut known = EtcdFacts::new(EtcdVia::Client);
        ok_body(&status).inspect(|body| gateway::status(body, &mut known));
        // The list of alarms goes through raft: without a leader the question would only hang.
        let alarms = match known.has_leader {
            Some(true) => Some(post("/v3/maintenance/alarm", r#"{"action":"GET"}"#).await),
            _ => None,
        };
        (status, alarms, known)
    };
    let figures = async {
        match metrics_url {
            Some(url) => p.ask(Ask::get(at(url, "/metrics"), Trust::Observe, Auth::None), soon).await,
            None => p.ask(ask("/metrics"), soon).await,
        }
    };
    let facts = async {
        let ((status, alarms, mut known), figures) = tokio::join!(status_and_alarms, figures);
        if is_time_to_hash(p.started, p.interval) {
            known.hash = hash(p, client, &known, ok_body(&figures).and_then(metrics::compacted), soon).await;
        }
        (status, alarms, known, figures)
    };
    let (health, pages, (status, alarms, mut known, figures), members, own, agreed) = tokio::join!(
        p.ask(ask("/health"), p.deadline),
        pages(p, ask, soon),
        facts,
        // 3.5 asks its leader otherwise, and hangs where there is none; 3.4 always answers from its own knowledge.
        post("/v3/cluster/member/list", r#"{"linearizable":false}"#),
        post("/v3/kv/range", READ_SERIALIZABLE),
        post("/v3/kv/range", READ),
    );
    (known.serializable, known.linearizable) = (took(&own), took(&agreed));
    let mut report = Report::new(&health);
    for exchange in [&status, &members].into_iter().chain(&alarms) {
        report.follow(exchange);
    }
    alarms.as_ref().and_then(ok_body).inspect(|body| known.alarms = gateway::alarms(body));
    ok_body(&members).inspect(|body| known.members = gateway::members(body));
    // A port for metrics that does not answer is no fault of the member.
    ok_body(&figures).inspect(|body| metrics::beside_status(body, &mut known));
    known.name = known.members.iter().find(|m| Some(m.id) == known.member_id).map(|m| m.name.clone());
    let refuses_us = [&health, &status, &members].into_iter().all(is_refusal_of_our_certificate);
    let failing = pages.read(&mut report);
    Seen { report: judge(report, known, &health, failing), refuses_us }
}

/// etcd's own health pages, on whichever port (3.5.11+, 3.6): checks one by one, where /health is a word for all.
struct Pages {
    live: Exchange,
    ready: Exchange,
}

async fn pages(p: Probe<'_>, ask: impl Fn(&str) -> Ask, by: Instant) -> Pages {
    let (live, ready) = tokio::join!(p.ask(ask("/livez?verbose"), by), p.ask(ask("/readyz?verbose"), by));
    Pages { live, ready }
}

impl Pages {
    /// Adds their checks to a report; gives what fails, in words.
    fn read(&self, report: &mut Report) -> Option<String> {
        let mut failing = None;
        for (name, exchange) in [("livez", &self.live), ("readyz", &self.ready)] {
            report.follow(exchange);
            // Older versions have no such pages; one that hangs says no more than /health does.
            let Ok(page) = exchange.outcome.as_ref().map(|a| checks::read(name, a)) else { continue };
            report.add_checks(page.lines());
            if let Page::Unhealthy(mut lines) = page {
                // A learner is not ready for clients, as it should be.
                lines.retain(|l| l.ok || l.name != NON_LEARNER);
                if lines.iter().any(|l| !l.ok) {
                    failing.get_or_insert_with(|| format!("/{name} fails: {}", checks::failing(&lines)));
                }
            }
        }
        failing
    }
}

/// The check of /readyz that a learner fails for being one.
const NON_LEARNER: &str = "non_learner";

/// How long an answer took to come, the way to it apart.
fn took(exchange: &Exchange) -> Option<Duration> {
    ok_body(exchange).and(exchange.phases.processing)
}

fn is_time_to_hash(now: Timestamp, interval: Duration) -> bool {
    let into = now.as_second().rem_euclid(HASH_EVERY.as_secs().cast_signed());
    into.unsigned_abs() < interval.saturating_add(HASH_SLACK).as_secs()
}

/// A hash over its keys, by the gateway of etcd 3.6 and newer; older ones have none that is the same on every member.
/// Members are asked up to an interval apart, and must take the same revision: the roundest of those that are not
/// compacted, which stays the same for about as long as a revision is kept.
async fn hash(
    p: Probe<'_>,
    client: Client<'_>,
    known: &EtcdFacts,
    compacted: Option<u64>,
    by: Instant,
) -> Option<EtcdHash> {
    let (newest, mut compacted) = (known.revision?, compacted.unwrap_or(0));
    if known.db_size.is_none_or(|size| size > HASH_DB_MAX) {
        return None;
    }
    for _ in 0..HASH_TRIES {
        let revision = gateway::roundest(compacted, newest)?;
        let body = Bytes::from(format!(r#"{{"revision":"{revision}"}}"#));
        let ask = Ask::get(at(client.base, "/v3/maintenance/hashkv"), client.trust, client.auth);
        let answer = p.ask(Ask { method: Method::POST, body, ..ask }, by).await;
        match &answer.outcome {
            Ok(a) if a.status == 200 => return gateway::hash(&a.body, revision),
            // Compacted: a nearer one may not be.
            Ok(a) if a.status == 400 => compacted = revision,
            _ => return None,
        }
    }
    None
}

fn ok_body(exchange: &Exchange) -> Option<&[u8]> {
    exchange.outcome.as_ref().ok().filter(|a| a.status == 200).map(|a| &*a.body)
}

/// With TLS 1.3 the server judges our certificate after its own part of the handshake: it ends with an alert, or, where
/// that is lost, with a closed connection.
fn is_refusal_of_our_certificate(exchange: &Exchange) -> bool {
    let good = exchange.tls.as_ref().is_some_and(|t| t.verified);
    good && exchange.outcome.as_ref().is_err_and(|f| matches!(f.reason, Reason::Tls | Reason::Auth | Reason::Refused))
}

/// Health, errors and failing pages together; what answers at all is not silent, whatever hangs.
fn judge(mut report: Report, known: EtcdFacts, health: &Exchange, failing: Option<String>) -> Report {
    let said = health.outcome.as_ref().ok().and_then(|a| gateway::health(&a.body));
    // Its status, or metrics that only etcd has.
    let told = known.member_id.is_some() || known.has_leader.is_some();
    report.answered = told || said.is_some();
    let degraded = |words: String| Some(Failure::new(Reason::Degraded, words));
    let reason = said.as_ref().map(|s| s.reason.as_str()).filter(|r| !r.is_empty());
    let reason = reason.map(|r| format!(" ({r})")).unwrap_or_default();
    report.failure = match (said, &health.outcome) {
        _ if known.has_leader == Some(false) => degraded(format!("etcd answers, but has no leader{reason}")),
        (Some(gateway::Health { healthy: false, .. }), _) => {
            let alarms: Vec<&str> = known.alarms.iter().map(|a| a.alarm.as_str()).collect();
            let alarms =
                if alarms.is_empty() { String::new() } else { format!(", alarms in force: {}", alarms.join(", ")) };
            degraded(format!("etcd says that it is not healthy{reason}{alarms}"))
        }
        (Some(_), _) if !known.errors.is_empty() => degraded(format!("etcd reports: {}", known.errors.join("; "))),
        (Some(_), _) => failing.map(|f| Failure::new(Reason::Degraded, f)),
        (None, Err(failure)) if told => {
            degraded(format!("etcd tells its status, but not its health: {}", failure.message))
        }
        (None, Err(failure)) => Some(failure.clone()),
        (None, Ok(answer)) if matches!(answer.status, 401 | 403) => {
            Some(Failure::new(Reason::Auth, format!("/health answered {}: our credentials are refused", answer.status)))
        }
        (None, Ok(answer)) => {
            let body = String::from_utf8_lossy(&answer.body);
            let reason = if answer.status == 200 { Reason::Body } else { Reason::HttpStatus };
            let words =
                format!("/health answered HTTP {}, but not as etcd does: {}", answer.status, body_text::quote(&body));
            Some(Failure::new(reason, words))
        }
    };
    if report.answered {
        report.facts = Facts::Etcd(Box::new(known));
    }
    report
}

/// The metrics-only port: plain /health and /metrics, and the pages of newer versions.
async fn by_metrics_port(p: Probe<'_>, base: &Url) -> Report {
    let ask = |path: &str| Ask::get(at(base, path), Trust::Observe, Auth::None);
    let soon = Instant::now() + FACTS_LIMIT;
    let (health, pages, figures) =
        tokio::join!(p.ask(ask("/health"), p.deadline), pages(p, ask, soon), p.ask(ask("/metrics"), soon));
    let mut report = Report::new(&health);
    report.follow(&figures);
    let mut known = EtcdFacts::new(EtcdVia::Metrics);
    ok_body(&figures).inspect(|body| metrics::all(body, &mut known));
    let failing = pages.read(&mut report);
    judge(report, known, &health, failing)
}

/// The metrics port for the health, and the client port's handshake for its certificate and as a last sign of life.
async fn without_certificate(p: Probe<'_>, client: Client<'_>, metrics_url: Option<&Url>) -> Report {
    let by_metrics = async {
        match metrics_url {
            Some(url) => Some(by_metrics_port(p, url).await),
            None => None,
        }
    };
    let shake = p.ask(Ask::get(at(client.base, "/health"), client.trust, client.auth), p.deadline);
    let (by_metrics, shaken) = tokio::join!(by_metrics, shake);
    let open = shaken.outcome.as_ref().is_ok_and(|a| gateway::health(&a.body).is_some());
    if open {
        // TLS, and no client certificate wanted.
        return by_client_port(p, client, metrics_url).await.report;
    }
    if let Some(mut report) = by_metrics.filter(|m| m.answered) {
        report.follow(&shaken);
        report.follow_tls(&shaken);
        return report;
    }
    let report = Report::new(&shaken);
    match &shaken.outcome {
        // The handshake began, and was ended for want of a certificate: only a living server does that.
        Err(failure)
            if shaken.tls.is_some() && matches!(failure.reason, Reason::Tls | Reason::Auth | Reason::Refused) =>
        {
            lives(
                report,
                "it lives, but wants a client certificate: give etcd.cert_file, key_file and ca_file to know more",
            )
        }
        Err(failure) => report.failed(failure.clone()),
        Ok(_) => judge(report, EtcdFacts::new(EtcdVia::Client), &shaken, None),
    }
}

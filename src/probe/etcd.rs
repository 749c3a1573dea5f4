//! An etcd member: with a client certificate its health, status, alarms and member list; else the metrics-only port;
//! else no more than a TLS handshake that shows that it lives.
//!
//! Sources: etcd's /health (linearizable since 3.4), /livez and /readyz (3.5.11+, 3.6), the gRPC gateway under /v3.

use bytes::Bytes;
use http::Method;
use url::Url;

use super::{
    Probe, Report, at,
    checks::{self, Page},
    etcd_facts as facts,
};
use crate::{
    dial::{Answer, Ask, Auth, Exchange, Trust},
    model::{EtcdFacts, EtcdVia, Facts, Failure, Reason},
};

/// See the module.
pub async fn probe(p: Probe<'_>, client: &Url, metrics: Option<&Url>) -> Report {
    if p.dialer.has_etcd_certificate() || client.scheme() == "http" {
        return by_client_port(p, client, metrics).await;
    }
    let mut by_metrics = None;
    if let Some(url) = metrics {
        let report = by_metrics_port(p, url).await;
        if report.answered {
            return report;
        }
        by_metrics = Some(report);
    }
    by_handshake(p, client, by_metrics).await
}

async fn by_client_port(p: Probe<'_>, base: &Url, metrics: Option<&Url>) -> Report {
    let (trust, auth) = (Trust::Etcd, Auth::Etcd);
    let get = |path: &str| p.dialer.exchange(Ask::get(at(base, path), trust, auth), p.deadline);
    let post = |path: &str, body: &'static str| {
        let ask = Ask {
            method: Method::POST,
            body: Bytes::from_static(body.as_bytes()),
            ..Ask::get(at(base, path), trust, auth)
        };
        p.dialer.exchange(ask, p.deadline)
    };
    let quota = async {
        match metrics {
            Some(url) => p.dialer.exchange(Ask::get(at(url, "/metrics"), Trust::Observe, Auth::None), p.deadline).await,
            None => get("/metrics").await,
        }
    };
    let (health, ready, live, status, alarms, members, metrics) = tokio::join!(
        get("/health"),
        get("/readyz?verbose"),
        get("/livez?verbose"),
        post("/v3/maintenance/status", "{}"),
        post("/v3/maintenance/alarm", r#"{"action":"GET"}"#),
        post("/v3/cluster/member/list", "{}"),
        quota,
    );
    let mut report = Report::new(&health);
    for exchange in [&ready, &live, &status, &alarms, &members] {
        report.follow(exchange);
    }
    let health = match health.outcome {
        Err(failure) => return report.fail(failure),
        Ok(answer) => answer,
    };
    let mut known = EtcdFacts::new(EtcdVia::Client);
    if let Some(body) = ok_body(&status) {
        facts::status(body, &mut known);
    }
    if let Some(body) = ok_body(&alarms) {
        known.alarms = facts::alarms(body);
    }
    if let Some(body) = ok_body(&members) {
        known.members = facts::members(body);
    }
    if let Some(body) = ok_body(&metrics) {
        facts::quota(body, &mut known);
    }
    known.name = known.members.iter().find(|m| Some(m.id) == known.member_id).map(|m| m.name.clone());
    let pages = [("livez", &live), ("readyz", &ready)];
    let mut failing = None;
    for (name, exchange) in pages {
        let Ok(answer) = &exchange.outcome else { continue };
        match checks::read(name, answer) {
            Page::Healthy(lines) => report.add_checks(lines),
            Page::Unhealthy(lines) => {
                failing.get_or_insert_with(|| format!("/{name} fails: {}", checks::failing(&lines)));
                report.add_checks(lines);
            }
            // Older versions have no such pages.
            _ => {}
        }
    }
    judge(report, known, &health, failing)
}

fn ok_body(exchange: &Exchange) -> Option<&[u8]> {
    exchange.outcome.as_ref().ok().filter(|a| a.status == 200).map(|a| &*a.body)
}

/// Health, errors and failing pages together.
fn judge(mut report: Report, known: EtcdFacts, health: &Answer, failing: Option<String>) -> Report {
    let said = facts::health(&health.body);
    report.answered = said.is_some() || known.member_id.is_some() || matches!(health.status, 401 | 403);
    let failure = match (&said, health.status) {
        (None, 401 | 403) => {
            Some(Failure::new(Reason::Auth, format!("etcd refuses our certificate (HTTP {})", health.status)))
        }
        (None, 200) => Some(Failure::new(Reason::Body, "/health answered 200, but not as etcd does")),
        (None, status) => Some(Failure::new(Reason::HttpStatus, format!("/health answered HTTP {status}"))),
        _ if known.has_leader == Some(false) => Some(Failure::new(Reason::Degraded, "etcd answers, but has no leader")),
        (Some(facts::Health { healthy: false, reason }), _) => {
            let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            Some(Failure::new(Reason::Degraded, format!("etcd says that it is not healthy{why}")))
        }
        _ if !known.errors.is_empty() => {
            Some(Failure::new(Reason::Degraded, format!("etcd reports: {}", known.errors.join("; "))))
        }
        _ => failing.map(|f| Failure::new(Reason::Degraded, f)),
    };
    report.failure = failure;
    report.facts = Facts::Etcd(Box::new(known));
    report
}

async fn by_metrics_port(p: Probe<'_>, base: &Url) -> Report {
    let get = |path: &str| p.dialer.exchange(Ask::get(at(base, path), Trust::Observe, Auth::None), p.deadline);
    let (health, metrics) = tokio::join!(get("/health"), get("/metrics"));
    let mut report = Report::new(&health);
    report.follow(&metrics);
    let health = match health.outcome {
        Err(failure) => return report.fail(failure),
        Ok(answer) => answer,
    };
    let mut known = EtcdFacts::new(EtcdVia::Metrics);
    if let Some(body) = ok_body(&metrics) {
        facts::metrics(body, &mut known);
    }
    judge(report, known, &health, None)
}

/// Without a certificate: etcd answers the handshake and then asks for one, which only a living etcd does.
async fn by_handshake(p: Probe<'_>, client: &Url, by_metrics: Option<Report>) -> Report {
    let exchange = p.dialer.exchange(Ask::get(at(client, "/health"), Trust::Observe, Auth::None), p.deadline).await;
    let mut report = Report::new(&exchange);
    let lives = exchange.phases.tls.is_some() || exchange.tls.is_some();
    if let Ok(answer) = &exchange.outcome
        && facts::health(&answer.body).is_some()
    {
        // An etcd without client authentication.
        return judge(report, EtcdFacts::new(EtcdVia::Client), answer, None);
    }
    if lives {
        report.answered = true;
        report.facts = Facts::Etcd(Box::new(EtcdFacts::new(EtcdVia::Handshake)));
        let words = "it lives, but wants a client certificate: give etcd.ca_file, cert_file and key_file to know more";
        return report.fail(Failure::new(Reason::Auth, words));
    }
    match exchange.outcome {
        Err(failure) => report.fail(failure),
        Ok(answer) => match by_metrics {
            Some(report) => report,
            None => report.fail(Failure::new(Reason::Body, format!("HTTP {}, but not as etcd answers", answer.status))),
        },
    }
}

//! A kubelet: on its own port with our credentials, through the API server's node proxy, or directly where it can be
//! reached and else by proxy.
//!
//! 200, 401 and 403 on its own port are three different facts; in all of them it lives. A kubelet that refuses the
//! connection on its own port is down whatever the proxy says.

use std::time::Duration;

use tokio::time::Instant;
use url::Url;

use super::{
    Probe, Report, at,
    checks::{self, Page},
};
use crate::{
    dial::{Answer, Ask, Auth, Exchange, Trust},
    model::{Facts, Failure, KubeletFacts, KubeletVia, Reason},
};

/// In `auto`, silence on the direct port leaves this share of the deadline to the proxy.
const DIRECT_SHARE: f64 = 0.6;
/// API servers asked for the proxy's view.
const PROXIES_MAX: usize = 2;

/// See the module.
pub async fn probe(p: Probe<'_>, base: &Url, node: &str, via: Option<KubeletVia>) -> Report {
    match via {
        Some(KubeletVia::Direct) => judge_direct(direct(p, base, p.deadline).await),
        Some(KubeletVia::Proxy) => match proxy(p, node).await {
            Some(exchange) => judge_proxy(exchange),
            None => nobody_to_ask(),
        },
        None => auto(p, base, node).await,
    }
}

async fn auto(p: Probe<'_>, base: &Url, node: &str) -> Report {
    let begun = Instant::now();
    let whole = p.deadline.saturating_duration_since(begun);
    let share = if p.api.is_empty() { whole } else { whole.mul_f64(DIRECT_SHARE) };
    let mut report = judge_direct(direct(p, base, begun + share).await);
    let Some(failure) = report.failure.clone() else { return report };
    let asks_proxy = failure.reason == Reason::Auth || failure.reason.is_silence();
    if !asks_proxy {
        return report;
    }
    let Some(exchange) = proxy(p, node).await else { return report };
    report.follow(&exchange);
    let by_proxy = judge_proxy(exchange);
    if by_proxy.failure.is_none() {
        report.failure = None;
        report.answered = true;
        report.checks = by_proxy.checks;
        let direct_status = direct_status(&report.facts);
        report.facts = Facts::Kubelet(KubeletFacts { via: KubeletVia::Proxy, direct_status });
    }
    report
}

fn direct_status(facts: &Facts) -> Option<u16> {
    match facts {
        Facts::Kubelet(k) => k.direct_status,
        _ => None,
    }
}

async fn direct(p: Probe<'_>, base: &Url, deadline: Instant) -> Exchange {
    let ask = Ask { reuse: p.keep_alive, ..Ask::get(at(base, "/healthz?verbose"), Trust::Observe, Auth::Cluster) };
    p.dialer.exchange(ask, deadline).await
}

/// Asks the API servers in turn until one gives the node's answer.
async fn proxy(p: Probe<'_>, node: &str) -> Option<Exchange> {
    let mut last = None;
    for api in p.api.iter().take(PROXIES_MAX) {
        let left = p.deadline.saturating_duration_since(Instant::now());
        if left < Duration::from_millis(50) {
            break;
        }
        let path = format!("/api/v1/nodes/{node}/proxy/healthz?verbose");
        let ask = Ask { reuse: p.keep_alive, ..Ask::get(at(api, &path), Trust::Cluster, Auth::Cluster) };
        let exchange = p.dialer.exchange(ask, p.deadline).await;
        let answered = exchange.outcome.is_ok();
        last = Some(exchange);
        if answered {
            break;
        }
    }
    last
}

fn nobody_to_ask() -> Report {
    let failure = Failure::new(Reason::Unreachable, "no API server is up through which it could be asked");
    let nothing = Exchange {
        outcome: Err(failure.clone()),
        phases: Default::default(),
        tls: None,
        trace: Vec::new(),
        duration: Duration::ZERO,
    };
    Report::new(&nothing).fail(failure)
}

fn judge_direct(exchange: Exchange) -> Report {
    let mut report = Report::new(&exchange);
    match &exchange.outcome {
        Err(failure) => report.failure = Some(failure.clone()),
        Ok(answer) => {
            report.facts = Facts::Kubelet(KubeletFacts { via: KubeletVia::Direct, direct_status: Some(answer.status) });
            judge_page(&mut report, answer);
        }
    }
    report
}

fn judge_page(report: &mut Report, answer: &Answer) {
    report.answered = true;
    match checks::read("healthz", answer) {
        Page::Healthy(lines) => report.add_checks(lines),
        Page::Unhealthy(lines) => {
            let message = format!("/healthz fails: {}", checks::failing(&lines));
            report.add_checks(lines);
            report.failure = Some(Failure::new(Reason::Degraded, message));
        }
        Page::Refused(_) => {
            let words = match answer.status {
                401 => "it lives, but does not accept our credentials (401)",
                _ => "it lives, but our credentials may not ask it (403): RBAC lacks `get` on nodes/proxy",
            };
            report.failure = Some(Failure::new(Reason::Auth, words));
        }
        Page::Odd(failure) => {
            report.answered = failure.reason != Reason::Body;
            report.failure = Some(failure);
        }
        Page::Absent => report.failure = Some(Failure::new(Reason::HttpStatus, "/healthz is not there (404)")),
    }
}

/// The proxy's answer is the kubelet's own, or the API server's words about why it has none.
fn judge_proxy(exchange: Exchange) -> Report {
    let mut report = Report::new(&exchange);
    report.facts = Facts::Kubelet(KubeletFacts { via: KubeletVia::Proxy, direct_status: None });
    match &exchange.outcome {
        Err(failure) => {
            let words = format!("the API server can't be asked for it: {}", failure.message);
            report.failure = Some(Failure::new(failure.reason, words));
        }
        Ok(answer)
            if matches!(answer.status, 500 | 502 | 503 | 504) && checks::lines("healthz", &text(answer)).is_empty() =>
        {
            report.failure = Some(proxy_failure(&text(answer)));
        }
        Ok(answer) if answer.status == 403 => {
            let words =
                "our credentials may not use the API server's node proxy (403): RBAC lacks `get` on nodes/proxy";
            report.failure = Some(Failure::new(Reason::Auth, words));
        }
        Ok(answer) => judge_page(&mut report, answer),
    }
    report
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

/// `error trying to reach service: dial tcp 10.0.0.1:10250: connect: connection refused`
fn proxy_failure(body: &str) -> Failure {
    let (reason, words) = if body.contains("connection refused") {
        (Reason::Refused, "the API server says that the kubelet refuses connections")
    } else if body.contains("no route to host") || body.contains("unreachable") {
        (Reason::Unreachable, "the API server says that there is no way to the node")
    } else if body.contains("timeout") || body.contains("timed out") || body.contains("deadline exceeded") {
        (Reason::Timeout, "the API server gets no answer from the kubelet either")
    } else if body.contains("x509") || body.contains("tls:") {
        (Reason::Tls, "the API server can't verify the kubelet's certificate")
    } else {
        (Reason::HttpStatus, "the API server could not reach the kubelet")
    };
    Failure::new(reason, words)
}

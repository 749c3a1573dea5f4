//! A kubelet: on its own port with our credentials, through the API server's node proxy, or directly where it can be
//! reached and else by proxy. Remembers nothing from probe to probe.
//!
//! 200, 401 and 403 on its own port are three different facts; in all of them it lives. A refusal on its own port stands
//! unless the kubelet itself answers through the proxy (then a firewall refused us); an API server that fails says
//! nothing about a kubelet.

use std::time::Duration;

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::time::Instant;
use url::Url;

use super::{
    Probe, Report, at,
    checks::{self, Page},
    node_proxy::{self, ProxyAnswer},
    origin,
};
use crate::{
    dial::{Answer, Ask, Auth, Exchange, Trust},
    model::{Facts, Failure, KubeletFacts, KubeletVia, Reason, TraceLine},
};

/// In `auto`, silence on the direct port leaves the rest of the deadline to the proxy.
const DIRECT_SHARE: f64 = 0.6;
/// API servers asked for the proxy's view: the best, and one more where that one fails.
const PROXIES_MAX: usize = 2;
/// Asking with less time than this can't bring anything.
const TIME_MIN: Duration = Duration::from_millis(50);
/// A refused connection is told soon: the API server's view only adds to it.
const SECOND_VIEW_LIMIT: Duration = Duration::from_secs(1);

/// So long a node's first address is waited for by itself before the next one is asked beside it; RFC 8305 has 250 ms for
/// the addresses of one name.
const STAGGER: Duration = Duration::from_millis(300);
/// Where the first address refuses, the others have so long: a dead kubelet is told soon.
const REFUSED_LIMIT: Duration = Duration::from_millis(500);

/// Probes a kubelet, directly or through an API server. `base` is the kubelet at the node's first address, `others` at further ones.
pub async fn probe(p: Probe<'_>, base: &Url, others: &[Url], node: &str, via: Option<KubeletVia>) -> Report {
    match via {
        Some(KubeletVia::Direct) => judge_direct(&direct(p, base, others, p.deadline).await),
        Some(KubeletVia::Proxy) => match proxy(p, node, p.deadline).await {
            Some((exchange, told)) => judge_proxy(&exchange, told),
            None => Report::unasked(cannot_ask("no API server is known to work")),
        },
        None => auto(p, base, others, node).await,
    }
}

/// The kubelet's own port. What its first address says counts, unless that is silent or refuses (a kubelet may be bound to
/// one address) and the kubelet answers at another one.
async fn direct(p: Probe<'_>, base: &Url, others: &[Url], deadline: Instant) -> Exchange {
    let ask = |base: &Url| Ask {
        reuse: p.keep_alive,
        ..Ask::get(at(base, "/healthz?verbose"), Trust::Observe, Auth::Cluster)
    };
    let first = p.ask(ask(base), deadline);
    if others.is_empty() {
        return first.await;
    }
    tokio::pin!(first);
    let mut said = tokio::time::timeout(STAGGER, &mut first).await.ok();
    let (limit, stagger) = match said.as_ref().map(reason) {
        Some(Some(Reason::Refused)) => (deadline.min(Instant::now() + REFUSED_LIMIT), Duration::ZERO),
        Some(Some(reason)) if reason.is_silence() => (deadline, STAGGER),
        Some(_) => return first_said(said, first).await,
        None => (deadline, STAGGER),
    };
    let mut further: FuturesUnordered<_> = (0..)
        .zip(others)
        .map(|(i, base)| async move {
            tokio::time::sleep(stagger * i).await;
            p.ask(ask(base), limit).await
        })
        .collect();
    loop {
        tokio::select! {
            exchange = &mut first, if said.is_none() => {
                let open = reason(&exchange).is_some_and(|r| r == Reason::Refused || r.is_silence());
                said = Some(exchange);
                if !open {
                    break;
                }
            }
            Some(mut exchange) = further.next() => {
                if judge_direct(&exchange).answered {
                    let place = &base[url::Position::BeforeHost..url::Position::AfterPort];
                    let text = format!("{place} gives no answer: another address of the node is asked");
                    exchange.trace.insert(0, TraceLine { after: Duration::ZERO, text });
                    return exchange;
                }
            }
            else => break,
        }
    }
    first_said(said, first).await
}

/// Why it failed.
fn reason(exchange: &Exchange) -> Option<Reason> {
    exchange.outcome.as_ref().err().map(|failure| failure.reason)
}

async fn first_said(said: Option<Exchange>, first: impl Future<Output = Exchange>) -> Exchange {
    match said {
        Some(exchange) => exchange,
        None => first.await,
    }
}

async fn auto(p: Probe<'_>, base: &Url, others: &[Url], node: &str) -> Report {
    let share = if p.api.is_empty() { p.left() } else { p.left().mul_f64(DIRECT_SHARE) };
    let direct = direct(p, base, others, Instant::now() + share).await;
    let mut report = judge_direct(&direct);
    let Some(failure) = report.failure.clone() else { return report };
    let refused = failure.reason == Reason::Refused;
    if !(refused || failure.reason == Reason::Auth || failure.reason.is_silence()) {
        return report;
    }
    let limit = if refused { Instant::now() + SECOND_VIEW_LIMIT } else { p.deadline };
    let Some((exchange, told)) = proxy(p, node, limit).await else { return report };
    report.follow(&exchange);
    match told {
        ProxyAnswer::Kubelet => {
            let mut by_proxy = judge_proxy(&exchange, told);
            // What its own port presents and answers is kept: 401 and 403 there are facts.
            by_proxy.facts = facts(KubeletVia::Proxy, direct_status(&direct));
            by_proxy.lead_with(&direct);
            by_proxy
        }
        ProxyAnswer::Tried(theirs) if failure.reason.is_silence() && theirs.reason == Reason::Refused => {
            // Silence may be a firewall's; a refusal is the node's own word.
            report.facts = facts(KubeletVia::Proxy, None);
            report.failed(Failure::new(Reason::Refused, format!("{}; from here: {}", theirs.message, failure.message)))
        }
        ProxyAnswer::Tried(theirs) if failure.reason != Reason::Auth => {
            report.failed(Failure::new(failure.reason, format!("{}; {}", failure.message, theirs.message)))
        }
        ProxyAnswer::Tried(_) | ProxyAnswer::Nothing(_) => report,
    }
}

fn facts(via: KubeletVia, direct_status: Option<u16>) -> Facts {
    Facts::Kubelet(KubeletFacts { via, direct_status })
}

fn direct_status(exchange: &Exchange) -> Option<u16> {
    exchange.outcome.as_ref().ok().map(|a| a.status)
}

/// Asks API servers in turn until one tells something of the kubelet. Each but the last has half of what is left, so that
/// one that hangs leaves time for the next.
async fn proxy(p: Probe<'_>, node: &str, limit: Instant) -> Option<(Exchange, ProxyAnswer)> {
    let mut last = None;
    let servers = &p.api[..p.api.len().min(PROXIES_MAX)];
    for (i, api) in servers.iter().enumerate() {
        let left = limit.min(p.deadline).saturating_duration_since(Instant::now());
        if left < TIME_MIN {
            break;
        }
        let share = if i + 1 < servers.len() { left / 2 } else { left };
        let path = format!("/api/v1/nodes/{node}/proxy/healthz?verbose");
        let ask = Ask { reuse: p.keep_alive, ..Ask::get(at(api, &path), Trust::Cluster, Auth::Cluster) };
        let exchange = p.ask(ask, Instant::now() + share).await;
        let told = match &exchange.outcome {
            Ok(answer) => node_proxy::read(node, answer),
            Err(failure) => ProxyAnswer::Nothing(failure.clone()),
        };
        let nothing = matches!(told, ProxyAnswer::Nothing(_));
        last = Some((exchange, told));
        if !nothing {
            break;
        }
    }
    last
}

fn judge_direct(exchange: &Exchange) -> Report {
    let mut report = Report::new(exchange);
    match &exchange.outcome {
        Err(failure) => return report.failed(failure.clone()),
        Ok(answer) => {
            report.facts = facts(KubeletVia::Direct, Some(answer.status));
            judge_page(&mut report, answer);
        }
    }
    if let (Some(Failure { reason: Reason::Auth, .. }), Some(status)) = (&report.failure, direct_status(exchange)) {
        let words = match status {
            401 => "it lives, but does not accept our credentials (401)",
            _ => "it lives, but our credentials may not ask it (403): RBAC lacks `get` on nodes/proxy",
        };
        report.fail(Reason::Auth, words);
    }
    report
}

/// The kubelet's own answer, whichever way it came.
fn judge_page(report: &mut Report, answer: &Answer) {
    let page = checks::read("healthz", answer);
    report.add_checks(page.lines());
    report.answered = match page {
        Page::Healthy(_) | Page::Unhealthy(_) | Page::Refused(_) | Page::Throttled(_) => true,
        Page::Absent | Page::Foreign(_) | Page::Odd(_) => origin::speaks_kubernetes(answer),
    };
    report.failure = match page {
        Page::Healthy(_) => None,
        Page::Unhealthy(lines) => {
            Some(Failure::new(Reason::Degraded, format!("/healthz fails: {}", checks::failing(&lines))))
        }
        Page::Refused(failure) | Page::Throttled(failure) | Page::Odd(failure) => Some(failure),
        Page::Foreign(_) => Some(origin::stranger("healthz", answer)),
        Page::Absent => Some(Failure::new(Reason::HttpStatus, "it has no /healthz (404): is this a kubelet's port?")),
    };
}

/// The proxy's answer by itself.
fn judge_proxy(exchange: &Exchange, told: ProxyAnswer) -> Report {
    let mut report = Report::new(exchange).passed_on();
    report.facts = facts(KubeletVia::Proxy, None);
    match (told, &exchange.outcome) {
        (ProxyAnswer::Kubelet, Ok(answer)) => {
            judge_page(&mut report, answer);
            if matches!(answer.status, 401 | 403) {
                // The API server's credentials, not ours.
                let words = format!(
                    "the kubelet refuses the API server's own credentials ({}): logs and exec fail too",
                    answer.status
                );
                report.fail(Reason::Degraded, words);
            }
            report
        }
        (ProxyAnswer::Tried(failure), _) => report.failed(failure),
        (ProxyAnswer::Nothing(failure), _) if failure.reason == Reason::Auth => report.failed(failure),
        (ProxyAnswer::Nothing(failure), _) => report.failed(cannot_ask(&failure.message)),
        (ProxyAnswer::Kubelet, Err(failure)) => report.failed(failure.clone()),
    }
}

/// No way to the kubelet leads past the API server: nothing is known of the kubelet itself.
fn cannot_ask(why: &str) -> Failure {
    Failure::new(Reason::Unreachable, format!("it can't be asked through the API server: {why}"))
}

//! kube-scheduler, kube-controller-manager and kube-proxy: one health page.
//!
//! The first two sign their own certificates by default and let everybody read /healthz, so that no credentials are sent
//! at first. kube-proxy speaks plain HTTP and answers JSON with 200 or 503. Since 1.28 (KEP-3836) its /healthz is 503 on a
//! node that is about to be removed too, for load balancers: that is no fault of kube-proxy, which /livez tells apart.

use serde::Deserialize;
use url::Url;

use super::{
    Probe, Report, at,
    checks::{self, Page},
    origin,
};
use crate::{
    dial::{Answer, Ask, Auth, Trust},
    model::Reason,
};

/// Probes a component by its health page.
pub async fn probe(p: Probe<'_>, url: &Url) -> Report {
    let ask = |auth| p.ask(Ask::get(url.clone(), Trust::Observe, auth), p.deadline);
    let first = ask(Auth::None).await;
    let mut report = Report::new(&first);
    let mut answer = match first.outcome {
        Err(failure) => return report.failed(failure),
        Ok(answer) => answer,
    };
    if matches!(answer.status, 401 | 403) && url.scheme() == "https" {
        let again = ask(Auth::Cluster).await;
        report.follow(&again);
        // Where that one gives no answer, the refusal stays what is known.
        answer = again.outcome.unwrap_or(answer);
    }
    if let Some(health) = kube_proxy(&answer) {
        return judge_kube_proxy(p, url, &answer, &health, report).await;
    }
    judge(&mut report, url.path().trim_start_matches('/'), &answer);
    report
}

fn judge(report: &mut Report, page: &str, answer: &Answer) {
    let read = checks::read(page, answer);
    report.add_checks(read.lines());
    report.answered = match read {
        Page::Healthy(_) | Page::Unhealthy(_) | Page::Refused(_) | Page::Throttled(_) => true,
        Page::Absent | Page::Foreign(_) | Page::Odd(_) => origin::speaks_kubernetes(answer),
    };
    match read {
        Page::Healthy(_) => {}
        Page::Unhealthy(lines) => {
            report.fail(Reason::Degraded, format!("/{page} fails: {}", checks::failing(&lines)));
        }
        Page::Refused(failure) | Page::Throttled(failure) | Page::Odd(failure) => report.failure = Some(failure),
        Page::Foreign(_) => report.failure = Some(origin::stranger(page, answer)),
        Page::Absent => {
            report.fail(Reason::HttpStatus, format!("/{page} is not there (404): another program listens on this port"))
        }
    }
}

/// kube-proxy's page.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KubeProxyHealth {
    #[serde(rename = "lastUpdated")]
    _last_updated: String,
    /// 1.28+: false on a node that is being deleted, or tainted for that by an autoscaler.
    node_eligible: Option<bool>,
    /// Newest: whether its rules are in force in time, whatever becomes of the node.
    healthy: Option<bool>,
}

fn kube_proxy(answer: &Answer) -> Option<KubeProxyHealth> {
    serde_json::from_slice(&answer.body).ok()
}

/// The status says it all, but where a node is on its way out: then what it says of itself counts, or its /livez.
async fn judge_kube_proxy(
    p: Probe<'_>,
    url: &Url,
    answer: &Answer,
    health: &KubeProxyHealth,
    mut report: Report,
) -> Report {
    report.answered = true;
    let mut status = answer.status;
    if status != 200 && health.node_eligible == Some(false) {
        match health.healthy {
            Some(true) => status = 200,
            Some(false) => {}
            None => {
                let live = p.ask(Ask::get(at(url, "/livez"), Trust::Observe, Auth::None), p.deadline).await;
                report.follow(&live);
                if live.outcome.is_ok_and(|live| live.status == 200 && kube_proxy(&live).is_some()) {
                    status = 200;
                }
            }
        }
    }
    if status != 200 {
        report.fail(Reason::Degraded, format!("kube-proxy says that it is not healthy (HTTP {status})"));
    }
    report
}

//! kube-scheduler, kube-controller-manager and kube-proxy: one `/healthz`.
//!
//! They sign their own certificates by default, and /healthz is always allowed for everybody, so that no credentials are
//! sent at first. kube-proxy speaks plain HTTP and answers JSON with 200 or 503.

use url::Url;

use super::{
    Probe, Report,
    checks::{self, Page},
};
use crate::{
    dial::{Ask, Auth, Trust},
    model::{Failure, Reason},
};

/// See the module.
pub async fn probe(p: Probe<'_>, url: &Url) -> Report {
    let ask = |auth| p.dialer.exchange(Ask::get(url.clone(), Trust::Observe, auth), p.deadline);
    let first = ask(Auth::None).await;
    let mut report = Report::new(&first);
    let mut answer = match first.outcome {
        Err(failure) => return report.fail(failure),
        Ok(answer) => answer,
    };
    if matches!(answer.status, 401 | 403) && url.scheme() == "https" {
        let again = ask(Auth::Cluster).await;
        report.follow(&again);
        if let Ok(better) = again.outcome {
            answer = better;
        }
    }
    report.answered = true;
    if serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&answer.body)
        .is_ok_and(|m| m.contains_key("lastUpdated"))
    {
        // kube-proxy: the status says it all.
        return match answer.status {
            200 => report,
            status => report.fail(Failure::new(
                Reason::Degraded,
                format!("kube-proxy says that it is not healthy (HTTP {status})"),
            )),
        };
    }
    match checks::read("healthz", &answer) {
        Page::Healthy(lines) => report.add_checks(lines),
        Page::Unhealthy(lines) => {
            let message = format!("/healthz fails: {}", checks::failing(&lines));
            report.add_checks(lines);
            report.failure = Some(Failure::new(Reason::Degraded, message));
        }
        Page::Refused(failure) => report.failure = Some(failure),
        Page::Odd(failure) => {
            report.answered = failure.reason != Reason::Body;
            report.failure = Some(failure);
        }
        Page::Absent => {
            report.answered = false;
            report.failure = Some(Failure::new(
                Reason::HttpStatus,
                "/healthz is not there (404): another program listens on this port",
            ));
        }
    }
    report
}

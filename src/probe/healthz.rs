//! kube-scheduler, kube-controller-manager and kube-proxy: one health page.
//!
//! The first two sign their own certificates by default and let everybody read /healthz, so that no credentials are sent
//! at first. kube-proxy speaks plain HTTP and answers JSON with 200 or 503.

use serde::Deserialize;
use url::Url;

use super::{
    Probe, Report,
    checks::{self, Page},
    origin,
};
use crate::{
    dial::{Answer, Ask, Auth, Trust},
    model::Reason,
};

/// See the module.
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
    if is_kube_proxy(&answer) {
        report.answered = true;
        if answer.status != 200 {
            let words = format!("kube-proxy says that it is not healthy (HTTP {})", answer.status);
            report.fail(Reason::Degraded, words);
        }
        return report;
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

/// kube-proxy's page, of which the status says it all.
fn is_kube_proxy(answer: &Answer) -> bool {
    #[derive(Deserialize)]
    struct Beat {
        #[serde(rename = "lastUpdated")]
        _last_updated: String,
    }
    serde_json::from_slice::<Beat>(&answer.body).is_ok()
}

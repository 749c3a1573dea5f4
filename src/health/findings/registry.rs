//! What the API servers' own lists tell beside the health of components: nodes that came or went, APIs that others serve,
//! certificate requests that wait.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::{
    health::{
        nodes::{
            Kind,
            counts::{self, Change},
        },
        picture::Picture,
        say,
        time::{follows, later, past},
    },
    model::{AlertName, AwayApi, Finding, FindingKey, PendingRequests, Said, SaidPart, Severity, Topic, text},
};

/// What was read longer ago says nothing of now.
const RECENT: SignedDuration = SignedDuration::from_mins(5);
/// While the pods behind it are replaced, an API is away for a moment.
const AWAY_FOR: Duration = Duration::from_secs(60);
/// Signers without which kubelets, and people, lose their access when a certificate runs out.
const OF_CLIENTS: [&str; 2] = ["kubernetes.io/kube-apiserver-client-kubelet", "kubernetes.io/kube-apiserver-client"];

pub(super) fn findings(p: &Picture<'_>) -> Vec<Finding> {
    // Where no API server works, what they last told is no news.
    if !p.api.any_up() {
        return Vec::new();
    }
    let snapshot = p.indexed.view.snapshot;
    let is_recent = |at: Option<Timestamp>| at.is_some_and(|at| p.indexed.now.duration_since(at).abs() <= RECENT);
    let mut all = Vec::new();
    if is_recent(snapshot.read_at) {
        all.extend(counts::change(snapshot, p.indexed.now).map(|change| workers(p, change)));
    }
    if is_recent(snapshot.extras_at) {
        let lasting =
            |api: &&AwayApi| past(api.since, p.indexed.now).is_none_or(|at| later(p.indexed.now, at, AWAY_FOR));
        all.extend(snapshot.away_apis.iter().filter(lasting).map(|api| away(p, api)));
        all.extend(snapshot.pending_requests.iter().map(|requests| pending(p, requests)));
    }
    all
}

fn workers(p: &Picture<'_>, change: Change) -> Finding {
    let (alert, severity, headline, since) = match change {
        Change::NoneLeft { of, since } => {
            let headline = Said::new("no-worker-left").with("of", of);
            (AlertName::WorkersGone, Severity::Critical, headline, since)
        }
        Change::Gone { count, of, since } => {
            let headline = Said::new("workers-gone").with("n", count).with("of", of);
            (AlertName::WorkersGone, Severity::Warning, headline, since)
        }
        Change::New { from, to, since } => {
            let headline = Said::new("workers-added").with("from", from).with("to", to);
            (AlertName::WorkersAdded, Severity::Info, headline, since)
        }
    };
    let mut finding = p.indexed.finding(alert, "", severity, headline);
    finding.since = since;
    let at = p.indexed.view.snapshot.read_at.map(text::moment).unwrap_or_default();
    finding.evidence.push(format!("as the API server listed its nodes at {at}"));
    if alert == AlertName::WorkersGone {
        finding.consequences.push("what ran there is started elsewhere, as far as there is room".into());
        say::first_step(&mut finding, Said::new("step-workers-gone"));
    } else {
        say::first_step(&mut finding, Said::new("step-workers-added"));
    }
    finding
}

fn away(p: &Picture<'_>, api: &AwayApi) -> Finding {
    let reason = match api.reason.as_str() {
        "" => Said::new("no-reason-given").into(),
        reason => SaidPart::from(reason),
    };
    let headline = Said::new("api-away").with("api", &api.name).with("service", &api.service).with("reason", reason);
    let mut finding = p.indexed.finding(AlertName::AggregatedApiDown, &api.name, Severity::Warning, headline);
    finding.since = past(api.since, p.indexed.now).unwrap_or(p.indexed.now);
    if !api.message.is_empty() {
        finding.evidence.push(format!("the API server says: {}", api.message));
    }
    finding.labels.insert("name".into(), api.name.clone());
    finding.consequences.push(
        "what asks it fails (`kubectl top` and autoscaling, for metrics), and namespaces are not deleted while it lasts"
            .into(),
    );
    say::first_step(&mut finding, Said::new("step-api-away").with("api", &api.name).with("service", &api.service));
    finding.caused_by = cause(p, finding.since);
    finding
}

/// Returns the finding that many workers are gone, of which deleted objects are what the API shows.
pub(super) fn workers_gone(p: &Picture<'_>) -> Option<FindingKey> {
    let change = counts::change(p.indexed.view.snapshot, p.indexed.now)?;
    let is_gone = matches!(change, Change::NoneLeft { .. } | Change::Gone { .. });
    is_gone.then(|| p.indexed.key(AlertName::WorkersGone, ""))
}

/// What explains that a service inside has no pods that answer: etcd or the API servers, or nodes that were lost before.
pub(super) fn cause(p: &Picture<'_>, since: Timestamp) -> Option<FindingKey> {
    let lost = |kind| matches!(kind, Kind::Lost | Kind::Mute | Kind::NoRuntime | Kind::NoNetwork);
    let node = p.troubles.iter().find(|(_, t)| lost(t.kind) && follows(since, t.since));
    let alert =
        |kind| if matches!(kind, Kind::Lost | Kind::Mute) { AlertName::NodeDown } else { AlertName::NodeNotReady };
    p.cause_of_components(&[], since).or_else(|| node.map(|(name, t)| p.indexed.key(alert(t.kind), name)))
}

fn pending(p: &Picture<'_>, requests: &PendingRequests) -> Finding {
    let PendingRequests { signer, count, oldest } = requests;
    let headline = Said::new("requests-wait").with("n", *count).with("signer", signer).with("at", *oldest);
    let of_clients = OF_CLIENTS.contains(&signer.as_str());
    let severity = if of_clients { Severity::Warning } else { Severity::Info };
    let mut finding = p.indexed.finding(AlertName::CertificateRequestsPending, signer, severity, headline);
    finding.topic = Topic::Certificates;
    finding.since = *oldest;
    finding.labels.insert("signer".into(), signer.clone());
    finding.consequences.extend(
        of_clients
            .then(|| "nodes can't join, and kubelets lose their access when their certificates run out".to_owned()),
    );
    say::first_step(&mut finding, Said::new("step-requests"));
    finding
}

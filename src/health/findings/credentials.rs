//! Our own credentials: who refuses them, and why. What refuses us lives: this is never an outage.

use jiff::{SignedDuration, Timestamp};

use crate::{
    health::{
        scene::Scene,
        view::{NAMED, TargetView, earliest, labels},
        words,
    },
    model::{AlertName, Finding, Job, Severity, State, Topic},
};

/// One finding for each kind of component that refuses us.
pub(super) fn findings(scene: &Scene<'_>) -> Vec<Finding> {
    [Job::KubeApiserver, Job::Etcd, Job::Kubelet].into_iter().filter_map(|job| refused(scene, job)).collect()
}

fn refused(scene: &Scene<'_>, job: Job) -> Option<Finding> {
    let all = scene.job(job);
    let accepted = job == Job::KubeApiserver && all.iter().any(|t| t.verdict.state == State::Up);
    let refusing: Vec<_> = all
        .iter()
        .copied()
        .filter(|t| t.refuses_us() && !t.by_proxy() && !(accepted && may_be_starting(t, scene.now)))
        .collect();
    let first = refusing.first()?;
    let n = refusing.len();
    let who = if n == all.len() { words::all(n, job) } else { words::of(n, all.len(), job) };
    let status = first.last.and_then(|o| o.http_status).filter(|s| matches!(s, 401 | 403));
    let code = status.map(|s| format!(" ({s})")).unwrap_or_default();
    let (why, step) = why(scene, job, status, first);
    let severity = match job {
        Job::KubeApiserver if n == all.len() => Severity::Critical,
        Job::Kubelet => Severity::Info,
        _ => Severity::Warning,
    };
    let verb = if n == 1 { "refuses" } else { "refuse" };
    let headline = match job {
        Job::Kubelet => format!("{who} {verb} our credentials{code}: they live, but their health is unknown"),
        _ => format!("our credentials are refused by {who}{code}: {why}"),
    };
    let mut finding = scene.finding(AlertName::CredentialsRefused, job.as_str(), severity, headline);
    finding.topic = Topic::Credentials;
    finding.since = earliest(&refusing, scene.now);
    finding.labels = labels(&refusing);
    finding.evidence = refusing
        .iter()
        .take(EVIDENCE_MAX)
        .map(|t| format!("{} {}: {}", words::job(job, 1), t.instance(), t.verdict.message))
        .collect();
    let names: Vec<_> = refusing.iter().map(|t| t.instance()).collect();
    finding.still_works.push(match n {
        1 => format!("{} answers: it lives", words::list(&names, NAMED)),
        _ => format!("{} answer: they live", words::list(&names, NAMED)),
    });
    if job == Job::KubeApiserver && n == all.len() {
        finding
            .consequences
            .push("nodes, leases and endpoints can't be read: what was last known is watched on".into());
    }
    finding.first_step = step;
    Some(finding)
}

/// A kube-apiserver answers 403 to everybody in its first seconds, until it has read its RBAC. Where others accept us,
/// one that has not refused us for long is believed to be starting.
fn may_be_starting(t: &TargetView<'_>, now: Timestamp) -> bool {
    t.verdict.state == State::Down || now.duration_since(t.verdict.since) < STARTING
}

/// The longest that a start is given the benefit of the doubt.
const STARTING: SignedDuration = SignedDuration::from_secs(60);

/// The cause and what to do.
fn why(scene: &Scene<'_>, job: Job, status: Option<u16>, target: &TargetView<'_>) -> (String, String) {
    let (source, ours) = match job {
        Job::Etcd => ("etcd-client", "our etcd client certificate"),
        _ => ("kubeconfig", "the client certificate in the kubeconfig"),
    };
    let own = || scene.view.own_certificates.iter().filter(|c| c.source == source);
    let renew = match job {
        Job::Etcd => "put a new etcd client certificate (signed by etcd's CA) where `cert_file` and `key_file` point",
        _ => {
            "make a new kubeconfig for dogwatch (deploy/rbac.yaml, or `kubeadm kubeconfig user`) and put it in the old one's place"
        }
    };
    if let Some(expired) = own().filter(|c| c.not_after <= scene.now).min_by_key(|c| c.not_after) {
        return (format!("{ours} expired on {}", words::date(expired.not_after)), renew.into());
    }
    if let Some(early) = own().find(|c| c.not_before > scene.now) {
        let why = format!("{ours} is not valid before {}", words::time(early.not_before));
        return (why, "compare the clocks of the watchdog and the cluster".into());
    }
    match status {
        Some(403) => (
            "they know us, but don't allow this (RBAC)".into(),
            "apply dogwatch's RBAC manifest (deploy/rbac.yaml) and bind it to the user that the kubeconfig names".into(),
        ),
        Some(401) => (
            "they don't know us: the token or certificate in the kubeconfig is not valid there (another CA, revoked, or expired)".into(),
            renew.into(),
        ),
        _ => (target.verdict.message.clone(), renew.into()),
    }
}

/// How many refusals are quoted.
const EVIDENCE_MAX: usize = 10;

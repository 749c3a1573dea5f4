//! Our own credentials: who refuses them, and why. What refuses us lives: this is never an outage.
//!
//! A refusal proves nothing while who refuses can't know better. A kube-apiserver answers 403 to everybody until it has read
//! its roles, and 401 until it can verify tokens; a kubelet asks an API server who we are.

use jiff::{SignedDuration, Timestamp};

use crate::{
    health::{
        indexed_view::IndexedView,
        phrases,
        picture::Picture,
        say::{self, Sentence},
        view::{NAMED, TargetView, earliest, labels},
    },
    model::{AlertName, CertificateFact, Finding, Job, Said, SaidPart, Severity, TokenFact, Topic},
};

/// Returns one finding for each kind of component that refuses us.
pub(super) fn findings(p: &Picture<'_>) -> Vec<Finding> {
    [Job::KubeApiserver, Job::Etcd, Job::Kubelet].into_iter().filter_map(|job| refused(p, job)).collect()
}

/// Who refuses us and knows what it says.
fn refusing<'a>(p: &Picture<'a>, job: Job) -> Vec<&'a TargetView<'a>> {
    let knows = |t: &TargetView| match job {
        Job::KubeApiserver => is_over(&p.indexed, job) || !may_be_starting(t, p.indexed.now),
        Job::Kubelet => !t.by_proxy() && may_ask(p),
        _ => true,
    };
    p.indexed.job(job).iter().copied().filter(|t| t.refuses_us() && knows(t)).collect()
}

fn refused(p: &Picture<'_>, job: Job) -> Option<Finding> {
    let indexed = &p.indexed;
    let all = indexed.job(job);
    let refusing = refusing(p, job);
    let first = refusing.first()?;
    let n = refusing.len();
    let who = say::all_or_some(n, all.len(), job);
    let status = first.last.and_then(|o| o.http_status).filter(|s| matches!(s, 401 | 403));
    let accepted = job == Job::KubeApiserver && all.iter().any(|t| t.is_up());
    let (why, step) = if accepted { its_own_fault(indexed, first, n) } else { why(indexed, job, status, first) };
    let severity = match job {
        Job::KubeApiserver if n == all.len() => Severity::Critical,
        Job::Kubelet => Severity::Info,
        _ => Severity::Warning,
    };
    let coded = |what: Said| match status {
        Some(status) => Said::new("with-code").with("what", what).with("code", status.to_string()),
        None => what,
    };
    let headline = match job {
        Job::Kubelet => {
            let refuse = coded(Said::new("refuse-our-credentials").with("who", who).with("n", n));
            Said::new("they-live-unknown").with("what", refuse)
        }
        _ => Said::new("credentials-refused").with("who", coded(who)).with("why", why),
    };
    let mut finding = indexed.finding(AlertName::CredentialsRefused, job.as_str(), severity, headline);
    finding.topic = Topic::Credentials;
    finding.since = earliest(&refusing, indexed.now);
    finding.labels = labels(&refusing);
    finding.evidence = refusing
        .iter()
        .take(EVIDENCE_MAX)
        .map(|t| format!("{} {}: {}", phrases::job(job, 1), t.instance(), t.verdict.message))
        .collect();
    let unrenewed = ended_token(indexed, job).and_then(|token| token.problem.as_deref());
    finding.evidence.extend(unrenewed.map(|why| format!("our token ended and could not be renewed: {why}")));
    let names: Vec<_> = refusing.iter().map(|t| t.instance()).collect();
    let lives = Said::new("answers-so-lives").names("names", &names, NAMED).with("n", n);
    say::add(&mut finding, |f| &mut f.still_works, lives);
    if job == Job::KubeApiserver && n == all.len() {
        say::consequence(&mut finding, Said::new("blind-to-cluster"));
    }
    say::first_step(&mut finding, step);
    Some(finding)
}

/// An API server that has not refused us for long may just have started, and one that is not ready surely has.
fn may_be_starting(t: &TargetView<'_>, now: Timestamp) -> bool {
    let refuses_for = now.duration_since(t.verdict.since);
    let not_ready = t.api_facts().is_some_and(|f| f.ready == Some(false));
    refuses_for < if not_ready { STARTING_MAX } else { STARTING }
}

/// A kubelet can ask an API server: one works, and not only since a moment ago.
fn may_ask(p: &Picture<'_>) -> bool {
    let just_back = p.api.any_up() && !p.indexed.api_back();
    !just_back && p.api.all_failing().is_none()
}

/// So long a start is given the benefit of the doubt: caches of a big cluster take half of it.
const STARTING: SignedDuration = SignedDuration::from_secs(60);
/// The longest, where /readyz says that it goes on.
const STARTING_MAX: SignedDuration = SignedDuration::from_mins(5);

/// Others accept the same credentials: then it is not ours to mend.
fn its_own_fault(indexed: &IndexedView<'_>, target: &TargetView<'_>, n: usize) -> (Sentence, Said) {
    let step = Said::new("step-refused-by-one").with("host", indexed.machine(target));
    (Said::new("others-accept").with("n", n).into(), step)
}

/// Our own client certificates for these.
fn own<'a>(indexed: &IndexedView<'a>, job: Job) -> impl Iterator<Item = &'a CertificateFact> {
    let source = if job == Job::Etcd { "etcd-client" } else { "kubeconfig" };
    indexed.view.own_certificates.iter().filter(move |c| c.source == source)
}

/// The one of them that has ended: then nobody need be doubted.
fn ended<'a>(indexed: &IndexedView<'a>, job: Job) -> Option<&'a CertificateFact> {
    let now = indexed.now;
    own(indexed, job).filter(move |c| c.not_after <= now).min_by_key(|c| c.not_after)
}

/// Our token, where it has ended.
fn ended_token<'a>(indexed: &IndexedView<'a>, job: Job) -> Option<&'a TokenFact> {
    indexed.view.own_token.filter(|token| job != Job::Etcd && token.ends <= indexed.now)
}

/// What we come with has ended.
fn is_over(indexed: &IndexedView<'_>, job: Job) -> bool {
    ended(indexed, job).is_some() || ended_token(indexed, job).is_some()
}

/// The cause and what to do.
fn why(indexed: &IndexedView<'_>, job: Job, status: Option<u16>, target: &TargetView<'_>) -> (Sentence, Said) {
    let ours = |id| Said::new(id).with("of", if job == Job::Etcd { "etcd" } else { "kubeconfig" });
    let renew = Said::new(if job == Job::Etcd { "step-renew-etcd-client" } else { "step-renew-kubeconfig" });
    if let Some(expired) = ended(indexed, job) {
        let date = SaidPart::Date(expired.not_after);
        return (ours("certificate-expired-on").with("date", date).into(), renew);
    }
    if let Some(token) = ended_token(indexed, job) {
        let date = SaidPart::Date(token.ends);
        return (Said::new("token-ended-on").with("date", date).into(), renew);
    }
    if let Some(early) = own(indexed, job).find(|c| c.not_before > indexed.now) {
        let why = ours("certificate-not-yet").with("at", early.not_before);
        return (why.into(), Said::new("step-compare-clocks"));
    }
    match status {
        Some(403) => (Said::new("not-allowed").into(), Said::new("step-apply-rbac")),
        Some(401) => (Said::new("not-known").into(), renew),
        _ => (target.verdict.message.clone().into(), renew),
    }
}

/// How many refusals are quoted.
const EVIDENCE_MAX: usize = 10;

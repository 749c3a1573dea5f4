//! Certificates: those that run out, ours included, and those that can't be trusted.
//!
//! One finding for each certificate, however many servers present it; the warning begins a month before the end, or in
//! the last sixth of a short life (what is renewed by itself is renewed long before).

use std::{collections::BTreeMap, time::Duration};

use crate::{
    health::{
        indexed_view::IndexedView,
        phrases,
        picture::Picture,
        say,
        time::{SaturatingAge, expires_soon, expiry_windows},
        view::{How, NAMED, TargetView, earliest, labels},
    },
    model::{
        AlertName, CertificateFact, Finding, FindingKey, Job, Reason, Said, SaidPart, Severity, State, Topic, text,
    },
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// So many presenters are named in the evidence.
const EVIDENCE_MAX: usize = 10;
/// The source of a CA in our own hands.
const CA: &str = "ca";

pub(super) fn findings(p: &Picture<'_>) -> Vec<Finding> {
    let indexed = &p.indexed;
    let mut all = expiring(p);
    all.extend(Job::ALL.into_iter().filter_map(|job| untrusted(indexed, job)));
    all
}

/// What makes two sightings one finding. Kubelets have certificates of their own that run out together: told together.
type Identity<'a> = (&'a str, Option<Job>, &'a str, &'a str);

/// Who presents a certificate; `None`: it is ours.
type Sighting<'a> = (&'a CertificateFact, Option<&'a TargetView<'a>>);

fn expiring(p: &Picture<'_>) -> Vec<Finding> {
    let indexed = &p.indexed;
    let mut groups: BTreeMap<Identity, Vec<Sighting>> = BTreeMap::new();
    let due = |c: &CertificateFact| expires_soon(c, indexed.now);
    for certificate in indexed.view.own_certificates.iter().filter(|c| due(c)) {
        let identity = (certificate.source.as_str(), None, certificate.subject.as_str(), certificate.issuer.as_str());
        groups.entry(identity).or_default().push((certificate, None));
    }
    for target in &indexed.view.targets {
        let Some(tls) = target.last.and_then(|o| o.tls.as_ref()) else { continue };
        let chain = &tls.chain;
        if let Some(ca) = tls.anchor.as_ref().filter(|c| due(c)) {
            // Servers that present their CA as well don't make it two.
            groups.entry((CA, None, &ca.subject, &ca.issuer)).or_default().push((ca, Some(target)));
        }
        let is_ca = |c: &CertificateFact| tls.anchor.as_ref().is_some_and(|a| a.subject == c.subject);
        for (i, certificate) in chain.iter().enumerate().filter(|(_, c)| due(c) && !is_ca(c)) {
            let own = target.job() == Job::Kubelet && i == 0;
            let identity = if own {
                ("serving", Some(Job::Kubelet), "", "")
            } else {
                ("serving", None, certificate.subject.as_str(), certificate.issuer.as_str())
            };
            groups.entry(identity).or_default().push((certificate, Some(target)));
        }
    }
    groups.into_iter().filter_map(|(identity, seen)| expires(p, identity, seen)).collect()
}

fn expires(p: &Picture<'_>, identity: Identity<'_>, mut seen: Vec<Sighting<'_>>) -> Option<Finding> {
    let indexed = &p.indexed;
    seen.sort_by_key(|(c, t)| (c.not_after, t.map(|t| &t.target.key)));
    let (first, _) = *seen.first()?;
    let (warn, critical) = expiry_windows(first);
    let left = first.not_after.duration_since(indexed.now);
    let expired = left.is_zero() || left.is_negative();
    // What an expired certificate of ours breaks explains it: both are told together, once the API servers are heard.
    if expired && identity.0 == "kubeconfig" && api_unheard(indexed) {
        return None;
    }
    // So does a server's: while it is judged, nothing is said of it.
    let judged_now = |t: &TargetView<'_>| {
        let serves = matches!(t.job(), Job::KubeApiserver | Job::Etcd);
        serves && t.verdict.state == State::Suspect && t.verdict.reason == Some(Reason::Tls)
    };
    if expired && seen.iter().filter_map(|(_, t)| *t).any(judged_now) {
        return None;
    }
    let severity = if expired || left.unsigned_abs() <= critical { Severity::Critical } else { Severity::Warning };
    let (whose, step) = whose(identity, first, &seen);
    let when = if expired {
        "over"
    } else if left.unsigned_abs() <= DAY {
        "day"
    } else if left.unsigned_abs() <= 7 * DAY {
        "week"
    } else {
        "later"
    };
    let headline = Said::new("expires").with("whose", whose).with("when", when).with("at", first.not_after);
    let headline = headline.with("date", SaidPart::Date(first.not_after));
    let (source, job, subject, issuer) = identity;
    let key = job.map_or_else(|| format!("{source}: {subject} by {issuer}"), |job| format!("{source}: {job}"));
    let mut finding = indexed.finding(AlertName::CertificateExpiring, &key, severity, headline);
    finding.topic = Topic::Certificates;
    finding.since = first.not_after.saturating_sub_age(warn).min(indexed.now);
    let targets: Vec<_> = seen.iter().filter_map(|(_, t)| *t).collect();
    finding.labels = labels(&targets);
    finding.labels.extend([("source".into(), source.to_owned())]);
    finding.labels.extend((!subject.is_empty()).then(|| ("subject".into(), subject.to_owned())));
    finding.evidence = seen.iter().take(EVIDENCE_MAX).map(|(c, t)| evidence(c, *t)).collect();
    finding.evidence.extend((seen.len() > EVIDENCE_MAX).then(|| format!("and {} more", seen.len() - EVIDENCE_MAX)));
    let ours = matches!(source, "kubeconfig" | "etcd-client");
    let refused = match ours {
        true => "watchdog-refused",
        false if source == CA => "ca-refused",
        false => "certificate-refused",
    };
    say::consequence(&mut finding, Said::new(refused).with("over", if expired { "yes" } else { "no" }));
    say::first_step(&mut finding, Said::new(step));
    finding.caused_by = if expired { told_by(p, source, &targets) } else { None };
    Some(finding)
}

/// An API server has not been heard yet, or is in doubt.
pub(super) fn api_unheard(indexed: &IndexedView<'_>) -> bool {
    let unheard = |t: &&TargetView<'_>| match t.verdict.state {
        State::Suspect => true,
        State::Unknown => t.verdict.reason.is_none(),
        _ => false,
    };
    indexed.job(Job::KubeApiserver).iter().any(unheard)
}

/// What tells that the kubeconfig's credentials are refused, where they are.
pub(super) fn refused_over(p: &Picture<'_>) -> Option<FindingKey> {
    refused(p, Job::KubeApiserver).or_else(|| refused(p, Job::Kubelet))
}

fn refused(p: &Picture<'_>, job: Job) -> Option<FindingKey> {
    let refusing = p.indexed.job(job).iter().any(|t| t.refuses_us());
    refusing.then(|| p.indexed.key(AlertName::CredentialsRefused, job.as_str()))
}

/// Once it has run out, what comes of it is the news, and names the certificate as the reason: it is not told twice.
fn told_by(p: &Picture<'_>, source: &str, targets: &[&TargetView<'_>]) -> Option<FindingKey> {
    match source {
        "kubeconfig" => refused_over(p),
        "etcd-client" => refused(p, Job::Etcd),
        _ => {
            let ends = |how| matches!(how, How::Expired | How::CaExpired);
            let broken = |job| targets.iter().any(|t| t.job() == job && t.is_broken() && ends(t.how()));
            if broken(Job::KubeApiserver) {
                let all = p.api.all_failing().is_some();
                let alert = if all { AlertName::ApiServersDown } else { AlertName::ApiServerDown };
                Some(p.indexed.key(alert, ""))
            } else if broken(Job::Etcd) && p.etcd.lost.is_some() {
                Some(p.indexed.key(AlertName::EtcdQuorumLost, ""))
            } else {
                None
            }
        }
    }
}

fn evidence(c: &CertificateFact, target: Option<&TargetView<'_>>) -> String {
    let who =
        target.map_or_else(String::new, |t| format!(", presented by {} {}", phrases::job(t.job(), 1), t.instance()));
    format!("{} issued by {} is valid until {}{who}", c.subject, c.issuer, text::moment(c.not_after))
}

/// Whose certificate it is, and how it is renewed.
fn whose(identity: Identity<'_>, first: &CertificateFact, seen: &[Sighting<'_>]) -> (Said, &'static str) {
    let targets: Vec<_> = seen.iter().filter_map(|(_, t)| *t).collect();
    let (renew, kubelets) = ("step-cert-servers", "step-cert-kubelets");
    let of = |id| Said::new(id).with("subject", &first.subject);
    match (identity.0, targets.as_slice()) {
        ("kubeconfig", _) => (of("cert-of-kubeconfig"), "step-cert-kubeconfig"),
        ("etcd-client", _) => (of("cert-of-etcd-client"), "step-cert-etcd-client"),
        (CA, many) => {
            let etcd = many.iter().all(|t| t.job() == Job::Etcd);
            (of("cert-of-ca").with("of", if etcd { "etcd" } else { "kubeconfig" }), "step-cert-ca")
        }
        (_, [one]) if one.job() == Job::Kubelet => {
            (Said::new("cert-of-kubelet").with("node", one.node().unwrap_or(one.host())), kubelets)
        }
        (_, many) if identity.1 == Some(Job::Kubelet) => {
            let node = many.first().map_or("", |t| t.node().unwrap_or(t.host()));
            (Said::new("cert-of-kubelets").with("n", many.len()).with("node", node), kubelets)
        }
        (_, [one]) => {
            let whose = of("cert-of-one").with("component", say::job(one.job(), 1)).with("instance", one.instance());
            (whose, renew)
        }
        (_, many) => {
            let job = many.first().map(|t| t.job()).filter(|job| many.iter().all(|t| t.job() == *job));
            let whose = match job {
                Some(job) => of("cert-of-several").with("component", say::job(job, many.len())),
                None => of("cert-of-targets"),
            };
            (whose.with("n", many.len()), renew)
        }
    }
}

/// One finding for each component whose certificates we can't trust: they live, it is our check that fails.
fn untrusted(indexed: &IndexedView<'_>, job: Job) -> Option<Finding> {
    let refused: Vec<_> =
        indexed.job(job).iter().copied().filter(|t| t.is_down() && t.how() == How::Untrusted).collect();
    let first: &&TargetView = refused.first()?;
    let n = refused.len();
    let chain = first.last.and_then(|o| o.tls.as_ref()).map_or(&[][..], |tls| &tls.chain);
    let ca = if job == Job::Etcd { "etcd" } else { "kubeconfig" };
    let message = &first.verdict.message;
    let name = words_of_name(message);
    let whose = Said::new("component-possessive").with("n", n).with("component", say::job(job, n));
    let headline = if name {
        Said::new("cert-wrong-name").with("whose", whose).with("why", message)
    } else {
        Said::new("cert-wrong-ca").with("whose", whose).with("ca", ca)
    };
    let mut finding = indexed.finding(AlertName::CertificateUntrusted, job.as_str(), Severity::Critical, headline);
    finding.topic = Topic::Certificates;
    finding.since = earliest(&refused, indexed.now);
    finding.labels = labels(&refused);
    finding.evidence = refused.iter().take(NAMED).map(|t| t.line()).collect();
    finding.evidence.extend(chain.iter().map(|c| format!("presented: {} issued by {}", c.subject, c.issuer)));
    let names: Vec<_> = refused.iter().map(|t| t.instance()).collect();
    let runs = if n == 1 { "it runs" } else { "they run" };
    finding.still_works.push(format!("TLS is spoken at {}: {runs}", phrases::list(&names, NAMED)));
    finding.consequences.push("the watchdog sends no credentials there and can't tell its health".into());
    let step = match name {
        true => Said::new("step-cert-name"),
        false => Said::new("step-cert-issuer").with("of", ca).with("server", first.instance()),
    };
    say::first_step(&mut finding, step);
    Some(finding)
}

/// Whether the message of a failed verification speaks of the name rather than of the issuer.
fn words_of_name(message: &str) -> bool {
    let message = message.to_lowercase();
    let any = |words: &[&str]| words.iter().any(|w| message.contains(w));
    any(&["name", "valid for", "not for"]) && !any(&["signed", "issuer"])
}

//! The watchdog's diagnosis of itself: cut off, short of what it needs, not storing, clusters that can't be watched. Pure.
//!
//! What fails on our own side is told once, for all clusters that it hides, and accuses none of them.

use std::{collections::BTreeSet, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use super::say::{self, Sentence};
use crate::model::{AlertName, Diagnosis, Finding, FindingKey, Ours, Said, Severity, StoreHealth, Topic, Vantage};

/// How long a store that works again, but had to begin anew, is told of.
const STORE_NEWS: SignedDuration = SignedDuration::from_mins(10);

/// So soon after one another do clusters go out of sight that share what fails: they are told together.
const SPREADS: SignedDuration = SignedDuration::from_secs(5);
/// So many clusters are named.
const CLUSTERS_NAMED: usize = 6;
/// So many targets are quoted.
const EVIDENCE_MAX: usize = 5;

/// Something that fails on our own side, and what it hides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnFault {
    ours: Ours,
    since: Timestamp,
    /// When the last of what it hides went out of sight.
    latest: Timestamp,
    clusters: BTreeSet<Arc<str>>,
    targets: usize,
    /// What the probes say, each once.
    messages: BTreeSet<String>,
}

impl OwnFault {
    /// It hides nothing yet.
    pub fn new(ours: Ours, since: Timestamp) -> Self {
        Self { ours, since, latest: since, clusters: BTreeSet::new(), targets: 0, messages: BTreeSet::new() }
    }

    /// It hides a target of this cluster, too.
    pub fn add(&mut self, cluster: &Arc<str>, since: Timestamp, message: &str) {
        self.since = self.since.min(since);
        self.latest = self.latest.max(since);
        self.targets += 1;
        self.clusters.insert(cluster.clone());
        if self.messages.len() < EVIDENCE_MAX {
            self.messages.insert(message.to_owned());
        }
    }
}

/// Holds what is looked at.
#[derive(Clone, Copy, Debug)]
pub struct OwnView<'a> {
    /// Now.
    pub now: Timestamp,
    /// The watchdog's view of the network.
    pub vantage: &'a Vantage,
    /// Its store.
    pub store: &'a StoreHealth,
    /// `(cluster, why it can't be watched at all)`.
    pub problems: &'a [(&'a str, &'a str)],
    /// What fails on our own side, confirmed.
    pub faults: &'a [OwnFault],
}

/// Returns the findings about the watchdog itself; their cluster is empty.
pub fn diagnose(view: &OwnView<'_>) -> Diagnosis {
    let mut findings = Vec::new();
    if !view.vantage.ok {
        findings.push(cut_off(view));
    }
    findings.extend(view.faults.iter().map(unseen));
    findings.extend(store(view));
    findings.extend(view.problems.iter().map(|(cluster, why)| not_watched(cluster, why, view.now)));
    let unsettled = view.faults.iter().any(|f| view.now.duration_since(f.latest) < SPREADS);
    Diagnosis { cluster: Arc::default(), at: view.now, findings, unsettled, blind: false, changes: Arc::default() }
}

type Kind<'a> = (AlertName, &'a str, Severity, Topic);

fn finding((alert, subject, severity, topic): Kind<'_>, headline: Said, since: Timestamp) -> Finding {
    let key = FindingKey { cluster: Arc::default(), alert, subject: subject.to_owned() };
    let Sentence { text, said } = headline.into();
    Finding { said: Vec::from_iter(said), ..Finding::new(key, severity, topic, text, since) }
}

/// What still works, and what follows.
fn tell(mut finding: Finding, works: &'static str, follows: &'static str) -> Finding {
    say::add(&mut finding, |f| &mut f.still_works, Said::new(works));
    say::consequence(&mut finding, Said::new(follows));
    finding
}

fn cut_off(view: &OwnView<'_>) -> Finding {
    let since = view.vantage.since.unwrap_or(view.now);
    let kind = (AlertName::WatchdogCutOff, "", Severity::Critical, Topic::Vantage);
    let mut finding = tell(finding(kind, Said::new("cut-off"), since), "nothing-known-against", "seen-when-back");
    finding.evidence.push(view.vantage.message.clone());
    say::first_step(&mut finding, Said::new("step-cut-off"));
    finding
}

/// A fault of our own in words: the alert, its subject, what it is, and what to do.
fn told(ours: &Ours) -> (AlertName, &str, Said, &'static str) {
    match ours {
        Ours::Files => (AlertName::WatchdogOutOfFiles, "", Said::new("fault-files"), "step-own-files"),
        Ours::Ports => (AlertName::WatchdogOutOfPorts, "", Said::new("fault-ports"), "step-own-ports"),
        Ours::Memory => (AlertName::WatchdogOutOfMemory, "", Said::new("fault-memory"), "step-own-memory"),
        Ours::Firewall => (AlertName::WatchdogCutOff, "firewall", Said::new("fault-firewall"), "step-own-firewall"),
        Ours::Proxy(place) => {
            (AlertName::WatchdogProxyDown, place, Said::new("fault-proxy").with("proxy", place), "step-own-proxy")
        }
        Ours::Resolver => (AlertName::WatchdogResolverDown, "", Said::new("fault-resolver"), "step-own-resolver"),
        Ours::Ping => (AlertName::WatchdogMayNotPing, "", Said::new("fault-ping"), "step-own-ping"),
        Ours::Tls(what) => {
            (AlertName::WatchdogTlsLimit, what, Said::new("fault-tls").with("what", what), "step-own-tls")
        }
    }
}

fn unseen(fault: &OwnFault) -> Finding {
    let (alert, subject, what, step) = told(&fault.ours);
    let clusters: Vec<&str> = fault.clusters.iter().map(|c| &**c).collect();
    let headline = Said::new("fault-hides").with("what", what).with("targets", fault.targets);
    let headline = headline.with("clusters", clusters.len()).names("names", &clusters, CLUSTERS_NAMED);
    let found = finding((alert, subject, Severity::Critical, Topic::Vantage), headline, fault.since);
    let mut finding = tell(found, "nothing-known-against-seen", "outage-unseen");
    finding.evidence = fault.messages.iter().cloned().collect();
    say::first_step(&mut finding, Said::new(step));
    if let Ours::Proxy(place) = &fault.ours {
        finding.labels.insert("proxy".into(), place.clone());
    }
    if matches!(fault.ours, Ours::Tls(_) | Ours::Ping) {
        finding.severity = Severity::Warning;
    }
    finding
}

fn store(view: &OwnView<'_>) -> Option<Finding> {
    let since = view.store.since.unwrap_or(view.now);
    let recent = view.now.duration_since(since) < STORE_NEWS;
    if view.store.message.is_empty() || (view.store.ok && !recent) {
        return None;
    }
    let (headline, severity, step) = if view.store.ok && view.store.history_kept {
        ("store-taken-away", Severity::Warning, "step-store-taken")
    } else if view.store.ok {
        ("store-anew", Severity::Warning, "step-store-anew")
    } else {
        ("store-failing", Severity::Critical, "step-store-failing")
    };
    let kind = (AlertName::StoreFailing, "", severity, Topic::Watchdog);
    let mut finding = finding(kind, Said::new(headline), since);
    say::add(&mut finding, |f| &mut f.still_works, Said::new("probing-goes-on"));
    if !view.store.ok {
        say::consequence(&mut finding, Said::new("lost-at-restart"));
    }
    finding.evidence.push(view.store.message.clone());
    say::first_step(&mut finding, Said::new(step));
    Some(finding)
}

fn not_watched(cluster: &str, why: &str, now: Timestamp) -> Finding {
    let kind = (AlertName::ClusterNotWatched, cluster, Severity::Critical, Topic::Watchdog);
    let mut f = finding(kind, Said::new("not-watched").with("cluster", cluster), now);
    f.evidence = vec![why.to_string()];
    say::first_step(&mut f, Said::new("step-not-watched"));
    f
}

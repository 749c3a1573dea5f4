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
    let found = finding(kind, Said::new("cut-off"), since);
    Finding {
        evidence: vec![view.vantage.message.clone()],
        first_step:
            "look at the watchdog's own machine: its link, its default route and its gateway (ip link; ip route)".into(),
        ..tell(found, "nothing-known-against", "seen-when-back")
    }
}

/// A fault of our own in words: the alert, its subject, what it is, and what to do.
fn told(ours: &Ours) -> (AlertName, &str, Said, &'static str) {
    match ours {
        Ours::Files => (
            AlertName::WatchdogOutOfFiles,
            "",
            Said::new("fault-files"),
            "see who holds them (`ls -l /proc/$(pidof dogwatch)/fd`) and raise the limit (`LimitNOFILE=` in its unit, \
             fs.file-max of the machine)",
        ),
        Ours::Ports => (
            AlertName::WatchdogOutOfPorts,
            "",
            Said::new("fault-ports"),
            "see who holds them (`ss -s`; `ss -tan state time-wait | wc -l`), and widen net.ipv4.ip_local_port_range",
        ),
        Ours::Memory => (
            AlertName::WatchdogOutOfMemory,
            "",
            Said::new("fault-memory"),
            "look at the machine's memory (`free -m`; `cat /proc/net/sockstat`; dmesg) and at the limits of dogwatch's cgroup",
        ),
        Ours::Firewall => (
            AlertName::WatchdogCutOff,
            "firewall",
            Said::new("fault-firewall"),
            "look at the machine's own rules (`nft list ruleset`; `iptables -S OUTPUT`) and at who changed them",
        ),
        Ours::Proxy(place) => (
            AlertName::WatchdogProxyDown,
            place,
            Said::new("fault-proxy").with("proxy", place),
            "try it from the watchdog's machine (`curl -v -x http://PROXY https://API-SERVER/livez`); it is the kubeconfig's \
             `proxy-url`, or HTTPS_PROXY of the watchdog's environment",
        ),
        Ours::Resolver => (
            AlertName::WatchdogResolverDown,
            "",
            Said::new("fault-resolver"),
            "ask it from the watchdog's machine (`getent hosts NAME`; `resolvectl status`; /etc/resolv.conf); addresses in \
             place of names in the kubeconfig make it needless",
        ),
        Ours::Ping => (
            AlertName::WatchdogMayNotPing,
            "",
            Said::new("fault-ping"),
            "let the kernel (`sysctl net.ipv4.ping_group_range=\"0 2147483647\"`), or give the service \
             `AmbientCapabilities=CAP_NET_RAW`; in a container, the capability NET_RAW",
        ),
        Ours::Tls(what) => (
            AlertName::WatchdogTlsLimit,
            what,
            Said::new("fault-tls").with("what", what),
            "serve a certificate of another kind (RSA of 2048 bits, P-256), or watch these targets by other means",
        ),
    }
}

fn unseen(fault: &OwnFault) -> Finding {
    let (alert, subject, what, first_step) = told(&fault.ours);
    let clusters: Vec<&str> = fault.clusters.iter().map(|c| &**c).collect();
    let headline = Said::new("fault-hides").with("what", what).with("targets", fault.targets);
    let headline = headline.with("clusters", clusters.len()).names("names", &clusters, CLUSTERS_NAMED);
    let found = finding((alert, subject, Severity::Critical, Topic::Vantage), headline, fault.since);
    let mut finding = Finding {
        evidence: fault.messages.iter().cloned().collect(),
        first_step: first_step.into(),
        ..tell(found, "nothing-known-against-seen", "outage-unseen")
    };
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
    let (headline, severity) = if view.store.ok && view.store.history_kept {
        ("store-taken-away", Severity::Warning)
    } else if view.store.ok {
        ("store-anew", Severity::Warning)
    } else {
        ("store-failing", Severity::Critical)
    };
    let first_step = if view.store.ok && view.store.history_kept {
        "find out who touches its data directory: nothing was lost this time"
    } else if view.store.ok {
        "keep the old file if its history matters to you; restore a backup if there is one"
    } else {
        "look at the disk of the watchdog's machine (df -h, mount, dmesg) and at the message above"
    };
    let kind = (AlertName::StoreFailing, "", severity, Topic::Watchdog);
    let mut finding = finding(kind, Said::new(headline), since);
    say::add(&mut finding, |f| &mut f.still_works, Said::new("probing-goes-on"));
    if !view.store.ok {
        say::consequence(&mut finding, Said::new("lost-at-restart"));
    }
    Some(Finding { evidence: vec![view.store.message.clone()], first_step: first_step.into(), ..finding })
}

fn not_watched(cluster: &str, why: &str, now: Timestamp) -> Finding {
    let kind = (AlertName::ClusterNotWatched, cluster, Severity::Critical, Topic::Watchdog);
    let mut f = finding(kind, Said::new("not-watched").with("cluster", cluster), now);
    f.evidence = vec![why.to_string()];
    f.first_step = "mend what the message names and run `dogwatch check`; the watchdog tries again by itself".into();
    f
}

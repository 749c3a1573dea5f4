//! The watchdog's diagnosis of itself: cut off, short of what it needs, not storing, clusters that can't be watched. Pure.
//!
//! What fails on our own side is told once, for all clusters that it hides, and accuses none of them.

use std::{collections::BTreeSet, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use super::phrases;
use crate::model::{AlertName, Diagnosis, Finding, FindingKey, Ours, Severity, StoreHealth, Topic, Vantage};

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

fn finding(alert: AlertName, subject: &str, severity: Severity, topic: Topic, since: Timestamp) -> Finding {
    let key = FindingKey { cluster: Arc::default(), alert, subject: subject.to_owned() };
    Finding::new(key, severity, topic, String::new(), since)
}

fn cut_off(view: &OwnView<'_>) -> Finding {
    let since = view.vantage.since.unwrap_or(view.now);
    Finding {
        headline: "the watchdog itself is cut off from the network: no cluster is judged until it sees again".into(),
        evidence: vec![view.vantage.message.clone()],
        still_works: vec!["nothing is known against any cluster: their last verdicts are kept".into()],
        consequences: vec!["an outage that begins now would be seen only when the watchdog is back".into()],
        first_step:
            "look at the watchdog's own machine: its link, its default route and its gateway (ip link; ip route)".into(),
        ..finding(AlertName::WatchdogCutOff, "", Severity::Critical, Topic::Vantage, since)
    }
}

/// A fault of our own in words: the alert, its subject, what it is, and what to do.
fn told(ours: &Ours) -> (AlertName, &str, String, &'static str) {
    match ours {
        Ours::Files => (
            AlertName::WatchdogOutOfFiles,
            "",
            "the watchdog has no file descriptors left".into(),
            "see who holds them (`ls -l /proc/$(pidof dogwatch)/fd`) and raise the limit (`LimitNOFILE=` in its unit, \
             fs.file-max of the machine)",
        ),
        Ours::Ports => (
            AlertName::WatchdogOutOfPorts,
            "",
            "the watchdog's machine has no local address or port left to connect from".into(),
            "see who holds them (`ss -s`; `ss -tan state time-wait | wc -l`), and widen net.ipv4.ip_local_port_range",
        ),
        Ours::Memory => (
            AlertName::WatchdogOutOfMemory,
            "",
            "the watchdog's machine has no memory left for connections".into(),
            "look at the machine's memory (`free -m`; `cat /proc/net/sockstat`; dmesg) and at the limits of dogwatch's cgroup",
        ),
        Ours::Firewall => (
            AlertName::WatchdogCutOff,
            "firewall",
            "a firewall on the watchdog's own machine forbids its connections".into(),
            "look at the machine's own rules (`nft list ruleset`; `iptables -S OUTPUT`) and at who changed them",
        ),
        Ours::Proxy(place) => (
            AlertName::WatchdogProxyDown,
            place,
            format!("the proxy {place} that we use is down, or opens no way"),
            "try it from the watchdog's machine (`curl -v -x http://PROXY https://API-SERVER/livez`); it is the kubeconfig's \
             `proxy-url`, or HTTPS_PROXY of the watchdog's environment",
        ),
        Ours::Resolver => (
            AlertName::WatchdogResolverDown,
            "",
            "the resolver of the watchdog's machine answers for no name".into(),
            "ask it from the watchdog's machine (`getent hosts NAME`; `resolvectl status`; /etc/resolv.conf); addresses in \
             place of names in the kubeconfig make it needless",
        ),
        Ours::Ping => (
            AlertName::WatchdogMayNotPing,
            "",
            "the watchdog's user may not ping".into(),
            "let the kernel (`sysctl net.ipv4.ping_group_range=\"0 2147483647\"`), or give the service \
             `AmbientCapabilities=CAP_NET_RAW`; in a container, the capability NET_RAW",
        ),
        Ours::Tls(what) => (
            AlertName::WatchdogTlsLimit,
            what,
            format!("dogwatch's TLS library does not know {what}"),
            "serve a certificate of another kind (RSA of 2048 bits, P-256), or watch these targets by other means",
        ),
    }
}

fn unseen(fault: &OwnFault) -> Finding {
    let (alert, subject, what, first_step) = told(&fault.ours);
    let clusters: Vec<&str> = fault.clusters.iter().map(|c| &**c).collect();
    let who = if clusters.len() == 1 { "cluster" } else { "clusters" };
    let targets = if fault.targets == 1 { "1 target".to_owned() } else { format!("{} targets", fault.targets) };
    let named = phrases::list(&clusters, CLUSTERS_NAMED);
    let mut finding = Finding {
        headline: format!("{what}: {targets} of {who} {named} can't be seen"),
        evidence: fault.messages.iter().cloned().collect(),
        still_works: vec!["nothing is known against any cluster: what was last known of them is kept".into()],
        consequences: vec!["an outage that begins there now would not be seen".into()],
        first_step: first_step.into(),
        ..finding(alert, subject, Severity::Critical, Topic::Vantage, fault.since)
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
        ("the watchdog's database was taken away while it ran", Severity::Warning)
    } else if view.store.ok {
        ("the watchdog had to begin its history anew", Severity::Warning)
    } else {
        ("the watchdog can't write its history; it goes on probing and notifying from memory", Severity::Critical)
    };
    let first_step = if view.store.ok && view.store.history_kept {
        "find out who touches its data directory: nothing was lost this time"
    } else if view.store.ok {
        "keep the old file if its history matters to you; restore a backup if there is one"
    } else {
        "look at the disk of the watchdog's machine (df -h, mount, dmesg) and at the message above"
    };
    Some(Finding {
        headline: headline.into(),
        evidence: vec![view.store.message.clone()],
        still_works: vec!["probing, verdicts and notifications".into()],
        consequences: if view.store.ok {
            Vec::new()
        } else {
            vec!["what happens now is lost if the watchdog is restarted before it can write again".into()]
        },
        first_step: first_step.into(),
        ..finding(AlertName::StoreFailing, "", severity, Topic::Watchdog, since)
    })
}

fn not_watched(cluster: &str, why: &str, now: Timestamp) -> Finding {
    let mut f = finding(AlertName::ClusterNotWatched, cluster, Severity::Critical, Topic::Watchdog, now);
    f.headline = format!("cluster {cluster} is not being watched");
    f.evidence = vec![why.to_string()];
    f.first_step = "mend what the message names and run `dogwatch check`; the watchdog tries again by itself".into();
    f
}

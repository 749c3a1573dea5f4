//! What has changed of a cluster's components, as probes see it: the version that a server tells, the certificate that it shows.
//! Seen of every cluster, with the recorder or without.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use crate::model::{ChangeKind, ChangeScope, Facts, KubeletVia, Observation, RecentChange, Target, TargetKey, text};

/// As long as the recorder's changes are kept.
const KEPT_FOR: Duration = Duration::from_secs(3_600);
/// Changes of one cluster: an upgrade of some hundred kubelets; the oldest go first.
const CHANGES_MAX: usize = 256;
/// Versions of one target: behind an address that leads to several servers there are two during an upgrade.
const VERSIONS_MAX: usize = 16;

/// What is known of one target.
#[derive(Debug, Default)]
struct Known {
    versions: BTreeSet<String>,
    /// When the newest certificate that it has shown begins.
    newest: Option<Timestamp>,
}

/// What is known of all, and what has changed lately.
#[derive(Debug, Default)]
pub(super) struct SeenChanges {
    known: HashMap<TargetKey, Known>,
    last: VecDeque<Arc<RecentChange>>,
}

impl SeenChanges {
    /// Takes what a probe told of a target.
    pub(super) fn take(&mut self, target: &Target, seen: &Observation) {
        let known = match self.known.get_mut(&target.key) {
            Some(known) => known,
            None => self.known.entry(target.key.clone()).or_default(),
        };
        let mut changes = Vec::new();
        if let Some(version) = version(&seen.facts)
            && !known.versions.contains(version)
        {
            let is_another = !known.versions.is_empty();
            if known.versions.len() >= VERSIONS_MAX {
                known.versions.clear();
            }
            known.versions.insert(version.to_owned());
            changes.extend(is_another.then(|| (ChangeKind::ControlPlane, format!("is of version {version} now"))));
        }
        // Through an API server, that one's is seen.
        let is_own = !matches!(&seen.facts, Facts::Kubelet(facts) if facts.via == KubeletVia::Proxy);
        let shown = seen.tls.as_ref().filter(|_| is_own).and_then(|tls| tls.chain.first());
        if let Some(leaf) = shown.filter(|leaf| known.newest.is_none_or(|newest| leaf.not_before > newest)) {
            if known.newest.is_some() {
                changes.push((ChangeKind::Certificate, format!("valid until {}", text::moment(leaf.not_after))));
            }
            known.newest = Some(leaf.not_before);
        }
        let scope = |kind| match &target.node {
            Some(node) if kind == ChangeKind::Certificate => ChangeScope::Node(node.clone()),
            _ => ChangeScope::Cluster,
        };
        for (kind, detail) in changes {
            let subject = format!("{} {}", target.key.job, target.key.instance);
            let change = RecentChange { at: seen.started, since: None, kind, subject, detail, scope: scope(kind) };
            if self.last.len() >= CHANGES_MAX {
                self.last.pop_front();
            }
            self.last.push_back(Arc::new(change));
        }
    }

    /// Forgets a target.
    pub(super) fn forget(&mut self, target: &TargetKey) {
        self.known.remove(target);
    }

    /// Returns these with what the recorder saw.
    pub(super) fn beside(&self, recorded: Arc<[Arc<RecentChange>]>, now: Timestamp) -> Arc<[Arc<RecentChange>]> {
        let from = now.checked_sub(KEPT_FOR).unwrap_or(Timestamp::MIN);
        let mut fresh = self.last.iter().filter(|change| change.at >= from).peekable();
        match fresh.peek() {
            None => recorded,
            Some(_) => recorded.iter().chain(fresh).cloned().collect(),
        }
    }
}

fn version(facts: &Facts) -> Option<&str> {
    match facts {
        Facts::ApiServer(facts) => facts.version.as_deref(),
        Facts::Etcd(facts) => facts.version.as_deref(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ApiServerFacts, CertificateFact, Failure, Job, ProbeSpec, Reason, TlsFacts};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_413_600 + seconds).unwrap()
    }

    #[test]
    fn another_version_and_a_newer_certificate_are_changes_once() {
        let target = Arc::new(Target {
            key: TargetKey { cluster: "prod".into(), job: Job::KubeApiserver, instance: "10.0.0.1:6443".into() },
            node: Some("cp1".into()),
            spec: ProbeSpec::Healthz { url: "https://10.0.0.1:6443/".parse().unwrap() },
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            guessed: false,
            labels: Default::default(),
        });
        let mut changes = SeenChanges::default();
        let mut see = |second: i64, version: &str, begins: i64| {
            let certificate = CertificateFact {
                subject: "CN=kube-apiserver".into(),
                issuer: "CN=ca".into(),
                not_after: at(begins + 1_000),
                not_before: at(begins),
                source: "serving".into(),
            };
            let tls = TlsFacts { version: None, chain: [certificate].into(), anchor: None, verified: true };
            let facts = Facts::ApiServer(ApiServerFacts { version: Some(version.into()), ..Default::default() });
            let nothing = Observation::failed(target.clone(), at(second), Failure::new(Reason::Timeout, "x"));
            changes.take(&target, &Observation { failure: None, tls: Some(tls), facts, ..nothing.clone() });
            // A probe that fails tells nothing of it.
            changes.take(&target, &nothing);
            let all = changes.beside(Arc::default(), at(second));
            all.iter().map(|c| c.kind.words(&[&c.subject], &c.detail)).collect::<Vec<_>>()
        };
        assert!(see(0, "v1.33.1", 0).is_empty(), "what is seen first is no change");
        let version = "kube-apiserver 10.0.0.1:6443: is of version v1.34.0 now";
        assert_eq!(see(10, "v1.34.0", 0), [version]);
        // Two servers behind one address.
        assert_eq!(see(20, "v1.33.1", 0), [version]);
        let certificate = "certificate for kube-apiserver 10.0.0.1:6443 issued: valid until 2026-11-23 06:16:45 UTC";
        assert_eq!(see(30, "v1.34.0", 5), [version, certificate]);
        assert_eq!(see(40, "v1.34.0", 0), [version, certificate]);
        assert!(see(5_000, "v1.34.0", 5).is_empty(), "it is long past");
    }
}

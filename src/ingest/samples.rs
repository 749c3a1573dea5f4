//! From what was seen to series, under the names of the contract (`telemetry::names`). Pure.
//!
//! A target tells the same series with every probe: their label sets are made once and taken over from the samples before.

mod canary;

use std::{collections::HashSet, sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::{
    health::Quorum,
    model::{
        CanaryStanding, CertificateFact, ClusterSnapshot, EtcdFacts, EtcdVia, Facts, Job, KubeletVia, Labels, NodeFact,
        Observation, Passage, Sample, State, Target, TlsFacts,
    },
};

/// So far ahead the samples before are searched for a series: more than one probe leaves out of what another told.
const AHEAD: usize = 64;

/// Collects the samples of one moment under common labels.
struct SampleBuilder<'a> {
    base: Vec<(&'a str, &'a str)>,
    at: Timestamp,
    samples: Vec<Sample>,
    /// What was told before under the same common labels, and where in it the next series is likely to be.
    before: &'a [Sample],
    next: usize,
    /// How many common labels there are.
    common: usize,
}

impl<'a> SampleBuilder<'a> {
    fn new(base: Vec<(&'a str, &'a str)>, at: Timestamp, before: &'a [Sample], capacity: usize) -> Self {
        let common = base.iter().filter(|(_, value)| !value.is_empty()).count();
        // They were made together, so that all have the common labels if one does.
        let same = |labels: &Labels| base.iter().all(|(label, value)| labels.value(label) == *value);
        let before = if before.first().is_some_and(|first| same(&first.labels)) { before } else { &[] };
        Self { base, at, samples: Vec::with_capacity(capacity), before, next: 0, common }
    }

    fn of_target(target: &'a Target, at: Timestamp, before: &'a [Sample]) -> Self {
        let mut base: Vec<(&str, &str)> = target.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        base.extend([
            ("cluster", &*target.key.cluster),
            ("job", target.key.job.as_str()),
            ("instance", &*target.key.instance),
        ]);
        base.extend(target.node.as_deref().map(|n| ("node", n)));
        Self::new(base, at, before, before.len().max(48))
    }

    fn put(&mut self, name: &str, more: &[(&str, &str)], value: f64) {
        let labels = self.known(name, more);
        let labels = labels.unwrap_or_else(|| Labels::new(name, self.base.iter().chain(more).copied()));
        self.samples.push(Sample { labels, at: self.at, value });
    }

    /// The label set of the same series among the samples before.
    fn known(&mut self, name: &str, more: &[(&str, &str)]) -> Option<Labels> {
        let more = || more.iter().filter(|(_, value)| !value.is_empty());
        let count = self.common + more().count();
        let same = |labels: &Labels| {
            *labels.name == *name
                && labels.pairs.len() == count
                && more().all(|(label, value)| labels.get(label) == Some(value))
        };
        let ahead = self.before.get(self.next..)?.iter().take(AHEAD).position(|s| same(&s.labels))?;
        let labels = self.before.get(self.next + ahead)?.labels.clone();
        self.next += ahead + 1;
        Some(labels)
    }

    fn flag(&mut self, name: &str, more: &[(&str, &str)], value: bool) {
        self.put(name, more, f64::from(u8::from(value)));
    }

    fn seconds(&mut self, name: &str, more: &[(&str, &str)], value: Duration) {
        self.put(name, more, micros(value));
    }

    #[allow(clippy::cast_precision_loss)] // Sizes and indexes below 2^53 are exact.
    fn number(&mut self, name: &str, value: Option<u64>) {
        if let Some(value) = value {
            self.put(name, &[], value as f64);
        }
    }
}

/// Seconds, rounded to the microsecond that was really measured.
fn micros(d: Duration) -> f64 {
    (d.as_secs_f64() * 1e6).round() / 1e6
}

#[allow(clippy::cast_precision_loss)] // Seconds since 1970 are exact.
fn unix(at: Timestamp) -> f64 {
    at.as_second() as f64
}

/// Returns every series of one probe, with the verdict that followed from it; `before` is what the target told last.
pub fn of_observation(o: &Observation, state: State, before: &[Sample]) -> Arc<[Sample]> {
    let mut s = SampleBuilder::of_target(&o.target, o.started, before);
    s.flag("probe_success", &[], o.failure.is_none());
    s.seconds("probe_duration_seconds", &[], o.duration);
    s.flag("up", &[], o.answered);
    let phases = [
        ("resolve", o.phases.resolve),
        ("connect", o.phases.connect),
        ("tls", o.phases.tls),
        ("processing", o.phases.processing),
        ("transfer", o.phases.transfer),
    ];
    for (phase, took) in phases {
        if let Some(took) = took {
            s.seconds("probe_http_duration_seconds", &[("phase", phase)], took);
        }
    }
    if let Some(status) = o.http_status {
        s.put("probe_http_status_code", &[], f64::from(status));
    }
    if let Some(failure) = &o.failure {
        s.put("probe_failure_info", &[("reason", failure.reason.as_str())], 1.0);
    }
    if let Some(tls) = &o.tls {
        of_tls(&mut s, tls);
    }
    for check in &o.checks {
        s.flag("dogwatch_component_check", &[("page", &check.page), ("check", &check.name)], check.ok);
    }
    of_facts(&mut s, &o.facts);
    if let Some(check) = o.target.spec.check() {
        let severity = check.severity.to_string();
        s.put("dogwatch_check_info", &[("kind", &check.kind), ("severity", &severity)], 1.0);
    }
    of_state(&mut s, state);
    s.samples.into()
}

/// Only the verdict: for a target whose probes say nothing of it, since the watchdog is cut off.
pub fn of_verdict(target: &Target, state: State, at: Timestamp, before: &[Sample]) -> Arc<[Sample]> {
    let mut s = SampleBuilder::of_target(target, at, before);
    of_state(&mut s, state);
    s.samples.into()
}

fn of_state(s: &mut SampleBuilder<'_>, state: State) {
    for each in State::ALL {
        s.flag("dogwatch_target_state", &[("state", each.as_str())], each == state);
    }
}

fn of_tls(s: &mut SampleBuilder<'_>, tls: &TlsFacts) {
    if let Some(version) = &tls.version {
        s.put("probe_tls_version_info", &[("version", version)], 1.0);
    }
    s.flag("dogwatch_tls_verified", &[], tls.verified);
    if let Some(earliest) = tls.chain.iter().map(|c| c.not_after).min() {
        s.put("probe_ssl_earliest_cert_expiry", &[], unix(earliest));
    }
    of_certificates(s, &tls.chain);
}

fn of_certificates(s: &mut SampleBuilder<'_>, certificates: &[CertificateFact]) {
    // A chain may hold two certificates of one name (a renewed one): the earlier expiry is the one that hurts.
    let mut seen: std::collections::BTreeMap<(&str, &str, &str), (Timestamp, Timestamp)> =
        std::collections::BTreeMap::new();
    for c in certificates {
        let life = (c.not_after, c.not_before);
        let kept = seen.entry((&c.subject, &c.issuer, &c.source)).or_insert(life);
        *kept = life.min(*kept);
    }
    for ((subject, issuer, source), (not_after, not_before)) in seen {
        let more = [("subject", subject), ("issuer", issuer), ("source", source)];
        s.put("dogwatch_certificate_expiry_timestamp_seconds", &more, unix(not_after));
        s.put("dogwatch_certificate_not_before_timestamp_seconds", &more, unix(not_before));
    }
}

fn of_facts(s: &mut SampleBuilder<'_>, facts: &Facts) {
    match facts {
        Facts::None => {}
        Facts::ApiServer(a) => {
            if let Some(version) = &a.version {
                s.put("dogwatch_component_info", &[("version", version)], 1.0);
            }
        }
        Facts::Kubelet(k) => {
            let via = match k.via {
                KubeletVia::Direct => "direct",
                KubeletVia::Proxy => "proxy",
            };
            let status = k.direct_status.map(|c| c.to_string()).unwrap_or_default();
            s.put("dogwatch_kubelet_info", &[("via", via), ("direct_status", &status)], 1.0);
        }
        Facts::Etcd(e) => of_etcd(s, e),
        Facts::Check(facts) => {
            for m in &facts.measures {
                let more: Vec<(&str, &str)> = m.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
                s.put(&m.name, &more, m.value);
            }
        }
    }
}

fn of_etcd(s: &mut SampleBuilder<'_>, e: &EtcdFacts) {
    if let Some(version) = &e.version {
        s.put("dogwatch_component_info", &[("version", version)], 1.0);
    }
    for (name, value) in [("dogwatch_etcd_has_leader", e.has_leader), ("dogwatch_etcd_is_leader", e.is_leader)] {
        if let Some(value) = value {
            s.flag(name, &[], value);
        }
    }
    if e.via == EtcdVia::Client {
        // Told only by the client port; 0 says "asked, and none".
        for alarm in ["NOSPACE", "CORRUPT"] {
            let own = e.alarms.iter().any(|a| a.alarm == alarm && e.member_id.is_none_or(|id| a.member_id == id));
            s.flag("dogwatch_etcd_alarm", &[("alarm", alarm)], own);
        }
    }
    s.number("dogwatch_etcd_db_size_bytes", e.db_size);
    s.number("dogwatch_etcd_db_size_in_use_bytes", e.db_size_in_use);
    s.number("dogwatch_etcd_db_quota_bytes", e.db_quota);
    s.number("dogwatch_etcd_raft_term", e.raft_term);
    s.number("dogwatch_etcd_raft_index", e.raft_index);
    s.number("dogwatch_etcd_raft_applied_index", e.raft_applied_index);
    s.number("dogwatch_etcd_revision", e.revision);
    for (consistency, took) in [("serializable", e.serializable), ("linearizable", e.linearizable)] {
        if let Some(took) = took {
            s.seconds("dogwatch_etcd_read_duration_seconds", &[("consistency", consistency)], took);
        }
    }
}

fn put_quorum(s: &mut SampleBuilder<'_>, q: Quorum) {
    let job = [("job", Job::Etcd.as_str())];
    #[allow(clippy::cast_precision_loss)] // A handful of members.
    for (name, value) in [
        ("dogwatch_etcd_members", q.members as f64),
        ("dogwatch_etcd_members_healthy", q.healthy as f64),
        ("dogwatch_etcd_quorum_margin", q.margin() as f64),
    ] {
        s.put(name, &job, value);
    }
}

/// Returns how etcd stands as a whole, by itself: rules must not wait for it until all of the cluster's series are
/// written.
pub fn of_quorum(
    cluster: &str,
    labels: &std::collections::BTreeMap<String, String>,
    quorum: Quorum,
    now: Timestamp,
) -> Vec<Sample> {
    let mut s = SampleBuilder::new(base_of(cluster, labels), now, &[], 3);
    put_quorum(&mut s, quorum);
    s.samples
}

/// A node that is not Ready so soon after it was made is being set up.
const NEW_FOR: Duration = Duration::from_secs(300);
/// What the node controller allows a lease (`--node-monitor-grace-period`).
const LEASE_FRESH: Duration = Duration::from_secs(40);

/// Why it is no trouble when a node is silent or NotReady; `is_stranger`: its kubelet has never answered from here.
fn excuse(node: &NodeFact, is_stranger: bool, now: Timestamp) -> Option<&'static str> {
    let is_heard = node.lease_age().map_or(node.is_ready(), |age| age <= LEASE_FRESH);
    let reported = node.conditions.iter().any(|c| c.kind == "Ready");
    match node.passage() {
        Some(Passage::Going) => Some("going"),
        // No kubelet has ever reported from it.
        None if !reported => Some("coming"),
        Some(Passage::Coming) => Some("coming"),
        None if !node.is_ready() && node.created.is_some_and(|at| since(at, now) <= NEW_FOR) => Some("new"),
        None if is_stranger && is_heard => Some("out_of_reach"),
        None => None,
    }
}

/// What is known of a cluster as a whole.
#[derive(Clone, Copy)]
pub struct OfCluster<'a> {
    /// What an API server last told.
    pub snapshot: &'a ClusterSnapshot,
    /// Our own client certificates.
    pub own: &'a [CertificateFact],
    /// How etcd stands.
    pub quorum: Option<Quorum>,
    /// How the canary stands.
    pub canaries: &'a [CanaryStanding],
}

/// Returns the series of a cluster as a whole: leases of leaders as the API server last told, our own certificates, quorum.
/// `before` is what was told of it last.
pub fn of_cluster(
    cluster: &str,
    labels: &std::collections::BTreeMap<String, String>,
    told: &OfCluster<'_>,
    now: Timestamp,
    before: &[Sample],
) -> Arc<[Sample]> {
    let OfCluster { snapshot, own, quorum, canaries } = *told;
    let mut s = SampleBuilder::new(base_of(cluster, labels), now, before, 16);
    of_certificates(&mut s, own);
    if let Some(q) = quorum {
        put_quorum(&mut s, q);
    }
    canary::put(&mut s, canaries);
    // Never read, it is as old as the attempts: an alert on it must be able to fire.
    let Some(known_since) = snapshot.known_since() else { return s.samples.into() };
    s.seconds("dogwatch_discovery_age_seconds", &[], since(known_since, now));
    let left_out: usize = snapshot.left_out.values().map(|l| l.count).sum();
    s.number("dogwatch_discovery_left_out", u64::try_from(left_out).ok());
    let grown = snapshot.leases_at.map(|at| since(at, now)).unwrap_or_default();
    // Of a lease that has not changed since we watch, no age is known: it may be left over.
    for lease in snapshot.leaders.iter().filter(|l| l.sight.as_ref().is_some_and(|s| s.has_moved())) {
        s.seconds("dogwatch_leader_lease_age_seconds", &[("lease", &lease.name)], lease.age + grown);
    }
    s.samples.into()
}

/// Returns the series of a cluster's nodes, as the API server last told; the kubelets of `strangers` have never answered
/// from here. `before` is what was told of them last.
pub fn of_nodes(
    cluster: &str,
    labels: &std::collections::BTreeMap<String, String>,
    snapshot: &ClusterSnapshot,
    strangers: &HashSet<&str>,
    now: Timestamp,
    before: &[Sample],
) -> Arc<[Sample]> {
    let capacity = before.len().max(snapshot.nodes.len() * 8);
    let mut s = SampleBuilder::new(base_of(cluster, labels), now, before, capacity);
    if snapshot.known_since().is_none() {
        return s.samples.into();
    }
    let grown = snapshot.leases_at.map(|at| since(at, now)).unwrap_or_default();
    for node in &snapshot.nodes {
        let name = ("node", &*node.name);
        s.flag("dogwatch_node_ready", &[name], node.is_ready());
        s.flag("dogwatch_node_unschedulable", &[name], node.unschedulable);
        s.put("dogwatch_node_info", &[name, ("version", &node.version)], 1.0);
        for c in node.conditions.iter() {
            s.put("dogwatch_node_condition", &[name, ("condition", &c.kind), ("status", &c.status)], 1.0);
        }
        if let Some(why) = excuse(node, strangers.contains(&*node.name), now) {
            s.put("dogwatch_node_excused", &[name, ("why", why)], 1.0);
        }
        if let Some(age) = node.lease_age() {
            s.seconds("dogwatch_node_lease_age_seconds", &[name], age + grown);
        }
    }
    s.samples.into()
}

/// The labels that all series of a cluster bear.
fn base_of<'a>(cluster: &'a str, labels: &'a std::collections::BTreeMap<String, String>) -> Vec<(&'a str, &'a str)> {
    labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).chain([("cluster", cluster)]).collect()
}

fn since(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(at)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Failure, Phases, ProbeSpec, Reason, TargetKey};

    mod nodes;

    fn observation(labels: &[(&str, &str)], node: Option<&str>, failed: bool) -> Observation {
        let target = Target {
            key: TargetKey { cluster: "prod".into(), job: Job::KubeScheduler, instance: "10.0.0.1:10259".into() },
            node: node.map(Into::into),
            spec: ProbeSpec::Healthz { url: "https://10.0.0.1:10259/healthz".parse().unwrap() },
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            guessed: false,
            labels: labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        };
        let ms = |n| Some(Duration::from_millis(n));
        Observation {
            target: Arc::new(target),
            started: Timestamp::UNIX_EPOCH,
            duration: Duration::from_millis(3),
            failure: failed.then(|| Failure::new(Reason::Refused, "refused")),
            answered: !failed,
            phases: if failed { Phases::default() } else { Phases { connect: ms(1), tls: ms(1), ..Phases::default() } },
            http_status: (!failed).then_some(200),
            tls: None,
            checks: Vec::new(),
            facts: Facts::None,
            trace: Vec::new(),
        }
    }

    /// Label sets of `now` that are those of `before`, not only equal to them.
    fn shared(before: &[Sample], now: &[Sample]) -> usize {
        let same = |s: &&Sample| before.iter().any(|b| Arc::ptr_eq(&b.labels.pairs, &s.labels.pairs));
        now.iter().filter(same).count()
    }

    #[test]
    fn a_series_has_one_label_set_for_ever() {
        let check = |before: &Observation, now: &Observation, taken_over: usize| {
            let before = of_observation(before, State::Up, &[]);
            let with = of_observation(now, State::Down, &before);
            assert_eq!(with, of_observation(now, State::Down, &[]), "the samples are the same");
            assert_eq!(shared(&before, &with), taken_over, "of {}", with.len());
        };
        let (well, failed) = (observation(&[], None, false), observation(&[], None, true));
        let all = of_observation(&well, State::Up, &[]).len();
        check(&well, &well, all);
        // A failed probe tells fewer, and one more; the next good one tells them again.
        check(&well, &failed, all - 3);
        check(&failed, &well, all - 3);
        // Other labels are other series.
        check(&well, &observation(&[("env", "prod")], None, false), 0);
        check(&well, &observation(&[], Some("cp1"), false), 0);
        check(&observation(&[("env", "prod")], None, false), &observation(&[("env", "test")], None, false), 0);
        // An empty label is none; one given twice is made anew.
        check(&observation(&[("env", "")], None, false), &well, all);
        let twice = observation(&[("cluster", "other")], None, false);
        check(&twice, &twice, 0);
    }
}

//! From what was seen to series, under the names of the contract (`telemetry::names`). Pure.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::{
    health::Quorum,
    model::{
        CertificateFact, ClusterSnapshot, EtcdFacts, EtcdVia, Facts, Job, KubeletVia, Labels, Observation, Sample,
        State, Target, TlsFacts,
    },
};

/// Collects the samples of one moment under common labels.
struct Sheet<'a> {
    base: Vec<(&'a str, &'a str)>,
    at: Timestamp,
    samples: Vec<Sample>,
}

impl<'a> Sheet<'a> {
    fn of_target(target: &'a Target, at: Timestamp) -> Self {
        let mut base: Vec<(&str, &str)> = target.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        base.extend([
            ("cluster", &*target.key.cluster),
            ("job", target.key.job.as_str()),
            ("instance", &*target.key.instance),
        ]);
        base.extend(target.node.as_deref().map(|n| ("node", n)));
        Self { base, at, samples: Vec::with_capacity(48) }
    }

    fn put(&mut self, name: &str, more: &[(&str, &str)], value: f64) {
        let labels = Labels::new(name, self.base.iter().chain(more).copied());
        self.samples.push(Sample { labels, at: self.at, value });
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

/// Every series of one probe, with the verdict that followed from it.
pub fn of_observation(o: &Observation, state: State) -> Arc<[Sample]> {
    let mut s = Sheet::of_target(&o.target, o.started);
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
    of_state(&mut s, state);
    s.samples.into()
}

/// Only the verdict: for a target whose probes say nothing of it, since the watchdog is cut off.
pub fn of_verdict(target: &Target, state: State, at: Timestamp) -> Arc<[Sample]> {
    let mut s = Sheet::of_target(target, at);
    of_state(&mut s, state);
    s.samples.into()
}

fn of_state(s: &mut Sheet<'_>, state: State) {
    for each in State::ALL {
        s.flag("dogwatch_target_state", &[("state", each.as_str())], each == state);
    }
}

fn of_tls(s: &mut Sheet<'_>, tls: &TlsFacts) {
    if let Some(version) = &tls.version {
        s.put("probe_tls_version_info", &[("version", version)], 1.0);
    }
    s.flag("dogwatch_tls_verified", &[], tls.verified);
    if let Some(earliest) = tls.chain.iter().map(|c| c.not_after).min() {
        s.put("probe_ssl_earliest_cert_expiry", &[], unix(earliest));
    }
    of_certificates(s, &tls.chain);
}

fn of_certificates(s: &mut Sheet<'_>, certificates: &[CertificateFact]) {
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

fn of_facts(s: &mut Sheet<'_>, facts: &Facts) {
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
    }
}

fn of_etcd(s: &mut Sheet<'_>, e: &EtcdFacts) {
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
}

fn put_quorum(s: &mut Sheet<'_>, q: Quorum) {
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

/// How etcd stands as a whole, by itself: rules must not wait for it until all of the cluster's series are written.
pub fn of_quorum(
    cluster: &str,
    labels: &std::collections::BTreeMap<String, String>,
    quorum: Quorum,
    now: Timestamp,
) -> Vec<Sample> {
    let mut base: Vec<(&str, &str)> = labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    base.push(("cluster", cluster));
    let mut s = Sheet { base, at: now, samples: Vec::with_capacity(3) };
    put_quorum(&mut s, quorum);
    s.samples
}

/// The series of a cluster as a whole: nodes and leases as the API server last told, our own certificates, quorum.
pub fn of_cluster(
    cluster: &str,
    labels: &std::collections::BTreeMap<String, String>,
    snapshot: &ClusterSnapshot,
    own: &[CertificateFact],
    quorum: Option<Quorum>,
    now: Timestamp,
) -> Arc<[Sample]> {
    let mut base: Vec<(&str, &str)> = labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    base.push(("cluster", cluster));
    let mut s = Sheet { base, at: now, samples: Vec::with_capacity(snapshot.nodes.len() * 10 + 16) };
    of_certificates(&mut s, own);
    if let Some(q) = quorum {
        put_quorum(&mut s, q);
    }
    // Never read, it is as old as the attempts: an alert on it must be able to fire.
    let Some(known_since) = snapshot.known_since() else { return s.samples.into() };
    s.seconds("dogwatch_discovery_age_seconds", &[], since(known_since, now));
    let left_out: usize = snapshot.left_out.values().map(|l| l.count).sum();
    s.number("dogwatch_discovery_left_out", u64::try_from(left_out).ok());
    let grown = snapshot.leases_at.map(|at| since(at, now)).unwrap_or_default();
    for lease in &snapshot.leaders {
        s.seconds("dogwatch_leader_lease_age_seconds", &[("lease", &lease.name)], lease.age + grown);
    }
    for node in &snapshot.nodes {
        let name = ("node", &*node.name);
        s.flag("dogwatch_node_ready", &[name], node.is_ready());
        s.flag("dogwatch_node_unschedulable", &[name], node.unschedulable);
        s.put("dogwatch_node_info", &[name, ("version", &node.version)], 1.0);
        for c in &node.conditions {
            s.put("dogwatch_node_condition", &[name, ("condition", &c.kind), ("status", &c.status)], 1.0);
        }
        if let Some(age) = node.lease_age() {
            s.seconds("dogwatch_node_lease_age_seconds", &[name], age + grown);
        }
    }
    s.samples.into()
}

fn since(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(at)).unwrap_or_default()
}

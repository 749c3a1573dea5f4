//! Two hours of two made-up clusters with an outage, as the real writers would tell them.
//!
//! Minutes of `prod`: 20–22 the watchdog is cut off; 60–75 the machine cp-2 is off, and from 70 on etcd of cp-3 too, so
//! that quorum is lost and the check `shop` fails until 80; 60–80 worker-2 is not ready; 75–80 cp-2's scheduler flaps; 90 on
//! worker-1 is short of memory and 95–97 not ready; 100 on cp-1's etcd is full. Certificates of every age.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use dogwatch::{
    exposition,
    health::Quorum,
    http::metrics::{Format, Picture, exposition as write},
    ingest::samples::{OfCluster, of_cluster, of_nodes, of_observation, of_verdict},
    model::*,
    telemetry::{ClusterLabels, Metrics, NotificationLabels, ProbeLabels, process::Process},
};
use jiff::Timestamp;
use url::Url;

/// How long the story is.
pub const MINUTES: u64 = 120;
/// Between two probes of a target, and two readings of the watchdog itself, in seconds.
pub const STEP: u64 = 30;
/// The whole story, told until `end`: every sample of one time after the other.
pub fn tell(end: Timestamp) -> impl Iterator<Item = Vec<Sample>> {
    let start = end - Duration::from_secs(MINUTES * 60);
    let clusters = [cluster("prod", "10.0.0", 3, 2), cluster("staging", "10.1.0", 1, 1)];
    let checks =
        [("shop", "shop.example.org:443"), ("registry", "registry.example.org:443")].map(|(n, at)| check(n, at));
    let metrics = Metrics::new();
    (0..=MINUTES * 60 / STEP).map(move |i| {
        let now = Now { at: start + Duration::from_secs(i * STEP), second: i * STEP };
        let mut seen = Vec::new();
        for check in &checks {
            seen.extend_from_slice(&probe(check, now));
        }
        seen.extend(services(now));
        seen.extend(backups(now));
        for targets in &clusters {
            for target in targets {
                seen.extend_from_slice(&probe(target, now));
            }
            seen.extend_from_slice(&cluster_wide(&targets[0].key.cluster, now));
        }
        seen.extend(own(&metrics, now));
        seen
    })
}

#[derive(Clone, Copy)]
struct Now {
    at: Timestamp,
    second: u64,
}

impl Now {
    /// Whether it is between two minutes of the story.
    fn within(self, from: u64, to: u64) -> bool {
        (from * 60..to * 60).contains(&self.second)
    }

    fn days(self, days: i64) -> Timestamp {
        self.at + jiff::SignedDuration::from_hours(24 * days)
    }
}

fn cluster(name: &str, net: &str, planes: u8, workers: u8) -> Vec<Arc<Target>> {
    let plane = [
        (Job::KubeApiserver, 6443),
        (Job::Etcd, 2379),
        (Job::KubeScheduler, 10259),
        (Job::KubeControllerManager, 10257),
        (Job::Kubelet, 10250),
    ];
    let worker = [(Job::Kubelet, 10250), (Job::KubeProxy, 10256)];
    let mut targets = Vec::new();
    for i in 1..=planes {
        targets.extend(plane.map(|(job, port)| target(name, job, &format!("{net}.{i}:{port}"), &format!("cp-{i}"))));
    }
    for i in 1..=workers {
        let host = format!("{net}.{}", 10 + i);
        targets.extend(worker.map(|(job, port)| target(name, job, &format!("{host}:{port}"), &format!("worker-{i}"))));
    }
    targets
}

fn target(cluster: &str, job: Job, instance: &str, node: &str) -> Arc<Target> {
    let base = Url::parse(&format!("https://{instance}")).unwrap();
    Arc::new(Target {
        key: TargetKey { cluster: cluster.into(), job, instance: instance.into() },
        node: Some(node.into()),
        spec: match job {
            Job::KubeApiserver => ProbeSpec::ApiServer { base, advertised: false },
            Job::Etcd => ProbeSpec::Etcd { client: base, metrics: None },
            Job::Kubelet => ProbeSpec::Kubelet { base, others: Vec::new(), node: node.into(), via: None },
            _ => ProbeSpec::Healthz { url: base },
        },
        interval: Duration::from_secs(STEP),
        timeout: Duration::from_secs(5),
        guessed: false,
        labels: BTreeMap::from([("env".to_owned(), "production".to_owned())]),
    })
}

fn check(name: &str, at: &str) -> Arc<Target> {
    let traits = CheckTraits {
        kind: "http".to_owned(),
        at: format!("https://{at}/"),
        layer: 3,
        down: Quota::default(),
        depends_on: Vec::new(),
        nodes: None,
        has_quiet_times: false,
        severity: Severity::Critical,
        place: 0,
    };
    let job = Job::Check(CheckName::new(name).unwrap());
    Arc::new(Target {
        key: TargetKey { cluster: CHECKS.into(), job, instance: at.into() },
        node: None,
        spec: ProbeSpec::Check(traits),
        ..(*target(CHECKS, Job::KubeProxy, at, "")).clone()
    })
}

/// An objective whose budget is spent by the lost quorum.
fn services(now: Now) -> Vec<Sample> {
    let spent = if now.within(0, 70) { 0.0 } else { 0.3 };
    let put = |name: &str, more: &[(&str, &str)], value: f64| {
        let pairs = [("slo", "api"), ("cluster", "prod")].iter().chain(more).copied();
        Sample { labels: Labels::new(name, pairs), at: now.at, value }
    };
    let mut samples = vec![
        put("dogwatch_slo_objective_ratio", &[], 0.999),
        put("dogwatch_slo_availability_ratio", &[], 1.0 - spent / 1000.0),
        put("dogwatch_slo_error_budget_remaining_ratio", &[], 1.0 - spent),
        put("dogwatch_slo_seconds", &[("standing", "down")], spent * 2_592.0),
        put("dogwatch_slo_seconds", &[("standing", "unseen")], 120.0),
    ];
    samples.extend(["1h", "6h", "3d"].map(|window| put("dogwatch_slo_burn_rate", &[("window", window)], spent * 50.0)));
    let labels = Labels::new("dogwatch_availability_ratio", [("cluster", "prod"), ("window", "24h")]);
    samples.push(Sample { labels, at: now.at, value: 1.0 - spent / 100.0 });
    samples
}

/// A backup each hour that is late from minute 100 on, and a restore drill that took too long.
fn backups(now: Now) -> Vec<Sample> {
    let unix = |at: Timestamp| at.as_second() as f64;
    let put = |name: &str, label: (&str, &str), value: f64| Sample {
        labels: Labels::new(name, [label, ("cluster", "prod")]),
        at: now.at,
        value,
    };
    let run = now.second.min(95 * 60) / 3_600 * 3_600;
    let success = now.at - Duration::from_secs(now.second - run);
    let job = [
        ("up", f64::from(u8::from(!now.within(100, MINUTES + 1)))),
        ("last_success_timestamp_seconds", unix(success)),
        ("expected_by_timestamp_seconds", unix(success + Duration::from_secs(40 * 60))),
        ("size_bytes", 48e6 + now.second as f64),
        ("duration_seconds", 240.0),
    ];
    let drill = [
        ("overdue", 0.0),
        ("failed", 1.0),
        ("due_timestamp_seconds", unix(now.days(30))),
        ("last_done_timestamp_seconds", unix(now.days(-60))),
        ("duration_seconds", 18_000.0),
        ("rto_seconds", 14_400.0),
        ("data_age_seconds", 3_600.0),
        ("rpo_seconds", 86_400.0),
    ];
    let of = |kind: &str, of: (&str, &str), all: &[(&str, f64)]| -> Vec<Sample> {
        all.iter().map(|(name, value)| put(&format!("dogwatch_{kind}_{name}"), of, *value)).collect()
    };
    let mut samples = of("heartbeat", ("heartbeat", "etcd-backup"), &job);
    samples.extend(of("restore_drill", ("restore_drill", "etcd"), &drill));
    samples
}

/// How a target is, and why its probe fails.
fn fate(target: &Target, now: Now) -> (State, Option<Reason>) {
    let on = |node: &str| &*target.key.cluster == "prod" && target.node.as_deref() == Some(node);
    let job = target.key.job;
    if on("cp-2") && now.within(60, 75) {
        return (if now.within(60, 61) { State::Suspect } else { State::Down }, Some(Reason::Timeout));
    }
    if on("cp-3") && job == Job::Etcd && now.within(70, 75) {
        return (State::Down, Some(Reason::Refused));
    }
    if &*target.key.cluster == "prod" && matches!(job, Job::KubeApiserver | Job::Etcd) && now.within(70, 75) {
        return (State::Down, Some(Reason::Degraded));
    }
    if on("worker-2") && job == Job::Kubelet && now.within(60, 80) {
        return (State::Down, Some(Reason::Timeout));
    }
    if job.as_str() == "shop" && now.within(70, 80) {
        return (State::Down, Some(Reason::HttpStatus));
    }
    if on("cp-2") && job == Job::KubeScheduler && now.within(75, 80) {
        return (State::Flapping, (now.second / STEP).is_multiple_of(2).then_some(Reason::Refused));
    }
    (State::Up, None)
}

fn probe(target: &Arc<Target>, now: Now) -> Arc<[Sample]> {
    if now.within(20, 22) {
        return of_verdict(target, State::Unknown, now.at, &[]);
    }
    let (state, reason) = fate(target, now);
    let ms = |n: u64| Duration::from_micros(n * 1000 + now.second % 977);
    let mut o = Observation::failed(
        target.clone(),
        now.at,
        Failure::new(reason.unwrap_or(Reason::Timeout), "as the story says"),
    );
    o.duration = if reason == Some(Reason::Timeout) { Duration::from_secs(5) } else { ms(11) };
    o.answered = matches!(reason, None | Some(Reason::Degraded | Reason::HttpStatus));
    if o.answered {
        let status = if reason.is_none() { 200 } else { 503 };
        o.http_status = Some(status);
        o.phases = Phases {
            resolve: None,
            connect: Some(ms(1)),
            tls: Some(ms(4)),
            processing: Some(ms(5)),
            transfer: Some(ms(1)),
        };
        o.tls = (target.key.job != Job::KubeProxy).then(|| tls(target, now));
        o.checks = checks(target.key.job, reason.is_none());
        o.facts = facts(target, now);
    }
    if reason.is_none() {
        o.failure = None;
    }
    of_observation(&o, state, &[])
}

fn checks(job: Job, ok: bool) -> Vec<CheckLine> {
    let line =
        |page: &str, name: &str, ok| CheckLine { page: page.into(), name: name.into(), ok, message: String::new() };
    match job {
        Job::KubeApiserver => {
            vec![line("livez", "ping", true), line("readyz", "ping", true), line("readyz", "etcd", ok)]
        }
        Job::Etcd => vec![line("health", "etcd", ok)],
        Job::Check(_) => Vec::new(),
        _ => vec![line("healthz", "ping", ok)],
    }
}

fn certificate(subject: &str, not_after: Timestamp, source: &str) -> CertificateFact {
    CertificateFact {
        subject: format!("CN={subject}"),
        issuer: "CN=kubernetes".to_owned(),
        not_after,
        not_before: not_after - jiff::SignedDuration::from_hours(24 * 365),
        source: source.to_owned(),
    }
}

fn tls(target: &Target, now: Now) -> TlsFacts {
    let days = match (target.key.job, target.node.as_deref()) {
        (Job::Kubelet, Some("worker-1")) => -1,
        (Job::Kubelet, _) => 5,
        (Job::Etcd, _) => 20,
        _ => 300,
    };
    let chain = [certificate(target.key.job.as_str(), now.days(days), "serving")].into();
    TlsFacts { version: Some("TLS 1.3".to_owned()), chain, anchor: None, verified: true }
}

fn facts(target: &Target, now: Now) -> Facts {
    let on = |node: &str| target.node.as_deref() == Some(node);
    match target.key.job {
        Job::KubeApiserver => {
            Facts::ApiServer(ApiServerFacts { version: Some("v1.31.0".to_owned()), ..ApiServerFacts::default() })
        }
        Job::Kubelet => Facts::Kubelet(KubeletFacts { via: KubeletVia::Direct, direct_status: Some(200) }),
        Job::Etcd => {
            let prod = &*target.key.cluster == "prod";
            // cp-2 leads until it goes; then cp-1.
            let leader = if prod && now.within(0, 60) { "cp-2" } else { "cp-1" };
            let quorum = !(prod && now.within(70, 75));
            let full = EtcdAlarm { member_id: 1, alarm: "NOSPACE".to_owned() };
            let index = 1_000 + now.second * 10;
            Facts::Etcd(Box::new(EtcdFacts {
                member_id: Some(if on("cp-1") { 1 } else { 2 }),
                cluster_id: Some(7),
                name: target.node.as_deref().map(str::to_owned),
                version: Some("3.5.17".to_owned()),
                has_leader: Some(quorum),
                is_leader: Some(quorum && on(leader)),
                db_size: Some(40_000_000 + now.second * 100),
                db_size_in_use: Some(30_000_000),
                db_quota: Some(2_147_483_648),
                raft_term: Some(if now.within(0, 60) { 7 } else { 8 }),
                raft_index: Some(index),
                raft_applied_index: Some(index - 3),
                revision: Some(index - 90),
                alarms: if prod && now.within(100, MINUTES + 1) { vec![full] } else { Vec::new() },
                ..EtcdFacts::new(EtcdVia::Client)
            }))
        }
        _ => Facts::None,
    }
}

fn cluster_wide(name: &str, now: Now) -> Arc<[Sample]> {
    let prod = name == "prod";
    let dark = prod && now.within(70, 75);
    let read_at = if dark { now.at - Duration::from_secs(now.second - 70 * 60) } else { now.at };
    let age = Duration::from_secs(now.second % 10);
    let lease = |name: &str| LeaseFact {
        name: name.to_owned(),
        holder: "cp-1".to_owned(),
        age,
        duration: Duration::from_secs(15),
        sight: Some(ObservedLease {
            mark: String::new(),
            seen_at: now.at - age,
            after: Some(now.at - age - Duration::from_secs(10)),
            read_at: now.at,
            told_age: Some(age),
            clock: HolderClock::default(),
        }),
    };
    let nodes: &[&str] = if prod { &["cp-1", "cp-2", "cp-3", "worker-1", "worker-2"] } else { &["cp-1", "worker-1"] };
    let snapshot = ClusterSnapshot {
        cluster: name.to_owned(),
        read_at: Some(read_at),
        leases_at: Some(if prod && now.within(70, 75) { now.at - Duration::from_secs(100) } else { now.at }),
        nodes: nodes.iter().map(|n| node(n, prod, age, now)).collect(),
        leaders: vec![lease("kube-scheduler"), lease("kube-controller-manager")],
        ..ClusterSnapshot::default()
    };
    let quorum = match (prod, now.within(60, 70), dark) {
        (true, _, true) => Quorum { members: 3, healthy: 0, alive: 1 },
        (true, true, _) => Quorum { members: 3, healthy: 2, alive: 2 },
        (true, ..) => Quorum { members: 3, healthy: 3, alive: 3 },
        (false, ..) => Quorum { members: 1, healthy: 1, alive: 1 },
    };
    let own = [certificate("dogwatch", now.days(90), "kubeconfig")];
    let told = OfCluster { snapshot: &snapshot, own: &own, quorum: Some(quorum), canaries: &[] };
    let whole = of_cluster(name, &BTreeMap::new(), &told, now.at, &[]);
    let nodes = of_nodes(name, &BTreeMap::new(), &snapshot, &HashSet::new(), now.at, &[]);
    whole.iter().chain(&*nodes).cloned().collect()
}

fn node(name: &str, prod: bool, age: Duration, now: Now) -> NodeFact {
    let lost = prod && name == "worker-2" && now.within(60, 80);
    let tight = prod && name == "worker-1" && now.within(90, MINUTES + 1);
    let condition = |kind: &str, status: &str| NodeCondition {
        kind: kind.to_owned(),
        status: if lost { "Unknown" } else { status }.to_owned(),
        ..NodeCondition::default()
    };
    let age = if lost { Duration::from_secs(now.second - 60 * 60 + 40) } else { age };
    let renewed = now.at.checked_sub(age).unwrap();
    let lease = ObservedLease {
        mark: renewed.to_string(),
        seen_at: renewed,
        after: Some(renewed),
        read_at: now.at,
        told_age: Some(age),
        clock: HolderClock::default(),
    };
    NodeFact {
        name: name.into(),
        kubelet_port: 10250,
        version: "v1.31.0".to_owned(),
        conditions: [
            condition("Ready", if tight && now.within(95, 97) { "False" } else { "True" }),
            condition("MemoryPressure", if tight { "True" } else { "False" }),
            condition("DiskPressure", "False"),
        ]
        .into(),
        unschedulable: name == "worker-1",
        control_plane: name.starts_with("cp-"),
        lease: Some(lease),
        ..NodeFact::default()
    }
}

/// The watchdog's own metrics, as `/metrics` shows them.
fn own(metrics: &Metrics, now: Now) -> Vec<Sample> {
    let outcome = |outcome| ProbeLabels { job: "etcd", outcome };
    metrics.probes.get_or_create(&outcome(ProbeLabels::SUCCESS)).inc_by(20);
    metrics.probes.get_or_create(&outcome("timeout")).inc_by(u64::from(now.within(60, 75)));
    for (n, outcome) in [(1, "delivered"), (u64::from(now.within(60, 65)), "retried")] {
        let labels = NotificationLabels { receiver: "ops/email[0]".to_owned(), outcome };
        metrics.notifications.get_or_create(&labels).inc_by(n);
    }
    metrics.schedule_lateness.observe(0.002);
    metrics.store_commit_seconds.observe(0.004);
    metrics.store_samples.inc_by(4000);
    metrics.store_commits.inc();
    metrics.store_bytes.set(9_000_000);
    metrics.store_up.set(1);
    metrics.discovery_failures.get_or_create(&ClusterLabels { cluster: "prod".to_owned() }).inc();
    metrics.drop_at("store_samples_queue");
    let live = Live::default();
    live.write().vantage =
        Vantage { ok: !now.within(20, 22), since: Some(now.at), message: String::new(), ..Default::default() };
    for cluster in ["prod", "staging"] {
        live.write().clusters.insert(cluster.into(), LiveCluster::default());
    }
    let process = Process {
        cpu_seconds: Some(1.0 + now.second as f64 / 100.0),
        start_time_seconds: Some(1.0),
        resident_bytes: Some(31e6),
        virtual_bytes: Some(4e8),
        open_fds: Some(41.0),
        max_fds: Some(2e4),
        ..Process::default()
    };
    let text = write(&Picture::own(&live, now.at), metrics, process, Format::Text);
    exposition::read(&text, now.at, &[("job", "dogwatch")]).samples
}

//! Live pictures as a running watchdog would make them: a calm one, an outage, and one with thousands of kubelets.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use dogwatch::model::*;
use jiff::Timestamp;
use url::Url;

/// The moment of every picture.
pub fn now() -> Timestamp {
    "2026-11-23T06:55:59Z".parse().unwrap()
}

fn before(seconds: u64) -> Timestamp {
    now() - Duration::from_secs(seconds)
}

/// Two clusters, all well, two hours after the start.
pub fn calm() -> LiveState {
    let mut state = LiveState {
        vantage: Vantage { ok: true, since: Some(before(7200)), message: String::new(), ..Default::default() },
        store: StoreHealth { ok: true, since: Some(before(7200)), ..StoreHealth::default() },
        started_at: Some(before(7200)),
        ..LiveState::default()
    };
    state.clusters.insert("prod".into(), cluster("prod", "10.99.0", 3, 3));
    state.clusters.insert("staging".into(), cluster("staging", "10.98.0", 1, 2));
    let mut past = quorum_lost();
    past.id = 6;
    past.headline = "kube-apiserver 10.99.0.2:6443 is down, 2 of 3 still serve".to_owned();
    past.started_at = before(6000);
    past.resolved_at = Some(before(5300));
    past.alerts.truncate(1);
    past.alerts[0].ended_at = past.resolved_at;
    state.incidents.push(Arc::new(past));
    state
}

/// etcd of `prod` has lost quorum.
pub fn outage() -> LiveState {
    let mut state = calm();
    let prod = state.clusters.get_mut("prod").unwrap();
    let snapshot = Arc::make_mut(&mut prod.snapshot);
    snapshot.error = Some("the API server did not answer within 5 s".to_owned());
    for t in prod.targets.values_mut() {
        let host: &str = t.target.key.instance.split(':').next().unwrap();
        let failure = match (t.target.key.job, host) {
            (Job::Etcd, "10.99.0.2" | "10.99.0.3") => {
                Failure::new(Reason::Refused, format!("connection refused by {}", t.target.key.instance))
            }
            (Job::Etcd, _) => Failure::new(Reason::Degraded, "it sees no leader: etcdserver: no leader"),
            (Job::KubeApiserver, _) => Failure::new(Reason::Degraded, "livez: etcd fails (reason withheld)"),
            (Job::KubeScheduler, "10.99.0.2") => Failure::new(Reason::Timeout, "no answer within 5 s"),
            _ => continue,
        };
        let state = if t.target.key.job == Job::KubeScheduler { State::Suspect } else { State::Down };
        fail(t, state, failure);
    }
    state.incidents.insert(0, Arc::new(quorum_lost()));
    state.outbox_pending = 1;
    state.failing_receivers =
        vec![("ops/webhook[0]".to_owned(), "connection refused by hooks.example.org:443".to_owned())];
    state
}

/// As `calm`, with this many kubelets in `prod`, some of them down.
pub fn huge(kubelets: u32, down: u32) -> LiveState {
    let mut state = calm();
    let prod = state.clusters.get_mut("prod").unwrap();
    for i in 0..kubelets {
        let host = format!("10.{}.{}.{}", 100 + i / 65_536, i / 256 % 256, i % 256);
        let mut t = target("prod", Job::Kubelet, &host, 10250, Some(format!("worker-{i:05}")));
        if i < down {
            fail(&mut t, State::Down, Failure::new(Reason::Timeout, "no answer within 5 s: <script>alert(1)</script>"));
        }
        prod.targets.insert(t.target.key.clone(), t);
    }
    state
}

fn fail(t: &mut LiveTarget, state: State, failure: Failure) {
    t.verdict = Verdict {
        state,
        since: before(190),
        reason: Some(failure.reason),
        message: failure.message.clone(),
        reached: true,
        hides: None,
    };
    let mut o = (**t.last.as_ref().unwrap()).clone();
    o.failure = Some(failure.clone());
    o.trace = vec![
        TraceLine { after: Duration::from_micros(60), text: format!("dialling {}", t.target.key.instance) },
        TraceLine { after: Duration::from_millis(2032), text: failure.message.clone() },
    ];
    if failure.reason == Reason::Degraded {
        o.checks.push(CheckLine {
            page: "livez".to_owned(),
            name: "etcd".to_owned(),
            ok: false,
            message: "reason withheld".to_owned(),
        });
    }
    let failed = |s| FailedProbe { at: before(s), failure: failure.clone(), trace: o.trace.clone() };
    t.failures = vec![failed(4), failed(14), failed(24)];
    t.samples = samples(t, &o);
    t.last = Some(Arc::new(o));
    t.last_success = Some(before(195));
}

fn cluster(name: &str, net: &str, control_planes: u32, nodes: u32) -> LiveCluster {
    let mut targets = BTreeMap::new();
    for i in 1..=control_planes {
        for (job, port) in [
            (Job::KubeApiserver, 6443),
            (Job::Etcd, 2379),
            (Job::KubeScheduler, 10259),
            (Job::KubeControllerManager, 10257),
        ] {
            let t = target(name, job, &format!("{net}.{i}"), port, Some(format!("cp-{i}")));
            targets.insert(t.target.key.clone(), t);
        }
    }
    for i in 1..=nodes {
        let t = target(name, Job::Kubelet, &format!("{net}.{}", 10 + i), 10250, Some(format!("node-{i}")));
        targets.insert(t.target.key.clone(), t);
    }
    let sample = |metric: &str, node: &str, value| Sample {
        labels: Labels::new(metric, [("cluster", name), ("node", node)]),
        at: now(),
        value,
    };
    LiveCluster {
        snapshot: Arc::new(ClusterSnapshot {
            cluster: name.to_owned(),
            read_at: Some(before(12)),
            leases_at: Some(before(2)),
            ..ClusterSnapshot::default()
        }),
        samples: Arc::default(),
        node_samples: [
            sample("dogwatch_node_ready", "node-1", 1.0),
            sample("dogwatch_node_lease_age_seconds", "node-1", 4.25),
            sample("dogwatch_node_ready", "node-2", 1.0),
        ]
        .into(),
        targets,
        gaps: Arc::default(),
        canaries: Arc::default(),
    }
}

fn target(cluster: &str, job: Job, host: &str, port: u16, node: Option<String>) -> LiveTarget {
    let base = Url::parse(&format!("https://{host}:{port}")).unwrap();
    let spec = match job {
        Job::KubeApiserver => ProbeSpec::ApiServer { base, advertised: false },
        Job::Etcd => ProbeSpec::Etcd { client: base, metrics: None },
        Job::Kubelet => {
            ProbeSpec::Kubelet { base, others: Vec::new(), node: node.as_deref().unwrap().into(), via: None }
        }
        _ => ProbeSpec::Healthz { url: base.join("/healthz").unwrap() },
    };
    let target = Arc::new(Target {
        key: TargetKey { cluster: cluster.into(), job, instance: format!("{host}:{port}").into() },
        node: node.map(Into::into),
        spec,
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(5),
        guessed: false,
        labels: BTreeMap::new(),
    });
    let o = observation(&target);
    let mut t = LiveTarget {
        verdict: Verdict {
            state: State::Up,
            since: before(7190),
            reason: None,
            message: String::new(),
            reached: true,
            hides: None,
        },
        last_success: Some(before(4)),
        failures: Vec::new(),
        samples: Vec::new().into(),
        last: None,
        target,
    };
    t.samples = samples(&t, &o);
    t.last = Some(Arc::new(o));
    t
}

fn observation(target: &Arc<Target>) -> Observation {
    let ms = Duration::from_millis;
    let check =
        |name: &str| CheckLine { page: "livez".to_owned(), name: name.to_owned(), ok: true, message: String::new() };
    Observation {
        target: target.clone(),
        started: before(4),
        duration: ms(12),
        failure: None,
        answered: true,
        phases: Phases { connect: Some(ms(1)), tls: Some(ms(6)), processing: Some(ms(4)), ..Phases::default() },
        http_status: Some(200),
        tls: Some(TlsFacts {
            version: Some("TLS 1.3".to_owned()),
            chain: [CertificateFact {
                subject: format!("CN={}", target.key.job),
                issuer: "CN=kubernetes".to_owned(),
                not_after: "2027-11-23T00:00:00Z".parse().unwrap(),
                not_before: "2026-11-23T00:00:00Z".parse().unwrap(),
                source: "serving".to_owned(),
            }]
            .into(),
            anchor: None,
            verified: true,
        }),
        checks: vec![check("ping"), check("log"), check("poststarthook/rbac/bootstrap-roles")],
        facts: match target.key.job {
            Job::KubeApiserver => Facts::ApiServer(ApiServerFacts {
                version: Some("v1.20.2".to_owned()),
                live: Some(true),
                ready: Some(true),
                etcd_read: Some(ReadThrough::Ok),
                ..ApiServerFacts::default()
            }),
            _ => Facts::None,
        },
        trace: vec![TraceLine { after: ms(12), text: "200 OK, 1041 bytes".to_owned() }],
    }
}

fn samples(t: &LiveTarget, o: &Observation) -> Arc<[Sample]> {
    let key = &t.target.key;
    let base = || {
        let mut pairs = vec![("cluster", &*key.cluster), ("job", key.job.as_str()), ("instance", &*key.instance)];
        pairs.extend(t.target.node.as_deref().map(|n| ("node", n)));
        pairs
    };
    let sample = |name: &str, more: &[(&'static str, &str)], value: f64| {
        let pairs = base().into_iter().chain(more.iter().copied());
        Sample { labels: Labels::new(name, pairs), at: o.started, value }
    };
    let one = |yes: bool| f64::from(u8::from(yes));
    let mut all = vec![
        sample("probe_success", &[], one(o.failure.is_none())),
        sample("probe_duration_seconds", &[], o.duration.as_secs_f64()),
        sample("probe_http_status_code", &[], 200.0),
        sample("probe_http_duration_seconds", &[("phase", "connect")], 0.001),
        sample("probe_http_duration_seconds", &[("phase", "tls")], 0.006),
        sample("probe_ssl_earliest_cert_expiry", &[], 1_795_392_000.0),
        sample("probe_tls_version_info", &[("version", "TLS 1.3")], 1.0),
        sample("up", &[], one(o.answered)),
    ];
    all.extend(
        State::ALL.map(|s| sample("dogwatch_target_state", &[("state", s.as_str())], one(t.verdict.state == s))),
    );
    all.extend(o.checks.iter().map(|c| sample("dogwatch_component_check", &[("check", &c.name)], one(c.ok))));
    all.extend(o.failure.as_ref().map(|f| sample("probe_failure_info", &[("reason", f.reason.as_str())], 1.0)));
    all.into()
}

/// The incident of `outage`.
pub fn quorum_lost() -> Incident {
    let key = |alert, subject: &str| FindingKey { cluster: "prod".into(), alert, subject: subject.to_owned() };
    let strings = |lines: &[&str]| lines.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    let root = Finding {
        evidence: strings(&[
            "10.99.0.2:2379: connection refused, for 3 min 10 s",
            "10.99.0.3:2379: connection refused, for 3 min 8 s",
            "10.99.0.1:2379 answers and sees no leader",
        ]),
        still_works: strings(&[
            "3 of 3 kubelets answer: running containers presumably keep running",
            "the API servers answer, and fail on etcd alone",
        ]),
        consequences: strings(&[
            "the API can neither be read nor written",
            "nothing is scheduled, restarted elsewhere or scaled",
        ]),
        first_step:
            "Bring one of the two members back: look at etcd on 10.99.0.2 and 10.99.0.3 (`journalctl -u etcd`, \
                     `crictl ps -a`). Do not remove members from the list while quorum is lost."
                .to_owned(),
        labels: BTreeMap::from([("job".to_owned(), "etcd".to_owned())]),
        ..Finding::new(
            key(AlertName::EtcdQuorumLost, ""),
            Severity::Critical,
            Topic::Outage,
            "etcd has lost quorum: 2 of 3 members down".to_owned(),
            before(190),
        )
    };
    let caused = Finding {
        key: key(AlertName::ApiServersDown, ""),
        headline: "all 3 API servers fail".to_owned(),
        caused_by: Some(root.key.clone()),
        evidence: Vec::new(),
        ..root.clone()
    };
    let alert = |finding| IncidentAlert::new(finding, before(185));
    Incident {
        alerts: vec![alert(root.clone()), alert(caused)],
        messages: 1,
        told_at: Some(before(184)),
        timeline: vec![
            (before(190), "etcd 10.99.0.2:2379 fails: connection refused".to_owned()),
            (before(185), "opened: etcd has lost quorum: 2 of 3 members down".to_owned()),
            (before(184), "told ops/email[0]".to_owned()),
        ],
        ..Incident::new(7, "prod".into(), Topic::Outage, before(190), root.headline.clone(), Severity::Critical)
    }
}

/// Jobs that report in: one of each kind.
pub fn heartbeats() -> Vec<dogwatch::heartbeat::View> {
    use dogwatch::heartbeat::{Blind, Kind, Ping, Standing, View};
    let view = |name: &str, state, since, success: Option<u64>| View {
        name: name.to_owned(),
        cluster: Some("prod".to_owned()),
        state,
        since: before(since),
        expected: "every 1 day".to_owned(),
        last_seen: success.map(before),
        last_success: success.map(before),
        due_by: now() + Duration::from_secs(7 * 3600),
        running_since: None,
        duration_seconds: success.map(|_| 192.4),
        size_bytes: None,
        usual_size_bytes: None,
        paused: None,
        missed: None,
        pings: Vec::new(),
    };
    let ping = Ping {
        exit_status: Some(28),
        body: "snapshot saved\nupload: <script> no space left on device\n\n".to_owned(),
        ..Ping::new(before(3_000), Kind::Fail)
    };
    vec![
        view("etcd-backup", Standing::Ok, 14_000, Some(14_000)),
        View { running_since: Some(before(70)), ..view("restore-drill", Standing::Running, 70, Some(90_000)) },
        view("velero", Standing::Late, 5_400, Some(100_000)),
        View { pings: vec![ping], ..view("registry-sync", Standing::Failed, 3_000, Some(90_000)) },
        View { running_since: Some(before(9_000)), ..view("vault-snapshot", Standing::TooLong, 1_800, Some(95_000)) },
        View { cluster: None, ..view("certificate-renewal", Standing::New, 600, None) },
        View {
            missed: Some(Blind { from: before(20_000), to: before(16_000) }),
            ..view("git-mirror", Standing::Ok, 90_000, Some(90_000))
        },
    ]
}

/// The same, silenced by somebody for an hour; with an alert of a rule beside it.
pub fn silenced() -> LiveState {
    let mut state = outage();
    let silence = Silence {
        id: "6f2f3c5e-0000-4000-8000-000000000001".to_owned(),
        matchers: vec![SilenceMatcher {
            name: "cluster".to_owned(),
            value: "prod".to_owned(),
            is_regex: false,
            is_equal: true,
        }],
        starts_at: before(120),
        ends_at: now() + Duration::from_secs(3600),
        updated_at: before(120),
        created_by: "ada".to_owned(),
        comment: "upgrade of etcd".to_owned(),
    };
    let alert = |name: &str, severity: &str, incident| {
        let labels = [("alertname", name), ("cluster", "prod"), ("job", "etcd"), ("severity", severity)];
        let alert = Alert {
            labels: labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            annotations: [("summary".to_owned(), "etcd has lost quorum".to_owned())].into(),
            starts_at: before(190),
            ends_at: None,
            generator_url: String::new(),
        };
        LiveAlert {
            fingerprint: fingerprint(&alert.labels).into(),
            alert: Arc::new(alert),
            updated_at: before(5),
            groups: Vec::new(),
            silenced_by: vec![silence.id.clone()],
            inhibited_by: None,
            muted_by: Vec::new(),
            explained_by: None,
            incident,
        }
    };
    state.alerts = vec![alert("EtcdQuorumLost", "critical", Some(7)), alert("MyRule", "warning", None)].into();
    state.silences = vec![silence].into();
    state
}

//! A made-up cluster whose series are those that the real ingest writes: 3 control planes with etcd, and kubelets.

use std::sync::Arc;

use dogwatch::{
    ingest::samples,
    model::{
        ApiServerFacts, CheckLine, EtcdFacts, EtcdVia, Facts, Job, KubeletFacts, KubeletVia, Labels, Observation,
        Phases, ProbeSpec, State, Target, TargetKey,
    },
    pack::Points,
};
use jiff::Timestamp;

/// A target with its series.
pub struct Source {
    pub series: Vec<Labels>,
    /// How far its beat is from the full interval, milliseconds.
    offset_ms: i64,
}

/// `n` targets: 3 API servers, etcd members, schedulers and controller-managers each; the others are kubelets.
pub fn targets(n: usize) -> Vec<Source> {
    let control = [Job::KubeApiserver, Job::Etcd, Job::KubeScheduler, Job::KubeControllerManager];
    let jobs = control.into_iter().flat_map(|job| [job; 3]).chain(std::iter::repeat(Job::Kubelet));
    jobs.take(n).enumerate().map(|(i, job)| source(i, job)).collect()
}

fn source(i: usize, job: Job) -> Source {
    let observation = observation(i, job);
    let series = samples::of_observation(&observation, State::Up, &[]).iter().map(|s| s.labels.clone()).collect();
    Source { series, offset_ms: (i as i64 * 7_919) % 10_000 }
}

/// What a probe of target `i` sees.
pub fn observation(i: usize, job: Job) -> Observation {
    let host = format!("10.{}.{}.{}", i / 60_000, i / 250 % 250, i % 250 + 1);
    let key = TargetKey { cluster: "prod".into(), job, instance: format!("{host}:6443").as_str().into() };
    let target = Target {
        key,
        node: Some(format!("node-{i}").as_str().into()),
        spec: ProbeSpec::Healthz { url: "https://127.0.0.1/healthz".parse().unwrap() },
        interval: std::time::Duration::from_secs(30),
        timeout: std::time::Duration::from_secs(5),
        guessed: false,
        labels: Default::default(),
    };
    let ms = |n| Some(std::time::Duration::from_millis(n));
    let checks = match job {
        Job::KubeApiserver => 40,
        Job::KubeScheduler | Job::KubeControllerManager => 3,
        _ => 0,
    };
    let check = |n| CheckLine { page: "readyz".into(), name: format!("check-{n}"), ok: true, message: String::new() };
    Observation {
        target: Arc::new(target),
        started: Timestamp::UNIX_EPOCH,
        duration: std::time::Duration::from_millis(3),
        failure: None,
        answered: true,
        phases: Phases { resolve: None, connect: ms(1), tls: ms(1), processing: ms(1), transfer: ms(1) },
        http_status: Some(200),
        tls: None,
        checks: (0..checks).map(check).collect(),
        facts: facts(job),
        trace: Vec::new(),
    }
}

fn facts(job: Job) -> Facts {
    match job {
        Job::KubeApiserver => {
            Facts::ApiServer(ApiServerFacts { version: Some("v1.33.1".into()), ..ApiServerFacts::default() })
        }
        Job::Etcd => Facts::Etcd(Box::new(EtcdFacts {
            member_id: Some(1),
            version: Some("3.5.21".into()),
            has_leader: Some(true),
            is_leader: Some(false),
            db_size: Some(1),
            db_size_in_use: Some(1),
            db_quota: Some(2_147_483_648),
            raft_term: Some(7),
            raft_index: Some(1),
            raft_applied_index: Some(1),
            ..EtcdFacts::new(EtcdVia::Client)
        })),
        Job::Kubelet => Facts::Kubelet(KubeletFacts { via: KubeletVia::Proxy, direct_status: None }),
        _ => Facts::None,
    }
}

impl Source {
    /// The times of its probes in `[from, to)`: on the beat, give or take a millisecond of the scheduler.
    pub fn times(&self, from_ms: i64, to_ms: i64, interval_ms: i64) -> Vec<i64> {
        let mut random = fastrand::Rng::with_seed((from_ms / 1_000 + self.offset_ms) as u64);
        let beats = (0..).map(|i| from_ms + self.offset_ms + i * interval_ms).take_while(|t| *t < to_ms);
        beats.map(|t| t + i64::from(random.u8(0..8) == 0)).collect()
    }

    /// The values of one of its series at these times: durations are log-normal around some milliseconds, indexes grow,
    /// sizes move slowly, the rest is as it is while everything is well.
    pub fn points(&self, series: usize, at_ms: &[i64]) -> Points {
        let labels = &self.series[series];
        let seed = at_ms.first().copied().unwrap_or_default() as u64 ^ ((self.offset_ms as u64) << 20) ^ series as u64;
        let mut random = fastrand::Rng::with_seed(seed);
        let name = &*labels.name;
        let mut value = |at: &i64| match name {
            "probe_duration_seconds" | "probe_http_duration_seconds" => {
                // The sum of uniforms is near enough to a normal distribution.
                let normal = (0..6).map(|_| random.f64()).sum::<f64>() - 3.0;
                (0.004 * (normal * 0.35).exp() * 1e6).round() / 1e6
            }
            "dogwatch_etcd_raft_index" | "dogwatch_etcd_raft_applied_index" => {
                (at / 1_000 * 31 + random.i64(0..40)) as f64
            }
            "dogwatch_etcd_db_size_in_use_bytes" => (100_000_000 + at / 60_000 % 1_000 * 4_096) as f64,
            "probe_http_status_code" => 200.0,
            "dogwatch_target_state" => f64::from(u8::from(labels.get("state") == Some("up"))),
            _ => 1.0,
        };
        Points { values: at_ms.iter().map(&mut value).collect(), at_ms: at_ms.to_vec(), ..Points::default() }
    }
}

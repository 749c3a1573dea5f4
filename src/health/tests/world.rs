//! A builder of views. Times are seconds relative to now.

use std::{sync::Arc, time::Duration};

use jiff::{Timestamp, tz::TimeZone};
use url::Url;

use super::super::{ClusterView, Quorum, Recent, TargetView, diagnose, quorum};
use crate::{
    model::*,
    words::{Language, Voice},
};

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) target: Target,
    pub(super) verdict: Verdict,
    pub(super) last: Observation,
    /// A probe went well since it is down.
    pub(super) again: Option<Timestamp>,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) cluster: Arc<str>,
    pub(super) entries: Vec<Entry>,
    pub(super) snapshot: ClusterSnapshot,
    pub(super) canaries: Vec<CanaryStanding>,
    pub(super) situation: Option<Situation>,
    pub(super) recent: Recent,
    pub(super) own: Vec<CertificateFact>,
    pub(super) own_token: Option<TokenFact>,
    pub(super) vantage_ok: bool,
}

/// 2026-11-23 06:00:00 UTC, moved by seconds.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_413_600 + seconds).unwrap()
}

pub(super) fn days(n: i64) -> i64 {
    n * 24 * 3600
}

pub(super) fn certificate(source: &str, subject: &str, from: i64, until: i64) -> CertificateFact {
    CertificateFact {
        subject: subject.into(),
        issuer: "CN=ca".into(),
        not_after: at(until),
        not_before: at(from),
        source: source.into(),
    }
}

/// A lease that is renewed, and was this old when it was read, 2 s ago; read 3 s before that, it was another one.
pub(super) fn sight(age: u64) -> ObservedLease {
    let age = Duration::from_secs(age);
    let back = |age: Duration| at(-2).checked_sub(age).unwrap_or(Timestamp::MIN);
    ObservedLease {
        mark: "b".into(),
        seen_at: back(age),
        after: Some(back(age.saturating_add(Duration::from_secs(3)))),
        read_at: at(-2),
        told_age: Some(age),
        clock: HolderClock::default(),
    }
}

impl World {
    /// Three control-plane hosts and so many nodes, all well.
    pub(super) fn new(nodes: usize) -> Self {
        let mut world = Self {
            cluster: "lab".into(),
            entries: Vec::new(),
            snapshot: ClusterSnapshot::default(),
            canaries: Vec::new(),
            situation: None,
            recent: Recent::default(),
            own: vec![certificate("kubeconfig", "CN=watchdog", -days(300), days(300))],
            own_token: None,
            vantage_ok: true,
        };
        for i in 1..=3 {
            world.control_host(i);
        }
        for i in 1..=nodes {
            world.node(i);
        }
        let snapshot = &mut world.snapshot;
        (snapshot.read_at, snapshot.leases_at) = (Some(at(-20)), Some(at(-2)));
        for name in ["kube-scheduler", "kube-controller-manager"] {
            let (age, duration) = (Duration::from_secs(1), Duration::from_secs(15));
            snapshot.leaders.push(LeaseFact {
                name: name.into(),
                holder: "cp1_2f0c".into(),
                age,
                duration,
                sight: Some(sight(1)),
            });
        }
        world
    }

    fn control_host(&mut self, i: usize) {
        let host = format!("10.99.0.{i}");
        let url = |port| Url::parse(&format!("https://{host}:{port}")).unwrap();
        let api = Facts::ApiServer(ApiServerFacts { etcd_read: Some(ReadThrough::Ok), ..Default::default() });
        self.add(
            Job::KubeApiserver,
            &format!("{host}:6443"),
            None,
            ProbeSpec::ApiServer { base: url(6443), advertised: i == 1 },
            api,
        );
        let id = u64::try_from(i).unwrap();
        let etcd = Facts::Etcd(Box::new(etcd_facts(id)));
        self.add(Job::Etcd, &format!("{host}:2379"), None, ProbeSpec::Etcd { client: url(2379), metrics: None }, etcd);
        for (job, port) in [(Job::KubeScheduler, 10259), (Job::KubeControllerManager, 10257)] {
            self.add(job, &format!("{host}:{port}"), None, ProbeSpec::Healthz { url: url(port) }, Facts::None);
        }
        self.snapshot.apiserver_endpoints.push(format!("{host}:6443"));
        self.snapshot.etcd_members.push(member(id));
    }

    fn node(&mut self, i: usize) {
        let (name, host) = (format!("n{i:02}"), format!("10.99.{}.{}", 1 + i / 250, i % 250));
        let spec = ProbeSpec::Kubelet {
            base: Url::parse(&format!("https://{host}:10250")).unwrap(),
            others: Vec::new(),
            node: name.as_str().into(),
            via: None,
        };
        let facts = Facts::Kubelet(KubeletFacts { via: KubeletVia::Direct, direct_status: Some(200) });
        self.add(Job::Kubelet, &format!("{host}:10250"), Some(&name), spec, facts);
        self.snapshot.nodes.push(NodeFact {
            name: name.into(),
            addresses: vec![host],
            kubelet_port: 10250,
            version: "v1.20.2".into(),
            conditions: [NodeCondition {
                kind: "Ready".into(),
                status: "True".into(),
                reason: "KubeletReady".into(),
                message: String::new(),
                since: Some(at(-days(3))),
            }]
            .into(),
            lease: Some(sight(4)),
            created: Some(at(-days(3))),
            ..NodeFact::default()
        });
    }

    pub(super) fn add(&mut self, job: Job, instance: &str, node: Option<&str>, spec: ProbeSpec, facts: Facts) {
        let target = Target {
            key: TargetKey { cluster: Arc::clone(&self.cluster), job, instance: instance.into() },
            node: node.map(Into::into),
            spec,
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            guessed: false,
            labels: Default::default(),
        };
        let last = Observation {
            target: Arc::new(target.clone()),
            started: at(-1),
            duration: Duration::from_millis(8),
            failure: None,
            answered: true,
            phases: Phases { connect: Some(Duration::from_millis(1)), ..Default::default() },
            http_status: Some(200),
            tls: None,
            checks: Vec::new(),
            facts,
            trace: Vec::new(),
        };
        let verdict = Verdict {
            state: State::Up,
            since: at(-days(3)),
            reason: None,
            message: "answers and is healthy".into(),
            reached: true,
            hides: None,
        };
        self.entries.push(Entry { target, verdict, last, again: None });
    }

    /// The entries that match `job` and `host` (`""`: all of it), e.g. `etcd 10.99.0.2`.
    pub(super) fn pick<'a>(&'a mut self, which: &'a str) -> impl Iterator<Item = &'a mut Entry> {
        let (job, host) = which.split_once(' ').unwrap_or((which, ""));
        self.entries.iter_mut().filter(move |e| {
            let key = &e.target.key;
            (job == "*" || key.job.as_str() == job)
                && (host.is_empty() || key.instance.starts_with(&format!("{host}:")))
        })
    }

    /// Makes targets `Down` since so many seconds: nothing was learned but the reason.
    pub(super) fn down(&mut self, which: &str, reason: Reason, since: i64) -> &mut Self {
        for entry in self.pick(which) {
            entry.fail(State::Down, reason, since);
            entry.last.facts = Facts::None;
            entry.last.answered = false;
            entry.last.phases = Phases::default();
            entry.last.http_status = None;
        }
        self
    }

    /// They accept connections and say nothing.
    pub(super) fn hang(&mut self, which: &str, since: i64) -> &mut Self {
        self.down(which, Reason::Timeout, since);
        for entry in self.pick(which) {
            entry.last.phases.connect = Some(Duration::from_millis(1));
        }
        self
    }

    /// API servers that fail on etcd only.
    pub(super) fn etcd_only(&mut self, which: &str, since: i64) -> &mut Self {
        for entry in self.pick(which) {
            entry.fail(State::Down, Reason::Degraded, since);
            let facts = ApiServerFacts { etcd_only: true, etcd_read: Some(ReadThrough::Timeout), ..Default::default() };
            entry.last.facts = Facts::ApiServer(facts);
            let (page, name, message) = ("livez".into(), "etcd".into(), "reason withheld".into());
            entry.last.checks = vec![CheckLine { page, name, ok: false, message }];
        }
        self
    }

    /// etcd members that answer and see no leader.
    pub(super) fn leaderless(&mut self, which: &str, since: i64) -> &mut Self {
        for entry in self.pick(which) {
            entry.fail(State::Down, Reason::Degraded, since);
            if let Facts::Etcd(facts) = &mut entry.last.facts {
                facts.has_leader = Some(false);
                facts.errors = vec!["etcdserver: no leader".into()];
            }
        }
        self
    }

    /// etcd members that answer and call themselves unhealthy, since member 2 has raised an alarm.
    pub(super) fn alarm(&mut self, which: &str, alarm: &str, since: i64) -> &mut Self {
        self.pick(which).for_each(|entry| entry.fail(State::Down, Reason::Degraded, since));
        self.etcd(which, |f| f.alarms = vec![EtcdAlarm { member_id: 2, alarm: alarm.into() }])
    }

    /// Changes what etcd members tell.
    pub(super) fn etcd(&mut self, which: &str, change: impl Fn(&mut EtcdFacts)) -> &mut Self {
        for entry in self.pick(which) {
            if let Facts::Etcd(facts) = &mut entry.last.facts {
                change(facts);
            }
        }
        self
    }

    /// Whom a leader hears, as its newest answer tells, which began at so many seconds; the one before that was 4 s earlier.
    pub(super) fn hears(&mut self, which: &str, heard: &[u64], started: i64) -> &mut Self {
        for entry in self.pick(which) {
            entry.last.started = at(started);
            if let Facts::Etcd(facts) = &mut entry.last.facts {
                let before = at(started - 4);
                let peer = |id| EtcdPeer {
                    id,
                    received: 100,
                    heard_after: Some(if heard.contains(&id) { before } else { at(-60) }),
                    still_since: Some(if heard.contains(&id) { at(started) } else { before }),
                };
                let own = facts.member_id;
                facts.peers = (1..=3).filter(|id| Some(*id) != own).map(peer).collect();
            }
        }
        self
    }

    /// They refuse our credentials.
    pub(super) fn refuse_us(&mut self, which: &str, status: u16, since: i64) -> &mut Self {
        for entry in self.pick(which) {
            entry.fail(State::Unknown, Reason::Auth, since);
            entry.last.http_status = Some(status);
        }
        self
    }

    /// A node's lease was this old when leases were read, 2 s ago.
    pub(super) fn lease(&mut self, node: &str, age: u64) -> &mut Self {
        self.fact(node).lease = Some(sight(age));
        self
    }

    /// Kubelets that have never answered from here; to be called before they are made to fail.
    pub(super) fn stranger(&mut self, which: &str) -> &mut Self {
        self.pick(which).for_each(|entry| entry.verdict.reached = false);
        self
    }

    pub(super) fn taint(&mut self, node: &str, key: &str) -> &mut Self {
        self.fact(node).taints.push(Taint { key: key.into(), effect: "NoSchedule".into() });
        self
    }

    /// The lease of the scheduler (0) or the controller-manager (1): who holds it, and how old it was when it was read.
    pub(super) fn lead(&mut self, i: usize, holder: &str, age: u64) -> &mut Self {
        let lease = &mut self.snapshot.leaders[i];
        (lease.holder, lease.age, lease.sight) = (holder.into(), Duration::from_secs(age), Some(sight(age)));
        self
    }

    pub(super) fn fact(&mut self, node: &str) -> &mut NodeFact {
        self.snapshot.nodes.iter_mut().find(|n| &*n.name == node).unwrap()
    }

    /// The API server calls a node NotReady.
    pub(super) fn ready(&mut self, node: &str, status: &str, reason: &str, since: i64) -> &mut Self {
        let condition = Arc::make_mut(&mut self.fact(node).conditions).first_mut().unwrap();
        (condition.status, condition.reason, condition.since) = (status.into(), reason.into(), Some(at(since)));
        self
    }

    pub(super) fn forget(&mut self, job: Job) -> &mut Self {
        self.entries.retain(|e| e.target.key.job != job);
        self
    }

    /// A control-plane host is a node too, `cp2`.
    pub(super) fn node_on(&mut self, i: usize) -> &mut Self {
        self.node(90 + i);
        if let Some(node) = self.snapshot.nodes.last_mut() {
            (node.name, node.addresses) = (format!("cp{i}").into(), vec![format!("10.99.0.{i}")]);
            node.control_plane = true;
        }
        self.entries.pop();
        self
    }

    pub(super) fn diagnose(&self) -> Diagnosis {
        let diagnosis = diagnose(&self.view());
        diagnosis.findings.iter().for_each(can_be_told_in_every_language);
        diagnosis
    }

    pub(super) fn quorum(&self) -> Option<Quorum> {
        quorum(&self.view())
    }

    pub(super) fn view(&self) -> ClusterView<'_> {
        let of = |checks: bool| {
            self.entries.iter().filter(|e| e.target.key.job.is_check() == checks).map(Entry::view).collect()
        };
        ClusterView {
            cluster: &self.cluster,
            now: at(0),
            targets: of(false),
            checks: of(true),
            elsewhere: Vec::new(),
            canaries: &self.canaries,
            situation: self.situation.as_ref(),
            recent: &self.recent,
            snapshot: &self.snapshot,
            own_certificates: &self.own,
            own_token: self.own_token.as_ref(),
            vantage_ok: self.vantage_ok,
        }
    }
}

impl Entry {
    pub(super) fn fail(&mut self, state: State, reason: Reason, since: i64) {
        let message = match reason {
            Reason::Refused => format!("connection refused by {}", self.target.key.instance),
            other => format!("it failed ({other})"),
        };
        self.last.failure = Some(Failure::new(reason, &message));
        self.verdict = Verdict {
            state,
            since: at(since),
            reason: Some(reason),
            message,
            reached: self.verdict.reached,
            hides: None,
        };
    }

    pub(super) fn view(&self) -> TargetView<'_> {
        let before = (self.verdict.state == State::Down)
            .then(|| self.verdict.since.checked_sub(Duration::from_secs(10)).unwrap_or(Timestamp::MIN));
        let (last, last_success) = (Some(&self.last), self.again.or(before));
        TargetView { target: &self.target, verdict: &self.verdict, last, last_success }
    }
}

pub(super) fn member(id: u64) -> EtcdMember {
    EtcdMember {
        id,
        name: format!("m{id}"),
        peer_urls: vec![format!("https://10.99.0.{id}:2380")],
        client_urls: vec![format!("https://10.99.0.{id}:2379")],
        learner: false,
    }
}

pub(super) fn etcd_facts(id: u64) -> EtcdFacts {
    EtcdFacts {
        member_id: Some(id),
        cluster_id: Some(77),
        name: Some(format!("m{id}")),
        version: Some("3.4.23".into()),
        has_leader: Some(true),
        is_leader: Some(id == 1),
        members: (1..=3).map(member).collect(),
        db_size: Some(4 << 20),
        db_size_in_use: Some(2 << 20),
        db_quota: Some(2048 << 20),
        raft_term: Some(2),
        raft_index: Some(480),
        raft_applied_index: Some(480),
        revision: Some(410),
        ..EtcdFacts::new(EtcdVia::Client)
    }
}

/// What a sentence was said with is of one that stands there, and makes a sentence in every language.
fn can_be_told_in_every_language(f: &Finding) {
    let lines: Vec<&String> = [&f.evidence, &f.still_works, &f.consequences].into_iter().flatten().collect();
    // Commands are the same in every language.
    let prose = |text: &str| text.split('`').step_by(2).collect::<String>();
    let mut all = Vec::new();
    for said in &f.said {
        let english = Voice::default().said(said);
        let is_there = f.headline == english || f.first_step == english || lines.contains(&&english);
        assert!(is_there, "{english} is not said in {f:?}");
        for language in Language::all().filter(|language| *language != Language::ENGLISH) {
            let text = Voice::new(language, TimeZone::UTC).said(said);
            let is_own = text != english || !prose(&english).contains(char::is_alphabetic);
            assert!(is_own && !prose(&text).contains('{'), "{language}: {text}");
        }
        all.push(english);
    }
    assert!(f.first_step.is_empty() || all.contains(&f.first_step), "English alone: {}", f.first_step);
}

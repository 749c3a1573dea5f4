//! What a probe of a target sees, as the world is.

use std::{sync::Arc, time::Duration};

use dogwatch::model::{
    ApiServerFacts, CertificateFact, CheckFacts, CheckLine, EtcdAlarm, EtcdFacts, EtcdMember, EtcdPeer, EtcdVia, Facts,
    Failure, Job, KubeletFacts, KubeletVia, Observation, Phases, ProbeSpec, ReadThrough, Reason, Target, TlsFacts,
};
use jiff::Timestamp;

use super::{
    how::How,
    world::{World, host_address, host_name},
};

/// What an answer takes that is not said to be slow.
pub const QUICK: Duration = Duration::from_millis(8);
/// Certificates that nothing is said of last for so long.
const LASTS: Duration = Duration::from_secs(300 * 24 * 3_600);

/// What a probe saw, and how long it took.
pub fn answer(world: &mut World, target: &Arc<Target>, now: Timestamp) -> (Duration, Observation) {
    world.settle(now);
    let (component, place) = who(world, target);
    let how = match component.as_str() {
        _ if world.cut_off.is_some() => How::SilentToUs,
        "api" => world.address(now),
        _ => world.how(&component, &place, now),
    };
    let mut o = Observation::failed(target.clone(), now, Failure::new(Reason::Timeout, ""));
    let took = match &how {
        How::Silent | How::SilentToUs | How::Hangs => target.timeout,
        How::Slow(latency) => *latency,
        _ => QUICK,
    };
    (o.duration, o.failure) = (took, failure(target, &how, took));
    let answers = !how.is_dead() && !matches!(how, How::SilentToUs | How::NoSuchName | How::Expired | How::Untrusted);
    o.answered = answers && !matches!(how, How::Status(_));
    if let (How::Slow(latency), Some("tcp")) = (&how, target.spec.check().map(|check| check.kind.as_str())) {
        // All that a TCP check waits for.
        o.phases = Phases { connect: Some(*latency), ..Phases::default() };
    } else if answers || how == How::Hangs {
        o.phases = Phases { connect: Some(Duration::from_millis(1)), ..Phases::default() };
    }
    if !how.is_dead() && !matches!(how, How::SilentToUs | How::NoSuchName) {
        o.tls = tls(world, target, &how, &component, &place, now);
    }
    o.http_status = answers.then_some(match &how {
        How::Status(status) => *status,
        How::Unauthorized => 401,
        How::Throttled => 429,
        How::Fails(_) | How::FailsOnEtcd => 500,
        _ => 200,
    });
    if answers {
        o.facts = facts(world, target, &how, &place, now);
        o.checks = checks(&how);
    }
    (took, o)
}

/// The component, and the place by which the story knows it.
fn who(world: &World, target: &Target) -> (String, String) {
    let host = target.key.instance.rsplit_once(':').map_or(&*target.key.instance, |(host, _)| host);
    match (&target.spec, target.key.job) {
        (ProbeSpec::ApiServer { .. }, _) if world.spec.load_balancer.as_deref() == Some(host) => {
            ("api".into(), "address".into())
        }
        (ProbeSpec::Kubelet { node, .. }, _) => ("kubelet".into(), node.to_string()),
        (_, Job::Check(name)) => {
            let of_node = target.node.as_deref().filter(|node| {
                // What is made at a node is silent where the node is.
                world.said("kubelet", node).0 == How::Silent && world.said(name.as_str(), node).0 == How::Well
            });
            match of_node {
                Some(node) => ("kubelet".into(), node.to_owned()),
                None => (name.as_str().into(), target.node.as_deref().unwrap_or("it").to_owned()),
            }
        }
        (_, job) => {
            let node = world.nodes.iter().find(|(_, n)| n.address == host).map(|(name, _)| name.clone());
            (job.as_str().into(), node.unwrap_or_else(|| host.to_owned()))
        }
    }
}

fn failure(target: &Target, how: &How, took: Duration) -> Option<Failure> {
    let at = &target.key.instance;
    let fails = |reason, words: String| Some(Failure::new(reason, words));
    match how {
        How::Well | How::Slow(_) => None,
        How::Silent | How::SilentToUs => fails(Reason::Timeout, format!("no answer from {at} within {took:?}")),
        How::Hangs => fails(Reason::Timeout, format!("{at} took the connection and did not answer within {took:?}")),
        How::Refuses => fails(Reason::Refused, format!("connection refused by {at}")),
        How::Unreachable => fails(Reason::Unreachable, format!("no route to {at}")),
        How::NoSuchName => fails(Reason::Dns, format!("{at} does not resolve")),
        How::Unauthorized => fails(Reason::Auth, "it answered 401: our credentials are refused".into()),
        How::Throttled => fails(Reason::Throttled, "it answered 429: it has no time for us".into()),
        How::Status(status) => fails(Reason::HttpStatus, format!("it answered HTTP {status}")),
        How::Expired => fails(Reason::Tls, format!("the certificate of {at} has expired")),
        How::Untrusted => fails(Reason::Tls, format!("the certificate of {at} is of an unknown CA")),
        How::Fails(names) => fails(Reason::Degraded, format!("failing checks: {}", names.join(", "))),
        How::FailsOnEtcd => fails(Reason::Degraded, "failing checks: etcd".into()),
        How::NoLeader => fails(Reason::Degraded, "etcdserver: no leader".into()),
        How::Alarm(alarm) => fails(Reason::Degraded, format!("alarm {alarm}")),
        How::OtherCluster => None,
        How::Answers(words) => fails(Reason::Answer, words.clone()),
    }
}

fn tls(world: &World, target: &Target, how: &How, component: &str, place: &str, now: Timestamp) -> Option<TlsFacts> {
    if target.key.job == Job::KubeProxy || target.key.job.is_check() {
        return None;
    }
    let said = world.ends.get(&format!("{component} {place}")).or_else(|| world.ends.get(&format!("{component} all")));
    let ends = said.copied().unwrap_or(world.begun + LASTS);
    let ends = if *how == How::Expired { ends.min(now) } else { ends };
    let leaf = CertificateFact {
        subject: format!("CN={component}"),
        issuer: "CN=kubernetes".into(),
        not_after: ends,
        not_before: world.begun.checked_sub(LASTS).unwrap(),
        source: "serving".into(),
    };
    let verified = !matches!(how, How::Expired | How::Untrusted);
    Some(TlsFacts { version: Some("TLS 1.3".into()), chain: [leaf].into(), anchor: None, verified })
}

fn checks(how: &How) -> Vec<CheckLine> {
    let line = |name: &str| CheckLine {
        page: "readyz".into(),
        name: name.into(),
        ok: false,
        message: "reason withheld".into(),
    };
    match how {
        How::Fails(names) => names.iter().map(|name| line(name)).collect(),
        How::FailsOnEtcd => vec![line("etcd")],
        _ => Vec::new(),
    }
}

fn facts(world: &World, target: &Target, how: &How, place: &str, now: Timestamp) -> Facts {
    match target.key.job {
        Job::KubeApiserver => {
            let read = match how {
                How::FailsOnEtcd => Some(ReadThrough::Timeout),
                How::Well | How::Slow(_) => Some(ReadThrough::Ok),
                _ => None,
            };
            Facts::ApiServer(ApiServerFacts {
                version: Some("v1.33.2".into()),
                live: Some(!matches!(how, How::FailsOnEtcd)),
                ready: Some(!matches!(how, How::FailsOnEtcd | How::Fails(_))),
                etcd_read: read,
                draining: matches!(how, How::Fails(names) if names.iter().any(|n| n == "shutdown")),
                etcd_only: *how == How::FailsOnEtcd,
                slow: false,
            })
        }
        Job::Kubelet => Facts::Kubelet(KubeletFacts { via: KubeletVia::Direct, direct_status: Some(200) }),
        Job::Etcd => Facts::Etcd(Box::new(etcd(world, how, place, now))),
        // All that a cluster serves is behind one address.
        Job::Check(_) if target.node.is_none() => {
            let peer = (!matches!(how, How::NoSuchName)).then(|| ([203, 0, 113, 10], 443).into());
            Facts::Check(CheckFacts { peer, ..CheckFacts::default() })
        }
        Job::Check(_) => Facts::Check(CheckFacts::default()),
        _ => Facts::None,
    }
}

/// The members as their list has them.
pub fn members(world: &World) -> Vec<EtcdMember> {
    let one = |i: usize| EtcdMember {
        id: u64::try_from(i).unwrap() + 1,
        name: host_name(i),
        peer_urls: vec![format!("https://{}:2380", host_address(i))],
        client_urls: vec![format!("https://{}:2379", host_address(i))],
        learner: false,
    };
    (0..world.hosts).map(one).collect()
}

fn etcd(world: &World, how: &How, place: &str, now: Timestamp) -> EtcdFacts {
    let i = (0..world.hosts).find(|i| host_name(*i) == place).unwrap_or(0);
    let id = u64::try_from(i).unwrap() + 1;
    let seconds = u64::try_from(now.duration_since(world.begun).as_secs() + 3_600).unwrap();
    let leader = world.etcd_leader().filter(|_| *how != How::NoLeader);
    let facts = EtcdFacts {
        member_id: Some(id),
        cluster_id: Some(77),
        name: Some(host_name(i)),
        version: Some("3.5.21".into()),
        has_leader: Some(leader.is_some()),
        is_leader: Some(leader == Some(i)),
        members: members(world),
        db_size: Some(400 << 20),
        db_size_in_use: Some(200 << 20),
        db_quota: Some(8 << 30),
        raft_term: Some(world.term),
        raft_index: Some(seconds * 20),
        raft_applied_index: Some(seconds * 20),
        revision: Some(seconds * 10),
        serializable: Some(Duration::from_millis(1)),
        linearizable: leader.map(|_| Duration::from_millis(3)),
        peers: peers(world, i, leader),
        ..EtcdFacts::new(EtcdVia::Client)
    };
    match how {
        How::Alarm(alarm) => {
            let alarms = vec![EtcdAlarm { member_id: id, alarm: alarm.clone() }];
            EtcdFacts { alarms, db_size: Some(8 << 30), db_size_in_use: Some(8 << 30), ..facts }
        }
        How::OtherCluster => EtcdFacts {
            cluster_id: Some(99),
            member_id: Some(900 + id),
            is_leader: Some(true),
            has_leader: Some(true),
            members: vec![EtcdMember { id: 900 + id, ..facts.members[i].clone() }],
            revision: Some(1),
            raft_index: Some(8),
            raft_applied_index: Some(8),
            raft_term: Some(2),
            db_size: Some(20 << 10),
            db_size_in_use: Some(16 << 10),
            peers: Vec::new(),
            ..facts
        },
        _ => facts,
    }
}

/// Whom a member hears: a leader all that live, a follower its leader.
fn peers(world: &World, i: usize, leader: Option<usize>) -> Vec<EtcdPeer> {
    let hears = |other: &usize| *other != i && (leader == Some(i) || leader == Some(*other));
    let one = |other: usize| EtcdPeer {
        id: u64::try_from(other).unwrap() + 1,
        received: u64::try_from(world.heard[other].as_millisecond()).unwrap(),
        heard_after: None,
        still_since: None,
    };
    (0..world.hosts).filter(hears).map(one).collect()
}

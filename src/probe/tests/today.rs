//! What Kubernetes 1.37 and etcd 3.7 really answer, taken from the lab: beside the older answers in the other files.

use jiff::Timestamp;

use super::*;
use crate::model::{ApiServerFacts, EtcdFacts, Facts, KubeletFacts, KubeletVia, ReadThrough};

const LIVEZ: &str = include_str!("today/livez.txt");
const READYZ: &str = include_str!("today/readyz.txt");
/// With structured authentication and anonymous users let in for health pages only: no token, or one that is not known.
const UNAUTHORIZED: &str = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#;
/// In the first second of an API server that has just started, to everybody: its RBAC rules are not read yet.
const JUST_STARTED: &str = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"namespaces \"default\" is forbidden: User \"system:serviceaccount:dogwatch:dogwatch\" cannot get resource \"namespaces\" in API group \"\" in the namespace \"default\"","reason":"Forbidden","details":{"name":"default","kind":"namespaces"},"code":403}"#;

/// A page of an API server on which these checks fail.
fn failing(page: &str, checks: &[&str]) -> String {
    let lines = page.lines().map(|line| match checks.iter().find(|name| line == format!("[+]{name} ok")) {
        Some(name) => format!("[-]{name} failed: reason withheld"),
        None => line.replace(" check passed", " check failed"),
    });
    lines.map(|line| line + "\n").collect()
}

fn api_server() -> Table {
    vec![
        ("/livez", say(200, LIVEZ)),
        ("/livez?exclude=etcd", say(200, "ok")),
        ("/readyz", say(200, READYZ)),
        (
            "/version",
            say(200, r#"{"major":"1","minor":"37","gitVersion":"v1.37.2","emulationMajor":"1","emulationMinor":"37"}"#),
        ),
        ("/api/v1/namespaces/default", say(200, r#"{"kind":"Namespace","apiVersion":"v1"}"#)),
    ]
}

async fn check_api_server(changes: Table, expected: &str) -> ApiServerFacts {
    let pki = Pki::make();
    let mut table = api_server();
    table.extend(changes);
    let server = pki.serve(Security::Tls, table).await;
    let dialer = pki.dialer(EtcdCertificate::None).await;
    let spec = ProbeSpec::ApiServer { base: server.url.clone(), advertised: false };
    let seen = probe(&target(Job::KubeApiserver, spec, AMPLE), &dialer, &[], false, &Clock::system()).await;
    assert_trace_is_sound(&seen);
    assert_eq!(verdict(&seen), expected);
    let Facts::ApiServer(facts) = seen.facts else { panic!("{:?}", seen.facts) };
    facts
}

#[tokio::test]
async fn an_api_server() {
    let facts = check_api_server(vec![], "ok").await;
    assert_eq!((facts.version.as_deref(), facts.etcd_read), (Some("v1.37.2"), Some(ReadThrough::Ok)));

    // SIGTERM with --shutdown-delay-duration: for some seconds it serves on, and says that it goes.
    let going = say(500, &failing(READYZ, &["shutdown"]));
    let facts = check_api_server(vec![("/readyz", going)], "ok").await;
    assert!(facts.draining && facts.live == Some(true) && facts.ready == Some(false));

    // Quorum of etcd is lost: since 1.26 two checks of /readyz ask it, one of /livez.
    let lost = vec![
        ("/livez?verbose", say(500, &failing(LIVEZ, &["etcd"]))),
        ("/readyz", say(500, &failing(READYZ, &["etcd", "etcd-readiness"]))),
        ("/api/v1/namespaces/default", status(500, "etcdserver: request timed out")),
    ];
    let facts = check_api_server(lost, "degraded: /livez fails on etcd only; the server itself is fine").await;
    assert!(facts.etcd_only);
}

#[tokio::test]
async fn an_api_server_that_lets_nobody_in_but_for_health() {
    let strange =
        |status, body| vec![("/version", say(status, body)), ("/api/v1/namespaces/default", say(status, body))];
    let words = "auth: our credentials are not accepted (401); the API server itself is fine";
    let facts = check_api_server(strange(401, UNAUTHORIZED), words).await;
    assert_eq!(facts.live, Some(true));
    let facts = check_api_server(strange(403, JUST_STARTED), "ok").await;
    assert_eq!(facts.live, Some(true));
}

const STATUS: &str = r#"{"header":{"cluster_id":"12654407464858025104", "member_id":"180636768041460399", "revision":"543", "raft_term":"3"}, "version":"3.7.3", "dbSize":"61620224", "leader":"180636768041460399", "raftIndex":"680", "raftTerm":"3", "raftAppliedIndex":"680", "dbSizeInUse":"58650624", "storageVersion":"3.7.0", "dbSizeQuota":"67108864", "downgradeInfo":{}}"#;
const FULL: &str = r#"{"header":{"cluster_id":"12654407464858025104", "member_id":"180636768041460399", "revision":"543", "raft_term":"3"}, "version":"3.7.3", "dbSize":"61620224", "leader":"180636768041460399", "raftIndex":"680", "raftTerm":"3", "raftAppliedIndex":"680", "errors":["memberID:4601808323206843246  alarm:NOSPACE"], "dbSizeInUse":"58650624", "storageVersion":"3.7.0", "dbSizeQuota":"67108864", "downgradeInfo":{}}"#;
const LEADERLESS: &str = r#"{"header":{"cluster_id":"12654407464858025104", "member_id":"180636768041460399", "revision":"459", "raft_term":"2"}, "version":"3.7.3", "dbSize":"532480", "raftIndex":"565", "raftTerm":"2", "raftAppliedIndex":"565", "errors":["etcdserver: no leader"], "dbSizeInUse":"532480", "storageVersion":"3.7.0", "dbSizeQuota":"67108864", "downgradeInfo":{}}"#;
const MEMBERS: &str = r#"{"header":{"cluster_id":"12654407464858025104", "member_id":"180636768041460399", "raft_term":"2"}, "members":[{"ID":"180636768041460399", "name":"m2", "peerURLs":["https://10.99.0.2:2380"], "clientURLs":["https://10.99.0.2:2379"]}, {"ID":"1065833922067485795", "name":"m1", "peerURLs":["https://10.99.0.1:2380"], "clientURLs":["https://10.99.0.1:2379"]}, {"ID":"4601808323206843246", "name":"m3", "peerURLs":["https://10.99.0.3:2380"], "clientURLs":["https://10.99.0.3:2379"]}]}"#;
const NO_ALARM: &str = r#"{"header":{"cluster_id":"12654407464858025104", "member_id":"180636768041460399", "revision":"433", "raft_term":"2"}}"#;
const NOSPACE: &str = r#"{"header":{"cluster_id":"12654407464858025104", "member_id":"180636768041460399", "revision":"543", "raft_term":"3"}, "alarms":[{"memberID":"4601808323206843246", "alarm":"NOSPACE"}]}"#;
const HASH: &str = r#"{"header":{"cluster_id":"12654407464858025104", "member_id":"180636768041460399", "revision":"433", "raft_term":"2"}, "hash":3646444142, "compact_revision":"-1", "hash_revision":"433"}"#;
const ETCD_LIVEZ: &str = "[+]serializable_read ok\nok\n";
const ETCD_READYZ: &str =
    "[+]linearizable_read ok\n[+]non_learner ok\n[+]data_corruption ok\n[+]serializable_read ok\nok\n";
/// Without a leader it takes 14 s, longer than anybody waits.
const ETCD_READYZ_LEADERLESS: &str = "[+]data_corruption ok\n[+]serializable_read ok\n[-]linearizable_read failed: etcdserver: request timed out\n[+]non_learner ok\n\n";

fn member() -> Table {
    vec![
        ("/health", say(200, r#"{"health":"true","reason":""}"#)),
        ("/livez", say(200, ETCD_LIVEZ)),
        ("/readyz", say(200, ETCD_READYZ)),
        ("/metrics", say(200, "etcd_server_has_leader 1\n")),
        ("/v3/maintenance/status", say(200, STATUS)),
        ("/v3/maintenance/alarm", say(200, NO_ALARM)),
        ("/v3/maintenance/hashkv", say(200, HASH)),
        ("/v3/cluster/member/list", say(200, MEMBERS)),
    ]
}

async fn check_member(changes: Table, expected: &str) -> EtcdFacts {
    check_member_at(changes, expected, Duration::from_secs(10), &Clock::system()).await
}

async fn check_member_at(changes: Table, expected: &str, interval: Duration, clock: &Clock) -> EtcdFacts {
    let pki = Pki::make();
    let mut table = member();
    table.extend(changes);
    let server = pki.serve(Security::Mutual, table).await;
    let dialer = pki.dialer(EtcdCertificate::Good).await;
    let spec = ProbeSpec::Etcd { client: server.url.clone(), metrics: None };
    let target = Target { interval, ..(*target(Job::Etcd, spec, AMPLE)).clone() };
    let seen = probe(&Arc::new(target), &dialer, &[], false, clock).await;
    assert_trace_is_sound(&seen);
    assert_eq!(verdict(&seen), expected);
    let Facts::Etcd(facts) = seen.facts else { panic!("{:?}", seen.facts) };
    *facts
}

/// Of a member whose revision is 543, asked so many seconds into a quarter of an hour.
async fn hash_at(seconds: i64, interval: u64, figures: &str) -> Option<u64> {
    let clock = Clock::anchored(Timestamp::from_second(1_795_413_600 + seconds).unwrap());
    let changes = vec![("/metrics", say(200, figures))];
    let facts = check_member_at(changes, "ok", Duration::from_secs(interval), &clock).await;
    facts.hash.map(|h| h.revision)
}

#[tokio::test]
async fn keys_are_hashed_once_a_quarter_of_an_hour_whatever_the_interval() {
    let never = "etcd_debugging_mvcc_compact_revision -1\n";
    for (seconds, interval, expected) in [
        (0, 10, Some(512)),
        (9, 10, Some(512)),
        (13, 10, None),
        (25, 30, Some(512)),
        (55, 60, Some(512)),
        (63, 60, None),
    ] {
        assert_eq!(hash_at(seconds, interval, never).await, expected, "{seconds} s, every {interval} s");
    }
    assert_eq!(hash_at(1, 60, "etcd_debugging_mvcc_compact_revision 530\n").await, Some(536), "what is not compacted");
    assert_eq!(hash_at(1, 60, "").await, Some(512), "not told");
}

#[tokio::test]
async fn a_learner_is_not_ready_and_not_sick() {
    let page = "[+]linearizable_read ok\n[-]non_learner failed: local is learner\n[+]data_corruption ok\n\n";
    check_member(vec![("/readyz", say(503, page))], "ok").await;
}

#[tokio::test]
async fn the_pages_are_asked_on_the_metrics_port_too() {
    let pki = Pki::make();
    let client = pki.serve(Security::Mutual, member()).await;
    let ready = "[-]data_corruption failed: alarm activated: CORRUPT\n[+]linearizable_read ok\n\n";
    let check = async |page: Act, expected: &str| {
        let mut table = member();
        table.push(("/readyz", page));
        let metrics = pki.serve(Security::Plain, table).await;
        let dialer = pki.dialer(EtcdCertificate::None).await;
        let spec = ProbeSpec::Etcd { client: client.url.clone(), metrics: Some(metrics.url.clone()) };
        let seen = probe(&target(Job::Etcd, spec, AMPLE), &dialer, &[], false, &Clock::system()).await;
        assert_eq!(verdict(&seen), expected);
        seen.checks.len()
    };
    assert_eq!(check(say(503, ready), "degraded: /readyz fails: data_corruption").await, 3);
    assert_eq!(check(say(404, "404 page not found\n"), "ok").await, 1, "older ones have no such page");
}

#[tokio::test]
async fn an_etcd_member() {
    let facts = check_member(vec![], "ok").await;
    assert_eq!((facts.name.as_deref(), facts.version.as_deref()), (Some("m2"), Some("3.7.3")));
    assert_eq!((facts.has_leader, facts.is_leader, facts.members.len()), (Some(true), Some(true), 3));
    assert_eq!((facts.db_size, facts.db_quota), (Some(61_620_224), Some(67_108_864)), "its status tells the quota");
}

#[tokio::test]
async fn an_etcd_member_that_is_full() {
    let changes = vec![
        ("/health", say(503, r#"{"health":"false","reason":"ALARM NOSPACE"}"#)),
        ("/v3/maintenance/status", say(200, FULL)),
        ("/v3/maintenance/alarm", say(200, NOSPACE)),
    ];
    let words = "degraded: etcd says that it is not healthy (ALARM NOSPACE), alarms in force: NOSPACE";
    let facts = check_member(changes, words).await;
    assert_eq!(facts.alarms.first().map(|a| a.member_id), Some(4_601_808_323_206_843_246));
}

#[tokio::test]
async fn an_etcd_member_without_a_leader() {
    let lost = |health, readyz| {
        vec![
            ("/health", say(503, health)),
            ("/readyz", readyz),
            ("/v3/maintenance/status", say(200, LEADERLESS)),
            ("/v3/maintenance/alarm", say(504, r#"{"code":4, "message":"context deadline exceeded"}"#)),
        ]
    };
    let words = "degraded: etcd answers, but has no leader (RAFT NO LEADER)";
    let noticed = r#"{"health":"false","reason":"RAFT NO LEADER"}"#;
    let facts = check_member(lost(noticed, Act::Hang), words).await;
    assert_eq!((facts.has_leader, facts.members.len()), (Some(false), 3));
    check_member(lost(noticed, say(503, ETCD_READYZ_LEADERLESS)), words).await;
    let words = "degraded: etcd answers, but has no leader (RANGE ERROR:context deadline exceeded)";
    let at_once = r#"{"health":"false","reason":"RANGE ERROR:context deadline exceeded"}"#;
    check_member(lost(at_once, Act::Hang), words).await;
}

async fn check_page(
    job: Job,
    security: Security,
    path: &'static str,
    act: Act,
    spec: fn(url::Url) -> ProbeSpec,
) -> Observation {
    let pki = Pki::make();
    let server = pki.serve(security, vec![(path, act)]).await;
    let dialer = pki.dialer(EtcdCertificate::None).await;
    let seen = probe(&target(job, spec(server.url.clone()), AMPLE), &dialer, &[], false, &Clock::system()).await;
    assert_trace_is_sound(&seen);
    seen
}

#[tokio::test]
async fn a_kubelet() {
    let spec = |base| ProbeSpec::Kubelet { base, node: "n1".into(), others: Vec::new(), via: Some(KubeletVia::Direct) };
    let page = "[+]ping ok\n[+]log ok\n[+]syncloop ok\n[+]device-plugin ok\nhealthz check passed\n";
    let seen = check_page(Job::Kubelet, Security::Tls, "/healthz", say(200, page), spec).await;
    assert_eq!((verdict(&seen).as_str(), seen.checks.len()), ("ok", 4));
    let forbidden = "Forbidden (user=nobody, verb=get, resource=nodes, subresource(s)=[healthz proxy])\n";
    let seen = check_page(Job::Kubelet, Security::Tls, "/healthz", say(403, forbidden), spec).await;
    assert!(verdict(&seen).starts_with("auth: it lives") && seen.answered, "{}", verdict(&seen));
    assert_eq!(seen.facts, Facts::Kubelet(KubeletFacts { via: KubeletVia::Direct, direct_status: Some(403) }));
}

#[tokio::test]
async fn a_scheduler_and_a_kube_proxy() {
    let healthz = |base: url::Url| ProbeSpec::Healthz { url: base.join("/healthz").unwrap() };
    let page = "[+]leaderElection ok\nhealthz check passed\n";
    let seen = check_page(Job::KubeScheduler, Security::Tls, "/healthz", say(200, page), healthz).await;
    assert_eq!(verdict(&seen), "ok");
    let page = r#"{"lastUpdated":"2026-11-28T19:14:08.303166682Z","currentTime":"2026-11-28T19:14:08.30313842Z","nodeEligible":true,"healthy":true,"status":{"IPv4":{"lastUpdated":"2026-11-28T19:13:48.094471571Z","healthy":true},"IPv6":{"lastUpdated":"2026-11-28T19:13:44.245955376Z","healthy":true}}}"#;
    let seen = check_page(Job::KubeProxy, Security::Plain, "/healthz", say(200, page), healthz).await;
    assert_eq!(verdict(&seen), "ok");
    let page = page.replace("\"nodeEligible\":true,\"healthy\":true", "\"nodeEligible\":true,\"healthy\":false");
    let seen = check_page(Job::KubeProxy, Security::Plain, "/healthz", say(503, &page), healthz).await;
    assert_eq!(verdict(&seen), "degraded: kube-proxy says that it is not healthy (HTTP 503)");
}

use url::Url;

use super::*;
use crate::model::{EtcdFacts, EtcdVia, Facts};

const STATUS: &str = r#"{"header":{"member_id":"7","raft_term":"2"},"version":"3.4.23","dbSize":"491520","leader":"9","raftIndex":"480","raftTerm":"2","raftAppliedIndex":"480","dbSizeInUse":"491520"}"#;
const NO_LEADER: &str = r#"{"header":{"member_id":"7","raft_term":"2"},"version":"3.5.16","raftIndex":"480","raftTerm":"2","raftAppliedIndex":"480","errors":["etcdserver: no leader"]}"#;
const MEMBERS: &str = r#"{"members":[{"ID":"7","name":"m1","clientURLs":["https://10.99.0.1:2379"]},{"ID":"9","name":"m2"},{"ID":"11","name":"m3"}]}"#;
const METRICS: &str = "etcd_server_has_leader 1\netcd_server_is_leader 0\netcd_server_quota_backend_bytes 2.147483648e+09\netcd_server_version{server_version=\"3.4.23\"} 1\n";

/// A member in good health (3.4: without /livez and /readyz), in whose table a case replaces what it is about.
fn well() -> Table {
    vec![
        ("/health", say(200, r#"{"health":"true"}"#)),
        ("/metrics", say(200, METRICS)),
        ("/v3/maintenance/status", say(200, STATUS)),
        ("/v3/maintenance/alarm", say(200, "{}")),
        ("/v3/cluster/member/list", say(200, MEMBERS)),
    ]
}

async fn run(
    pki: &Pki,
    client: &Url,
    metrics: Option<&Url>,
    certificate: EtcdCertificate,
    timeout: Duration,
) -> (Observation, Option<EtcdFacts>) {
    let dialer = pki.dialer(certificate).await;
    let spec = ProbeSpec::Etcd { client: client.clone(), metrics: metrics.cloned() };
    let seen = probe(&target(Job::Etcd, spec, timeout), &dialer, &[], false, &Clock::system()).await;
    assert_trace_is_sound(&seen);
    let facts = match &seen.facts {
        Facts::Etcd(facts) => Some((**facts).clone()),
        _ => None,
    };
    (seen, facts)
}

/// With a certificate, on a client port that differs from a healthy one's by `changes`.
async fn check(changes: Table, expected: &str) -> EtcdFacts {
    let pki = Pki::make();
    let mut table = well();
    table.extend(changes);
    let server = pki.serve(Security::Mutual, table).await;
    let (seen, facts) = run(&pki, &server.url, None, EtcdCertificate::Good, AMPLE).await;
    assert_eq!(verdict(&seen), expected);
    facts.unwrap()
}

#[tokio::test]
async fn all_is_well_with_3_4() {
    let facts = check(vec![], "ok").await;
    assert_eq!((facts.via, facts.member_id, facts.name.as_deref()), (EtcdVia::Client, Some(7), Some("m1")));
    assert_eq!((facts.has_leader, facts.is_leader, facts.members.len()), (Some(true), Some(false), 3));
    assert_eq!(facts.db_quota, Some(2_147_483_648), "from /metrics");
}

#[tokio::test]
async fn pages_of_3_5() {
    let live = "[+]serializable_read ok\nok\n";
    let ready = |corrupt: &str| format!("{corrupt}\n[+]serializable_read ok\n[+]linearizable_read ok\n");
    let well = vec![
        ("/livez", say(200, live)),
        ("/readyz", say(200, &(ready("[+]data_corruption ok") + "ok\n"))),
        ("/health", say(200, r#"{"health":"true","reason":""}"#)),
    ];
    check(well, "ok").await;
    let corrupt = say(503, &ready("[-]data_corruption failed: alarm CORRUPT"));
    check(vec![("/livez", say(200, live)), ("/readyz", corrupt)], "degraded: /readyz fails: data_corruption").await;
}

#[tokio::test]
async fn a_status_of_200_without_a_leader() {
    let lost = |health: &str| {
        vec![
            ("/health", say(503, health)),
            ("/v3/maintenance/status", say(200, NO_LEADER)),
            // It would hang: it is not even asked.
            ("/v3/maintenance/alarm", Act::Hang),
        ]
    };
    let facts = check(lost("{\"health\":\"false\"}\n"), "degraded: etcd answers, but has no leader").await;
    assert_eq!((facts.has_leader, facts.members.len()), (Some(false), 3));
    assert_eq!(facts.errors, ["etcdserver: no leader"]);
    let words = r#"{"health":"false","reason":"RAFT NO LEADER"}"#;
    check(lost(words), "degraded: etcd answers, but has no leader (RAFT NO LEADER)").await;
}

#[tokio::test]
async fn quorum_just_lost_and_not_yet_noticed_is_no_silence() {
    let pki = Pki::make();
    let mut table = well();
    for path in ["/health", "/readyz", "/v3/maintenance/alarm"] {
        table.push((path, Act::Hang));
    }
    let server = pki.serve(Security::Mutual, table).await;
    let (seen, facts) = run(&pki, &server.url, None, EtcdCertificate::Good, SHORT).await;
    assert!(
        verdict(&seen).starts_with("degraded: etcd tells its status, but not its health: ") && seen.answered,
        "{}",
        verdict(&seen)
    );
    assert_eq!(facts.map(|f| f.members.len()), Some(3));
}

#[tokio::test]
async fn health_says_no() {
    let facts = check(
        vec![
            ("/health", say(503, r#"{"health":"false"}"#)),
            ("/v3/maintenance/alarm", say(200, r#"{"alarms":[{"memberID":"7","alarm":"NOSPACE"}]}"#)),
        ],
        "degraded: etcd says that it is not healthy, alarms in force: NOSPACE",
    )
    .await;
    assert_eq!(facts.alarms.len(), 1);
    let odd = "body: /health answered HTTP 200, but not as etcd does: with a page without words";
    check(vec![("/health", say(200, "<html>"))], odd).await;
}

#[tokio::test]
async fn alarms_are_facts_and_no_failure_by_themselves() {
    let alarm = say(200, r#"{"alarms":[{"memberID":"9","alarm":"NOSPACE"}]}"#);
    let facts = check(vec![("/v3/maintenance/alarm", alarm)], "ok").await;
    assert_eq!(facts.alarms[0].member_id, 9);
}

#[tokio::test]
async fn facts_that_hang_do_not_hold_the_verdict() {
    let pki = Pki::make();
    let mut table = well();
    table.extend([("/v3", Act::Hang), ("/metrics", Act::Hang)]);
    let server = pki.serve(Security::Mutual, table).await;
    let (seen, _) = run(&pki, &server.url, None, EtcdCertificate::Good, AMPLE).await;
    assert_eq!(verdict(&seen), "ok");
    assert!(seen.duration < AMPLE / 4, "{:?}", seen.duration);
}

#[tokio::test]
async fn without_a_certificate_the_metrics_port_tells() {
    let pki = Pki::make();
    let client = pki.serve(Security::Mutual, well()).await;
    let metrics = pki.serve(Security::Plain, well()).await;
    let (seen, facts) = run(&pki, &client.url, Some(&metrics.url), EtcdCertificate::None, AMPLE).await;
    let facts = facts.unwrap();
    assert_eq!((verdict(&seen).as_str(), facts.via, facts.has_leader), ("ok", EtcdVia::Metrics, Some(true)));
    assert!(seen.tls.is_some_and(|t| !t.chain.is_empty()), "the client port's certificate is watched all the same");

    let lost =
        vec![("/health", say(503, r#"{"health":"false"}"#)), ("/metrics", say(200, "etcd_server_has_leader 0\n"))];
    let metrics = pki.serve(Security::Plain, lost).await;
    let (seen, _) = run(&pki, &client.url, Some(&metrics.url), EtcdCertificate::None, AMPLE).await;
    assert_eq!(verdict(&seen), "degraded: etcd answers, but has no leader");
}

#[tokio::test]
async fn without_certificate_and_metrics_the_handshake_shows_that_it_lives() {
    let pki = Pki::make();
    let client = pki.serve(Security::Mutual, well()).await;
    for metrics in [None, Some(nobody().await)] {
        let (seen, facts) = run(&pki, &client.url, metrics.as_ref(), EtcdCertificate::None, AMPLE).await;
        assert_eq!(
            verdict(&seen),
            "auth: it lives, but wants a client certificate: give etcd.cert_file, key_file and ca_file to know more"
        );
        assert_eq!(facts.map(|f| f.via), Some(EtcdVia::Handshake));
        assert!(seen.tls.is_some());
    }
}

#[tokio::test]
async fn a_client_port_that_wants_no_certificate_tells_all() {
    let pki = Pki::make();
    for security in [Security::Plain, Security::Tls] {
        let client = pki.serve(security, well()).await;
        let (seen, facts) = run(&pki, &client.url, None, EtcdCertificate::None, AMPLE).await;
        assert_eq!(
            (verdict(&seen).as_str(), facts.map(|f| (f.via, f.members.len()))),
            ("ok", Some((EtcdVia::Client, 3)))
        );
    }
}

#[tokio::test]
async fn our_certificate_is_refused() {
    let pki = Pki::make();
    let client = pki.serve(Security::Mutual, well()).await;
    let (seen, facts) = run(&pki, &client.url, None, EtcdCertificate::Stranger, AMPLE).await;
    assert_eq!(verdict(&seen), "auth: it lives, but does not accept our etcd client certificate");
    assert_eq!(facts.map(|f| f.via), Some(EtcdVia::Handshake));

    let metrics = pki.serve(Security::Plain, well()).await;
    let (seen, facts) = run(&pki, &client.url, Some(&metrics.url), EtcdCertificate::Stranger, AMPLE).await;
    assert_eq!((verdict(&seen).as_str(), facts.map(|f| f.via)), ("ok", Some(EtcdVia::Metrics)));
    assert!(seen.trace.iter().any(|l| l.text.contains("does not accept our etcd client certificate")));
}

#[tokio::test]
async fn nobody_is_there() {
    let pki = Pki::make();
    for certificate in [EtcdCertificate::Good, EtcdCertificate::None] {
        let (seen, facts) = run(&pki, &nobody().await, Some(&nobody().await), certificate, AMPLE).await;
        assert_eq!(verdict(&seen), "refused: connection refused by 127.0.0.1:N: nothing listens there (silent)");
        assert_eq!(facts, None);
        let (url, _listener) = stopped().await;
        let (hung, _) = run(&pki, &url, Some(&nobody().await), certificate, SHORT).await;
        assert!(verdict(&hung).starts_with("timeout: ") && !hung.answered, "{}", verdict(&hung));
    }
    let stranger = Pki::make().serve(Security::Mutual, well()).await;
    let (seen, _) = run(&pki, &stranger.url, None, EtcdCertificate::Good, AMPLE).await;
    assert!(verdict(&seen).starts_with("tls: ") && !seen.answered, "{}", verdict(&seen));
}

use super::*;
use crate::model::{ApiServerFacts, Facts, ReadThrough};

const LIVE: &str = "[+]ping ok\n[+]etcd ok\nlivez check passed\n";
const LIVE_WITHOUT_ETCD: &str = "[+]ping ok\n[-]etcd failed: reason withheld\nlivez check failed\n";
const READY_WITHOUT_ETCD: &str = "[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n";

/// A server in good health, in whose table a case replaces what it is about.
fn well() -> Table {
    vec![
        ("/livez", say(200, LIVE)),
        ("/livez?exclude=etcd", say(200, "ok")),
        ("/readyz", say(200, "[+]ping ok\n[+]etcd ok\n[+]shutdown ok\nreadyz check passed\n")),
        ("/version", say(200, r#"{"major":"1","gitVersion":"v1.20.5"}"#)),
        ("/api/v1/namespaces/default", say(200, r#"{"kind":"Namespace","apiVersion":"v1"}"#)),
    ]
}

async fn run(changes: Table, timeout: Duration) -> (Observation, ApiServerFacts) {
    let pki = Pki::make();
    let mut table = well();
    table.extend(changes);
    let server = pki.serve(Security::Tls, table).await;
    let dialer = pki.dialer(EtcdCertificate::None).await;
    at(&dialer, server.url.clone(), timeout).await
}

async fn at(dialer: &Dialer, base: url::Url, timeout: Duration) -> (Observation, ApiServerFacts) {
    let target = target(Job::KubeApiserver, ProbeSpec::ApiServer { base, advertised: false }, timeout);
    let seen = probe(&target, dialer, &[], false, &Clock::system()).await;
    assert_trace_is_sound(&seen);
    let Facts::ApiServer(facts) = seen.facts.clone() else { panic!("{:?}", seen.facts) };
    (seen, facts)
}

async fn check(changes: Table, expected: &str) -> ApiServerFacts {
    let (seen, facts) = run(changes, AMPLE).await;
    assert_eq!(verdict(&seen), expected);
    facts
}

#[tokio::test]
async fn all_is_well() {
    let (seen, facts) = run(vec![], AMPLE).await;
    assert_eq!(verdict(&seen), "ok");
    assert_eq!(
        facts,
        ApiServerFacts {
            version: Some("v1.20.5".into()),
            live: Some(true),
            ready: Some(true),
            etcd_read: Some(ReadThrough::Ok),
            draining: false,
            etcd_only: false,
        }
    );
    assert_eq!((seen.http_status, seen.checks.len()), (Some(200), 5));
    assert!(seen.phases.tls.is_some() && seen.tls.is_some_and(|t| t.verified && !t.chain.is_empty()));
}

#[tokio::test]
async fn livez_fails_on_etcd_only() {
    let broken = || {
        vec![
            ("/livez?verbose", say(500, LIVE_WITHOUT_ETCD)),
            ("/readyz", say(500, READY_WITHOUT_ETCD)),
            ("/api/v1/namespaces/default", status(500, "etcdserver: request timed out")),
        ]
    };
    let facts = check(broken(), "degraded: /livez fails on etcd only; the server itself is fine").await;
    assert!(facts.etcd_only && facts.live == Some(false) && facts.ready == Some(false));
    assert_eq!(facts.etcd_read, Some(ReadThrough::Failed(500)));

    let mut lost = broken();
    lost.push(("/livez?verbose", say(500, "k\n[+]ping ok\nlivez check failed\n")));
    let facts = check(lost, "degraded: /livez fails on etcd only; the server itself is fine").await;
    assert!(facts.etcd_only, "the page without etcd tells, where the failed line is lost");
}

#[tokio::test]
async fn livez_fails_on_something_else_too() {
    let page = "[-]etcd failed: reason withheld\n[-]poststarthook/crd-informer-synced failed: reason withheld\n";
    let changes = vec![
        ("/livez?verbose", say(500, page)),
        ("/livez?exclude=etcd", say(500, "[-]poststarthook/crd-informer-synced failed: reason withheld\n")),
    ];
    let facts = check(changes, "degraded: /livez fails: etcd, poststarthook/crd-informer-synced").await;
    assert!(!facts.etcd_only);
}

#[tokio::test]
async fn livez_that_waits_for_etcd_past_the_deadline_is_no_silence() {
    let (seen, facts) = run(vec![("/livez?verbose", Act::Hang)], Duration::from_millis(1_500)).await;
    assert_eq!(
        verdict(&seen),
        "degraded: /livez waits for etcd and gives no answer in time; without it, the server itself is fine"
    );
    assert!(facts.etcd_only && facts.live == Some(false));
}

#[tokio::test]
async fn a_draining_server_is_no_outage() {
    let page = "[+]ping ok\n[-]shutdown failed: reason withheld\nreadyz check failed\n";
    let facts = check(vec![("/readyz", say(500, page)), ("/api", status(500, "going away"))], "ok").await;
    assert!(facts.draining && facts.ready == Some(false) && facts.live == Some(true));

    let both = vec![("/readyz", say(500, page)), ("/livez", say(500, "[-]ping failed: reason withheld\n"))];
    let facts = check(both, "degraded: /livez fails: ping").await;
    assert!(facts.draining);
}

#[tokio::test]
async fn it_lives_and_is_not_ready() {
    let starting = "[-]informer-sync failed: reason withheld\nreadyz check failed\n";
    let facts =
        check(vec![("/readyz", say(500, starting))], "degraded: it lives, but is not ready: informer-sync").await;
    assert!(!facts.etcd_only && facts.live == Some(true));

    let etcd = "[-]etcd-readiness failed: reason withheld\nreadyz check failed\n";
    let facts = check(vec![("/readyz", say(500, etcd))], "degraded: it lives, but is not ready: etcd-readiness").await;
    assert!(facts.etcd_only);
}

#[tokio::test]
async fn our_credentials_are_the_problem() {
    let all = || {
        ["/livez", "/livez?exclude=etcd", "/readyz", "/version", "/api"]
            .map(|p| (p, status(401, "Unauthorized")))
            .to_vec()
    };
    check(all(), "auth: /livez answered 401: our credentials are not accepted").await;
    // Health pages are open to everybody by default.
    let read = vec![("/api", status(401, "Unauthorized"))];
    check(read, "auth: our credentials are not accepted (401); the API server itself is fine").await;
    check(
        vec![("/livez", status(403, "forbidden: User \"w\" cannot get path \"/livez\""))],
        "auth: /livez answered 403: RBAC does not let us `get` the nonResourceURL /livez (“forbidden: User \"w\" cannot get path \"/livez\"”)",
    )
    .await;
    // As a real 1.20 answers in its first seconds.
    let starting = ["/livez", "/readyz", "/version", "/api"].map(|p| (p, status(403, "forbidden"))).to_vec();
    check(
        starting,
        "auth: /livez and /version answered 403, though every user may read them by default: it has just started and does not know its roles yet, or RBAC gives us nothing",
    )
    .await;
    // Without the right to read, nothing is known of etcd, and nothing is wrong.
    let facts = check(vec![("/api", status(403, "namespaces \"default\" is forbidden"))], "ok").await;
    assert_eq!(facts.etcd_read, Some(ReadThrough::Failed(403)));
}

#[tokio::test]
async fn the_read_through_to_etcd_fails_alone() {
    let facts = check(
        vec![("/api", status(500, "etcdserver: no leader"))],
        "degraded: its health pages are fine, but a read through to etcd failed with HTTP 500: “etcdserver: no leader”",
    )
    .await;
    assert_eq!(facts.etcd_read, Some(ReadThrough::Failed(500)));
    let words = "degraded: its health pages are fine, but a read through to etcd gave no answer within 2 s";
    let facts = check(vec![("/api", Act::Hang)], words).await;
    assert_eq!(facts.etcd_read, Some(ReadThrough::Timeout));
}

#[tokio::test]
async fn answers_that_are_none() {
    check(
        vec![("/livez", Act::Cut(200, "[+]ping ok\n[+]et".into()))],
        "body: /livez answered 200, but broke off after 1 checks",
    )
    .await;
    check(vec![("/livez", say(200, ""))], "body: /livez answered 200 with an empty body").await;
    // A load balancer without a backend.
    let gone = ["/livez", "/livez?exclude=etcd", "/readyz", "/version", "/api"];
    check(
        gone.map(|p| (p, say(503, "<html>no backend</html>"))).to_vec(),
        "http_status: /livez answered HTTP 503: “<html>no backend</html>” (silent)",
    )
    .await;
}

#[tokio::test]
async fn before_1_16_there_is_only_healthz() {
    let old = || {
        vec![
            ("/livez", status(404, "the server could not find the requested resource")),
            ("/readyz", status(404, "the server could not find the requested resource")),
            ("/healthz", say(200, "[+]ping ok\nhealthz check passed\n")),
        ]
    };
    let facts = check(old(), "ok").await;
    assert_eq!((facts.live, facts.ready), (Some(true), None));
    let mut other = old();
    other.push(("/healthz", say(404, "404 page not found\n")));
    check(other, "body: it has neither /livez nor /healthz: this is no API server").await;
}

#[tokio::test]
async fn the_connection_itself_fails() {
    let pki = Pki::make();
    let dialer = pki.dialer(EtcdCertificate::None).await;
    let (refused, _) = at(&dialer, nobody().await, AMPLE).await;
    assert_eq!(verdict(&refused), "refused: connection refused by 127.0.0.1:N: nothing listens there (silent)");
    assert!(refused.trace.iter().any(|l| l.text.contains("refused")), "{:?}", refused.trace);

    let (url, _listener) = stopped().await;
    let (hung, _) = at(&dialer, url, SHORT).await;
    assert!(verdict(&hung).starts_with("timeout: ") && !hung.answered, "{}", verdict(&hung));
    assert!(hung.phases.connect.is_some(), "it was accepted");
    assert!(hung.duration < SHORT * 3, "all at once: {:?}", hung.duration);

    // A server of another CA.
    let stranger = Pki::make().serve(Security::Tls, well()).await;
    let (untrusted, _) = at(&dialer, stranger.url.clone(), AMPLE).await;
    assert!(verdict(&untrusted).starts_with("tls: ") && !untrusted.answered, "{}", verdict(&untrusted));
    assert!(untrusted.tls.is_some_and(|t| !t.verified && !t.chain.is_empty()));
}

use std::sync::Arc;

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
            slow: false,
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
    // A panic, as k8s.io/apiserver tells of it.
    let panics = "This request caused apiserver to panic. Look in the logs for details.\n";
    check(
        vec![("/livez", say(500, panics))],
        "http_status: /livez answered HTTP 500: “This request caused apiserver to panic. Look in the logs for details.”",
    )
    .await;
}

/// Every path that is asked answers the same.
fn everywhere(act: &Act) -> Table {
    ["/livez", "/readyz", "/healthz", "/version", "/api"].map(|p| (p, act.clone())).to_vec()
}

#[tokio::test]
async fn something_else_answers_in_front() {
    const UNKNOWN: &str = "something else answers in front of it, so that nothing is known of it (silent)";
    let html = |title: &str| format!("<html>\r\n<head><title>{title}</title></head><body>nginx</body></html>");
    let elsewhere = Act::With(302, "location: https://login.example.org/start?rd=secret\r\n".into(), String::new());
    for (act, said) in [
        (say(403, &html("403 Forbidden")), "answered HTTP 403 “403 Forbidden”"),
        (say(401, &html("401 Authorization Required")), "answered HTTP 401 “401 Authorization Required”"),
        (say(401, r#"{"error":"login_required"}"#), r#"answered HTTP 401 “{"error":"login_required"}”"#),
        (say(200, &html("Sign in")), "answered HTTP 200 “Sign in”"),
        (say(200, ""), "answered HTTP 200 with an empty body"),
        (say(200, "ok"), "answered HTTP 200 “ok”"),
        (
            say(200, &"welcome ".repeat(200_000)),
            "answered HTTP 200 “welcome welcome welcome welcome welcome welcome welcome welcome welcome welcome …”",
        ),
        (say(429, &html("Error 1015")), "answered HTTP 429 “Error 1015”"),
        (say(400, "Bad Request"), "answered HTTP 400 “Bad Request”"),
        (elsewhere, "sends us to https://login.example.org/start (HTTP 302)"),
    ] {
        check(everywhere(&act), &format!("foreign: /livez {said}: {UNKNOWN}")).await;
    }
    let nowhere = say(404, "default backend - 404");
    check(everywhere(&nowhere), &format!("foreign: /healthz answered HTTP 404 “default backend - 404”: {UNKNOWN}"))
        .await;

    // Only one page of it is not its own.
    let words = "foreign: /livez answered HTTP 403 “403 Forbidden”: something else answers in front of it, so that nothing is known of it; other pages are its own";
    check(vec![("/livez", say(403, &html("403 Forbidden")))], words).await;
    let words = "foreign: /livez answered HTTP 200 with an empty body: something else answers in front of it, so that nothing is known of it; other pages are its own";
    check(vec![("/livez", say(200, ""))], words).await;
    // What answers a read that is not an API server tells nothing of etcd.
    let facts = check(vec![("/api", say(403, &html("403 Forbidden")))], "ok").await;
    assert_eq!(facts.etcd_read, None);
    // A balancer without a backend: nobody gets through.
    check(
        everywhere(&say(503, "<html>no backend</html>")),
        "http_status: /livez answered HTTP 503 “no backend”, in other words than its own: what stands in front of it gets no good answer from it (silent)",
    )
    .await;
}

#[tokio::test]
async fn the_headers_of_an_api_server_are_enough() {
    let act = Act::With(403, "audit-id: 6f1e\r\n".into(), "no".into());
    let words = "auth: /livez and /version answered 403, though every user may read them by default: it has just started and does not know its roles yet, or RBAC gives us nothing";
    check(everywhere(&act), words).await;
}

#[tokio::test]
async fn throttling_is_waited_out() {
    let throttle = |times: usize, body: &str| Act::Throttle(Arc::new(times.into()), body.into());
    let changes =
        vec![("/livez", throttle(1, LIVE)), ("/api", throttle(3, r#"{"kind":"Namespace","apiVersion":"v1"}"#))];
    let facts = check(changes, "ok").await;
    assert_eq!(facts.etcd_read, Some(ReadThrough::Ok));
}

#[tokio::test]
async fn a_server_that_goes_on_throttling_lives() {
    let throttle = || Act::Throttle(Arc::new(usize::MAX.into()), String::new());
    let (seen, _) = run(everywhere(&throttle()), SHORT).await;
    let words = "throttled: it lives, but throttles us, for 1 s: /livez answered HTTP 429 “Too many requests, please try again later.”";
    assert_eq!(verdict(&seen), words);
    let (seen, _) = run(vec![("/api", throttle())], SHORT).await;
    let words = "throttled: it lives, but throttles us, for 1 s: /api/v1/namespaces/default answered HTTP 429 “Too many requests, please try again later.”";
    assert_eq!(verdict(&seen), words);
}

#[tokio::test]
async fn a_server_that_says_farewell_drains() {
    // As 1.37 answers what is not exempt, once its shutdown delay has passed.
    let farewell = Act::With(
        429,
        "retry-after: 5\r\nconnection: close\r\n".into(),
        "The apiserver is shutting down, please try again later.\n".into(),
    );
    let page = "[+]ping ok\n[-]shutdown failed: reason withheld\nreadyz check failed\n";
    let changes = vec![("/readyz", say(500, page)), ("/api", farewell.clone()), ("/version", farewell.clone())];
    let (seen, facts) = run(changes, SHORT).await;
    assert_eq!((verdict(&seen), facts.draining), ("ok".into(), true));
    let (seen, facts) = run(vec![("/api", farewell)], SHORT).await;
    assert_eq!((verdict(&seen), facts.draining), ("ok".into(), true));
}

/// Every page of a server in good health, so much later.
fn late(by: Duration) -> Table {
    well().into_iter().map(|(path, act)| (path, Act::After(by, Box::new(act)))).collect()
}

#[tokio::test]
async fn a_slow_line_is_no_broken_etcd() {
    let far = Duration::from_millis(2600);
    let (seen, facts) = run(late(far), AMPLE).await;
    assert_eq!((verdict(&seen), facts.etcd_read), ("ok".into(), Some(ReadThrough::Ok)));

    // Beyond the timeout, where one page was just in time: slow, and etcd is not blamed.
    let mut table = late(Duration::from_millis(700));
    table.extend([("/livez?verbose", Act::Hang), ("/api", Act::Hang)]);
    let (seen, facts) = run(table, Duration::from_millis(1200)).await;
    assert!(verdict(&seen).starts_with("degraded: all that it answers is slow ("), "{}", verdict(&seen));
    assert!(facts.slow && !facts.etcd_only && facts.etcd_read.is_none());
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

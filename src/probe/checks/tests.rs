use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::model::Observation;

fn answer(status: u16, body: &str) -> Answer {
    Answer { status, headers: http::HeaderMap::new(), body: Bytes::copy_from_slice(body.as_bytes()), cut: false }
}

/// `healthy 3`, `unhealthy etcd`, `absent`, or `reason: message`.
fn told(page: &Page) -> String {
    match page {
        Page::Healthy(lines) => format!("healthy {}", lines.len()),
        Page::Unhealthy(lines) => format!("unhealthy: {}", failing(lines)),
        Page::Absent => "absent".into(),
        Page::Refused(f) | Page::Throttled(f) | Page::Foreign(f) | Page::Odd(f) => {
            format!("{}: {}", f.reason, f.message)
        }
    }
}

fn check(status: u16, body: &str, expected: &str) {
    assert_eq!(told(&read("livez", &answer(status, body))), expected, "{status} {body:?}");
}

const FORBIDDEN: &str = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"forbidden: User \"watchdog\" cannot get path \"/livez\"","reason":"Forbidden","details":{},"code":403}"#;
const TIMED_OUT: &str = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"etcdserver: request timed out","code":500}"#;

#[test]
fn pages_as_captured() {
    check(200, "ok", "healthy 0");
    check(200, "[+]ping ok\n[+]log ok\n[+]syncloop ok\nhealthz check passed\n", "healthy 3");
    check(200, "[+]ping ok\n[+]etcd excluded: ok\nlivez check passed\n", "healthy 2");
    // 1.37, whose checks come in groups, and who tells of an exclusion that hits nothing.
    let grouped = "[+]ping ok\n[+]etcd excluded: ok\n[+]etcd-events excluded with etcd: ok\nlivez check passed\n";
    check(200, grouped, "healthy 3");
    let warned = "[+]ping ok\nwarn: some health checks cannot be excluded: no matches for \"x\"\nlivez check passed\n";
    check(200, warned, "healthy 1");
    // etcd 3.5.16, healthy and without quorum.
    check(200, "[+]data_corruption ok\n[+]serializable_read ok\n[+]linearizable_read ok\nok\n", "healthy 3");
    check(
        503,
        "[+]serializable_read ok\n[-]linearizable_read failed: etcdserver: request timed out\n\n",
        "unhealthy: linearizable_read",
    );
    check(500, "[+]ping ok\n[-]etcd failed: reason withheld\n[+]log ok\nlivez check failed\n", "unhealthy: etcd");
    check(401, "Unauthorized", "auth: /livez answered 401: our credentials are not accepted");
    check(
        403,
        FORBIDDEN,
        "auth: /livez answered 403: RBAC does not let us `get` the nonResourceURL /livez (“forbidden: User \"watchdog\" cannot get path \"/livez\"”)",
    );
    check(404, "404 page not found\n", "absent");
    check(500, TIMED_OUT, "http_status: /livez answered HTTP 500: “etcdserver: request timed out”");
}

#[test]
fn pages_that_are_none() {
    check(200, "", "body: /livez answered 200 with an empty body");
    check(200, " \n", "body: /livez answered 200 with an empty body");
    check(200, "[+]ping ok\n[+]log ok\n", "body: /livez answered 200, but broke off after 2 checks");
    check(200, "[+]ping ok\n[+]lo", "body: /livez answered 200, but broke off after 1 checks");
    let elsewhere = "something else answers in front of it, so that nothing is known of it";
    check(
        200,
        "<html><body>Welcome</body></html>",
        &format!("foreign: /livez answered HTTP 200 “Welcome”: {elsewhere}"),
    );
    check(200, TIMED_OUT, "body: /livez answered 200, but not as a health page does: “etcdserver: request timed out”");
    check(
        502,
        "<html>Bad Gateway</html>",
        "http_status: /livez answered HTTP 502 “Bad Gateway”, in other words than its own: what stands in front of it gets no good answer from it",
    );
    check(429, "", "throttled: it lives, but throttles us: /livez answered HTTP 429 with an empty body");
    check(301, "", &format!("foreign: /livez answered HTTP 301 with an empty body: {elsewhere}"));
    let unpacked = "body: /livez answered 200, but not as a health page does: with 2 bytes that are no text";
    check(200, "\u{1}\u{2}", unpacked);
    // 200 with a failed check, and a failed page whose failed line is lost.
    check(200, "[-]etcd failed: reason withheld\nlivez check passed", "unhealthy: etcd");
    check(500, "k\n[+]ping ok\nlivez check failed\n", "unhealthy: a check that the answer does not name");
}

#[test]
fn a_broken_connection_is_no_healthy_page() {
    let cut = Answer { cut: true, ..answer(200, "[+]ping ok\nlivez check passed\n") };
    assert_eq!(told(&read("livez", &cut)), "body: /livez answered 200, but broke off after 1 checks");
    let failing = Answer { cut: true, ..answer(500, "[-]etcd failed: reason withheld\n[+]pi") };
    assert_eq!(told(&read("livez", &failing)), "unhealthy: etcd");
}

#[test]
fn what_a_failed_check_says_is_kept() {
    let found = lines::read("readyz", "[-]linearizable_read failed: etcdserver: request timed out\r\n[-]a failed\n");
    let said: Vec<_> = found.iter().map(|l| (l.name.as_str(), l.message.as_str())).collect();
    assert_eq!(said, [("linearizable_read", "etcdserver: request timed out"), ("a", "")]);
}

#[test]
fn a_flood_of_lines_is_cut_and_keeps_what_fails() {
    let mut body: String = (0..10_000).map(|i| format!("[+]check-{i} ok\n")).collect();
    body.push_str("[-]etcd failed: reason withheld\n");
    body.push_str(&format!("[-]{} failed: no name\n", "x".repeat(129)));
    let found = lines::read("livez", &body);
    assert_eq!(found.len(), Observation::CHECKS_MAX);
    assert_eq!(failing(&found), "etcd");
}

proptest! {
    #[test]
    fn any_bytes_are_read(status in 100u16..600, body in proptest::collection::vec(any::<u8>(), 0..400), cut: bool) {
        let answer = Answer { status, headers: http::HeaderMap::new(), body: Bytes::from(body), cut };
        let page = read("livez", &answer);
        prop_assert!(status == 200 || !matches!(page, Page::Healthy(_)));
        crate::probe::origin::speaks_kubernetes(&answer);
    }

    #[test]
    fn any_page_is_read(body in r"(\[[+-]\][a-zé/]{0,5} ?(ok|failed|: )?[\n\r]{0,2}){0,20}(ok|livez check passed)?") {
        let page = read("livez", &answer(200, &body));
        prop_assert_eq!(matches!(page, Page::Unhealthy(_)), page.lines().iter().any(|l| !l.ok));
    }
}

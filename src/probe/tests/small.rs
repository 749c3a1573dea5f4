//! kube-scheduler, kube-controller-manager, kube-proxy.

use super::*;

async fn check(security: Security, page: &'static str, act: Act, expected: &str) {
    let pki = Pki::make();
    let server = pki.serve(security, vec![(page, act)]).await;
    let dialer = pki.dialer(EtcdCertificate::None).await;
    let spec = ProbeSpec::Healthz { url: server.url.join(page).unwrap() };
    let seen = probe(&target(Job::KubeScheduler, spec, AMPLE), &dialer, &[], false, &Clock::system()).await;
    assert_trace_is_sound(&seen);
    assert_eq!(verdict(&seen), expected);
}

#[tokio::test]
async fn scheduler_and_controller_manager() {
    check(Security::Tls, "/healthz", say(200, "ok"), "ok").await;
    check(Security::Tls, "/livez", say(200, "ok"), "ok").await;
    let sick = "[-]leaderElection failed: reason withheld\nhealthz check failed\n";
    check(Security::Tls, "/healthz", say(500, sick), "degraded: /healthz fails: leaderElection").await;
    let words = "auth: /healthz answered 401: our credentials are not accepted";
    check(Security::Tls, "/healthz", say(401, "Unauthorized"), words).await;
    let words =
        "body: /healthz answered HTTP 200 with a page without words: another program listens on this port (silent)";
    check(Security::Tls, "/healthz", say(200, "<html>"), words).await;
    let words = "http_status: /healthz is not there (404): another program listens on this port (silent)";
    check(Security::Tls, "/healthz", say(404, "nginx"), words).await;
}

#[tokio::test]
async fn kube_proxy() {
    let page = r#"{"lastUpdated": "2026-01-01 00:00:00 +0000 UTC","currentTime": "2026-01-01 00:00:09 +0000 UTC"}"#;
    check(Security::Plain, "/healthz", say(200, page), "ok").await;
    let words = "degraded: kube-proxy says that it is not healthy (HTTP 503)";
    check(Security::Plain, "/healthz", say(503, page), words).await;
}

/// Two pages in one server: /healthz as given, /livez as given.
async fn check_on_a_leaving_node(healthz: &'static str, livez: Act, expected: &str) {
    let pki = Pki::make();
    let server = pki.serve(Security::Plain, vec![("/healthz", say(503, healthz)), ("/livez", livez)]).await;
    let dialer = pki.dialer(EtcdCertificate::None).await;
    let spec = ProbeSpec::Healthz { url: server.url.join("/healthz").unwrap() };
    let seen = probe(&target(Job::KubeProxy, spec, AMPLE), &dialer, &[], false, &Clock::system()).await;
    assert_trace_is_sound(&seen);
    assert_eq!(verdict(&seen), expected);
}

#[tokio::test]
async fn kube_proxy_on_a_node_that_is_about_to_go() {
    let sick = "degraded: kube-proxy says that it is not healthy (HTTP 503)";
    // The newest tell both apart on one page.
    let leaving = r#"{"lastUpdated":"2026-01-01T00:00:09Z","currentTime":"2026-01-01T00:00:09Z","nodeEligible":false,"healthy":true,"status":{"IPv4":{"lastUpdated":"2026-01-01T00:00:00Z","healthy":true}}}"#;
    check_on_a_leaving_node(leaving, say(500, ""), "ok").await;
    let both = r#"{"lastUpdated":"2026-01-01T00:00:00Z","currentTime":"2026-01-01T00:05:09Z","nodeEligible":false,"healthy":false,"status":{"IPv4":{"lastUpdated":"2026-01-01T00:00:00Z","healthy":false}}}"#;
    check_on_a_leaving_node(both, say(200, both), sick).await;
    // Before, only /livez says.
    let unsaid = r#"{"lastUpdated": "2026-01-01 00:00:00 +0000 UTC","currentTime": "2026-01-01 00:00:09 +0000 UTC", "nodeEligible": false}"#;
    let live = r#"{"lastUpdated": "2026-01-01 00:00:00 +0000 UTC","currentTime": "2026-01-01 00:00:09 +0000 UTC"}"#;
    check_on_a_leaving_node(unsaid, say(200, live), "ok").await;
    check_on_a_leaving_node(unsaid, say(503, live), sick).await;
    check_on_a_leaving_node(unsaid, say(404, "404 page not found"), sick).await;
}

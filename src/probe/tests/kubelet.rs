use url::Url;

use super::*;
use crate::model::{Facts, KubeletFacts, KubeletVia};

const WELL: &str = "[+]ping ok\n[+]log ok\n[+]syncloop ok\nhealthz check passed\n";
const PROXY: &str = "/api/v1/nodes/n1/proxy/healthz?verbose";

async fn run(base: &Url, api: &[Url], via: Option<KubeletVia>, pki: &Pki, timeout: Duration) -> Observation {
    run_beside(base, &[], api, via, pki, timeout).await
}

async fn run_beside(
    base: &Url,
    others: &[Url],
    api: &[Url],
    via: Option<KubeletVia>,
    pki: &Pki,
    timeout: Duration,
) -> Observation {
    let dialer = pki.dialer(EtcdCertificate::None).await;
    let spec = ProbeSpec::Kubelet { base: base.clone(), others: others.to_vec(), node: "n1".into(), via };
    let seen = probe(&target(Job::Kubelet, spec, timeout), &dialer, api, true, &Clock::system()).await;
    assert_trace_is_sound(&seen);
    seen
}

fn facts(o: &Observation) -> Option<(KubeletVia, Option<u16>)> {
    match &o.facts {
        Facts::Kubelet(KubeletFacts { via, direct_status }) => Some((*via, *direct_status)),
        _ => None,
    }
}

/// Both ways as tables; `None`: nothing listens.
async fn check(
    direct: Option<Act>,
    proxy: Option<Act>,
    expected: &str,
    way: Option<(KubeletVia, Option<u16>)>,
) -> Observation {
    let pki = Pki::make();
    let kubelet = match direct {
        Some(act) => Some(pki.serve(Security::Tls, vec![("/healthz", act)]).await),
        None => None,
    };
    let base = match &kubelet {
        Some(server) => server.url.clone(),
        None => nobody().await,
    };
    let api = match proxy {
        Some(act) => Some(pki.serve(Security::Tls, vec![(PROXY, act)]).await),
        None => None,
    };
    let servers: Vec<Url> = api.iter().map(|s| s.url.clone()).collect();
    let seen = run(&base, &servers, None, &pki, AMPLE).await;
    assert_eq!((verdict(&seen).as_str(), facts(&seen)), (expected, way));
    seen
}

fn tried(cause: &str) -> Option<Act> {
    Some(status(500, &format!("error trying to reach service: {cause}")))
}

const DIRECT: KubeletVia = KubeletVia::Direct;
const BY_PROXY: KubeletVia = KubeletVia::Proxy;
const REFUSED: &str = "refused: connection refused by 127.0.0.1:N: nothing listens there";

#[tokio::test]
async fn its_own_port_answers() {
    let seen = check(Some(say(200, WELL)), None, "ok", Some((DIRECT, Some(200)))).await;
    assert_eq!(seen.checks.len(), 3);
    let sick = "[+]ping ok\n[-]syncloop failed: reason withheld\nhealthz check failed\n";
    check(Some(say(500, sick)), Some(say(200, WELL)), "degraded: /healthz fails: syncloop", Some((DIRECT, Some(500))))
        .await;
    let other =
        "body: /healthz answered HTTP 200 with a page without words: another program listens on this port (silent)";
    check(Some(say(200, "<html>")), Some(say(200, WELL)), other, Some((DIRECT, Some(200)))).await;
}

#[tokio::test]
async fn three_facts_in_all_of_which_it_lives() {
    for code in [401, 403] {
        let seen = check(Some(say(code, "No")), Some(say(200, WELL)), "ok", Some((BY_PROXY, Some(code)))).await;
        assert_eq!((seen.http_status, seen.checks.len()), (Some(code), 3));
    }
    let words = "auth: it lives, but does not accept our credentials (401)";
    check(Some(say(401, "Unauthorized")), None, words, Some((DIRECT, Some(401)))).await;
    let words = "auth: it lives, but our credentials may not ask it (403): RBAC lacks `get` on nodes/proxy";
    let no_right = Some(status(403, "nodes \"n1\" is forbidden"));
    check(Some(say(403, "Forbidden (user=w)")), no_right, words, Some((DIRECT, Some(403)))).await;
}

#[tokio::test]
async fn a_refusal_is_a_fact() {
    check(None, None, &format!("{REFUSED} (silent)"), None).await;
    // The API server that sees the same only adds to it.
    let theirs = "the API server says that the kubelet refuses its connections: “dial tcp 10.99.0.12:10250: connect: connection refused”";
    check(
        None,
        tried("dial tcp 10.99.0.12:10250: connect: connection refused"),
        &format!("{REFUSED}; {theirs} (silent)"),
        None,
    )
    .await;
    // One that fails itself says nothing.
    check(None, Some(status(500, "etcdserver: request timed out")), &format!("{REFUSED} (silent)"), None).await;
    // A firewall that refuses us is no dead kubelet.
    let seen = check(None, Some(say(200, WELL)), "ok", Some((BY_PROXY, None))).await;
    assert!(seen.trace[0].text.contains("refused") && seen.tls.is_none(), "{:?}", seen.trace);
}

#[tokio::test]
async fn a_refusal_does_not_wait_for_an_api_server_that_hangs() {
    let pki = Pki::make();
    let (api, _listener) = stopped().await;
    let seen = run(&nobody().await, &[api], None, &pki, AMPLE).await;
    assert_eq!(verdict(&seen), format!("{REFUSED} (silent)"));
    assert!(seen.duration < AMPLE / 4, "{:?}", seen.duration);
}

#[tokio::test]
async fn silence_leaves_time_for_the_proxy() {
    let pki = Pki::make();
    let (kubelet, _listener) = stopped().await;
    let timeout = Duration::from_secs(2);
    let by = async |act: Act| {
        let api = pki.serve(Security::Tls, vec![(PROXY, act)]).await;
        run(&kubelet, std::slice::from_ref(&api.url), None, &pki, timeout).await
    };
    let well = by(say(200, WELL)).await;
    assert_eq!((verdict(&well).as_str(), facts(&well)), ("ok", Some((BY_PROXY, None))));

    let refused = by(tried("dial tcp 10.0.0.1:10250: connect: connection refused").unwrap()).await;
    assert!(verdict(&refused).starts_with("refused: the API server says"), "{}", verdict(&refused));
    assert_eq!((refused.answered, facts(&refused)), (false, Some((BY_PROXY, None))));

    let silent = by(tried("dial tcp 10.0.0.1:10250: i/o timeout").unwrap()).await;
    assert!(verdict(&silent).starts_with("timeout: "), "{}", verdict(&silent));
    assert!(verdict(&silent).contains("it gets no answer from the kubelet"), "{}", verdict(&silent));

    let hung = by(Act::Hang).await;
    assert!(verdict(&hung).starts_with("timeout: ") && facts(&hung).is_none(), "{}", verdict(&hung));
    assert!(hung.duration < timeout * 2, "{:?}", hung.duration);
}

#[tokio::test]
async fn a_silent_address_has_the_others_beside_it() {
    let pki = Pki::make();
    let (silent, _listener) = stopped().await;
    let (silent_too, _second) = stopped().await;
    let well = pki.serve(Security::Tls, vec![("/healthz", say(200, WELL))]).await;
    let stranger = pki.serve(Security::Tls, vec![("/healthz", say(200, "<html>"))]).await;
    let direct = Some(KubeletVia::Direct);
    let check = async |base: &Url, others: &[Url], expected: &str| {
        let seen = run_beside(base, others, &[], direct, &pki, Duration::from_secs(3)).await;
        assert!(verdict(&seen).starts_with(expected), "{}", verdict(&seen));
        seen
    };
    let seen = check(&silent, &[silent_too.clone(), well.url.clone()], "ok").await;
    assert!(seen.trace[0].text.contains("gives no answer: another address"), "{:?}", seen.trace);
    let seen = check(&well.url, std::slice::from_ref(&silent), "ok").await;
    assert!(seen.duration < Duration::from_secs(2), "a first address that answers waits for no other");
    check(&silent, &[silent_too, stranger.url.clone()], "timeout: ").await;
    // A kubelet may be bound to one of its addresses; where it is dead, that is told soon.
    check(&nobody().await, std::slice::from_ref(&well.url), "ok").await;
    let seen = check(&nobody().await, std::slice::from_ref(&silent), REFUSED).await;
    assert!(seen.duration < Duration::from_secs(2), "{:?}", seen.duration);
}

#[tokio::test]
async fn one_api_server_that_hangs_leaves_time_for_the_next() {
    let pki = Pki::make();
    let (hangs, _listener) = stopped().await;
    let well = pki.serve(Security::Tls, vec![(PROXY, say(200, WELL))]).await;
    let api = [hangs, well.url.clone()];
    let seen = run(&nobody().await, &api, Some(KubeletVia::Proxy), &pki, Duration::from_secs(2)).await;
    assert_eq!((verdict(&seen).as_str(), facts(&seen)), ("ok", Some((BY_PROXY, None))));
}

#[tokio::test]
async fn by_proxy_only() {
    let pki = Pki::make();
    let check = async |api: Option<Act>, expected: &str| {
        let server = match api {
            Some(act) => Some(pki.serve(Security::Tls, vec![(PROXY, act)]).await),
            None => None,
        };
        let servers: Vec<Url> = server.iter().map(|s| s.url.clone()).collect();
        let seen = run(&nobody().await, &servers, Some(KubeletVia::Proxy), &pki, AMPLE).await;
        assert_eq!(verdict(&seen), expected);
        assert!(seen.tls.is_none(), "the API server's certificate is not the kubelet's");
    };
    check(Some(say(200, WELL)), "ok").await;
    check(
        Some(say(401, "Unauthorized")),
        "degraded: the kubelet refuses the API server's own credentials (401): logs and exec fail too",
    )
    .await;
    check(
        Some(status(403, "nodes \"n1\" is forbidden")),
        "auth: the API server does not let us use its node proxy (403): RBAC lacks `get` on nodes/proxy (silent)",
    )
    .await;
    check(
        Some(status(500, "etcdserver: request timed out")),
        "unreachable: it can't be asked through the API server: the API server answered HTTP 500: “etcdserver: request timed out” (silent)",
    )
    .await;
    check(None, "unreachable: it can't be asked through the API server: no API server is known to work (silent)").await;
}

/// A thousand silent kubelets are a thousand probes that wait.
#[tokio::test]
async fn a_probe_that_waits_is_small() {
    let pki = Pki::make();
    let dialer = pki.dialer(EtcdCertificate::None).await;
    let spec = ProbeSpec::Kubelet { base: nobody().await, others: Vec::new(), node: "n1".into(), via: None };
    let (target, clock) = (target(Job::Kubelet, spec, AMPLE), Clock::system());
    let probing = size_of_val(&probe(&target, &dialer, &[], true, &clock));
    assert!(probing <= 12 << 10, "{probing} bytes, without the exchange that it makes");
}

//! Certificates, credentials and our own sight: nothing here is an outage of the cluster.

use super::*;
use crate::model::*;
use world::{at, certificate, days};

fn break_it(break_it: impl FnOnce(&mut World)) -> String {
    let mut world = World::new(5);
    break_it(&mut world);
    told(&world)
}

fn present(world: &mut World, which: &str, verified: bool, until: i64) {
    for entry in world.pick(which) {
        let chain = [certificate("serving", "CN=kube-apiserver", -days(365), until)].into();
        entry.last.tls = Some(TlsFacts { version: Some("TLS 1.3".into()), chain, anchor: None, verified });
    }
}

#[test]
fn cut_off() {
    assert_snapshot!(break_it(|w| { w.down("*", Reason::Timeout, -9).vantage_ok = false; }), @r#"
    (blind)
    "#);
}

#[test]
fn wrong_ca() {
    assert_snapshot!(break_it(|w| {
        w.down("kube-apiserver", Reason::Tls, -9);
        present(w, "kube-apiserver", false, days(200));
    }), @r#"
    critical CertificateUntrusted: the API servers' certificate is not signed by the CA in our kubeconfig
      + TLS is spoken at 10.99.0.1:6443, 10.99.0.2:6443 and 10.99.0.3:6443: they run
      - the watchdog sends no credentials there and can't tell its health
    "#);
}

#[test]
fn wrong_name() {
    assert_snapshot!(break_it(|w| {
        w.down("kube-apiserver 10.99.0.1", Reason::Tls, -9);
        present(w, "kube-apiserver 10.99.0.1", false, days(200));
        w.pick("kube-apiserver 10.99.0.1").for_each(|e| e.verdict.message = "certificate is not valid for 10.99.0.1".into());
    }), @r#"
    critical CertificateUntrusted: the API server's certificate does not carry the name by which we call: certificate is not valid for 10.99.0.1
      + TLS is spoken at 10.99.0.1:6443: it runs
      - the watchdog sends no credentials there and can't tell its health
    "#);
}

#[test]
fn serving_certificates_expired() {
    assert_snapshot!(break_it(|w| {
        w.down("kube-apiserver", Reason::Tls, -9);
        present(w, "kube-apiserver", false, -9);
    }), @r#"
    critical ApiServersDown: all 3 API servers are down: they present an expired certificate; etcd is fine
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
      - nothing can be created, changed or scheduled; kubectl fails
    ApiServersDown <- CertificateExpiring: certificate CN=kube-apiserver of 3 API servers expired on 2026-11-23
    "#);
}

#[test]
fn a_handshake_that_fails_is_an_outage() {
    assert_snapshot!(break_it(|w| { w.down("kube-apiserver 10.99.0.2", Reason::Tls, -9); }), @r#"
    warning ApiServerDown: 1 of 3 API servers fails, the cause is not known: 10.99.0.2:6443 fails the TLS handshake
      + 2 of 3 API servers answer
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
      + scheduler and controller-manager lead
    "#);
}

#[test]
fn client_certificate_expired() {
    assert_snapshot!(break_it(|w| {
        w.refuse_us("kube-apiserver", 401, -61);
        w.own = vec![certificate("kubeconfig", "CN=watchdog", -days(365), -10)];
    }), @r#"
    critical CredentialsRefused: our credentials are refused by all 3 API servers (401): the client certificate in the kubeconfig expired on 2026-11-23
      + 10.99.0.1:6443, 10.99.0.2:6443 and 10.99.0.3:6443 answer: they live
      - nodes, leases and endpoints can't be read: what was last known is watched on
    CredentialsRefused <- CertificateExpiring: our client certificate in the kubeconfig (CN=watchdog) expired on 2026-11-23
    "#);
}

#[test]
fn forbidden() {
    assert_snapshot!(break_it(|w| { w.refuse_us("kube-apiserver", 403, -61); }), @r#"
    critical CredentialsRefused: our credentials are refused by all 3 API servers (403): they know us, but don't allow this (RBAC)
      + 10.99.0.1:6443, 10.99.0.2:6443 and 10.99.0.3:6443 answer: they live
      - nodes, leases and endpoints can't be read: what was last known is watched on
    "#);
}

#[test]
fn api_servers_that_have_just_started_prove_nothing() {
    assert_snapshot!(break_it(|w| { w.refuse_us("kube-apiserver", 403, -59); }), @"");
    assert_snapshot!(break_it(|w| { w.refuse_us("kube-apiserver 10.99.0.2", 401, -59); }), @"");
    // One that says itself that it is not ready has longer.
    assert_snapshot!(break_it(|w| {
        w.refuse_us("kube-apiserver", 401, -299);
        w.pick("kube-apiserver").for_each(|e| {
            e.last.facts = Facts::ApiServer(ApiServerFacts { ready: Some(false), ..Default::default() });
        });
    }), @"");
}

#[test]
fn a_certificate_of_ours_that_has_ended_is_certain() {
    assert_snapshot!(break_it(|w| {
        w.refuse_us("kube-apiserver", 401, -9);
        w.own = vec![certificate("kubeconfig", "CN=watchdog", -days(300), -9)];
    }), @r#"
    critical CredentialsRefused: our credentials are refused by all 3 API servers (401): the client certificate in the kubeconfig expired on 2026-11-23
      + 10.99.0.1:6443, 10.99.0.2:6443 and 10.99.0.3:6443 answer: they live
      - nodes, leases and endpoints can't be read: what was last known is watched on
    CredentialsRefused <- CertificateExpiring: our client certificate in the kubeconfig (CN=watchdog) expired on 2026-11-23
    "#);
}

#[test]
fn one_api_server_refuses_what_the_others_accept() {
    assert_snapshot!(break_it(|w| { w.refuse_us("kube-apiserver 10.99.0.2", 401, -61); }), @r#"
    warning CredentialsRefused: our credentials are refused by 1 of 3 API servers (401): the others accept them, so that it is at fault
      + 10.99.0.2:6443 answers: it lives
    "#);
}

#[test]
fn kubelets_that_have_nobody_to_ask_prove_nothing() {
    assert_snapshot!(break_it(|w| { w.refuse_us("kubelet", 401, -30).down("kube-apiserver", Reason::Refused, -40); }), @r#"
    critical ApiServersDown: all 3 API servers are down: they refuse connections; etcd is fine
      + etcd is healthy (3 of 3)
      + all 5 kubelets answer: running containers go on
      - nothing can be created, changed or scheduled; kubectl fails
    "#);
    assert_snapshot!(break_it(|w| {
        w.refuse_us("kubelet", 401, -30);
        w.pick("kube-apiserver").for_each(|e| e.verdict.since = at(-59));
    }), @"");
}

#[test]
fn kubelets_refuse_us() {
    assert_snapshot!(break_it(|w| { w.refuse_us("kubelet", 401, -9); }), @r#"
    info CredentialsRefused: all 5 kubelets refuse our credentials (401): they live, but their health is unknown
      + 10.99.1.1:10250, 10.99.1.2:10250, 10.99.1.3:10250, 10.99.1.4:10250 and 1 more answer: they live
    "#);
}

#[test]
fn certificates_running_out_are_told_once() {
    let told = |left| break_it(|w| present(w, "kube-apiserver", true, left));
    assert_snapshot!(told(days(31)), @"");
    assert_snapshot!(told(days(20)), @r#"
    warning CertificateExpiring: certificate CN=kube-apiserver of 3 API servers expires on 2026-12-13
      - clients that check certificates will refuse to connect there
    "#);
    assert_snapshot!(told(days(6)), @r#"
    critical CertificateExpiring: certificate CN=kube-apiserver of 3 API servers expires within a week, on 2026-11-29
      - clients that check certificates will refuse to connect there
    "#);
    assert_snapshot!(told(3600), @r#"
    critical CertificateExpiring: certificate CN=kube-apiserver of 3 API servers expires within a day, at 2026-11-23 07:00:00 UTC
      - clients that check certificates will refuse to connect there
    "#);
}

#[test]
fn our_own_certificate_running_out() {
    assert_snapshot!(break_it(|w| w.own = vec![certificate("kubeconfig", "CN=watchdog", -days(355), days(10))]), @r#"
    warning CertificateExpiring: our client certificate in the kubeconfig (CN=watchdog) expires on 2026-12-03
      - the cluster will refuse the watchdog, which then sees less of it
    "#);
}

#[test]
fn short_lived_certificates_are_left_alone_until_late() {
    let own = |from, until| break_it(|w| w.own = vec![certificate("kubeconfig", "CN=watchdog", from, until)]);
    assert_snapshot!(own(-3600 * 12, 3600 * 12), @"");
    assert_snapshot!(own(-3600 * 22, 3600 * 2), @r#"
    warning CertificateExpiring: our client certificate in the kubeconfig (CN=watchdog) expires within a day, at 2026-11-23 08:00:00 UTC
      - the cluster will refuse the watchdog, which then sees less of it
    "#);
}

/// The API servers present good certificates of a CA that ends so many seconds from now.
fn ca_until(until: i64, verified: bool) -> String {
    break_it(|w| {
        if !verified {
            w.down("kube-apiserver", Reason::Tls, -9);
        }
        present(w, "kube-apiserver", verified, days(200));
        for entry in w.pick("kube-apiserver") {
            let ca = certificate("ca", "CN=kubernetes", -days(3650), until);
            entry.last.tls.iter_mut().for_each(|tls| tls.anchor = Some(ca.clone()));
        }
    })
}

#[test]
fn the_ca_running_out() {
    assert_eq!(ca_until(days(31), true), "");
    let soon = ca_until(days(20), true);
    assert!(
        soon.starts_with("warning CertificateExpiring: the CA in the kubeconfig (CN=kubernetes) expires on"),
        "{soon}"
    );
    assert!(soon.contains("whoever trusts this CA will refuse all that it signed"), "{soon}");
    assert_eq!(soon.matches("CertificateExpiring").count(), 1, "{soon}");
}

#[test]
fn the_ca_run_out_is_why_the_api_servers_can_t_be_used() {
    let ended = ca_until(-days(1), false);
    let headline = "critical ApiServersDown: all 3 API servers are down: they are certified by a CA that has expired";
    assert!(ended.starts_with(headline), "{ended}");
    assert!(
        ended.contains("ApiServersDown <- CertificateExpiring: the CA in the kubeconfig (CN=kubernetes) expired"),
        "{ended}"
    );
    assert!(!ended.contains("CertificateUntrusted"), "{ended}");
}

#[test]
fn what_can_t_be_seen_for_a_reason_of_ours_is_accused_of_nothing() {
    let unseen = break_it(|w| {
        for entry in w.pick("kube-apiserver 10.99.0.2") {
            entry.fail(State::Unknown, Reason::Local, -9);
        }
    });
    assert_eq!(unseen, "");
}

#[test]
fn what_fails_on_our_side_is_told_once_for_all_clusters() {
    use crate::health::own_faults::{self, OwnFault, OwnView};
    let now: jiff::Timestamp = "2026-11-23T06:00:00Z".parse().unwrap();
    let mut proxy = OwnFault::new(Ours::Proxy("10.0.0.9:3128".into()), now);
    for cluster in ["a", "b", "a"] {
        proxy.add(&cluster.into(), now, "the proxy 10.0.0.9:3128 that we use can't be reached");
    }
    let mut tls = OwnFault::new(Ours::Tls("RSA keys of 1024 bits".into()), now);
    tls.add(&"c".into(), now, "it can't be checked");
    let view = OwnView {
        now,
        vantage: &Vantage { ok: true, ..Vantage::default() },
        store: &StoreHealth::default(),
        problems: &[],
        faults: &[proxy, tls],
    };
    let findings = own_faults::diagnose(&view).findings;
    let told: Vec<_> = findings.iter().map(|f| (f.key.alert, f.severity, f.headline.as_str())).collect();
    assert_eq!(
        told[0],
        (
            AlertName::WatchdogProxyDown,
            Severity::Critical,
            "the proxy 10.0.0.9:3128 that we use is down, or opens no way: 3 targets of clusters a and b can't be seen",
        )
    );
    assert_eq!(
        told[1],
        (
            AlertName::WatchdogTlsLimit,
            Severity::Warning,
            "dogwatch's TLS library does not know RSA keys of 1024 bits: 1 target of cluster c can't be seen",
        )
    );
    assert!(findings.iter().all(|f| f.key.cluster.is_empty() && f.evidence.len() == 1));
}

fn token(from: i64, until: i64, renewed: Option<Option<&str>>) -> Option<TokenFact> {
    Some(TokenFact {
        subject: "system:serviceaccount:dogwatch:dogwatch".into(),
        issued: at(from),
        ends: at(until),
        is_renewed: renewed.is_some(),
        problem: renewed.flatten().map(Into::into),
    })
}

#[test]
fn a_token_that_can_t_be_renewed_is_told_before_it_ends() {
    let told = |from, until, problem| break_it(|w| w.own_token = token(from, until, Some(problem)));
    let why = Some("HTTP 403: forbidden");
    assert_snapshot!(told(-days(20), days(20), why), @"");
    assert_snapshot!(told(-days(21), days(9), why), @r#"
    warning TokenExpiring: our token (system:serviceaccount:dogwatch:dogwatch) ends on 2026-12-02, and renewing it fails: HTTP 403: forbidden
      - the cluster will refuse the watchdog, which then sees less of it
    "#);
    assert_snapshot!(told(-days(29), days(1) - 9, None), @r#"
    critical TokenExpiring: our token (system:serviceaccount:dogwatch:dogwatch) ends within a day, at 2026-11-24 05:59:51 UTC, and was not renewed yet
      - the cluster will refuse the watchdog, which then sees less of it
    "#);
}

#[test]
fn a_token_that_nobody_has_replaced_is_told_late() {
    let told = |from, until| break_it(|w| w.own_token = token(from, until, None));
    // As the kubelet has it: an hour, and a new one when a fifth is left.
    assert_snapshot!(told(-3_200, 400), @"");
    assert_snapshot!(told(-3_300, 300), @r#"
    warning TokenExpiring: our token (system:serviceaccount:dogwatch:dogwatch) ends within a day, at 2026-11-23 06:05:00 UTC, and nobody has put a new one into the kubeconfig
      - the cluster will refuse the watchdog, which then sees less of it
    "#);
}

#[test]
fn a_token_that_has_ended_is_why_we_are_refused() {
    assert_snapshot!(break_it(|w| {
        w.refuse_us("kube-apiserver", 401, -9);
        w.own_token = token(-days(30), -9, Some(Some("HTTP 403: forbidden")));
    }), @r#"
    critical CredentialsRefused: our credentials are refused by all 3 API servers (401): the token in the kubeconfig ended on 2026-11-23
      + 10.99.0.1:6443, 10.99.0.2:6443 and 10.99.0.3:6443 answer: they live
      - nodes, leases and endpoints can't be read: what was last known is watched on
    CredentialsRefused <- TokenExpiring: our token (system:serviceaccount:dogwatch:dogwatch) ended on 2026-11-23, and renewing it fails: HTTP 403: forbidden
    "#);
}

#[test]
fn what_a_token_says_of_itself_is_its_evidence() {
    let mut world = World::new(1);
    world.own_token = token(-days(25), days(5), Some(None));
    let diagnosis = world.diagnose();
    assert_snapshot!(in_full(&diagnosis.findings[0]), @r#"
    our token (system:serviceaccount:dogwatch:dogwatch) ends on 2026-11-28, and was not renewed yet
    since 2026-11-18T06:00:00Z
      the token was given on 2026-10-29 06:00:00 UTC and is valid until 2026-11-28 06:00:00 UTC
      we renew it from 2026-11-13 06:00:00 UTC on
    first: mend why it can't be renewed (the right: `kubectl apply -f deploy/token-rbac.yaml`; `dogwatch doctor` looks at it); after its end, put a new kubeconfig in the old one's place (`dogwatch init --apply --token-lifetime 30d`)
    {"subject": "system:serviceaccount:dogwatch:dogwatch"}
    "#);
}

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
        let chain = vec![certificate("serving", "CN=kube-apiserver", -days(365), until)];
        entry.last.tls = Some(TlsFacts { version: Some("TLS 1.3".into()), chain, verified });
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

//! Certificates, credentials and our own sight: nothing here is an outage of the cluster.

use super::*;
use crate::model::*;
use world::{certificate, days};

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
    assert_snapshot!(break_it(|w| { w.down("*", Reason::Timeout, -9).vantage_ok = false; }), @"");
}

#[test]
fn wrong_ca() {
    assert_snapshot!(break_it(|w| {
        w.down("kube-apiserver", Reason::Tls, -9);
        present(w, "kube-apiserver", false, days(200));
    }), @"");
}

#[test]
fn wrong_name() {
    assert_snapshot!(break_it(|w| {
        w.down("kube-apiserver 10.99.0.1", Reason::Tls, -9);
        present(w, "kube-apiserver 10.99.0.1", false, days(200));
        w.pick("kube-apiserver 10.99.0.1").for_each(|e| e.verdict.message = "certificate is not valid for 10.99.0.1".into());
    }), @"");
}

#[test]
fn serving_certificates_expired() {
    assert_snapshot!(break_it(|w| {
        w.down("kube-apiserver", Reason::Tls, -9);
        present(w, "kube-apiserver", false, -9);
    }), @"");
}

#[test]
fn a_handshake_that_fails_is_an_outage() {
    assert_snapshot!(break_it(|w| { w.down("kube-apiserver 10.99.0.2", Reason::Tls, -9); }), @"");
}

#[test]
fn client_certificate_expired() {
    assert_snapshot!(break_it(|w| {
        w.refuse_us("kube-apiserver", 401, -9);
        w.own = vec![certificate("kubeconfig", "CN=watchdog", -days(365), -10)];
    }), @"");
}

#[test]
fn forbidden() {
    assert_snapshot!(break_it(|w| { w.refuse_us("kube-apiserver", 403, -9); }), @"");
}

#[test]
fn kubelets_refuse_us() {
    assert_snapshot!(break_it(|w| { w.refuse_us("kubelet", 401, -9); }), @"");
}

#[test]
fn certificates_running_out_are_told_once() {
    let told = |left| break_it(|w| present(w, "kube-apiserver", true, left));
    assert_snapshot!(told(days(31)), @"");
    assert_snapshot!(told(days(20)), @"");
    assert_snapshot!(told(days(6)), @"");
    assert_snapshot!(told(3600), @"");
}

#[test]
fn our_own_certificate_running_out() {
    assert_snapshot!(break_it(|w| w.own = vec![certificate("kubeconfig", "CN=watchdog", -days(355), days(10))]), @"");
}

#[test]
fn short_lived_certificates_are_left_alone_until_late() {
    let own = |from, until| break_it(|w| w.own = vec![certificate("kubeconfig", "CN=watchdog", from, until)]);
    assert_snapshot!(own(-3600 * 12, 3600 * 12), @"");
    assert_snapshot!(own(-3600 * 22, 3600 * 2), @"");
}

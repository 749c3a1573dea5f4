//! A control-plane host that is back: one event, whatever of it is heard first.

use std::time::Duration;

use super::*;
use crate::model::*;
use world::at;

#[test]
fn a_host_that_answers_again_is_waited_for() {
    let check = |break_it: &dyn Fn(&mut World), expected: &[AlertName]| {
        let mut world = World::new(5);
        world.node_on(2).lease("cp2", 3).down("* 10.99.0.2", Reason::Timeout, -60).snapshot.read_at = Some(at(-20));
        world.hears("etcd 10.99.0.1", &[2, 3], -1);
        break_it(&mut world);
        let diagnosis = world.diagnose();
        let names: Vec<_> = diagnosis.findings.iter().map(|f| f.key.alert).collect();
        assert_eq!(names, expected, "{diagnosis:#?}");
    };
    let up = |w: &mut World, which: &str, since: i64| {
        for e in w.pick(which) {
            (e.verdict.state, e.verdict.since, e.verdict.reason) = (State::Up, at(since), None);
            (e.last.failure, e.last.answered) = (None, true);
        }
    };
    use AlertName::{ApiServerDown, ComponentDown, EtcdMemberDown};
    // The API server is up again; or has answered once; or another one had hung on the host's member.
    check(&|w| up(w, "kube-apiserver 10.99.0.2", -3), &[]);
    check(&|w| up(w, "kube-apiserver 10.99.0.2", -28), &[]);
    check(
        &|w| {
            for e in w.pick("kube-apiserver 10.99.0.2") {
                (e.last.failure, e.last.answered, e.again) = (None, true, Some(at(-1)));
            }
        },
        &[],
    );
    check(
        &|w| {
            up(w, "kube-scheduler 10.99.0.2", -3);
            w.etcd_only("kube-apiserver 10.99.0.2", -60).etcd_only("kube-apiserver 10.99.0.1", -10);
        },
        &[],
    );
    // It has been back for long; or its API server never was away.
    let rest = &[EtcdMemberDown, ComponentDown, ComponentDown];
    check(&|w| up(w, "kube-apiserver 10.99.0.2", -31), rest);
    check(&|w| up(w, "kube-apiserver 10.99.0.2", -3600), rest);
    // Seldom probed, the others are waited for longer.
    let seldom = |w: &mut World| w.pick("etcd 10.99.0.2").for_each(|e| e.target.interval = Duration::from_secs(20));
    check(
        &|w| {
            up(w, "kube-apiserver 10.99.0.2", -40);
            seldom(w);
        },
        &[],
    );
    // What has never been heard from here is behind a firewall.
    let stranger = |w: &mut World, which: &str| w.pick(which).for_each(|e| e.verdict.reached = false);
    check(
        &|w| {
            up(w, "* 10.99.0.2", -3);
            w.down("etcd 10.99.0.2", Reason::Timeout, -60);
            stranger(w, "etcd 10.99.0.2");
        },
        &[EtcdMemberDown],
    );
    // What fails on another host is told.
    check(
        &|w| {
            up(w, "kube-scheduler 10.99.0.2", -3);
            w.down("kube-apiserver 10.99.0.3", Reason::Refused, -9);
        },
        &[ApiServerDown],
    );
}

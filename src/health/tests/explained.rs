//! What is explained by something else: kube-proxies by their node, leaders by an etcd that takes no writes.

use super::*;
use crate::model::*;

/// A kube-proxy on a node that has one, silent for so long.
fn silent_proxy(w: &mut World, since: i64) {
    let spec = ProbeSpec::Healthz { url: url::Url::parse("http://10.99.1.2:10256/healthz").unwrap() };
    w.add(Job::KubeProxy, "10.99.1.2:10256", Some("n02"), spec, Facts::None);
    w.down("kube-proxy", Reason::Timeout, since);
}

#[test]
fn a_node_is_judged_before_the_kube_proxy_on_it() {
    let names = |w: &World| w.diagnose().findings.iter().map(|f| f.key.alert).collect::<Vec<_>>();
    let mut alone = World::new(5);
    silent_proxy(&mut alone, -4);
    assert_eq!(names(&alone), [AlertName::ComponentDown], "its kubelet answers");

    let mut doubted = World::new(5);
    silent_proxy(&mut doubted, -4);
    doubted.pick("kubelet 10.99.1.2").for_each(|e| e.fail(State::Suspect, Reason::Timeout, -3));
    assert_eq!(names(&doubted), [], "its kubelet will soon say more");

    let mut lost = World::new(5);
    silent_proxy(&mut lost, -9);
    lost.down("kubelet 10.99.1.2", Reason::Timeout, -8).lease("n02", 20);
    assert_eq!(names(&lost), [AlertName::NodeDown]);
}

#[test]
fn leaders_that_give_up_because_etcd_is_full_are_its_consequence() {
    let mut world = World::new(2);
    world.alarm("etcd", "NOSPACE", -60);
    world.down("kube-scheduler", Reason::Refused, -30).down("kube-controller-manager", Reason::Refused, -30);
    let diagnosis = world.diagnose();
    let roots: Vec<_> = diagnosis.findings.iter().filter(|f| f.caused_by.is_none()).map(|f| f.key.alert).collect();
    assert_eq!(roots, [AlertName::EtcdAlarm]);
    assert_eq!(diagnosis.findings.len(), 3, "told as what comes of it");
}

//! Checks: told by themselves, or listed with what explains them.

use super::*;
use crate::model::{CheckName, CheckTraits, Facts, Job, ProbeSpec, Quota, Reason, Severity, State};

/// Adds a check; the later, the further down in the configuration.
fn add(w: &mut World, name: &str, at: &str, layer: u8, depends_on: &[&str]) {
    let traits = CheckTraits {
        kind: "http".into(),
        at: format!("https://{at}/"),
        layer,
        down: Quota::default(),
        depends_on: depends_on.iter().filter_map(|n| CheckName::new(n)).collect(),
        nodes_port: None,
        severity: Severity::Critical,
        place: 0,
    };
    w.add(Job::Check(CheckName::new(name).unwrap()), at, None, ProbeSpec::Check(traits), Facts::Check(Vec::new()));
}

/// Fails a check since so many seconds.
fn fail(w: &mut World, name: &str, reason: Reason, since: i64) {
    w.pick(name).for_each(|entry| entry.fail(State::Down, reason, since));
}

fn shop() -> World {
    let mut w = World::new(3);
    add(&mut w, "dns", "10.9.9.9:53", 0, &[]);
    add(&mut w, "shop", "shop.example.org:443", 3, &["dns"]);
    add(&mut w, "search", "search.example.org:443", 3, &["shop"]);
    w
}

#[test]
fn a_check_that_fails_is_told_by_itself_and_accuses_no_cluster() {
    let mut w = shop();
    fail(&mut w, "shop", Reason::HttpStatus, -40);
    assert_snapshot!(told(&w), @r"
    critical CheckFailing: shop.example.org: it failed (http_status)
      + all 3 API servers answer
      + etcd is healthy (3 of 3)
      + all 3 kubelets answer: running containers go on
      + scheduler and controller-manager lead
    ");
    w.pick("shop").for_each(|entry| entry.verdict.state = State::Suspect);
    assert_eq!(told(&w), "");
}

#[test]
fn what_it_depends_on_explains_it_step_by_step() {
    let mut w = shop();
    fail(&mut w, "dns", Reason::Timeout, -50);
    fail(&mut w, "shop", Reason::HttpStatus, -45);
    fail(&mut w, "search", Reason::HttpStatus, -40);
    assert_snapshot!(told(&w), @r"
    critical CheckFailing: dns (10.9.9.9:53): it failed (timeout)
      + all 3 API servers answer
      + etcd is healthy (3 of 3)
      + all 3 kubelets answer: running containers go on
      + scheduler and controller-manager lead
      - search.example.org: it failed (http_status)
      - shop.example.org: it failed (http_status)
    CheckFailing <- CheckFailing: search.example.org: it failed (http_status)
    CheckFailing <- CheckFailing: shop.example.org: it failed (http_status)
    ");
    // The one between them is well: nothing is known that explains it.
    w.pick("shop").for_each(|entry| entry.verdict.state = State::Up);
    let said = told(&w);
    assert!(said.contains("critical CheckFailing: search") && said.contains("critical CheckFailing: dns"), "{said}");
    // What it depends on can't be seen: that explains nothing.
    let mut w = shop();
    fail(&mut w, "shop", Reason::HttpStatus, -45);
    w.pick("dns").for_each(|entry| entry.fail(State::Unknown, Reason::Local, -50));
    assert!(told(&w).contains("critical CheckFailing: shop"), "{}", told(&w));
    // It began much later: it is no cause.
    let mut w = shop();
    fail(&mut w, "shop", Reason::HttpStatus, -400);
    fail(&mut w, "dns", Reason::Timeout, -50);
    assert!(told(&w).contains("critical CheckFailing: shop"), "{}", told(&w));
}

#[test]
fn a_cluster_takes_its_checks_along_and_a_later_trouble_does_not() {
    let mut w = shop();
    w.pick("kube-apiserver").for_each(|entry| entry.fail(State::Down, Reason::Refused, -60));
    fail(&mut w, "shop", Reason::HttpStatus, -50);
    let said = told(&w);
    assert!(
        said.contains("ApiServersDown <- CheckFailing: shop.example.org") && said.contains("- shop.example.org"),
        "{said}"
    );
    let mut w = shop();
    w.pick("kube-apiserver").for_each(|entry| entry.fail(State::Down, Reason::Refused, -60));
    fail(&mut w, "shop", Reason::HttpStatus, -600);
    assert!(told(&w).contains("critical CheckFailing: shop"), "{}", told(&w));
}

#[test]
fn what_may_explain_it_is_waited_for() {
    let mut w = shop();
    fail(&mut w, "shop", Reason::HttpStatus, -5);
    w.pick("kube-apiserver 10.99.0.1").for_each(|entry| entry.fail(State::Suspect, Reason::Timeout, -4));
    assert_snapshot!(told(&w), @"(unsettled)");
    fail(&mut w, "shop", Reason::HttpStatus, -31);
    assert!(told(&w).contains("critical CheckFailing: shop"), "{}", told(&w));
}

#[test]
fn a_check_at_every_node_is_judged_together_and_lost_nodes_are_left_out() {
    let with_nodes = |failing: &[(usize, Reason)]| {
        let mut w = World::new(5);
        for i in 1..=5 {
            let instance = format!("10.99.1.{i}:30443");
            add(&mut w, "ingress", &instance, 3, &[]);
        }
        for (i, entry) in (1..).zip(w.pick("ingress")) {
            entry.target.node = Some(format!("n0{i}").into());
            let ProbeSpec::Check(traits) = &mut entry.target.spec else { continue };
            traits.nodes_port = Some(30443);
        }
        for (i, reason) in failing {
            w.pick(&format!("ingress 10.99.1.{i}")).for_each(|entry| entry.fail(State::Down, *reason, -60));
        }
        w
    };
    let refused = |nodes: &[usize]| nodes.iter().map(|n| (*n, Reason::Refused)).collect::<Vec<_>>();
    let headline = |w: &World| told(w).lines().next().unwrap_or_default().to_owned();
    assert_snapshot!(headline(&with_nodes(&refused(&[2, 4]))), @"critical CheckFailing: NodePort 30443 (ingress) refuses connections on 2 of 5 nodes: n02 and n04");
    assert_snapshot!(headline(&with_nodes(&refused(&[1, 2, 3, 4, 5]))), @"critical CheckFailing: NodePort 30443 (ingress) refuses connections on every node");
    // A node that is lost explains its own.
    let mut w = with_nodes(&[(2, Reason::Timeout), (4, Reason::Refused)]);
    w.down("kubelet 10.99.1.2", Reason::Timeout, -70);
    w.snapshot.nodes[1].lease = None;
    let said = told(&w);
    assert!(said.contains("NodePort 30443 (ingress) refuses connections on 1 of 5 nodes: n04"), "{said}");
}

#[test]
fn a_plainer_check_of_the_same_host_explains_it() {
    let mut w = World::new(0);
    add(&mut w, "git-web", "git.example.org:443", 3, &[]);
    add(&mut w, "git-ssh", "git.example.org:22", 1, &[]);
    fail(&mut w, "git-web", Reason::Timeout, -60);
    fail(&mut w, "git-ssh", Reason::Timeout, -55);
    assert_snapshot!(told(&w), @r"
    critical CheckFailing: git-ssh (git.example.org:22): it failed (timeout)
      + all 3 API servers answer
      + etcd is healthy (3 of 3)
      + scheduler and controller-manager lead
      - git-web (git.example.org:443): it failed (timeout)
    CheckFailing <- CheckFailing: git-web (git.example.org:443): it failed (timeout)
    ");
    // It answers, and wrongly: that is another matter.
    fail(&mut w, "git-web", Reason::HttpStatus, -60);
    assert_eq!(told(&w).matches("critical CheckFailing").count(), 2);
}

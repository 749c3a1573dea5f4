//! Checks: told by themselves, or listed with what explains them.

use super::*;
use crate::health::{Elsewhere, diagnose};
use crate::model::{
    AlertName, AtNodes, CheckFacts, CheckName, CheckTraits, Facts, FindingKey, Job, ProbeSpec, Quota, Reason, Severity,
    State,
};

/// Adds a check; the later, the further down in the configuration.
fn add(w: &mut World, name: &str, at: &str, layer: u8, depends_on: &[&str]) {
    let traits = CheckTraits {
        kind: "http".into(),
        at: format!("https://{at}/"),
        layer,
        down: Quota::default(),
        depends_on: depends_on.iter().filter_map(|n| CheckName::new(n)).collect(),
        nodes: None,
        has_quiet_times: false,
        severity: Severity::Critical,
        place: 0,
    };
    w.add(
        Job::Check(CheckName::new(name).unwrap()),
        at,
        None,
        ProbeSpec::Check(traits),
        Facts::Check(CheckFacts::default()),
    );
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
            traits.nodes = Some(AtNodes::Port(30443));
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
fn what_fails_at_one_address_for_all_is_told_of_the_address() {
    let sites = |failing: &[&str], reason: Reason| {
        let mut w = World::new(0);
        for name in ["shop", "search", "blog"] {
            add(&mut w, name, &format!("{name}.example.org:443"), 3, &[]);
            w.pick(name).for_each(|entry| {
                let peer = Some("192.0.2.5:443".parse().unwrap());
                entry.last.facts = Facts::Check(CheckFacts { measures: Vec::new(), peer });
            });
        }
        for name in failing {
            fail(&mut w, name, reason, -60);
            w.pick(name).for_each(|entry| entry.last.http_status = Some(503));
        }
        w
    };
    let all = ["shop", "search", "blog"];
    assert_snapshot!(told(&sites(&all, Reason::HttpStatus)), @r"
    critical ChecksFailing: 192.0.2.5:443 answers with HTTP 503 for all 3 checks that ask it: blog, search and shop; it lives, and reaches no service behind it (ingress, gateway or service mesh)
      + all 3 API servers answer
      + etcd is healthy (3 of 3)
      + scheduler and controller-manager lead
      - blog.example.org: it failed (http_status)
      - search.example.org: it failed (http_status)
      - shop.example.org: it failed (http_status)
    ChecksFailing <- CheckFailing: blog.example.org: it failed (http_status)
    ChecksFailing <- CheckFailing: search.example.org: it failed (http_status)
    ChecksFailing <- CheckFailing: shop.example.org: it failed (http_status)
    ");
    assert!(told(&sites(&all, Reason::Refused)).contains("192.0.2.5:443 refuses connections for all 3 checks"));
    // One is well: the others have their own reasons. What is wrong with an answer is no word on the address.
    let one_by_one = |w: &World| told(w).matches("critical CheckFailing").count();
    assert_eq!(one_by_one(&sites(&all[..2], Reason::HttpStatus)), 2);
    assert_eq!(one_by_one(&sites(&all, Reason::Body)), 3);
    // One is in doubt: it is waited for, and not for ever.
    let mut w = sites(&all, Reason::HttpStatus);
    for name in &all[..2] {
        fail(&mut w, name, Reason::HttpStatus, -5);
    }
    w.pick("blog").for_each(|entry| entry.fail(State::Suspect, Reason::HttpStatus, -4));
    assert_snapshot!(told(&w), @"(unsettled)");
    for name in &all[..2] {
        fail(&mut w, name, Reason::HttpStatus, -31);
    }
    assert_eq!(one_by_one(&w), 2);
}

#[test]
fn what_answers_at_the_nodes_is_not_what_fails_behind_a_load_balancer() {
    let sites = |fails_at_a_node: bool| {
        let mut w = World::new(4);
        for name in ["shop", "search"] {
            add(&mut w, name, &format!("{name}.example.org:443"), 3, &[]);
            fail(&mut w, name, Reason::HttpStatus, -60);
            w.pick(name).for_each(|entry| {
                entry.last.http_status = Some(503);
                let peer = Some("192.0.2.5:443".parse().unwrap());
                entry.last.facts = Facts::Check(CheckFacts { measures: Vec::new(), peer });
            });
        }
        for node in 1..=4 {
            add(&mut w, "ingress", &format!("10.99.1.{node}:30443"), 3, &[]);
        }
        for (i, entry) in (1..).zip(w.pick("ingress")) {
            entry.target.node = Some(format!("n0{i}").into());
            let ProbeSpec::Check(traits) = &mut entry.target.spec else { continue };
            traits.nodes = Some(AtNodes::Port(30443));
        }
        if fails_at_a_node {
            w.pick("ingress 10.99.1.2").for_each(|entry| entry.fail(State::Down, Reason::HttpStatus, -60));
        }
        w
    };
    let said = told(&sites(false));
    let words = "192.0.2.5:443 answers with HTTP 503 for all 2 checks that ask it: search and shop; ingress on NodePort 30443 \
                 answers on every node";
    assert!(said.contains(words), "{said}");
    assert!(
        said.starts_with("critical LoadBalancerFailing: load balancer 192.0.2.5:443 answers with HTTP 503"),
        "{said}"
    );
    let said = told(&sites(true));
    assert!(
        said.contains("critical ChecksFailing: 192.0.2.5:443 answers") && !said.contains("answers on every node"),
        "{said}"
    );
    // A node that has not been asked since is waited for, and not for ever.
    let unasked = |since: i64| {
        let mut w = sites(false);
        for name in ["shop", "search"] {
            fail(&mut w, name, Reason::HttpStatus, since);
            w.pick(name).for_each(|entry| entry.last.http_status = Some(503));
        }
        w.pick("ingress 10.99.1.3").for_each(|entry| entry.last.started = super::world::at(since - 5));
        told(&w)
    };
    assert_snapshot!(unasked(-10), @"(unsettled)");
    assert!(unasked(-31).contains("critical ChecksFailing: "), "{}", unasked(-31));
    // What is asked at a node's own address stands behind no load balancer.
    let mut w = sites(false);
    w.snapshot.nodes[0].addresses = vec!["192.0.2.5".into()];
    assert!(told(&w).contains("critical ChecksFailing: 192.0.2.5:443 answers"), "{}", told(&w));
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

#[test]
fn a_check_of_another_group_explains_what_depends_on_it_for_as_long_as_it_is_known_to_fail() {
    let (mut git, mut w) = (World::new(0), World::new(0));
    add(&mut git, "git", "git.example.org:443", 3, &[]);
    add(&mut w, "deploy", "deploy.example.org:443", 3, &["git"]);
    let key = |cluster: &str, subject: &str| FindingKey {
        cluster: cluster.into(),
        alert: AlertName::CheckFailing,
        subject: subject.into(),
    };
    let say = |git: &World, w: &World, is_judged: bool, told: Option<FindingKey>| {
        let targets = git.entries.iter().filter(|e| e.target.key.job.is_check()).map(|e| e.view()).collect();
        let mut view = w.view();
        view.elsewhere = vec![Elsewhere { name: CheckName::new("git").unwrap(), targets, is_judged, told }];
        let diagnosis = diagnose(&view);
        let of_check = diagnosis.findings.iter().find(|f| f.key.subject == "deploy");
        (of_check.map(|f| f.caused_by.clone()), diagnosis.unsettled)
    };
    let alone = (Some(None), false);
    fail(&mut w, "deploy", Reason::HttpStatus, -60);
    assert_eq!(say(&git, &w, true, None), alone, "it is well");
    fail(&mut git, "git", Reason::Timeout, -65);
    let cause = key("checks", "git");
    assert_eq!(say(&git, &w, true, Some(cause.clone())), (Some(Some(cause)), false));
    // What explains that one there explains this, too; one step at a time, each where it is known.
    let root = key("prod", "ingress");
    assert_eq!(say(&git, &w, true, Some(root.clone())), (Some(Some(root)), false));
    // Nobody tells of it: that is waited for, and not for ever. After a start its group is judged first.
    assert_eq!(say(&git, &w, true, None), alone);
    assert_eq!(say(&git, &w, false, None), (None, true));
    fail(&mut w, "deploy", Reason::HttpStatus, -10);
    fail(&mut git, "git", Reason::Timeout, -12);
    assert_eq!(say(&git, &w, true, None), (None, true));
    // What is not known, and what began clearly later, explains nothing.
    fail(&mut w, "deploy", Reason::HttpStatus, -60);
    git.pick("git").for_each(|entry| entry.fail(State::Unknown, Reason::Local, -65));
    assert_eq!(say(&git, &w, true, Some(key("checks", "git"))), alone);
    fail(&mut git, "git", Reason::Timeout, -20);
    assert_eq!(say(&git, &w, true, Some(key("checks", "git"))), alone);
}

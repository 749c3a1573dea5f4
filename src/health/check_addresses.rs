//! Checks that ask one address and all fail there in the same way: a load balancer, an ingress or a host, told once, with
//! the checks as its consequences.
//!
//! Only what says something of the address itself is taken so: silence, refusals, broken handshakes, errors of the server
//! (5xx). Where one check of that address is well, each of the others stands for itself. A check with quiet times does, too:
//! nothing else may tell of it.
//!
//! Where the ingress answers meanwhile at every node, asked past that address, it is the load balancer that fails
//! (`LoadBalancerFailing`). Whether it does is waited for, where it has not been asked since.

use std::{collections::BTreeMap, net::SocketAddr};

use jiff::Timestamp;

use super::{
    checks::{AWAITED, Check, NODES_NAMED, key},
    say::{self, Sentence},
    time::later,
    view::{ClusterView, How, TargetView, earliest},
};
use crate::model::{AlertName, CheckName, Facts, Finding, FindingKey, Reason, Said, Severity, State, Topic};

/// One check alone says nothing of what stands before others.
const CHECKS_MIN: usize = 2;

/// How an address fails.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Status(u16),
    How(How),
}

impl Shape {
    /// `None`: what fails is the answer of one check, and no word on the address.
    fn of(target: &TargetView<'_>) -> Option<Self> {
        let status = target.last.and_then(|o| o.http_status).filter(|status| *status >= 500);
        match (target.verdict.reason, target.how()) {
            (Some(Reason::HttpStatus), _) => status.map(Self::Status),
            (_, How::Wrong | How::Credentials | How::Slow | How::Sick | How::Unseen | How::Dns) => None,
            (_, how) => Some(Self::How(how)),
        }
    }

    /// What a gateway says of those behind it (RFC 9110, 15.6.3 to 15.6.5).
    fn is_of_gateway(self) -> bool {
        matches!(self, Self::Status(502..=504))
    }

    fn says(self) -> Said {
        match self {
            Self::Status(status) => Said::new("answers-with-status").with("status", status.to_string()),
            Self::How(how) => say::how(how, 1),
        }
    }
}

fn peer(target: &TargetView<'_>) -> Option<SocketAddr> {
    match &target.last?.facts {
        Facts::Check(facts) => facts.peer,
        _ => None,
    }
}

/// Tells of each address at which all checks fail alike, and makes it the cause of what was found of them. Whether an
/// answer is waited for that decides it: what it may explain is not told until then.
pub(super) fn explain(view: &ClusterView<'_>, all: &BTreeMap<CheckName, Check<'_>>, found: &mut Vec<Finding>) -> bool {
    let mut members: BTreeMap<SocketAddr, Vec<(&Check<'_>, &TargetView<'_>)>> = BTreeMap::new();
    for check in all.values().filter(|c| !c.is_at_nodes() && !c.traits.has_quiet_times) {
        let Some(target) = check.all.first() else { continue };
        if let Some(peer) = peer(target) {
            members.entry(peer).or_default().push((check, target));
        }
    }
    let (mut shared, mut waits) = (Vec::new(), false);
    for (peer, members) in &members {
        let down: Vec<_> = members.iter().filter(|(_, t)| t.is_down()).collect();
        let is_root = |f: &Finding| f.caused_by.is_none() && down.iter().any(|(c, _)| f.key == key(view, c.name));
        if members.len() < CHECKS_MIN || !found.iter().any(is_root) {
            continue;
        }
        let Some(shape) = down.first().and_then(|(_, t)| Shape::of(t)) else { continue };
        if down.iter().any(|(_, t)| Shape::of(t) != Some(shape)) {
            continue;
        }
        let targets: Vec<&TargetView<'_>> = down.iter().map(|(_, t)| *t).collect();
        let since = earliest(&targets, view.now);
        let is_open = |t: &TargetView<'_>| {
            t.verdict.state == State::Suspect || t.is_up() && t.last.is_some_and(|o| o.started < since)
        };
        let is_all = down.len() == members.len();
        let mut at_nodes = all.values().filter(|c| is_http_at_nodes(c)).flat_map(|c| &c.all);
        let waits_for_nodes = is_all && at_nodes.any(|t| t.is_up() && is_open(t));
        let is_undecided = waits_for_nodes || !is_all && members.iter().all(|(_, t)| t.is_down() || is_open(t));
        if is_undecided && !later(view.now, since, AWAITED) {
            waits = true;
            found.retain(|f| !is_root(f));
        } else if is_all && down.len() >= CHECKS_MIN {
            let checks: Vec<&Check<'_>> = down.iter().map(|(c, _)| *c).collect();
            let mut finding = finding(view, *peer, &checks, &targets);
            let behind = tell_what_is_behind(view, *peer, all, &mut finding);
            say_it(&mut finding, *peer, shape, &checks, behind);
            found.iter_mut().filter(|f| is_root(f)).for_each(|f| f.caused_by = Some(finding.key.clone()));
            shared.push(finding);
        }
    }
    found.extend(shared);
    waits
}

/// Says so where the ingress answers at the nodes, past the address: then what fails is what stands at it. Returns what
/// answers.
fn tell_what_is_behind(
    view: &ClusterView<'_>,
    peer: SocketAddr,
    all: &BTreeMap<CheckName, Check<'_>>,
    finding: &mut Finding,
) -> Option<Said> {
    let behind: Vec<Said> = all.values().filter_map(|c| answers_at_nodes(c, finding.since)).collect();
    let first = behind.first()?.clone();
    let words = behind.into_iter().map(|said| Sentence::from(said).text);
    finding.evidence.extend(words.map(|words| format!("{words}: what is behind {peer} is well")));
    let ip = peer.ip().to_string();
    // An address of a node is no load balancer.
    if !view.snapshot.nodes.iter().any(|node| node.addresses.contains(&ip)) {
        finding.key.alert = AlertName::LoadBalancerFailing;
        finding.still_works.push("the sites, asked past it at the nodes' own addresses".to_owned());
    }
    Some(first)
}

/// A check of a site, made at nodes.
fn is_http_at_nodes(check: &Check<'_>) -> bool {
    check.is_at_nodes() && check.traits.kind == "http"
}

/// A check by HTTP that every node answers since then: what an ingress serves past whatever stands before the nodes.
fn answers_at_nodes(check: &Check<'_>, since: Timestamp) -> Option<Said> {
    is_http_at_nodes(check).then_some(())?;
    let answers = |t: &&TargetView<'_>| t.is_up() && t.last.is_some_and(|o| o.started >= since);
    let is_well = !check.all.is_empty() && check.all.iter().all(answers);
    let well = || Said::new("check-well-at-nodes").with("check", check.name.to_string()).with("n", check.all.len());
    is_well.then(|| well().with("ports", Check::node_ports(&check.all)))
}

/// What is found, without words.
fn finding(view: &ClusterView<'_>, peer: SocketAddr, checks: &[&Check<'_>], targets: &[&TargetView<'_>]) -> Finding {
    let key = FindingKey { cluster: view.cluster.clone(), alert: AlertName::ChecksFailing, subject: peer.to_string() };
    let severity = checks.iter().map(|c| c.traits.severity).max().unwrap_or(Severity::Warning);
    let mut finding = Finding::new(key, severity, Topic::Outage, String::new(), earliest(targets, view.now));
    finding.labels.insert("instance".to_owned(), peer.to_string());
    finding
}

/// The headline, with what answers behind it, and what to do first.
fn say_it(finding: &mut Finding, peer: SocketAddr, shape: Shape, checks: &[&Check<'_>], behind: Option<Said>) {
    let names: Vec<&str> = checks.iter().map(|c| c.name.as_str()).collect();
    let fails = Said::new("address-fails").with("address", peer.to_string()).with("how", shape.says());
    let fails = fails.with("n", names.len()).names("names", &names, NODES_NAMED);
    let is_balancer = finding.key.alert == AlertName::LoadBalancerFailing;
    let headline = match behind {
        Some(behind) if is_balancer => Said::new("balancer-but-nodes").with("what", fails).with("behind", behind),
        Some(behind) => Said::new("address-but-nodes").with("what", fails).with("behind", behind),
        None if shape.is_of_gateway() => Said::new("gateway-alone").with("what", fails),
        None => fails,
    };
    let Sentence { text, said } = headline.into();
    finding.headline = text;
    finding.said.extend(said);
    let step = match is_balancer {
        true => Said::new("step-balancer"),
        false => Said::new("step-address").with("check", names.first().copied().unwrap_or("NAME")),
    };
    say::first_step(finding, step.with("address", peer.to_string()));
}
